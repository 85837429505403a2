import { ToggleGroup, Tooltip } from 'radix-ui'
import { useId } from 'react'
import type { Engine } from '../state/engines.ts'
import { say, useSession, useWorkspace } from '../state/session.ts'
import { useStore } from '../state/store.ts'
import { ENGINES, type EngineName } from '../state/workspace.ts'
import { timeText } from '../ui/numbers.ts'
import { Switch } from '../ui/switch.tsx'

const NAMES: Readonly<Record<EngineName, string>> = { browser: 'Browser', node: 'Node' }

/** Where runs happen, and how fast the last one was there. */
export function EngineSwitch() {
  const session = useSession()
  const engines = useStore(session.engines, (state) => state)
  const chosen = useWorkspace((workspace) => workspace.engine)
  const gpu = useWorkspace((workspace) => workspace.gpu)
  const id = useId()
  const pick = (engine: EngineName) => {
    const { service, problem } = engines[engine]
    if (!service) return say(session, problem ?? '', true)
    session.workspace.dispatch({ kind: 'useEngine', engine, gpu: gpu && engines[engine].gpuProblem === null })
  }
  const { gpuProblem } = engines[chosen]
  return (
    <div className="engines">
      <ToggleGroup.Root
        type="single"
        className="engine-group"
        aria-label="Engine"
        value={chosen}
        onValueChange={(engine) => engine !== '' && pick(engine as EngineName)}
      >
        {ENGINES.map((name) => (
          <EngineButton key={name} name={name} engine={engines[name]} />
        ))}
      </ToggleGroup.Root>
      {gpuProblem === null && (
        <span className="gpu">
          <Switch
            id={id}
            checked={gpu}
            onChange={(on) => session.workspace.dispatch({ kind: 'useEngine', engine: chosen, gpu: on })}
          />
          <label htmlFor={id}>WebGPU</label>
        </span>
      )}
      <span className="speed">{speedText(engines[chosen])}</span>
    </div>
  )
}

function EngineButton({ name, engine }: { readonly name: EngineName; readonly engine: Engine }) {
  const words = engine.service ? `${NAMES[name]} engine` : `${NAMES[name]} engine: not there. ${engine.problem}`
  return (
    <Tooltip.Root>
      <Tooltip.Trigger asChild>
        <ToggleGroup.Item value={name} className="engine" aria-disabled={!engine.service}>
          {NAMES[name]}
        </ToggleGroup.Item>
      </Tooltip.Trigger>
      <Tooltip.Content className="tip" sideOffset={4}>
        {words}
      </Tooltip.Content>
    </Tooltip.Root>
  )
}

function speedText({ speed }: Engine): string {
  if (!speed) return 'not measured yet'
  const rate = speed.tokensPerSecond === null ? '' : `, ${Math.round(speed.tokensPerSecond)} tokens/s`
  return `${speed.what} in ${timeText(speed.milliseconds)}${rate}`
}
