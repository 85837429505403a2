/** Cells as pixels: colours are looked up in a table and written to an image, without paths. */

import type { ColorScale } from '../colors.ts'
import { GAP, type GridPicture } from '../grid-picture.ts'
import { pooled, type Rows } from '../numbers.ts'
import { isPresent } from '../scales.ts'

const COLORS = 512

/** All cells of a picture as an image: a pixel for every cell, or `pitch` by `pitch` pixels for a thumbnail and its gap. */
export function paintSheet(page: Document, picture: GridPicture, pitch: number): HTMLCanvasElement {
  const { values, thumbnail } = picture
  const scale = thumbnail ? pitch : 1
  const sheet = page.createElement('canvas')
  sheet.width = Math.max(1, values.columns * scale)
  sheet.height = Math.max(1, values.count * scale)
  const context = sheet.getContext('2d')!
  const colors = colorTable(picture.scale)
  if (!thumbnail) {
    context.putImageData(imageOf(values, picture.scale, colors, values.columns, values.count), 0, 0)
    return sheet
  }
  const gap = Math.round((GAP * pitch) / (64 + GAP))
  const side = pitch - gap
  for (let row = 0; row < values.count; row++) {
    for (let column = 0; column < values.columns; column++) {
      const cells = pooled(thumbnail(row, column), side)
      const [x, y] = [column * pitch + (gap >> 1), row * pitch + (gap >> 1)]
      context.putImageData(imageOf(cells, picture.scale, colors, side, side), x, y)
      context.strokeStyle = 'rgba(128,128,128,0.5)'
      context.strokeRect(x + 0.5, y + 0.5, side - 1, side - 1)
    }
  }
  return sheet
}

/** Cells stretched to `width` by `height` pixels; absent ones are transparent. */
function imageOf(cells: Rows, scale: ColorScale, colors: Uint32Array, width: number, height: number): ImageData {
  const image = new ImageData(Math.max(1, width), Math.max(1, height))
  const pixels = new Uint32Array(image.data.buffer)
  const columns = Int32Array.from({ length: width }, (_, x) => Math.floor((x * cells.columns) / width))
  for (let y = 0; y < height; y++) {
    const row = Math.floor((y * cells.count) / height)
    const [list, start] = [cells.list(row), cells.start(row)]
    for (let x = 0; x < width; x++) {
      const value = list[start + columns[x]!]
      if (isPresent(value)) pixels[y * width + x] = colors[Math.round(scale.position(value) * COLORS)]!
    }
  }
  return image
}

/** The scale's colours as pixels; images keep red in the lowest byte on every machine that browsers run on. */
function colorTable(scale: ColorScale): Uint32Array {
  return Uint32Array.from({ length: COLORS + 1 }, (_, index) => {
    const [red, green, blue] = scale.at(index / COLORS)
    return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0
  })
}
