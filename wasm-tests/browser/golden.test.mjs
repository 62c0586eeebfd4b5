import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { distance, fnv1a64, golden, int8Model, model, readGolden, readSafetensors, skipWithout } from '../support.mjs'
import { blankPage, launch, noChromium } from './chromium.mjs'

const skip = noChromium || skipWithout(join(model, 'model.safetensors'))

/** Encodes in the page; what comes back are numbers, for the page cannot hand over memory. */
function encodeInPage({ kernels, threads, batch = Infinity, source, texts }) {
  return import('/dist/index.js').then(async ({ Ferry }) => {
    const ferry = await Ferry.load({ kernels, threads })
    const reports = []
    const encoder = await ferry.encoder(source, { onProgress: ({ fraction }) => reports.push(fraction) })
    const ids = []
    for (const text of texts) ids.push(await encoder.tokenize(text))
    const vectors = []
    for (let i = 0; i < texts.length; i += batch) vectors.push(...(await encoder.encode(texts.slice(i, i + batch))))
    const memory = await ferry.memory()
    const alone = texts.length > 1 ? (await encoder.encode([texts[1]]))[0] : undefined
    ferry.close()
    return {
      ids,
      reports,
      vectors: vectors.map((vector) => Array.from(vector)),
      alone: alone && Array.from(alone),
      build: ferry.capabilities.build,
      threads: ferry.capabilities.threads,
      memory,
    }
  })
}

const floats = (rows) => rows.map((row) => Float32Array.from(row))

test('Chromium: the golden texts, the same bits as natively and in Node', { skip }, async (t) => {
  const browser = await launch()
  t.after(() => browser.close())
  const { texts, ids, embeddings, hash } = readGolden()
  const { page, trouble } = await blankPage(t, browser, { '/model': model })

  const result = await page.evaluate(encodeInPage, { kernels: 'auto', source: '/model/', texts })
  assert.equal(result.build, 'relaxed')
  assert.deepEqual(result.ids, ids)
  const vectors = floats(result.vectors)
  const { worst, largest } = distance(vectors, embeddings)
  const bits = fnv1a64(Buffer.concat(vectors.map(({ buffer }) => new Uint8Array(buffer))))
  console.log(`Chromium relaxed: worst cosine ${worst.toFixed(9)}, largest difference ${largest.toExponential(2)}, hash ${bits}`)
  assert.ok(worst >= 0.99999, `cosine ${worst}`)
  assert.ok(largest <= 1e-4, `difference ${largest}`)
  assert.equal(bits, hash, 'the hash in native-tests/golden/text.hash')
  assert.deepEqual(Float32Array.from(result.alone), vectors[1])
  assert.ok(result.reports.length >= 2 && result.reports.at(-1) === 1)
  assert.ok(result.reports.every((fraction, i) => i === 0 || fraction >= result.reports[i - 1]))

  // Every tenth by the other builds: Node has done all of them.
  const tenth = (_, i) => i % 10 === 0
  for (const kernels of ['simd', 'scalar']) {
    const other = await page.evaluate(encodeInPage, { kernels, source: '/model/', texts: texts.filter(tenth) })
    assert.equal(other.build, kernels)
    assert.deepEqual(floats(other.vectors), vectors.filter(tenth))
  }
  assert.deepEqual(trouble, [])
})

const int8 = int8Model()

test('Chromium, int8: the same bits as natively and in Node', { skip: noChromium || int8.skip }, async (t) => {
  const browser = await launch()
  t.after(() => browser.close())
  const { texts, embeddings, int8Hash } = readGolden()
  const { page } = await blankPage(t, browser, { '/model': int8.path })
  const weights = statSync(join(int8.path, 'model.safetensors')).size
  let vectors
  for (const [threads, batch] of [[1, 64], [2, 7], [4, 1]]) {
    const whole = await page.evaluate(encodeInPage, { kernels: 'relaxed', threads, batch, source: '/model/', texts })
    vectors = floats(whole.vectors)
    const { worst } = distance(vectors, embeddings)
    const bits = fnv1a64(Buffer.concat(vectors.map(({ buffer }) => new Uint8Array(buffer))))
    console.log(`Chromium relaxed, int8, ${threads} threads, ${batch} at a time: worst cosine ${worst.toFixed(5)}, hash ${bits}`)
    assert.equal(whole.threads, threads)
    assert.ok(worst >= 0.99, `cosine ${worst}`)
    assert.equal(bits, int8Hash, 'the hash in native-tests/golden/text.int8.hash')
    assert.ok(whole.memory - weights <= 32_000_000, `${whole.memory} bytes`)
  }
  const tenth = (_, i) => i % 10 === 0
  for (const kernels of ['simd', 'scalar']) {
    const other = await page.evaluate(encodeInPage, { kernels, source: '/model/', texts: texts.filter(tenth) })
    assert.deepEqual(floats(other.vectors), vectors.filter(tenth), kernels)
  }
})

test('Chromium: a small encoder as the original gives it', { skip: noChromium }, async (t) => {
  const browser = await launch()
  t.after(() => browser.close())
  const path = join(golden, 'tiny-bert/gelu-mean')
  const { page } = await blankPage(t, browser, { '/tiny': path })
  const { embeddings } = readSafetensors(join(path, 'text.safetensors'))
  const lines = await page.evaluate(async () => (await (await fetch('/tiny/text.jsonl')).text()).trimEnd().split('\n'))
  const texts = lines.map((line) => JSON.parse(line).text)
  for (const kernels of ['relaxed', 'simd', 'scalar']) {
    const result = await page.evaluate(encodeInPage, { kernels, source: '/tiny', texts })
    const { worst, largest } = distance(floats(result.vectors), embeddings)
    assert.ok(worst >= 0.99999 && largest <= 1e-4, `${kernels}: cosine ${worst}, difference ${largest}`)
  }
})
