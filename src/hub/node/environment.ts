import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { DiopterError } from '../../errors/index.ts'

/** Where and how models are fetched. */
export interface HubSettings {
  readonly cacheDir: string
  readonly endpoint: string
  readonly token: string | null
  readonly offline: boolean
}

/** What a caller may set; the environment fills in the rest. */
export interface HubSettingOptions {
  /** The folder that holds `models--owner--name` folders. */
  readonly cacheDir?: string | undefined
  readonly endpoint?: string | undefined
  /** Null sends none, even if the environment has one. */
  readonly token?: string | null | undefined
  readonly offline?: boolean | undefined
}

/**
 * Reads the settings that Hugging Face's own tools read: HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME, HF_ENDPOINT, HF_TOKEN (or the
 * token file that "hf auth login" writes) and HF_HUB_OFFLINE.
 * @throws DiopterError when the endpoint is no address.
 */
export async function hubSettings(
  options: HubSettingOptions = {},
  environment: NodeJS.ProcessEnv = process.env,
): Promise<HubSettings> {
  const set = (name: string) => environment[name]?.trim() || undefined
  const cacheHome = expandHome(set('XDG_CACHE_HOME') ?? join(homedir(), '.cache'))
  const home = expandHome(set('HF_HOME') ?? join(cacheHome, 'huggingface'))
  const endpoint = (options.endpoint ?? set('HF_ENDPOINT') ?? 'https://huggingface.co').replace(/\/+$/, '')
  if (!/^https?:\/\//.test(endpoint) || !URL.canParse(endpoint)) {
    throw new DiopterError(`The hub's address "${endpoint}" (HF_ENDPOINT) is not an http or https address.`)
  }
  const tokenFile = expandHome(set('HF_TOKEN_PATH') ?? join(home, 'token'))
  const token =
    options.token !== undefined
      ? options.token
      : (set('HF_TOKEN') ?? set('HUGGING_FACE_HUB_TOKEN') ?? (await readFile(tokenFile, 'utf8').catch(() => '')).trim())
  return {
    cacheDir: expandHome(options.cacheDir ?? set('HF_HUB_CACHE') ?? set('HUGGINGFACE_HUB_CACHE') ?? join(home, 'hub')),
    endpoint,
    token: token || null,
    offline: options.offline ?? /^(1|on|yes|true)$/i.test(set('HF_HUB_OFFLINE') ?? ''),
  }
}

function expandHome(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path
}
