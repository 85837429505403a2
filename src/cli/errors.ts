import { DiopterError } from '../errors/index.ts'

/** A command line that cannot be understood: exit code 2. */
export class UsageError extends DiopterError {
  override name = 'UsageError'
}

/** The reason of the abort when somebody pressed Ctrl-C. */
export class Interrupted extends DiopterError {
  override name = 'Interrupted'
}

/** What scripts can rely on. */
export const EXIT = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const

/** The exit code of an error. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof Interrupted) return EXIT.interrupted
  return error instanceof UsageError ? EXIT.usage : EXIT.failed
}

/** What is written to stderr about an error: one sentence for those that Diopter throws on purpose, else the stack. */
export function describeError(error: unknown): string {
  if (error instanceof DiopterError) return `diopter: ${error.message}`
  if (isSystemError(error)) return `diopter: ${systemSentence(error)}`
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return `diopter: this should not have happened. Please report it, with the command line and this text:\n\n${stack}`
}

const isSystemError = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === 'string' && 'code' in error

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of the path is not a folder',
  ENOSPC: 'the disk is full',
  EROFS: 'the file system is read-only',
}

/** A file system or network error as a sentence. */
export function systemSentence(error: NodeJS.ErrnoException, path = error.path): string {
  const reason = REASONS[error.code ?? ''] ?? error.message
  return path === undefined ? `${reason}.` : `${path}: ${reason}.`
}
