import assert from 'node:assert/strict'
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { after, before } from 'node:test'
import { Ferry, FerryError } from '../../web/dist/index.js'
import { directory, distance, failureOf, golden, readSafetensors } from '../support.mjs'

const tiny = join(golden, 'tiny-bert', 'unigram-int4')
const models = process.env.FERRY_MODELS ?? new URL('../../.deps/models', import.meta.url).pathname
const e5 = join(models, 'multilingual-e5-small')

let ferry
before(async () => void (ferry = await Ferry.load()))
after(() => ferry.close())

const read = (folder, name) => ({
  lines: readFileSync(join(folder, `${name}.jsonl`), 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line)),
  embeddings: readSafetensors(join(folder, `${name}.safetensors`)).embeddings,
})

async function check(path, options, { lines, embeddings }, least) {
  const encoder = await ferry.encoder(path, options)
  for (const { text, ids } of lines) assert.deepEqual(await encoder.tokenize(text), ids, JSON.stringify(text))
  const { worst } = distance(await encoder.encode(lines.map(({ text }) => text)), embeddings)
  assert.ok(worst >= least, `cosine ${worst}`)
  encoder.close()
}

test('4-bit weights, a Unigram tokenizer and prompts, as the originals give them', async () => {
  await check(tiny, { precision: 'f32' }, read(tiny, 'text'), 0.99999)
  await check(tiny, {}, read(tiny, 'text'), 0.99)
  await check(tiny, { precision: 'f32', prompt: 'query' }, read(tiny, 'text'), 0.99999)
  await check(tiny, { precision: 'f32', prompt: 'passage' }, read(tiny, 'passage'), 0.99999)
})

test('an unknown prompt or center is refused by name', async () => {
  const refused = (code, message) => failureOf(FerryError)(code, 'ferry.encoder', message)
  await assert.rejects(ferry.encoder(tiny, { prompt: 'riddle' }), refused('NOT_FOUND', /"riddle"; known: query, passage/))
  await assert.rejects(ferry.encoder(tiny, { center: 'de' }), refused('NOT_FOUND', /centers\.safetensors is missing/))
  await assert.rejects(ferry.encoder(tiny, { prompt: 7 }), refused('INVALID_ARGUMENT', /prompt is not a string/))
})

test('a center is taken away, and the embedding normalised again', async (t) => {
  const path = directory(t)
  cpSync(tiny, path, { recursive: true })
  const mean = Float32Array.from({ length: 32 }, (_, i) => 0.01 * (i % 5))
  const header = JSON.stringify({ de: { dtype: 'F32', shape: [32], data_offsets: [0, 128] } })
  const file = Buffer.alloc(8 + header.length + 128)
  file.writeBigUInt64LE(BigInt(header.length))
  file.write(header, 8)
  Buffer.from(mean.buffer).copy(file, 8 + header.length)
  writeFileSync(join(path, 'centers.safetensors'), file)

  const vector = async (options) => {
    const encoder = await ferry.encoder(path, options)
    const [found] = await encoder.encode(['the blue lamp'])
    encoder.close()
    return found
  }
  const plain = await vector({})
  const moved = plain.map((x, i) => x - mean[i])
  const length = Math.hypot(...moved)
  for (const center of ['de', 'auto'])
    (await vector({ center })).forEach((x, i) => assert.ok(Math.abs(x - moved[i] / length) < 1e-6))
})

const skip = existsSync(join(e5, 'model.safetensors')) ? false : `no ${e5}; 'sh tools/setup languages' fetches it`
test('multilingual-e5-small agrees with the original', { skip }, () => check(e5, {}, read(golden, 'languages'), 0.997))

/* As they end up: words and what is F32 as in the file, matrices in int8 with a float for 64. */
function weightsOf(path) {
  const bytes = readFileSync(join(path, 'model.safetensors'))
  const header = Number(bytes.readBigUInt64LE())
  const tensors = Object.entries(JSON.parse(bytes.toString('utf8', 8, 8 + header)))
  return tensors.reduce((sum, [name, { dtype, shape, data_offsets: at }]) => {
    if (name === '__metadata__') return sum
    if (dtype === 'F32' || name.includes('word_embeddings')) return sum + at[1] - at[0]
    return sum + (dtype === 'U8' ? 2 * shape[0] * shape[1] * (1 + 4 / 64) : 0)
  }, 0)
}

for (const threads of [1, 4])
  test(`multilingual-e5-small, ${threads} threads: memory as told before, at most weights + 32 MB`, { skip }, async () => {
    const weights = weightsOf(e5)
    const fresh = await Ferry.load({ threads })
    const { download, memory } = await fresh.measure(e5)
    assert.ok(download < 80e6, `${download}`)
    assert.ok(memory <= weights + 32_050_000, `${memory} announced for ${weights}`) // and the header
    const encoder = await fresh.encoder(e5)
    await encoder.encode(['a red apple '.repeat(200), 'eine Birne'])
    const used = await fresh.memory()
    assert.ok(used <= memory, `${used} bytes used, ${memory} announced`)
    console.log(`multilingual-e5-small, ${threads} threads: ${[weights, used, memory].map((n) => (n / 1e6).toFixed(1)).join(', ')} MB of weights, used, announced`)
    fresh.close()
  })
