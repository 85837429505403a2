import type { Architecture } from './architecture.ts'
import { gemma } from './gemma.ts'
import { gemma2 } from './gemma2.ts'
import { gptNeo } from './gpt-neo.ts'
import { gptNeox } from './gpt-neox.ts'
import { gpt2 } from './gpt2.ts'
import { gptj } from './gptj.ts'
import { llama } from './llama.ts'
import { mistral } from './mistral.ts'
import { opt } from './opt.ts'
import { phi } from './phi.ts'
import { phi3 } from './phi3.ts'
import { qwen2 } from './qwen2.ts'
import { toy } from './toy.ts'

/** Every family that can be opened. */
export const architectures: readonly Architecture[] = [
  ...[gpt2, gptNeo, gptNeox, gptj, opt],
  ...[llama, qwen2, mistral, gemma, gemma2, phi, phi3],
  toy,
]
