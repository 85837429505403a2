// Fails when a room imports a room below it, a forbidden pair, or Node outside the node adapters (see ARCHITECTURE.md, "Rooms").
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')

/** The violations, one sentence each, among `files` ({ path relative to src, text }). */
export function importViolations(files, rules) {
  const violations = []
  for (const { path, text } of files) {
    if (/\.(test|fixture)\.ts$/.test(path) || !path.includes('/')) continue // entry points and tests may see everything
    const room = path.split('/')[0]
    const rank = rules.order.indexOf(room)
    if (rank < 0) violations.push(`${path}: room '${room}' is not in scripts/rooms.json`)
    const mayUseNode = rules.nodeOnly.some((prefix) => path.startsWith(`${prefix}/`))
    for (const { fileName } of ts.preProcessFile(text, true, true).importedFiles) {
      if (fileName.startsWith('node:') && !mayUseNode)
        violations.push(`${path}: imports ${fileName} outside a node adapter`)
      if (!fileName.startsWith('.')) continue
      const target = join(dirname(path), fileName)
      const targetRoom = target.split('/')[0]
      const targetRank = rules.order.indexOf(targetRoom)
      if (targetRank < 0) violations.push(`${path}: imports '${target}', which is in no room`)
      else if (targetRank > rank) violations.push(`${path}: ${room} imports ${targetRoom}, a room below it`)
      if (rules.never.some(([from, to]) => from === room && to === targetRoom))
        violations.push(`${path}: ${room} must never import ${targetRoom}`)
      const intoNode = rules.nodeOnly.some((prefix) => target.startsWith(`${prefix}/`))
      if (intoNode && !mayUseNode)
        violations.push(`${path}: imports the node adapter ${target} statically; entry points wire adapters`)
    }
  }
  return violations
}

export function sourceFiles(folder = join(root, 'src')) {
  return readdirSync(folder, { recursive: true })
    .map(String)
    .filter((name) => /\.tsx?$/.test(name))
    .map((name) => ({ path: name.replaceAll('\\', '/'), text: readFileSync(join(folder, name), 'utf8') }))
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const rules = JSON.parse(readFileSync(join(root, 'scripts/rooms.json'), 'utf8'))
  const violations = importViolations(sourceFiles(), rules)
  for (const violation of violations) console.error(violation)
  console.log(
    `imports: ${sourceFiles().length} files, ${violations.length} violations (${relative(process.cwd(), root) || '.'})`,
  )
  process.exitCode = violations.length > 0 ? 1 : 0
}
