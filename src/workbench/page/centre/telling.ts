import { type Method, methods } from '../../../runs/index.ts'
import type { ViewSpec } from '../../../views/index.ts'
import { FIRST_METHODS } from '../../browser/first-results.ts'

/** Panels of a tab that are open at first: those whose results come with the page, or else those that the registry lists first. */
const OPEN = 3

/** Whether a method's panel is open until somebody closes it. */
export function isOpenAtFirst(method: Method): boolean {
  const beside = methods.filter(({ question }) => question === method.question)
  const shown = beside.filter(({ name }) => FIRST_METHODS.includes(name))
  return (shown.length > 0 ? shown : beside.slice(0, OPEN)).includes(method)
}

/** Whether a picture leaves room for another one beside it. */
export function isSmall(spec: ViewSpec): boolean {
  if (spec.view === 'heatMap') return spec.props.columnLabels.length <= 12 && spec.props.rowLabels.length <= 16
  return spec.view === 'barList' && spec.props.bars.length <= 8
}
