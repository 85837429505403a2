import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createSha256 } from './sha256.ts'

test('any bytes in any parts hash as in node:crypto', async () => {
  const parts = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 6 })
  await fc.assert(
    fc.asyncProperty(parts, async (chunks) => {
      const [ours, reference] = [createSha256(), createHash('sha256')]
      for (const chunk of chunks) {
        ours.update(chunk)
        reference.update(chunk)
      }
      expect(await ours.digest()).toBe(reference.digest('hex'))
    }),
    { numRuns: 300 },
  )
})
