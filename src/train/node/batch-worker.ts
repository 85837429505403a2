// The worker thread of `batchSource`: makes the batches that it is asked for, in order. It never runs ONNX Runtime, so
// that it may be ended at any time.
import { parentPort, workerData } from 'node:worker_threads'
import { batchesOfRun } from '../batches.ts'
import type { TrainingConfig } from '../config.ts'
import { createProblem } from './create-problem.ts'

const config = workerData as TrainingConfig
const problem = createProblem(config)

parentPort!.on('message', async (step: number) => {
  // copies: a problem may hand out arrays that it keeps, and what is sent is gone here
  const batches = Object.entries(batchesOfRun(await problem, step, config)).map(
    ([name, values]) => [name, values.slice()] as const,
  )
  const buffers = batches.map(([, { buffer }]) => buffer as ArrayBuffer)
  parentPort!.postMessage({ step, batches: Object.fromEntries(batches) }, buffers)
})
