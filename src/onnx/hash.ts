import { type Attributes, type Tensor, topologicalOrder } from '../tensor/index.ts'

/**
 * A key that is equal exactly for graphs of equal structure: operators, attributes, shapes and dtypes, and which named
 * inputs and outputs; never the values of lifted constants. (A 128-bit hash of the canonical text.)
 */
export function structuralHash(outputs: readonly Tensor[]): string {
  const order = topologicalOrder(outputs)
  const numbers = new Map(order.map((t, i) => [t, i]))
  const hash = new Hash()
  for (const t of order) {
    hash.text(t.op)
    for (const input of t.inputs) hash.text(` ${numbers.get(input)}`)
    hash.text(attributeText(t.attributes))
    hash.text(`:${t.dtype}${t.shape.join()};`)
  }
  for (const output of outputs) hash.text(`>${numbers.get(output)}`)
  return hash.digest()
}

/** Attributes as text that differs whenever they do: -0, NaN and the infinities, which JSON has not, included. */
export function attributeText(attributes: Attributes): string {
  let text = ''
  for (const key in attributes) {
    const value = attributes[key]!
    text += ` ${key}=${Object.is(value, -0) ? '-0' : typeof value === 'string' ? JSON.stringify(value) : value}`
  }
  return text
}

/** Two pairs of 32-bit multiply-and-mix lanes over UTF-16 units. */
class Hash {
  private readonly lanes = [0x2545f491, 0x9e3779b9, 0x85ebca6b, 0xc2b2ae35]

  text(text: string): void {
    let [a, b, c, d] = this.lanes as [number, number, number, number]
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i)
      a = Math.imul(a ^ unit, 0x9e3779b1)
      b = Math.imul(b ^ unit, 0x5f356495)
      c = Math.imul(c ^ unit, 0x27d4eb2f) ^ (a >>> 15)
      d = Math.imul(d ^ unit, 0x165667b1) ^ (b >>> 13)
    }
    this.lanes.splice(0, 4, a, b, c, d)
  }

  digest(): string {
    return this.lanes
      .map((lane) => (Math.imul(lane ^ (lane >>> 16), 0x85ebca6b) >>> 0).toString(16).padStart(8, '0'))
      .join('')
  }
}
