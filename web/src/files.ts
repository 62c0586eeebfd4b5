/*
 * Where files come from: URLs, Node paths, directory handles and bytes, all as named files in a
 * directory, streamed straight into the core's memory. Counts progress, listens to abort, and says
 * which file of which directory was missing.
 */
import { Core, Failure, type CoreFile } from './wasm.js'

// What the layers above need of the one below.
export * from './wasm.js'

/** A directory handle as the File System Access API gives it; only what Ferry uses of it. */
export interface DirectoryHandle {
  readonly kind: 'directory'
  readonly name: string
  getDirectoryHandle(name: string): Promise<DirectoryHandle>
  getFileHandle(name: string): Promise<{ getFile(): Promise<Blob> }>
}

/** A directory to open; `label` is what messages call it. Paths and URLs are absolute. */
export type WireSource =
  | { kind: 'url'; url: string; label: string }
  | { kind: 'path'; path: string; label: string }
  | { kind: 'handle'; handle: DirectoryHandle; label: string }
  | { kind: 'files'; files: Record<string, Blob | ArrayBuffer | Uint8Array>; label: string }

export type WireWasm = { url: string } | { path: string } | { bytes: ArrayBuffer | Uint8Array } | WebAssembly.Module

/** How far a call is, over all its files together; never goes back. */
export interface Progress {
  /** Bytes read so far; texts, when encoding. */
  loaded: number
  /** Bytes in all, as far as they were announced; texts, when encoding. */
  total: number
  /** loaded / total, 0 to 1. */
  fraction: number
  /** The file that moved last. Absent when encoding. */
  file?: string
}

/**
 * Node's own modules without an import, which bundlers for the web would stumble over.
 * @internal
 */
export const builtin: typeof process.getBuiltinModule | undefined =
  typeof process === 'object' && process.versions?.node ? process.getBuiltinModule : undefined

/** Lets waiting messages in, then throws if one of them gave this request up. */
export async function breathe(signal: AbortSignal): Promise<void> {
  await new Promise<void>(nextTurn)
  signal.throwIfAborted()
}

/* setTimeout would wait 4 ms in a browser. */
const nextTurn: (then: () => void) => void = (() => {
  if (builtin) return (then: () => void) => void setImmediate(then)
  const { port1, port2 } = new MessageChannel()
  const waiting: (() => void)[] = []
  port1.onmessage = () => waiting.shift()?.()
  return (then: () => void) => {
    waiting.push(then)
    port2.postMessage(0)
  }
})()

const CHUNK = 1 << 20

/** A file that exists. Nothing of it has been read yet. */
interface OpenedFile {
  name: string
  /** As announced; the bytes that come are what counts. */
  size: number
  chunks: AsyncIterable<Uint8Array>
}

/*
 * Takes the reader, not the stream: undici cancels a body nobody has locked once its Response is
 * collected, and a file may wait for others before it is read. The stream then just ends.
 */
async function* chunksOf(reader: ReadableStreamDefaultReader<Uint8Array>, signal: AbortSignal) {
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      yield value
      signal.throwIfAborted()
    }
  } finally {
    // A no-op after the end; otherwise stops the download. It may itself reject once aborted.
    reader.cancel().catch(() => undefined)
  }
}

async function* oneChunk(bytes: Uint8Array) {
  yield bytes
}

async function* chunksOfPath(path: string, signal: AbortSignal) {
  const fs = builtin!('node:fs')
  const file = fs.openSync(path, 'r')
  try {
    const chunk = new Uint8Array(CHUNK)
    for (;;) {
      const count = fs.readSync(file, chunk, 0, CHUNK, null)
      if (count === 0) return
      yield chunk.subarray(0, count)
      await breathe(signal)
    }
  } finally {
    fs.closeSync(file)
  }
}

function openBytes(name: string, bytes: ArrayBuffer | Uint8Array): OpenedFile {
  const view = ArrayBuffer.isView(bytes)
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : new Uint8Array(bytes)
  return { name, size: view.length, chunks: oneChunk(view) }
}

function openBlob(name: string, blob: Blob, signal: AbortSignal): OpenedFile {
  return { name, size: blob.size, chunks: chunksOf(blob.stream().getReader(), signal) }
}

function openPath(name: string, path: string, signal: AbortSignal): OpenedFile | undefined {
  try {
    const stat = builtin!('node:fs').statSync(path)
    if (stat.isDirectory()) throw new Failure('IO', `${path} is a directory`)
    return { name, size: stat.size, chunks: chunksOfPath(path, signal) }
  } catch (error) {
    if (error instanceof Failure) throw error
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new Failure('IO', message)
  }
}

async function openUrl(name: string, url: string, signal: AbortSignal): Promise<OpenedFile | undefined> {
  let response: Response
  try {
    response = await fetch(url, { signal })
  } catch (error) {
    if (signal.aborted) throw error
    const { message, cause } = error as Error
    const why = cause instanceof Error ? `${message}: ${cause.message}` : message
    throw new Failure('IO', `${url} could not be fetched: ${why}`)
  }
  if (response.status === 404 || response.status === 410) return undefined
  if (!response.ok) {
    throw new Failure('IO', `${url} could not be fetched: HTTP ${response.status} ${response.statusText}`)
  }
  const { headers, body } = response
  // Servers of single-page applications answer a missing file with their page and a 200.
  if (headers.get('content-type')?.startsWith('text/html')) return undefined
  // Of a compressed answer this is the compressed length: a first guess, corrected as bytes come.
  const size = Number(headers.get('content-length') ?? 0)
  return { name, size, chunks: body ? chunksOf(body.getReader(), signal) : oneChunk(new Uint8Array(0)) }
}

async function openHandle(
  name: string,
  directory: DirectoryHandle,
  signal: AbortSignal,
): Promise<OpenedFile | undefined> {
  try {
    const folders = name.split('/')
    const last = folders.pop() as string
    for (const folder of folders) directory = await directory.getDirectoryHandle(folder)
    return openBlob(name, await (await directory.getFileHandle(last)).getFile(), signal)
  } catch (error) {
    const { name: kind, message } = error as Error
    if (kind === 'NotFoundError' || kind === 'TypeMismatchError') return undefined
    throw new Failure('IO', `${name}: ${message}`)
  }
}

/** undefined: the source has no such file. */
async function openIn(
  source: WireSource,
  name: string,
  signal: AbortSignal,
): Promise<OpenedFile | undefined> {
  signal.throwIfAborted()
  switch (source.kind) {
    case 'url': {
      const url = new URL(name, source.url)
      url.search = new URL(source.url).search // a signed directory signs its files
      return openUrl(name, url.href, signal)
    }
    case 'path':
      return openPath(name, builtin!('node:path').join(source.path, name), signal)
    case 'handle':
      return openHandle(name, source.handle, signal)
    case 'files': {
      const file = Object.hasOwn(source.files, name) ? source.files[name] : undefined
      if (file === undefined) return undefined
      return file instanceof Blob ? openBlob(name, file, signal) : openBytes(name, file)
    }
  }
}

/** A file to read: the first of these names that the source has; `optional`: or none. */
interface Wanted {
  names: string[]
  optional?: boolean
  /** Its bytes, if they were needed already. */
  bytes?: Uint8Array
  /** What the core calls it, if not by that name. */
  as?: string
}

/** Files of one source; which, may have to be found out first. */
interface Group {
  source: WireSource
  wanted: Wanted[] | Promise<Wanted[]>
}

export const CATALOG_FILES: Wanted[] = [
  { names: ['catalog.json'] },
  { names: ['items.jsonl'] },
  { names: ['vectors.safetensors'] },
]

const PREPARATION = 'preprocessor_config.json'
const IMAGE_MODELS = ['vit', 'clip', 'clip_vision_model', 'siglip', 'siglip_vision_model', 'dinov2']
const SOUND_MODEL = 'musicnn_vgg'

/* Of texts too, if there is a tokenizer. */
const PAIR_MODELS = ['clip', 'siglip']
const TEXT_FILES: Wanted[] = [
  { names: ['tokenizer_config.json'], optional: true },
  { names: ['sentence_bert_config.json'], optional: true },
  { names: ['config_sentence_transformers.json'], optional: true },
  { names: ['centers.safetensors'], optional: true },
]

/* Whether config.json is that of an image or sound encoder, and what it takes besides if so: as
 * ferry_image_encoder_recognises and ferry_text_tower_recognises. */
function imageFiles(config: Uint8Array): Wanted[] | undefined {
  try {
    const { architecture, model_type: type } = JSON.parse(new TextDecoder().decode(config)) as Record<string, unknown>
    if (type === SOUND_MODEL) return []
    const named = typeof type === 'string' && IMAGE_MODELS.includes(type)
    if (typeof architecture !== 'string' && !named) return undefined
    const files = [{ names: [PREPARATION], optional: true }]
    if (!named || !PAIR_MODELS.includes(type)) return files
    return [...files, { names: ['tokenizer.json'], optional: true }, ...TEXT_FILES]
  } catch {
    return undefined // what is wrong with it, the core says
  }
}

/**
 * What ferry_encoder_open_directory would find. Of sentence-transformers' modules only those are
 * asked for that modules.json names.
 */
export async function encoderFiles(source: WireSource, signal: AbortSignal): Promise<Wanted[]> {
  const read = async (name: string) => {
    const file = await openIn(source, name, signal)
    return file && readAll(file)
  }
  const [config, modules] = await Promise.all([read('config.json'), read('modules.json')])
  const first: Wanted = { names: ['config.json'], ...(config && { bytes: config }) }
  const weights: Wanted = { names: ['model.safetensors'] }
  const images = config && imageFiles(config)
  if (images) return [first, ...images, weights]
  const wanted: Wanted[] = [first, { names: ['tokenizer.json', 'vocab.txt'] }, ...TEXT_FILES, weights]
  if (!modules) return wanted
  const parts = modulePaths(modules).map((path) => ({ names: [`${path}/config.json`], optional: true }))
  return [{ names: ['modules.json'], bytes: modules }, ...parts, ...wanted]
}

/** Of a model in a directory of its own. */
export const MODEL_FILES: Wanted[] = [
  { names: ['ferry.json'] },
  { names: ['items.jsonl'] },
  { names: ['model.safetensors'] },
]

/** Of the model that a shop's directory has in its folder `model`; none if it has none. */
export async function ownModelFiles(source: WireSource, signal: AbortSignal): Promise<Wanted[]> {
  const [first, ...rest] = MODEL_FILES.map(({ names: [as] }) => ({ names: [`model/${as}`], as: as as string }))
  const json = first && (await openIn(source, first.names[0] as string, signal))
  return json ? [{ ...first, bytes: await readAll(json) }, ...rest] : []
}

async function openWanted(source: WireSource, wanted: Wanted, signal: AbortSignal): Promise<OpenedFile | undefined> {
  const { names, optional, bytes } = wanted
  if (bytes) return openBytes(names[0] as string, bytes)
  for (const name of names) {
    const file = await openIn(source, name, signal)
    if (file) return file
  }
  if (optional) return undefined
  throw new Failure('NOT_FOUND', `${source.label} has no ${names.join(' and no ')}`)
}

/*
 * The folders of the modules that have a configuration; normalisation has none. What cannot be
 * read here is left to the core, which says what is wrong with it.
 */
function modulePaths(bytes: Uint8Array): string[] {
  try {
    const modules = JSON.parse(new TextDecoder().decode(bytes)) as { path?: unknown; type?: unknown }[]
    const configured = modules.filter(({ type }) => !String(type).endsWith('.Normalize'))
    const paths = configured.map(({ path }) => path).filter((path) => typeof path === 'string')
    return paths.filter((path) => /^[\w-]+$/.test(path)) // '' is the directory itself
  } catch {
    return []
  }
}

/** Collects progress over several files into one report that never goes back. */
class Tally {
  #loaded = 0
  #total = 0
  #fraction = 0
  #reported = -Infinity
  #file = ''
  constructor(
    /** Files, and groups of which it is not known yet how many files they are. */
    private unopened: number,
    private readonly progress: (progress: Progress) => void,
  ) {}

  /** One group turns out to be so many files. */
  grouped(files: number): void {
    this.unopened += files - 1
  }

  opened(size: number): void {
    this.unopened--
    this.#total += size
  }

  /** Tells now and then, once all sizes are known. */
  add(file: string, count: number): void {
    this.#loaded += count
    this.#file = file
    if (this.unopened > 0 || performance.now() - this.#reported < 50) return
    this.#reported = performance.now()
    this.#tell()
  }

  end(): void {
    this.#total = this.#loaded
    this.#tell()
  }

  #tell(): void {
    this.#total = Math.max(this.#total, this.#loaded)
    this.#fraction = Math.max(this.#fraction, this.#total > 0 ? this.#loaded / this.#total : 1)
    this.progress({ loaded: this.#loaded, total: this.#total, fraction: this.#fraction, file: this.#file })
  }
}

async function readAll(file: OpenedFile): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const chunk of file.chunks) {
    parts.push(chunk.slice()) // the reader may reuse its chunk
    size += chunk.length
  }
  const all = new Uint8Array(size)
  let end = 0
  for (const part of parts) {
    all.set(part, end)
    end += part.length
  }
  return all
}

/** The dtypes and sizes of a safetensors file's tensors, and its own size; undefined if it is none. */
interface Layout {
  size: number
  tensors: { name: string; dtype: string; size: number }[]
}

const MAX_HEADER = 1 << 24

/* What the beginning of a file says; 'more' if it is too short to say it. */
function layoutOf(head: Uint8Array): Layout | 'more' | undefined {
  if (head.length < 8) return 'more'
  const end = 8 + Number(new DataView(head.buffer, head.byteOffset).getBigUint64(0, true))
  if (end > MAX_HEADER) return undefined
  if (head.length < end) return 'more'
  try {
    const header = JSON.parse(new TextDecoder().decode(head.slice(8, end))) as Record<string, never>
    const tensors = Object.entries(header).flatMap(([name, { dtype, data_offsets: at }]: [string, Entry]) =>
      name === '__metadata__' ? [] : [{ name, dtype, start: at[0], size: at[1] - at[0] }],
    )
    return { size: tensors.reduce((size, one) => Math.max(size, end + one.start + one.size), end), tensors }
  } catch {
    return undefined // the core says what is wrong with it
  }
}

type Entry = { dtype: string; data_offsets: [number, number] }

/**
 * Of a safetensors file, which is the large one, the size as its own header says it: a compressed
 * answer announces its compressed length, some none, and its memory is to be taken once.
 */
async function sized(file: OpenedFile): Promise<OpenedFile & { layout?: Layout }> {
  if (!file.name.endsWith('.safetensors')) return file
  const rest = file.chunks[Symbol.asyncIterator]()
  let head: Uint8Array = new Uint8Array(0)
  let layout: ReturnType<typeof layoutOf>
  do {
    const before = head.slice() // the reader may reuse its chunk
    const { done, value } = await rest.next()
    if (done) break
    head = value
    if (before.length > 0) {
      head = new Uint8Array(before.length + value.length)
      head.set(before)
      head.set(value, before.length)
    }
    layout = layoutOf(head)
  } while (layout === 'more')
  async function* chunks() {
    try {
      yield head
      for (;;) {
        const { done, value } = await rest.next()
        if (done) return
        yield value
      }
    } finally {
      await rest.return?.(undefined)
    }
  }
  if (layout === undefined || layout === 'more') return { ...file, chunks: chunks() }
  return { ...file, size: layout.size, chunks: chunks(), layout }
}

/* What the core's memory is beside the weights, at most: itself, tokenizer, activations of up to four
 * threads, and of each further one. */
const BESIDE_WEIGHTS = 32_000_000
const MORE_THREADS = 4_000_000
/* And before matrices are packed: the core alone, and what reading a tokenizer takes of its file's size. */
const CORE = 5_000_000
const READING = 4

/** What opening an encoder takes, from its files' sizes and the header of its weights. */
export async function measureEncoder(
  source: WireSource,
  threads: number,
  signal: AbortSignal,
): Promise<{ download: number; memory: number }> {
  let download = 0
  let weights = 0
  let beside = BESIDE_WEIGHTS + MORE_THREADS * Math.max(threads - 4, 0)
  let reading = CORE
  for (const wanted of await encoderFiles(source, signal)) {
    const opened = await openWanted(source, wanted, signal)
    if (!opened) continue
    const file = await sized(opened)
    download += opened.size || file.size
    if (file.layout) weights += file.size
    for (const { name, dtype, size } of file.layout?.tensors ?? []) {
      // 16-bit weights are widened into memory of their own. 4-bit matrices become int8, for which
      // theirs is used again; words stay.
      if (/^B?F16$/.test(dtype) && !name.endsWith('_scale')) beside += 2 * size
      if (dtype === 'U8' && !name.includes('word_embeddings')) beside += size
    }
    if (file.name === 'tokenizer.json') reading += READING * file.size
    // Ends a download before it is one: a generator that has not begun would not be told.
    const chunks = file.chunks[Symbol.asyncIterator]()
    await chunks.next()
    await chunks.return?.(undefined)
  }
  return { download, memory: weights + Math.max(beside, reading) }
}

/**
 * Streams one file into memory of the core; on failure gives it back. What is more than was announced
 * waits for its end, as memory of the core that grew with it would leave holes behind.
 */
async function readOne(core: Core, { name, size: announced, chunks }: OpenedFile, tally: Tally): Promise<CoreFile> {
  const file = { name, data: core.allocate(announced, name), size: 0 }
  const more: Uint8Array[] = []
  const put = (chunk: Uint8Array) => {
    core.bytes.set(chunk, file.data + file.size)
    file.size += chunk.length
  }
  try {
    let size = 0
    for await (const chunk of chunks) {
      size += chunk.length
      if (size > announced) more.push(chunk.slice()) // the reader may reuse its chunk
      else put(chunk)
      tally.add(name, chunk.length)
    }
    if (size > announced) {
      const larger = core.allocate(size, name)
      core.bytes.copyWithin(larger, file.data, file.data + file.size)
      core.release(file.data)
      file.data = larger
      more.forEach(put)
    }
    return file
  } catch (error) {
    core.release(file.data)
    throw error
  }
}

/**
 * Streams files into memory of the core, group by group; on failure gives all of it back. Each is
 * read from the moment it is open: browsers have six connections to a server, and open files that
 * wait for others to open would block those.
 */
export async function readFiles(
  core: Core,
  groups: readonly Group[],
  signal: AbortSignal,
  progress: (progress: Progress) => void,
): Promise<CoreFile[][]> {
  const tally = new Tally(groups.length, progress)
  const files = groups.map((): CoreFile[] => [])
  let failed = false
  const read = async (source: WireSource, one: Wanted, into: CoreFile[]) => {
    const found = await openWanted(source, one, signal)
    const opened = found && (await sized(found))
    tally.opened(opened?.size ?? 0)
    if (!opened) return
    const file = await readOne(core, opened, tally)
    if (failed) core.release(file.data)
    else into.push({ ...file, name: one.as ?? file.name })
  }
  const readGroup = async (group: Group, i: number) => {
    const wanted = await group.wanted
    tally.grouped(wanted.length)
    await Promise.all(wanted.map((one) => read(group.source, one, files[i] as CoreFile[])))
  }
  try {
    await Promise.all(groups.map(readGroup))
    signal.throwIfAborted()
    tally.end()
    return files
  } catch (error) {
    failed = true
    releaseFiles(core, files.flat())
    throw error
  }
}

/** Of files that no open call was given. */
export function releaseFiles(core: Core, files: readonly CoreFile[]): void {
  for (const { data } of files) core.release(data)
}

/** Node reads file: URLs by path; browsers fetch everything. */
export function locate(url: URL): WireWasm {
  if (!builtin || url.protocol !== 'file:') return { url: url.href }
  return { path: builtin('node:url').fileURLToPath(url) }
}

export async function compile(
  wasm: WireWasm,
  signal: AbortSignal,
  progress: (progress: Progress) => void,
): Promise<WebAssembly.Module> {
  if (wasm instanceof WebAssembly.Module) return wasm
  const from = 'url' in wasm ? wasm.url : 'path' in wasm ? wasm.path : 'the given bytes'
  const name = from.slice(from.lastIndexOf('/') + 1)
  const file =
    'bytes' in wasm
      ? openBytes(name, wasm.bytes)
      : await ('url' in wasm ? openUrl(name, wasm.url, signal) : openPath(name, wasm.path, signal))
  if (!file) throw new Failure('NOT_FOUND', `there is no WebAssembly at ${from}`)
  const bytes = await readAll(file)
  progress({ loaded: bytes.length, total: bytes.length, fraction: 1, file: name })
  try {
    return await WebAssembly.compile(bytes)
  } catch (error) {
    throw new Failure('MALFORMED', `${from}: ${(error as Error).message}`)
  }
}

