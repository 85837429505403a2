import type { WorkOptions } from '../../errors/index.ts'
import { type Edit, type Model, ofPrompt } from '../../lab/index.ts'
import { randomSource } from '../../random/index.ts'
import type { TracedFact } from './traced-facts.ts'

/** Prompts in one run of the model. */
const AT_ONCE = 128

/** Whether the model's likeliest next token is the answer, for every fact. */
export async function isKnown(model: Model, facts: readonly TracedFact[], { signal }: WorkOptions): Promise<boolean[]> {
  const known: boolean[] = []
  for (let start = 0; start < facts.length; start += AT_ONCE) {
    const some = facts.slice(start, start + AT_ONCE)
    known.push(
      ...(await likeliest(
        model,
        some.map(({ clean }) => clean),
        [],
        signal,
      ).then((tokens) => tokens.map((token, i) => token === some[i]!.answer))),
    )
  }
  return known
}

/** How often the answer stays the likeliest token when Gaussian noise of deviation `sigma` is added to both names' embeddings. */
export async function noiseAccuracy(
  model: Model,
  facts: readonly TracedFact[],
  {
    sigma,
    draws,
    seed,
    signal,
  }: WorkOptions & { readonly sigma: number; readonly draws: number; readonly seed: number },
): Promise<number> {
  const { d_model } = model.config
  let right = 0
  for (const [f, { clean, subject, answer }] of facts.entries()) {
    // the same prompt once per draw: an edit's values are the same for every prompt of a run, so each draw is a run
    for (let draw = 0; draw < draws; draw++) {
      const random = randomSource(seed, 'noise accuracy', f, draw)
      const data = Float32Array.from({ length: clean.length * d_model }, () => sigma * random.normal())
      const noise: Edit = {
        hook: 'hook_embed',
        kind: 'add',
        value: { shape: [clean.length, d_model], data },
        positions: subject,
      }
      const [token] = await likeliest(model, [clean], [noise], signal)
      right += token === answer ? 1 : 0
    }
  }
  return right / (facts.length * draws)
}

async function likeliest(
  model: Model,
  prompts: readonly (readonly number[])[],
  edits: readonly Edit[],
  signal: AbortSignal | undefined,
): Promise<number[]> {
  const { logits } = await model.run(prompts, { positions: 'last', edits, signal })
  return prompts.map((_, i) => {
    const { data } = ofPrompt(logits!, i)
    return (data as Float32Array).reduce((best, x, token) => (x > (data[best] as number) ? token : best), 0)
  })
}
