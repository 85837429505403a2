// The child process of `createHostedBackend`: runs the requests of its parent, one after the other, and ends with it.
import { DiopterError } from '../../errors/index.ts'
import { allocate, bytesPerElement, sizeOf, type TypedArray } from '../../tensor/index.ts'
import type { Backend, BackendSession, StoredTensor } from '../backend.ts'
import { createNodeBackend } from './backend.ts'
import type { HostReply, HostRequest } from './host-protocol.ts'

let backend: Backend | undefined
const arriving = new Map<number, TypedArray>()
const tensors = new Map<number, StoredTensor>()
const sessions = new Map<number, BackendSession>()

const started = () => {
  if (!backend) throw new DiopterError('The host process was asked to work before it was started.')
  return backend
}
const known = <T>(map: ReadonlyMap<number, T>, number: number, what: string) => {
  const found = map.get(number)
  if (found === undefined) throw new DiopterError(`The host process holds no ${what} number ${number}.`)
  return found
}

async function answer(request: HostRequest): Promise<Record<string, TypedArray> | undefined> {
  switch (request.kind) {
    case 'start':
      backend = createNodeBackend(request.options)
      return
    case 'store': {
      const { tensor, dtype, shape, offset, bytes } = request
      const data = arriving.get(tensor) ?? allocate(dtype, sizeOf(shape))
      new Uint8Array(data.buffer).set(bytes, offset)
      const isComplete = offset + bytes.length === sizeOf(shape) * bytesPerElement(dtype)
      if (isComplete) tensors.set(tensor, await started().store({ dtype, shape, data }))
      if (isComplete) arriving.delete(tensor)
      else arriving.set(tensor, data)
      return
    }
    case 'release':
      await started().release(known(tensors, request.tensor, 'tensor'))
      tensors.delete(request.tensor)
      return
    case 'createSession': {
      const residents = Object.fromEntries(
        Object.entries(request.residents).map(([port, tensor]) => [port, known(tensors, tensor, 'tensor')]),
      )
      const { model, optimisation, arena } = request
      sessions.set(request.session, await started().createSession(model, { residents, optimisation, arena }))
      return
    }
    case 'run': {
      const feeds = Object.fromEntries(
        Object.entries(request.feeds).map(([port, value]) => [
          port,
          typeof value === 'number' ? known(tensors, value, 'tensor') : value,
        ]),
      )
      return known(sessions, request.session, 'session').run(feeds, request.outputs)
    }
    case 'releaseSession':
      await known(sessions, request.session, 'session').release()
      sessions.delete(request.session)
  }
}

const send = (reply: HostReply) => process.send?.(reply)

process.on('message', ({ id, request }: { id: number; request: HostRequest }) => {
  answer(request).then(
    (result) => send({ id, result }),
    (error: unknown) =>
      send({
        id,
        error: error instanceof Error ? error.message : String(error),
        expected: error instanceof DiopterError,
      }),
  )
})
process.on('disconnect', () => process.exit())
// Ctrl-C in a terminal reaches every process: the parent decides what ends.
process.on('SIGINT', () => undefined)
