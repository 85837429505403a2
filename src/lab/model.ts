import type { Engine } from '../engine/index.ts'
import type { HookPoint, ModelConfig } from '../models/index.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import type { Prompt } from './edits.ts'
import { type GenerateOptions, type GenerateOutput, generate } from './generate.ts'
import type { Metric, MetricFunction } from './metrics.ts'
import type { MemoryEstimate } from './open.ts'
import { listPrompts, type TokenizedPrompt, tokenizePrompt } from './prompts.ts'
import { describeStart, type Provenance } from './provenance.ts'
import { type RunOptions, type RunOutput, runModel } from './run.ts'
import { runVariants, type Variant, type VariantsOptions, type VariantsOutput } from './variants.ts'
import type { Weights } from './weights.ts'

export interface ModelParts {
  readonly name: string
  readonly revision: string | null
  readonly config: ModelConfig
  readonly hookPoints: readonly HookPoint[]
  readonly memory: MemoryEstimate
  readonly tokenizer: Tokenizer | null
  readonly weights: Weights
  readonly engine: Engine
  readonly processing: readonly string[]
}

/** An opened transformer: run it, read and edit any activation, differentiate, generate, and sweep variants. */
export class Model {
  readonly name: string
  readonly revision: string | null
  readonly config: ModelConfig
  /** Every hook point with its shape, in the order of the forward pass. */
  readonly hookPoints: readonly HookPoint[]
  readonly hookNames: readonly string[]
  readonly memory: MemoryEstimate
  readonly tokenizer: Tokenizer | null
  readonly weights: Weights
  readonly engine: Engine
  readonly processing: readonly string[]

  constructor(parts: ModelParts) {
    this.name = parts.name
    this.revision = parts.revision
    this.config = parts.config
    this.hookPoints = parts.hookPoints
    this.hookNames = parts.hookPoints.map(({ name }) => name)
    this.memory = parts.memory
    this.tokenizer = parts.tokenizer
    this.weights = parts.weights
    this.engine = parts.engine
    this.processing = parts.processing
  }

  /** A prompt as this model reads it. */
  tokenize(prompt: Prompt, prependBos?: boolean): TokenizedPrompt {
    return tokenizePrompt(prompt, this.tokenizer, this.config, prependBos)
  }

  /**
   * Runs one prompt or a batch (texts or token ids): captures, edits, a metric, gradients. Prompts of different lengths
   * are padded on the left and masked; everything you see or edit has logical positions.
   */
  async run(prompts: Prompt | readonly Prompt[], options: RunOptions = {}): Promise<RunOutput> {
    return runModel(this, listPrompts(prompts), options)
  }

  /** Continues one prompt or a batch with a key/value cache; edits act at every step. */
  async generate(prompts: Prompt | readonly Prompt[], options: GenerateOptions): Promise<GenerateOutput> {
    return generate(this, listPrompts(prompts), options)
  }

  /**
   * The metric of many edited versions of one run, computed together: a variant's row joins the batch where it first
   * differs from the base run.
   */
  variants(
    base: Prompt,
    variants: readonly Variant[],
    metric: Metric | MetricFunction,
    options: VariantsOptions = {},
  ): Promise<VariantsOutput> {
    return runVariants(this, base, variants, metric, options)
  }

  provenance({ prompts, seed = null }: { prompts: readonly TokenizedPrompt[]; seed?: number | null }): Provenance {
    return {
      model: this.name,
      revision: this.revision,
      processing: this.processing,
      dtype: 'float32',
      backend: this.engine.backend.name,
      seed,
      startToken: describeStart(prompts),
    }
  }

  /** Releases sessions and weights. */
  async dispose(): Promise<void> {
    await this.engine.dispose()
  }
}
