/*
 * Encoders: ferry.encoder(). Part of the public face: checks what it is given and holds the handle;
 * index.ts hands it on.
 */
import { checkFields, checkOneOf, checkWhole, FerryError, invalid, wireSound, wireSource } from './visitor.js'
import type { CallOptions, Classification, Client, Image, Progress, ProgressOptions, Sound, Source } from './visitor.js'

// What the layer above needs of the ones below.
export * from './visitor.js'

export const PROGRESS_OPTIONS = ['signal', 'onProgress']

export interface EncoderOptions extends ProgressOptions {
  /**
   * 'auto' takes the weights as the file has them. 'int8' quantises them while loading, in their own
   * place: faster, but a file that is int8 already is a quarter to download and to hold.
   */
  precision?: 'auto' | 'f32' | 'int8' | undefined
  /**
   * What is put before each text, by its name in config_sentence_transformers.json ('query',
   * 'passage'); '' for nothing. Without it: the one that the file makes the default, if there is one.
   */
  prompt?: string | undefined
  /**
   * The language whose mean embedding is taken away, by its name in centers.safetensors, which
   * `ferry center` writes; 'auto' for the nearest.
   */
  center?: string | undefined
  /**
   * What becomes of a picture's shape: 'pad' (the default) shows all of it, in the middle of a white
   * square; 'model' does as the model's own files say, which mostly cut out the middle.
   */
  imageFit?: 'pad' | 'model' | undefined
}

/**
 * A picture's pixels, a byte a channel, from the top left: a canvas's ImageData, or width * height
 * times 4 (RGBA), 3 (RGB) or 1 (grey). What is transparent is shown on white.
 */
export interface Pixels {
  readonly data: Uint8Array | Uint8ClampedArray
  readonly width: number
  readonly height: number
}

/** What createImageBitmap gives. */
export interface Bitmap {
  readonly width: number
  readonly height: number
  close(): void
}

/** A decoded sound, as AudioContext.decodeAudioData gives it. */
export interface DecodedAudio {
  readonly sampleRate: number
  readonly numberOfChannels: number
  getChannelData(channel: number): Float32Array
}

export interface AudioOptions extends EncodeOptions {
  /** Of a Float32Array, which cannot say it: samples a second. */
  sampleRate?: number | undefined
}

export interface EncodeOptions extends CallOptions {
  /** Counts texts, or patches of a sound. */
  onProgress?: ((progress: Progress) => void) | undefined
}

export interface ClassifyOptions extends CallOptions {
  /** How many classes, at least 1, by default 5; fewer come if there are not so many. */
  k?: number | undefined
  /** Of a sound in a Float32Array: samples a second. */
  sampleRate?: number | undefined
  /** Counts patches of a sound; a picture is one. */
  onProgress?: ((progress: Progress) => void) | undefined
}

/* Decoding is the page's part. */
function wireAudio(audio: DecodedAudio | Float32Array, sampleRate: number | undefined, op: string): Sound {
  const one = audio instanceof Float32Array
  if (!one && typeof audio?.getChannelData !== 'function') {
    throw invalid(op, 'audio is neither an AudioBuffer nor a Float32Array')
  }
  const rate = one ? sampleRate : audio.sampleRate
  checkWhole(rate, 1, op, 'sampleRate')
  const all = one ? [audio] : Array.from({ length: audio.numberOfChannels }, (_, c) => audio.getChannelData(c))
  return wireSound(all, rate as number)
}

async function wirePicture(image: unknown, op: string): Promise<Image> {
  const { wireImage } = await import('./pixels.js')
  return wireImage(image, (code, message) => new FerryError(code, op, message))
}

export async function openEncoder(client: Client, source: Source, options: EncoderOptions): Promise<Encoder> {
  const op = 'ferry.encoder'
  checkFields(options, op, 'options', ['precision', 'prompt', 'center', 'imageFit', ...PROGRESS_OPTIONS])
  const { precision = 'auto', prompt, center, imageFit = 'pad' } = options
  checkOneOf(precision, ['auto', 'f32', 'int8'], op, 'precision')
  checkOneOf(imageFit, ['pad', 'model'], op, 'imageFit')
  for (const [name, value] of Object.entries({ prompt, center })) {
    if (value !== undefined && typeof value !== 'string') throw invalid(op, `${name} is not a string`)
  }
  const encoder = client.number()
  try {
    const from = wireSource(source, op)
    const facts = await client.request(op, { encoder, source: from, precision, prompt, center, imageFit }, options)
    return new Encoder(client, encoder, { ...facts, source: from.label })
  } catch (error) {
    client.tell('encoder.close', { encoder })
    throw error
  }
}

/** An open encoder of texts, of pictures, of both into one space (CLIP, SigLIP), or of sounds. */
export class Encoder {
  readonly #client: Client
  readonly #encoder: number
  #closed = false
  /** Whether it encodes texts, pictures, sounds. */
  readonly texts: boolean
  readonly images: boolean
  readonly sounds: boolean
  /** How many classes it tells apart, for classify(); 0: none. */
  readonly classes: number
  /** Length of one vector. */
  readonly dimension: number
  /** Tokens after which a text is cut, special tokens included; 0 if it encodes none. */
  readonly maxTokens: number
  readonly precision: 'f32' | 'int8'
  /** Where it was opened from, as messages call it. */
  readonly source: string

  /** Made by ferry.encoder(). */
  constructor(
    client: Client,
    encoder: number,
    facts: Pick<Encoder, 'texts' | 'images' | 'sounds' | 'classes' | 'dimension' | 'maxTokens' | 'precision' | 'source'>,
  ) {
    this.#client = client
    this.#encoder = encoder
    ;({ texts: this.texts, images: this.images, sounds: this.sounds, classes: this.classes } = facts)
    ;({ dimension: this.dimension, maxTokens: this.maxTokens, precision: this.precision, source: this.source } = facts)
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

  /**
   * One picture's vector; the same bits as natively, from the same pixels. A Blob and an ImageBitmap
   * are decoded by the engine, in pages and workers; MALFORMED says that it cannot.
   */
  async encodeImage(image: Pixels | Bitmap | Blob, { signal }: CallOptions = {}): Promise<Float32Array> {
    const op = 'encoder.encodeImage'
    this.#check(op)
    return this.#client.request(op, { encoder: this.#encoder, image: await wirePicture(image, op) }, { signal })
  }

  /**
   * Which text says what a picture shows: for each picture's vector the probability of each text's, in order, of a model
   * that encodes both. CLIP's add up to 1, each of SigLIP's is its text's own. Put a label into a sentence first, as in
   * 'This is a photo of a cat.'
   */
  async compare(
    images: readonly Float32Array[],
    texts: readonly Float32Array[],
    { signal }: CallOptions = {},
  ): Promise<Float32Array[]> {
    const op = 'encoder.compare'
    this.#check(op)
    for (const [name, list] of Object.entries({ images, texts })) {
      const fits = (vector: unknown) => vector instanceof Float32Array && vector.length === this.dimension
      if (!Array.isArray(list) || !list.every(fits)) {
        throw invalid(op, `${name} is not an array of Float32Arrays of ${this.dimension} numbers`)
      }
    }
    const vectors = new Float32Array((images.length + texts.length) * this.dimension)
    ;[...images, ...texts].forEach((vector, i) => vectors.set(vector, i * this.dimension))
    const sizes = { images: images.length, texts: texts.length }
    const all = await this.#client.request(op, { encoder: this.#encoder, vectors, ...sizes }, { signal })
    return images.map((_, i) => all.subarray(i * texts.length, (i + 1) * texts.length))
  }

  /**
   * One sound's vector; the same bits as natively, from the same samples. Decoding is the page's
   * part: `AudioContext.decodeAudioData`. A Float32Array is one channel.
   */
  async encodeAudio(audio: DecodedAudio | Float32Array, options: AudioOptions = {}): Promise<Float32Array> {
    const op = 'encoder.encodeAudio'
    this.#check(op)
    checkFields(options, op, 'options', ['sampleRate', ...PROGRESS_OPTIONS])
    const args = { encoder: this.#encoder, sound: wireAudio(audio, options.sampleRate, op) }
    return this.#client.request(op, args, options)
  }

  /**
   * What a picture shows or a sound is, of the classes that the model was trained to tell apart: the k likeliest, best
   * first, equal ones by their index. Scores of a picture add up to 1 over all classes (softmax), each of a sound's tags
   * has its own. Takes what encodeImage() takes, or encodeAudio(). UNSUPPORTED for a model without classes.
   */
  async classify(
    what: Pixels | Bitmap | Blob | DecodedAudio | Float32Array,
    options: ClassifyOptions = {},
  ): Promise<Classification[]> {
    const op = 'encoder.classify'
    this.#check(op)
    const { classes, sounds } = this
    if (!classes) throw new FerryError('UNSUPPORTED', op, `${this.source} tells no classes apart`)
    checkFields(options, op, 'options', ['k', ...(sounds ? ['sampleRate'] : []), ...PROGRESS_OPTIONS])
    const { k = 5, sampleRate } = options
    checkWhole(k, 1, op, 'k')
    const of = sounds
      ? { sound: wireAudio(what as DecodedAudio, sampleRate, op) }
      : { image: await wirePicture(what, op) }
    return this.#client.request(op, { encoder: this.#encoder, k: Math.min(k, classes), ...of }, options)
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
