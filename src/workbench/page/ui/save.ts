import { DiopterError } from '../../../errors/index.ts'

/** Lets a person keep a file. */
export function saveFile(name: string, content: Blob | string, type: string): void {
  const url = URL.createObjectURL(typeof content === 'string' ? new Blob([content], { type }) : content)
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  // The browser has read it by then.
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}

/** Puts a text where it can be pasted. Throws where the browser does not let it. */
export async function copyText(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text)
  } catch {
    throw new DiopterError(
      'The browser did not allow copying. Allow access to the clipboard for this page and try again.',
    )
  }
}
