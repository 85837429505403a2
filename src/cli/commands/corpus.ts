import { join } from 'node:path'
import { Argument, Option } from 'commander'
import { defineCommand } from '../command.ts'
import { EXIT } from '../errors.ts'
import { jsonOption, wholeNumber } from '../flags.ts'
import { formatCount } from '../units.ts'

interface Flags {
  readonly out: string
  readonly tokenizer?: string
  readonly vocabulary: number
  readonly json?: boolean
}

export const corpus = defineCommand<Flags>({
  name: 'corpus',
  summary: 'Make a tokenizer and a packed corpus from text files, for the task `text`',
  arguments: [new Argument('<sources...>', 'text files, and folders of .txt files')],
  options: [
    new Option('--out <folder>', 'the folder of the token ids').default('.corpus'),
    new Option('--tokenizer <file>', 'the tokenizer.json to write (default: in the folder)'),
    new Option('--vocabulary <n>', 'tokens of the vocabulary').argParser(wholeNumber(258)).default(4096),
    jsonOption,
  ],
  details:
    'The last 5 % of every document are held out; passages that held-out text shares with training text are dropped. The byte-level BPE tokenizer is trained on the training part alone. The same files give the same bytes.',
  examples: ['corpus ../shared/data/text/inaugural --out .runs/inaugural --vocabulary 1024'],
  async run(sources, flags, session) {
    const { buildTextCorpus } = await import('../../train/node/build-text-corpus.ts')
    const { out: folder, vocabulary: vocabularySize } = flags
    const tokenizerFile = flags.tokenizer ?? join(folder, 'tokenizer.json')
    const { signal, onProgress } = session
    const manifest = await buildTextCorpus({ sources, folder, tokenizerFile, vocabularySize, signal, onProgress })
    const { train, heldOut } = manifest.parts
    if (flags.json) session.print(`${JSON.stringify({ folder, tokenizerFile, ...manifest })}\n`)
    else
      session.print(
        `${formatCount(train.tokens)} tokens to train on and ${formatCount(heldOut.tokens)} held out, from ${manifest.documents.length} documents, in ${folder}; tokenizer in ${tokenizerFile}.\n`,
      )
    return EXIT.ok
  },
})
