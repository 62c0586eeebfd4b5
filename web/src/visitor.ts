/*
 * A visitor: one person's history over a shop, and what is asked of it. Checks what it is given, as
 * index.ts does, which has the rest of the public face.
 */
import { FerryError } from './client.js'
import type { Arguments, CallOptions, Client, Counterfactual, Imported, Operation } from './client.js'
import type { Modality, Recommendations, Value, WireEvent, WireRecommend } from './client.js'

// What the layer above needs of the ones below.
export * from './client.js'

export function invalid(op: string, message: string): FerryError {
  return new FerryError('INVALID_ARGUMENT', op, message)
}

/** A misspelt option would otherwise be no option at all. */
export function checkFields(given: object, op: string, what: string, known: readonly string[]): void {
  if (typeof given !== 'object' || given === null) throw invalid(op, `${what}: not an object`)
  for (const name of Object.keys(given)) {
    if (known.includes(name)) continue
    throw invalid(op, `${what}: unknown field "${name}"; there are ${known.join(', ')}`)
  }
}

export function checkOneOf(value: string, known: readonly string[], op: string, what: string): void {
  if (!known.includes(value)) throw invalid(op, `${what} is "${value}"; there are ${known.join(', ')}`)
}

export function checkWhole(value: unknown, least: number, op: string, what: string, most = Infinity): void {
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) return
  const range = most < Infinity ? `${least} to ${most}` : `${least} on`
  throw invalid(op, `${what} is ${String(value)}, not a whole number from ${range}`)
}

/* Whether it is a locked profile, or the beginning of one. */
function isLocked(file: Uint8Array): boolean {
  return file.length > 0 && 'FERRYPRF'.startsWith(String.fromCharCode(...file.subarray(0, 8)))
}

/* JSON would turn NaN and the infinities into null. */
function checkNumber(value: unknown, op: string, what: string): void {
  if (value !== undefined && !Number.isFinite(value)) throw invalid(op, `${what} is ${String(value)}, not a number`)
}

/**
 * A rating below 3 is a dislike. 'not_interested' hides the item and says nothing of what is like
 * it. Any other name of 1 to 64 bytes is taken too: 'cart', 'play'…
 */
export type Behavior = 'purchase' | 'view' | 'rating' | 'like' | 'dislike' | 'not_interested' | (string & {})

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

/** An event of a history, in full; timestamp in seconds since 1970. */
export interface HeldEvent {
  domain: string
  item: string
  behavior: string
  value?: number
  timestamp?: number
}

export interface RecommendOptions extends CallOptions {
  /** Only from these domains. By default from all. */
  domain?: string | readonly string[] | undefined
  /** How many, at least 1, by default 10; fewer come if there are not so many. */
  k?: number | undefined
  /** Whether items of the history may come again. By default not. */
  keepSeen?: boolean | undefined
  /** Whether what was disliked, and what is like it, may come. By default not. */
  keepDisliked?: boolean | undefined
  /** Whether several items of one title, or of nearly the same text, may come. By default not. */
  keepDuplicates?: boolean | undefined
  /** From which cosine on an item is like a disliked one: by default .9, above 1 never. */
  dislikedCosine?: number | undefined
  /** From which cosine on two items of a domain are duplicates: by default .98, above 1 never. */
  duplicateCosine?: number | undefined
  /** Conditions that all must hold: 'price<20', 'tags has vegan', 'author!=X', 'title~word'. */
  where?: string | readonly string[] | undefined
  /** Only these items; the domain is needed only where several have an item of this id. */
  candidates?: readonly { readonly id: string; readonly domain?: string | undefined }[] | undefined
  /** At most so many of a domain: { films: 3 }. */
  quotas?: { readonly [domain: string]: number } | undefined
  /** At most so many with one value of a field: { author: 2 }. */
  atMost?: { readonly [field: string]: number } | undefined
  /** 0, the default: the best, in order. 1: as different as can be, after the best one. */
  diversity?: number | undefined
  /** Whether each item comes with an explanation, and the list with the history. By default not. */
  explain?: boolean | undefined
  /** Days after which an event says half as much. By default none fades; nor do those without a time. */
  halfLife?: number | undefined
  /** What halfLife counts from: seconds since 1970, or a Date. By default the newest event's time. */
  now?: number | Date | undefined
  /** 0 to 1: pushes down what is popular. UNSUPPORTED without a model. */
  novelty?: number | undefined
  /** How much a domain's events say, from 0, not at all; those of others 1. */
  domainWeights?: { readonly [domain: string]: number } | undefined
  /**
   * 0 to 1: the part of the score that is about pictures, say; what is not named shares the rest.
   * { image: 0 } is words alone, { image: 1 } pictures alone. UNSUPPORTED with a model.
   */
  modalityWeights?: { readonly [modality in Modality]?: number | undefined } | undefined
}

/** An item by its id, if one domain alone has it, or by both. */
export type ItemName = string | { readonly item: string; readonly domain?: string | undefined }

export interface ExportOptions {
  /** Locks the profile: needed to open it. Without one it is plain JSON that anyone can read. */
  passphrase?: string | undefined
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
    return this.#settled(this.#ask(op, { ...this.#handle, options: wireRecommend(options, op) }, options), options)
  }

  /**
   * The fewest events of the history without which another item would be the first of the list that
   * recommend() gives with these options, verified by ranking without them; null if none were found.
   * Items of the events left out are not offered for that.
   */
  async counterfactual(options: RecommendOptions = {}): Promise<Counterfactual | null> {
    const op = 'visitor.counterfactual'
    return this.#settled(this.#ask(op, { ...this.#handle, options: wireRecommend(options, op) }, options), options)
  }

  async #settled<T>(outcome: Promise<T>, { signal }: CallOptions): Promise<T> {
    // By the time it is there, so are the outcomes of all earlier adds.
    const settle = () => {
      const failed = this.#failed
      this.#failed = undefined
      if (failed && !failed.added.asked) throw failed.error
    }
    try {
      const value = await outcome
      settle()
      return value
    } catch (error) {
      if (!signal?.aborted) settle()
      throw error
    }
  }

  /** The history, in the order it was added. */
  async events({ signal }: CallOptions = {}): Promise<HeldEvent[]> {
    this.#check('visitor.events')
    const profile = await this.#client.request('visitor.export', this.#handle, { signal })
    return (JSON.parse(new TextDecoder().decode(profile)) as { events: HeldEvent[] }).events
  }

  /**
   * Takes back the event that was added last, as if it had never been; EMPTY_HISTORY if there is
   * none. undo(), forget() and forgetAll() leave the history, and everything that comes of it, byte
   * for byte as one that never had the events, and overwrite what Ferry's memory held of them.
   */
  undo(): Promise<void> {
    return this.#ask('visitor.undo', this.#handle)
  }

  /** Forgets all events of an item; resolves to how many there were. */
  async forget(item: ItemName): Promise<number> {
    const op = 'visitor.forget'
    return this.#ask(op, { ...this.#handle, ...wireName(item, op) })
  }

  /** Forgets one event, by its place in what events() gives. */
  async forgetEvent(index: number): Promise<void> {
    const op = 'visitor.forgetEvent'
    checkWhole(index, 0, op, 'index')
    return this.#ask(op, { ...this.#handle, index })
  }

  forgetAll(): Promise<void> {
    return this.#ask('visitor.forgetAll', this.#handle)
  }

  /** The history as a profile: for import() here, in Node, and for `ferry recommend --profile`. */
  async export(options: ExportOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    const op = 'visitor.export'
    const passphrase = passphraseOf(options, op)
    const plain = await this.#ask(op, this.#handle)
    if (passphrase === undefined) return plain
    const { lock } = await import('./seal.js') // few pages need it
    return lock(plain, passphrase, (code, message) => new FerryError(code, op, message))
  }

  /**
   * Makes the history that of a profile; if it is refused, it stays as it is. Events whose item the
   * shop lacks are left out, and counted. MALFORMED says that it is damaged, cut short, or not to be
   * opened with this passphrase.
   */
  async import(profile: Uint8Array | ArrayBuffer, options: ExportOptions = {}): Promise<Imported> {
    const op = 'visitor.import'
    const passphrase = passphraseOf(options, op)
    if (!(profile instanceof Uint8Array) && !(profile instanceof ArrayBuffer)) throw invalid(op, 'the profile is no bytes')
    const bytes = new Uint8Array(profile instanceof ArrayBuffer ? profile : profile.slice())
    if (!isLocked(bytes)) return this.#ask(op, { ...this.#handle, profile: bytes })
    const { unlock } = await import('./seal.js')
    const plain = await unlock(bytes, passphrase, (code, message) => new FerryError(code, op, message))
    return this.#ask(op, { ...this.#handle, profile: plain })
  }

  close(): void {
    this.#closed = true
    this.#client.tell('visitor.close', this.#handle)
  }

  async #ask<O extends Operation>(op: O, args: Arguments<O>, options?: CallOptions): Promise<Value<O>> {
    this.#check(op)
    return this.#client.request(op, args, options)
  }

  #check(op: string): void {
    if (this.#closed) throw invalid(op, 'this visitor is closed')
  }
}

export function wireName(name: ItemName, op: string): { item: string; domain: string } {
  const given = typeof name === 'string' ? { item: name } : name
  checkFields(given, op, 'item', ['item', 'domain'])
  const { item, domain = '' } = given
  if (typeof item !== 'string' || typeof domain !== 'string') throw invalid(op, 'item or domain is not a text')
  return { item, domain }
}

/** How many, and of which domains. */
export function wireRange({ domain, k = 10 }: Pick<RecommendOptions, 'domain' | 'k'>, op: string) {
  checkWhole(k, 1, op, 'k')
  const domains = typeof domain === 'string' ? [domain] : domain
  if (domains?.length === 0) throw invalid(op, 'domain is an empty list; leave it out for all domains')
  return { k, domains: domains && [...domains] }
}

function passphraseOf(options: ExportOptions, op: string): string | undefined {
  checkFields(options, op, 'options', ['passphrase'])
  const { passphrase } = options
  if (passphrase !== undefined && (typeof passphrase !== 'string' || passphrase === '')) {
    throw invalid(op, 'the passphrase is empty, or not a text')
  }
  return passphrase
}

const secondsOf = (time: number | Date | undefined): number | undefined =>
  time instanceof Date ? Math.floor(time.getTime() / 1000) : time

/* What goes to the core as it is: its own reader tells what is of a wrong type. */
const SWITCHES = ['keepSeen', 'keepDisliked', 'keepDuplicates', 'explain'] as const
const NUMBERS = ['dislikedCosine', 'duplicateCosine', 'diversity', 'halfLife', 'novelty'] as const
const MAPS = ['quotas', 'atMost', 'domainWeights', 'modalityWeights'] as const

function wireRecommend(options: RecommendOptions, op: string): WireRecommend {
  const others = ['domain', 'k', 'where', 'candidates', 'now', 'signal']
  checkFields(options, op, 'options', [...others, ...SWITCHES, ...NUMBERS, ...MAPS])
  const { where, candidates } = options
  const now = secondsOf(options.now)
  const range = wireRange(options, op)
  if (candidates?.length === 0) throw invalid(op, 'candidates is an empty list; leave it out for all items')
  checkNumber(now, op, 'now')
  for (const name of NUMBERS) checkNumber(options[name], op, name)
  for (const name of MAPS) {
    for (const [of, number] of Object.entries(options[name] ?? {})) checkNumber(number, op, `${name}: "${of}"`)
  }
  return {
    ...Object.fromEntries([...SWITCHES, ...NUMBERS, ...MAPS].map((name) => [name, options[name]])),
    ...range,
    where: typeof where === 'string' ? [where] : where && [...where],
    candidates: candidates?.map(({ id, domain: of }) => ({ id, domain: of })),
    now,
  }
}

const EVENT_FIELDS = ['item', 'domain', 'behavior', 'value', 'timestamp']

function wireEvent(event: VisitorEvent): WireEvent {
  const op = 'visitor.add'
  checkFields(event, op, 'event', EVENT_FIELDS)
  const { item, domain, behavior, value, timestamp } = event
  const seconds = secondsOf(timestamp)
  if (typeof item !== 'string') throw invalid(op, 'event: item is not a text')
  if (behavior !== undefined && typeof behavior !== 'string') throw invalid(op, 'event: behavior is not a text')
  checkNumber(value, op, 'event: value')
  checkNumber(seconds, op, 'event: timestamp')
  return { item, domain, behavior, value, timestamp: seconds }
}
