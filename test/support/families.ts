import { join } from 'node:path'
import { createNodeBackend, loadModel } from 'diopter'
import type { Model } from '../../src/lab/model.ts'
import { huggingfaceModels, referenceFolder } from './reference.ts'
import { openToy, toyForms } from './toy-model.ts'

/** A model to test, by name: every form of block as a toy, and every family of ../shared/reference where it is there. */
export type Family = readonly [name: string, open: () => Promise<Model>]

/** Checkpoints of a family that differ in their files only. */
const otherFiles = new Set(['gpt2-hub', 'gpt_neox-hub-f16', 'llama-bf16-sharded'])

export const toyFamilies: readonly Family[] = Object.entries(toyForms).map(
  ([name, config]) => [`toy: ${name}`, () => openToy(config)] as const,
)

export const families: readonly Family[] = [
  ...toyFamilies,
  ...huggingfaceModels
    .filter((name) => !otherFiles.has(name))
    .map(
      (name) =>
        [
          name,
          () => loadModel(join(referenceFolder, 'huggingface', name), { backend: createNodeBackend({ threads: 1 }) }),
        ] as const,
    ),
]

/** Reproducible token ids. */
export function tokenIds(model: Model, length: number, seed = 1): number[] {
  return Array.from({ length }, (_, i) => (seed * 31 + i * i * 7 + i * 3 + 5) % model.config.d_vocab)
}

/** The largest |a - b| / max(1, |b|); equal infinities agree, NaN and different lengths are infinitely far apart. */
export function disagreement(a: ArrayLike<number | bigint>, b: ArrayLike<number | bigint>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY
  let worst = 0
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [Number(a[i]), Number(b[i])]
    const difference = x === y ? 0 : Math.abs(x - y) / Math.max(1, Math.abs(y))
    if (!(difference <= worst)) worst = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference
  }
  return worst
}
