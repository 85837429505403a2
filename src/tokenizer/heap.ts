/** A binary heap whose first element is one that no other comes before. */
export interface Heap<T> {
  readonly size: number
  push(item: T): void
  /** Takes the first element out; undefined when the heap is empty. */
  pop(): T | undefined
}

/** An empty heap. @param before whether `a` comes before `b`. */
export function createHeap<T>(before: (a: T, b: T) => boolean): Heap<T> {
  const items: T[] = []
  const swap = (i: number, j: number): void => {
    const item = items[i]!
    items[i] = items[j]!
    items[j] = item
  }
  return {
    get size() {
      return items.length
    },
    push(item) {
      let at = items.push(item) - 1
      while (at > 0) {
        const parent = (at - 1) >> 1
        if (!before(items[at]!, items[parent]!)) break
        swap(at, parent)
        at = parent
      }
    },
    pop() {
      const first = items[0]
      const last = items.pop()
      if (items.length > 0) {
        items[0] = last!
        for (let at = 0; ; ) {
          let next = at
          for (const child of [2 * at + 1, 2 * at + 2]) {
            if (child < items.length && before(items[child]!, items[next]!)) next = child
          }
          if (next === at) break
          swap(at, next)
          at = next
        }
      }
      return first
    },
  }
}
