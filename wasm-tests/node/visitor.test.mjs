import assert from 'node:assert/strict'
import test, { after, before } from 'node:test'
import { Ferry, FerryError } from '../../web/dist/index.js'
import { ITEMS, catalogFiles, failureOf, toBytes } from '../support.mjs'

let ferry
let shop
before(async () => {
  ferry = await Ferry.load()
  shop = await ferry.open(toBytes(catalogFiles()))
})
after(() => ferry.close())

const failure = failureOf(FerryError)
const add = (code, message) => failure(code, 'visitor.add', message)
const recommend = (code, message) => failure(code, 'visitor.recommend', message)
const ids = ({ items }) => items.map(({ domain, id }) => `${domain}/${id}`)

test('what is liked in one department is found in the others', async () => {
  const me = shop.visitor()
  me.add({ item: 'moby', domain: 'books', behavior: 'purchase' })
  const all = await me.recommend({ k: 3 })
  assert.deepEqual(ids(all), ['films/jaws', 'songs/sailor', 'films/same'])
  assert.deepEqual(all.items.map(({ rank }) => rank), [1, 2, 3])
  assert.ok(Math.abs(all.items[0].score - 1 / Math.hypot(1, 0.1, 0.2)) < 1e-6)
  assert.equal(all.items[0].title, 'Jaws')
  assert.deepEqual(all.excluded, { seen: 1, disliked: 0, duplicate: 0, filtered: 0, limited: 0 })

  assert.deepEqual(ids(await me.recommend({ domain: 'songs', k: 1 })), ['songs/sailor'])
  assert.deepEqual(ids(await me.recommend({ domain: ['songs', 'books'], k: 2 })), ['songs/sailor', 'books/same'])
  assert.deepEqual(ids(await me.recommend({ domain: 'books', k: 1, keepSeen: true })), ['books/moby'])
  me.close()
})

test('events: arrays, ratings, views, dates; a low rating pushes away', async () => {
  const me = shop.visitor()
  await me.add([
    { item: 'moby', behavior: 'view', timestamp: 1700000000 },
    { item: 'dune', behavior: 'rating', value: 5, timestamp: new Date('2024-01-01') },
    { item: 'jaws', behavior: 'rating', value: 1 },
    { item: 'burning', value: 4 },
  ])
  assert.deepEqual(ids(await me.recommend({ k: 1 })), ['films/lawrence'])
  me.close()
})

test('two visitors know nothing of each other', async () => {
  const [one, two] = [shop.visitor(), shop.visitor()]
  one.add({ item: 'moby' })
  two.add({ item: 'dune' })
  assert.deepEqual(ids(await one.recommend({ k: 1 })), ['films/jaws'])
  assert.deepEqual(ids(await two.recommend({ k: 1 })), ['films/lawrence'])
  one.close()
  assert.deepEqual(ids(await two.recommend({ k: 1 })), ['films/lawrence'])
  two.close()
})

test('k: past the catalogue gives all there are, 0 and nonsense are refused', async () => {
  const me = shop.visitor()
  me.add({ item: 'moby' })
  assert.equal((await me.recommend({ k: 1e6 })).items.length, ITEMS.length - 1)
  assert.equal((await me.recommend()).items.length, ITEMS.length - 1)
  for (const k of [0, -1, 2.5, NaN, Infinity, '3', null]) {
    await assert.rejects(me.recommend({ k }), recommend('INVALID_ARGUMENT', new RegExp(`k is ${k}, not a whole number`)))
  }
  assert.equal((await me.recommend({ k: 1 })).items.length, 1)
  me.close()
})

test('an empty history, and one that cancels out', async () => {
  const me = shop.visitor()
  await assert.rejects(me.recommend(), recommend('EMPTY_HISTORY', /./))
  me.add({ item: 'moby', behavior: 'rating', value: 3 }) // neither here nor there
  await assert.rejects(me.recommend(), recommend('EMPTY_HISTORY', /./))
  me.add({ item: 'dune' })
  assert.equal((await me.recommend({ k: 1 })).items[0].id, 'lawrence')
  me.close()
})

test('says what is wrong with an event', async () => {
  const me = shop.visitor()
  const refuse = (event, code, message) => assert.rejects(me.add(event), add(code, message))
  await refuse({ item: 'nope' }, 'NOT_FOUND', /nope/)
  await refuse({ item: 'moby', domain: 'films' }, 'NOT_FOUND', /moby/)
  await refuse({ item: 'moby', domain: 'nowhere' }, 'NOT_FOUND', /nowhere|moby/)
  await assert.rejects(me.add({ item: 'same' }), (error) => error instanceof FerryError && /same/.test(error.message))
  await refuse({ item: 'moby', behavior: 'x'.repeat(65) }, 'INVALID_ARGUMENT', /65 bytes/)
  await refuse({ item: 'moby', behavior: 1 }, 'INVALID_ARGUMENT', /behavior/)
  await refuse({ item: 'moby', behavior: 'rating' }, 'INVALID_ARGUMENT', /value|rating/)
  await refuse({ item: 'moby', behavior: 'rating', value: 6 }, 'INVALID_ARGUMENT', /6|value|rating/)
  await refuse({ item: 'moby', value: NaN }, 'INVALID_ARGUMENT', /value is NaN/)
  await refuse({ item: 'moby', timestamp: new Date('x') }, 'INVALID_ARGUMENT', /timestamp is NaN/)
  await refuse({ itme: 'moby' }, 'INVALID_ARGUMENT', /unknown field "itme".*item, domain/)
  await refuse({ item: 7 }, 'INVALID_ARGUMENT', /item/)
  await refuse(null, 'INVALID_ARGUMENT', /event/)
  await refuse([{ item: 'moby' }, { item: 'nope' }, { item: 'dune' }], 'NOT_FOUND', /event 2 of 3.*nope/)
  await assert.rejects(me.recommend({ domain: 'nowhere' }), recommend('NOT_FOUND', /nowhere/))
  await assert.rejects(me.recommend({ domain: [3] }), recommend('INVALID_ARGUMENT', /domains/))
  await assert.rejects(me.recommend({ keepSeen: 3 }), recommend('INVALID_ARGUMENT', /keepSeen/))
  await assert.rejects(me.recommend({ domain: [] }), recommend('INVALID_ARGUMENT', /empty/))
  await assert.rejects(me.recommend({ domains: ['films'] }), recommend('INVALID_ARGUMENT', /"domains"/))
  // Of all this, the first of the three remained.
  assert.deepEqual(ids(await me.recommend({ k: 1 })), ['films/jaws'])
  me.close()
})

test('a failed add that nobody awaited is told by the next recommend, once', async () => {
  const me = shop.visitor()
  me.add({ item: 'moby' })
  me.add({ item: 'nope' })
  me.add({ item: 'nope either' })
  await assert.rejects(me.recommend({ k: 1 }), add('NOT_FOUND', /"?nope/))
  assert.deepEqual(ids(await me.recommend({ k: 1 })), ['films/jaws'])

  me.add({ itme: 'wrong already here' })
  await assert.rejects(me.recommend({ k: 1 }), add('INVALID_ARGUMENT', /itme/))

  await assert.rejects(me.add({ item: 'nope' }), add('NOT_FOUND', /nope/))
  assert.deepEqual(ids(await me.recommend({ k: 1 })), ['films/jaws'], 'an awaited failure is not told twice')
  me.close()
})

test('add resolves like any promise', async () => {
  const me = shop.visitor()
  assert.equal(await me.add({ item: 'moby' }), undefined)
  assert.equal(await me.add({ item: 'nope' }).catch(({ code }) => code), 'NOT_FOUND')
  const [one] = await Promise.allSettled([me.add({ item: 'nope' })])
  assert.equal(one.status, 'rejected')
  let finished = false
  await me.add({ item: 'dune' }).finally(() => void (finished = true))
  assert.ok(finished)
  await me.recommend()
  me.close()
})

test('recommend can be aborted', async () => {
  const me = shop.visitor()
  me.add({ item: 'moby' })
  const controller = new AbortController()
  const pending = me.recommend({ signal: controller.signal })
  controller.abort()
  await assert.rejects(pending, { name: 'AbortError' })
  me.add({ item: 'nope' })
  await assert.rejects(me.recommend({ signal: AbortSignal.abort() }), { name: 'AbortError' })
  await assert.rejects(me.recommend(), add('NOT_FOUND', /nope/), 'told by the first that was not aborted')
  assert.equal((await me.recommend({ k: 2 })).items.length, 2)
  me.close()
})

test('closed things say so', async () => {
  const own = await ferry.open(toBytes(catalogFiles()))
  const [me, other] = [own.visitor(), own.visitor()]
  await me.add({ item: 'moby' })
  me.close()
  me.close()
  await assert.rejects(me.add({ item: 'moby' }), add('INVALID_ARGUMENT', /visitor is closed/))
  await assert.rejects(me.recommend(), recommend('INVALID_ARGUMENT', /visitor is closed/))
  own.close()
  await assert.rejects(other.add({ item: 'moby' }), add('INVALID_ARGUMENT', /shop is closed/))
  await assert.rejects(other.recommend(), recommend('INVALID_ARGUMENT', /shop is closed/))
})

test('an unusual title and id come through whole', async () => {
  const items = [
    { domain: 'a', id: 'one', title: '"quotes" \\ 中文 😀 \u2028', vector: [1, 0] },
    { domain: 'b', id: 'ß "é" 中', title: 'Ünï', vector: [1, 0.1] },
  ]
  const odd = await ferry.open(toBytes(catalogFiles(items)))
  const me = odd.visitor()
  await me.add({ item: items[1].id, domain: 'b' })
  const { items: found } = await me.recommend({ k: 5 })
  assert.equal(found[0].title, items[0].title)
  assert.equal((await odd.item('b', items[1].id)).title, 'Ünï')
  odd.close()
})
