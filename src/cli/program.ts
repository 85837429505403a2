import { Command as CommanderCommand, CommanderError } from 'commander'
import { defaultModel, packageVersion } from '../hub/node/bundled.ts'
import { wrap } from '../views/labels.ts'
import type { Command, Session } from './command.ts'
import { commands } from './commands/index.ts'
import { EDIT_GRAMMAR } from './edit-grammar.ts'
import { describeError, EXIT, exitCodeOf } from './errors.ts'
import { type CommonFlags, commonOptions, editOption } from './flags.ts'
import { interruptSignal } from './interrupt.ts'
import { progressLine } from './progress.ts'
import { textOptions } from './terminal.ts'

/** Runs one command line, such as ['lens', 'Hello', '--model', 'gpt2'], and gives the exit code. */
export async function runProgram(argv: readonly string[]): Promise<number> {
  let exitCode: number = EXIT.ok
  const program = new CommanderCommand('diopter')
    .description('Open a transformer, read it, intervene on it, and test explanations of it.')
    .version(packageVersion())
    .exitOverride()
    .configureHelp({ helpWidth: process.stdout.columns || 80 })
    .addHelpText('after', overview())
    .showHelpAfterError('(diopter --help lists all commands)')
  for (const command of commands) {
    addCommand(program, command, async (args, flags) => {
      exitCode = await runCommand(command, args, flags)
    })
  }
  try {
    if (argv.length === 0) program.help()
    await program.parseAsync([...argv], { from: 'user' })
    return exitCode
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    // Help and version end like errors with exit code 0; real ones have been written to stderr.
    return error.exitCode === 0 || argv.length === 0 ? EXIT.ok : EXIT.usage
  }
}

type Action = (args: readonly string[], flags: Readonly<Record<string, unknown>>) => Promise<void>

function addCommand(program: CommanderCommand, command: Command, action: Action): void {
  const added = program.command(command.name).description(command.summary)
  for (const argument of command.arguments ?? []) added.addArgument(argument)
  for (const option of [...command.options, ...commonOptions]) added.addOption(option)
  const width = process.stdout.columns || 80
  const examples = command.examples.map((example) => `  diopter ${example}`).join('\n')
  const grammar = command.options.includes(editOption) ? `\n${EDIT_GRAMMAR}\n` : ''
  added.addHelpText(
    'after',
    `${grammar}${command.details ? `\n${wrap(command.details, width).join('\n')}\n` : ''}\nExamples:\n${examples}`,
  )
  added.showHelpAfterError(`(diopter ${command.name} --help says more)`)
  added.action(async (...given: unknown[]) => {
    const flags = given.at(-2) as Readonly<Record<string, unknown>>
    await action(
      given
        .slice(0, -2)
        .flat()
        .filter((argument) => argument !== undefined) as string[],
      flags,
    )
  })
}

async function runCommand(
  command: Command,
  args: readonly string[],
  flags: Readonly<Record<string, unknown>>,
): Promise<number> {
  const { color, progress } = flags as unknown as CommonFlags
  const line = progressLine(process.stderr, progress === true)
  const note = (text: string) => {
    line.clear()
    process.stderr.write(`${text}\n`)
  }
  const { signal, stop } = interruptSignal(note)
  const session: Session = {
    signal,
    onProgress: line.onProgress,
    text: textOptions({
      isTTY: process.stdout.isTTY === true,
      columns: process.stdout.columns,
      environment: process.env,
      color,
      platform: process.platform,
    }),
    print(text) {
      line.clear()
      process.stdout.write(text)
    },
    note,
  }
  try {
    return (await command.run(args, flags, session)) ?? EXIT.ok
  } catch (error) {
    note(describeError(error))
    return exitCodeOf(error)
  } finally {
    line.clear()
    stop()
  }
}

function overview(): string {
  const model = defaultModel() === undefined ? ' --model openai-community/gpt2' : ''
  return `
Examples:
  diopter lens "The Eiffel Tower is in the city of"${model}
  diopter generate "Once upon a time"${model} --tokens 40
  diopter info${model === '' ? '' : ' openai-community/gpt2'}

Exit codes: 0 done, 1 failed (or not verified), 2 wrong usage, 130 interrupted.`
}
