/*
 * A picture, and a sound, as they travel to the worker. encoder.ts loads this file with the first of
 * them; it stands alone.
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

interface Heard {
  readonly sampleRate: number
  readonly numberOfChannels: number
  getChannelData(channel: number): Float32Array
}

/** Its samples, the channels of one moment side by side: a copy. sampleRate is that of a Float32Array. */
export function wireSound(audio: Heard | Float32Array, sampleRate: number | undefined, fail: Fail) {
  const one = audio instanceof Float32Array
  if (!one && typeof audio?.getChannelData !== 'function') {
    throw fail('INVALID_ARGUMENT', 'audio is neither an AudioBuffer nor a Float32Array')
  }
  const rate = one ? sampleRate : audio.sampleRate
  if (!Number.isInteger(rate) || (rate as number) < 1) {
    throw fail('INVALID_ARGUMENT', `sampleRate is ${String(rate)}, not a whole number of at least 1`)
  }
  const all = one ? [audio] : Array.from({ length: audio.numberOfChannels }, (_, c) => audio.getChannelData(c))
  const channels = all.length
  const data = new Float32Array(channels * (all[0]?.length ?? 0))
  all.forEach((samples, c) => samples.forEach((sample, i) => (data[i * channels + c] = sample)))
  return { data, channels, sampleRate: rate as number }
}
