/*
 * The worker's part of ferry.index(): its handlers, which worker.ts puts among the others.
 */
import { Failure } from './files.js'
import type { Core, Found, Pointer } from './files.js'

export * from './files.js'

export function known<T>(map: Map<number, T>, id: number, what: string, code = 'INVALID_ARGUMENT'): T {
  const found = map.get(id)
  if (!found) throw new Failure(code, `this ${what} is closed`)
  return found
}

/** How long an index's vectors are, and how many there are. */
export interface IndexFacts {
  dimension: number
  count: number
}

/* Vectors come one behind another; ids are whole numbers below 2^53. */
export function indexHandlers(core: () => Core) {
  const indexes = new Map<number, Pointer>()
  const handleOf = (index: number) => known(indexes, index, 'index')
  return {
    /** Makes index number `index`: of vectors of that dimension, or what the file `bytes` holds. */
    'ferry.index'({
      index,
      signs,
      ...of
    }: { index: number; signs: boolean } & ({ dimension: number } | { bytes: Uint8Array })): IndexFacts {
      const made = 'bytes' in of ? core().loadIndex(of.bytes, signs) : core().createIndex(of.dimension, signs)
      indexes.set(index, made)
      return core().indexFacts(made)
    },

    /** All of them, or none. */
    'index.add'({ index, ids, vectors }: { index: number; ids: number[]; vectors: Float32Array }): IndexFacts {
      core().putVectors(handleOf(index), 'add', ids, vectors)
      return core().indexFacts(handleOf(index))
    },

    'index.replace'({ index, ids, vectors }: { index: number; ids: number[]; vectors: Float32Array }): IndexFacts {
      core().putVectors(handleOf(index), 'replace', ids, vectors)
      return core().indexFacts(handleOf(index))
    },

    'index.remove'({ index, ids }: { index: number; ids: number[] }): IndexFacts {
      core().removeVectors(handleOf(index), ids)
      return core().indexFacts(handleOf(index))
    },

    /** The nearest of each of count queries, equally many, one list behind another. */
    'index.search'(args: {
      index: number
      queries: Float32Array
      count: number
      k: number
      candidates: number
    }): Found {
      const { queries, count, k, candidates } = args
      const most = 2 ** 32 - 1 // what the core takes; more than there are is all there are
      return core().searchIndex(handleOf(args.index), queries, count, Math.min(k, most), Math.min(candidates, most))
    },

    /** The bytes of a safetensors file. */
    'index.save'({ index }: { index: number }): Uint8Array<ArrayBuffer> {
      return core().saveIndex(handleOf(index))
    },

    'index.close'({ index }: { index: number }): void {
      const open = indexes.get(index)
      if (open === undefined) return
      indexes.delete(index)
      core().closeIndex(open)
    },
  }
}
