import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { Ferry } from '../../web/dist/index.js'
import { buildsHere, distance, fnv1a64, int8Model, model, readGolden, skipWithout } from '../support.mjs'

const noModel = skipWithout(join(model, 'model.safetensors'))
const int8 = int8Model()
const builds = await buildsHere(Ferry)

for (const { kernels, skip } of builds) {
  test(`${kernels}, int8: the bits that every build gives`, { skip: int8.skip || skip }, async () => {
    const { texts, embeddings, int8Hash } = readGolden()
    const ferry = await Ferry.load({ kernels })
    const encoder = await ferry.encoder(int8.path)
    const vectors = await encoder.encode(texts)
    const { worst } = distance(vectors, embeddings)
    const bits = fnv1a64(new Uint8Array(vectors[0].buffer))
    console.log(`${process.version}, ${kernels}, int8: worst cosine ${worst.toFixed(5)}, hash ${bits}`)
    assert.ok(worst >= 0.99, `cosine ${worst}`)
    assert.equal(bits, int8Hash, 'the hash in native-tests/golden/text.int8.hash')
    ferry.close()
  })

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
  const [relaxed, simd, scalar] = ['relaxed', 'simd', 'scalar'].map((build) =>
    readFileSync(new URL(`../../web/dist/ferry-${build}.wasm`, import.meta.url)))
  assert.ok(!relaxed.equals(simd) && !simd.equals(scalar))
})
