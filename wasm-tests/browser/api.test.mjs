import assert from 'node:assert/strict'
import { join } from 'node:path'
import test, { after, before } from 'node:test'
import { catalogFiles, directory, golden, largeCatalogFiles } from '../support.mjs'
import { blankPage, launch, noChromium } from './chromium.mjs'

const skip = noChromium
let browser
before(async () => void (noChromium || (browser = await launch())))
after(() => browser?.close())

test('opens a catalogue from URLs, blobs, a picked directory, a directory handle', { skip }, async (t) => {
  const shop = directory(t, catalogFiles())
  const { page, url, trouble } = await blankPage(t, browser, { '/shop': shop })

  await page.evaluate(() => {
    document.body.innerHTML = '<input type="file" webkitdirectory>'
  })
  await page.setInputFiles('input', shop)

  const found = await page.evaluate(async (origin) => {
    const { Ferry } = await import('/dist/index.js')
    const ferry = await Ferry.load()
    const names = ['catalog.json', 'items.jsonl', 'vectors.safetensors']
    const blobs = {}
    const bytes = {}
    // The origin-private file system hands out the same kind of handle as a directory picker.
    const handle = await (await navigator.storage.getDirectory()).getDirectoryHandle('shop', { create: true })
    for (const name of names) {
      blobs[name] = await (await fetch(`/shop/${name}`)).blob()
      bytes[name] = await blobs[name].arrayBuffer()
      const file = await (await handle.getFileHandle(name, { create: true })).createWritable()
      await file.write(blobs[name])
      await file.close()
    }
    const sources = {
      path: '/shop',
      relative: 'shop/',
      address: `${origin}shop`,
      URL: new URL('/shop/', location.href),
      blobs,
      bytes,
      files: document.querySelector('input').files,
      handle,
    }
    const found = {}
    for (const [name, source] of Object.entries(sources)) {
      try {
        const shop = await ferry.open(source, { model: false })
        const me = shop.visitor()
        me.add({ item: 'moby', behavior: 'purchase' })
        const { items } = await me.recommend({ k: 2 })
        found[name] = [shop.count, ...items.map(({ id }) => id)].join()
        shop.close()
      } catch (error) {
        found[name] = `${error.name} ${error.code}: ${error.message}`
      }
    }
    ferry.close()
    return found
  }, url)
  for (const [name, result] of Object.entries(found)) assert.equal(result, '8,jaws,sailor', name)
  assert.equal(Object.keys(found).length, 8)
  assert.deepEqual(trouble, [], 'no error, no policy violation, no request to elsewhere')
})

test('takes the wasm as URL, bytes, Response and Module', { skip }, async (t) => {
  const { page, trouble } = await blankPage(t, browser)
  const builds = await page.evaluate(async () => {
    const { Ferry } = await import('/dist/index.js')
    const get = () => fetch('/dist/ferry-scalar.wasm')
    const forms = [
      '/dist/ferry-scalar.wasm',
      new URL('/dist/ferry-scalar.wasm', location.href),
      await (await get()).arrayBuffer(),
      await get(),
      await WebAssembly.compileStreaming(get()),
    ]
    const builds = []
    for (const wasm of forms) {
      const ferry = await Ferry.load({ wasm })
      builds.push(ferry.capabilities.build)
      ferry.close()
    }
    return builds
  })
  assert.deepEqual(builds, Array(5).fill('scalar'))
  assert.deepEqual(trouble, [])
})

test('errors, aborts and close: told clearly, and the instance works on', { skip }, async (t) => {
  const shop = directory(t, largeCatalogFiles())
  const { 'vectors.safetensors': vectors, ...rest } = catalogFiles()
  const cut = directory(t, { ...rest, 'vectors.safetensors': vectors.subarray(0, 90) })
  const mounts = { '/shop': shop, '/cut': cut, '/part': directory(t, rest), '/tiny': join(golden, 'tiny-bert/gelu-mean') }
  const { page } = await blankPage(t, browser, mounts)
  const told = await page.evaluate(async () => {
    const { Ferry, FerryError } = await import('/dist/index.js')
    const ferry = await Ferry.load()
    const told = {}
    const outcome = (promise) =>
      promise.then(
        () => 'fine',
        (error) => (error instanceof FerryError ? `${error.code} ${error.op}: ${error.message}` : error.name),
      )
    told.missing = await outcome(ferry.open('/part'))
    told.nowhere = await outcome(ferry.open('http://127.0.0.1:9/'))
    told.cut = await outcome(ferry.open('/cut'))
    told.handle = await outcome(ferry.open({ kind: 'directory', name: 'x', getFileHandle() {}, getDirectoryHandle() {} }))

    const opening = new AbortController()
    const fractions = []
    told.abortedOpen = await outcome(
      ferry.open('/shop', {
        signal: opening.signal,
        onProgress({ fraction }) {
          fractions.push(fraction)
          opening.abort()
        },
      }),
    )
    const full = []
    const large = await ferry.open('/shop', { onProgress: ({ fraction }) => full.push(fraction) })
    told.count = large.count
    told.monotonic = full.at(-1) === 1 && full.every((fraction, i) => i === 0 || fraction >= full[i - 1])

    const encoder = await ferry.encoder('/tiny')
    const texts = Array.from({ length: 50_000 }, (_, i) => `the lamp ${i} `.repeat(8))
    const encoding = new AbortController()
    setTimeout(() => encoding.abort(), 100)
    told.abortedEncode = await outcome(encoder.encode(texts, { signal: encoding.signal }))
    const start = performance.now()
    told.after = (await encoder.encode(['a']))[0].length
    told.freeAtOnce = performance.now() - start < 1000

    const me = large.visitor()
    told.unknown = await outcome(me.add({ item: 'nope' }))
    me.add({ item: 'item-1' })
    told.recommended = (await me.recommend({ k: 3 })).items.length

    const pending = outcome(encoder.encode(texts))
    ferry.close()
    told.closed = await pending
    return told
  })
  assert.match(told.missing, /^NOT_FOUND ferry\.open: .*\/part\/ has no vectors\.safetensors/)
  assert.match(told.nowhere, /^IO ferry\.open: http:\/\/127\.0\.0\.1:9\//)
  assert.match(told.cut, /^MALFORMED ferry\.open: .*vectors\.safetensors/)
  assert.match(told.handle, /^INVALID_ARGUMENT ferry\.open: .*worker/)
  assert.equal(told.abortedOpen, 'AbortError')
  assert.equal(told.count, 20000)
  assert.ok(told.monotonic)
  assert.equal(told.abortedEncode, 'AbortError')
  assert.equal(told.after, 8 * Math.round(told.after / 8))
  assert.ok(told.freeAtOnce, 'the worker stopped encoding')
  assert.match(told.unknown, /^NOT_FOUND visitor\.add: .*nope/)
  assert.equal(told.recommended, 3)
  assert.match(told.closed, /^CANCELLED encoder\.encode: .*closed/)
})

test('a dozen opens at once', { skip }, async (t) => {
  const mounts = { '/shop': directory(t, largeCatalogFiles()), '/tiny': join(golden, 'tiny-bert/gelu-mean') }
  const { page } = await blankPage(t, browser, mounts)
  const counts = await page.evaluate(async () => {
    const { Ferry } = await import('/dist/index.js')
    const ferry = await Ferry.load()
    const opens = Array.from({ length: 12 }, (_, i) => (i % 3 === 0 ? ferry.encoder('/tiny') : ferry.open(`/shop/?${i}`)))
    return (await Promise.all(opens)).map(({ count, dimension }) => count ?? dimension)
  })
  assert.equal(counts.filter((count) => count === 20000).length, 8)
})

test('a worker that cannot start is an error, not silence', { skip }, async (t) => {
  const { page } = await blankPage(t, browser)
  await page.route('**/worker.js', (route) => route.abort())
  const told = await page.evaluate(async () => {
    const { Ferry } = await import('/dist/index.js')
    return Ferry.load().then(() => 'loaded', ({ name, code, op, message }) => `${name} ${code} ${op}: ${message}`)
  })
  assert.match(told, /^FerryError INTERNAL ferry\.load: .*worker/)
})

test('works inside a worker of the page too', { skip }, async (t) => {
  const shop = directory(t, catalogFiles())
  const own = directory(t, {
    'own.js': `
      import { Ferry } from '/dist/index.js'
      const ferry = await Ferry.load()
      const shop = await ferry.open('/shop/')
      postMessage(shop.count)
    `,
  })
  const { page } = await blankPage(t, browser, { '/shop': shop, '/own': own })
  const count = await page.evaluate(
    () =>
      new Promise((resolve, reject) => {
        const worker = new Worker('/own/own.js', { type: 'module' })
        worker.onmessage = ({ data }) => resolve(data)
        worker.onerror = (event) => reject(new Error(event.message))
      }),
  )
  assert.equal(count, 8)
})

test('threads: helper workers where the page is isolated, gone when Ferry is closed', { skip }, async (t) => {
  const { page, trouble } = await blankPage(t, browser, { '/tiny': join(golden, 'tiny-bert/gelu-mean') })
  const found = await page.evaluate(async () => {
    const { Ferry } = await import('/dist/index.js')
    const ferry = await Ferry.load({ threads: 3 })
    const encoder = await ferry.encoder('/tiny')
    await encoder.encode(['the lamp', 'the house'])
    globalThis.ferry = ferry
    return ferry.capabilities
  })
  assert.deepEqual([found.threads, found.whyOneThread], [3, undefined])
  const helpers = () => page.workers().filter((worker) => worker.url().endsWith('/helper.js')).length
  const before = helpers()
  await page.evaluate(() => globalThis.ferry.close())
  await page.waitForFunction(() => true)
  for (let i = 0; i < 100 && page.workers().length > 0; i++) await page.waitForTimeout(50)
  console.log(`Chromium: ${before} helper workers seen, ${page.workers().length} workers left after close`)
  assert.equal(page.workers().length, 0)
  assert.deepEqual(trouble, [])
})

test('a page that is not isolated: one thread, and capabilities say why', { skip }, async (t) => {
  const { page, url, trouble } = await blankPage(t, browser)
  await page.route('**/*', async (route) => {
    const response = await route.fetch()
    const headers = response.headers()
    delete headers['cross-origin-opener-policy']
    delete headers['cross-origin-embedder-policy']
    await route.fulfill({ response, headers })
  })
  await page.goto(`${url}?again`)
  const found = await page.evaluate(async () => {
    const { Ferry } = await import('/dist/index.js')
    const ferry = await Ferry.load({ threads: 2 })
    ferry.close()
    return { ...ferry.capabilities, isolated: globalThis.crossOriginIsolated }
  })
  assert.equal(found.isolated, false)
  assert.equal(found.threads, 1)
  assert.match(found.whyOneThread, /not cross-origin isolated/)
  assert.equal(found.build, 'relaxed')
  assert.deepEqual(trouble, [])
})
