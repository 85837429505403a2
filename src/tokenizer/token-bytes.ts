import { DiopterError } from '../errors/index.ts'
import type { TokenizerStep } from './normalizer.ts'

/** How a vocabulary spells bytes: every byte as one printable character (GPT-2), or text with "▁" for spaces (sentencepiece). */
export type Spelling = 'byte-level' | 'sentencepiece'

/** What a decoder does: how it spells bytes, and whether it drops one space at the very start of a text. */
export interface DecoderRules {
  readonly spelling: Spelling
  readonly stripsFirstSpace: boolean
}

/** Reads the rules off a `tokenizer.json`'s decoder. @throws DiopterError on a kind that is not known. */
export function decoderRules(decoder: TokenizerStep | null | undefined): DecoderRules {
  const steps = decoder?.type === 'Sequence' ? (decoder.decoders as TokenizerStep[]) : decoder ? [decoder] : []
  const rules = { spelling: 'sentencepiece' as Spelling, stripsFirstSpace: false }
  for (const step of steps) {
    if (step.type === 'ByteLevel') rules.spelling = 'byte-level'
    else if (step.type === 'Metaspace') rules.stripsFirstSpace ||= step.prepend_scheme !== 'never'
    else if (step.type === 'Strip' && step.content === ' ' && step.start === 1) rules.stripsFirstSpace = true
    else if (!(step.type === 'Fuse' || step.type === 'ByteFallback' || isSpaceReplacement(step))) {
      throw new DiopterError(
        `This tokenizer's decoder "${step.type}" is not supported. Known are ByteLevel and those of sentencepiece (Metaspace, or Replace "▁", ByteFallback, Fuse, Strip one space).`,
      )
    }
  }
  if (steps.length === 0)
    throw new DiopterError('tokenizer.json has no decoder, so its tokens cannot be turned into text.')
  return rules
}

function isSpaceReplacement(step: TokenizerStep): boolean {
  return step.type === 'Replace' && (step.pattern as { String?: string }).String === '▁' && step.content === ' '
}

const encoder = new TextEncoder()

/** A table of the bytes of text that tokens of the vocabulary stand for, filled as they are asked for; "▁" stands for a space. */
export function createTokenBytes(spelling: Spelling): (token: string) => Uint8Array {
  const known = new Map<string, Uint8Array>()
  return (token) => {
    let bytes = known.get(token)
    if (!bytes) known.set(token, (bytes = tokenBytes(token, spelling)))
    return bytes
  }
}

function tokenBytes(token: string, spelling: Spelling): Uint8Array {
  if (spelling === 'sentencepiece') {
    const byte = /^<0x([0-9A-F]{2})>$/.exec(token)
    return byte ? Uint8Array.of(Number.parseInt(byte[1]!, 16)) : encoder.encode(token.replaceAll('▁', ' '))
  }
  const bytes: number[] = []
  for (const character of token) {
    const byte = byteOfCharacter.get(character)
    if (byte === undefined) return encoder.encode(token)
    bytes.push(byte)
  }
  return Uint8Array.from(bytes)
}

/** GPT-2's spelling of the bytes 0 to 255: printable Latin-1 bytes are themselves, the others take the characters from U+0100 on in order. */
export const characterOfByte: readonly string[] = (() => {
  let next = 256
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae
    return String.fromCharCode(printable ? byte : next++)
  })
})()

const byteOfCharacter: ReadonlyMap<string, number> = new Map(
  characterOfByte.map((character, byte): [string, number] => [character, byte]),
)

/** Bytes as text for people: what is not complete UTF-8 is shown as `<0xE2>`. */
export function displayBytes(bytes: Uint8Array): string {
  let text = ''
  for (let i = 0; i < bytes.length; ) {
    const length = sequenceLength(bytes[i]!)
    const character = decodeStrictly(bytes.subarray(i, i + length))
    text += character ?? `<0x${bytes[i]!.toString(16).toUpperCase().padStart(2, '0')}>`
    i += character === undefined ? 1 : length
  }
  return text
}

function sequenceLength(lead: number): number {
  return lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decodeStrictly(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes)
  } catch {
    return undefined
  }
}
