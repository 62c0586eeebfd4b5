import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { join, relative } from 'node:path'
import test, { after, before } from 'node:test'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { Ferry, FerryError } from '../../web/dist/index.js'
import { ITEMS, catalogFiles, directory, failureOf, largeCatalogFiles, toBytes } from '../support.mjs'

let ferry
before(async () => void (ferry = await Ferry.load()))
after(() => ferry.close())

const failure = failureOf(FerryError)

/** A server of these files, until the test is over; answer(request, response) may step in. */
async function hosted(t, files, answer = () => false) {
  const server = createServer((request, response) => {
    if (answer(request, response)) return
    const data = files[decodeURIComponent(new URL(request.url, 'http://x').pathname).slice('/shop/'.length)]
    if (data === undefined) return response.writeHead(404).end('no')
    response.writeHead(200, { 'content-length': Buffer.byteLength(data) }).end(data)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${server.address().port}/shop`
}

/** The instance works: after each failure. */
async function stillWorks() {
  const shop = await ferry.open(toBytes(catalogFiles()))
  assert.equal(shop.count, ITEMS.length)
  shop.close()
}

test('opens a catalogue from wherever it is', async (t) => {
  const files = catalogFiles()
  const path = directory(t, files)
  const url = await hosted(t, files)
  const bytes = toBytes(files)
  const named = (name, data) => new File([data], name)
  const picked = (name, data) => Object.assign(new File([data], name), { webkitRelativePath: `shop/${name}` })
  const sources = {
    path,
    'path with a slash': `${path}/`,
    'relative path': relative(process.cwd(), path),
    'file URL': pathToFileURL(path),
    'file URL as text': pathToFileURL(`${path}/`).href,
    'http URL': url,
    'http URL with a slash and a query': `${url}/?key=1`,
    'URL object': new URL(url),
    bytes,
    ArrayBuffers: Object.fromEntries(Object.entries(bytes).map(([name, { buffer }]) => [name, buffer])),
    Blobs: Object.fromEntries(Object.entries(bytes).map(([name, data]) => [name, new Blob([data])])),
    Files: Object.entries(bytes).map(([name, data]) => named(name, data)),
    'Files of a picked directory': Object.entries(bytes).map(([name, data]) => picked(name, data)),
  }
  for (const [name, source] of Object.entries(sources)) {
    const shop = await ferry.open(source)
    assert.equal(shop.count, 8, name)
    assert.equal(shop.dimension, 3, name)
    assert.deepEqual(shop.domains, [
      { name: 'books', count: 3 },
      { name: 'films', count: 3 },
      { name: 'songs', count: 2 },
    ], name)
    assert.equal((await shop.item('films', 'jaws')).title, 'Jaws', name)
    shop.close()
  }
  assert.ok(bytes['catalog.json'].length > 0, 'the caller keeps its bytes')
})

test('gives the items back as they were written, in order', async () => {
  const shop = await ferry.open(toBytes(catalogFiles()))
  const expected = ITEMS.map(({ vector: _, ...item }) => item)
  assert.deepEqual(await shop.items(), expected)
  assert.deepEqual(await shop.item('films', 'same'), expected[5])
  assert.deepEqual(await shop.item('books', 'same'), expected[2])
  await assert.rejects(shop.item('songs', 'same'), failure('NOT_FOUND', 'shop.item', /songs.*same/))
  shop.close()
  await assert.rejects(shop.items(), failure('INVALID_ARGUMENT', 'shop.items', /shop is closed/))
  assert.throws(() => shop.visitor(), failure('INVALID_ARGUMENT', 'shop.visitor', /shop is closed/))
})

test('names the missing file and where it was looked for', async (t) => {
  const { 'vectors.safetensors': _, ...files } = catalogFiles()
  const path = directory(t, files)
  const url = await hosted(t, files)
  for (const [source, where] of [[path, path], [url, url], [toBytes(files), 'files'], ['/nowhere', '/nowhere']]) {
    await assert.rejects(ferry.open(source), (error) => {
      failure('NOT_FOUND', 'ferry.open', /vectors\.safetensors|catalog\.json/)(error)
      assert.ok(error.message.includes(where), error.message)
      return true
    })
  }
  await stillWorks()
})

test('says what is wrong with a source', async (t) => {
  const refuse = (source, code, message) =>
    assert.rejects(ferry.open(source), failure(code, 'ferry.open', message))
  await refuse(7, 'INVALID_ARGUMENT', /source/)
  await refuse(null, 'INVALID_ARGUMENT', /source/)
  await refuse(new Uint8Array(4), 'INVALID_ARGUMENT', /source/)
  await refuse({ 'catalog.json': 'text' }, 'INVALID_ARGUMENT', /catalog\.json/)
  await refuse('http://', 'INVALID_ARGUMENT', /not a URL/)
  await refuse('http://127.0.0.1:9/', 'IO', /127\.0\.0\.1:9.*fetched/)
  await refuse(join(directory(t, { 'a/b': '' }), 'a', 'b'), 'NOT_FOUND', /catalog\.json/)
  await refuse(directory(t, { 'catalog.json/x': '' }), 'IO', /directory/)
  await assert.rejects(ferry.open('x', { sginal: 1 }), failure('INVALID_ARGUMENT', 'ferry.open', /"sginal"/))
  const broken = await hosted(t, {}, (_, response) => response.writeHead(500).end('oops'))
  await refuse(broken, 'IO', /HTTP 500/)
  const page = await hosted(t, {}, (_, response) =>
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<html>'))
  await refuse(page, 'NOT_FOUND', /catalog\.json/)
  await stillWorks()
})

test('bad bytes in any of the files: a message naming the file, and the instance works on', async () => {
  const good = toBytes(catalogFiles())
  const text = (bytes) => new TextDecoder().decode(bytes)
  const cases = [
    ['vectors.safetensors', good['vectors.safetensors'].slice(0, 100)],
    ['vectors.safetensors', good['vectors.safetensors'].slice(0, 5)],
    ['vectors.safetensors', new Uint8Array(0)],
    ['vectors.safetensors', Uint8Array.from(good['vectors.safetensors'], (x, i) => (i < 8 ? 255 : x))],
    ['catalog.json', new TextEncoder().encode('{"format":"something else"}')],
    ['catalog.json', new TextEncoder().encode('{')],
    ['catalog.json', new TextEncoder().encode(text(good['catalog.json']).replace('"count":8', '"count":9'))],
    ['catalog.json', new TextEncoder().encode(text(good['catalog.json']).replace('"dimension":3', '"dimension":4'))],
    ['items.jsonl', new TextEncoder().encode(text(good['items.jsonl']).split('\n').slice(1).join('\n'))],
    ['items.jsonl', good['items.jsonl'].slice(0, -20)],
    ['items.jsonl', new TextEncoder().encode('not json\n'.repeat(8))],
  ]
  for (const [name, bytes] of cases) {
    await assert.rejects(ferry.open({ ...good, [name]: bytes }), (error) => {
      assert.ok(error instanceof FerryError, `${error}`)
      assert.match(error.code, /^(MALFORMED|UNSUPPORTED|LIMIT)$/, `${name}: ${error.message}`)
      assert.match(error.message, /catalog\.json|items\.jsonl|vectors\.safetensors|vectors|items/)
      return true
    })
  }
  await stillWorks()
})

test('one progress over all files, which never goes back and ends at 1', async (t) => {
  const files = largeCatalogFiles()
  const size = Object.values(files).reduce((sum, data) => sum + Buffer.byteLength(data), 0)
  const zipped = await hosted(t, files, (request, response) => {
    const name = request.url.slice('/shop/'.length)
    if (name !== 'items.jsonl') return false
    const data = gzipSync(files[name])
    response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': data.length }).end(data)
    return true
  })
  const sources = { path: directory(t, files), url: await hosted(t, files), compressed: zipped }
  for (const [name, source] of Object.entries(sources)) {
    const seen = []
    const shop = await ferry.open(source, { onProgress: (progress) => seen.push(progress) })
    assert.equal(shop.count, 20000, name)
    assert.equal((await shop.items()).at(-1).id, 'item-19999')
    assert.ok(seen.length >= 2, `${name}: ${seen.length} reports`)
    for (const [i, { loaded, total, fraction, file }] of seen.entries()) {
      assert.ok(loaded <= total && fraction <= 1 && files[file] !== undefined, name)
      if (i > 0) assert.ok(fraction >= seen[i - 1].fraction && loaded >= seen[i - 1].loaded, name)
    }
    const { loaded, fraction } = seen.at(-1)
    assert.deepEqual({ loaded, fraction }, { loaded: size, fraction: 1 }, name)
    shop.close()
  }
})

test('opening can be aborted at any time, and nothing is left behind', async (t) => {
  const files = largeCatalogFiles()
  const path = directory(t, files)
  let hung
  const slow = await hosted(t, files, (request, response) => {
    if (!request.url.includes('vectors')) return false
    response.writeHead(200, { 'content-length': 1e6 }).write(new Uint8Array(1000)) // and no more
    hung = new Promise((resolve) => response.on('close', resolve))
    return true
  })

  await assert.rejects(ferry.open(path, { signal: AbortSignal.abort() }), { name: 'AbortError' })
  await assert.rejects(ferry.open(slow, { signal: AbortSignal.timeout(200) }), { name: 'TimeoutError' })
  await hung // the download was given up, not only forgotten

  const controller = new AbortController()
  const opening = ferry.open(path, { signal: controller.signal, onProgress: () => controller.abort() })
  await assert.rejects(opening, { name: 'AbortError' })

  // Closed at any moment of it: 6 MB that stay each time would show.
  const round = (i) =>
    ferry
      .open(path, { signal: AbortSignal.timeout(i % 60) })
      .then((shop) => shop.close(), (error) => assert.equal(error.name, 'TimeoutError'))
  for (let i = 0; i < 30; i++) await round(2 * i)
  const before = process.memoryUsage.rss()
  for (let i = 0; i < 60; i++) await round(i)
  const grown = (process.memoryUsage.rss() - before) / 1e6
  assert.ok(grown < 120, `${grown.toFixed()} MB more after 60 rounds of 6 MB`)
  await stillWorks()
})

test('an aborted signal of an earlier call does nothing later', async () => {
  const controller = new AbortController()
  const shop = await ferry.open(toBytes(catalogFiles()), { signal: controller.signal })
  const items = await shop.items({ signal: controller.signal })
  controller.abort()
  assert.equal(items.length, 8)
  assert.equal((await shop.items()).length, 8)
  shop.close()
})
