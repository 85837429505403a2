/**
 * Finds a key that occurs twice in one object of a JSON text: JSON.parse keeps the last one and says nothing.
 * @param json a text that JSON.parse accepts.
 * @returns the first duplicate key, or undefined.
 */
export function duplicateKey(json: string): string | undefined {
  // One set of keys per open object; undefined stands for an open array.
  const open: (Set<string> | undefined)[] = []
  for (let i = 0; i < json.length; i++) {
    const character = json[i]
    if (character === '{') open.push(new Set())
    else if (character === '[') open.push(undefined)
    else if (character === '}' || character === ']') open.pop()
    else if (character === '"') {
      const end = endOfString(json, i)
      if (isKey(json, end)) {
        const key = JSON.parse(json.slice(i, end)) as string
        const keys = open.at(-1)
        if (keys?.has(key)) return key
        keys?.add(key)
      }
      i = end - 1
    }
  }
  return undefined
}

/** The index behind the closing quote of the string that opens at `begin`. */
function endOfString(json: string, begin: number): number {
  for (let i = begin + 1; i < json.length; i++) {
    if (json[i] === '\\') i++
    else if (json[i] === '"') return i + 1
  }
  return json.length
}

function isKey(json: string, end: number): boolean {
  while (end < json.length && ' \t\r\n'.includes(json[end]!)) end++
  return json[end] === ':'
}
