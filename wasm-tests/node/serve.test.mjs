import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { request } from 'node:http'
import { join } from 'node:path'
import test from 'node:test'
import { demoMounts, serve } from '../../web/demo/serve.mjs'
import { catalogFiles, directory, readSafetensors, root } from '../support.mjs'

const program = join(root, 'web/demo/serve.mjs')

/** Sends the path as it is written: fetch would tidy it first. */
async function raw(url, path, method = 'GET') {
  const { hostname, port } = new URL(url)
  const sent = request({ hostname, port, path, method })
  sent.end()
  const [response] = await once(sent, 'response')
  let body = ''
  for await (const chunk of response) body += chunk
  return { status: response.statusCode, headers: response.headers, body }
}

test('serves what it should, with its type and the policy, and nothing else', async (t) => {
  const outside = directory(t, { 'public/index.html': '<h1>', 'public/a/b.js': 'b', 'secret.txt': 's', 'public-not/x': 'x' })
  const { server, url } = await serve({ mounts: { '/': join(outside, 'public'), '/dist': join(root, 'web/dist') } })
  t.after(() => server.close())

  const home = await raw(url, '/')
  assert.equal(home.body, '<h1>')
  assert.match(home.headers['content-type'], /^text\/html/)
  assert.match(home.headers['content-security-policy'], /default-src 'self'/)
  // What threads need.
  assert.equal(home.headers['cross-origin-opener-policy'], 'same-origin')
  assert.equal(home.headers['cross-origin-embedder-policy'], 'require-corp')
  assert.doesNotMatch(home.headers['content-security-policy'], /unsafe-inline|'unsafe-eval'|\*/)
  assert.match((await raw(url, '/a/b.js?x=1')).headers['content-type'], /^text\/javascript/)
  assert.equal((await raw(url, '/dist/ferry-simd.wasm', 'HEAD')).headers['content-type'], 'application/wasm')

  for (const path of ['/../secret.txt', '/%2e%2e/secret.txt', '/a/..%2f..%2fsecret.txt', '/..%5csecret.txt', '/../public-not/x',
    '/dist/../../package.json', '//etc/passwd', '/a', '/none', '/%00', '/distx/index.js']) {
    const { status, body } = await raw(url, path)
    assert.equal(status, 404, path)
    assert.doesNotMatch(body, /^s$|^x$|root:/, path)
  }
  assert.equal((await raw(url, '/%zz')).status, 400)
  assert.equal((await raw(url, '/', 'POST')).status, 405)
})

test('packs a folder of pictures into one safetensors file', async (t) => {
  const thumbs = directory(t, { 'food/apple.webp': 'APPLE', 'food/fruit/pear.webp': 'PEAR', 'readme.txt': 'no' })
  const { server, url } = await serve({ mounts: demoMounts({ thumbs, catalog: thumbs }) })
  t.after(() => server.close())
  const bytes = Buffer.from(await (await fetch(`${url}thumbs.safetensors`)).arrayBuffer())
  const size = Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + size))
  assert.deepEqual(Object.keys(header), ['food/apple', 'food/fruit/pear'])
  const [start, end] = header['food/fruit/pear'].data_offsets
  assert.equal(bytes.toString('utf8', 8 + size + start, 8 + size + end), 'PEAR')
  assert.equal(bytes.length, 8 + size + 9)
})

test('the program: says its address, moves on from a busy port, explains what is missing', async (t) => {
  const catalog = directory(t, catalogFiles())
  assert.ok(readSafetensors(join(catalog, 'vectors.safetensors')).text)
  const start = async (port) => {
    const child = spawn(process.execPath, [program, '--port', String(port), '--catalog', catalog])
    t.after(() => child.kill())
    let errors = ''
    child.stderr.on('data', (data) => (errors += data))
    const [line] = await once(child.stdout, 'data')
    return { child, url: /http:\S+/.exec(String(line))[0], errors: () => errors }
  }
  const first = await start(0)
  assert.equal((await fetch(first.url)).status, 200)
  assert.equal((await (await fetch(`${first.url}catalog/catalog.json`)).json()).count, 8)
  const port = Number(new URL(first.url).port)
  const second = await start(port)
  assert.notEqual(second.url, first.url)
  assert.match(second.errors(), new RegExp(`Port ${port} is taken`))
  first.child.kill('SIGINT')
  const [code] = await once(first.child, 'exit')
  assert.equal(code, 0)

  const run = (...args) => spawnSync(process.execPath, [program, ...args], { encoding: 'utf8', timeout: 20_000 })
  const missing = run('--catalog', '/nowhere')
  assert.equal(missing.status, 1)
  assert.match(missing.stderr, /^serve: no catalogue in \/nowhere: "sh tools\/demo" makes it/)
  assert.equal(run('--prot', '1').status, 2)
  assert.match(run('--port', 'x').stderr, /not a port/)
})
