/** Pictures and tables as files and elements of a page: PNG, file names, HTML tables. Browsers only, but for the names. */

import { DiopterError } from '../errors/index.ts'

const LONGEST_NAME = 80
const MOST_PIXELS = 16384

/**
 * An SVG document as a PNG of `scale` pixels per unit, on `paper` with text in `ink`; fonts are those of the machine. Needs a
 * browser, whose page may load `blob:` images. Throws where the document cannot be drawn or the picture would be too large.
 */
export async function toPng(svg: string, scale = 2, { paper = '#ffffff', ink = '#1b1b1b' } = {}): Promise<Blob> {
  const picture = new DOMParser().parseFromString(svg, 'image/svg+xml').documentElement
  const [width, height] = ['width', 'height'].map((name) => Math.round(Number(picture.getAttribute(name)) * scale))
  if (!(width! > 0 && height! > 0)) throw new DiopterError('The picture has no width and height: give a view as SVG.')
  if (Math.max(width!, height!) > MOST_PIXELS) {
    throw new DiopterError(
      `A PNG of ${width} by ${height} pixels is more than browsers draw (${MOST_PIXELS} a side): take a smaller scale, or SVG.`,
    )
  }
  // An image has no page around it to take its text colour from.
  picture.setAttribute('color', ink)
  const url = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(picture)], { type: 'image/svg+xml' }))
  try {
    const image = new Image()
    image.src = url
    await image.decode().catch(() => {
      throw new DiopterError('The browser could not draw the picture: the page must allow images from blob: addresses.')
    })
    const canvas = document.createElement('canvas')
    canvas.width = width!
    canvas.height = height!
    const context = canvas.getContext('2d')!
    context.fillStyle = paper
    context.fillRect(0, 0, canvas.width, canvas.height)
    context.drawImage(image, 0, 0, canvas.width, canvas.height)
    const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/png'))
    if (!blob) throw new DiopterError(`The browser could not make a PNG of ${width} by ${height} pixels.`)
    return blob
  } finally {
    URL.revokeObjectURL(url)
  }
}

/** A file's name from a picture's title: its letters and digits, joined with dashes. */
export function fileName(title: string, extension: string): string {
  const words = title.normalize('NFC').match(/[\p{L}\p{N}]+(?:\.\d+)?/gu) ?? []
  const name = words.join('-').toLowerCase().slice(0, LONGEST_NAME).replace(/-+$/, '')
  return `${name || 'picture'}.${extension}`
}
