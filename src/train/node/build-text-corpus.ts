import { createHash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { WorkOptions } from '../../errors/index.ts'
import { createCorpusEncoder } from '../../tokenizer/encode-corpus.ts'
import { trainByteLevelBpe } from '../../tokenizer/train-bpe.ts'
import { packTexts } from '../corpus/pack.ts'
import { type SplitCorpusOptions, splitCorpus } from '../corpus/split-corpus.ts'
import { writeAtomically } from './atomic-write.ts'
import { type CorpusManifest, writePackedCorpus } from './packed-corpus.ts'
import { readTextFiles } from './text-files.ts'

/** Where a corpus comes from and goes to. */
export interface BuildTextCorpusOptions extends SplitCorpusOptions, WorkOptions {
  /** Text files and folders of `.txt` files. */
  readonly sources: readonly string[]
  /** The folder that gets the ids and their manifest. */
  readonly folder: string
  /** The `tokenizer.json` to write. */
  readonly tokenizerFile: string
  readonly vocabularySize: number
}

const endOfText = '<|endoftext|>'

/**
 * Builds the corpus of a text model: reads and splits the documents, trains a tokenizer on the training parts only, and
 * writes the tokenizer and both encoded streams. The same files give the same bytes.
 * @throws DiopterError on sources that do not exist, and on texts too small for the vocabulary.
 */
export async function buildTextCorpus(options: BuildTextCorpusOptions): Promise<CorpusManifest> {
  const { sources, folder, tokenizerFile, vocabularySize, signal, onProgress } = options
  const files = await readTextFiles(sources)
  const documents = splitCorpus(files, options)
  const trainTexts = documents.map(({ train }) => train)
  const heldOutTexts = documents.map(({ heldOut }) => heldOut)

  const json = trainByteLevelBpe(trainTexts, { vocabularySize, specialTokens: [endOfText], signal, onProgress })
  const tokenizerText = JSON.stringify(json)
  await mkdir(dirname(tokenizerFile), { recursive: true })
  await writeAtomically(tokenizerFile, tokenizerText)

  const encoder = createCorpusEncoder(json)
  const separator = encoder.encode(endOfText)[0]!
  const corpus = {
    train: packTexts(encoder, trainTexts, separator, { signal }),
    heldOut: packTexts(encoder, heldOutTexts, separator, { signal }),
  }
  const description = {
    vocabularySize,
    separator,
    tokenizerSha256: createHash('sha256').update(tokenizerText).digest('hex'),
    documents: documents.map(({ name, train, heldOut, dropped }, i) => ({
      name,
      sha256: files[i]!.sha256,
      encoding: files[i]!.encoding,
      trainBytes: Buffer.byteLength(train),
      heldOutBytes: Buffer.byteLength(heldOut),
      dropped,
    })),
  }
  const bytes = {
    train: description.documents.reduce((total, { trainBytes }) => total + trainBytes, 0),
    heldOut: description.documents.reduce((total, { heldOutBytes }) => total + heldOutBytes, 0),
  }
  return writePackedCorpus(folder, corpus, description, bytes)
}
