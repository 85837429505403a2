import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toCsv } from './table.ts'

/** A strict RFC 4180 reader: the fields of every record. */
function parseCsv(csv: string): string[][] {
  const records: string[][] = []
  let rest = csv
  let record: string[] = []
  while (rest !== '') {
    const [whole, quoted, plain, end] = /^(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/.exec(rest)!
    record.push(quoted === undefined ? plain! : quoted.replaceAll('""', '"'))
    rest = rest.slice(whole.length)
    if (end === ',') continue
    records.push(record)
    record = []
  }
  return records
}

describe('CSV', () => {
  it('quotes what needs it and keeps every digit', () => {
    const csv = toCsv({
      columns: ['token', 'loss, nats'],
      rows: [
        [' "the"', 0.1 + 0.2],
        ['\n', null],
        ['', Number.NaN],
        ['plain', -Infinity],
      ],
    })
    expect(csv).toBe('token,"loss, nats"\r\n" ""the""",0.30000000000000004\r\n"\n",\r\n"",NaN\r\nplain,-Infinity\r\n')
  })

  it('gives back every string', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string({ unit: 'binary' }), fc.string()), { minLength: 1 }), (rows) => {
        expect(parseCsv(toCsv({ columns: ['a', 'b'], rows }))).toEqual([['a', 'b'], ...rows])
      }),
      { seed: 4 },
    )
  })

  it('refuses rows of another length', () => {
    expect(() => toCsv({ columns: ['a'], rows: [[1, 2]] })).toThrow('2 fields where the header names 1')
  })
})
