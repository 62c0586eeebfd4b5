import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import test, { after, before } from 'node:test'
import { serve } from '../../web/demo/serve.mjs'
import { Ferry, FerryError } from '../../web/dist/index.js'
import { png } from '../media.mjs'
import { buildsHere, directory, distance, failureOf, fnv1a64, golden, model, readSafetensors, root, skipWithout } from '../support.mjs'

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

// ---- what it shows -----------------------------------------------------------------------------

/* Native lists, of all three pictures in f32, then in int8, then of the sounds. */
const lists = readFileSync(join(golden, 'classes.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line))

test('classes: the softmax of the logits, the same numbers in all builds and natively', async (t) => {
  for (const { kernels, skip } of await buildsHere(Ferry)) {
    await t.test(kernels, { skip }, async () => {
      const other = await Ferry.load({ kernels })
      for (const [p, precision] of ['f32', 'int8'].entries()) {
        const encoder = await other.encoder(tiny, { precision })
        assert.equal(encoder.classes, 7)
        for (const [i, image] of images.entries()) {
          const expected = lists[p * images.length + i]
          assert.deepEqual(await encoder.classify(image, { k: 100 }), expected)
          assert.deepEqual(await encoder.classify(image), expected.slice(0, 5))
          assert.deepEqual(await encoder.classify(image, { k: 1 }), expected.slice(0, 1))
        }
      }
      other.close()
    })
  }
})

const command = join(root, 'build/native/ferry')
const noCommand = !existsSync(command) && 'build/native/ferry is not built'

test('classes: those of `ferry encode --logits`', { skip: noCommand }, async (t) => {
  const path = directory(t, Object.fromEntries(images.map((image, i) => [`${i}.png`, png(image)])))
  const files = images.flatMap((_, i) => ['--image', join(path, `${i}.png`)])
  const { stdout, stderr, status } = spawnSync(command, ['encode', '-q', '--model', tiny, '--logits', ...files])
  if (/decodes no pictures/.test(stderr)) return t.skip('a build without pictures')
  assert.equal(status, 0, String(stderr))
  const encoder = await ferry.encoder(tiny)
  for (const [i, line] of String(stdout).trim().split('\n').entries()) {
    const exps = JSON.parse(line).embedding.map(Math.exp)
    const sum = exps.reduce((all, exp) => all + exp)
    const found = await encoder.classify(images[i], { k: 7 })
    assert.deepEqual(found.map(({ index }) => index), exps.map((_, n) => n).sort((a, b) => exps[b] - exps[a]))
    for (const { index, score } of found) assert.ok(Math.abs(score - exps[index] / sum) < 1e-6)
  }
  encoder.close()
})

test('classes: labels are those of config.json, timm\'s or transformers\'', async () => {
  const [config, weights] = ['config.json', 'model.safetensors'].map((name) => readFileSync(join(tiny, name)))
  const names = ['tench', 'goldfish', 'shark', 'ray', 'cock', 'hen', '„ß“']
  const [expected] = lists
  for (const more of [{ label_names: names }, { id2label: { ...names } }]) {
    const json = JSON.stringify({ ...JSON.parse(config), ...more })
    const encoder = await ferry.encoder({ 'config.json': new Blob([json]), 'model.safetensors': weights })
    const found = await encoder.classify(images[0], { k: 7 })
    assert.deepEqual(found, expected.map((one) => ({ ...one, label: names[one.index] })))
    encoder.close()
  }
  const few = JSON.stringify({ ...JSON.parse(config), label_names: names.slice(1) })
  await refused(ferry.encoder({ 'config.json': new Blob([few]), 'model.safetensors': weights }), 'ferry.encoder', 'MALFORMED', /label_names/)
})

test('classes: progress, abort, and what is refused', async () => {
  const encoder = await ferry.encoder(tiny)
  const told = []
  await encoder.classify(images[0], { onProgress: (progress) => told.push(progress) })
  assert.deepEqual(told, [{ loaded: 1, total: 1, fraction: 1 }])
  const signal = AbortSignal.abort()
  await assert.rejects(encoder.classify(images[0], { signal }), { name: 'AbortError' })
  const op = 'encoder.classify'
  for (const k of [0, -1, 1.5, NaN, '3', null]) await refused(encoder.classify(images[0], { k }), op, 'INVALID_ARGUMENT', /^k is /)
  await refused(encoder.classify(images[0], { topk: 3 }), op, 'INVALID_ARGUMENT', /topk/)
  await refused(encoder.classify(images[0], { sampleRate: 3 }), op, 'INVALID_ARGUMENT', /sampleRate/)
  await refused(encoder.classify(images[0], null), op, 'INVALID_ARGUMENT', /options/)
  await refused(encoder.classify({ data: new Uint8Array(12), width: 2, height: 3 }), op, 'INVALID_ARGUMENT', /12 bytes are no 2 x 3/)
  await refused(encoder.classify(undefined), op, 'INVALID_ARGUMENT', /Uint8Array/)
  await refused(encoder.classify(new Float32Array(12)), op, 'INVALID_ARGUMENT', /Uint8Array/)
  await refused(encoder.classify({ data: new Uint8Array(70000), width: 70000, height: 1 }), op, 'LIMIT', /65536/)
  assert.deepEqual(await encoder.classify(images[0]), lists[0].slice(0, 5))
  encoder.close()
  await refused(encoder.classify(images[0]), op, 'INVALID_ARGUMENT', /closed/)
  for (const name of ['tiny-bert/gelu-mean', 'tiny-vit/dinov2', 'tiny-pairs/clip']) {
    const none = await ferry.encoder(join(golden, name))
    assert.equal(none.classes, 0)
    await refused(none.classify(images[0]), op, 'UNSUPPORTED', new RegExp(`${name} tells no classes apart`))
    none.close()
  }
})

test('EfficientNet-Lite0 tells a thousand classes apart', { skip: skipWithout(join(pretrained, 'model.safetensors')) }, async () => {
  const encoder = await ferry.encoder(pretrained)
  assert.equal(encoder.classes, 1000)
  const all = await encoder.classify(images[0], { k: 1e9 })
  assert.deepEqual(all.map(({ index }) => index).sort((a, b) => a - b), Array.from({ length: 1000 }, (_, i) => i))
  assert.ok(Math.abs(all.reduce((sum, { score }) => sum + score, 0) - 1) < 1e-5)
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
