import { Argument, Option } from 'commander'
import { readPrompt } from '../../runs/prompt-text.ts'
import { defineCommand } from '../command.ts'
import { finiteNumber, jsonOption, repeatable, wholeNumber } from '../flags.ts'
import { carryOut, finish, type MethodFlags, modelRunOptions, specOf, specOption, writeSpec } from '../run-method.ts'
import { checkOutputs, editLines, showResult } from '../show.ts'
import { bold, faint } from '../terminal.ts'

interface Flags extends MethodFlags {
  readonly tokens: number
  readonly greedy?: boolean
  readonly raw?: boolean
  readonly temperature?: number
  readonly topK?: number
  readonly topP?: number
  readonly stop?: readonly string[]
}

interface Continuation {
  readonly ids: readonly number[]
  readonly text: string | null
  readonly stoppedBy: string
}

export const generate = defineCommand<Flags>({
  name: 'generate',
  summary: 'Continue a prompt, with edits if wanted',
  arguments: [new Argument('<prompt>', 'a text ("" starts from the start token), or token ids such as [46,85,40]')],
  options: [
    new Option('-n, --tokens <n>', 'the most new tokens').argParser(wholeNumber(0)).default(50),
    new Option('--greedy', 'always the most likely token (the default without a temperature)'),
    new Option('--temperature <t>', 'sample; 1 is the model itself').argParser(finiteNumber),
    new Option('--top-k <k>', 'sample from the k most likely tokens').argParser(wholeNumber(1)),
    new Option('--top-p <p>', 'sample from the most likely tokens of this probability together').argParser(
      finiteNumber,
    ),
    repeatable('--stop <text>', 'end before this text'),
    new Option('--raw', 'print the continuation and nothing else, not even a newline'),
    jsonOption,
    specOption,
    ...modelRunOptions,
  ],
  details: 'A start or end token ends the continuation.',
  examples: [
    'generate "" --tokens 200 --greedy --raw --model ../shared/checkpoints/stories260K',
    'generate "One day, Tim" --tokens 40 --temperature 0.8 --seed 7 --model ../shared/checkpoints/stories260K',
    'generate "One day, Tim" --edit "scale blocks.2.hook_attn_out by=0.5" --model ../shared/checkpoints/stories260K',
  ],
  async run([prompt], flags, session) {
    const { tokens, greedy, temperature, topK, topP, stop } = flags
    await checkOutputs({}, flags.spec)
    const spec = await specOf(
      'generate',
      [readPrompt(prompt!)],
      { tokens, greedy, temperature, topK, topP, stop },
      flags,
    )
    const silent = flags.raw === true || flags.json === true
    // The prompt comes with the first token, so that nothing is printed when the model cannot be opened.
    let opening = bold(prompt!, session.text)
    const stream = (text: string) => {
      session.print(opening + text)
      opening = ''
    }
    const result = await carryOut(
      spec,
      flags,
      // On a terminal the text itself is the progress.
      silent ? session : { ...session, onProgress: undefined },
      silent ? undefined : ({ text }) => stream(text),
    )
    const [continuation] = result.values.continuations as readonly Continuation[]
    if (flags.json) await showResult(result, { json: true }, session)
    else if (flags.raw) session.print(textOf(continuation!))
    else {
      stream(continuation!.text === null ? ` ${textOf(continuation!)}\n` : '\n')
      for (const line of [...editLines(result), ending(continuation!, result.cost.milliseconds)])
        session.note(faint(line, session.text))
    }
    await writeSpec(flags.spec, result, session)
    return finish(result, session)
  },
})

/** The new text; without a tokenizer the new ids as a list. */
function textOf({ text, ids }: Continuation): string {
  return text ?? JSON.stringify(ids)
}

function ending({ ids, stoppedBy }: Continuation, milliseconds: number): string {
  const ended = stoppedBy === 'length' ? '' : `, ended by ${stoppedBy}`
  return `${ids.length} tokens in ${(milliseconds / 1000).toFixed(1)} s${ended}`
}
