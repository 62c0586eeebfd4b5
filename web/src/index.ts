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
import { checkFields, checkOneOf, checkWhole, Client, Encoder, invalid, openEncoder } from './encoder.js'
import { PROGRESS_OPTIONS, Visitor, wireName, wireRange, wireSource, wireWasm } from './encoder.js'
import type { Bitmap, CallOptions, Capabilities, DecodedAudio, EncoderOptions, Item } from './encoder.js'
import type { ItemName, Modality, Model, Pixels, Progress } from './encoder.js'
import type { ProgressOptions, Recommendation, Segment, Source, WasmSource } from './encoder.js'
import type { IndexOptions, VectorIndex } from './vectors.js'

export { Encoder, FerryError, Visitor } from './encoder.js'
export type { AudioOptions, Bitmap, Classification, ClassifyOptions, DecodedAudio, EncodeOptions, EncoderOptions, Pixels } from './encoder.js'
export type { Behavior, CallOptions, Capabilities, DirectoryHandle, ExportOptions, FerryCode } from './encoder.js'
export type { HeldEvent, Imported, Item, ItemName, Modality, Model, Progress, Segment } from './encoder.js'
export type { ProgressOptions, Recommendation, Recommendations, RecommendOptions, Source, SourceFiles } from './encoder.js'
export type { VisitorEvent, WasmSource } from './encoder.js'
export type { IndexOptions, Neighbor, SearchOptions, VectorIndex, Vectors } from './vectors.js'
export type { Counterfactual, Explanation, Group, Named, Reasons } from './encoder.js'

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

export interface Domain {
  name: string
  /** How many items it has. */
  count: number
}

const MAX_THREADS = 64

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
    checkOneOf(kernels, ['auto', 'relaxed', 'simd', 'scalar'], op, 'kernels')
    if (threads !== undefined) checkWhole(threads, 1, op, 'threads', MAX_THREADS)
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

  /**
   * Opens an encoder of texts, pictures or sounds: a Hugging Face directory with config.json,
   * model.safetensors, …
   */
  async encoder(source: Source, options: EncoderOptions = {}): Promise<Encoder> {
    return openEncoder(this.#client, source, options)
  }

  /**
   * Makes a catalogue of items: by their texts, and by the pictures and sounds that `read` gives, as
   * `ferry catalog` does, to the byte. What it gives can be opened, and saved.
   */
  async catalog(items: readonly CatalogItem[], options: CatalogOptions): Promise<Catalog> {
    const { makeCatalog } = await import('./catalog.js')
    return makeCatalog(this.#client, items, options, checkFields, invalid)
  }

  /** An empty index of vectors of one dimension, or one that was saved: the nearest of many, exactly. */
  async index(options: IndexOptions): Promise<VectorIndex> {
    const { openIndex } = await import('./vectors.js')
    return openIndex(this.#client, options, { checkFields, checkWhole, invalid })
  }

  /** Ends the worker and frees everything. What is pending rejects with a FerryError, CANCELLED. */
  close(): void {
    this.#client.close()
  }
}

/** An item as a line of items.jsonl has it: `id` is required, what is not known is kept. */
export interface CatalogItem {
  readonly id: string | number
  /** By default 'items'. */
  readonly domain?: string | undefined
  readonly title?: string | undefined
  readonly author?: string | undefined
  readonly description?: string | undefined
  readonly tags?: readonly string[] | undefined
  readonly image?: string | undefined
  readonly audio?: string | undefined
  readonly [field: string]: unknown
}

/** Decoded samples of one channel. */
export interface Samples {
  readonly samples: Float32Array
  /** Samples a second. */
  readonly sampleRate: number
}

export type MediaRead = (
  item: CatalogItem,
  modality: 'image' | 'audio',
) => Media | null | undefined | Promise<Media | null | undefined>

/** A picture as encodeImage takes it; a sound. */
export type Media = Pixels | Bitmap | Blob | DecodedAudio | Samples

export interface CatalogProgress extends Progress {
  /** At work; `loaded` of `total` items are done, and `fraction` of all there is to do. */
  modality: Modality
}

export interface CatalogOptions extends CallOptions {
  /** At least one of the three, each an encoder of that. */
  text?: Encoder | undefined
  image?: Encoder | undefined
  audio?: Encoder | undefined
  /** What the cosine of each counts beside the others': only the proportions matter. docs/catalog.md. */
  weights?: { [modality in Modality]?: number | undefined } | undefined
  /** What the catalogue calls each encoder: by default the last part of where it was opened from. */
  models?: { [modality in Modality]?: string | undefined } | undefined
  /** Gives an item's picture, or its sound: null if it has none. If it throws, the item goes without. */
  read?: MediaRead | undefined
  onProgress?: ((progress: CatalogProgress) => void) | undefined
}

/** An item that was left out, or that goes without its picture or sound. */
export interface Refused {
  item: CatalogItem
  /** Of the items given, from 0. */
  index: number
  /** What it goes without; undefined: it was left out. */
  modality: Modality | undefined
  reason: string
}

export interface Catalog {
  /** catalog.json, items.jsonl and vectors.safetensors, for ferry.open(), or to be saved. */
  files: { [name: string]: Uint8Array<ArrayBuffer> }
  /** How many items are in it. */
  count: number
  refused: Refused[]
}

export interface NearestOptions extends CallOptions {
  /** By which one of the shop's segments; of a vector 'text', of an item all, unless another is named. */
  modality?: Modality | undefined
  /** Only from these domains. By default from all. */
  domain?: string | readonly string[] | undefined
  /** How many, at least 1, by default 10; fewer come if there are not so many. */
  k?: number | undefined
}

interface ShopFacts {
  count: number
  dimension: number
  domains: Domain[]
  segments?: Segment[]
  text_model?: string
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
  /** What items are known by, and how much of each it makes: texts, pictures, sounds. */
  readonly segments: readonly Segment[]
  #model: Model | undefined

  /** Made by ferry.open(). */
  constructor(client: Client, shop: number, facts: ShopFacts) {
    this.#client = client
    this.#shop = shop
    this.count = facts.count
    this.dimension = facts.dimension
    this.domains = facts.domains
    const { dimension, text_model: model = '' } = facts
    this.segments = facts.segments ?? [{ modality: 'text', dimension, model, weight: 1 }]
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

  /**
   * The items nearest to a vector that the shop's encoder of that modality gave, of any length; or to
   * an item, which is left out. Scores are cosines. Items without that modality are not found.
   */
  async nearest(what: Float32Array | ItemName, options: NearestOptions = {}): Promise<Recommendation[]> {
    const op = 'shop.nearest'
    this.#check(op)
    checkFields(options, op, 'options', ['modality', 'domain', 'k', 'signal'])
    const { modality, signal } = options
    const vector = what instanceof Float32Array
    const like = vector ? undefined : wireName(what, op)
    const args = {
      shop: this.#shop,
      options: { ...wireRange(options, op), modality, ...(like && { like: { id: like.item, domain: like.domain } }) },
      vector: vector ? what.slice() : new Float32Array(0),
    }
    return this.#client.request(op, args, { signal })
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
