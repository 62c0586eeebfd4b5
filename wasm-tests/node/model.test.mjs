/* Shops with a trained model. The lists are those of the native command line, bit for bit. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { basename, join } from 'node:path'
import test, { after, before } from 'node:test'
import { Ferry, FerryError } from '../../web/dist/index.js'
import { buildsHere, catalogFiles, directory, failureOf, modelShop } from '../support.mjs'
import { modelShopFiles, optionsOf, readExplanations, readLists, toBytes } from '../support.mjs'

const lists = readLists()
const builds = await buildsHere(Ferry)
let ferry
before(async () => void (ferry = await Ferry.load()))
after(() => ferry.close())

const failure = failureOf(FerryError)

const inFolder = (folder, files) => Object.fromEntries(Object.entries(files).map(([name, data]) => [folder + name, data]))
const modelOf = (files) =>
  Object.fromEntries(Object.entries(files).flatMap(([name, data]) => (name.startsWith('model/') ? [[name.slice(6), data]] : [])))

/** Recommends for every list that was made with (or without) the model. */
async function check(shop, model, what) {
  for (const list of lists) {
    if (list.model !== model) continue
    const me = shop.visitor()
    me.add(list.events)
    assert.deepEqual(await me.recommend(optionsOf(list)), list.gives, `${what}: ${JSON.stringify(list.options)}`)
    me.close()
  }
}

for (const { kernels, skip } of builds) {
  for (const threads of [1, 2]) {
    test(`${kernels}, ${threads} threads: the native lists, with the model and without`, { skip }, async () => {
      const one = await Ferry.load({ kernels, threads })
      const shop = await one.open(modelShop)
      assert.deepEqual(shop.model, { learned: ['books', 'films'] })
      await check(shop, true, 'its own folder')
      await check(await one.open(modelShop, { model: false }), false, 'without')
      one.close()
    })
  }
}

for (const { kernels, skip } of builds) {
  test(`${kernels}: the native explanations and counterfactuals`, { skip }, async () => {
    const one = await Ferry.load({ kernels })
    const shops = { true: await one.open(modelShop), false: await one.open(modelShop, { model: false }) }
    for (const list of readExplanations()) {
      const me = shops[list.model].visitor()
      me.add(list.events)
      const { counterfactual, ...gives } = list.gives
      assert.deepEqual(await me.recommend(optionsOf(list)), gives, JSON.stringify(list.options))
      assert.deepEqual(await me.counterfactual(optionsOf(list)), counterfactual ?? null)
      me.close()
    }
    one.close()
  })
}

test('explanations add up, and nothing is explained unasked', async () => {
  const shop = await ferry.open(modelShop)
  const me = shop.visitor()
  me.add([{ item: 'b1', domain: 'books' }, { item: 'b5', domain: 'books', behavior: 'view' }, { item: 'f3', domain: 'films' }])
  const { items, history } = await me.recommend({ k: 20, explain: true })
  assert.deepEqual(history.map(({ id, behavior }) => [id, behavior]), [['b1', 'purchase'], ['b5', 'view'], ['f3', 'purchase']])
  for (const { score, explanation } of items) {
    const { constant, residual, events, others, percent, complete } = explanation
    let sum = constant + residual
    for (const event of events) {
      const reasons = Object.values(event.reasons).reduce((a, b) => a + b, 0)
      assert.ok(Math.abs(reasons - event.sum) < 1e-5)
      sum += event.sum
    }
    sum += Object.values(others).reduce((a, b) => a + b, 0)
    assert.ok(Math.abs(sum - score) < 1e-5 * (1 + Math.abs(constant)), `${sum}, expected ${score}`)
    assert.ok(complete && Math.abs(residual) < 1e-4)
    assert.equal(Object.values(percent).reduce((a, b) => a + b, 0), 100)
  }
  const plain = await me.recommend({ k: 1 })
  assert.equal(plain.items[0].explanation, undefined)
  assert.equal(plain.history, undefined)
  await assert.rejects(me.recommend({ explain: 'yes' }), failure('INVALID_ARGUMENT', 'visitor.recommend', /explain/))
  await assert.rejects(me.counterfactual({ domains: 'books' }), failure('INVALID_ARGUMENT', 'visitor.counterfactual', /unknown field "domains"/))
  await assert.rejects(shop.visitor().counterfactual({ domain: 'cars' }), failure('NOT_FOUND', 'visitor.counterfactual', /no domain "cars"/))
  me.close()
  await assert.rejects(me.counterfactual(), failure('INVALID_ARGUMENT', 'visitor.counterfactual', /closed/))
})

test('the model may be anywhere', async (t) => {
  const files = modelShopFiles()
  const model = modelOf(files)
  const alone = modelShopFiles({ model: false })
  const path = directory(t, model)
  for (const [what, source, options] of [
    ['bytes', files],
    ['a path in a path', directory(t, files)],
    ['another path', alone, { model: path }],
    ['other bytes', directory(t, alone), { model }],
    ['Files', alone, { model: Object.entries(model).map(([name, data]) => new File([data], name)) }],
    ['a folder of another shop', alone, { model: join(modelShop, 'model') }],
  ]) {
    const shop = await ferry.open(source, options)
    assert.deepEqual(shop.model, { learned: ['books', 'films'] }, what)
    await check(shop, true, what)
    shop.close()
  }
  const shop = await ferry.open(alone)
  assert.equal(shop.model, undefined)
  await check(shop, false, 'no model')
  await assert.rejects(shop.visitor().recommend(), failure('EMPTY_HISTORY', 'visitor.recommend', /empty/))
  shop.close()
})

test('a model for visitors who are there already; and back; the last call counts', async (t) => {
  const model = modelOf(modelShopFiles())
  const shop = await ferry.open(modelShopFiles({ model: false }))
  const [learned, plain] = [true, false].map((model) => lists.find((one) => one.model === model && one.events.length === 5))
  assert.deepEqual(learned.events, plain.events)
  const me = shop.visitor()
  me.add(plain.events)
  assert.deepEqual(await me.recommend(optionsOf(plain)), plain.gives)
  const progress = []
  await shop.useModel(model, { onProgress: ({ fraction }) => progress.push(fraction) })
  assert.equal(progress.at(-1), 1)
  assert.deepEqual(shop.model, { learned: ['books', 'films'] })
  assert.deepEqual(await me.recommend(optionsOf(learned)), learned.gives)
  await shop.useModel(model)
  assert.deepEqual(await me.recommend(optionsOf(learned)), learned.gives, 'opened anew')
  await shop.useModel(null)
  assert.equal(shop.model, undefined)
  assert.deepEqual(await me.recommend(optionsOf(plain)), plain.gives)
  // From a server that answers when it is told to: the later call is there first.
  let answer
  const told = new Promise((resolve) => (answer = resolve))
  const server = createServer((request, response) => void told.then(() => response.end(model[basename(request.url)])))
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => (server.close(), server.closeAllConnections()))
  const slow = `http://127.0.0.1:${server.address().port}/`
  const first = shop.useModel(slow)
  const third = shop.useModel(slow)
  await shop.useModel(null)
  const closing = shop.useModel(slow)
  for (const overtaken of [first, third]) overtaken.catch(() => undefined)
  answer()
  for (const overtaken of [first, third]) {
    await assert.rejects(overtaken, failure('CANCELLED', 'shop.useModel', /another model/))
  }
  await closing
  assert.deepEqual(await me.recommend(optionsOf(learned)), learned.gives)
  await shop.useModel(null)
  assert.equal(shop.model, undefined)
  shop.close()
  await assert.rejects(shop.useModel(model), failure('INVALID_ARGUMENT', 'shop.useModel', /closed/))
})

test('says what is wrong with a model, and goes on with what was there', async (t) => {
  const files = modelShopFiles()
  const model = modelOf(files)
  const shop = await ferry.open(files)
  const text = (value) => new TextEncoder().encode(value)
  const { 'model.safetensors': tensors, ...rest } = model
  const cases = [
    [rest, 'NOT_FOUND', /has no model\.safetensors/],
    [{ ...model, 'ferry.json': text('{') }, 'MALFORMED', /^model: ferry\.json/],
    [{ ...model, 'model.safetensors': tensors.slice(0, 900) }, 'MALFORMED', /^model: model\.safetensors/],
    [{ ...model, 'items.jsonl': text('no\n') }, 'MALFORMED', /^model: items\.jsonl/],
    [directory(t), 'NOT_FOUND', /has no ferry\.json/],
    [7, 'INVALID_ARGUMENT', /source/],
  ]
  for (const [source, code, message] of cases) {
    await assert.rejects(shop.useModel(source), failure(code, 'shop.useModel', message))
    await assert.rejects(ferry.open(files, { model: source }), failure(code, 'ferry.open', message))
  }
  const { 'model/model.safetensors': _, ...partial } = files
  await assert.rejects(ferry.open(partial), failure('NOT_FOUND', 'ferry.open', /has no model\/model\.safetensors/))
  const elsewhere = { ...toBytes(catalogFiles()), ...inFolder('model/', model) }
  await assert.rejects(ferry.open(elsewhere), failure('INVALID_ARGUMENT', 'ferry.open', /^model: /))
  await assert.rejects(ferry.open(files, { modle: false }), failure('INVALID_ARGUMENT', 'ferry.open', /"modle"/))
  await check(shop, true, 'after all that')
  shop.close()
})

test('an abort while the model comes; nothing is kept of what was closed', async () => {
  const files = modelShopFiles()
  const model = modelOf(files)
  const plain = modelShopFiles({ model: false })
  const round = async () => {
    const opening = new AbortController()
    const open = ferry.open(files, { signal: opening.signal })
    opening.abort()
    await assert.rejects(open, { name: 'AbortError' })
    const shop = await ferry.open(plain)
    const me = shop.visitor()
    me.add({ item: 'b1' })
    await me.recommend()
    const loading = new AbortController()
    const used = shop.useModel(model, { signal: loading.signal })
    loading.abort()
    await assert.rejects(used, { name: 'AbortError' })
    assert.equal(shop.model, undefined)
    await shop.useModel(model)
    await me.recommend()
    await assert.rejects(shop.useModel({ ...model, 'ferry.json': new Uint8Array(1) }), { code: 'MALFORMED' })
    await shop.useModel(model)
    await me.recommend()
    shop.close()
  }
  for (let i = 0; i < 10; i++) await round()
  const before = await ferry.memory()
  for (let i = 0; i < 200; i++) await round()
  assert.equal(await ferry.memory(), before)
})
