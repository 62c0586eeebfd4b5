/*
 * What client and worker say to each other, as the client sees it.
 *
 * The requests are the worker's handlers: an operation is a handler's name, its arguments and its
 * value are that handler's, and each is documented there. This file only derives the types, and
 * turns the errors that come back into the class people catch.
 */
import type { FromWorker, handlers, ToWorker } from './worker.js'

// What the layers above need of the ones below.
export type { Capabilities, Classification, DirectoryHandle, Image, Imported, IndexFacts, Item, Model, Progress } from './worker.js'
export type { Counterfactual, Explanation, Group, Named, Reasons } from './worker.js'
export type { Modality, Recommendation, Recommendations, Segment, Sound, WireEvent } from './worker.js'
export type { WireNearest, WireRecommend, WireSource, WireWasm } from './worker.js'

type Handlers = typeof handlers

/** A request's name, e.g. "visitor.add". */
export type Operation = keyof Handlers
export type Arguments<O extends Operation> = Parameters<Handlers[O]>[0]
export type Value<O extends Operation> = Awaited<ReturnType<Handlers[O]>>

export type Request<O extends Operation = Operation> = { id: number; op: O; args: Arguments<O> }
export type Message = Request | Extract<ToWorker, { cancel: number }>
export type Reply = FromWorker

/**
 * The names of ferry.h's FERRY_STATUS_LIST, and INTERNAL for what should never happen: the
 * WebAssembly core trapped, or the worker died. After INTERNAL, load Ferry anew.
 */
export type FerryCode =
  | 'INVALID_ARGUMENT'
  | 'OUT_OF_MEMORY'
  | 'IO'
  | 'NOT_FOUND'
  | 'MALFORMED'
  | 'UNSUPPORTED'
  | 'LIMIT'
  | 'EMPTY_HISTORY'
  | 'CANCELLED'
  | 'DIVERGED'
  | 'INCONSISTENT'
  | 'INTERNAL'

/** Everything Ferry rejects with, except an abort, which rejects with the signal's reason. */
export class FerryError extends Error {
  override readonly name = 'FerryError'
  /** The C status name, e.g. "NOT_FOUND". */
  readonly code: FerryCode
  /** The call that failed, e.g. "visitor.add". */
  readonly op: string

  constructor(code: FerryCode, op: string, message: string) {
    super(message)
    this.code = code
    this.op = op
  }
}

export function errorFrom(reply: Extract<Reply, { error: unknown }>, op: string): FerryError {
  return new FerryError(reply.error.code as FerryCode, op, reply.error.message)
}
