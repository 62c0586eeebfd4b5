import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import test, { after, before } from 'node:test'
import { serve } from '../../web/demo/serve.mjs'
import { Ferry, FerryError } from '../../web/dist/index.js'
import { buildsHere, distance, failureOf, fnv1a64, golden, model, readSafetensors, skipWithout } from '../support.mjs'

const tiny = join(golden, 'tiny-efficientnet')
const tensors = readSafetensors(join(tiny, 'expected.safetensors'))
const images = Object.keys(tensors)
  .filter((name) => name.startsWith('image.'))
  .sort()
  .map((name) => {
    const { shape, values } = tensors[name]
    return { data: values, width: shape[1], height: shape[0] }
  })

/** The bits of several vectors, as native-tests/test_efficientnet.c takes them. */
const hash = (vectors) => fnv1a64(Buffer.concat(vectors.map(({ buffer }) => Buffer.from(buffer)))) + '\n'
const expected = {
  f32: readFileSync(join(golden, 'image.hash'), 'utf8'),
  int8: readFileSync(join(golden, 'image.int8.hash'), 'utf8'),
}

let ferry
before(async () => void (ferry = await Ferry.load()))
after(() => ferry.close())

const refused = (promise, op, code, message) => assert.rejects(promise, failureOf(FerryError)(code, op, message))

test('pictures: vectors as timm gives them, from path and URL, the bits of the native build', async (t) => {
  const { server, url } = await serve({ mounts: { '/': tiny } })
  t.after(() => server.close())
  for (const source of [tiny, url]) {
    const encoder = await ferry.encoder(source)
    assert.deepEqual([encoder.images, encoder.texts, encoder.maxTokens], [true, false, 0])
    const vectors = []
    for (const image of images) vectors.push(await encoder.encodeImage(image))
    const { worst } = distance(vectors, tensors.features)
    assert.ok(worst >= 0.99999, `cosine ${worst}`)
    assert.equal(hash(vectors), expected.f32)
    encoder.close()
  }
})

test('all builds give the same bits', async (t) => {
  for (const { kernels, skip } of await buildsHere(Ferry)) {
    await t.test(kernels, { skip }, async () => {
      const other = await Ferry.load({ kernels })
      for (const precision of ['f32', 'int8']) {
        const encoder = await other.encoder(tiny, { precision })
        assert.equal(encoder.precision, precision)
        const vectors = []
        for (const image of images) vectors.push(await encoder.encodeImage(image))
        assert.equal(hash(vectors), expected[precision])
      }
      other.close()
    })
  }
})

const pretrained = join(model, '../efficientnet-lite0')
test('EfficientNet-Lite0 takes its weights and at most 32 MB, as told', { skip: skipWithout(join(pretrained, 'model.safetensors')) }, async () => {
  for (const precision of ['f32', 'int8']) {
    for (const threads of [1, 4]) {
      const own = await Ferry.load({ threads })
      const told = await own.measure(pretrained)
      const encoder = await own.encoder(pretrained, { precision })
      await encoder.encodeImage(images[0])
      const [memory, weights] = [await own.memory(), statSync(join(pretrained, 'model.safetensors')).size]
      console.log(`${precision}, ${threads} threads: ${((memory - weights) / 1e6).toFixed(1)} MB beside ${(weights / 1e6).toFixed(1)} MB of weights`)
      assert.equal(told.memory, weights + 32_000_000)
      assert.ok(memory <= told.memory, `${memory} of ${told.memory}`)
      own.close()
    }
  }
})

test('ImageData on white, RGB and grey are one picture', async () => {
  const encoder = await ferry.encoder(tiny)
  const size = { width: 3, height: 2 }
  const rgb = await encoder.encodeImage({ ...size, data: new Uint8Array(18).fill(255) })
  assert.deepEqual(await encoder.encodeImage({ ...size, data: new Uint8ClampedArray(24) }), rgb)
  assert.deepEqual(await encoder.encodeImage({ ...size, data: new Uint8Array(6).fill(255) }), rgb)
  const [first] = images
  assert.notDeepEqual(await encoder.encodeImage(first), rgb)
  const cut = await ferry.encoder(tiny, { imageFit: 'model' })
  assert.notDeepEqual(await cut.encodeImage(first), await encoder.encodeImage(first))
  cut.close()
  encoder.close()
})

test('what is no picture, and the wrong encoder, are named', async () => {
  const encoder = await ferry.encoder(tiny)
  const data = new Uint8Array(12)
  await refused(encoder.encodeImage({ data, width: 2, height: 3 }), 'encoder.encodeImage', 'INVALID_ARGUMENT', /12 bytes are no 2 x 3/)
  await refused(encoder.encodeImage({ data, width: 0, height: 3 }), 'encoder.encodeImage', 'INVALID_ARGUMENT', /0 x 3/)
  await refused(encoder.encodeImage({ data: [1, 2, 3], width: 1, height: 1 }), 'encoder.encodeImage', 'INVALID_ARGUMENT', /Uint8Array/)
  await refused(encoder.encodeImage(undefined), 'encoder.encodeImage', 'INVALID_ARGUMENT', /Uint8Array/)
  await refused(encoder.encodeImage({ data: new Uint8Array(70000), width: 70000, height: 1 }), 'encoder.encodeImage', 'LIMIT', /65536/)
  await refused(encoder.encode(['a']), 'encoder.encode', 'UNSUPPORTED', /pictures/)
  assert.equal((await encoder.encodeImage(images[0])).length, encoder.dimension)
  encoder.close()
  await refused(encoder.encodeImage(images[0]), 'encoder.encodeImage', 'INVALID_ARGUMENT', /closed/)
  await refused(ferry.encoder(tiny, { imageFit: 'stretch' }), 'ferry.encoder', 'INVALID_ARGUMENT', /stretch/)
  const texts = await ferry.encoder(join(golden, 'tiny-bert/gelu-mean'))
  assert.deepEqual([texts.images, texts.texts], [false, true])
  await refused(texts.encodeImage(images[0]), 'encoder.encodeImage', 'UNSUPPORTED', /texts/)
  texts.close()
})
