/*
 * What the tests share: where things are, a small catalogue made on the spot, safetensors, hashes.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))
export const dist = join(root, 'web/dist')
export const golden = join(root, 'native-tests/golden')
export const model = join(process.env.FERRY_MODELS ?? join(root, '.deps/models'), 'all-MiniLM-L6-v2')

/** What assert.rejects asks of a FerryError: its code, the call, and that the message matches. */
export const failureOf = (FerryError) => (code, op, message) => (error) => {
  assert.ok(error instanceof FerryError, `${error?.stack ?? error}`)
  assert.deepEqual({ name: error.name, code: error.code, op: error.op }, { name: 'FerryError', code, op })
  assert.match(error.message, message)
  return true
}

/** The reason to skip a test that needs these files, or false. */
export function skipWithout(...paths) {
  const missing = paths.filter((path) => !existsSync(path))
  return missing.length > 0 && `not here: ${missing.join(', ')} (sh tools/setup brings the model)`
}

/** The builds of the package, fastest first, each with the reason why it cannot run here, or false. */
export async function buildsHere(Ferry) {
  const builds = []
  for (const kernels of ['relaxed', 'simd', 'scalar']) {
    const skip = await Ferry.load({ kernels }).then((ferry) => (ferry.close(), false), (error) => error.message)
    builds.push({ kernels, skip })
  }
  return builds
}

/** An int8 copy of the model, made by the native command line; skip is the reason if that is not built. */
export function int8Model() {
  const ferry = join(root, 'build/native/ferry')
  const path = join(root, 'build/int8-model')
  const skip = skipWithout(join(model, 'model.safetensors')) || (!existsSync(ferry) && 'build/native/ferry is not built')
  if (!skip) execFileSync(ferry, ['quantize', '--model', model, '--out', path])
  return { path, skip }
}

/** A directory that is gone when the test is over; files maps names to bytes or text. */
export function directory(t, files = {}) {
  const path = mkdtempSync(join(tmpdir(), 'ferry-test-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  for (const [name, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true })
    writeFileSync(join(path, name), bytes)
  }
  return path
}

// ---- safetensors -------------------------------------------------------------------------------

/** One F32 tensor of two dimensions as a file. */
export function safetensors(name, shape, values) {
  const length = shape.reduce((product, size) => product * size, 4)
  let header = JSON.stringify({ [name]: { dtype: 'F32', shape, data_offsets: [0, length] } })
  header = header.padEnd(Math.ceil(header.length / 8) * 8)
  const file = new Uint8Array(8 + header.length + length)
  new DataView(file.buffer).setBigUint64(0, BigInt(header.length), true)
  file.set(new TextEncoder().encode(header), 8)
  file.set(new Uint8Array(Float32Array.from(values).buffer), 8 + header.length)
  return file
}

/** The tensors of a file of F32 and U8. */
export function readSafetensors(path) {
  const file = readFileSync(path)
  const headerSize = Number(file.readBigUInt64LE(0))
  const header = JSON.parse(file.toString('utf8', 8, 8 + headerSize))
  delete header.__metadata__
  return Object.fromEntries(
    Object.entries(header).map(([name, { dtype, shape, data_offsets: [start, end] }]) => {
      if (dtype !== 'F32' && dtype !== 'U8') throw new Error(`${path}: ${name} is ${dtype}`)
      const bytes = new Uint8Array(file.subarray(8 + headerSize + start, 8 + headerSize + end))
      return [name, { shape, values: dtype === 'F32' ? new Float32Array(bytes.buffer) : bytes }]
    }),
  )
}

// ---- a small catalogue -------------------------------------------------------------------------

/*
 * Three departments, three dimensions: what is about the sea, about heat, about music. Sea things
 * are alike in every department, and so on; "both/same" is an id that two departments have.
 */
export const ITEMS = [
  { domain: 'books', id: 'moby', title: 'Moby-Dick', vector: [1, 0, 0], tags: ['sea'] },
  { domain: 'books', id: 'dune', title: 'Dune', vector: [0, 1, 0], tags: ['heat'] },
  { domain: 'books', id: 'same', title: 'The same id, a book', vector: [0.1, 0.1, 1] },
  { domain: 'films', id: 'jaws', title: 'Jaws', vector: [1, 0.1, 0.2], names: { de: 'Der weiße Hai' } },
  { domain: 'films', id: 'lawrence', title: 'Lawrence of Arabia', vector: [0, 1, 0.1] },
  { domain: 'films', id: 'same', title: 'The same id, a film', vector: [0.2, 0.1, 1] },
  { domain: 'songs', id: 'sailor', title: 'Drunken Sailor', vector: [0.9, 0, 0.5] },
  { domain: 'songs', id: 'burning', title: 'Burning Love', vector: [0, 0.8, 0.6] },
]

/** The files of a catalogue directory, by name. */
export function catalogFiles(items = ITEMS) {
  const sorted = [...new Set(items.map(({ domain }) => domain))].sort()
  const dimension = items[0].vector.length
  const unit = (v) => v.map((x) => x / Math.hypot(...v))
  const json = {
    format: 'ferry-catalog',
    version: 1,
    count: items.length,
    dimension,
    text_model: 'test',
    domains: sorted.map((name) => ({ name, count: items.filter((i) => i.domain === name).length })),
  }
  return {
    'catalog.json': JSON.stringify(json),
    'items.jsonl': items.map(({ vector: _, ...item }) => `${JSON.stringify(item)}\n`).join(''),
    'vectors.safetensors': safetensors(
      'text',
      [items.length, dimension],
      items.flatMap(({ vector }) => unit(vector)),
    ),
  }
}

/*
 * The same with pictures: sea things are blue, heat red; "dune" has no picture and "burning" no words.
 * `image` is what an encoder gives, of any length.
 */
export const SEEN = ITEMS.map(({ id, domain, title, vector }, i) => ({
  domain,
  id,
  title: id === 'burning' ? '' : title,
  text: id === 'burning' ? undefined : vector,
  image: id === 'dune' ? undefined : [[0, 1, 5, 0], [5, 1, 0, 0], [1, 5, 1, 2], [0, 0, 7, 1]][i % 4].map((x) => x + 0.1 * i),
}))

/** The files of a catalogue of texts and pictures, as ferry_catalog_set_segments makes them. */
export function segmentFiles(items = SEEN, weights = { text: 0.5, image: 0.5 }) {
  const unit = (v) => v.map((x) => x / (Math.hypot(...v) || 1))
  const means = {}
  const units = {}
  const modalities = Object.keys(weights)
  for (const modality of modalities) {
    const given = items.map((item) => item[modality] && unit(item[modality]))
    const have = given.filter(Boolean)
    const mean = have[0].map((_, n) => have.reduce((sum, v) => sum + v[n], 0) / (have.length + 8))
    means[modality] = mean
    units[modality] = given.map((v) => (v ? unit(v.map((x, n) => x - mean[n])) : mean.map(() => 0)))
  }
  const rows = items.flatMap((item, i) => {
    const all = modalities.reduce((sum, m) => sum + (item[m] ? weights[m] : 0), 0)
    return modalities.flatMap((m) => units[m][i].map((x) => (item[m] ? Math.sqrt(weights[m] / all) * x : 0)))
  })
  const segments = modalities.map((modality) => ({ modality, dimension: means[modality].length, model: 'test', weight: weights[modality] }))
  const dimension = segments.reduce((sum, segment) => sum + segment.dimension, 0)
  const tensors = [
    ...modalities.map((modality) => [`${modality}.mean`, [means[modality].length], means[modality]]),
    ['item', [items.length, dimension], rows],
  ]
  const header = {}
  let end = 0
  for (const [name, shape, values] of tensors) {
    header[name] = { dtype: 'F32', shape, data_offsets: [end, (end += 4 * values.length)] }
  }
  const text = JSON.stringify(header)
  const head = Buffer.alloc(8)
  const padded = text.padEnd(Math.ceil(text.length / 8) * 8)
  head.writeBigUInt64LE(BigInt(padded.length))
  const numbers = tensors.map(([, , values]) => Buffer.from(Float32Array.from(values).buffer))
  const domains = [...new Set(items.map(({ domain }) => domain))].sort()
  return {
    'catalog.json': JSON.stringify({
      format: 'ferry-catalog',
      version: 2,
      count: items.length,
      dimension,
      segments,
      domains: domains.map((name) => ({ name, count: items.filter((i) => i.domain === name).length })),
    }),
    'items.jsonl': items.map(({ text: _, image: __, ...item }) => `${JSON.stringify(item)}\n`).join(''),
    'vectors.safetensors': Buffer.concat([head, Buffer.from(padded), ...numbers]),
  }
}

/** A catalogue of many items, for what takes a while. */
export function largeCatalogFiles(count = 20000, dimension = 64) {
  let state = 1
  const random = () => (state = (state * 48271) % 2147483647) / 2147483647 - 0.5
  const items = Array.from({ length: count }, (_, i) => ({
    domain: `d${i % 7}`,
    id: `item-${i}`,
    title: `Item ${i}`,
    vector: Array.from({ length: dimension }, random),
  }))
  return catalogFiles(items)
}

export const toBytes = (files) =>
  Object.fromEntries(Object.entries(files).map(([name, data]) => [name, new Uint8Array(Buffer.from(data))]))

// ---- a shop with a trained model ---------------------------------------------------------------

/** The directory: catalog.json, … and model/ferry.json, … */
export const modelShop = join(golden, 'model/shop')

/** Its files by name; without the model's if `model` is false. */
export function modelShopFiles({ model = true } = {}) {
  const names = ['catalog.json', 'items.jsonl', 'vectors.safetensors']
  if (model) names.push('model/ferry.json', 'model/items.jsonl', 'model/model.safetensors')
  return Object.fromEntries(names.map((name) => [name, new Uint8Array(readFileSync(join(modelShop, name)))]))
}

/** Histories, and what `ferry recommend` gave for them: {events, options, model, gives}. */
export const readLists = () =>
  readFileSync(join(golden, 'model/lists.jsonl'), 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line))

/** The same, why: `gives` has explanations, the history and, if there is one, the counterfactual. */
export const readExplanations = () =>
  readFileSync(join(golden, 'model/explanations.jsonl'), 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line))

/** `options` of a list, as recommend() takes them. */
export const optionsOf = ({ options: { domains, ...rest } }) => ({ ...rest, ...(domains && { domain: domains }) })

// ---- numbers -----------------------------------------------------------------------------------

/** FNV-1a, 64 bits, over bytes; as 16 hexadecimal digits. */
export function fnv1a64(bytes) {
  // In two halves of 32 bits: BigInt would take seconds. The prime is 2^40 + 0x1b3.
  let high = 0xcbf29ce4
  let low = 0x84222325
  for (const byte of bytes) {
    low = (low ^ byte) >>> 0
    const product = low * 0x1b3 // < 2^41
    const carry = Math.floor(product / 2 ** 32)
    high = (Math.imul(high, 0x1b3) + carry + (low << 8)) >>> 0
    low = product >>> 0
  }
  return high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0')
}

export function cosine(a, b) {
  let dot = 0
  let aa = 0
  let bb = 0
  for (let i = 0; i < a.length; i++) {
    dot += a[i] * b[i]
    aa += a[i] * a[i]
    bb += b[i] * b[i]
  }
  return dot / Math.sqrt(aa * bb)
}

const recorded = (name) => /\b[0-9a-f]{16}\b/.exec(readFileSync(join(golden, name), 'utf8'))[0]

/** The golden: texts, their ids, their embeddings by sentence-transformers, our own hashes. */
export function readGolden() {
  const lines = readFileSync(join(golden, 'text.jsonl'), 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line))
  const { embeddings } = readSafetensors(join(golden, 'text.safetensors'))
  return {
    texts: lines.map(({ text }) => text),
    ids: lines.map(({ ids }) => ids),
    embeddings,
    hash: recorded('text.hash'),
    int8Hash: recorded('text.int8.hash'),
  }
}

/** How far vectors are from the golden: worst cosine and largest difference. */
export function distance(vectors, { shape: [count, dimension], values }) {
  if (vectors.length !== count) throw new Error(`${vectors.length} vectors for ${count} texts`)
  let worst = 1
  let largest = 0
  for (const [i, vector] of vectors.entries()) {
    const expected = values.subarray(i * dimension, (i + 1) * dimension)
    if (vector.length !== dimension) throw new Error(`vector ${i} has ${vector.length} values`)
    worst = Math.min(worst, cosine(vector, expected))
    for (let j = 0; j < dimension; j++) {
      const difference = Math.abs(vector[j] - expected[j])
      if (!(difference <= largest)) largest = difference // NaN counts
    }
  }
  return { worst, largest }
}
