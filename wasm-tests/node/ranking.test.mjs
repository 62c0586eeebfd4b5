/* What may be on a list: the options of recommend() beyond domain and k. */
import assert from 'node:assert/strict'
import test, { after, before } from 'node:test'
import { Ferry, FerryError } from '../../web/dist/index.js'
import { catalogFiles, toBytes } from '../support.mjs'

const ITEMS = [
  { domain: 'books', id: 'b0', title: 'Read already', vector: [1, 0, 0] },
  { domain: 'books', id: 'b1', title: 'The Sea', author: 'Ann', price: 12.5, tags: ['sea', 'new'], vector: [1, 0.1, 0] },
  { domain: 'books', id: 'b2', title: 'the  SEA', author: 'Bob', price: 30, tags: ['sea'], vector: [1, 0.5, 0] },
  { domain: 'books', id: 'b3', title: 'The sea, pocket', author: 'Ann', price: '7', vector: [1, 0.11, 0] },
  { domain: 'books', id: 'b4', title: 'Read  ALREADY', vector: [0.2, 1, 0] },
  { domain: 'films', id: 'f1', title: 'The Sea', author: 'Ann', tags: ['new'], vector: [1, 0.1, 0.4] },
  { domain: 'films', id: 'f2', title: 'Ähnlich', author: 'Cas', stock: true, vector: [0.4, 0, 1] },
  { domain: 'films', id: 'f3', title: 'Far away', vector: [0, 0.1, -1] },
]

let ferry
let shop
before(async () => {
  ferry = await Ferry.load()
  shop = await ferry.open(toBytes(catalogFiles(ITEMS)))
})
after(() => ferry.close())

async function reader() {
  const me = shop.visitor()
  await me.add({ item: 'b0' })
  return me
}

/** The ids, and what was removed. */
async function list(me, options) {
  const { items, excluded } = await me.recommend(options)
  return [items.map(({ id }) => id).join(' '), Object.fromEntries(Object.entries(excluded).filter(([, n]) => n > 0))]
}

test('duplicates: one title, nearly one vector, a title of the history; another domain is another thing', async () => {
  const me = await reader()
  assert.deepEqual(await list(me), ['b1 f1 f2 f3', { seen: 1, duplicate: 3 }])
  assert.deepEqual(await list(me, { duplicateCosine: 2 }), ['b1 b3 f1 f2 f3', { seen: 1, duplicate: 2 }])
  assert.deepEqual(await list(me, { keepDuplicates: true }), ['b1 b3 f1 b2 f2 b4 f3', { seen: 1 }])
  assert.deepEqual(await list(me, { keepSeen: true, domain: 'books', duplicateCosine: 2 }), ['b0 b1 b3', { duplicate: 2 }])
  me.close()
})

test('what was disliked goes, and what is like it', async () => {
  const me = await reader()
  await me.add({ item: 'b1', behavior: 'rating', value: 2 })
  const [ids, excluded] = await list(me, { keepDuplicates: true })
  assert.deepEqual([ids, excluded], ['f2 b4 f3', { seen: 2, disliked: 3 }])
  assert.deepEqual(await list(me, { keepDuplicates: true, dislikedCosine: 2, keepSeen: true, k: 3 }), ['b0 b3 f1', { disliked: 1 }])
  assert.deepEqual(await list(me, { keepDuplicates: true, keepDisliked: true, keepSeen: true, k: 3 }), ['b0 b1 b3', {}])
  await me.add({ item: 'b1' }) // a change of mind
  assert.equal((await me.recommend({ k: 9 })).excluded.disliked, 0)
  me.close()
})

test('conditions', async () => {
  const me = await reader()
  const where = async (...conditions) => (await list(me, { keepDuplicates: true, where: conditions }))[0]
  assert.equal(await where('price<20'), 'b1 b3')
  assert.equal(await where('price<20', 'price!=7'), 'b1')
  assert.equal(await where('tags has new'), 'b1 f1')
  assert.equal(await where('author=Ann', 'title~SEA'), 'b1 b3 f1')
  assert.equal(await where('title~äHN'), 'f2')
  assert.equal(await where('stock=true'), 'f2')
  assert.equal(await where('author!=Ann'), 'b2 f2 b4 f3', 'without an author it is not Ann either')
  assert.deepEqual(await list(me, { where: 'price>1e3' }), ['', { filtered: 8 }])
  assert.deepEqual(await list(me, { where: [], k: 1 }), ['b1', { seen: 1 }])
  me.close()
})

test('candidates, quotas, limits', async () => {
  const me = await reader()
  const items = await shop.items()
  assert.deepEqual(await list(me, { candidates: items.filter(({ id }) => id > 'b3') }), ['f1 f2 f3', { duplicate: 1, filtered: 4 }])
  assert.deepEqual(await list(me, { candidates: [{ id: 'f3' }, { id: 'f2', domain: 'films' }] }), ['f2 f3', { filtered: 6 }])
  assert.deepEqual(await list(me, { quotas: { films: 1, books: 0 } }), ['f1', { seen: 1, duplicate: 1, limited: 5 }])
  assert.deepEqual(await list(me, { atMost: { author: 1 } }), ['b1 f2 f3', { seen: 1, duplicate: 3, limited: 1 }])
  assert.deepEqual(await list(me, { atMost: { tags: 1 }, keepDuplicates: true, k: 4 }), ['b1 b3 f2 b4', { seen: 1, limited: 2 }])
  me.close()
})

test('diversity: the best stays first, others spread', async () => {
  const me = await reader()
  const ids = async (diversity) => (await list(me, { k: 3, diversity, keepDuplicates: true }))[0]
  assert.equal(await ids(0), 'b1 b3 f1')
  assert.equal(await ids(0.5), 'b1 f2 f1')
  assert.equal(await ids(1), 'b1 f3 b4')
  me.close()
})

test('says what is wrong with an option, and goes on', async () => {
  const me = await reader()
  for (const [options, code, message] of [
    [{ where: ['price<>3'] }, 'INVALID_ARGUMENT', /condition "price<>3": expected a value .* at character 7/],
    [{ where: [3] }, 'INVALID_ARGUMENT', /"where"/],
    [{ diversity: 1.5 }, 'INVALID_ARGUMENT', /diversity is 1.5, expected 0…1/],
    [{ diversity: NaN }, 'INVALID_ARGUMENT', /diversity is NaN/],
    [{ diversity: '0.5' }, 'INVALID_ARGUMENT', /diversity is 0.5, not a number/],
    [{ duplicateCosine: -1 }, 'INVALID_ARGUMENT', /duplicate_cosine is -1/],
    [{ keepDuplicates: 'no' }, 'INVALID_ARGUMENT', /keepDuplicates/],
    [{ quotas: { cars: 1 } }, 'NOT_FOUND', /cars/],
    [{ quotas: { films: 1.5 } }, 'INVALID_ARGUMENT', /films/],
    [{ quotas: [3] }, 'INVALID_ARGUMENT', /quotas/],
    [{ atMost: { author: 0 } }, 'INVALID_ARGUMENT', /author/],
    [{ atMost: { author: Infinity } }, 'INVALID_ARGUMENT', /author.*Infinity/],
    [{ candidates: [{ id: 'nothing' }] }, 'NOT_FOUND', /nothing/],
    [{ candidates: [{}] }, 'INVALID_ARGUMENT', /candidates/],
    [{ candidates: [] }, 'INVALID_ARGUMENT', /candidates is an empty list/],
    [{ were: ['price<3'] }, 'INVALID_ARGUMENT', /unknown field "were".*where/],
  ]) {
    await assert.rejects(me.recommend(options), (error) => {
      assert.ok(error instanceof FerryError, `${JSON.stringify(options)}: ${error?.stack ?? error}`)
      assert.deepEqual([error.code, error.op], [code, 'visitor.recommend'], `${JSON.stringify(options)}: ${error.message}`)
      assert.match(error.message, message)
      return true
    })
  }
  assert.equal((await list(me, { k: 1 }))[0], 'b1')
  me.close()
})
