/* The functions of the wasm module, and what goes into them and comes of them. Types alone. */

/** A pointer into the instance's memory; 0 is NULL. */
export type Pointer = number

/* What src/api/wasm.c exports. Sizes and pointers are u32, int results are a ferry_status. */
export interface Exports {
  /** Of a build without threads; the others import it. */
  memory?: WebAssembly.Memory
  _initialize?(): void
  __wasm_call_ctors?(): void
  ferry_wasm_status_name(status: number): Pointer
  ferry_wasm_status(): number
  ferry_wasm_message(): Pointer
  ferry_wasm_result(): Pointer
  ferry_wasm_result_size(): number
  ferry_wasm_allocate(size: number): Pointer
  ferry_wasm_release(block: Pointer): void
  ferry_wasm_capabilities(): number
  ferry_wasm_enlist(helpers: number): number
  ferry_wasm_file(name: Pointer, nameSize: number, data: Pointer, size: number): number
  ferry_wasm_files_clear(): void
  ferry_wasm_encoder_open(
    precision: number,
    prompt: Pointer,
    promptSize: number,
    center: Pointer,
    centerSize: number,
    imageFit: number,
  ): Pointer
  ferry_wasm_encode(encoder: Pointer, texts: Pointer, sizes: Pointer, count: number): number
  ferry_wasm_encode_image(encoder: Pointer, data: Pointer, width: number, height: number, channels: number): number
  ferry_wasm_classify_image(
    encoder: Pointer,
    data: Pointer,
    width: number,
    height: number,
    channels: number,
    k: number,
  ): number
  ferry_wasm_compare(encoder: Pointer, vectors: Pointer, images: number, texts: number): number
  ferry_wasm_sound_open(encoder: Pointer, data: Pointer, frames: number, channels: number, rate: number): Pointer
  ferry_wasm_sound_patches(run: Pointer): number
  ferry_wasm_sound_run(encoder: Pointer, run: Pointer): number
  ferry_wasm_sound_classes(encoder: Pointer, run: Pointer, k: number): number
  ferry_wasm_sound_close(run: Pointer): void
  ferry_wasm_tokenize(encoder: Pointer, text: Pointer, size: number): number
  ferry_wasm_encoder_close(encoder: Pointer): void
  ferry_wasm_catalog_create(): Pointer
  ferry_wasm_catalog_finish(catalog: Pointer, about: Pointer, size: number): Pointer
  ferry_wasm_catalog_file(catalog: Pointer, name: Pointer): number
  ferry_wasm_catalog_open(): Pointer
  ferry_wasm_catalog_items(catalog: Pointer, first: number, count: number): number
  ferry_wasm_catalog_find(catalog: Pointer, domain: Pointer, domainSize: number, id: Pointer, idSize: number): number
  ferry_wasm_catalog_nearest(catalog: Pointer, options: Pointer, size: number, vector: Pointer, count: number): number
  ferry_wasm_catalog_close(catalog: Pointer): void
  ferry_wasm_model_open(catalog: Pointer): Pointer
  ferry_wasm_model_close(model: Pointer): void
  ferry_wasm_visitor_create(catalog: Pointer): Pointer
  ferry_wasm_visitor_use(visitor: Pointer, model: Pointer): number
  ferry_wasm_visitor_add(visitor: Pointer, event: Pointer, size: number): number
  ferry_wasm_visitor_recommend(visitor: Pointer, options: Pointer, size: number): number
  ferry_wasm_visitor_undo(visitor: Pointer): number
  ferry_wasm_visitor_forget(visitor: Pointer, domain: Pointer, domainSize: number, id: Pointer, idSize: number): number
  ferry_wasm_visitor_forget_event(visitor: Pointer, index: number): number
  ferry_wasm_visitor_forget_all(visitor: Pointer): void
  ferry_wasm_visitor_save(visitor: Pointer): number
  ferry_wasm_visitor_load(visitor: Pointer, profile: Pointer, size: number): number
  ferry_wasm_visitor_counterfactual(visitor: Pointer, options: Pointer, size: number): number
  ferry_wasm_visitor_close(visitor: Pointer): void
  ferry_wasm_index_create(dimension: number, signs: number): Pointer
  ferry_wasm_index_load(signs: number): Pointer
  ferry_wasm_index_close(index: Pointer): void
  ferry_wasm_index_count(index: Pointer): number
  ferry_wasm_index_dimension(index: Pointer): number
  ferry_wasm_index_add(index: Pointer, ids: Pointer, vectors: Pointer, count: number): number
  ferry_wasm_index_replace(index: Pointer, ids: Pointer, vectors: Pointer, count: number): number
  ferry_wasm_index_remove(index: Pointer, ids: Pointer, count: number): number
  ferry_wasm_index_search(index: Pointer, queries: Pointer, count: number, k: number, candidates: number): number
  ferry_wasm_index_save(index: Pointer): number
}

/** A file's bytes, in memory that came from allocate(). */
export interface CoreFile {
  name: string
  data: Pointer
  size: number
}

export type Precision = 'auto' | 'f32' | 'int8'
export type ImageFit = 'pad' | 'model'

/** How an encoder is to be opened. */
export interface EncoderChoices {
  precision: Precision
  prompt?: string | undefined
  center?: string | undefined
  imageFit: ImageFit
}

/** Pixels, a byte a channel: [height, width, channels]. */
export interface Image {
  data: Uint8Array
  width: number
  height: number
  channels: number
}

/** Samples, the channels of one moment side by side: [frames, channels]. */
export interface Sound {
  data: Float32Array
  channels: number
  sampleRate: number
}

export interface EncoderFacts {
  handle: Pointer
  precision: 'f32' | 'int8'
  /** What it encodes. */
  texts: boolean
  images: boolean
  sounds: boolean
  /** How many it tells apart. */
  classes: number
  dimension: number
  maxTokens: number
}

/** That something is of one of the classes that a model tells apart. */
export interface Classification {
  /** What the model's config.json calls it, else "LABEL_7". */
  label: string
  /** How likely it is, 0 to 1. The same bits in every engine, and natively. */
  score: number
  /** Its number, from 0. */
  index: number
}

export interface ModelFacts {
  handle: Pointer
  /** The domains that it learned from people's events. */
  learned: string[]
}

/** What of an item's vector is of one modality. */
export interface Segment {
  modality: Modality
  /** Length of the vectors of its encoder. */
  dimension: number
  /** Its encoder's name. */
  model: string
  /** What its cosine counts beside the others': 1 together. */
  weight: number
}

export type Modality = 'text' | 'image' | 'audio'

/** An item, counted from 0, that has no place in a catalogue, or no vector of the modality. */
export interface RefusedItem {
  index: number
  modality?: Modality
  reason: string
}

/** What is to be encoded of each item, without those that are refused. */
export interface ReadItems {
  texts: string[]
  refused: RefusedItem[]
}

/** Which vectors a catalogue is made of. */
export interface CatalogPart {
  modality: Modality
  model: string
  /** By default the modality's. */
  weight?: number | undefined
  dimension: number
}

export interface CatalogFacts {
  handle: Pointer
  count: number
  dimension: number
  domains: { name: string; count: number }[]
  /** Of more than texts. */
  segments?: Segment[]
  /** Of texts alone: their encoder's name. */
  text_model?: string
}
