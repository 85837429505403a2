import { AnswerFields } from './answer-fields.tsx'
import { Interventions } from './interventions.tsx'
import { ModelPicker } from './model-picker.tsx'
import { Prompts } from './prompts.tsx'
import './left.css'

/** What is asked: of which model, about which prompts, and what is changed in it. */
export function Left() {
  return (
    <div className="left-sections">
      <ModelPicker />
      <Prompts />
      <AnswerFields />
      <Interventions />
    </div>
  )
}
