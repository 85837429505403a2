import { webGpuProblem, webThreads } from '../../engine/web/abilities.ts'

/** What the page's own engine has to work with. */
export interface BrowserAbilities {
  readonly threads: number
  /** The threads for people, with the reason where there is only one because of the page's host. */
  readonly threadsNote: string
  /** Why WebGPU cannot be chosen, as a part of a sentence; null when it can. */
  readonly webGpuProblem: string | null
}

/** Looks what this browser and the page's host give. */
export async function browserAbilities(): Promise<BrowserAbilities> {
  const { count, note } = webThreads()
  return { threads: count, threadsNote: note, webGpuProblem: await webGpuProblem() }
}
