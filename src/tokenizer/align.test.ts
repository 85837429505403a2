import { expect, test } from 'vitest'
import { alignPrompts } from './align.ts'

const encoded = (text: string) => {
  const tokens = text.split(' ')
  return { tokens, ids: tokens.map((token) => [...token].reduce((id, c) => id * 131 + c.charCodeAt(0), 7)) }
}

test('equal lengths are compared position by position', () => {
  const alignment = alignPrompts(encoded('The cat sat down'), encoded('The dog sat up'))
  expect(alignment.equalLength).toBe(true)
  expect(alignment.positions.map(({ clean, corrupt, same }) => [clean, corrupt, same])).toEqual([
    [0, 0, true],
    [1, 1, false],
    [2, 2, true],
    [3, 3, false],
  ])
  expect(alignment.explanation).toContain('differ at 2 positions')
  expect(alignment.explanation).toContain('1: "cat"   1: "dog"')
})

test('unequal lengths show where the extra token is and what to change', () => {
  const alignment = alignPrompts(encoded('a little girl named Lily'), encoded('a girl named Tom'))
  expect(alignment.equalLength).toBe(false)
  expect(alignment.positions.map(({ clean, corrupt }) => [clean, corrupt])).toEqual([
    [0, 0],
    [1, null],
    [2, 1],
    [3, 2],
    [4, 3],
  ])
  expect(alignment.explanation).toBe(
    [
      'The clean prompt has 5 tokens, the corrupted one 4. They differ here:',
      '  clean        corrupted',
      '  1: "little"  (nothing)',
      '  4: "Lily"    3: "Tom"',
      'Only tokens that have a counterpart can be patched, and what follows an insertion stands at another position.',
      'To compare position by position make the clean prompt 1 token shorter or the corrupted one longer,',
      'for instance by replacing a word by one that has as many tokens as its counterpart.',
    ].join('\n'),
  )
})

test('the same prompt twice, and nothing in common', () => {
  expect(alignPrompts(encoded('a b'), encoded('a b')).explanation).toBe('Both prompts are the same 2 tokens.')
  const apart = alignPrompts(encoded('a b c'), encoded('d'))
  expect(apart.positions.map(({ clean, corrupt }) => [clean, corrupt])).toEqual([
    [0, 0],
    [1, null],
    [2, null],
  ])
  expect(apart.explanation).toContain('make the clean prompt 2 tokens shorter')
})
