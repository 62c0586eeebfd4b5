/*
 * The innermost layer: one WebAssembly instance of Ferry's C core, and how to call it.
 *
 * Instantiates a build with the few imports it needs (its memory among them, if helpers are to share
 * it), and turns "status, message and result live in the instance" into return values and exceptions.
 * Knows nothing of messages, files or shops.
 * Everything here is synchronous once the module is loaded, so nothing can come between a call and
 * the reading of its result.
 */

import type { CatalogFacts, CatalogPart, Classification, CoreFile, EncoderChoices, EncoderFacts } from './builds.js'
import type { Exports, Image, ImageFit, ModelFacts, Pointer, Precision, ReadItems, RefusedItem, Sound } from './builds.js'

export type { CatalogFacts, CoreFile, EncoderChoices, EncoderFacts, Image, ModelFacts, Pointer } from './builds.js'
export type { CatalogPart, Classification, Modality, ReadItems, RefusedItem, Segment, Sound } from './builds.js'
export { BUILDS, buildUrl, supported, whyNoThreads } from './builds.js'
export type { Build } from './builds.js'

/* ferry.h's FERRY_PRECISION_LIST and FERRY_IMAGE_FIT_LIST, in their order. */
const PRECISIONS: readonly Precision[] = ['auto', 'f32', 'int8']
const IMAGE_FITS: readonly ImageFit[] = ['pad', 'model']

declare global {
  /* Merges with lib.dom's; without it, as in Node, the published types need it to exist. */
  namespace WebAssembly {
    interface Module {}
    interface Memory {}
  }
}

/** A call that failed: `code` is the C status name, or INTERNAL for a trap. */
export class Failure extends Error {
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

const PAGE = 65536

/* To `size` bytes, for the core; 0 if they are not to be had. */
function grow(memory: WebAssembly.Memory, size: number): number {
  try {
    memory.grow(Math.ceil((size - memory.buffer.byteLength) / PAGE))
    return 1
  } catch {
    return 0
  }
}

const HELPER_STACK = 128 << 10

/* A page of 32 bits may not have 4 GB to reserve. */
function sharedMemory(): WebAssembly.Memory {
  for (let maximum = 65536; maximum >= 4096; maximum /= 2) {
    try {
      return new WebAssembly.Memory({ initial: 64, maximum, shared: true })
    } catch {
      continue
    }
  }
  throw new Failure('UNSUPPORTED', 'the engine gives no shared memory')
}

const utf8Encoder = new TextEncoder()
const utf8Decoder = new TextDecoder()

export class Core {
  readonly #exports: Exports
  readonly #memory: WebAssembly.Memory
  /**
   * What instances of helpers need; undefined for a build without threads.
   * @internal
   */
  readonly shared: { module: WebAssembly.Module; memory: WebAssembly.Memory } | undefined
  /** The names of ferry.h's FERRY_STATUS_LIST, by number. */
  readonly #statusNames: string[] = []
  #bytes = new Uint8Array(0)

  private constructor(exports: Exports, memory: WebAssembly.Memory, module: WebAssembly.Module) {
    this.#exports = exports
    this.#memory = memory
    this.shared = exports.memory ? undefined : { module, memory }
    for (let status = 0; ; status++) {
      const name = exports.ferry_wasm_status_name(status)
      if (name === 0) break
      this.#statusNames.push(this.#text(name))
    }
  }

  static async instantiate(module: WebAssembly.Module): Promise<Core> {
    const imports = WebAssembly.Module.imports(module)
    const memory = imports.some(({ kind }) => kind === 'memory') ? sharedMemory() : undefined
    // Views are re-made when the buffer is seen to have changed, so growth needs nothing more.
    const known: Record<string, WebAssembly.ImportValue> = {
      emscripten_notify_memory_growth: () => undefined,
      emscripten_resize_heap: (size: number) => grow(memory as WebAssembly.Memory, size >>> 0),
      ...(memory && { memory }),
    }
    for (const { module: from, name } of imports) {
      if (from !== 'env' || known[name] === undefined) {
        throw new Failure('UNSUPPORTED', `this is not Ferry's WebAssembly: it imports ${from}.${name}`)
      }
    }
    const { exports: exported } = await WebAssembly.instantiate(module, { env: known })
    const exports = exported as unknown as Exports
    if (typeof exports.ferry_wasm_status_name !== 'function') {
      throw new Failure('UNSUPPORTED', "this is not Ferry's WebAssembly: ferry_wasm_* is missing")
    }
    exports._initialize?.()
    exports.__wasm_call_ctors?.()
    return new Core(exports, (memory ?? exports.memory) as WebAssembly.Memory, module)
  }

  /** Makes helpers that are running, on stacks from helperStack(), the crew; tests that they are. */
  enlist(helpers: number): void {
    this.#guard(() => this.#check(this.#exports.ferry_wasm_enlist(helpers)))
  }

  helperStack(): Pointer {
    return this.allocate(HELPER_STACK, "a helper's stack") + HELPER_STACK
  }

  /** All of memory, as it is now: growth detaches the old buffer, so never keep this. */
  get bytes(): Uint8Array {
    const { buffer } = this.#memory
    if (this.#bytes.buffer !== buffer) this.#bytes = new Uint8Array(buffer)
    return this.#bytes
  }

  #text(pointer: Pointer): string {
    const end = this.bytes.indexOf(0, pointer)
    return utf8Decoder.decode(this.bytes.slice(pointer, end)) // a copy: shared memory is not decoded
  }

  /** A copy of the last call's result. */
  #result(): Uint8Array<ArrayBuffer> {
    const start = this.#exports.ferry_wasm_result()
    return new Uint8Array(this.bytes.subarray(start, start + this.#exports.ferry_wasm_result_size()))
  }

  #json<T>(): T {
    return JSON.parse(utf8Decoder.decode(this.#result())) as T
  }

  #fail(status: number): never {
    const name = this.#statusNames[status] ?? 'INTERNAL'
    throw new Failure(name, this.#text(this.#exports.ferry_wasm_message()))
  }

  /** Runs a call whose result is its status. */
  #check(status: number): void {
    if (status !== 0) this.#fail(status)
  }

  /** Runs a call whose result is a handle. */
  #handle(pointer: Pointer): Pointer {
    if (pointer === 0) this.#fail(this.#exports.ferry_wasm_status())
    return pointer
  }

  /** A trap leaves the instance in an unknown state; say so instead of "unreachable". */
  #guard<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError) && !(error instanceof RangeError)) throw error
      throw new Failure('INTERNAL', `the WebAssembly core trapped: ${error.message}`)
    }
  }

  /** At least one byte, so that NULL always means failure. */
  allocate(size: number, what: string): Pointer {
    const fits = size < 2 ** 32
    const pointer = fits ? this.#exports.ferry_wasm_allocate(Math.max(size, 1)) : 0
    if (pointer !== 0) return pointer >>> 0
    throw new Failure('OUT_OF_MEMORY', `${what} needs ${size} bytes, which WebAssembly cannot get`)
  }

  release(pointer: Pointer): void {
    this.#exports.ferry_wasm_release(pointer)
  }

  /** Lends text as UTF-8 for the time of one call. */
  #withBytes<T>(bytes: Uint8Array, what: string, use: (pointer: Pointer, size: number) => T): T {
    const pointer = this.allocate(bytes.length, what)
    try {
      this.bytes.set(bytes, pointer)
      return use(pointer, bytes.length)
    } finally {
      this.bytes.fill(0, pointer, pointer + bytes.length) // an event may be one to forget
      this.release(pointer)
    }
  }

  #withText<T>(text: string, what: string, use: (pointer: Pointer, size: number) => T): T {
    return this.#withBytes(utf8Encoder.encode(text), what, use)
  }

  /** A name that may be left out: its pointer is then NULL. */
  #withName<T>(name: string | undefined, what: string, use: (pointer: Pointer, size: number) => T): T {
    return name === undefined ? use(0, 0) : this.#withText(name, what, use)
  }

  capabilities(): { version: string; kernels: string } {
    this.#check(this.#exports.ferry_wasm_capabilities())
    return this.#json()
  }

  /**
   * Gives the files to one of the open calls. Takes over every data pointer, whatever happens.
   */
  #open<T extends object>(
    files: readonly CoreFile[],
    open: () => Pointer,
    facts: () => T = () => this.#json<T>(),
  ): { handle: Pointer } & T {
    let taken = 0
    try {
      return this.#guard(() => {
        for (const { name, data, size } of files) {
          taken++
          this.#withText(name, 'a file name', (pointer, nameSize) =>
            this.#check(this.#exports.ferry_wasm_file(pointer, nameSize, data, size)),
          )
        }
        const handle = this.#handle(open())
        return { ...facts(), handle }
      })
    } finally {
      this.#exports.ferry_wasm_files_clear()
      for (const { data } of files.slice(taken)) this.release(data)
    }
  }

  /** A copy of the bytes for #open. */
  #lend(name: string, bytes: Uint8Array): CoreFile {
    const data = this.allocate(bytes.length, name)
    this.bytes.set(bytes, data)
    return { name, data, size: bytes.length }
  }

  openEncoder(files: readonly CoreFile[], choices: EncoderChoices): EncoderFacts {
    const [precision, fit] = [PRECISIONS.indexOf(choices.precision), IMAGE_FITS.indexOf(choices.imageFit)]
    return this.#open(files, () =>
      this.#withName(choices.prompt, 'the prompt', (prompt, promptSize) =>
        this.#withName(choices.center, 'the center', (center, centerSize) =>
          this.#exports.ferry_wasm_encoder_open(precision, prompt, promptSize, center, centerSize, fit),
        ),
      ),
    )
  }

  /** [texts.length * dimension] floats. */
  encode(encoder: Pointer, texts: readonly string[]): Float32Array {
    const encoded = texts.map((text) => utf8Encoder.encode(text))
    const sizes = Uint32Array.from(encoded, (bytes) => bytes.length)
    const all = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0))
    let end = 0
    for (const bytes of encoded) {
      all.set(bytes, end)
      end += bytes.length
    }
    return this.#guard(() =>
      this.#withBytes(all, 'a batch of texts', (textsAt) =>
        this.#withBytes(new Uint8Array(sizes.buffer), 'a batch of texts', (sizesAt) => {
          this.#check(this.#exports.ferry_wasm_encode(encoder, textsAt, sizesAt, texts.length))
          return new Float32Array(this.#result().buffer)
        }),
      ),
    )
  }

  /** [dimension] floats; its size is checked. */
  encodeImage(encoder: Pointer, { data, width, height, channels }: Image): Float32Array {
    return this.#guard(() =>
      this.#withBytes(data, 'a picture', (pointer) => {
        this.#check(this.#exports.ferry_wasm_encode_image(encoder, pointer, width, height, channels))
        return new Float32Array(this.#result().buffer)
      }),
    )
  }

  /** The k likeliest classes. */
  classifyImage(encoder: Pointer, { data, width, height, channels }: Image, k: number): Classification[] {
    return this.#guard(() =>
      this.#withBytes(data, 'a picture', (pointer) => {
        this.#check(this.#exports.ferry_wasm_classify_image(encoder, pointer, width, height, channels, k))
        return this.#json()
      }),
    )
  }

  /** [images, texts] floats of [images + texts, dimension]; the size is checked. */
  compare(encoder: Pointer, vectors: Float32Array, images: number, texts: number): Float32Array {
    const bytes = new Uint8Array(vectors.buffer, vectors.byteOffset, vectors.byteLength)
    return this.#guard(() =>
      this.#withBytes(bytes, 'the vectors', (pointer) => {
        this.#check(this.#exports.ferry_wasm_compare(encoder, pointer, images, texts))
        return new Float32Array(this.#result().buffer)
      }),
    )
  }

  /** Begins with a sound, which closeSound ends. */
  openSound(encoder: Pointer, { data, channels, sampleRate }: Sound): { run: Pointer; patches: number } {
    const samples = this.allocate(data.byteLength, 'a sound')
    this.bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), samples)
    return this.#guard(() => {
      const frames = data.length / channels
      const run = this.#handle(this.#exports.ferry_wasm_sound_open(encoder, samples, frames, channels, sampleRate))
      return { run, patches: this.#exports.ferry_wasm_sound_patches(run) }
    })
  }

  /** The next patch; after the last one [dimension] floats, else none. */
  runSound(encoder: Pointer, run: Pointer): Float32Array {
    return this.#guard(() => {
      this.#check(this.#exports.ferry_wasm_sound_run(encoder, run))
      return new Float32Array(this.#result().buffer)
    })
  }

  /** After the last patch the k likeliest tags. */
  soundClasses(encoder: Pointer, run: Pointer, k: number): Classification[] {
    return this.#guard(() => {
      this.#check(this.#exports.ferry_wasm_sound_classes(encoder, run, k))
      return this.#json()
    })
  }

  closeSound(run: Pointer): void {
    this.#exports.ferry_wasm_sound_close(run)
  }

  tokenize(encoder: Pointer, text: string): number[] {
    return this.#guard(() =>
      this.#withText(text, 'a text', (pointer, size) => {
        this.#check(this.#exports.ferry_wasm_tokenize(encoder, pointer, size))
        return this.#json()
      }),
    )
  }

  closeEncoder(encoder: Pointer): void {
    this.#exports.ferry_wasm_encoder_close(encoder)
  }

  openCatalog(files: readonly CoreFile[]): CatalogFacts {
    return this.#open(files, () => this.#exports.ferry_wasm_catalog_open())
  }

  /** An empty catalogue of the items in a JSONL file, until finishCatalog gives it vectors. */
  createCatalog(items: Uint8Array): { handle: Pointer } & ReadItems {
    return this.#open([this.#lend('items.jsonl', items)], () => this.#exports.ferry_wasm_catalog_create())
  }

  /** vectors: [items, dimension] of one part behind another. */
  finishCatalog(catalog: Pointer, parts: readonly CatalogPart[], vectors: Float32Array): { refused: RefusedItem[] } {
    return this.#open([this.#lend('vectors', bytesOf(vectors))], () =>
      this.#withText(JSON.stringify(parts), 'the parts of a catalogue', (pointer, size) =>
        this.#exports.ferry_wasm_catalog_finish(catalog, pointer, size),
      ),
    )
  }

  catalogFile(catalog: Pointer, name: string): Uint8Array<ArrayBuffer> {
    return this.#guard(() =>
      this.#withText(`${name}\0`, name, (pointer) => {
        this.#check(this.#exports.ferry_wasm_catalog_file(catalog, pointer))
        return this.#result()
      }),
    )
  }

  items<T>(catalog: Pointer, first: number, count: number): T[] {
    return this.#guard(() => {
      this.#check(this.#exports.ferry_wasm_catalog_items(catalog, first, count))
      return this.#json()
    })
  }

  item<T>(catalog: Pointer, domain: string, id: string): T {
    return this.#guard(() =>
      this.#withText(domain, 'the domain', (domainAt, domainSize) =>
        this.#withText(id, 'the id', (idAt, idSize) => {
          this.#check(this.#exports.ferry_wasm_catalog_find(catalog, domainAt, domainSize, idAt, idSize))
          return this.#json<T>()
        }),
      ),
    )
  }

  /** vector: an encoder's, empty if options name an item. */
  nearest<T>(catalog: Pointer, options: object, vector: Float32Array): T {
    const bytes = new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength)
    return this.#guard(() =>
      this.#withText(JSON.stringify(options), 'search options', (pointer, size) =>
        this.#withBytes(bytes, 'a vector', (vectorAt) => {
          this.#check(this.#exports.ferry_wasm_catalog_nearest(catalog, pointer, size, vectorAt, vector.length))
          return this.#json()
        }),
      ),
    )
  }

  closeCatalog(catalog: Pointer): void {
    this.#exports.ferry_wasm_catalog_close(catalog)
  }

  /** For the catalogue, which must outlive it. */
  openModel(catalog: Pointer, files: readonly CoreFile[]): ModelFacts {
    return this.#open(files, () => this.#exports.ferry_wasm_model_open(catalog))
  }

  /** No visitor may be using it. */
  closeModel(model: Pointer): void {
    this.#exports.ferry_wasm_model_close(model)
  }

  /** model 0: texts alone, which never fails. */
  useModel(visitor: Pointer, model: Pointer): void {
    this.#guard(() => this.#check(this.#exports.ferry_wasm_visitor_use(visitor, model)))
  }

  createVisitor(catalog: Pointer): Pointer {
    return this.#guard(() => this.#handle(this.#exports.ferry_wasm_visitor_create(catalog)))
  }

  addEvent(visitor: Pointer, event: object): void {
    this.#guard(() =>
      this.#withText(JSON.stringify(event), 'an event', (pointer, size) =>
        this.#check(this.#exports.ferry_wasm_visitor_add(visitor, pointer, size)),
      ),
    )
  }

  recommend<T>(visitor: Pointer, options: object): T {
    return this.#guard(() =>
      this.#withText(JSON.stringify(options), 'recommend options', (pointer, size) => {
        this.#check(this.#exports.ferry_wasm_visitor_recommend(visitor, pointer, size))
        return this.#json()
      }),
    )
  }

  undo(visitor: Pointer): void {
    this.#guard(() => this.#check(this.#exports.ferry_wasm_visitor_undo(visitor)))
  }

  /** How many events of the item there were. domain may be empty. */
  forget(visitor: Pointer, domain: string, id: string): number {
    return this.#guard(() =>
      this.#withText(domain, 'the domain', (domainAt, domainSize) =>
        this.#withText(id, 'the id', (idAt, idSize) => {
          this.#check(this.#exports.ferry_wasm_visitor_forget(visitor, domainAt, domainSize, idAt, idSize))
          return this.#json<number>()
        }),
      ),
    )
  }

  forgetEvent(visitor: Pointer, index: number): void {
    this.#guard(() => this.#check(this.#exports.ferry_wasm_visitor_forget_event(visitor, index)))
  }

  forgetAll(visitor: Pointer): void {
    this.#guard(() => this.#exports.ferry_wasm_visitor_forget_all(visitor))
  }

  /** The plain profile. */
  saveVisitor(visitor: Pointer): Uint8Array<ArrayBuffer> {
    return this.#guard(() => {
      this.#check(this.#exports.ferry_wasm_visitor_save(visitor))
      return this.#result()
    })
  }

  loadVisitor<T>(visitor: Pointer, profile: Uint8Array): T {
    return this.#guard(() =>
      this.#withBytes(profile, 'a profile', (pointer, size) => {
        this.#check(this.#exports.ferry_wasm_visitor_load(visitor, pointer, size))
        return this.#json<T>()
      }),
    )
  }

  counterfactual<T>(visitor: Pointer, options: object): T {
    return this.#guard(() =>
      this.#withText(JSON.stringify(options), 'recommend options', (pointer, size) => {
        this.#check(this.#exports.ferry_wasm_visitor_counterfactual(visitor, pointer, size))
        return this.#json()
      }),
    )
  }

  closeVisitor(visitor: Pointer): void {
    this.#exports.ferry_wasm_visitor_close(visitor)
  }

  createIndex(dimension: number, signs: boolean): Pointer {
    return this.#guard(() => this.#handle(this.#exports.ferry_wasm_index_create(dimension, Number(signs))))
  }

  /** From the bytes of saveIndex(). */
  loadIndex(bytes: Uint8Array, signs: boolean): Pointer {
    const load = () => this.#exports.ferry_wasm_index_load(Number(signs))
    return this.#open([this.#lend('index.safetensors', bytes)], load, () => ({})).handle
  }

  indexFacts(index: Pointer): { dimension: number; count: number } {
    const { ferry_wasm_index_dimension: dimension, ferry_wasm_index_count: count } = this.#exports
    return { dimension: dimension(index), count: count(index) }
  }

  /** Adds vectors [ids.length, dimension] or replaces what is there. */
  putVectors(index: Pointer, how: 'add' | 'replace', ids: readonly number[], vectors: Float32Array): void {
    this.#guard(() =>
      this.#withBytes(pairsOf(ids), 'ids', (idsAt) =>
        this.#withBytes(bytesOf(vectors), 'vectors', (vectorsAt) =>
          this.#check(this.#exports[`ferry_wasm_index_${how}`](index, idsAt, vectorsAt, ids.length)),
        ),
      ),
    )
  }

  removeVectors(index: Pointer, ids: readonly number[]): void {
    this.#guard(() =>
      this.#withBytes(pairsOf(ids), 'ids', (at) =>
        this.#check(this.#exports.ferry_wasm_index_remove(index, at, ids.length)),
      ),
    )
  }

  /** For each of count queries the ids and scores of as many, one list behind another. */
  searchIndex(index: Pointer, queries: Float32Array, count: number, k: number, candidates: number): Found {
    return this.#guard(() =>
      this.#withBytes(bytesOf(queries), 'queries', (at) => {
        this.#check(this.#exports.ferry_wasm_index_search(index, at, count, k, candidates))
        const { buffer, length } = this.#result()
        const pairs = new Uint32Array(buffer, 0, (length / 12) * 2)
        const ids = Array.from({ length: length / 12 }, (_, i) => pairs[2 * i]! + pairs[2 * i + 1]! * 2 ** 32)
        return { ids, scores: new Float32Array(buffer, (length / 12) * 8) }
      }),
    )
  }

  saveIndex(index: Pointer): Uint8Array<ArrayBuffer> {
    return this.#guard(() => {
      this.#check(this.#exports.ferry_wasm_index_save(index))
      return this.#result()
    })
  }

  closeIndex(index: Pointer): void {
    this.#exports.ferry_wasm_index_close(index)
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array) => new Uint8Array(buffer, byteOffset, byteLength)

/* Whole numbers below 2^53 as 64 bits, little-endian. */
function pairsOf(ids: readonly number[]): Uint8Array {
  const pairs = new Uint32Array(2 * ids.length)
  for (const [i, id] of ids.entries()) {
    pairs[2 * i] = id % 2 ** 32
    pairs[2 * i + 1] = Math.floor(id / 2 ** 32)
  }
  return new Uint8Array(pairs.buffer)
}

export interface Found {
  ids: number[]
  scores: Float32Array
}
