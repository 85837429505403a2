import type { Argument, Option } from 'commander'
import type { WorkOptions } from '../errors/index.ts'
import type { TextOptions } from '../views/index.ts'

/** What a command works with beside its arguments: the terminal, progress, and the signal that Ctrl-C aborts. */
export interface Session extends WorkOptions {
  readonly signal: AbortSignal
  readonly text: TextOptions
  /** Writes to stdout as it is; the progress line is taken away first. */
  readonly print: (text: string) => void
  /** A line for people on stderr. */
  readonly note: (line: string) => void
}

/** A command: one row of the table that the program is made of. `Flags` are the parsed options, camel-cased. */
export interface Command<Flags = Readonly<Record<string, unknown>>> {
  readonly name: string
  readonly summary: string
  readonly arguments?: readonly Argument[]
  readonly options: readonly Option[]
  /** Command lines after `diopter `, shown by `--help`; a test runs them. */
  readonly examples: readonly string[]
  /** More text for `--help`. */
  readonly details?: string
  /** Does the work and gives the exit code, 0 unless said. Imports what it needs itself, so that starting stays quick. */
  readonly run: (args: readonly string[], flags: Flags, session: Session) => Promise<number | undefined>
}

/** A row of the table; the program hands every command the flags that its own options declare. */
export function defineCommand<Flags>(command: Command<Flags>): Command {
  return command as unknown as Command
}
