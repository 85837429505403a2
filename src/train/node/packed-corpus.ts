import { createHash } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DiopterError } from '../../errors/index.ts'
import type { PackedCorpus } from '../corpus/pack.ts'
import { writeAtomically } from './atomic-write.ts'

/** What a packed corpus was made from. */
export interface CorpusManifest {
  readonly vocabularySize: number
  readonly separator: number
  /** SHA-256 of the tokenizer.json that the ids belong to. */
  readonly tokenizerSha256: string
  readonly parts: Readonly<Record<'train' | 'heldOut', PartManifest>>
  readonly documents: readonly DocumentManifest[]
}

/** One stream of tokens: `tokensPerByte` is over the UTF-8 bytes of its texts. */
export interface PartManifest {
  readonly file: string
  readonly sha256: string
  readonly tokens: number
  readonly bytes: number
  readonly tokensPerByte: number
}

/** A source file and what became of it, in UTF-8 bytes. */
export interface DocumentManifest {
  readonly name: string
  readonly sha256: string
  readonly encoding: string
  readonly trainBytes: number
  readonly heldOutBytes: number
  readonly dropped?: { readonly words: number; readonly sharedWith: string; readonly begins: string } | undefined
}

const manifestFile = 'manifest.json'
const partFiles = { train: 'train.u16', heldOut: 'held-out.u16' } as const

/**
 * Writes a packed corpus into a folder: one file of little-endian 16-bit ids per stream, and `manifest.json` last, so that a folder with a
 * manifest is complete.
 * @param bytes the UTF-8 bytes of the texts behind each stream.
 * @returns the manifest.
 */
export async function writePackedCorpus(
  folder: string,
  corpus: PackedCorpus,
  description: Omit<CorpusManifest, 'parts'>,
  bytes: Readonly<Record<'train' | 'heldOut', number>>,
): Promise<CorpusManifest> {
  await mkdir(folder, { recursive: true })
  const write = async (part: 'train' | 'heldOut'): Promise<PartManifest> => {
    const ids = corpus[part]
    const data = new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength)
    await writeAtomically(join(folder, partFiles[part]), data)
    return {
      file: partFiles[part],
      sha256: sha256(data),
      tokens: ids.length,
      bytes: bytes[part],
      tokensPerByte: ids.length / bytes[part],
    }
  }
  const { documents, ...rest } = description
  const parts = { train: await write('train'), heldOut: await write('heldOut') }
  const manifest: CorpusManifest = { ...rest, parts, documents }
  await writeAtomically(join(folder, manifestFile), `${JSON.stringify(manifest, null, 2)}\n`)
  return manifest
}

/**
 * Loads the packed corpus of a folder that `buildTextCorpus` wrote.
 * @returns the two streams of ids and the manifest.
 * @throws DiopterError when there is none, or a file is not the one that the manifest describes.
 */
export async function loadPackedCorpus(folder: string): Promise<PackedCorpus & { manifest: CorpusManifest }> {
  const text = await readFile(join(folder, manifestFile), 'utf8').catch(() => {
    throw new DiopterError(`${folder} holds no packed corpus (${manifestFile}). Build it from its texts first.`)
  })
  const manifest = JSON.parse(text) as CorpusManifest
  const load = async (part: 'train' | 'heldOut'): Promise<Uint16Array> => {
    const { file, sha256: expected } = manifest.parts[part]
    const data = await readFile(join(folder, file))
    if (sha256(data) !== expected) {
      throw new DiopterError(
        `${join(folder, file)} is not the file that ${manifestFile} describes. Build the corpus again.`,
      )
    }
    // A copy is aligned, which a small file's buffer need not be.
    return new Uint16Array(new Uint8Array(data).buffer)
  }
  return { train: await load('train'), heldOut: await load('heldOut'), manifest }
}

function sha256(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}
