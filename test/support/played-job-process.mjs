// A job process that plays what a request's kind says, for tests of the server: the real one is src/workbench/node/job-process.ts.
const waiting = new Map()

const send = (id, event) => process.send({ id, kind: event.kind, text: JSON.stringify(event) })

process.on('disconnect', () => process.exit())
process.on('message', ({ kind, id, request }) => {
  if (kind === 'cancel') return waiting.get(id)?.()
  if (kind !== 'ask') return
  switch (request.kind) {
    // answers at once
    case 'echo':
    case 'tokenize':
      return send(id, { kind: 'done', answer: { said: request.text, by: process.pid } })
    // works until it is cancelled, and answers what it has
    case 'work':
      send(id, { kind: 'progress', progress: { phase: 'working', done: 1, total: 2 } })
      return waiting.set(id, () => send(id, { kind: 'done', answer: 'a part' }))
    // never pauses
    case 'hang':
      send(id, { kind: 'progress', progress: { phase: 'hanging', done: 1, total: 2 } })
      return setTimeout(() => {
        for (;;);
      }, 20)
    case 'exit':
      return process.exit(3)
    // a line that is longer than any buffer
    case 'long':
      return send(id, { kind: 'done', answer: 'x'.repeat(request.characters) })
  }
})
