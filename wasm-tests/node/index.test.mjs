/* ferry.index() against brute force by the definition, which is also what the native tests hold theirs to. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { Ferry, FerryError } from '../../web/dist/index.js'
import { buildsHere, failureOf } from '../support.mjs'

const K = 21
const ROWS = 5000 // two chunks
const f = Math.fround

let state = 3
const random = () => f(((state = (state * 48271) % 2147483647) / 2147483647 - 0.5) * 2)
const vectors = Array.from({ length: ROWS }, () => Float32Array.from({ length: K }, random))
for (let i = 4; i < ROWS; i += 5) vectors[i] = vectors[i - 3] // ties
const ids = vectors.map((_, i) => ((i * 7919) % ROWS) * 2 ** 35)
const queries = Array.from({ length: 70 }, () => Float32Array.from({ length: K }, random))

const even = (x) => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x))

function quantised(vector) {
  const most = vector.reduce((a, x) => Math.max(a, Math.abs(x)), 0)
  const inverse = f(127 / most)
  return { q: Array.from(vector, (x) => even(f(x * inverse))), scale: f(most / 127) }
}

const rows = vectors.map(quantised)

function brute(query, present, k, candidates) {
  const { q, scale } = quantised(query)
  let all = ids.flatMap((id, i) => {
    if (!present(i)) return []
    const row = rows[i]
    const sum = row.q.reduce((total, x, j) => total + x * q[j], 0)
    const distance = row.q.reduce((total, x, j) => total + (x < 0 !== q[j] < 0), 0)
    return [{ id, score: f(f(f(sum) * row.scale) * scale), distance }]
  })
  if (candidates) all = all.sort((a, b) => a.distance - b.distance || a.id - b.id).slice(0, candidates)
  return all.sort((a, b) => b.score - a.score || a.id - b.id).slice(0, k).map(({ id, score }) => ({ id, score }))
}

const failure = failureOf(FerryError)

for (const { kernels, skip } of await buildsHere(Ferry)) {
  for (const threads of [1, 3]) {
    test(`finds what brute force finds: ${kernels}, ${threads} threads`, { skip }, async () => {
      const ferry = await Ferry.load({ kernels, threads })
      try {
        const index = await ferry.index({ dimension: K, signs: true })
        await index.add(ids, vectors)
        assert.equal(index.count, ROWS)
        const lists = await index.search(queries, { k: 7 })
        assert.equal(lists.length, queries.length)
        for (const t of [0, 1, 33, 69]) assert.deepEqual(lists[t], brute(queries[t], () => true, 7))
        assert.deepEqual(await index.search(queries[5], { k: 7 }), brute(queries[5], () => true, 7))
        assert.deepEqual(await index.search(queries[5], { candidates: 60 }), brute(queries[5], () => true, 10, 60))
        await index.remove(ids.filter((_, i) => i % 2))
        const left = (i) => i % 2 === 0
        assert.deepEqual(await index.search(queries[6], { k: 3 }), brute(queries[6], left, 3))
        await index.replace([ids[0]], queries[6])
        assert.equal((await index.search(queries[6], { k: 1 }))[0].id, ids[0])
        await index.replace([ids[0]], vectors[0])
        const bytes = await index.save()
        const again = await ferry.index({ bytes })
        assert.deepEqual([again.count, again.dimension], [ROWS / 2, K])
        assert.deepEqual(await again.search(queries[6], { k: 3 }), brute(queries[6], left, 3))
        again.close()
        index.close()
      } finally {
        ferry.close()
      }
    })
  }
}

test('an index that is empty, or smaller than what is asked for', async () => {
  const ferry = await Ferry.load({ threads: 1 })
  const index = await ferry.index({ dimension: 2 })
  assert.deepEqual(await index.search(new Float32Array(2)), [])
  assert.deepEqual(await index.search([new Float32Array(2), new Float32Array(2)]), [[], []])
  assert.deepEqual(await index.search([]), [])
  await index.add([9, 4], Float32Array.of(1, 0, 0, 1))
  assert.deepEqual((await index.search(Float32Array.of(2, 1), { k: 1e6 })).map(({ id }) => id), [9, 4])
  ferry.close()
})

test('what is refused, by name, after which the index goes on', async () => {
  const ferry = await Ferry.load({ threads: 1 })
  const bad = (options, message) =>
    assert.rejects(ferry.index(options), failure('INVALID_ARGUMENT', 'ferry.index', message))
  await bad({}, /expected a dimension, or bytes/)
  await bad({ dimension: 0 }, /dimension is 0/)
  await bad({ dimension: 70000 }, /dimension is 70000, not a whole number from 1 to 65536/)
  await bad({ dimension: 2, sign: true }, /unknown field "sign"/)
  await assert.rejects(ferry.index({ bytes: new Uint8Array(9) }), failure('MALFORMED', 'ferry.index', /index\.safetensors/))
  const index = await ferry.index({ dimension: 2 })
  await index.add([1], new Float32Array(2))
  const add = (ids, vectors, message, code = 'INVALID_ARGUMENT') =>
    assert.rejects(index.add(ids, vectors), failure(code, 'index.add', message))
  await add([1], new Float32Array(2), /id 1 is in the index already/)
  await add([2, 2], new Float32Array(4), /id 2 is given twice/)
  await add([-1], new Float32Array(2), /ids has -1/)
  await add([2 ** 53], new Float32Array(2), /ids has 9007199254740992/)
  await add([2], new Float32Array(3), /vectors: 3 numbers, expected 1 times 2 numbers/)
  await add([2], [1, 2], /no Float32Array/)
  await add([2], Float32Array.of(0, NaN), /vector 0: number 1 is nan/)
  await assert.rejects(index.remove([5]), failure('NOT_FOUND', 'index.remove', /no id 5/))
  await assert.rejects(index.replace([5], new Float32Array(2)), failure('NOT_FOUND', 'index.replace', /no id 5/))
  const search = (options, message) =>
    assert.rejects(index.search(new Float32Array(2), options), failure('INVALID_ARGUMENT', 'index.search', message))
  await search({ k: 0 }, /k is 0/)
  await search({ top: 3 }, /unknown field "top"/)
  await search({ candidates: 5 }, /made without signs/)
  assert.equal(index.count, 1)
  assert.equal((await index.search(new Float32Array(2))).length, 1)
  index.close()
  await assert.rejects(index.search(new Float32Array(2)), failure('INVALID_ARGUMENT', 'index.search', /this index is closed/))
  ferry.close()
})
