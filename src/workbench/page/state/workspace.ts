import { EXAMPLE_PAIR } from '../../../runs/examples.ts'
import type { EditJson, RunSpec } from '../../../runs/index.ts'
import type { Place } from '../../../views/index.ts'

/** The tabs: the kinds of questions that methods answer, and training. */
export const TABS = ['read', 'cause', 'circuits', 'train'] as const
export type Tab = (typeof TABS)[number]

export const ENGINES = ['browser', 'node'] as const
export type EngineName = (typeof ENGINES)[number]

/** An intervention: an edit of the model that can be switched off without forgetting it. */
export interface Chip {
  readonly edit: EditJson
  readonly on: boolean
}

/** What a person set up in one method's panel; what is left out is the panel's default. */
export interface PanelState {
  readonly open?: boolean
  readonly parameters?: Readonly<Record<string, unknown>>
  /** It was run: a link to this page runs it again. */
  readonly ran?: boolean
  /** Numbers instead of pictures. */
  readonly table?: boolean
  /** For methods that can do without a prompt: whether they read the clean one too. */
  readonly prompt?: boolean
}

/** A run that was put aside to be compared with others. */
export interface Pin {
  readonly label: string
  readonly spec: RunSpec
}

/** Everything that a link to the page holds. */
export interface Workspace {
  readonly model: string
  readonly revision: string | null
  readonly clean: string
  /** Empty: there is none. */
  readonly corrupt: string
  readonly answer: string
  readonly wrong: string
  readonly chips: readonly Chip[]
  readonly engine: EngineName
  /** The engine's WebGPU instead of its processor. */
  readonly gpu: boolean
  readonly tab: Tab
  /** By method. */
  readonly panels: Readonly<Record<string, PanelState>>
  /** The one part of the model and prompt that all pictures point at. */
  readonly selection: Place | null
  /** The training that is set up, by the name of its recipe. */
  readonly recipe: string
  /** That training was started: a link to this page starts it again. */
  readonly trained: boolean
  /** In the order of pinning. */
  readonly pins: readonly Pin[]
  /** The pins are shown side by side. */
  readonly comparing: boolean
}

/** What the page opens with. */
export const initialWorkspace: Workspace = {
  model: 'text',
  revision: null,
  clean: String(EXAMPLE_PAIR.clean),
  corrupt: String(EXAMPLE_PAIR.corrupt),
  answer: String(EXAMPLE_PAIR.answer),
  wrong: String(EXAMPLE_PAIR.wrong),
  chips: [],
  engine: 'browser',
  gpu: false,
  tab: 'read',
  panels: {},
  selection: null,
  recipe: 'superposition',
  trained: false,
  pins: [],
  comparing: false,
}

/** The texts that a person types. */
export type TextField = 'clean' | 'corrupt' | 'answer' | 'wrong'

export type WorkspaceAction =
  /** From a link, or going back. */
  | { readonly kind: 'restore'; readonly workspace: Workspace }
  | { readonly kind: 'type'; readonly field: TextField; readonly text: string }
  | { readonly kind: 'swapPrompts' }
  | {
      readonly kind: 'openModel'
      readonly ref: string
      readonly revision: string | null
      readonly prompts: Pick<Workspace, TextField> | null
    }
  | { readonly kind: 'useEngine'; readonly engine: EngineName; readonly gpu: boolean }
  | { readonly kind: 'showTab'; readonly tab: Tab }
  | { readonly kind: 'setPanel'; readonly method: string; readonly panel: PanelState }
  | { readonly kind: 'addChip'; readonly edit: EditJson }
  | { readonly kind: 'changeChip'; readonly index: number; readonly chip: Chip }
  | { readonly kind: 'removeChip'; readonly index: number }
  | { readonly kind: 'select'; readonly place: Place | null }
  | { readonly kind: 'pickRecipe'; readonly recipe: string }
  | { readonly kind: 'train' }
  | { readonly kind: 'pin'; readonly pin: Pin }
  | { readonly kind: 'unpin'; readonly index: number }
  | { readonly kind: 'compare'; readonly comparing: boolean }

/** The workspace after an action. */
export function reduceWorkspace(state: Workspace, action: WorkspaceAction): Workspace {
  switch (action.kind) {
    case 'restore':
      return action.workspace
    case 'type':
      return state[action.field] === action.text ? state : { ...state, [action.field]: action.text }
    case 'swapPrompts':
      return { ...state, clean: state.corrupt, corrupt: state.clean, answer: state.wrong, wrong: state.answer }
    case 'openModel':
      // Places and edits are of the model that was open.
      return {
        ...state,
        ...action.prompts,
        model: action.ref,
        revision: action.revision,
        chips: [],
        selection: null,
      }
    case 'useEngine':
      return { ...state, engine: action.engine, gpu: action.gpu }
    case 'showTab':
      return state.tab === action.tab ? state : { ...state, tab: action.tab }
    case 'setPanel':
      return {
        ...state,
        panels: { ...state.panels, [action.method]: { ...state.panels[action.method], ...action.panel } },
      }
    case 'addChip':
      return { ...state, chips: [...state.chips, { edit: action.edit, on: true }] }
    case 'changeChip':
      return { ...state, chips: state.chips.with(action.index, action.chip) }
    case 'removeChip':
      return { ...state, chips: state.chips.toSpliced(action.index, 1) }
    case 'select':
      return { ...state, selection: action.place }
    case 'pickRecipe':
      return state.recipe === action.recipe ? state : { ...state, recipe: action.recipe, trained: false }
    case 'train':
      return { ...state, trained: true }
    case 'pin':
      return { ...state, pins: [...state.pins, action.pin] }
    case 'unpin': {
      const pins = state.pins.toSpliced(action.index, 1)
      return { ...state, pins, comparing: state.comparing && pins.length > 0 }
    }
    case 'compare':
      return { ...state, comparing: action.comparing }
  }
}

/** Whether going back should return to what was before the action; typing and pointing only change where one is. */
export function isStep(action: WorkspaceAction): boolean {
  if (action.kind === 'setPanel') return action.panel.ran === true
  return !['restore', 'type', 'select'].includes(action.kind)
}
