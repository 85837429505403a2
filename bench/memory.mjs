// Run by main.mjs in a process of its own: peak memory of a load, of a load with one resident session, of three steps of a
// training, or of one run of a case over what its model holds: `memory.mjs load|resident FOLDER`, `memory.mjs training|case NAME`.
// Prints JSON.
import { readFileSync, writeFileSync } from 'node:fs'
import { loadModel } from '../dist/index.js'
import { cases } from './cases.mjs'
import { openTraining } from './trainings.mjs'

const [mode, what] = process.argv.slice(2)
/** The most memory this process ever held, in bytes. */
const peak = () => Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024

async function measureLoad(before) {
  const started = performance.now()
  const model = await loadModel(what)
  const loadSeconds = (performance.now() - started) / 1000
  if (mode === 'resident') {
    const tokens = Array.from({ length: 16 }, (_, i) => i + 1)
    for (let i = 0; i < 3; i++) await model.run([tokens], { positions: 'last', residency: 'resident' })
  }
  const measured = { bytes: peak() - before, weightBytes: model.memory.weightBytes, loadSeconds }
  await model.dispose()
  return measured
}

async function measureTraining(before) {
  const training = await openTraining(what)
  for (let i = 0; i < 3; i++) await training.run()
  const measured = { bytes: peak() - before }
  await training.close()
  return measured
}

async function measureCase() {
  const opened = await cases.find(({ name }) => name === what).open()
  // From here on the peak is that of the run.
  writeFileSync('/proc/self/clear_refs', '5')
  const before = peak()
  await opened.run()
  const measured = { bytes: peak() - before }
  await opened.close()
  return measured
}

const measure = { training: measureTraining, case: measureCase }[mode] ?? measureLoad
const measured = await measure(peak())
process.stdout.write(JSON.stringify(measured))
