import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { Ferry } from '../../web/dist/index.js'
import { buildsHere, distance, fnv1a64, int8Model, model, readGolden, skipWithout } from '../support.mjs'

const noModel = skipWithout(join(model, 'model.safetensors'))
const int8 = int8Model()
const builds = await buildsHere(Ferry)

/** By calls of `batch` texts each. */
async function inBatches(encoder, texts, batch) {
  const vectors = []
  for (let i = 0; i < texts.length; i += batch) vectors.push(...(await encoder.encode(texts.slice(i, i + batch))))
  return vectors
}

const bitsOf = (vectors) => fnv1a64(Buffer.concat(vectors.map((v) => new Uint8Array(v.buffer, v.byteOffset, v.byteLength))))

/* [threads, texts a call]: all of them with the fastest build and int8, each of them once with the others. */
const ALL = [1, 2, 4].flatMap((threads) => [1, 7, 64].map((batch) => [threads, batch]))
const EACH = [[1, 64], [2, 7], [4, 1]]
const fastest = builds.find(({ skip }) => !skip).kernels

for (const { kernels, skip } of builds) {
  for (const [precision, path, none] of [['int8', int8.path, int8.skip], ['f32', model, noModel]]) {
    // Without SIMD it takes ten times as long; the test below does f32, with the default number of threads.
    const scalar = precision === 'int8' ? [[2, 64]] : []
    const tried = kernels === 'scalar' ? scalar : kernels === fastest && precision === 'int8' ? ALL : EACH
    for (const [threads, batch] of tried) {
      test(`${kernels}, ${precision}, ${threads} threads, ${batch} at a time: the same bits`, { skip: none || skip }, async () => {
        const { texts, embeddings, hash, int8Hash } = readGolden()
        const ferry = await Ferry.load({ kernels, threads })
        assert.deepEqual([ferry.capabilities.threads, ferry.capabilities.whyOneThread], [threads, undefined])
        const encoder = await ferry.encoder(path)
        assert.equal(encoder.precision, precision)
        const vectors = await inBatches(encoder, texts, batch)
        const { worst } = distance(vectors, embeddings)
        const bits = bitsOf(vectors)
        console.log(`${process.version}, ${kernels}, ${precision}, ${threads} threads, ${batch} at a time: `
          + `worst cosine ${worst.toFixed(5)}, hash ${bits}`)
        assert.ok(worst >= 0.99, `cosine ${worst}`)
        assert.equal(bits, precision === 'int8' ? int8Hash : hash, 'the hash in native-tests/golden')
        ferry.close()
      })
    }
  }

  test(`${kernels}: the golden texts as sentence-transformers encodes them`, { skip: noModel || skip }, async () => {
    const { texts, ids, embeddings, hash } = readGolden()
    const ferry = await Ferry.load({ kernels })
    const reports = []
    const encoder = await ferry.encoder(model, { onProgress: (progress) => reports.push(progress) })
    assert.deepEqual([encoder.dimension, encoder.maxTokens], [384, 256])
    assert.ok(reports.length >= 2 && reports.at(-1).fraction === 1)
    assert.ok(reports.every(({ fraction }, i) => i === 0 || fraction >= reports[i - 1].fraction))

    for (const [i, text] of texts.entries()) assert.deepEqual(await encoder.tokenize(text), ids[i], text)
    const start = performance.now()
    const vectors = await encoder.encode(texts)
    const seconds = ((performance.now() - start) / 1000).toFixed(1)
    const { worst, largest } = distance(vectors, embeddings)
    const bytes = new Uint8Array(vectors[0].buffer)
    const bits = fnv1a64(bytes)
    console.log(`${kernels}: worst cosine ${worst.toFixed(9)}, largest difference ${largest.toExponential(2)}, `
      + `hash ${bits}, ${seconds} s for ${texts.length} texts`)
    assert.ok(worst >= 0.99999, `cosine ${worst}`)
    assert.ok(largest <= 1e-4, `difference ${largest}`)
    assert.equal(bytes.length, embeddings.values.length * 4)
    assert.equal(bits, hash, 'the hash in native-tests/golden/text.hash')

    for (let i = 0; i < texts.length; i += 23) {
      assert.deepEqual((await encoder.encode([texts[i]]))[0], vectors[i], 'the same bits alone')
    }
    ferry.close()
  })
}

test('the builds are different files', () => {
  const names = ['relaxed', 'simd', 'scalar'].flatMap((build) => [build, `${build}-threads`])
  const files = names.map((name) => fnv1a64(readFileSync(new URL(`../../web/dist/ferry-${name}.wasm`, import.meta.url))))
  assert.equal(new Set(files).size, 6)
})
