/** The lines that Project Gutenberg puts around a work. */
const start = /^\*\*\* ?START OF (?:THE|THIS) PROJECT GUTENBERG.*$/im
const end = /^(?:\*\*\* ?)?END OF (?:THE |THIS )?PROJECT GUTENBERG.*$/im

/** Takes Project Gutenberg's header and licence off a work's text, and white space at both ends. Texts without them stay as they are. */
export function stripBoilerplate(text: string): string {
  const header = start.exec(text)
  const body = header ? text.slice(header.index + header[0].length) : text
  const footer = end.exec(body)
  return (footer ? body.slice(0, footer.index) : body).trim()
}
