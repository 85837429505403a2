import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTokenizer } from '../../tokenizer/tokenizer.ts'
import { buildTextCorpus } from './build-text-corpus.ts'
import { loadPackedCorpus } from './packed-corpus.ts'
import { readTextFiles } from './text-files.ts'

let folder: string
const at = (path: string) => join(folder, path)
const text = (name: string) =>
  Array.from({ length: 40 }, (_, i) => `The ${name} went to the ${i}th house.\r\nIt was there.`).join('\r\n\r\n')

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diopter-corpus-'))
  await mkdir(at('books'))
  await writeFile(at('books/b.txt'), text('badger'))
  await writeFile(at('books/a.txt'), text('adder'))
  await writeFile(at('books/README'), 'not a text')
  await writeFile(at('play.txt'), Buffer.from('C\xe6sar. '.repeat(20), 'latin1'))
})
afterAll(() => rm(folder, { recursive: true }))

describe('readTextFiles', () => {
  test('folders and files, by name', async () => {
    const files = await readTextFiles([at('books'), at('play.txt')])
    expect(files.map(({ name, encoding }) => [name, encoding])).toEqual([
      ['books/a.txt', 'utf-8'],
      ['books/b.txt', 'utf-8'],
      ['play.txt', 'windows-1252'],
    ])
    expect(files[2]).toMatchObject({ bytes: 140, text: 'Cæsar. '.repeat(20) })
  })
  test('says what is wrong', async () => {
    await expect(readTextFiles([at('nothing')])).rejects.toThrow('no file or folder')
    await expect(readTextFiles([folder, folder])).rejects.toThrow('Two text files are named')
    await mkdir(at('empty'), { recursive: true })
    await expect(readTextFiles([at('empty')])).rejects.toThrow('no .txt file')
  })
})

describe('buildTextCorpus', () => {
  const build = (name: string) =>
    buildTextCorpus({
      sources: [at('books'), at('play.txt')],
      folder: at(name),
      tokenizerFile: at(`${name}/tokenizer.json`),
      vocabularySize: 256 + 24 + 1,
    })

  test('the streams decode to the documents, each after a separator', async () => {
    const manifest = await build('packed')
    const { train, heldOut } = await loadPackedCorpus(at('packed'))
    const tokenizer = createTokenizer(JSON.parse(await readFile(at('packed/tokenizer.json'), 'utf8')))
    const normalized = text('adder').replaceAll('\r', '')
    const trainTexts = tokenizer.decode(train).split('<|endoftext|>')
    const heldOutTexts = tokenizer.decode(heldOut).split('<|endoftext|>')
    expect(trainTexts.length).toBe(5)
    expect(`${trainTexts[1]}\n\n${heldOutTexts[1]}`).toBe(normalized)
    expect(heldOutTexts[1]).toContain('39th house.\nIt was there.')
    expect(manifest.separator).toBe(280)
    expect(manifest.parts.train.tokens).toBe(train.length)
    expect(manifest.parts.train.bytes).toBe(Buffer.byteLength(trainTexts.join('')))
    expect(manifest.documents.map(({ name }) => name)).toEqual(['books/a.txt', 'books/b.txt', 'play.txt'])
  })

  test('the same files give the same bytes', async () => {
    await build('once')
    await build('again')
    for (const file of ['train.u16', 'held-out.u16', 'manifest.json', 'tokenizer.json']) {
      expect(await readFile(at(`again/${file}`))).toEqual(await readFile(at(`once/${file}`)))
    }
  })

  test('a changed file is not loaded, nor a folder without a manifest', async () => {
    await build('broken')
    const bytes = await readFile(at('broken/held-out.u16'))
    bytes[0]! ^= 1
    await writeFile(at('broken/held-out.u16'), bytes)
    await expect(loadPackedCorpus(at('broken'))).rejects.toThrow('Build the corpus again')
    await expect(loadPackedCorpus(at('empty'))).rejects.toThrow('holds no packed corpus')
  })
})
