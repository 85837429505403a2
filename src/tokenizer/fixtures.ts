import type { TokenizerJson } from './encode.ts'

/** A small byte-level tokenizer in GPT-2's form: all 256 bytes, a few merges, one special token. */
export function byteLevelTokenizer(changes: Partial<TokenizerJson> = {}): TokenizerJson {
  const merges = ['h e', 'l l', 'he ll', 'hell o', 'Ġ hello', 'Ġ w', 'o r', 'Ġw or', 'Ã ©']
  return {
    added_tokens: [{ id: 0, content: '<|end|>', special: true }],
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel' },
    model: bpe(['<|end|>', ...byteCharacters()], merges),
    ...changes,
  }
}

/** A small sentencepiece tokenizer in Llama's form: byte fallback, an invented space first, `<s>` as start token. */
export function sentencepieceTokenizer(changes: Partial<TokenizerJson> = {}): TokenizerJson {
  const bytes = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`)
  const merges = ['L i', 'l y', 'Li ly', '▁ Lily', '▁ a', '▁ ▁']
  return {
    added_tokens: ['<unk>', '<s>', '</s>'].map((content, id) => ({ id, content, special: true, normalized: false })),
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: '▁' },
        { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      ],
    },
    pre_tokenizer: null,
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [],
      special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
    },
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: {
      ...bpe(['<unk>', '<s>', '</s>', ...bytes, ...'▁abcLily'], merges),
      unk_token: '<unk>',
      byte_fallback: true,
    },
    ...changes,
  }
}

function bpe(symbols: readonly string[], merges: readonly string[]) {
  const tokens = [...new Set([...symbols, ...merges.map((merge) => merge.replace(' ', ''))])]
  return { type: 'BPE', vocab: Object.fromEntries(tokens.map((token, id) => [token, id])), merges, unk_token: null }
}

/** The characters by which a byte-level vocabulary spells the bytes 0 to 255. */
function byteCharacters(): string[] {
  let next = 256
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae
    return String.fromCharCode(printable ? byte : next++)
  })
}
