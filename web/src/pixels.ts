/*
 * A picture as it travels to the worker. encoder.ts loads this file with the first picture; it stands
 * alone.
 */

/** Makes the error of that code and message. */
type Fail = (code: 'INVALID_ARGUMENT' | 'MALFORMED' | 'UNSUPPORTED', message: string) => Error

interface Given {
  readonly data?: unknown
  readonly width?: unknown
  readonly height?: unknown
}

/* The engine decodes. Its colours are those of a canvas; a photograph comes upright. */
async function decode(image: Blob | ImageBitmap, fail: Fail): Promise<Given> {
  if (typeof createImageBitmap !== 'function' || typeof OffscreenCanvas !== 'function') {
    throw fail('UNSUPPORTED', 'this engine decodes no pictures: give pixels')
  }
  const own = image instanceof Blob
  let bitmap: ImageBitmap
  try {
    bitmap = own ? await createImageBitmap(image) : image
  } catch (error) {
    throw fail('MALFORMED', `the picture cannot be read: ${(error as Error).message}`)
  }
  const { width, height } = bitmap
  if (width === 0) throw fail('INVALID_ARGUMENT', 'the ImageBitmap is closed')
  const context = new OffscreenCanvas(width, height).getContext('2d')
  if (!context) throw fail('UNSUPPORTED', 'this engine gives no canvas')
  context.drawImage(bitmap, 0, 0)
  if (own) bitmap.close()
  return context.getImageData(0, 0, width, height)
}

/** Its pixels are copied: [height, width, channels]. */
export async function wireImage(image: unknown, fail: Fail) {
  const bitmap = typeof ImageBitmap === 'function' && image instanceof ImageBitmap
  const given = (image instanceof Blob || bitmap ? await decode(image, fail) : image ?? {}) as Given
  const { data, width, height } = given
  if (!(data instanceof Uint8Array || data instanceof Uint8ClampedArray)) {
    throw fail('INVALID_ARGUMENT', 'image is no Blob, no ImageBitmap, and image.data neither a Uint8Array nor a Uint8ClampedArray')
  }
  const whole = (value: unknown): value is number => Number.isInteger(value) && (value as number) > 0
  if (!whole(width) || !whole(height) || ![1, 3, 4].includes(data.length / (width * height))) {
    const size = `${String(width)} x ${String(height)}`
    throw fail('INVALID_ARGUMENT', `image: ${data.length} bytes are no ${size} pixels of 4, 3 or 1`)
  }
  const channels = data.length / (width * height)
  return { data: new Uint8Array(data.buffer, data.byteOffset, data.length).slice(), width, height, channels }
}
