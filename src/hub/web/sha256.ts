import type { Hasher } from '../download.ts'

/** SHA-256 over bytes that pass by: browsers offer it only for data that is whole in memory (FIPS 180-4). */
export function createSha256(): Hasher {
  const state = Uint32Array.from(initialState)
  const block = new Uint8Array(64)
  const schedule = new Uint32Array(64)
  let filled = 0
  let length = 0

  const absorb = (bytes: Uint8Array): void => {
    let at = 0
    if (filled > 0) {
      at = Math.min(64 - filled, bytes.length)
      block.set(bytes.subarray(0, at), filled)
      filled += at
      if (filled < 64) return
      compress(state, block, 0, schedule)
    }
    for (; at + 64 <= bytes.length; at += 64) compress(state, bytes, at, schedule)
    filled = bytes.length - at
    block.set(bytes.subarray(at))
  }
  return {
    update(bytes) {
      length += bytes.length
      absorb(bytes)
    },
    digest() {
      // One set bit, zeros up to 8 bytes before a block's end, and the length in bits.
      const padding = new Uint8Array(((119 - (length % 64)) % 64) + 9)
      padding[0] = 0x80
      new DataView(padding.buffer).setBigUint64(padding.length - 8, BigInt(length) * 8n)
      absorb(padding)
      return Array.from(state, (word) => word.toString(16).padStart(8, '0')).join('')
    },
  }
}

function compress(state: Uint32Array, bytes: Uint8Array, at: number, w: Uint32Array): void {
  for (let i = 0; i < 16; i++, at += 4) {
    w[i] = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
  }
  for (let i = 16; i < 64; i++) {
    const x = w[i - 15]!
    const y = w[i - 2]!
    const small0 = rotate(x, 7) ^ rotate(x, 18) ^ (x >>> 3)
    const small1 = rotate(y, 17) ^ rotate(y, 19) ^ (y >>> 10)
    w[i] = w[i - 16]! + small0 + w[i - 7]! + small1
  }
  let [a, b, c, d, e, f, g, h] = state as unknown as [number, number, number, number, number, number, number, number]
  for (let i = 0; i < 64; i++) {
    const big1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)
    const one = (h + big1 + ((e & f) ^ (~e & g)) + roundConstants[i]! + w[i]!) | 0
    const big0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)
    const two = (big0 + ((a & b) ^ (a & c) ^ (b & c))) | 0
    h = g
    g = f
    f = e
    e = (d + one) | 0
    d = c
    c = b
    b = a
    a = (one + two) | 0
  }
  const added = [a, b, c, d, e, f, g, h]
  for (let i = 0; i < 8; i++) state[i] = state[i]! + added[i]!
}

function rotate(x: number, bits: number): number {
  return (x >>> bits) | (x << (32 - bits))
}

/** The constants are the fractional parts of square and cube roots of the first primes, computed exactly. */
const primes: number[] = []
for (let n = 2; primes.length < 64; n++) if (primes.every((prime) => n % prime !== 0)) primes.push(n)
const initialState = Uint32Array.from(primes.slice(0, 8), (prime) => rootFraction(prime, 2n))
const roundConstants = Uint32Array.from(primes, (prime) => rootFraction(prime, 3n))

/** The first 32 bits of the fraction of a root: the integer root of prime * 2^(32 * degree), without its whole part. */
function rootFraction(prime: number, degree: bigint): number {
  const target = BigInt(prime) << (32n * degree)
  let low = 0n
  let high = BigInt(prime) << 32n
  while (high - low > 1n) {
    const middle = (low + high) / 2n
    if (middle ** degree <= target) low = middle
    else high = middle
  }
  return Number(low & 0xffffffffn)
}
