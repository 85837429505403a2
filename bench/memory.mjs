// Run by main.mjs in a process of its own: peak memory of a load, and of a load with one resident session.
import { readFileSync } from 'node:fs'
import { loadModel } from '../dist/index.js'

const [folder, mode] = process.argv.slice(2)
/** The most memory this process ever held, in bytes. */
const peak = () => Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024

const before = peak()
const started = performance.now()
const model = await loadModel(folder)
const loadSeconds = (performance.now() - started) / 1000
if (mode === 'resident') {
  const tokens = Array.from({ length: 16 }, (_, i) => i + 1)
  for (let i = 0; i < 3; i++) await model.run([tokens], { positions: 'last', residency: 'resident' })
}
process.stdout.write(JSON.stringify({ bytes: peak() - before, weightBytes: model.memory.weightBytes, loadSeconds }))
await model.dispose()
