import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, parse, relative, resolve } from 'node:path'
import type { FilePlace, TensorValue } from '../backend.ts'

/** Mapped places begin on a page of memory. */
const PAGE = 4096

/**
 * Where sessions map resident weights from: the checkpoint itself where it holds the very bytes, else a temporary file
 * that is written once. Mapped bytes are given back as ONNX Runtime packs them, so a resident session never holds a
 * copy beside its packed one. Locations are relative to the root of the file system, which is the folder that sessions
 * are given: ONNX Runtime takes no absolute paths.
 */
export class WeightFiles {
  readonly root = parse(resolve(tmpdir())).root
  private readonly places = new WeakMap<TensorValue, FilePlace>()
  private folder: string | undefined
  private file: number | undefined
  private length = 0
  private readonly remove = () => this.dispose()

  place(value: TensorValue): FilePlace | undefined {
    const path = value.file && resolve(value.file.path)
    if (path?.startsWith(this.root)) return { location: this.locate(path), offset: value.file!.begin }
    const known = this.places.get(value) ?? this.write(value)
    if (known) this.places.set(value, known)
    return known
  }

  dispose(): void {
    process.removeListener('exit', this.remove)
    if (this.file !== undefined) closeSync(this.file)
    if (this.folder !== undefined) rmSync(this.folder, { recursive: true, force: true })
    this.file = undefined
    this.folder = undefined
    this.length = 0
  }

  /** Undefined when there is no room on the disk: the bytes are then handed over in memory. */
  private write({ data }: TensorValue): FilePlace | undefined {
    try {
      if (this.folder === undefined || this.file === undefined) {
        this.folder = mkdtempSync(join(tmpdir(), 'diopter-weights-'))
        this.file = openSync(join(this.folder, 'weights.bin'), 'w')
        process.once('exit', this.remove)
      }
      const offset = this.length
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
      for (let done = 0; done < bytes.length; ) {
        done += writeSync(this.file, bytes, done, Math.min(bytes.length - done, 2 ** 30), offset + done)
      }
      this.length = Math.ceil((offset + bytes.length) / PAGE) * PAGE
      return { location: this.locate(join(this.folder, 'weights.bin')), offset }
    } catch {
      return undefined
    }
  }

  private locate(path: string): string {
    return relative(this.root, path).replaceAll('\\', '/')
  }
}
