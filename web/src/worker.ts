/*
 * The worker: one handler a request, over one instance of the core.
 *
 * Each handler is documented here, beside the shape of its message; protocol.ts derives the
 * message types from these signatures, so that nothing is written twice. A handler runs up to its
 * first await before the next message is looked at, which is what keeps a visitor's add before its
 * recommend.
 */
import { breathe, builtin, CATALOG_FILES, compile, encoderFiles, locate, measureEncoder } from './shapes.js'
import { MODEL_FILES, ownModelFiles, readFiles, releaseFiles } from './shapes.js'
import { buildUrl, BUILDS, Core, Failure, indexHandlers, known, supported, whyNoThreads } from './shapes.js'
import type { Start as HelperStart } from './helper.js'
import type { Build, Capabilities, CatalogFacts, CatalogPart, Classification, CoreFile, Counterfactual } from './shapes.js'
import type { EncoderChoices, EncoderFacts, Image, Imported, Sound } from './shapes.js'
import type { Item, ModelFacts, Pointer, Progress, Recommendations, RefusedItem } from './shapes.js'
import type { Recommendation, WireEvent, WireNearest, WireRecommend, WireSource, WireWasm } from './shapes.js'

// What the layers above need of the ones below.
export type { Capabilities, CatalogPart, Classification, Counterfactual, DirectoryHandle, Explanation } from './shapes.js'
export type { Group, Image, Imported, IndexFacts, Item, Named, Progress, Reasons, Recommendation, Recommendations } from './shapes.js'
export type { Modality, Segment, Sound, WireEvent, WireNearest, WireRecommend, WireSource, WireWasm } from './shapes.js'

// ---- what travels ------------------------------------------------------------------------------

/** Client to worker: a request, or the wish that one be given up. */
export type ToWorker = { id: number; op: string; args: unknown } | { cancel: number }

/** Worker to client: zero or more progress reports, then a value or an error. */
export type FromWorker =
  | { id: number; progress: Progress }
  | { id: number; value: unknown }
  | { id: number; error: { code: string; message: string } }

// ---- state -------------------------------------------------------------------------------------

/* Handles are numbered by the client, so that it can use one before the reply is there. */
interface Shop {
  handle: Pointer
  facts: Omit<CatalogFacts, 'handle'>
  model: ModelFacts | undefined
  /** How often a model was asked for. */
  turn: number
  visitors: Map<number, { handle: Pointer; using: Pointer }>
}

/** What is known of a model in use. */
export interface Model {
  /** The domains that it learned from people's events; others are ranked by their content. */
  readonly learned: readonly string[]
}

const NO_MODEL: Pointer = 0

const shops = new Map<number, Shop>()
const encoders = new Map<number, { handle: Pointer; dimension: number }>()
const running = new Map<number, AbortController>()
let loaded: Core | undefined
let crew = 1 // threads

function core(): Core {
  if (!loaded) throw new Failure('INVALID_ARGUMENT', 'Ferry is not loaded')
  return loaded
}

/* A visitor exists for the core from its first message on, and uses what the shop does then. */
function visitorOf({ shop, visitor }: { shop: number; visitor: number }): Pointer {
  const { handle, visitors, model } = known(shops, shop, 'shop')
  let entry = visitors.get(visitor)
  if (!entry) {
    entry = { handle: core().createVisitor(handle), using: NO_MODEL }
    visitors.set(visitor, entry)
  }
  const wanted = model?.handle ?? NO_MODEL
  if (entry.using !== wanted) {
    core().useModel(entry.handle, wanted)
    entry.using = wanted
  }
  return entry.handle
}

/* Instead of the one it has. Visitors take it up with their next message. */
function setModel(shop: Shop, model: ModelFacts | undefined): void {
  for (const visitor of shop.visitors.values()) {
    core().useModel(visitor.handle, NO_MODEL)
    visitor.using = NO_MODEL
  }
  if (shop.model) core().closeModel(shop.model.handle)
  shop.model = model
}

/* The catalogue has an items.jsonl too: messages say whose is meant. */
function openModel(catalog: Pointer, files: readonly CoreFile[]): ModelFacts {
  try {
    return core().openModel(catalog, files)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    throw new Failure(error.code, `model: ${error.message}`)
  }
}

const factsOf = (model: ModelFacts | undefined): Model | undefined => model && { learned: model.learned }

/* The JSON handed over is ours: what the core finds malformed is what the caller put into it. */
function blameCaller<T>(which: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    throw new Failure(error.code === 'MALFORMED' ? 'INVALID_ARGUMENT' : error.code, which + error.message)
  }
}

// ---- handlers ----------------------------------------------------------------------------------

interface Context {
  signal: AbortSignal
  progress(progress: Progress): void
}

const ITEMS_A_PAGE = 1000

/* What the core calls the kernels of each build. */
const BUILD_OF: Record<string, Build> = { wasm_relaxed: 'relaxed', wasm: 'simd', scalar: 'scalar' }

async function load(
  wasm: WireWasm,
  wanted: 'auto' | Build,
  { signal, progress }: Context,
): Promise<[Core, Omit<Capabilities, 'threads'>]> {
  const candidate = await Core.instantiate(await compile(wasm, signal, progress))
  const { version, kernels } = candidate.capabilities() // the self-test is in here
  const build = BUILD_OF[kernels] ?? 'scalar'
  if (wanted !== 'auto' && build !== wanted) {
    throw new Failure('INVALID_ARGUMENT', `kernels is '${wanted}', but the given wasm is ${build}`)
  }
  return [candidate, { version, build, kernels }]
}

/* The fastest build that works. One whose file the package's place lacks, or that fails its
 * self-test, gives way to the next. */
async function loadBest(wanted: 'auto' | Build, threads: boolean, context: Context): ReturnType<typeof load> {
  if (wanted !== 'auto' && !supported(wanted)) {
    throw new Failure('UNSUPPORTED', `this engine has no WebAssembly for the ${wanted} build`)
  }
  const builds = wanted === 'auto' ? BUILDS.filter(supported) : [wanted]
  for (const [i, build] of builds.entries()) {
    try {
      return await load(locate(buildUrl(build, threads)), build, context)
    } catch (error) {
      if (!(error instanceof Failure) || error.code !== 'UNSUPPORTED' || i + 1 === builds.length) throw error
    }
  }
  throw new Failure('UNSUPPORTED', 'this engine runs none of the builds')
}

// ---- helpers -----------------------------------------------------------------------------------

/** A worker that takes part in the core's loops. */
interface Helper {
  post(start: HelperStart): void
  /** That it is about to begin; rejects if it dies before. */
  ready: Promise<void>
  terminate(): void
}

function startHelper(): Helper {
  let terminate = () => {}
  let post: Helper['post'] = () => {}
  const ready = new Promise<void>((resolve, reject) => {
    const died = (why: unknown) => reject(new Failure('UNSUPPORTED', `a helper worker stopped: ${why}`))
    if (builtin) {
      const worker = new (builtin('node:worker_threads').Worker)(new URL('./helper.js', import.meta.url), { execArgv: [] })
      worker.on('message', () => resolve())
      worker.on('error', died)
      worker.on('exit', died)
      worker.unref()
      terminate = () => void worker.terminate()
      post = (start) => worker.postMessage(start)
    } else if (typeof Worker === 'function') {
      // In one piece, as bundlers look for it.
      const worker = new Worker(new URL('./helper.js', import.meta.url), { type: 'module' })
      worker.onmessage = () => resolve()
      worker.onerror = ({ message }) => died(message || 'its script could not be loaded')
      terminate = () => worker.terminate()
      post = (start) => worker.postMessage(start)
    } else {
      died('workers cannot start workers here')
    }
  })
  ready.catch(() => undefined) // whoever waits hears of it
  return { post, ready, terminate }
}

/* Puts them to work on a core's loops. */
async function enlist(core: Core, helpers: readonly Helper[], signal: AbortSignal): Promise<void> {
  if (!core.shared) throw new Failure('UNSUPPORTED', 'the given wasm is a build without threads')
  for (const [i, { post }] of helpers.entries()) {
    post({ ...core.shared, worker: i + 1, stack: core.helperStack() })
  }
  await Promise.all(helpers.map(({ ready }) => ready))
  signal.throwIfAborted()
  core.enlist(helpers.length)
}

const DEFAULT_THREADS = 4

function defaultThreads(): number {
  const cores = builtin ? builtin('node:os').availableParallelism() : navigator.hardwareConcurrency
  return Math.min(cores || 1, DEFAULT_THREADS)
}

/* Hears a sound, its patches one by one so that it can be stopped; then gives what the last one brings. */
async function hear<T>(
  encoder: number,
  sound: Sound,
  { signal, progress }: Context,
  give: (handle: Pointer, run: Pointer, vector: Float32Array) => T,
): Promise<T> {
  const { run, patches } = core().openSound(known(encoders, encoder, 'encoder').handle, sound)
  try {
    for (let done = 1; ; done++) {
      const { handle } = known(encoders, encoder, 'encoder', 'CANCELLED')
      const vector = core().runSound(handle, run)
      progress({ loaded: done, total: patches, fraction: done / patches })
      if (done === patches) return give(handle, run, vector)
      await breathe(signal)
    }
  } finally {
    core().closeSound(run)
  }
}

export const handlers = {
  ...indexHandlers(core),

  /**
   * Instantiates the core: the fastest build that this engine knows and that passes the core's
   * self-test; with helpers for `threads`, or why there are none. `wasm` stands in for the package's
   * own files. Comes first, once.
   */
  async 'ferry.load'(
    args: { wasm?: WireWasm; kernels: 'auto' | Build; threads?: number },
    context: Context,
  ): Promise<Capabilities> {
    const { kernels, wasm, threads: asked = defaultThreads() } = args
    let why = asked > 1 ? whyNoThreads() : undefined
    // They start while the module is fetched and compiled.
    let helpers = asked > 1 && !why ? Array.from({ length: asked - 1 }, startHelper) : []
    const giveUp = (error: unknown): undefined => {
      for (const { terminate } of helpers) terminate()
      helpers = []
      context.signal.throwIfAborted()
      if (!(error instanceof Failure)) throw error
      why = error.message
    }
    let facts: Awaited<ReturnType<typeof load>> | undefined
    if (wasm) {
      facts = await load(wasm, kernels, context)
    } else if (helpers.length > 0) {
      facts = await loadBest(kernels, true, context).catch(giveUp)
    }
    facts ??= await loadBest(kernels, false, context)
    const [core, capabilities] = facts
    if (helpers.length > 0) await enlist(core, helpers, context.signal).catch(giveUp)
    loaded = core
    crew = helpers.length + 1
    return { ...capabilities, threads: crew, ...(why !== undefined && { whyOneThread: why }) }
  },

  /**
   * Opens the catalogue directory `source` as number `shop`, with the model directory `model`: by
   * default the one in it, if there is one.
   */
  async 'ferry.open'(
    { shop, source, model: wanted }: { shop: number; source: WireSource; model?: WireSource | false },
    { signal, progress }: Context,
  ): Promise<Omit<CatalogFacts, 'handle'> & { model: Model | undefined }> {
    const groups = [
      { source, wanted: CATALOG_FILES },
      ...(wanted ? [{ source: wanted, wanted: MODEL_FILES }] : []),
      ...(wanted === undefined ? [{ source, wanted: ownModelFiles(source, signal) }] : []),
    ]
    const [files = [], modelFiles = []] = await readFiles(core(), groups, signal, progress)
    let catalog: CatalogFacts
    try {
      catalog = core().openCatalog(files)
    } catch (error) {
      releaseFiles(core(), modelFiles)
      throw error
    }
    const { handle, ...facts } = catalog
    try {
      const model = modelFiles.length > 0 ? openModel(handle, modelFiles) : undefined
      shops.set(shop, { handle, facts, model, turn: 0, visitors: new Map() })
      return { ...facts, model: factsOf(model) }
    } catch (error) {
      core().closeCatalog(handle)
      throw error
    }
  },

  /**
   * The texts of the `items` of a JSONL file; or, with vectors of those that are not refused, the files
   * of a catalogue.
   */
  'ferry.catalog'({ items, parts, vectors }: { items: Uint8Array; parts: CatalogPart[]; vectors?: Float32Array }): {
    refused: RefusedItem[]
    texts?: string[]
    files?: { [name: string]: Uint8Array<ArrayBuffer> }
  } {
    const { handle, ...read } = core().createCatalog(items)
    try {
      if (!vectors) return read
      const { refused } = core().finishCatalog(handle, parts, vectors)
      const files = CATALOG_FILES.map(({ names: [name = ''] }) => [name, core().catalogFile(handle, name)])
      return { refused, files: Object.fromEntries(files) }
    } finally {
      core().closeCatalog(handle)
    }
  },

  /** From now on the model directory `source`; null: texts alone. Gives way to a later call. */
  async 'shop.useModel'(
    { shop, source }: { shop: number; source: WireSource | null },
    { signal, progress }: Context,
  ): Promise<Model | undefined> {
    const turn = ++known(shops, shop, 'shop').turn
    const groups = source ? [{ source, wanted: MODEL_FILES }] : []
    const [files = []] = source ? await readFiles(core(), groups, signal, progress) : []
    const current = () => {
      const open = known(shops, shop, 'shop', 'CANCELLED')
      if (open.turn !== turn) throw new Failure('CANCELLED', 'another model was asked for meanwhile')
      return open
    }
    let model: ModelFacts | undefined
    try {
      const { handle } = current()
      if (source) model = openModel(handle, files.splice(0))
      await breathe(signal) // opening takes long enough to be given up meanwhile
      setModel(current(), model)
    } catch (error) {
      releaseFiles(core(), files)
      if (model) core().closeModel(model.handle)
      throw error
    }
    return factsOf(model)
  },

  /** All items, in the catalogue's order. */
  async 'shop.items'({ shop }: { shop: number }, { signal }: Context): Promise<Item[]> {
    const { count } = known(shops, shop, 'shop').facts
    const items: Item[] = []
    for (let first = 0; first < count; first += ITEMS_A_PAGE) {
      const { handle } = known(shops, shop, 'shop', 'CANCELLED')
      for (const item of core().items<Item>(handle, first, ITEMS_A_PAGE)) items.push(item)
      await breathe(signal)
    }
    return items
  },

  /** The one item of that domain and id. */
  async 'shop.item'({ shop, domain, id }: { shop: number; domain: string; id: string }): Promise<Item> {
    return core().item<Item>(known(shops, shop, 'shop').handle, domain, id)
  },

  /** The items nearest to an encoder's vector, or to an item. */
  'shop.nearest'({ shop, options, vector }: { shop: number; options: WireNearest; vector: Float32Array }): Recommendation[] {
    const { handle, facts } = known(shops, shop, 'shop')
    const k = Math.min(options.k, Math.max(facts.count, 1))
    return core().nearest<Recommendations>(handle, { ...options, k }, vector).items
  },

  /** Closes the shop and its visitors. */
  'shop.close'({ shop }: { shop: number }): void {
    const open = shops.get(shop)
    if (!open) return
    shops.delete(shop)
    for (const { handle } of open.visitors.values()) core().closeVisitor(handle)
    if (open.model) core().closeModel(open.model.handle)
    core().closeCatalog(open.handle)
  },

  /** Adds events in order, up to the first that is refused. */
  'visitor.add'(args: { shop: number; visitor: number; events: WireEvent[] }): void {
    const visitor = visitorOf(args)
    for (const [i, event] of args.events.entries()) {
      const which = args.events.length > 1 ? `event ${i + 1} of ${args.events.length}: ` : ''
      blameCaller(which, () => core().addEvent(visitor, event))
    }
  },

  'visitor.recommend'(args: { shop: number; visitor: number; options: WireRecommend }): Recommendations {
    const { count } = known(shops, args.shop, 'shop').facts
    const k = Math.min(args.options.k, Math.max(count, 1)) // more than there are is all there are
    return blameCaller('', () => core().recommend(visitorOf(args), { ...args.options, k }))
  },

  'visitor.undo'(args: { shop: number; visitor: number }): void {
    core().undo(visitorOf(args))
  },

  /** How many events of the item there were. */
  'visitor.forget'(args: { shop: number; visitor: number; item: string; domain: string }): number {
    return core().forget(visitorOf(args), args.domain, args.item)
  },

  'visitor.forgetEvent'(args: { shop: number; visitor: number; index: number }): void {
    core().forgetEvent(visitorOf(args), args.index)
  },

  'visitor.forgetAll'(args: { shop: number; visitor: number }): void {
    core().forgetAll(visitorOf(args))
  },

  /** The plain profile. */
  'visitor.export'(args: { shop: number; visitor: number }): Uint8Array<ArrayBuffer> {
    return core().saveVisitor(visitorOf(args))
  },

  /** The history becomes that of a plain profile. */
  'visitor.import'(args: { shop: number; visitor: number; profile: Uint8Array }): Imported {
    return core().loadVisitor(visitorOf(args), args.profile)
  },

  /** The fewest events without which another item would be the first; null: none were found. */
  'visitor.counterfactual'(args: { shop: number; visitor: number; options: WireRecommend }): Counterfactual | null {
    return blameCaller('', () => core().counterfactual(visitorOf(args), { ...args.options, k: 1 }))
  },

  'visitor.close'({ shop, visitor }: { shop: number; visitor: number }): void {
    const visitors = shops.get(shop)?.visitors
    const entry = visitors?.get(visitor)
    if (!entry) return
    visitors?.delete(visitor)
    core().closeVisitor(entry.handle)
  },

  /** Bytes of WebAssembly memory in use, which never falls. */
  'ferry.memory'(_: object): number {
    return core().bytes.length
  },

  /** What opening the encoder directory `source` will take, in bytes, before it is loaded. */
  async 'ferry.measure'(
    { source }: { source: WireSource },
    { signal }: Context,
  ): Promise<{ download: number; memory: number }> {
    return measureEncoder(source, crew, signal)
  },

  /** Opens the model directory `source` as number `encoder`. */
  async 'ferry.encoder'(
    { encoder, source, ...choices }: { encoder: number; source: WireSource } & EncoderChoices,
    { signal, progress }: Context,
  ): Promise<Omit<EncoderFacts, 'handle'>> {
    const groups = [{ source, wanted: encoderFiles(source, signal) }]
    const [files = []] = await readFiles(core(), groups, signal, progress)
    const { handle, ...facts } = core().openEncoder(files, choices)
    encoders.set(encoder, { handle, dimension: facts.dimension })
    return facts
  },

  /**
   * [texts.length * dimension] floats. Works in slices of some 30 ms, between which other
   * requests, and the wish to stop, are heard. A text's bits do not depend on its slice.
   */
  async 'encoder.encode'(
    { encoder, texts }: { encoder: number; texts: string[] },
    { signal, progress }: Context,
  ): Promise<Float32Array> {
    const { dimension } = known(encoders, encoder, 'encoder')
    const total = texts.length
    const out = new Float32Array(total * dimension)
    for (let first = 0, slice = 1; first < total; ) {
      const { handle } = known(encoders, encoder, 'encoder', 'CANCELLED')
      const start = performance.now()
      const vectors = core().encode(handle, texts.slice(first, first + slice))
      out.set(vectors, first * dimension)
      first = Math.min(first + slice, total)
      const took = performance.now() - start
      if (took < 15 && slice < 64) slice *= 2
      else if (took > 60 && slice > 1) slice /= 2
      progress({ loaded: first, total, fraction: first / total })
      await breathe(signal)
    }
    return out
  },

  /** [dimension] floats of one picture. */
  'encoder.encodeImage'({ encoder, image }: { encoder: number; image: Image }): Float32Array {
    return core().encodeImage(known(encoders, encoder, 'encoder').handle, image)
  },

  /** [images, texts] floats: the probabilities of texts for pictures, whose vectors come first. */
  'encoder.compare'({
    encoder,
    vectors,
    images,
    texts,
  }: {
    encoder: number
    vectors: Float32Array
    images: number
    texts: number
  }): Float32Array {
    return core().compare(known(encoders, encoder, 'encoder').handle, vectors, images, texts)
  },

  /** [dimension] floats of one sound. */
  'encoder.encodeAudio'({ encoder, sound }: { encoder: number; sound: Sound }, context: Context): Promise<Float32Array> {
    return hear(encoder, sound, context, (_handle, _run, vector) => vector)
  },

  /** The k likeliest classes of a picture, or of a sound. */
  async 'encoder.classify'(
    { encoder, k, image, sound }: { encoder: number; k: number; image?: Image; sound?: Sound },
    context: Context,
  ): Promise<Classification[]> {
    if (sound) return hear(encoder, sound, context, (handle, run) => core().soundClasses(handle, run, k))
    const found = core().classifyImage(known(encoders, encoder, 'encoder').handle, image as Image, k)
    context.progress({ loaded: 1, total: 1, fraction: 1 })
    return found
  },

  /** Token ids of one text, special tokens included. */
  'encoder.tokenize'({ encoder, text }: { encoder: number; text: string }): number[] {
    return core().tokenize(known(encoders, encoder, 'encoder').handle, text)
  },

  'encoder.close'({ encoder }: { encoder: number }): void {
    const open = encoders.get(encoder)
    if (!open) return
    encoders.delete(encoder)
    core().closeEncoder(open.handle)
  },
}

// ---- messages ----------------------------------------------------------------------------------

type Post = (message: FromWorker, transfer?: ArrayBuffer[]) => void

async function serve(message: ToWorker, post: Post): Promise<void> {
  if ('cancel' in message) {
    running.get(message.cancel)?.abort()
    return
  }
  const { id, op, args } = message
  const controller = new AbortController()
  running.set(id, controller)
  try {
    const handler = (handlers as Record<string, (args: never, context: Context) => unknown>)[op]
    if (!handler) throw new Failure('INVALID_ARGUMENT', `there is no operation "${op}"`)
    const progress = (report: Progress) => post({ id, progress: report })
    const value = await handler(args as never, { signal: controller.signal, progress })
    post({ id, value }, value instanceof Float32Array ? [value.buffer as ArrayBuffer] : [])
  } catch (error) {
    const { message: text } = error as Error
    if (error instanceof Failure) post({ id, error: { code: error.code, message: text } })
    else if (controller.signal.aborted) post({ id, error: { code: 'CANCELLED', message: text } })
    else post({ id, error: { code: 'INTERNAL', message: String(error) } })
  } finally {
    running.delete(id)
    controller.abort() // ends what a failed request may still be downloading
  }
}

if (builtin) {
  const { parentPort } = builtin('node:worker_threads')
  parentPort?.on('message', (message: ToWorker) => {
    void serve(message, (reply, transfer) => parentPort.postMessage(reply, transfer ?? []))
  })
} else {
  /* The part of DedicatedWorkerGlobalScope in use; lib.dom describes a window here. */
  const scope = globalThis as unknown as {
    onmessage: (event: { data: ToWorker }) => void
    postMessage(message: FromWorker, transfer: ArrayBuffer[]): void
  }
  scope.onmessage = ({ data }) => void serve(data, (reply, transfer) => scope.postMessage(reply, transfer ?? []))
}
