import assert from 'node:assert/strict'
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { after, before } from 'node:test'
import { serve } from '../../web/demo/serve.mjs'
import { Ferry, FerryError } from '../../web/dist/index.js'
import { catalogFiles, directory, distance, failureOf, golden, readSafetensors, toBytes } from '../support.mjs'

const tiny = join(golden, 'tiny-bert')
const plain = join(tiny, 'gelu-mean')

let ferry
before(async () => void (ferry = await Ferry.load()))
after(() => ferry.close())

const failure = failureOf(FerryError)

for (const name of readdirSync(tiny)) {
  test(`${name}: ids and embeddings as the originals give them, from path and URL`, async (t) => {
    const path = join(tiny, name)
    const lines = readFileSync(join(path, 'text.jsonl'), 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line))
    const { embeddings } = readSafetensors(join(path, 'text.safetensors'))
    const { server, url } = await serve({ mounts: { '/': path } })
    t.after(() => server.close())
    for (const source of [path, url]) {
      const encoder = await ferry.encoder(source, { precision: 'f32' }) // 4-bit ones are int8 otherwise
      assert.equal(encoder.dimension, embeddings.shape[1])
      for (const { text, ids } of lines) assert.deepEqual(await encoder.tokenize(text), ids, JSON.stringify(text))
      const { worst, largest } = distance(await encoder.encode(lines.map(({ text }) => text)), embeddings)
      assert.ok(worst >= 0.99999, `cosine ${worst}`)
      assert.ok(largest <= 1e-4, `difference ${largest}`)
      encoder.close()
    }
  })
}

test('a directory copied for the test: missing and broken files are named', async (t) => {
  const path = directory(t)
  const fresh = () => cpSync(plain, path, { recursive: true, force: true })
  const refuse = (code, message) => assert.rejects(ferry.encoder(path), failure(code, 'ferry.encoder', message))
  const edit = (name, change) => {
    fresh()
    writeFileSync(join(path, name), change(readFileSync(join(path, name))))
  }
  const json = (change) => (bytes) => JSON.stringify(change(JSON.parse(bytes)))

  for (const name of ['config.json', 'model.safetensors']) {
    fresh()
    rmSync(join(path, name))
    await refuse('NOT_FOUND', new RegExp(name.replace('.', '\\.')))
  }
  fresh()
  rmSync(join(path, 'tokenizer.json'))
  await refuse('NOT_FOUND', /no tokenizer\.json and no vocab\.txt/)
  edit('model.safetensors', (bytes) => bytes.subarray(0, 20000))
  await refuse('MALFORMED', /model\.safetensors/)
  edit('model.safetensors', (bytes) => bytes.subarray(0, 3))
  await refuse('MALFORMED', /model\.safetensors/)
  edit('config.json', () => '{"model_type":')
  await refuse('MALFORMED', /config\.json/)
  edit('config.json', json((config) => ({ ...config, model_type: 'llama', architectures: ['Llama'] })))
  await refuse('UNSUPPORTED', /llama/i)
  edit('config.json', json((config) => ({ ...config, hidden_act: 'swoosh' })))
  await refuse('UNSUPPORTED', /swoosh/)
  edit('modules.json', () => '[{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.WordWeights"}]')
  await refuse('UNSUPPORTED', /WordWeights/)
  edit('modules.json', () => 'nothing')
  await refuse('MALFORMED', /modules\.json/)
  edit('tokenizer.json', json((tokenizer) => ({ ...tokenizer, model: { ...tokenizer.model, type: 'Riddle' } })))
  await refuse('UNSUPPORTED', /Riddle/)

  fresh()
  const encoder = await ferry.encoder(path)
  assert.equal((await encoder.encode(['works after all that'])).length, 1)
  encoder.close()
})

test('encode: none, odd texts, the same bits alone and in any batch, its own copy', async () => {
  const encoder = await ferry.encoder(plain)
  assert.ok(encoder.maxTokens > 2)
  assert.deepEqual(await encoder.encode([]), [])
  const texts = ['', ' ', 'a', 'the lamp', '\0', '中文', '😀', '\ud800 alone', 'the '.repeat(5000), '\u0301']
  const together = await encoder.encode(texts)
  for (const [i, text] of texts.entries()) {
    const [alone] = await encoder.encode([text])
    assert.deepEqual(alone, together[i], JSON.stringify(text.slice(0, 20)))
    assert.ok(alone.every(Number.isFinite))
    assert.equal(alone.length, encoder.dimension)
  }
  const many = await encoder.encode(Array.from({ length: 1000 }, (_, i) => texts[i % texts.length]))
  for (const [i, vector] of many.entries()) assert.deepEqual(vector, together[i % texts.length])

  const refused = (value) => assert.rejects(encoder.encode(value), failure('INVALID_ARGUMENT', 'encoder.encode', /array of strings/))
  await refused('a text')
  await refused([1])
  await refused(undefined)
  await assert.rejects(encoder.encode([], { batch: 3 }), failure('INVALID_ARGUMENT', 'encoder.encode', /"batch"/))
  await assert.rejects(encoder.tokenize(1), failure('INVALID_ARGUMENT', 'encoder.tokenize', /string/))
  encoder.close()
  encoder.close()
  await assert.rejects(encoder.encode(['a']), failure('INVALID_ARGUMENT', 'encoder.encode', /closed/))
})

test('encode: progress, abort between slices, and others are served meanwhile', async () => {
  const encoder = await ferry.encoder(plain)
  const texts = Array.from({ length: 20_000 }, (_, i) => `the lamp ${i} `.repeat(8))

  const seen = []
  const controller = new AbortController()
  const long = encoder.encode(texts, {
    signal: controller.signal,
    onProgress(progress) {
      seen.push(progress)
      if (seen.length === 20) controller.abort()
    },
  })
  let finished = false
  long.catch(() => undefined).finally(() => void (finished = true))

  const shop = await ferry.open(toBytes(catalogFiles()))
  const me = shop.visitor()
  me.add({ item: 'moby' })
  assert.equal((await me.recommend({ k: 1 })).items[0].id, 'jaws')
  assert.equal(finished, false, 'recommended while the encoder was busy')

  await assert.rejects(long, { name: 'AbortError' })
  for (const [i, { loaded, total, fraction }] of seen.entries()) {
    assert.equal(total, texts.length)
    assert.equal(fraction, loaded / total)
    assert.ok(loaded > (seen[i - 1]?.loaded ?? 0))
  }
  assert.ok(seen.at(-1).loaded < texts.length)

  // The worker is free at once: it did stop.
  const start = performance.now()
  assert.equal((await encoder.encode(['a'])).length, 1)
  assert.ok(performance.now() - start < 1000)

  const closed = encoder.encode(texts)
  encoder.close()
  await assert.rejects(closed, failure('CANCELLED', 'encoder.encode', /closed/))
  shop.close()
})

test('opening an encoder can be aborted', async () => {
  const controller = new AbortController()
  const opening = ferry.encoder(plain, { signal: controller.signal })
  controller.abort()
  await assert.rejects(opening, { name: 'AbortError' })
  const encoder = await ferry.encoder(plain)
  encoder.close()
})
