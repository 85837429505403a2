import { ToggleGroup } from 'radix-ui'
import { useCallback, useEffect } from 'react'
import { useHasEngine, useSession, useWorkspace } from '../state/session.ts'
import { useStore } from '../state/store.ts'
import { trainAsJob } from '../state/training.ts'
import { Button } from '../ui/button.tsx'
import { CodeBlock } from '../ui/code-block.tsx'
import { Disclosure } from '../ui/disclosure.tsx'
import { timeText } from '../ui/numbers.ts'
import { Picture } from '../ui/picture.tsx'
import { ProgressBar } from '../ui/progress.tsx'
import { curvesOf } from './log-curves.ts'
import { recipes } from './recipes.ts'
import { ShippedLog } from './shipped-log.tsx'
import './train-tab.css'

/** Small trainings to watch, and how the shipped models were trained. */
export function TrainTab() {
  const session = useSession()
  const chosen = useWorkspace((workspace) => workspace.recipe)
  const recipe = recipes.find(({ name }) => name === chosen) ?? recipes[0]!
  return (
    <>
      <section className="panel" aria-labelledby="train-title">
        <header className="panel-head train-head">
          <h2 className="panel-title" id="train-title">
            Train a small model here
          </h2>
        </header>
        <div className="panel-body train-body">
          <ToggleGroup.Root
            type="single"
            className="recipes"
            aria-label="What to train"
            value={recipe.name}
            onValueChange={(name) => name !== '' && session.workspace.dispatch({ kind: 'pickRecipe', recipe: name })}
          >
            {recipes.map(({ name, title, about }) => (
              <ToggleGroup.Item key={name} value={name} className="recipe">
                <strong>{title}</strong>
                <span>{about}</span>
              </ToggleGroup.Item>
            ))}
          </ToggleGroup.Root>
          <Training key={recipe.name} name={recipe.name} />
        </div>
      </section>
      <ShippedLog />
    </>
  )
}

function Training({ name }: { readonly name: string }) {
  const session = useSession()
  const recipe = recipes.find((each) => each.name === name)!
  const run = useStore(session.trainings, (runs) => runs.get(name))
  const job = useStore(session.jobs, (jobs) => jobs.find(({ id }) => id === run?.job))
  const wasTrained = useWorkspace((workspace) => workspace.trained)
  const train = useCallback(
    () => void trainAsJob(session, name, recipe.title, recipe.training),
    [session, name, recipe],
  )
  // A link trains again what it was made after.
  const mustTrain = useHasEngine() && wasTrained && run === undefined
  useEffect(() => {
    if (mustTrain) train()
  }, [mustTrain, train])
  const picture = run ? curvesOf(run.log, recipe.curves, recipe.title) : null
  return (
    <>
      <div className="panel-run">
        {job?.status === 'running' ? (
          <Button icon="stop" onClick={job.cancel}>
            Stop
          </Button>
        ) : (
          <Button
            look="primary"
            icon="play"
            onClick={() => {
              train()
              session.workspace.dispatch({ kind: 'train' })
            }}
          >
            Train {recipe.training.steps} steps
          </Button>
        )}
        {job?.status === 'running' && <ProgressBar name={`Training ${recipe.title}`} progress={job.progress} />}
        {run?.seconds != null && <span className="muted small">{timeText(run.seconds * 1000)} of computing</span>}
      </div>
      {run?.error && <p className="panel-note problem">{run.error}</p>}
      {picture && <Picture spec={picture} />}
      <Disclosure summary="What exactly is trained">
        <CodeBlock name="The training's config" text={JSON.stringify(recipe.training, null, 2)} />
      </Disclosure>
    </>
  )
}
