import type { Tensor } from '../../tensor/index.ts'
import type { Forward } from '../forward.ts'
import { traceBlock } from './block.ts'
import { embed, type Stream, unembed } from './embed.ts'

/** Traces the whole model over the tokens of `forward`. Returns the logits [...tokens, d_vocab_out]. */
export function traceModel(forward: Forward): Tensor {
  let stream: Stream = embed(forward)
  for (let layer = 0; layer < forward.config.n_layers; layer++) stream = traceBlock(forward, layer, stream)
  return unembed(forward, stream.resid)
}
