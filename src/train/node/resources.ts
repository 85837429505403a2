import { readFile } from 'node:fs/promises'
import { DiopterError } from '../../errors/index.ts'
import type { TaskResources } from '../problem.ts'

/** What tasks read: files, by paths from the working folder. */
export const fileResources: TaskResources = {
  async readFile(path) {
    try {
      return await readFile(path)
    } catch (error) {
      throw new DiopterError(`The task's file could not be read: ${error instanceof Error ? error.message : error}.`)
    }
  },
}
