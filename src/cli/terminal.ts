import type { TextOptions } from '../views/index.ts'

/** What decides how the terminal is written to. */
export interface TerminalSettings {
  readonly isTTY: boolean
  readonly columns: number | undefined
  readonly environment: NodeJS.ProcessEnv
  /** False for `--no-color`. */
  readonly color: boolean
  readonly platform: NodeJS.Platform
}

/** Colours, width and characters for views, from the terminal and the environment (NO_COLOR, FORCE_COLOR, COLUMNS). */
export function textOptions({ isTTY, columns, environment, color, platform }: TerminalSettings): TextOptions {
  const set = (name: string) => environment[name] || undefined
  const force = set('FORCE_COLOR')
  const wanted =
    color && !set('NO_COLOR') && (force === undefined ? isTTY && environment.TERM !== 'dumb' : force !== '0')
  const depth = force === '3' || /^(truecolor|24bit)$/.test(environment.COLORTERM ?? '') ? 'truecolor' : '256'
  const locale = set('LC_ALL') ?? set('LC_CTYPE') ?? set('LANG')
  const asciiOnly = environment.TERM === 'linux' || (locale !== undefined && !/utf-?8/i.test(locale))
  return {
    color: wanted ? depth : 'none',
    // A terminal that does not know its size says 0.
    width: (isTTY && columns) || Number(set('COLUMNS')) || 80,
    unicode: platform === 'win32' || !isTTY || !asciiOnly,
  }
}

/** Faint text, where there is colour. */
export function faint(text: string, { color }: TextOptions): string {
  return color === 'none' ? text : `\u001b[2m${text}\u001b[22m`
}

/** Bold text, where there is colour. */
export function bold(text: string, { color }: TextOptions): string {
  return color === 'none' ? text : `\u001b[1m${text}\u001b[22m`
}
