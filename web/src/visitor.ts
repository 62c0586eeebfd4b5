/*
 * A visitor: one person's history over a shop, and what is asked of it. Checks what it is given, as
 * index.ts does, which has the rest of the public face.
 */
import { FerryError } from './client.js'
import type { CallOptions, Client, Recommendations, WireEvent } from './client.js'

// What the layer above needs of the ones below.
export { Client, FerryError, wireSource, wireWasm } from './client.js'
export type { CallOptions, Capabilities, DirectoryHandle, FerryCode, Item, Model, Progress } from './client.js'
export type { ProgressOptions, Recommendation, Recommendations, Source, SourceFiles } from './client.js'
export type { WasmSource } from './client.js'

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

/* JSON would turn NaN and the infinities into null. */
function checkNumber(value: unknown, op: string, what: string): void {
  if (value !== undefined && !Number.isFinite(value)) throw invalid(op, `${what} is ${String(value)}, not a number`)
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
