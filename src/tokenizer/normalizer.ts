import { ReplaceNormalizer } from '@huggingface/tokenizers'
import { DiopterError } from '../errors/index.ts'
import { type AlignedText, prependAligned, replaceAligned, sliceAligned } from './aligned-text.ts'

/** One step of a `tokenizer.json`, as JSON. */
export interface TokenizerStep {
  readonly type: string
  readonly [key: string]: unknown
}

/** A normalizer that keeps the alignment with the original text. */
export type AlignedNormalizer = (text: AlignedText) => AlignedText

/**
 * A character with the marks that may combine with it. Conjoining vowels and finals of Hangul, and the compatibility letters
 * that become such, count as marks, so that no composition crosses a boundary.
 */
const cluster =
  /[^\p{M}\u1160-\u11ff\u3131-\u318e\uffa0-\uffdc][\p{M}\u1160-\u11ff\u3131-\u318e\uffa0-\uffdc]*|[\p{M}\u1160-\u11ff\u3131-\u318e\uffa0-\uffdc]+/gu

/**
 * Builds the normalizer that a `tokenizer.json` describes.
 * @param asTyped leaves out the space that some tokenizers invent before the text.
 * @throws DiopterError on a kind whose alignment with the text is not known.
 */
export function alignedNormalizer(step: TokenizerStep | null | undefined, asTyped: boolean): AlignedNormalizer {
  if (!step) return (text) => text
  switch (step.type) {
    case 'Sequence': {
      const steps = (step.normalizers as TokenizerStep[]).map((part) => alignedNormalizer(part, asTyped))
      return (text) => steps.reduce((current, apply) => apply(current), text)
    }
    case 'Prepend':
      return asTyped ? (text) => text : (text) => prependAligned(text, step.prepend as string)
    case 'Replace': {
      const pattern = new ReplaceNormalizer(step as unknown as ReplaceNormalizer['config']).pattern
      if (!pattern) throw new DiopterError('tokenizer.json: a Replace normalizer has no pattern.')
      return (text) => replaceAligned(text, pattern, () => (step.content as string | undefined) ?? '')
    }
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD': {
      const form = step.type
      // Most text is in normal form already and keeps its exact alignment.
      return (text) =>
        text.text === text.text.normalize(form)
          ? text
          : replaceAligned(text, cluster, (characters) => characters.normalize(form))
    }
    case 'Lowercase':
      return (text) => replaceAligned(text, /./gsu, (character) => character.toLowerCase())
    case 'Strip':
      return (text) => strip(text, step.strip_left === true, step.strip_right === true)
    default:
      throw new DiopterError(
        `This tokenizer's normalizer "${step.type}" is not supported. Known are Sequence, Prepend, Replace, NFC, NFD, NFKC, NFKD, Lowercase and Strip.`,
      )
  }
}

/** Cuts white space at the ends. */
export function strip(text: AlignedText, left: boolean, right: boolean): AlignedText {
  const begin = left ? text.text.length - text.text.trimStart().length : 0
  const end = right ? Math.max(begin, text.text.trimEnd().length) : text.text.length
  return begin === 0 && end === text.text.length ? text : sliceAligned(text, begin, end)
}
