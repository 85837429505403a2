import { Option } from 'commander'
import { bundledModels } from '../../hub/node/bundled.ts'
import type { QuestionJson } from '../../runs/index.ts'
import { defineCommand } from '../command.ts'
import { UsageError } from '../errors.ts'
import { readJsonArgument } from '../files.ts'
import { wholeNumber } from '../flags.ts'
import { recordOf } from '../prompts.ts'
import { pairsOption, readQuestions } from '../questions.ts'
import { type MethodFlags, methodOptions, runMethod, specOf } from '../run-method.ts'

interface Flags extends MethodFlags {
  readonly hypothesis?: string
  readonly pairs?: string
  readonly samples?: number
}

export const scrub = defineCommand<Flags>({
  name: 'scrub',
  summary: 'Whether an explanation of the model is right: everything that it allows is exchanged (causal scrubbing)',
  options: [
    new Option(
      '--hypothesis <json>',
      'what matters for what: a JSON file, JSON as such, or the name of one that ships with the model',
    ),
    pairsOption,
    new Option('--samples <n>', 'samples that are drawn (default: 256)').argParser(wholeNumber(1)),
    ...methodOptions,
  ],
  details:
    'A hypothesis is {"output": [NODES], "nodes": [{"name", "parts", "positions", "feature", "inputs"}], "labels": {}}. Its "questions" are the examples, [{"prompt", "answer"}] of one length, unless --pairs gives others. ' +
    'Features: {"token": -1}, {"equal": [1, -1]}, {"earlier": -1}, {"follower": -1}, {"label": "NAME"}, {"all": [...]}.',
  examples: [
    'scrub --model induction-2l --hypothesis induction',
    'scrub --model induction-2l --hypothesis previous-token-alone --samples 128 --json',
    'scrub --model induction-2l --hypothesis induction --samples 64 --seed 3 --csv scrub.csv',
  ],
  async run(_, flags, session) {
    if (flags.hypothesis === undefined)
      throw new UsageError(
        'Give --hypothesis: a JSON file, JSON as such, or the name of one that ships with the model.',
      )
    const given = await readJsonArgument(placeOf(flags.hypothesis, flags.model))
    const { questions, ...hypothesis } = recordOf(given, 'The hypothesis')
    if (flags.pairs === undefined && !Array.isArray(questions))
      throw new UsageError(
        'The hypothesis has no "questions" (examples with their answers); add them, or give --pairs FILE.jsonl.',
      )
    const prompts = flags.pairs === undefined ? (questions as QuestionJson[]) : await readQuestions(undefined, flags)
    const parameters = { hypothesis, samples: flags.samples }
    return runMethod(await specOf('scrub', prompts, parameters, flags), flags, session)
  },
})

/** The file of a hypothesis that ships with a model, where a bare name is given. */
function placeOf(given: string, model: string | undefined): string {
  const folder = model === undefined ? undefined : bundledModels().get(model)
  return folder !== undefined && /^[\w-]+$/.test(given) ? `${folder}/hypotheses/${given}.json` : given
}
