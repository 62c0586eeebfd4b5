/* Catalogues made in JavaScript: the bytes of the native command line, what is refused, progress, abort. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { after, before } from 'node:test'
import { Ferry, FerryError } from '../../web/dist/index.js'
import { png, wav } from '../media.mjs'
import { buildsHere, catalogFiles, directory, failureOf, golden, root } from '../support.mjs'

const refusedWith = (promise, op, code, message) => assert.rejects(promise, failureOf(FerryError)(code, op, message))
const native = join(root, 'build/native/ferry')
const models = { text: join(golden, 'tiny-bert/gelu-mean'), image: join(golden, 'tiny-efficientnet'), audio: join(golden, 'tiny-musicnn') }
const names = ['catalog.json', 'items.jsonl', 'vectors.safetensors']
const RATE = 16000

// ---- pictures and sounds, and their files ------------------------------------------------------

function picture(seed) {
  const [width, height] = [20 + seed, 31 - seed]
  const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => (i * (seed + 3)) ^ (i >> (seed % 5)))
  return { data, width, height }
}

const sound = (seed) =>
  Float32Array.from({ length: 2.5 * RATE }, (_, i) => ((i * (seed + 1)) % 97) / 128 - 0.3 * Math.fround(((i >> seed) % 31) / 31))

/*
 * Two that are none, one whose picture is missing, one whose picture is broken, one of pictures alone,
 * one of which there is nothing; tags, other fields, other scripts.
 */
const ITEMS = [
  { id: 'spoon', domain: 'home', title: 'A wooden spoon', tags: ['kitchen', 'wood'], image: '1.png', audio: '1.wav' },
  { title: 'No id' },
  { id: 'fork', domain: 'home', title: 'A steel fork', author: 'Ann', image: 'none.png', price: 7.25, old: null },
  { id: 'spoon', domain: 'home', title: 'The same id' },
  { id: 'spoon', domain: 'toys', title: 'A toy spoon', description: 'For dolls | and “bears”', image: '2.png' },
  { id: 7, title: 'A number, and no domain', audio: '2.wav', sizes: [1, { deep: 'ß' }] },
  { id: 'kite', domain: 'toys', title: '红色的风筝', image: 'broken.png', names: { de: 'Drachen' } },
  { id: 'picture', domain: 'art', image: '3.png' },
  { id: 'nothing', domain: 'empty', image: 'none.png' },
  { id: 'drum', domain: 'toys', title: 'A tin drum', image: '4.png', audio: '3.wav' },
]
const FILES = {
  'items.jsonl': ITEMS.map((item) => `${JSON.stringify(item)}\n`).join(''),
  'broken.png': png(picture(5)).subarray(0, 60),
  ...Object.fromEntries([1, 2, 3, 4].map((seed) => [`${seed}.png`, png(picture(seed))])),
  ...Object.fromEntries([1, 2, 3].map((seed) => [`${seed}.wav`, wav(sound(seed))])),
}

async function read(item, modality) {
  const name = item[modality]
  if (!name) return null
  if (name === 'none.png') throw new Error('none.png is not there')
  if (name === 'broken.png') return { ...picture(5), width: 7 }
  const seed = Number.parseInt(name)
  return modality === 'image' ? picture(seed) : { samples: sound(seed), sampleRate: RATE }
}

let ferry
const encoders = {}
before(async () => {
  ferry = await Ferry.load()
  for (const modality of Object.keys(models)) encoders[modality] = await ferry.encoder(models[modality])
})
after(() => ferry.close())

const skip = !existsSync(native) && 'build/native/ferry is not built'

/** What `ferry catalog` writes of the same. */
function byCommand(t, modalities, ...options) {
  const path = directory(t, FILES)
  const out = join(path, 'out')
  const args = modalities.flatMap((modality) => [`--${modality}-model`, models[modality]])
  const { status, stderr } = spawnSync(native, ['catalog', '--items', join(path, 'items.jsonl'), ...args, '--out', out, ...options])
  assert.equal(status, 0, String(stderr))
  return Object.fromEntries(names.map((name) => [name, new Uint8Array(readFileSync(join(out, name)))]))
}

const CASES = [
  { name: 'texts alone', modalities: ['text'], count: 8 },
  { name: 'pictures alone', modalities: ['image'], count: 4 },
  { name: 'texts and pictures, weighed', modalities: ['text', 'image'], weights: { image: 0.4, text: 1.5 }, count: 7 },
  { name: 'texts, pictures and sounds', modalities: ['text', 'image', 'audio'], count: 7 },
]
for (const { name, modalities, weights, count } of CASES) {
  test(`the bytes of the native command line: ${name}`, { skip }, async (t) => {
    const of = Object.fromEntries(modalities.map((modality) => [modality, encoders[modality]]))
    const weighed = Object.entries(weights ?? {}).flatMap(([modality, weight]) => ['--modality-weight', `${modality}=${weight}`])
    const expected = byCommand(t, modalities, ...weighed)
    const made = await ferry.catalog(ITEMS, { ...of, read, weights })
    assert.equal(made.count, count)
    assert.deepEqual(Object.keys(made.files), names)
    for (const file of names) assert.deepEqual(Buffer.from(made.files[file]), Buffer.from(expected[file]), file)
  })
}

test('all builds make the same bytes', async (t) => {
  const expected = await ferry.catalog(ITEMS, { ...encoders, read })
  for (const { kernels, skip } of await buildsHere(Ferry)) {
    await t.test(kernels, { skip }, async () => {
      const other = await Ferry.load({ kernels, threads: 1 })
      const of = {}
      for (const modality of Object.keys(models)) of[modality] = await other.encoder(models[modality])
      assert.deepEqual(await other.catalog(ITEMS, { ...of, read }), expected)
      other.close()
    })
  }
})

test('what is refused is told, with the item it is of; the catalogue opens and recommends', async (t) => {
  const { files, count, refused } = await ferry.catalog(ITEMS, { ...encoders, read })
  const told = refused.map(({ item, index, modality, reason }) => {
    assert.equal(item, ITEMS[index])
    return [index, modality, reason.replace(/(no id|already in|cannot|37 x|7 x).*/, '$1')]
  })
  assert.deepEqual(told, [
    [1, undefined, 'no id'],
    [3, undefined, 'id "spoon" is already in'],
    [2, 'image', 'none.png is not there'],
    [6, 'image', 'image: 1950 bytes are no 7 x'],
    [8, 'image', 'none.png is not there'],
    [8, undefined, 'nothing of it can be encoded'],
  ])
  const shop = await ferry.open(files)
  assert.equal(shop.count, count)
  assert.deepEqual(shop.segments.map(({ modality, model, weight }) => [modality, model, weight.toFixed(2)]), [
    ['text', 'gelu-mean', '0.40'], ['image', 'tiny-efficientnet', '0.40'], ['audio', 'tiny-musicnn', '0.20'],
  ])
  assert.deepEqual(shop.domains, [{ name: 'art', count: 1 }, { name: 'home', count: 2 }, { name: 'items', count: 1 }, { name: 'toys', count: 3 }])
  assert.deepEqual(await shop.item('toys', 'kite'), { id: 'kite', domain: 'toys', title: '红色的风筝', image: 'broken.png', names: { de: 'Drachen' } })
  assert.equal((await shop.item('items', '7')).sizes[1].deep, 'ß')
  const me = shop.visitor()
  me.add({ item: 'drum' })
  const { items } = await me.recommend({ k: 20, explain: true })
  assert.equal(items.length, count - 1)
  assert.deepEqual(items.find(({ id }) => id === 'picture').modalities, ['image'])
  const [like] = await shop.nearest(await encoders.image.encodeImage(picture(3)), { modality: 'image', k: 1 })
  assert.deepEqual([like.id, like.score.toFixed(5)], ['picture', '1.00000'])
  const other = await ferry.open(directory(t, files)) // as it was saved
  assert.deepEqual(await other.items(), await shop.items())
  shop.close()
  other.close()
})

test('models are named by where they come from, or as is said', async () => {
  const { text } = encoders
  assert.equal(text.source, models.text)
  const modelOf = async (options) => {
    const shop = await ferry.open((await ferry.catalog(ITEMS, options)).files)
    return shop.segments[0].model
  }
  assert.equal(await modelOf({ text }), 'gelu-mean')
  assert.equal(await modelOf({ text, models: { text: 'mine' } }), 'mine')
  const bytes = Object.fromEntries(
    ['config.json', 'model.safetensors', 'tokenizer.json'].map((name) => [name, readFileSync(join(models.text, name))]),
  )
  const unnamed = await ferry.encoder(bytes)
  assert.equal(await modelOf({ text: unnamed }), '')
  unnamed.close()
})

test('progress: each modality to its end, one fraction over all', async () => {
  const told = []
  await ferry.catalog(ITEMS, { ...encoders, read, onProgress: (progress) => told.push(progress) })
  for (const modality of ['text', 'image', 'audio']) {
    const of = told.filter((progress) => progress.modality === modality)
    assert.ok(of.length > 0 && of.every(({ loaded, total }) => total === 8 && loaded <= total), modality)
    assert.equal(of.at(-1).loaded, 8)
    if (modality !== 'text') assert.deepEqual(of.map(({ loaded }) => loaded), [1, 2, 3, 4, 5, 6, 7, 8])
  }
  const fractions = told.map(({ fraction }) => fraction)
  assert.deepEqual(fractions, [...fractions].sort((a, b) => a - b))
  assert.equal(fractions.at(-1), 1)
})

test('abort at half: rejects with the reason, reads no more, and everything stays usable', async () => {
  const before = await ferry.catalog(ITEMS, { ...encoders, read })
  for (const modality of ['text', 'image', 'audio']) {
    const controller = new AbortController()
    const reason = new Error('enough')
    let reads = 0
    const stopped = ferry.catalog(ITEMS, {
      ...encoders,
      signal: controller.signal,
      read: (...args) => (reads++, read(...args)),
      onProgress: (progress) => progress.modality === modality && progress.loaded >= 4 && controller.abort(reason),
    })
    await assert.rejects(stopped, reason)
    const expected = { text: 0, image: 5, audio: 13 }[modality] // one is read ahead
    assert.equal(reads, expected)
  }
  const given = new AbortController()
  const waiting = ferry.catalog(ITEMS, { image: encoders.image, signal: given.signal, read: () => (given.abort(), new Promise(() => undefined)) })
  await assert.rejects(waiting, { name: 'AbortError' }, 'whatever read waits for')
  await assert.rejects(ferry.catalog(ITEMS, { ...encoders, read, signal: AbortSignal.abort(new Error('before')) }), /before/)
  assert.deepEqual(await ferry.catalog(ITEMS, { ...encoders, read }), before)
})

test('misuse is named', async () => {
  const wrong = (items, options, message) => refusedWith(ferry.catalog(items, options), 'ferry.catalog', 'INVALID_ARGUMENT', message)
  const { text, image } = encoders
  await wrong(ITEMS, { text, audoi: encoders.audio }, /unknown field "audoi"; there are text, image, audio/)
  await wrong(ITEMS, undefined, /not an object/)
  await wrong(ITEMS, {}, /no encoder is given/)
  await wrong(ITEMS, { text: image }, /text is no encoder of texts/)
  await wrong(ITEMS, { image: {} , read }, /image is no encoder of images/)
  await wrong(ITEMS, { image }, /read is not a function/)
  await wrong(ITEMS, { text, weights: { smell: 1 } }, /weights: unknown field "smell"/)
  await wrong(ITEMS, { text, weights: { image: 1 } }, /weights is of "image", of which there is no encoder/)
  await wrong(ITEMS, { text, weights: { text: 0 } }, /a weight is 0/)
  await wrong(ITEMS, { text, weights: { text: NaN } }, /a weight is NaN/)
  await wrong(ITEMS, { text, models: { text: 7 } }, /models.text is 7, not a string/)
  await wrong('items', { text }, /items is not an array/)
  await wrong([], { text }, /no items/)
  await wrong([{ title: 'No id' }, 7, undefined, null, 'x'], { text }, /no items/)
  const loop = {}
  loop.self = loop
  await wrong([{ id: 'a' }, loop], { text }, /items\[1\] cannot be written as JSON/)
  await wrong([{ id: 'a', domain: 'd' }], { image, read: () => null }, /of 1 items none could be encoded/)
  const { refused } = await ferry.catalog([{ id: 'a', title: 'A' }, 7, undefined, { id: 'a' }], { text })
  assert.deepEqual(refused.map(({ index }) => index), [1, 2, 3])

  const closed = await ferry.encoder(models.text)
  closed.close()
  await refusedWith(ferry.catalog(ITEMS, { text: closed }), 'encoder.encode', 'INVALID_ARGUMENT', /closed/)
  const gone = await Ferry.load({ threads: 1 })
  const other = await gone.encoder(models.image)
  const made = gone.catalog(ITEMS, { image: other, read, onProgress: ({ loaded }) => loaded === 2 && gone.close() })
  await assert.rejects(made, (error) => error instanceof FerryError && ['CANCELLED', 'INVALID_ARGUMENT'].includes(error.code))
})

test('a catalogue of many items, and one made again of an opened one', async () => {
  const items = Array.from({ length: 3000 }, (_, i) => ({ id: `i${i}`, domain: `d${i % 5}`, title: `Thing ${i % 10} of ${i}` }))
  const { files, count, refused } = await ferry.catalog(items, { text: encoders.text })
  assert.deepEqual([count, refused], [3000, []])
  const shop = await ferry.open(files)
  const again = await ferry.catalog(await shop.items(), { text: encoders.text })
  assert.deepEqual(again.files, files)
  shop.close()
  const tiny = catalogFiles() // another catalogue is not disturbed
  const opened = await ferry.open(Object.fromEntries(Object.entries(tiny).map(([name, data]) => [name, new Uint8Array(Buffer.from(data))])))
  assert.equal(opened.count, 8)
  opened.close()
})
