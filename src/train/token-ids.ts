import { DiopterError } from '../errors/index.ts'

/** Token ids from the bytes of a packed corpus: 16 bits each, little-endian. Throws for an odd number of bytes. */
export function tokenIds(bytes: Uint8Array, name: string): Uint16Array {
  if (bytes.length % 2 !== 0)
    throw new DiopterError(`${name} has ${bytes.length} bytes, which are no 16-bit token ids.`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Uint16Array.from({ length: bytes.length / 2 }, (_, i) => view.getUint16(2 * i, true))
}
