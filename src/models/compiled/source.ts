import { writeSafetensors } from '../../hub/safetensors-write.ts'
import { type FileSource, memorySource } from '../../hub/source.ts'
import type { CompiledModel } from './compiled-model.ts'

/**
 * A compiled model as the files of a checkpoint (config, weights, tokenizer: every character is a token), in memory: it opens
 * like any other, and could be saved.
 */
export function compiledSource({ name, config, weights, tokens }: CompiledModel): FileSource {
  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]))
  const tokenizer = {
    version: '1.0',
    ...{ added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null, decoder: { type: 'Fuse' } },
    model: { type: 'BPE', vocab, merges: [], unk_token: null },
  }
  const tensors = [...weights].map(([key, { shape, data }]) => [key, { dtype: 'F32', shape, data }] as const)
  return memorySource(
    {
      'config.json': JSON.stringify({ model_type: 'toy', config }),
      'model.safetensors': writeSafetensors(new Map(tensors)),
      'tokenizer.json': JSON.stringify(tokenizer),
      'tokenizer_config.json': JSON.stringify({ bos_token: '^' }),
    },
    name,
  )
}
