/*
 * The main thread's end: starts the worker, pairs requests with replies, and gives everything up
 * that is pending when it is aborted or closed. Also puts what a caller may pass as a source into
 * the form that travels.
 */
import { errorFrom, FerryError } from './protocol.js'
import type { Arguments, DirectoryHandle, Message, Operation, Progress } from './protocol.js'
import type { Reply, Sound, Value, WireSource, WireWasm } from './protocol.js'

// What the layer above needs of the ones below.
export { FerryError } from './protocol.js'
export type { Arguments, Capabilities, Classification, DirectoryHandle, FerryCode, Imported, IndexFacts } from './protocol.js'
export type { Item, Modality, Model, Operation, Progress, Recommendation, Recommendations, Segment, Value } from './protocol.js'
export type { Image, Sound, WireEvent, WireRecommend } from './protocol.js'
export type { Counterfactual, Explanation, Group, Named, Reasons } from './protocol.js'

/** What every call that takes time accepts. */
export interface CallOptions {
  /** Aborting rejects the call with the signal's reason; everything else stays usable. */
  signal?: AbortSignal | undefined
}

export interface ProgressOptions extends CallOptions {
  onProgress?: ((progress: Progress) => void) | undefined
}

/**
 * A directory of files: a URL (relative ones against the page), in Node also a path; a directory
 * handle; files by their name in the directory, e.g. `{ 'catalog.json': blob, … }`; or the files
 * of an `<input type="file" webkitdirectory>`.
 */
export type Source = string | URL | DirectoryHandle | SourceFiles | Iterable<Blob & { readonly name: string }>
export type SourceFiles = { readonly [name: string]: Blob | ArrayBuffer | Uint8Array }

export type WasmSource = string | URL | ArrayBuffer | Uint8Array | Response | WebAssembly.Module

/* Node's own modules without an import, which bundlers for the web would stumble over. */
const builtin =
  typeof process === 'object' && process.versions?.node ? process.getBuiltinModule : undefined

/** The worker, whichever kind. */
interface Port {
  post(message: Message): void
  terminate(): void
  /** In Node: whether the worker keeps the process from ending. */
  busy(yes: boolean): void
}

function spawn(receive: (reply: Reply) => void, died: (why: string) => void): Port {
  if (builtin) {
    const threads = builtin('node:worker_threads')
    // A worker refuses many of the process's own flags (--input-type, V8's), and needs none of them.
    const worker = new threads.Worker(new URL('./worker.js', import.meta.url), { execArgv: [] })
    worker.on('message', receive)
    worker.on('error', (error) => died(String(error)))
    worker.on('exit', (code) => died(`it ended with exit code ${code}`))
    return {
      post: (message) => worker.postMessage(message),
      terminate: () => void worker.terminate(),
      busy: (yes) => (yes ? worker.ref() : worker.unref()),
    }
  }
  // In one piece, as bundlers look for it.
  const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' })
  worker.onmessage = ({ data }) => receive(data as Reply)
  worker.onerror = (event) => died(event.message || 'its script could not be loaded')
  return {
    post: (message) => worker.postMessage(message),
    terminate: () => worker.terminate(),
    busy: () => undefined,
  }
}

interface Pending {
  op: string
  resolve(value: never): void
  reject(error: unknown): void
  onProgress: ((progress: Progress) => void) | undefined
  /** Stops listening to the signal. */
  release(): void
}

export class Client {
  readonly #port: Port
  readonly #pending = new Map<number, Pending>()
  #next = 1
  /** Why nothing works any more: closed, or the worker died. */
  #ended: ((op: string) => FerryError) | undefined

  constructor() {
    this.#port = spawn(
      (reply) => this.#receive(reply),
      (why) => {
        const error = (op: string) => new FerryError('INTERNAL', op, `Ferry's worker stopped: ${why}`)
        this.#end(error, error)
      },
    )
    this.#port.busy(false)
  }

  /** A number no other request, shop, visitor or encoder of this client has. */
  number(): number {
    return this.#next++
  }

  request<O extends Operation>(
    op: O,
    args: Arguments<O>,
    { signal, onProgress }: ProgressOptions = {},
  ): Promise<Value<O>> {
    if (this.#ended) return Promise.reject(this.#ended(op))
    if (signal?.aborted) return Promise.reject(signal.reason)
    return new Promise<Value<O>>((resolve, reject) => {
      const id = this.number()
      const abort = () => {
        this.#settle(id)
        this.#port.post({ cancel: id })
        reject(signal?.reason)
      }
      const release = () => signal?.removeEventListener('abort', abort)
      signal?.addEventListener('abort', abort)
      this.#pending.set(id, { op, resolve, reject, onProgress, release })
      this.#port.busy(true)
      try {
        this.#port.post({ id, op, args } as Message)
      } catch (error) {
        this.#settle(id)
        const { message } = error as Error
        reject(new FerryError('INVALID_ARGUMENT', op, `cannot be handed to the worker: ${message}`))
      }
    })
  }

  /** A request whose outcome nobody waits for: closing things. */
  tell<O extends Operation>(op: O, args: Arguments<O>): void {
    this.request(op, args).catch(() => undefined)
  }

  /** Ends the worker. Everything pending rejects; so does everything asked later. */
  close(): void {
    this.#end(
      (op) => new FerryError('CANCELLED', op, 'Ferry was closed'),
      (op) => new FerryError('INVALID_ARGUMENT', op, 'Ferry is closed'),
    )
  }

  #end(pending: (op: string) => FerryError, later: (op: string) => FerryError): void {
    if (this.#ended) return
    this.#ended = later
    this.#port.terminate()
    for (const [id, { op, reject }] of this.#pending) {
      this.#settle(id)
      reject(pending(op))
    }
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id)
    pending?.release()
    this.#pending.delete(id)
    if (this.#pending.size === 0) this.#port.busy(false)
    return pending
  }

  #receive(reply: Reply): void {
    if ('progress' in reply) {
      this.#pending.get(reply.id)?.onProgress?.(reply.progress)
      return
    }
    // None if it was aborted: its reply was on the way.
    const pending = this.#settle(reply.id)
    if (!pending) return
    if ('error' in reply) pending.reject(errorFrom(reply, pending.op))
    else pending.resolve(reply.value as never)
  }
}

// ---- sources -----------------------------------------------------------------------------------

const isUrl = (text: string) => /^[a-z][a-z0-9+.-]+:/i.test(text) // two letters: C: is a drive

function urlFrom(text: string, op: string): URL {
  try {
    return new URL(text, globalThis.document?.baseURI ?? globalThis.location?.href)
  } catch {
    throw new FerryError('INVALID_ARGUMENT', op, `"${text}" is not a URL`)
  }
}

/** Where a string or URL points: in Node to a path, unless it names another scheme. */
function place(where: string | URL, op: string): { url: URL } | { path: string } {
  if (builtin) {
    const text = String(where)
    const { fileURLToPath } = builtin('node:url')
    if (!isUrl(text)) return { path: builtin('node:path').resolve(text) }
    if (text.startsWith('file:')) return { path: fileURLToPath(text) }
  }
  return { url: typeof where === 'string' ? urlFrom(where, op) : where }
}

const isBytes = (value: unknown): value is ArrayBuffer | ArrayBufferView =>
  value instanceof ArrayBuffer || ArrayBuffer.isView(value)

/* Cloning a view clones all of its buffer: a small piece of a large one is cut out first. */
function bytesOf(value: ArrayBuffer | ArrayBufferView): ArrayBuffer | Uint8Array<ArrayBuffer> {
  if (value instanceof ArrayBuffer) return value
  const { buffer, byteOffset, byteLength } = value
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength).slice()
}

/** A sound as it travels, its channels side by side: a copy. The caller has seen that they are alike. */
export function wireSound(all: Float32Array[], sampleRate: number): Sound {
  const channels = all.length
  const data = new Float32Array(channels * (all[0]?.length ?? 0))
  all.forEach((samples, c) => samples.forEach((sample, i) => (data[i * channels + c] = sample)))
  return { data, channels, sampleRate }
}

export function wireSource(source: Source, op: string): WireSource {
  if (typeof source === 'string' || source instanceof URL) {
    const at = place(source, op)
    if ('path' in at) return { kind: 'path', path: at.path, label: at.path }
    const url = new URL(at.url)
    url.hash = ''
    if (!url.pathname.endsWith('/')) url.pathname += '/'
    return { kind: 'url', url: url.href, label: url.origin + url.pathname }
  }
  if (typeof source !== 'object' || source === null || isBytes(source) || source instanceof Blob) {
    throw new FerryError('INVALID_ARGUMENT', op, 'the source is no URL, path, directory handle or files')
  }
  if ('getFileHandle' in source && typeof source.getFileHandle === 'function') {
    const handle = source as DirectoryHandle
    return { kind: 'handle', handle, label: `directory "${handle.name}"` }
  }
  const files: Record<string, Blob | ArrayBuffer | Uint8Array> = {}
  for (const [name, value] of namedFiles(source as SourceFiles | Iterable<Blob & { name: string }>)) {
    if (value instanceof Blob) files[name] = value.slice() // a File as a plain Blob: Node clones only those
    else if (isBytes(value)) files[name] = bytesOf(value)
    else throw new FerryError('INVALID_ARGUMENT', op, `"${name}" is neither a Blob nor bytes`)
  }
  return { kind: 'files', files, label: 'the given set of files' }
}

function namedFiles(source: SourceFiles | Iterable<Blob & { name: string }>): [string, unknown][] {
  if (!(Symbol.iterator in source)) return Object.entries(source)
  return Array.from(source as Iterable<Blob & { name: string; webkitRelativePath?: string }>, (file) => {
    // Relative to the directory that was picked: without its own name.
    const path = file.webkitRelativePath
    return [path ? path.slice(path.indexOf('/') + 1) : file.name, file]
  })
}

export async function wireWasm(wasm: WasmSource, op: string): Promise<WireWasm> {
  if (wasm instanceof WebAssembly.Module) return wasm
  if (typeof wasm === 'string' || wasm instanceof URL) {
    const at = place(wasm, op)
    return 'path' in at ? at : { url: at.url.href }
  }
  if (isBytes(wasm)) return { bytes: bytesOf(wasm) }
  if (wasm instanceof Response) {
    if (!wasm.ok) throw new FerryError('IO', op, `the wasm's Response is HTTP ${wasm.status}`)
    return { bytes: await wasm.arrayBuffer() }
  }
  throw new FerryError('INVALID_ARGUMENT', op, 'wasm is no URL, path, bytes, Response or Module')
}
