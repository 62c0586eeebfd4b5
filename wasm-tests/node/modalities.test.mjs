/* Shops of texts and pictures: what they tell of themselves, search by one of the two, their weights. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import test, { after, before } from 'node:test'
import { Ferry, FerryError } from '../../web/dist/index.js'
import { catalogFiles, directory, failureOf, root, SEEN, segmentFiles, toBytes } from '../support.mjs'

const refused = (promise, op, code, message) => assert.rejects(promise, failureOf(FerryError)(code, op, message))
const native = join(root, 'build/native/ferry')

let ferry
let shop
before(async () => {
  ferry = await Ferry.load()
  shop = await ferry.open(toBytes(segmentFiles()))
})
after(() => ferry.close())

const unit = (v) => v.map((x) => x / Math.hypot(...v))
const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0)
const ids = (items) => items.map(({ id }) => id)

/** Cosines of pictures, counted from their mean. */
function imageCosine(a, b) {
  const have = SEEN.filter(({ image }) => image).map(({ image }) => unit(image))
  const mean = have[0].map((_, n) => have.reduce((sum, v) => sum + v[n], 0) / (have.length + 8))
  const [x, y] = [a, b].map((image) => unit(unit(image).map((one, n) => one - mean[n])))
  return dot(x, y)
}

test('a shop tells its segments, and each item what it is known by', async () => {
  assert.deepEqual(shop.segments, [
    { modality: 'text', dimension: 3, model: 'test', weight: 0.5 },
    { modality: 'image', dimension: 4, model: 'test', weight: 0.5 },
  ])
  assert.equal(shop.dimension, 7)
  const texts = await ferry.open(toBytes(catalogFiles()))
  assert.deepEqual(texts.segments, [{ modality: 'text', dimension: 3, model: 'test', weight: 1 }])
  const me = texts.visitor()
  me.add({ item: 'moby' })
  for (const item of (await me.recommend()).items) assert.equal(item.modalities, undefined)
  texts.close()
  const found = await shop.nearest('moby')
  for (const { id, domain, modalities } of found) {
    const { text, image } = SEEN.find((item) => item.id === id && item.domain === domain)
    assert.deepEqual(modalities, [...(text ? ['text'] : []), ...(image ? ['image'] : [])])
  }
})

test('nearest: to an encoder\'s vector, and to an item, by one modality or all', async () => {
  const photo = Float32Array.from([0, 3, 25, 1])
  const found = await shop.nearest(photo, { modality: 'image' })
  const expected = SEEN.filter(({ image }) => image)
    .map(({ id, domain, image }) => ({ id, domain, score: imageCosine([...photo], image) }))
    .sort((a, b) => b.score - a.score)
  assert.deepEqual(ids(found), ids(expected))
  found.forEach(({ score, rank }, i) => {
    assert.equal(rank, i + 1)
    assert.ok(Math.abs(score - expected[i].score) < 1e-5)
  })
  assert.deepEqual(await shop.nearest(photo.map((x) => 4 * x), { modality: 'image' }), found, 'of any length')
  const films = await shop.nearest(photo, { modality: 'image', domain: 'films', k: 2 })
  assert.deepEqual(ids(films), ids(found.filter(({ domain }) => domain === 'films').slice(0, 2)))
  assert.deepEqual(ids(await shop.nearest(Float32Array.of(1, 0, 0), { k: 1 })), ['moby'], 'of texts by default')

  const like = await shop.nearest({ item: 'moby', domain: 'books' }, { modality: 'image', k: 1000 })
  assert.ok(!ids(like).includes('moby') && !ids(like).includes('dune'))
  assert.equal(like.length, SEEN.length - 2)
  assert.equal((await shop.nearest('moby', { k: 1000 })).length, SEEN.length - 1, 'by all, also those without a picture')

  await refused(shop.nearest(photo), 'shop.nearest', 'INVALID_ARGUMENT', /4 numbers.*have 3/)
  await refused(shop.nearest(photo, { modality: 'audio' }), 'shop.nearest', 'NOT_FOUND', /audio/)
  await refused(shop.nearest(photo, { modality: 'smell' }), 'shop.nearest', 'INVALID_ARGUMENT', /smell/)
  await refused(shop.nearest(photo, { model: 'image' }), 'shop.nearest', 'INVALID_ARGUMENT', /unknown field "model"/)
  await refused(shop.nearest(photo, { modality: 'image', k: 0 }), 'shop.nearest', 'INVALID_ARGUMENT', /k is 0/)
  await refused(shop.nearest(photo, { modality: 'image', domain: 'cars' }), 'shop.nearest', 'NOT_FOUND', /cars/)
  await refused(shop.nearest(new Float32Array(4), { modality: 'image' }), 'shop.nearest', 'INVALID_ARGUMENT', /nowhere/)
  await refused(shop.nearest('dune', { modality: 'image' }), 'shop.nearest', 'NOT_FOUND', /nothing of the modalities/)
  await refused(shop.nearest('nothing'), 'shop.nearest', 'NOT_FOUND', /nothing/)
  await refused(shop.nearest(7), 'shop.nearest', 'INVALID_ARGUMENT', /not an object/)
  const reason = new Error('enough')
  await assert.rejects(shop.nearest(photo, { modality: 'image', signal: AbortSignal.abort(reason) }), reason)
})

test('the weight of pictures against words, and what explains a score by it', async () => {
  const me = shop.visitor()
  me.add([{ item: 'moby' }, { item: 'sailor', behavior: 'view' }])
  const by = (image) => me.recommend({ modalityWeights: { image }, k: 100, keepDuplicates: true, explain: true })
  const [words, both, pictures] = [await by(0), await by(0.5), await by(1)]
  const dune = ({ items }) => items.find(({ id }) => id === 'dune').score
  const burning = ({ items }) => items.find(({ id }) => id === 'burning').score
  assert.equal(dune(pictures), 0)
  assert.equal(burning(words), 0)
  assert.notEqual(dune(words), 0)
  assert.notEqual(burning(pictures), 0)
  for (const [list, groups] of [[words, ['words']], [both, ['words', 'picture']], [pictures, ['picture']]]) {
    const told = new Set(list.items.flatMap(({ explanation }) => Object.keys(explanation.percent)))
    assert.deepEqual([...told].sort(), [...groups].sort())
    for (const { explanation, score } of list.items) {
      const sum = explanation.events.reduce((all, event) => all + event.sum, explanation.constant)
      assert.ok(Math.abs(sum - score) < 1e-5)
    }
  }
  assert.ok(both.items.some(({ explanation }) => / % words, \d+ % picture| % picture, \d+ % words/.test(explanation.sentence)))
  await refused(me.recommend({ modalityWeights: { image: 2 } }), 'visitor.recommend', 'INVALID_ARGUMENT', /image.*2/)
  await refused(me.recommend({ modalityWeights: { smell: 1 } }), 'visitor.recommend', 'INVALID_ARGUMENT', /smell/)
  await refused(me.recommend({ modalityWeights: { audio: 1 } }), 'visitor.recommend', 'NOT_FOUND', /audio/)
  await refused(me.recommend({ modalityWeights: { image: NaN } }), 'visitor.recommend', 'INVALID_ARGUMENT', /NaN/)
  me.close()
})

const skip = !existsSync(native) && 'build/native/ferry is not built'

test('the scores of the native command line, to the bit', { skip }, async (t) => {
  const path = directory(t, segmentFiles())
  const run = (...args) => {
    const { stdout, stderr, status } = spawnSync(native, [args[0], '--catalog', path, '--json', '-q', ...args.slice(1)])
    assert.equal(status, 0, String(stderr))
    return JSON.parse(stdout).items
  }
  const me = shop.visitor()
  me.add({ item: 'moby', behavior: 'like' })
  for (const image of [0, 0.3, 0.9, 1]) {
    const { items } = await me.recommend({ modalityWeights: { image }, k: 50 })
    assert.deepEqual(items, run('recommend', '--like', 'moby', '-k', '50', '--modality-weight', `image=${image}`))
  }
  assert.deepEqual((await me.recommend({ k: 50 })).items, run('recommend', '--like', 'moby', '-k', '50'))
  assert.deepEqual(await shop.nearest('moby', { modality: 'image' }), run('search', '--like', 'moby', '--modality', 'image'))
  me.close()
})
