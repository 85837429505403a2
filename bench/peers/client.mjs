// The bench's side of torch_peer.py: one Python process per BLAS setting, spoken to in JSON lines.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const script = fileURLToPath(new URL('./torch_peer.py', import.meta.url))
// Debian's own interpreter: its torch is not visible to another python3 on the PATH.
const python = '/usr/bin/python3'
const libraries = '/usr/lib/x86_64-linux-gnu'
// The first is the peer that bars are about; which one is faster depends on the case (README.md), so that both are timed.
const blasNames = ['openblas-openmp', 'blis-openmp']

/** threads: as many as the other side of the bench uses; checkpoint: the folder of its weights, random ones unless given.
 * @typedef {{ threads: number, checkpoint?: string }} Options */
/** @typedef {{ form?: string, metric?: 'logits' | 'difference', limit?: number, path?: string, pair?: number[][],
 *   answers?: number[], values?: boolean }} TimeOptions */
/** @typedef {{ setting: string, matmulGflops: number, fewRowsGflops: number, threads: number, torch: string,
 *   python: string, blas: string[], layout: string, weightsMb: number, cases: Record<string, string[]> }} Hello */
/** @typedef {{ seconds: number, form: string, peakRssMb: number, scaledFrom?: number,
 *   baselineRssMb?: number, weightsMb?: number, forms?: Record<string, number>, values?: (number | null)[] }} Timing */
/** @typedef {{ setting: string, ask: (request: object) => Promise<any>, close: () => void }} Process */
/** @typedef {{ hello: Hello[], settings: string[],
 *   time: (setting: string, caseName: string, options?: TimeOptions) => Promise<Timing>,
 *   once: (args: string[], setting?: string) => any, close: () => void }} Peer */

/** @param {string} blas @param {Options} options @returns {NodeJS.ProcessEnv} */
function environment(blas, { threads, checkpoint }) {
  const avx512 = /\bavx512f\b/.test(readFileSync('/proc/cpuinfo', 'utf8'))
  return {
    ...process.env,
    LD_LIBRARY_PATH: `${libraries}/${blas}`,
    OMP_NUM_THREADS: String(threads),
    BLIS_NUM_THREADS: String(threads),
    ...(checkpoint === undefined ? {} : { DIOPTER_BENCH_CHECKPOINT: checkpoint }),
    // Freed tensors stay in the heap, in huge pages, instead of being mapped and zeroed anew in every repetition.
    GLIBC_TUNABLES:
      'glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=8589934592',
    // Torch stays at AVX2 by itself.
    ...(avx512 ? { ATEN_CPU_CAPABILITY: 'avx512' } : {}),
  }
}

/** @param {string} setting @param {Options} options @returns {Process} */
function startProcess(setting, options) {
  // -B: no __pycache__ in the tree.
  const child = spawn(python, ['-B', script], {
    env: environment(setting, options),
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  /** @type {{ resolve: (value: any) => void, reject: (error: Error) => void }[]} */
  const waiting = []
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  createInterface({ input: child.stdout }).on('line', (line) => {
    const answer = JSON.parse(line)
    const asked = waiting.shift()
    if (answer.error) asked?.reject(new Error(`Python peer (${setting}), case ${answer.case}: ${answer.error}`))
    else asked?.resolve(answer)
  })
  /** @type {Error | undefined} */
  let ended
  /** @param {string} why */
  const end = (why) => {
    ended ??= new Error(`Python peer (${setting}) ${why}`)
    process.removeListener('exit', kill)
    for (const asked of waiting.splice(0)) asked.reject(ended)
  }
  child.on('error', (error) => end(`did not start: ${error.message}`))
  child.on('exit', (code, signal) => end(`ended with ${signal ?? `exit code ${code}`}`))
  // A write to an ended process is reported by its exit.
  child.stdin.on('error', () => {})
  return {
    setting,
    ask: (request) =>
      new Promise((resolve, reject) => {
        if (ended) {
          reject(ended)
          return
        }
        waiting.push({ resolve, reject })
        child.stdin.write(`${JSON.stringify(request)}\n`)
      }),
    close: kill,
  }
}

/**
 * Starts PyTorch with every BLAS setting found, or says why there is none.
 *
 * `time` runs one repetition of a case on one of `settings` and resolves to its seconds. The first call for a case also
 * times its forms and keeps the fastest; that call's `forms` has their seconds.
 * `once` runs the script with these arguments in a process of its own, and returns the JSON that it prints.
 *
 * @param {Partial<Options>} [given]
 * @returns {Promise<Peer | { skipped: string }>}
 */
export async function startPeer(given = {}) {
  const options = { threads: availableParallelism(), ...given }
  if (spawnSync(python, ['-c', 'import torch']).status !== 0) {
    return { skipped: `${python} has no torch: apt-get install python3-torch (see bench/peers/README.md)` }
  }
  const found = blasNames.filter((name) => existsSync(`${libraries}/${name}/libblas.so.3`))
  if (!found.includes('openblas-openmp')) {
    return { skipped: 'no OpenMP OpenBLAS: apt-get install libopenblas0-openmp; slower BLAS builds do not count' }
  }
  const processes = found.map((name) => startProcess(name, options))
  const close = () => {
    for (const each of processes) each.close()
  }
  /** @type {Hello[]} */
  const hello = []
  try {
    for (const each of processes) {
      // One after another: a probe beside another process's start would measure both.
      hello.push({ ...(await each.ask({ case: 'hello' })), setting: each.setting })
    }
  } catch (error) {
    close()
    return { skipped: error instanceof Error ? error.message : String(error) }
  }

  return {
    hello,
    close,
    settings: found,
    once: (args, setting = 'openblas-openmp') =>
      JSON.parse(
        execFileSync(python, ['-B', script, ...args], { encoding: 'utf8', env: environment(setting, options) }),
      ),
    async time(setting, caseName, options = {}) {
      const chosen = processes.find((each) => each.setting === setting)
      if (!chosen) throw new Error(`no Python peer on ${setting}; there are ${found.join(', ')}`)
      const answer = await chosen.ask({ ...options, case: caseName, repeat: 1 })
      return { ...answer, seconds: answer.seconds[0] }
    },
  }
}
