/** A tokenized prompt. */
interface Tokens {
  readonly ids: readonly number[]
  readonly tokens: readonly string[]
}

/** One column of an alignment: positions in the clean and the corrupted prompt, null where one has no counterpart. */
export interface AlignedPosition {
  readonly clean: number | null
  readonly corrupt: number | null
  readonly same: boolean
}

/** How two prompts' tokens correspond. */
export interface PromptAlignment {
  /** Whether both have the same number of tokens, so that position i of one patches position i of the other. */
  readonly equalLength: boolean
  readonly positions: AlignedPosition[]
  /** For people: which tokens differ, side by side, and what to change when the lengths differ. */
  readonly explanation: string
}

/** Aligns the tokens of two prompts by their longest common subsequence; differing tokens between are paired in order. */
export function alignPrompts(clean: Tokens, corrupt: Tokens): PromptAlignment {
  const equalLength = clean.ids.length === corrupt.ids.length
  // Patching goes by position: prompts of equal length are compared position by position.
  const matches = equalLength
    ? clean.ids.flatMap((id, i): [number, number][] => (id === corrupt.ids[i] ? [[i, i]] : []))
    : commonSubsequence(clean.ids, corrupt.ids)
  const positions: AlignedPosition[] = []
  let [a, b] = [0, 0]
  for (const [i, j] of [...matches, [clean.ids.length, corrupt.ids.length] as [number, number]]) {
    while (a < i || b < j) positions.push({ clean: a < i ? a++ : null, corrupt: b < j ? b++ : null, same: false })
    if (i < clean.ids.length && j < corrupt.ids.length) positions.push({ clean: a++, corrupt: b++, same: true })
  }
  return { equalLength, positions, explanation: explain(clean.tokens, corrupt.tokens, positions) }
}

/** Pairs of positions of a longest common subsequence, by the usual table of lengths of common suffixes. */
function commonSubsequence(a: readonly number[], b: readonly number[]): [number, number][] {
  const width = b.length + 1
  const longest = new Uint32Array((a.length + 1) * width)
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      longest[i * width + j] =
        a[i] === b[j]
          ? longest[(i + 1) * width + j + 1]! + 1
          : Math.max(longest[(i + 1) * width + j]!, longest[i * width + j + 1]!)
    }
  }
  const pairs: [number, number][] = []
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    if (a[i] === b[j]) pairs.push([i++, j++])
    else if (longest[(i + 1) * width + j]! >= longest[i * width + j + 1]!) i++
    else j++
  }
  return pairs
}

function explain(clean: readonly string[], corrupt: readonly string[], positions: readonly AlignedPosition[]): string {
  const differing = positions.filter(({ same }) => !same)
  if (differing.length === 0) return `Both prompts are the same ${clean.length} tokens.`
  const cells = differing.map((position) => [cell(clean, position.clean), cell(corrupt, position.corrupt)] as const)
  const width = Math.max('clean'.length, ...cells.map(([left]) => left.length))
  const table = [['clean', 'corrupted'] as const, ...cells].map(([left, right]) => `  ${left.padEnd(width)}  ${right}`)
  if (clean.length === corrupt.length) {
    const places = differing.length === 1 ? '1 position' : `${differing.length} positions`
    return [`Both prompts have ${clean.length} tokens; they differ at ${places}:`, ...table].join('\n')
  }
  const [longer, shorter] = clean.length > corrupt.length ? ['clean', 'corrupted'] : ['corrupted', 'clean']
  const surplus = Math.abs(clean.length - corrupt.length)
  return [
    `The clean prompt has ${clean.length} tokens, the corrupted one ${corrupt.length}. They differ here:`,
    ...table,
    'Only tokens that have a counterpart can be patched, and what follows an insertion stands at another position.',
    `To compare position by position make the ${longer} prompt ${surplus} ${surplus === 1 ? 'token' : 'tokens'} shorter or the ${shorter} one longer,`,
    'for instance by replacing a word by one that has as many tokens as its counterpart.',
  ].join('\n')
}

function cell(tokens: readonly string[], position: number | null): string {
  return position === null ? '(nothing)' : `${position}: ${JSON.stringify(tokens[position])}`
}
