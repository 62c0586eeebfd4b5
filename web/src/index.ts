/*
 * ferry-rec: recommendations on a person's own device.
 *
 *   const ferry = await Ferry.load()
 *   const shop = await ferry.open('/catalog/')
 *   const me = shop.visitor()
 *   me.add({ item: 'B0…', domain: 'books', behavior: 'purchase' })
 *   const { items } = await me.recommend({ domain: 'films', k: 10 })
 *
 * This is the public face: it checks what it is given and holds the handles. The work is done in a
 * worker, by the C core in WebAssembly; nothing that is handed in leaves the machine.
 */
import { Client, FerryError, wireSource, wireWasm } from './client.js'
import type { CallOptions, Capabilities, Item, Model, Progress, ProgressOptions } from './client.js'
import type { Recommendations, Source, WasmSource, WireEvent } from './client.js'

export { FerryError } from './client.js'
export type { CallOptions, Capabilities, DirectoryHandle, FerryCode, Item, Model, Progress } from './client.js'
export type { ProgressOptions, Recommendation, Recommendations, Source, SourceFiles } from './client.js'
export type { WasmSource } from './client.js'

export interface LoadOptions extends ProgressOptions {
  /** In place of the .wasm beside the package: a URL, in Node also a path; bytes; a Response. */
  wasm?: WasmSource | undefined
  /** 'auto' takes the fastest build the engine can run. All give the same bits. */
  kernels?: 'auto' | 'relaxed' | 'simd' | 'scalar' | undefined
  /**
   * How many threads encode: by default as many as there are cores, up to 4. In a page more than one
   * need cross-origin isolation; capabilities.threads is what came of it. All give the same bits.
   */
  threads?: number | undefined
}

export interface OpenOptions extends ProgressOptions {
  /**
   * The directory that `ferry train` or `ferry transfer` wrote for this catalogue: ferry.json,
   * items.jsonl, model.safetensors. By default the folder `model` of the shop's own directory, if it
   * is there; false does not look (on a server without one, a request for nothing), and ranks by the
   * texts alone.
   */
  model?: Source | false | undefined
}

export interface EncoderOptions extends ProgressOptions {
  /**
   * 'auto' takes the weights as the file has them. 'int8' quantises them while loading, in their own
   * place: faster, but a file that is int8 already is a quarter to download and to hold.
   */
  precision?: 'auto' | 'f32' | 'int8' | undefined
}

/** Any other name of 1 to 64 bytes is taken too: 'cart', 'play'… */
export type Behavior = 'purchase' | 'view' | 'rating' | (string & {})

export interface VisitorEvent {
  item: string
  /** Needed only where several domains have an item of this id. */
  domain?: string | undefined
  /** By default a purchase, or a rating if there is a value. */
  behavior?: Behavior | undefined
  /** Of a rating: 1 to 5. */
  value?: number | undefined
  /** Seconds since 1970, or a Date. */
  timestamp?: number | Date | undefined
}

export interface RecommendOptions extends CallOptions {
  /** Only from these domains. By default from all. */
  domain?: string | readonly string[] | undefined
  /** How many, at least 1, by default 10; fewer come if there are not so many. */
  k?: number | undefined
  /** Whether items of the history may come again. By default not. */
  keepSeen?: boolean | undefined
}

export interface Domain {
  name: string
  /** How many items it has. */
  count: number
}

function invalid(op: string, message: string): FerryError {
  return new FerryError('INVALID_ARGUMENT', op, message)
}

/** A misspelt option would otherwise be no option at all. */
function checkFields(given: object, op: string, what: string, known: readonly string[]): void {
  if (typeof given !== 'object' || given === null) throw invalid(op, `${what}: not an object`)
  for (const name of Object.keys(given)) {
    if (known.includes(name)) continue
    throw invalid(op, `${what}: unknown field "${name}"; there are ${known.join(', ')}`)
  }
}

/* JSON would turn NaN and the infinities into null. */
function checkNumber(value: unknown, op: string, what: string): void {
  if (value !== undefined && !Number.isFinite(value)) throw invalid(op, `${what} is ${String(value)}, not a number`)
}

const MAX_THREADS = 64

const PROGRESS_OPTIONS = ['signal', 'onProgress']

/** One WebAssembly core in one worker. Several may live side by side. */
export class Ferry {
  readonly #client: Client
  readonly capabilities: Capabilities

  private constructor(client: Client, capabilities: Capabilities) {
    this.#client = client
    this.capabilities = capabilities
  }

  /** Starts the worker and loads the core into it. */
  static async load(options: LoadOptions = {}): Promise<Ferry> {
    const op = 'ferry.load'
    checkFields(options, op, 'options', ['wasm', 'kernels', 'threads', ...PROGRESS_OPTIONS])
    const { wasm, kernels = 'auto', threads, signal } = options
    if (!['auto', 'relaxed', 'simd', 'scalar'].includes(kernels)) {
      throw invalid(op, `kernels is "${kernels}"; there are auto, relaxed, simd, scalar`)
    }
    if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1 && threads <= MAX_THREADS)) {
      throw invalid(op, `threads is ${String(threads)}, not a whole number from 1 to ${MAX_THREADS}`)
    }
    const args = {
      kernels,
      ...(threads !== undefined && { threads }),
      ...(wasm !== undefined && { wasm: await wireWasm(wasm, op) }),
    }
    signal?.throwIfAborted()
    const client = new Client()
    try {
      return new Ferry(client, await client.request(op, args, options))
    } catch (error) {
      client.close()
      throw error
    }
  }

  /** Opens a catalogue directory: catalog.json, items.jsonl, vectors.safetensors; and its model. */
  async open(source: Source, options: OpenOptions = {}): Promise<Shop> {
    const op = 'ferry.open'
    checkFields(options, op, 'options', ['model', ...PROGRESS_OPTIONS])
    const { model } = options
    const args = {
      source: wireSource(source, op),
      ...(model !== undefined && { model: model === false ? model : wireSource(model, op) }),
    }
    const shop = this.#client.number()
    try {
      const facts = await this.#client.request(op, { shop, ...args }, options)
      return new Shop(this.#client, shop, facts)
    } catch (error) {
      // It may have been opened at the moment of the abort.
      this.#client.tell('shop.close', { shop })
      throw error
    }
  }

  /**
   * What opening the encoder will take, in bytes: `download` of its files, and at most `memory` of
   * WebAssembly's. Reads no more of them than the beginning.
   */
  async measure(source: Source, { signal }: CallOptions = {}): Promise<{ download: number; memory: number }> {
    const op = 'ferry.measure'
    return this.#client.request(op, { source: wireSource(source, op) }, { signal })
  }

  /** How many bytes of WebAssembly memory are in use. What is closed is used again, not given back. */
  async memory({ signal }: CallOptions = {}): Promise<number> {
    return this.#client.request('ferry.memory', {}, { signal })
  }

  /** Opens a text encoder: a Hugging Face directory with config.json, model.safetensors, … */
  async encoder(source: Source, options: EncoderOptions = {}): Promise<Encoder> {
    const op = 'ferry.encoder'
    checkFields(options, op, 'options', ['precision', ...PROGRESS_OPTIONS])
    const { precision = 'auto' } = options
    if (!['auto', 'f32', 'int8'].includes(precision)) {
      throw invalid(op, `precision is "${precision}"; there are auto, f32, int8`)
    }
    const encoder = this.#client.number()
    try {
      const facts = await this.#client.request(op, { encoder, source: wireSource(source, op), precision }, options)
      return new Encoder(this.#client, encoder, facts)
    } catch (error) {
      this.#client.tell('encoder.close', { encoder })
      throw error
    }
  }

  /** Ends the worker and frees everything. What is pending rejects with a FerryError, CANCELLED. */
  close(): void {
    this.#client.close()
  }
}

interface ShopFacts {
  count: number
  dimension: number
  domains: Domain[]
  model: Model | undefined
}

/** An open catalogue. */
export class Shop {
  readonly #client: Client
  readonly #shop: number
  #closed = false
  /** How many items there are. */
  readonly count: number
  /** Length of an item's vector. */
  readonly dimension: number
  /** Sorted by name. */
  readonly domains: readonly Domain[]
  #model: Model | undefined

  /** Made by ferry.open(). */
  constructor(client: Client, shop: number, facts: ShopFacts) {
    this.#client = client
    this.#shop = shop
    this.count = facts.count
    this.dimension = facts.dimension
    this.domains = facts.domains
    this.#model = facts.model
  }

  /** The model in use; undefined: visitors are recommended what is nearest to their history's texts. */
  get model(): Model | undefined {
    return this.#model
  }

  /**
   * From now on all visitors' recommendations, also of those that are there, are this model's; null:
   * the texts' alone. Until it is loaded, and if it fails, those of before. A call that is overtaken
   * by another rejects, CANCELLED.
   */
  async useModel(source: Source | null, options: ProgressOptions = {}): Promise<void> {
    const op = 'shop.useModel'
    this.#check(op)
    checkFields(options, op, 'options', PROGRESS_OPTIONS)
    const args = { shop: this.#shop, source: source === null ? null : wireSource(source, op) }
    this.#model = await this.#client.request(op, args, options)
  }

  /** All items, in the catalogue's order. */
  async items({ signal }: CallOptions = {}): Promise<Item[]> {
    this.#check('shop.items')
    return this.#client.request('shop.items', { shop: this.#shop }, { signal })
  }

  /** The one item of that domain and id; NOT_FOUND otherwise. */
  async item(domain: string, id: string, { signal }: CallOptions = {}): Promise<Item> {
    this.#check('shop.item')
    return this.#client.request('shop.item', { shop: this.#shop, domain, id }, { signal })
  }

  /** A person with an empty history. */
  visitor(): Visitor {
    this.#check('shop.visitor')
    return new Visitor(this.#client, this.#shop)
  }

  /** Frees the catalogue, its model and its visitors. */
  close(): void {
    this.#closed = true
    this.#client.tell('shop.close', { shop: this.#shop })
  }

  #check(op: string): void {
    if (this.#closed) throw invalid(op, 'this shop is closed')
  }
}

/**
 * What add() returns: a promise that knows whether anyone has asked for its outcome. A failure
 * nobody asked for is no unhandled rejection; the visitor's next recommend() reports it instead.
 */
class Added extends Promise<void> {
  /* What then() makes is an ordinary promise. */
  static override get [Symbol.species](): PromiseConstructor {
    return Promise
  }
  asked = false

  override then<A = void, B = never>(
    fulfilled?: ((value: void) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.asked = true
    return super.then(fulfilled, rejected)
  }

  /** Looks at a failure without counting as having asked. */
  watch(failed: (error: unknown) => void): void {
    super.then(undefined, failed)
  }
}

/** One person's history over a shop. */
export class Visitor {
  readonly #client: Client
  readonly #handle: { shop: number; visitor: number }
  #closed = false
  #failed: { added: Added; error: unknown } | undefined

  /** Made by shop.visitor(). */
  constructor(client: Client, shop: number) {
    this.#client = client
    this.#handle = { shop, visitor: client.number() }
  }

  /**
   * Adds events to the history, in order, up to the first that is refused (NOT_FOUND for an item
   * the shop lacks). Need not be awaited: a recommend() called later sees them. A failure that
   * nobody awaited rejects the next recommend(), once; events before the refused one stay.
   */
  add(event: VisitorEvent | readonly VisitorEvent[]): Promise<void> {
    const added = new Added((resolve, reject) => {
      const events = (Array.isArray(event) ? event : [event]) as readonly VisitorEvent[]
      const wired = events.map((one) => wireEvent(one))
      this.#check('visitor.add')
      this.#client.request('visitor.add', { ...this.#handle, events: wired }).then(resolve, reject)
    })
    added.watch((error) => {
      if (!this.#failed || this.#failed.added.asked) this.#failed = { added, error }
    })
    return added
  }

  /**
   * The k items of the highest score, best first: by the shop's model, which reads the history in all
   * domains and without one gives what is popular; or else the items nearest to what the history
   * likes, EMPTY_HISTORY without one.
   */
  async recommend(options: RecommendOptions = {}): Promise<Recommendations> {
    const op = 'visitor.recommend'
    this.#check(op)
    checkFields(options, op, 'options', ['domain', 'k', 'keepSeen', 'signal'])
    const { domain, k = 10, keepSeen, signal } = options
    if (!Number.isInteger(k) || k < 1) throw invalid(op, `k is ${String(k)}, not a whole number from 1 on`)
    const domains = typeof domain === 'string' ? [domain] : domain
    if (domains?.length === 0) throw invalid(op, 'domain is an empty list; leave it out for all domains')
    const wired = {
      k,
      ...(domains && { domains: [...domains] }),
      ...(keepSeen !== undefined && { keepSeen }),
    }
    const outcome = this.#client.request(op, { ...this.#handle, options: wired }, { signal })
    // By the time it is there, so are the outcomes of all earlier adds.
    const settle = () => {
      const failed = this.#failed
      this.#failed = undefined
      if (failed && !failed.added.asked) throw failed.error
    }
    try {
      const recommendations = await outcome
      settle()
      return recommendations
    } catch (error) {
      if (!signal?.aborted) settle()
      throw error
    }
  }

  close(): void {
    this.#closed = true
    this.#client.tell('visitor.close', this.#handle)
  }

  #check(op: string): void {
    if (this.#closed) throw invalid(op, 'this visitor is closed')
  }
}

const EVENT_FIELDS = ['item', 'domain', 'behavior', 'value', 'timestamp']

function wireEvent(event: VisitorEvent): WireEvent {
  const op = 'visitor.add'
  checkFields(event, op, 'event', EVENT_FIELDS)
  const { item, domain, behavior, value, timestamp } = event
  const seconds = timestamp instanceof Date ? Math.floor(timestamp.getTime() / 1000) : timestamp
  if (typeof item !== 'string') throw invalid(op, 'event: item is not a text')
  if (behavior !== undefined && typeof behavior !== 'string') throw invalid(op, 'event: behavior is not a text')
  checkNumber(value, op, 'event: value')
  checkNumber(seconds, op, 'event: timestamp')
  return {
    item,
    ...(domain !== undefined && { domain }),
    ...(behavior !== undefined && { behavior }),
    ...(value !== undefined && { value }),
    ...(seconds !== undefined && { timestamp: seconds }),
  }
}

export interface EncodeOptions extends CallOptions {
  /** Counts texts. */
  onProgress?: ((progress: Progress) => void) | undefined
}

/** An open text encoder. */
export class Encoder {
  readonly #client: Client
  readonly #encoder: number
  #closed = false
  /** Length of one vector. */
  readonly dimension: number
  /** Tokens after which a text is cut, special tokens included. */
  readonly maxTokens: number
  readonly precision: 'f32' | 'int8'

  /** Made by ferry.encoder(). */
  constructor(
    client: Client,
    encoder: number,
    facts: { dimension: number; maxTokens: number; precision: 'f32' | 'int8' },
  ) {
    this.#client = client
    this.#encoder = encoder
    this.dimension = facts.dimension
    this.maxTokens = facts.maxTokens
    this.precision = facts.precision
  }

  /**
   * One vector a text, in order. A text's vector has the same bits alone or among others, in
   * either build, in every engine. The vectors of one call share one buffer.
   */
  async encode(texts: readonly string[], options: EncodeOptions = {}): Promise<Float32Array[]> {
    const op = 'encoder.encode'
    this.#check(op)
    checkFields(options, op, 'options', PROGRESS_OPTIONS)
    if (!Array.isArray(texts) || !texts.every((text) => typeof text === 'string')) {
      throw invalid(op, 'texts is not an array of strings')
    }
    const all = await this.#client.request(op, { encoder: this.#encoder, texts: [...texts] }, options)
    return texts.map((_, i) => all.subarray(i * this.dimension, (i + 1) * this.dimension))
  }

  /** Token ids of one text, special tokens included, cut at maxTokens. */
  async tokenize(text: string, { signal }: CallOptions = {}): Promise<number[]> {
    const op = 'encoder.tokenize'
    this.#check(op)
    if (typeof text !== 'string') throw invalid(op, 'text is not a string')
    return this.#client.request(op, { encoder: this.#encoder, text }, { signal })
  }

  close(): void {
    this.#closed = true
    this.#client.tell('encoder.close', { encoder: this.#encoder })
  }

  #check(op: string): void {
    if (this.#closed) throw invalid(op, 'this encoder is closed')
  }
}
