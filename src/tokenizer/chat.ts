import { Template } from '@huggingface/jinja'
import { DiopterError } from '../errors/index.ts'

/** One turn of a conversation. Templates may read further fields. */
export interface ChatMessage {
  readonly role: string
  readonly content: string
  readonly [field: string]: unknown
}

/** Finds a tokenizer's chat templates by name: `chat_template.jinja` first, else the config's string or named list. */
export function chatTemplates(config: Record<string, unknown>, file: string | undefined): Map<string, string> {
  const value = config.chat_template
  const templates = new Map<string, string>()
  if (typeof value === 'string') templates.set('default', value)
  else if (Array.isArray(value)) {
    for (const { name, template } of value as { name: string; template: string }[]) templates.set(name, template)
  }
  if (file !== undefined) templates.set('default', file)
  return templates
}

/** Renders one template; `raise_exception`, `strftime_now` and `tojson` are the engine's own. @throws DiopterError when there is none of that name, or the template refuses the messages. */
export function renderChat(
  templates: ReadonlyMap<string, string>,
  name = 'default',
  messages: readonly ChatMessage[],
  addGenerationPrompt: boolean,
  specialTokens: Record<string, string | null>,
): string {
  const template = templates.get(name)
  if (template === undefined) {
    const have =
      templates.size > 0
        ? `It has: ${[...templates.keys()].join(', ')}.`
        : 'It is not a chat model, or its template was not fetched.'
    throw new DiopterError(`This tokenizer has no chat template "${name}". ${have}`)
  }
  try {
    return new Template(template).render({
      ...Object.fromEntries(Object.entries(specialTokens).filter(([, token]) => token !== null)),
      messages,
      add_generation_prompt: addGenerationPrompt,
    })
  } catch (error) {
    throw new DiopterError(`The chat template refused: ${error instanceof Error ? error.message : error}`)
  }
}
