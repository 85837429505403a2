import type { Backend } from '../../engine/index.ts'
import { DiopterError } from '../../errors/index.ts'
import type { Model, TokenizedPrompt } from '../../lab/index.ts'
import { parseSpec, type RunResult, runSpec } from '../../runs/index.ts'
import { alignPrompts } from '../../tokenizer/align.ts'
import { answerTraining } from './answer-training.ts'
import type { BackendName, ModelEntry, OpenedModel, ServiceEvent, StreamEvent, TokenizedText } from './messages.ts'
import type { OpenModels } from './open-models.ts'
import { parseRequest } from './parse-request.ts'
import { steady } from './steady.ts'

/** What a service works with: a page's worker or a Node process. */
export interface ServiceHost {
  /** The models there are to choose from here. */
  listModels(): Promise<readonly ModelEntry[]>
  /** The models that are open. */
  readonly models: OpenModels
  /** Makes a backend of its own for a training, which disposes it. Throws for backends that do not run here. */
  createBackend(backend: BackendName): Promise<Backend>
}

/** How a request is followed and cancelled. */
export interface AnswerContext {
  readonly signal?: AbortSignal | undefined
  readonly emit: (event: StreamEvent) => void
}

/**
 * Answers one request, given as parsed JSON. When it is cancelled, a run or training answers what it has.
 * Throws for requests that are not as `Requests` says, what carrying them out throws, and the signal's reason where nothing was done.
 */
export async function answerRequest(json: unknown, context: AnswerContext, host: ServiceHost): Promise<unknown> {
  const { signal, emit } = context
  const request = parseRequest(json)
  const onProgress = (progress: Extract<StreamEvent, { kind: 'progress' }>['progress']) =>
    emit({ kind: 'progress', progress })
  switch (request.kind) {
    case 'models':
      return host.listModels()
    case 'open': {
      const { model, backend } = request
      return host.models.use(model, { backend, signal, onProgress }, (opened) => describe(model.ref, opened))
    }
    case 'tokenize': {
      const { model, backend, text, prependBos } = request
      return host.models.use(model, { backend, signal, onProgress }, (opened) =>
        plain(opened.tokenize(text, prependBos)),
      )
    }
    case 'align': {
      const { model, backend } = request
      return host.models.use(model, { backend, signal, onProgress }, (opened) => {
        const [clean, corrupt] = [plain(opened.tokenize(request.clean)), plain(opened.tokenize(request.corrupt))]
        return { clean, corrupt, alignment: alignPrompts(clean, corrupt) }
      })
    }
    case 'run': {
      const { model, backend } = parseSpec(request.spec)
      return host.models.use(model, { backend, signal, onProgress }, (opened) => {
        const options = {
          openModel: async () => opened,
          signal,
          onProgress,
          onToken: ({ prompt, text }: { prompt: number; text: string }) => emit({ kind: 'token', prompt, text }),
          onPartial: (result: RunResult) => emit({ kind: 'partial', result }),
        }
        return runSpec(request.spec, options)
      })
    }
    case 'train':
      return answerTraining(request.training, () => host.createBackend(request.backend), context)
  }
}

/** Answers one request with events alone; the last one is `done`, `failed` or `cancelled`. Never throws. */
export async function serveRequest(
  json: unknown,
  { signal, send }: { readonly signal: AbortSignal; readonly send: (event: ServiceEvent) => void },
  host: ServiceHost,
): Promise<void> {
  try {
    const answer = await answerRequest(json, { signal, emit: steady(send) }, host)
    send({ kind: 'done', answer })
  } catch (error) {
    if (signal.aborted)
      send({ kind: 'cancelled', message: 'The work was cancelled before there was anything to show.' })
    else send(failure(error))
  }
}

/** The last event of a request that failed. */
function failure(error: unknown): ServiceEvent {
  if (error instanceof DiopterError) return { kind: 'failed', message: error.message, expected: true }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return { kind: 'failed', message, expected: false }
}

function describe(ref: string, model: Model): OpenedModel {
  const { revision, config, hookNames, tokenizer, memory, engine } = model
  return {
    ref,
    revision,
    config,
    hookNames,
    hasTokenizer: tokenizer !== null,
    parameters: memory.parameters,
    weightBytes: memory.weightBytes,
    backend: engine.backend.name,
  }
}

function plain({ ids, tokens }: TokenizedPrompt): TokenizedText {
  return { ids, tokens }
}
