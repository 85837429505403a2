import {
  type Method,
  type RunResult,
  type RunSpecInput,
  resultToJson,
  toCommand,
  toScript,
  viewsOf,
} from '../../../runs/index.ts'
import { fileName, renderSvg, toCsv, toPng, type ViewSpec, viewTable } from '../../../views/index.ts'
import { saveFile } from '../ui/save.ts'

/** What of a panel can be taken along. */
export interface Exports {
  readonly files: readonly { readonly label: string; readonly save: () => Promise<void> | void }[]
  readonly texts: readonly { readonly label: string; readonly text: () => string }[]
}

/** Files of a result, each picture its own, and texts that repeat it. */
export function exportsOf(method: Method, result: RunResult | null, spec: RunSpecInput | null): Exports {
  const pictures = result ? viewsOf(result) : []
  const each = (extension: string, save: (picture: ViewSpec, name: string) => Promise<void> | void) => async () => {
    for (const picture of pictures) await save(picture, fileName(picture.props.title, extension))
  }
  const files = [
    {
      label: 'PNG picture',
      save: each('png', async (picture, name) => saveFile(name, await toPng(svgOf(picture)), 'image/png')),
    },
    { label: 'SVG picture', save: each('svg', (picture, name) => saveFile(name, svgOf(picture), 'image/svg+xml')) },
    {
      label: 'CSV numbers',
      save: each('csv', (picture, name) => saveFile(name, toCsv(viewTable(picture.view, picture.props)), 'text/csv')),
    },
    {
      label: 'JSON result',
      save: () => {
        if (result) saveFile(`${method.name}.json`, resultToJson(result), 'application/json')
      },
    },
  ]
  const texts = [
    { label: 'Copy as script', text: () => (spec ? toScript(spec) : '') },
    { label: 'Copy as command', text: () => (spec ? toCommand(spec) : '') },
    { label: 'Copy the spec', text: () => JSON.stringify(spec, null, 2) },
  ]
  return { files: pictures.length > 0 ? files : files.slice(-1), texts }
}

const svgOf = ({ view, props }: ViewSpec): string => renderSvg(view, props)
