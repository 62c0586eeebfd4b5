/*
 * Feedback, forgetting, controls and profiles, as JavaScript has them. golden/profile was locked by
 * pyca/cryptography; the command line of build/native opens what is written here, and the other way.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { after, before } from 'node:test'
import { Ferry, FerryError } from '../../web/dist/index.js'
import { directory, dist, failureOf, golden, modelShop, modelShopFiles, root } from '../support.mjs'

const read = (name) => new Uint8Array(readFileSync(join(golden, 'profile', name)))
const passphrase = new TextDecoder().decode(read('passphrase')).trimEnd()
const command = join(root, 'build/native/ferry')
const skip = !existsSync(command) && 'build/native/ferry is not built'

let ferry
let shop
before(async () => {
  ferry = await Ferry.load()
  shop = await ferry.open(modelShopFiles())
})
after(() => ferry.close())

const failure = failureOf(FerryError)

/** The scores of all that is recommended, bit for bit. */
async function scores(me, options) {
  const { items } = await me.recommend({ k: 1000, ...options })
  return items.map(({ domain, id, score }) => `${domain}/${id} ${score}`)
}

test('the golden opens, and gives the list of the command line', { skip }, async (t) => {
  const me = shop.visitor()
  assert.deepEqual(await me.import(read('locked.ferry'), { passphrase }), { events: 5, leftOut: 0 })
  assert.deepEqual(await me.export(), read('plain.json'))
  assert.deepEqual((await me.events())[2], { domain: 'books', item: 'b8', behavior: 'dislike', timestamp: 1699990000 })

  const path = directory(t)
  writeFileSync(join(path, 'by-javascript.ferry'), await me.export({ passphrase }))
  const pass = ['--passphrase-file', join(golden, 'profile/passphrase')]
  const run = (...words) => execFileSync(command, words, { stdio: ['ignore', 'pipe', 'pipe'] })
  assert.deepEqual(new Uint8Array(run('profile', 'show', '--profile', join(path, 'by-javascript.ferry'), ...pass)), read('plain.json'))
  const recommend = ['recommend', '--catalog', modelShop, '--model', join(modelShop, 'model'), '-k', '10', '--json', ...pass]
  const { items } = await me.recommend({ k: 10 })
  for (const name of [join(path, 'by-javascript.ferry'), join(golden, 'profile/locked.ferry')]) {
    assert.deepEqual(JSON.parse(run(...recommend, '--profile', name)).items, items)
  }
  const controlled = await me.recommend({ k: 10, halfLife: 3, novelty: 0.4, domainWeights: { films: 2 } })
  const flags = ['--half-life', '3', '--novelty', '.4', '--domain-weight', 'films=2']
  assert.deepEqual(JSON.parse(run(...recommend, '--profile', join(path, 'by-javascript.ferry'), ...flags)).items, controlled.items)
  assert.notDeepEqual(controlled.items, items)

  // And one that the command line locks.
  const args = ['--catalog', modelShop, '--profile', join(golden, 'profile/locked.ferry'), '--item', 'b8', ...pass]
  run('profile', 'forget', ...args, '--out', join(path, 'by-command.ferry'))
  const other = shop.visitor()
  await other.import(new Uint8Array(readFileSync(join(path, 'by-command.ferry'))), { passphrase })
  assert.equal(await me.forget('b8'), 1)
  assert.deepEqual(await other.export(), await me.export())
  assert.deepEqual(await scores(other), await scores(me))
})

test('locked twice is never the same file, and both open', async () => {
  const me = shop.visitor()
  await me.import(read('plain.json'))
  const [one, two] = [await me.export({ passphrase: 'a' }), await me.export({ passphrase: 'a' })]
  assert.notDeepEqual(one, two)
  for (const file of [one, two.buffer, new Uint8Array([0, ...one]).subarray(1)]) {
    const other = shop.visitor()
    await other.import(file, { passphrase: 'a' })
    assert.deepEqual(await other.export(), read('plain.json'))
  }
})

test('what is cut, damaged or locked with another passphrase is refused, each in its words', async () => {
  const me = shop.visitor()
  await me.add({ item: 'b0' })
  const kept = await me.export()
  const file = read('locked.ferry')
  const refuse = (bytes, options, code, message) => assert.rejects(me.import(bytes, options), failure(code, 'visitor.import', message))
  await refuse(file, { passphrase: `${passphrase} ` }, 'MALFORMED', /passphrase is wrong/)
  await refuse(file, {}, 'INVALID_ARGUMENT', /needs a passphrase/)
  await refuse(file, { passphrase: '' }, 'INVALID_ARGUMENT', /empty/)
  await refuse(file, { passphrase: 7 }, 'INVALID_ARGUMENT', /not a text/)
  await refuse(file, { password: 'x' }, 'INVALID_ARGUMENT', /unknown field "password"/)
  await refuse('text', { passphrase }, 'INVALID_ARGUMENT', /no bytes/)
  for (let size = 1; size < file.length; size += 7) {
    await refuse(file.slice(0, size), { passphrase }, 'MALFORMED', /cut short/)
  }
  await refuse(new Uint8Array([...file, 0]), { passphrase }, 'MALFORMED', /longer than it was/)
  for (let at = 0; at < file.length; at++) {
    const flipped = file.slice()
    flipped[at] ^= 1 << (at % 8)
    const code = at >= 8 && at < 12 ? 'UNSUPPORTED' : at >= 12 && at < 16 ? /LIMIT|MALFORMED/ : 'MALFORMED'
    const message = at < 8 ? /not JSON|no JSON/ : at < 12 ? /version/ : at < 16 ? /iterations|damaged/ : at < 20 ? /cut short|longer/ : /damaged/
    await assert.rejects(me.import(flipped, { passphrase }), (error) => {
      assert.match(error.code, new RegExp(code))
      return message.test(error.message) || assert.fail(`byte ${at}: ${error.message}`)
    })
  }
  await refuse(new Uint8Array(), {}, 'MALFORMED', /not JSON/)
  await refuse(new TextEncoder().encode('{"format":"ferry-profile","version":9,"events":[]}'), {}, 'UNSUPPORTED', /version 9/)
  assert.deepEqual(await me.export(), kept, 'and the history is as it was')
})

test('feedback: the next list follows, and takes it back', async () => {
  const me = shop.visitor()
  await me.add({ item: 'b7', timestamp: 1 })
  const before = await scores(me, { keepSeen: true })
  const plain = await me.export()
  const [first] = (await me.recommend({ domain: 'films', k: 1 })).items
  await me.add({ item: first.id, domain: 'films', behavior: 'dislike', timestamp: 2 })
  assert.ok((await me.recommend({ domain: 'films' })).items.every(({ id }) => id !== first.id))
  assert.notDeepEqual(await scores(me, { keepSeen: true }), before)
  await me.undo()
  assert.deepEqual(await scores(me, { keepSeen: true }), before)

  await me.add([{ item: 'b9', behavior: 'like' }, { item: 'f1', behavior: 'not_interested' }, { item: 'b9', value: 2 }])
  assert.equal(await me.forget({ item: 'b9', domain: 'books' }), 2)
  assert.equal(await me.forget('b9'), 0)
  assert.deepEqual((await me.events()).map(({ item }) => item), ['b7', 'f1'])
  await me.forgetEvent(1)
  assert.deepEqual(await me.export(), plain)
  assert.deepEqual(await scores(me, { keepSeen: true }), before)
  await me.forgetAll()
  assert.deepEqual(await me.events(), [])
  await assert.rejects(me.undo(), failure('EMPTY_HISTORY', 'visitor.undo', /no event to undo/))
  await assert.rejects(me.forget('nope'), failure('NOT_FOUND', 'visitor.forget', /nope/))
  await assert.rejects(me.forget({ item: 'b1', domian: 'books' }), failure('INVALID_ARGUMENT', 'visitor.forget', /unknown field "domian"/))
  await assert.rejects(me.forget({ domain: 'books' }), failure('INVALID_ARGUMENT', 'visitor.forget', /item or domain is not a text/))
  await assert.rejects(me.forgetEvent(0), failure('INVALID_ARGUMENT', 'visitor.forgetEvent', /history of 0/))
  await assert.rejects(me.forgetEvent(-1), failure('INVALID_ARGUMENT', 'visitor.forgetEvent', /index is -1/))
  me.close()
  for (const op of ['undo', 'forgetAll', 'events', 'export']) {
    await assert.rejects(me[op](), failure('INVALID_ARGUMENT', `visitor.${op}`, /closed/))
  }
})

test('controls: what is wrong with them is said', async () => {
  const me = shop.visitor()
  await me.add({ item: 'b7', timestamp: 1 })
  const refuse = (options, code, message) => assert.rejects(me.recommend(options), failure(code, 'visitor.recommend', message))
  await refuse({ halfLife: -1 }, 'INVALID_ARGUMENT', /half_life is -1/)
  await refuse({ halfLife: '3' }, 'INVALID_ARGUMENT', /halfLife is 3, not a number/)
  await refuse({ now: new Date('x') }, 'INVALID_ARGUMENT', /now is NaN/)
  await refuse({ novelty: 2 }, 'INVALID_ARGUMENT', /novelty is 2/)
  await refuse({ domainWeights: { toys: 1 } }, 'NOT_FOUND', /toys/)
  await refuse({ domainWeights: { films: null } }, 'INVALID_ARGUMENT', /"films" is null/)
  await refuse({ domainWeights: 3 }, 'INVALID_ARGUMENT', /domainWeights/)
  const texts = await ferry.open(modelShopFiles({ model: false }), { model: false })
  const reader = texts.visitor()
  await reader.add({ item: 'b7' })
  await assert.rejects(reader.recommend({ novelty: 0.5 }), failure('UNSUPPORTED', 'visitor.recommend', /only a model/))
  texts.close()
})

test('items that the shop lacks are left out and counted', async () => {
  const me = shop.visitor()
  const events = [{ domain: 'books', item: 'b1', behavior: 'view' }, { domain: 'books', item: 'gone', behavior: 'view' }]
  const profile = new TextEncoder().encode(JSON.stringify({ format: 'ferry-profile', version: 1, events }))
  assert.deepEqual(await me.import(profile), { events: 1, leftOut: 1 })
  assert.deepEqual(await me.events(), [events[0]])
})

/* The module itself, whose whole memory can be searched. */
test('what is forgotten is nowhere in the memory of WebAssembly', async () => {
  const bytes = readFileSync(join(dist, 'ferry-scalar.wasm'))
  const { instance } = await WebAssembly.instantiate(bytes, { env: { emscripten_notify_memory_growth() {} } })
  const core = instance.exports
  core._initialize?.()
  const memory = () => Buffer.from(core.memory.buffer)
  const lend = (data) => {
    const at = core.ferry_wasm_allocate(data.length)
    memory().set(data, at)
    return at
  }
  const lent = (text, use) => { // as wasm.ts does it
    const data = Buffer.from(text)
    const at = lend(data)
    const value = use(at, data.length)
    memory().fill(0, at, at + data.length)
    core.ferry_wasm_release(at)
    return value
  }
  const open = (files, call) => {
    for (const [name, data] of files) lent(name, (at, size) => assert.equal(core.ferry_wasm_file(at, size, lend(data), data.length), 0))
    const handle = call()
    assert.notEqual(handle, 0)
    return handle
  }
  const files = Object.entries(modelShopFiles())
  const catalog = open(files.filter(([name]) => !name.startsWith('model/')), () => core.ferry_wasm_catalog_open())
  const model = open(
    files.filter(([name]) => name.startsWith('model/')).map(([name, data]) => [name.slice(6), data]),
    () => core.ferry_wasm_model_open(catalog),
  )
  const [name, time, value] = ['needle-in-a-haystack', 1234567890n, 3.14159265358979]
  const event = `{"item":"b11","behavior":"${name}","value":${value},"timestamp":${time}}`
  const needles = [name, String(time), Buffer.from(BigInt64Array.of(time).buffer), Buffer.from(Float64Array.of(value).buffer)]
  const found = () => needles.map((needle) => memory().includes(needle))

  for (const how of ['undo', 'forget', 'forget_event', 'forget_all', 'load', 'close']) {
    const visitor = core.ferry_wasm_visitor_create(catalog)
    assert.equal(core.ferry_wasm_visitor_use(visitor, model), 0)
    const recommend = () => lent('{"k":10}', (at, size) => assert.equal(core.ferry_wasm_visitor_recommend(visitor, at, size), 0))
    lent('{"item":"f1"}', (at, size) => assert.equal(core.ferry_wasm_visitor_add(visitor, at, size), 0))
    lent(event, (at, size) => assert.equal(core.ferry_wasm_visitor_add(visitor, at, size), 0))
    recommend()
    assert.equal(core.ferry_wasm_visitor_save(visitor), 0)
    assert.deepEqual(found(), [true, true, true, true], 'else nothing is looked for')
    if (how === 'undo') core.ferry_wasm_visitor_undo(visitor)
    if (how === 'forget') lent('b11', (at, size) => assert.equal(core.ferry_wasm_visitor_forget(visitor, at, 0, at, size), 0))
    if (how === 'forget_event') assert.equal(core.ferry_wasm_visitor_forget_event(visitor, 1), 0)
    if (how === 'forget_all') core.ferry_wasm_visitor_forget_all(visitor)
    if (how === 'load') lent('{"format":"ferry-profile","version":1,"events":[]}', (at, size) => assert.equal(core.ferry_wasm_visitor_load(visitor, at, size), 0))
    if (how === 'close') core.ferry_wasm_visitor_close(visitor)
    assert.deepEqual(found(), [false, false, false, false], how)
    if (how !== 'close') core.ferry_wasm_visitor_close(visitor)
  }
})
