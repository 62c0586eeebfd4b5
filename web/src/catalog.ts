/*
 * ferry.catalog(): items, and what encoders make of them, to the files of a catalogue. index.ts loads
 * this file with the first catalogue; it stands alone.
 */
import type { Catalog, CatalogItem, CatalogOptions, Media, Modality, Refused } from './index.js'

type CheckFields = (given: object, op: string, what: string, known: readonly string[]) => void
/** Makes the error of that message, INVALID_ARGUMENT. */
type Invalid = (op: string, message: string) => Error
type Fail = (message: string) => Error

interface RefusedItem {
  index: number
  modality?: Modality
  reason: string
}

interface Part {
  modality: Modality
  model: string
  weight?: number | undefined
  dimension: number
}

/* What the worker does of it. */
interface Client {
  request(
    op: 'ferry.catalog',
    args: { items: Uint8Array; parts: Part[]; vectors?: Float32Array },
    options: { signal?: AbortSignal | undefined },
  ): Promise<{ refused: RefusedItem[]; texts?: string[]; files?: Catalog['files'] }>
}

/** In the order they have in a row, each with what says that an encoder takes it. */
const MODALITIES = { text: 'texts', image: 'images', audio: 'sounds' } as const
const ALL = Object.keys(MODALITIES) as Modality[]

const OP = 'ferry.catalog'

/* The item cannot be helped by going without. */
const FATAL = ['OUT_OF_MEMORY', 'CANCELLED', 'INTERNAL']

const FIELDS = [...ALL, 'weights', 'models', 'read', 'signal', 'onProgress']

function check(options: CatalogOptions, fail: Fail, checkFields: CheckFields): Modality[] {
  checkFields(options, OP, 'options', FIELDS)
  const { weights = {}, models = {} } = options
  const given = ALL.filter((modality) => options[modality])
  for (const modality of given) {
    if (!options[modality]?.[MODALITIES[modality]]) throw fail(`${modality} is no encoder of ${MODALITIES[modality]}`)
  }
  if (given.length === 0) throw fail('no encoder is given: text, image or audio')
  if (given.some((modality) => modality !== 'text') && typeof options.read !== 'function') {
    throw fail('read is not a function, but pictures or sounds are to be encoded')
  }
  for (const [name, list] of Object.entries({ weights, models })) {
    checkFields(list, OP, name, ALL)
    for (const key of Object.keys(list)) {
      if (!given.includes(key as Modality)) throw fail(`${name} is of "${key}", of which there is no encoder`)
    }
  }
  for (const weight of Object.values(weights)) {
    if (weight !== undefined && !(weight > 0 && weight < 1e6)) {
      throw fail(`a weight is ${String(weight)}, not a number above 0 and below a million`)
    }
  }
  for (const [key, model] of Object.entries(models)) {
    if (model !== undefined && typeof model !== 'string') throw fail(`models.${key} is ${String(model)}, not a string`)
  }
  return given
}

function toLine(item: unknown, index: number, fail: Fail): string {
  try {
    return JSON.stringify(item) ?? 'null'
  } catch (error) {
    throw fail(`items[${index}] cannot be written as JSON: ${(error as Error).message}`)
  }
}

/* "models/all-MiniLM-L6-v2/" and 'directory "all-MiniLM-L6-v2"' are all-MiniLM-L6-v2. */
function nameOf(source: string): string {
  const parts = source.split(/[\\/"]/).filter(Boolean)
  return parts.length > 1 ? (parts.at(-1) as string) : ''
}

interface Work extends CatalogOptions {
  /** Those that can be read. */
  items: readonly CatalogItem[]
  texts: readonly string[]
  /** Of all there are. */
  modalities: readonly Modality[]
  refuse(index: number, modality: Modality, reason: string): void
}

function tell({ onProgress, items, modalities }: Work, modality: Modality, loaded: number): void {
  const total = items.length
  const done = modalities.indexOf(modality) + (total > 0 ? loaded / total : 1)
  onProgress?.({ modality, loaded, total, fraction: done / modalities.length })
}

/** Of texts alone even an empty one is encoded: what people did may say more of the item. */
async function encodeTexts(work: Work, out: Float32Array): Promise<void> {
  const { text: encoder, texts, modalities, signal } = work
  if (!encoder) return
  const places = texts.map((_, i) => i).filter((i) => texts[i] !== '' || modalities.length === 1)
  const skipped = texts.length - places.length
  const onProgress = ({ loaded }: { loaded: number }) => tell(work, 'text', skipped + loaded)
  const vectors = await encoder.encode(places.map((i) => texts[i] as string), { signal, onProgress })
  vectors.forEach((vector, i) => out.set(vector, (places[i] as number) * encoder.dimension))
}

function encode({ image, audio, signal }: Work, modality: 'image' | 'audio', given: Media): Promise<Float32Array> | undefined {
  if (modality === 'image') return image?.encodeImage(given as Parameters<typeof image.encodeImage>[0], { signal })
  if ('samples' in given) return audio?.encodeAudio(given.samples, { sampleRate: given.sampleRate, signal })
  return audio?.encodeAudio(given as Parameters<typeof audio.encodeAudio>[0], { signal })
}

/** One after the other; the next is read while one is encoded. */
async function encodeMedia(work: Work, modality: 'image' | 'audio', out: Float32Array): Promise<void> {
  const { items, read, signal } = work
  const { dimension = 0 } = work[modality] ?? {}
  const start = async (i: number) => (i < items.length ? read?.(items[i] as CatalogItem, modality) : null)
  const begin = (i: number) => {
    const given = start(i)
    given.catch(() => undefined) // whoever waits hears of it
    return given
  }
  let next = begin(0)
  for (let i = 0; i < items.length; i++) {
    const current = next
    try {
      const given = await current
      signal?.throwIfAborted()
      next = begin(i + 1)
      const vector = given ? await encode(work, modality, given) : undefined
      if (vector) out.set(vector, i * dimension)
    } catch (error) {
      signal?.throwIfAborted()
      const { code, message } = (error ?? {}) as { code?: string; message?: string }
      if (FATAL.includes(code as string)) throw error
      work.refuse(i, modality, message ?? String(error))
      if (next === current) next = begin(i + 1)
    }
    tell(work, modality, i + 1)
  }
}

/** What is to be made, or the signal's reason as soon as it is aborted, whatever `read` is waiting for. */
export async function makeCatalog(
  client: Client,
  items: readonly CatalogItem[],
  options: CatalogOptions,
  checkFields: CheckFields,
  invalid: Invalid,
): Promise<Catalog> {
  const fail = (message: string) => invalid(OP, message)
  const modalities = check(options, fail, checkFields)
  if (!Array.isArray(items)) throw fail('items is not an array')
  const { signal } = options
  let abort = () => undefined as void
  const aborted = new Promise<never>((_, reject) => (abort = () => reject(signal?.reason)))
  signal?.addEventListener('abort', abort)
  try {
    return await Promise.race([make(client, items, options, modalities, fail), aborted])
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}

async function make(
  client: Client,
  given: readonly CatalogItem[],
  options: CatalogOptions,
  modalities: readonly Modality[],
  fail: Fail,
): Promise<Catalog> {
  const { weights = {}, models = {}, signal } = options
  const items = new TextEncoder().encode(given.map((item, i) => `${toLine(item, i, fail)}\n`).join(''))
  signal?.throwIfAborted()

  const refused: Refused[] = []
  const refuse = (index: number, modality: Modality | undefined, reason: string) =>
    void refused.push({ item: given[index] as CatalogItem, index, modality, reason })
  const read = await client.request(OP, { items, parts: [] }, { signal })
  for (const { index, reason } of read.refused) refuse(index, undefined, reason)
  const left = new Set(read.refused.map(({ index }) => index))
  const places = given.map((_, i) => i).filter((i) => !left.has(i))
  const work: Work = {
    ...options,
    items: places.map((i) => given[i] as CatalogItem),
    texts: read.texts ?? [],
    modalities,
    refuse: (i, modality, reason) => refuse(places[i] as number, modality, reason),
  }

  const parts = modalities.map((modality) => {
    const { dimension = 0, source = '' } = options[modality] ?? {}
    return { modality, model: models[modality] ?? nameOf(source), weight: weights[modality], dimension }
  })
  const vectors = new Float32Array(parts.reduce((sum, { dimension }) => sum + dimension, 0) * places.length)
  let end = 0
  for (const { modality, dimension } of parts) {
    const out = vectors.subarray(end, (end += dimension * places.length))
    if (modality === 'text') await encodeTexts(work, out)
    else await encodeMedia(work, modality, out)
  }
  const { files = {}, refused: without } = await client.request(OP, { items, parts, vectors }, { signal })
  let count = places.length
  for (const { index, modality, reason } of without) {
    refuse(places[index] as number, modality, reason)
    if (!modality) count--
  }
  return { files, count, refused }
}
