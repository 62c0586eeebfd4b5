import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { after, before } from 'node:test'
import { serve } from '../../web/demo/serve.mjs'
import { Ferry } from '../../web/dist/index.js'
import { buildsHere, directory, distance, failureOf, fnv1a64, golden, readSafetensors } from '../support.mjs'

let ferry
before(async () => void (ferry = await Ferry.load()))
after(() => ferry.close())

const failure = failureOf((await import('../../web/dist/index.js')).FerryError)

function pair(kind) {
  const folder = join(golden, 'tiny-pairs', kind)
  const tensors = readSafetensors(join(folder, 'expected.safetensors'))
  const images = Object.keys(tensors)
    .filter((name) => name.startsWith('image.'))
    .sort()
    .map((name) => ({ data: tensors[name].values, width: tensors[name].shape[1], height: tensors[name].shape[0] }))
  const lines = readFileSync(join(folder, 'text.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line))
  return { folder, tensors, images, lines, texts: lines.map(({ text }) => text) }
}

for (const kind of ['clip', 'clip-legacy', 'siglip']) {
  test(`${kind}: texts and pictures in one space, from path and URL`, async (t) => {
    const { folder, tensors, images, lines, texts } = pair(kind)
    const { server, url } = await serve({ mounts: { '/': folder } })
    t.after(() => server.close())
    for (const source of [folder, url]) {
      const encoder = await ferry.encoder(source)
      assert.deepEqual([encoder.images, encoder.texts, encoder.maxTokens], [true, true, 24])
      for (const { text, ids } of lines) assert.deepEqual(await encoder.tokenize(text), ids)
      const vectors = await encoder.encode(texts)
      assert.ok(distance(vectors, tensors.embeddings).worst >= 0.99999)
      const pictures = []
      for (const image of images) pictures.push(await encoder.encodeImage(image))
      assert.ok(distance(pictures, tensors.features).worst >= 0.99999)
      const found = await encoder.compare(pictures, vectors)
      found.forEach((row, i) =>
        row.forEach((p, j) => assert.ok(Math.abs(p - tensors.probabilities.values[i * texts.length + j]) < 1e-4)),
      )
      assert.deepEqual(await encoder.compare([], vectors), [])
      assert.deepEqual(await encoder.compare(pictures.slice(0, 1), []), [new Float32Array(0)])
      encoder.close()
    }
  })
}

const hashes = readFileSync(join(golden, 'pairs.hash'), 'utf8')

test('all builds give the bits of the native one', async (t) => {
  for (const { kernels, skip } of await buildsHere(Ferry)) {
    await t.test(kernels, { skip }, async () => {
      const other = await Ferry.load({ kernels })
      for (const kind of ['clip', 'siglip']) {
        const { folder, images, texts } = pair(kind)
        const encoder = await other.encoder(folder)
        const vectors = [...(await encoder.encode(texts))]
        for (const image of images) vectors.push(await encoder.encodeImage(image))
        const bytes = vectors.map((v) => Buffer.from(v.buffer, v.byteOffset, v.byteLength))
        assert.ok(hashes.includes(`${kind} ${fnv1a64(Buffer.concat(bytes))}\n`))
      }
      other.close()
    })
  }
})

test('without a tokenizer, pictures alone; what does not fit is named', async (t) => {
  const { folder, images } = pair('clip')
  const names = ['config.json', 'model.safetensors', 'preprocessor_config.json']
  const bare = directory(t, Object.fromEntries(names.map((name) => [name, readFileSync(join(folder, name))])))
  const encoder = await ferry.encoder(bare)
  assert.deepEqual([encoder.images, encoder.texts, encoder.maxTokens], [true, false, 0])
  const vector = await encoder.encodeImage(images[0])
  await assert.rejects(encoder.encode(['a']), failure('UNSUPPORTED', 'encoder.encode', /pictures/))
  await assert.rejects(encoder.compare([vector], []), failure('UNSUPPORTED', 'encoder.compare', /pictures/))
  await assert.rejects(encoder.compare([vector], [new Float32Array(3)]), failure('INVALID_ARGUMENT', 'encoder.compare', /texts/))
  await assert.rejects(encoder.compare(vector, []), failure('INVALID_ARGUMENT', 'encoder.compare', /images/))
  encoder.close()
})
