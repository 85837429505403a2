import { describe, expect, it } from 'vitest'
import { parseEdit } from './edit-grammar.ts'
import { UsageError } from './errors.ts'

const files: Readonly<Record<string, unknown>> = { 'd.json': [1, 0, 0] }
const parse = (text: string) => parseEdit(text, async (path) => files[path])

describe('edits on the command line', () => {
  it.each([
    [
      'zero blocks.0.attn.hook_z head=3 position=-1',
      { kind: 'zero', hook: 'blocks.0.attn.hook_z', heads: [3], positions: [-1] },
    ],
    [
      'zero blocks.*.hook_mlp_out positions=0,2,-1 neuron=4',
      { kind: 'zero', hook: 'blocks.*.hook_mlp_out', positions: [0, 2, -1], neurons: [4] },
    ],
    ['zero blocks.0.attn.hook_pattern key=0', { kind: 'zero', hook: 'blocks.0.attn.hook_pattern', keys: [0] }],
    ['scale hook_embed by=0.5', { kind: 'scale', hook: 'hook_embed', factor: 0.5 }],
    ['add hook_embed value=@d.json factor=-2', { kind: 'add', hook: 'hook_embed', value: [1, 0, 0], factor: -2 }],
    ['replace hook_embed value=1.5', { kind: 'replace', hook: 'hook_embed', value: 1.5 }],
    ['replace hook_embed value=[1, 2]', { kind: 'replace', hook: 'hook_embed', value: [1, 2] }],
    ['project_out hook_embed direction=@d.json', { kind: 'project_out', hook: 'hook_embed', direction: [1, 0, 0] }],
    ['clamp hook_embed min=-1', { kind: 'clamp', hook: 'hook_embed', min: -1 }],
    ['freeze hook_embed', { kind: 'freeze', hook: 'hook_embed' }],
    [
      'mean hook_embed per=position prompts=["a b", "c"]',
      { kind: 'mean', hook: 'hook_embed', per: 'position', prompts: ['a b', 'c'] },
    ],
    ['resample hook_embed from="say \\"hi\\" now"', { kind: 'resample', hook: 'hook_embed', from: 'say "hi" now' }],
    ["resample hook_embed from='it is'", { kind: 'resample', hook: 'hook_embed', from: 'it is' }],
    ['resample hook_embed from=[1,2,3]', { kind: 'resample', hook: 'hook_embed', from: [1, 2, 3] }],
    ['{"kind": "zero", "hook": "hook_embed"}', { kind: 'zero', hook: 'hook_embed' }],
  ])('%s', async (text, edit) => {
    expect(await parse(text)).toEqual(edit)
  })

  it.each([
    ['', 'it is empty'],
    ['zeroo hook_embed', 'there is no edit "zeroo"; nearest: zero'],
    ['zero', 'after "zero" comes a hook'],
    ['zero head=3', 'after "zero" comes a hook'],
    ['zero hook_embed by=2', '"by=2" is no part of "zero", which takes position='],
    ['scale hook_embed', '"scale" needs by='],
    ['scale hook_embed by=much', 'by=much is not a number'],
    ['zero hook_z head=a', 'head=a is not a number'],
    ['zero hook_z head=1.5', 'head=1.5 is not a list of whole numbers'],
    ['zero hook_z head=1 heads=2', '"heads" is given twice'],
    ['clamp hook_embed', '"clamp" needs min=, max= or both'],
    ['resample hook_embed from="a', 'a quote is not closed'],
    ['add hook_embed value=[1,', 'a bracket is not closed'],
    ['{"kind": zero}', 'is not JSON'],
  ])('%s is refused with the grammar', async (text, problem) => {
    const refused = expect(parse(text)).rejects
    await refused.toBeInstanceOf(UsageError)
    await expect(parse(text)).rejects.toThrow(problem)
    await expect(parse(text)).rejects.toThrow('An edit is KIND HOOK [PLACE...] [VALUE...]')
  })
})
