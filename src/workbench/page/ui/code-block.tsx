import { scrollable } from './scrollable.ts'
import './code-block.css'

/** Text for machines, which a person may read. */
export function CodeBlock({ name, text }: { readonly name: string; readonly text: string }) {
  return (
    <section className="code-block" aria-label={name} {...scrollable}>
      <pre>{text}</pre>
    </section>
  )
}
