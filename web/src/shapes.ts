/*
 * What travels between the page and its worker, and what of it people see: the shapes of items,
 * events, lists and explanations. Types alone.
 */
import type { Build, Modality } from './indexes.js'

export * from './indexes.js'

export interface Capabilities {
  /** Of the C core. */
  version: string
  /** Which of the WebAssembly builds runs. */
  build: Build
  /** The name of the kernels in use, as ferry_kernels_name says it. */
  kernels: string
  /** How many encode together, the core's own included. */
  threads: number
  /** If it is one although more were asked for: why. */
  whyOneThread?: string
}

/** One item of a catalogue; fields beyond these are kept as they stood in items.jsonl. */
export interface Item {
  id: string
  domain: string
  title: string
  author?: string
  description?: string
  tags?: string[]
  image?: string
  audio?: string
  [field: string]: unknown
}

/** What came of a profile: how many events there are now, and how many were of items the shop lacks. */
export interface Imported {
  events: number
  leftOut: number
}

/** An event as the core reads it; timestamp in seconds since 1970. */
export interface WireEvent {
  item: string
  domain?: string | undefined
  behavior?: string | undefined
  value?: number | undefined
  timestamp?: number | undefined
}

export interface Recommendation {
  /** From 1. */
  rank: number
  id: string
  domain: string
  title: string
  /**
   * Without a model the cosine of the visitor's vector and the item's, -1 to 1. With one the
   * logarithm of the item's share of its domain's softmax, at most 0.
   */
  score: number
  /** In a shop of more than texts: what the item is known by. */
  modalities?: Modality[]
  /** With `explain`: why. */
  explanation?: Explanation
}

/** An item of the history, or of the catalogue. */
export interface Named {
  id: string
  domain: string
  title: string
}

/** What a score's parts are about. */
export type Group = 'words' | 'picture' | 'sound' | 'author' | 'others' | 'popularity' | 'new'

/** Names and meanings are in docs/explanations.md: 'text', 'net', 'neighbors'… */
export type Reasons = { [reason: string]: number }

/** score = constant + the events' sums + the others + residual */
export interface Explanation {
  /** English, e.g. "because you bought X; 62 % words, 38 % what others did". */
  sentence: string
  /** Shares of what speaks for the item, 100 together; {} if nothing does. */
  percent: { [group in Group]?: number }
  /** The event that speaks most for the item, if any does; `event` counts in `history`. */
  because?: Named & { event: number }
  /** What each event puts into the score; without those that put nothing. */
  events: { event: number; sum: number; reasons: Reasons }[]
  /** What no event in particular puts into it. */
  others: Reasons
  /** What all items of the domain have. */
  constant: number
  /** Rounding; unless `complete` is false. */
  residual: number
  /** False with a net that is not linear: the residual is what leaving out single events misses. */
  complete: boolean
  /** The reasons that are not linear, and are distributed over the events by a rule. */
  approximate: string[]
}

/** Without these events, `instead` would be the first of the list in place of `item`. */
export interface Counterfactual {
  item: Named
  instead: Named
  /** Of the history, in the order they were added. */
  without: (Named & { event: number })[]
  /** Whether it is proven that no fewer events do. */
  smallest: boolean
}

export interface Recommendations {
  items: Recommendation[]
  /** With `explain`: the history, in the order it was added, that explanations count by. */
  history?: (Named & { behavior: string; value?: number; timestamp?: number })[]
  /** How many candidates each stage removed. */
  excluded: { seen: number; disliked: number; duplicate: number; filtered: number; limited: number }
}

/** What ferry_recommend_options_from_json reads. */
export interface WireRecommend {
  k: number
  domains?: string[] | undefined
  keepSeen?: boolean | undefined
  keepDisliked?: boolean | undefined
  keepDuplicates?: boolean | undefined
  dislikedCosine?: number | undefined
  duplicateCosine?: number | undefined
  where?: string[] | undefined
  candidates?: { domain?: string | undefined; id: string }[] | undefined
  quotas?: { [domain: string]: number } | undefined
  atMost?: { [field: string]: number } | undefined
  diversity?: number | undefined
  halfLife?: number | undefined
  now?: number | undefined
  novelty?: number | undefined
  domainWeights?: { [domain: string]: number } | undefined
  modalityWeights?: { [modality in Modality]?: number | undefined } | undefined
  explain?: boolean | undefined
}

/** What ferry_wasm_catalog_nearest reads. */
export interface WireNearest {
  k: number
  domains?: string[] | undefined
  modality?: Modality | undefined
  like?: { domain?: string | undefined; id: string } | undefined
}
