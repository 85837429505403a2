import { Argument } from 'commander'
import { defineCommand } from '../command.ts'
import { readJsonArgument } from '../files.ts'
import { type OutputFlags, outputOptions, sourceOptions, threadsOption } from '../flags.ts'
import type { OpenFlags } from '../open-model.ts'
import { runMethod } from '../run-method.ts'

export const run = defineCommand<OutputFlags & OpenFlags>({
  name: 'run',
  summary: 'Repeat an experiment from its spec (JSON)',
  arguments: [new Argument('<spec>', 'a file that --spec of another command wrote, the JSON itself, or - for stdin')],
  options: [...sourceOptions.filter(({ long }) => long === '--offline'), threadsOption, ...outputOptions],
  details: 'The spec names the model, prompts, method and parameters; everything that changes a number is in it.',
  examples: [
    'lens "Once upon a time" --model ../shared/checkpoints/stories260K --spec spec.json',
    'run spec.json --json',
  ],
  async run([given], flags, session) {
    const { parseSpec } = await import('../../runs/index.ts')
    return runMethod(parseSpec(await readJsonArgument(given!)), flags, session)
  },
})
