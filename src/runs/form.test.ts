import * as v from 'valibot'
import { describe, expect, it } from 'vitest'
import { type FormField, formOf, methods, readField, writeField } from './index.ts'
import { TOY_SPECS } from './toy-specs.fixture.ts'

const fieldsOf = (name: string) => {
  const method = methods.find((one) => one.name === name)!
  return new Map(formOf(method.parameters, name).map((field) => [field.name, field]))
}

describe('forms of methods', () => {
  it.each(methods.map((method) => [method.name, method] as const))(
    '%s: every parameter has a field with a label and help',
    (name, { parameters }) => {
      for (const { label, help, kind, choices } of formOf(parameters, name)) {
        expect(label).toMatch(/^[A-Z][a-z ]+$/)
        expect(help).toMatch(/^[A-Z].*\.$/)
        expect(kind === 'choice').toBe(choices !== undefined)
      }
    },
  )

  it('fields say what the schema demands', () => {
    const patch = fieldsOf('patch')
    expect(patch.get('what')).toMatchObject({ kind: 'choice', label: 'Activation', required: true })
    expect(patch.get('what')!.choices).toContain('resid_pre')
    expect(patch.get('layers')).toMatchObject({ kind: 'integers', integer: true, fewest: 1, required: false })
    expect(patch.get('bothDirections')).toMatchObject({ kind: 'switch', required: false })
    expect(fieldsOf('heads').get('startToken')).toMatchObject({ kind: 'number', nullable: true, minimum: 0 })
    expect(fieldsOf('generate').get('topP')).toMatchObject({ kind: 'number', above: 0, maximum: 1 })
    expect(fieldsOf('generate').get('stop')).toMatchObject({ kind: 'texts' })
    expect(fieldsOf('ablate').get('reference')).toMatchObject({ kind: 'prompts', fewest: 1 })
    expect(fieldsOf('capture').get('hooks')).toMatchObject({ kind: 'texts', required: true })
  })

  it.each([
    ['record', v.record(v.string(), v.number())],
    ['a list of the schema boolean', v.array(v.boolean())],
    ['the rule max_length', v.pipe(v.array(v.string()), v.maxLength(2))],
  ])('what no form can show is refused by name: %s', (_, schema) => {
    expect(() => formOf(v.strictObject({ odd: schema }), 'zap')).toThrow(/'odd' of zap has .*no form can show/)
  })

  it('the parameters of every example survive being written and read', () => {
    const specs = [...TOY_SPECS, ...methods.map(({ name, example }) => ({ method: name, ...example }))]
    for (const { method, parameters = {} } of specs) {
      const fields = fieldsOf(method)
      for (const [name, value] of Object.entries(parameters)) {
        const field = fields.get(name)!
        expect(readField(field, writeField(field, value as never))).toEqual(value)
      }
    }
  })
})

describe('what a person types', () => {
  const field = (kind: FormField['kind'], more: Partial<FormField> = {}): FormField => ({
    name: 'x',
    label: 'Layers',
    help: '',
    kind,
    required: false,
    nullable: false,
    ...more,
  })
  const integers = field('integers', { integer: true })

  it.each([
    ['0-3, 5, -1', [0, 1, 2, 3, 5, -1]],
    ['7', [7]],
    ['-3--1', [-3, -2, -1]],
    ['0 2;4,', [0, 2, 4]],
    [' \u22121 ', [-1]],
  ])('whole numbers: %s', (text, values) => {
    expect(readField(integers, text)).toEqual(values)
  })

  it.each([
    [integers, '3-0', 'Layers: the range 3-0 runs backwards; write 0-3.'],
    [integers, '1.5', 'Layers: "1.5" is no whole number and no range; write for example 0-3, 5, -1.'],
    [integers, '0-999999999', /more than 100000/],
    [{ ...integers, minimum: 0 }, '2, -1', 'Layers: -1 is too small; the least is 0.'],
    [{ ...integers, fewest: 2 }, '2', 'Layers: there must be at least 2.'],
    [field('number', { integer: true }), '2.5', 'Layers: "2.5" is no whole number.'],
    [field('number', { above: 0, maximum: 1 }), '0', 'Layers: 0 is too small; it must be more than 0.'],
    [field('number', { above: 0, maximum: 1 }), '2', 'Layers: 2 is too large; the most is 1.'],
    [field('choice', { choices: ['a', 'b'] }), 'c', 'Layers: "c" is none of a, b.'],
    [field('switch'), 'perhaps', 'Layers: "perhaps" is neither yes nor no.'],
    [field('texts', { required: true }), ' ', 'Layers: this cannot be left empty.'],
  ] as const)('%o refuses %s', (given, text, message) => {
    expect(() => readField(given, text)).toThrow(message)
  })

  it('the rest', () => {
    expect(readField(integers, '  ')).toBeUndefined()
    expect(readField(field('switch'), 'no')).toBe(false)
    expect(readField(field('number', { nullable: true }), 'none')).toBeNull()
    expect(readField(field('texts'), ' The\n\nend.')).toEqual([' The', 'end.'])
    expect(readField(field('json'), '{"output": ["a"]}')).toEqual({ output: ['a'] })
    expect(() => readField(field('json'), '[1]')).toThrow('Layers: this should be an object')
    expect(() => readField(field('json'), '{output')).toThrow('Layers: this is not JSON')
    expect(readField(field('rows'), '[0.5, -1e-3]\n1 2')).toEqual([
      [0.5, -1e-3],
      [1, 2],
    ])
    expect(() => readField(field('rows'), '0.5, x')).toThrow('Layers: "x" is no number')
    const rows = [
      [0.25, -3],
      [1e-9, 4],
    ]
    expect(readField(field('rows'), writeField(field('rows'), rows))).toEqual(rows)
    expect(readField(field('prompts'), 'The king\n[1, 2]')).toEqual(['The king', [1, 2]])
    expect(writeField(integers, [0, 1, 2, 3, 5, 6, -1])).toBe('0-3, 5, 6, -1')
    expect(readField(integers, writeField(integers, [-3, -2, -1, 0]))).toEqual([-3, -2, -1, 0])
  })
})
