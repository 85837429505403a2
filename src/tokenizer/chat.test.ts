import { describe, expect, test } from 'vitest'
import { chatTemplates, renderChat } from './chat.ts'

const messages = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'Hi "you"' },
]
const render = (template: string, addGenerationPrompt = false) =>
  renderChat(new Map([['default', template]]), undefined, messages, addGenerationPrompt, {
    bos_token: '<s>',
    pad_token: null,
  })

describe('renderChat', () => {
  test('loops, trimmed blocks, the generation prompt and special tokens', () => {
    const template = `{{ bos_token }}{% for message in messages %}
    {%- if message.role == 'user' %}
[U]{{ message['content'] | trim }}[/U]
    {%- else %}
[{{ message.role | upper }}]{{ message.content }}
    {%- endif %}
{% endfor %}
{% if add_generation_prompt %}[A]{% endif %}`
    expect(render(template, true)).toBe('<s>[SYSTEM]Be brief.[U]Hi "you"[/U][A]')
    expect(render(template).endsWith('[/U]')).toBe(true)
  })
  test('tojson, an unset special token and strftime_now', () => {
    expect(render('{{ messages[1].content | tojson }}')).toBe('"Hi \\"you\\""')
    expect(render('{{ pad_token is defined }}')).toBe('false')
    expect(render('{{ strftime_now("%Y") }}')).toBe(String(new Date().getFullYear()))
  })
  test('a template may refuse', () => {
    expect(() => render('{{ raise_exception("roles must alternate") }}')).toThrow('refused: roles must alternate')
    expect(() => render('{% broken')).toThrow('The chat template refused')
  })
})

test('chatTemplates: a string, a named list, and the file that wins', () => {
  expect([...chatTemplates({ chat_template: 'x' }, undefined)]).toEqual([['default', 'x']])
  const list = [
    { name: 'default', template: 'd' },
    { name: 'tool_use', template: 't' },
  ]
  expect(chatTemplates({ chat_template: list }, 'file')).toEqual(
    new Map([
      ['default', 'file'],
      ['tool_use', 't'],
    ]),
  )
  expect(() => renderChat(new Map(), undefined, messages, false, {})).toThrow('not a chat model')
  expect(() => renderChat(chatTemplates({ chat_template: list }, undefined), 'rag', messages, false, {})).toThrow(
    'It has: default, tool_use.',
  )
})
