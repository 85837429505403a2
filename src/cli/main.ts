#!/usr/bin/env node
import { describeError, EXIT, systemSentence } from './errors.ts'
import { runProgram } from './program.ts'

// A reader that closes early, such as `head`, is no error.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT.ok)
    if (stream === process.stdout) process.stderr.write(`diopter: cannot write the output: ${systemSentence(error)}\n`)
    process.exit(EXIT.failed)
  })
}

try {
  process.exitCode = await runProgram(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`${describeError(error)}\n`)
  process.exitCode = EXIT.failed
}
