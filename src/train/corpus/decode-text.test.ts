import { expect, test } from 'vitest'
import { decodeText } from './decode-text.ts'

const latin = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0))

test('UTF-8, without its byte order mark, whatever the line ends', () => {
  expect(decodeText(new TextEncoder().encode('\ufeffnaïve\r\ncafé\rend\n'))).toEqual({
    text: 'naïve\ncafé\nend\n',
    encoding: 'utf-8',
  })
})

test('Big5 punctuation in English text', () => {
  // A1 58 is a dash, A1 A6 an apostrophe, A1 A7 and A1 A8 quotation marks.
  expect(decodeText(latin('America\xa1\xa6s way\xa1X\xa1\xa7so\xa1\xa8'))).toEqual({
    text: 'America’s way—“so”',
    encoding: 'big5',
  })
})

test('anything else is Windows-1252', () => {
  expect(decodeText(latin('C\xe6sar, caf\xe9'))).toEqual({ text: 'Cæsar, café', encoding: 'windows-1252' })
  // A lead byte at the very end has no second one: not Big5.
  expect(decodeText(latin('odd \xa1')).encoding).toBe('windows-1252')
})
