// Types of ship-checkpoint.mjs, for its test.
type Header = Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>

export function splitSafetensors(bytes: Buffer): { metadata: Record<string, string>; tensors: Header; data: Buffer }
export function joinSafetensors(
  list: readonly (readonly [name: string, dtype: string, shape: readonly number[], bytes: Buffer])[],
  metadata: Readonly<Record<string, string>>,
): Buffer
export function toFloat16(bytes: Buffer): Buffer
export function thinLog(text: string, bytes: number): string
export function figures(asked: readonly string[], log: string): Record<string, number>
export function ship(
  run: string,
  id: string,
  options: { title: string; goodFor: string; figure?: readonly string[]; float16?: boolean; to?: string },
): {
  folder: string
  id: string
  title: string
  goodFor: string
  parameters: number
  trainedBy: string
  seed: number
  heldOut: Record<string, number>
}
