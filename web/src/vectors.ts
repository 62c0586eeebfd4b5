/*
 * ferry.index(): the nearest of many vectors. Part of the public face: checks what it is given and
 * holds the handle. index.ts loads this file with the first index; it stands alone.
 */
import type { CallOptions, Client, IndexFacts } from './encoder.js'

/* visitor.ts has them. */
interface Checks {
  checkFields(given: object, op: string, what: string, known: readonly string[]): void
  checkWhole(value: unknown, least: number, op: string, what: string, most?: number): void
  invalid(op: string, message: string): Error
}

export interface IndexOptions extends CallOptions {
  /** Length of a vector, 1 to 65536. */
  dimension?: number | undefined
  /** In its place: what save() gave. */
  bytes?: Uint8Array | ArrayBuffer | undefined
  /** Keeps one bit a number besides, for `candidates` of a search. */
  signs?: boolean | undefined
}

export interface SearchOptions extends CallOptions {
  /** How many, at least 1, by default 10; fewer come if there are not so many. */
  k?: number | undefined
  /**
   * Scores only so many vectors of each query, at least k: those whose signs agree most with its own.
   * Faster, and may miss some. Needs an index with `signs`. By default every vector is scored.
   */
  candidates?: number | undefined
}

export interface Neighbor {
  id: number
  /** Inner product: of unit vectors the cosine. The same bits in every engine, and natively. */
  score: number
}

/** One behind another in one array, or each by itself, as encoder.encode() gives them. */
export type Vectors = Float32Array | readonly Float32Array[]

const isId = (id: unknown): id is number => Number.isSafeInteger(id) && (id as number) >= 0

function checkIds(ids: unknown, op: string, { invalid }: Checks): number[] {
  if (!Array.isArray(ids) && !ArrayBuffer.isView(ids)) throw invalid(op, 'ids is not an array')
  const list = Array.from(ids as ArrayLike<unknown>)
  const wrong = list.find((id) => !isId(id))
  if (wrong !== undefined) throw invalid(op, `ids has ${String(wrong)}, not a whole number from 0 to 2^53 - 1`)
  return list as number[]
}

function isList(vectors: Vectors): vectors is readonly Float32Array[] {
  return Array.isArray(vectors)
}

/** count vectors in one array of its own, which goes to the worker. */
function flat(
  vectors: Vectors,
  count: number,
  dimension: number,
  op: string,
  what: string,
  { invalid }: Checks,
): Float32Array {
  const all = isList(vectors) ? vectors : [vectors]
  if (!all.every((one) => one instanceof Float32Array)) throw invalid(op, `${what} is no Float32Array`)
  const expected = isList(vectors) ? dimension : count * dimension
  const wrong = all.find(({ length }) => length !== expected)
  if ((isList(vectors) && all.length !== count) || wrong) {
    const found = wrong ? `${wrong.length} numbers` : `${all.length} vectors`
    throw invalid(op, `${what}: ${found}, expected ${count} times ${dimension} numbers`)
  }
  const out = new Float32Array(count * dimension)
  all.forEach((one, i) => out.set(one, i * dimension))
  return out
}

export async function openIndex(client: Client, options: IndexOptions, checks: Checks): Promise<VectorIndex> {
  const { checkFields, checkWhole, invalid } = checks
  const op = 'ferry.index'
  checkFields(options, op, 'options', ['dimension', 'bytes', 'signs', 'signal'])
  const { dimension, bytes, signs = false, signal } = options
  if ((dimension === undefined) === (bytes === undefined)) throw invalid(op, 'expected a dimension, or bytes')
  if (dimension !== undefined) checkWhole(dimension, 1, op, 'dimension', 65536)
  const index = client.number()
  const of = dimension === undefined ? { bytes: new Uint8Array(bytes as Uint8Array) } : { dimension }
  try {
    return new VectorIndex(client, index, await client.request(op, { index, signs, ...of }, { signal }), checks)
  } catch (error) {
    client.tell('index.close', { index })
    throw error
  }
}

/** Vectors by id, and which of them are nearest to others. */
export class VectorIndex {
  readonly #client: Client
  readonly #index: number
  readonly #checks: Checks
  #closed = false
  #count: number
  /** Length of a vector. */
  readonly dimension: number

  /** Made by ferry.index(). */
  constructor(client: Client, index: number, facts: IndexFacts, checks: Checks) {
    this.#client = client
    this.#checks = checks
    this.#index = index
    this.dimension = facts.dimension
    this.#count = facts.count
  }

  /** How many vectors there are. */
  get count(): number {
    return this.#count
  }

  /** Adds vectors under ids of the caller's, none of which is there: all, or none if it rejects. */
  async add(ids: ArrayLike<number>, vectors: Vectors, { signal }: CallOptions = {}): Promise<void> {
    await this.#put('index.add', ids, vectors, signal)
  }

  /** Replaces vectors that are there, NOT_FOUND otherwise: all, or none if it rejects. */
  async replace(ids: ArrayLike<number>, vectors: Vectors, { signal }: CallOptions = {}): Promise<void> {
    await this.#put('index.replace', ids, vectors, signal)
  }

  /** Removes vectors that are there, NOT_FOUND otherwise: all, or none if it rejects. */
  async remove(ids: ArrayLike<number>, { signal }: CallOptions = {}): Promise<void> {
    const op = 'index.remove'
    this.#check(op)
    const args = { index: this.#index, ids: checkIds(ids, op, this.#checks) }
    this.#count = (await this.#client.request(op, args, { signal })).count
  }

  /** The k vectors nearest to a query, best first, equal scores by id; for a list of queries a list of such. */
  async search(query: Float32Array, options?: SearchOptions): Promise<Neighbor[]>
  async search(queries: readonly Float32Array[], options?: SearchOptions): Promise<Neighbor[][]>
  async search(queries: Vectors, options: SearchOptions = {}): Promise<Neighbor[] | Neighbor[][]> {
    const op = 'index.search'
    this.#check(op)
    const { checkFields, checkWhole } = this.#checks
    checkFields(options, op, 'options', ['k', 'candidates', 'signal'])
    const { k = 10, candidates = 0, signal } = options
    checkWhole(k, 1, op, 'k')
    checkWhole(candidates, 0, op, 'candidates')
    const count = isList(queries) ? queries.length : 1
    const given = flat(queries, count, this.dimension, op, 'queries', this.#checks)
    const args = { index: this.#index, queries: given, count, k, candidates }
    const { ids, scores } = await this.#client.request(op, args, { signal })
    const found = ids.map((id, i) => ({ id, score: scores[i] as number }))
    if (!isList(queries)) return found
    const each = count > 0 ? found.length / count : 0
    return queries.map((_, i) => found.slice(i * each, (i + 1) * each))
  }

  /** The index as a safetensors file, for ferry.index({ bytes }) or ferry_index_load. */
  async save({ signal }: CallOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    this.#check('index.save')
    return this.#client.request('index.save', { index: this.#index }, { signal })
  }

  close(): void {
    this.#closed = true
    this.#client.tell('index.close', { index: this.#index })
  }

  async #put(op: 'index.add' | 'index.replace', ids: ArrayLike<number>, vectors: Vectors, signal?: AbortSignal) {
    this.#check(op)
    const list = checkIds(ids, op, this.#checks)
    const all = flat(vectors, list.length, this.dimension, op, 'vectors', this.#checks)
    const args = { index: this.#index, ids: list, vectors: all }
    this.#count = (await this.#client.request(op, args, { signal })).count
  }

  #check(op: string): void {
    if (this.#closed) throw this.#checks.invalid(op, 'this index is closed')
  }
}
