import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { pathToFileURL } from 'node:url'
import { Ferry, FerryError } from '../../web/dist/index.js'
import { serve } from '../../web/demo/serve.mjs'
import { buildsHere, catalogFiles, dist, failureOf, root } from '../support.mjs'

const simd = join(dist, 'ferry-simd.wasm')
const failure = failureOf(FerryError)

test('picks the fastest build that runs here, any on request', async () => {
  const runs = (await buildsHere(Ferry)).filter(({ skip }) => !skip).map(({ kernels }) => kernels)
  assert.ok(runs.includes('simd') && runs.includes('scalar'))
  for (const [kernels, build] of [['auto', runs[0]], ...runs.map((name) => [name, name])]) {
    const ferry = await Ferry.load({ kernels })
    assert.equal(ferry.capabilities.build, build)
    assert.match(ferry.capabilities.version, /^\d+\.\d+\.\d+$/)
    assert.deepEqual(Object.keys(ferry.capabilities).sort(), ['build', 'kernels', 'threads', 'version'])
    assert.equal(ferry.capabilities.threads, Math.min(availableParallelism(), 4))
    ferry.close()
  }
})

test('the version of the core is the version of the package', async () => {
  const ferry = await Ferry.load()
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  assert.equal(ferry.capabilities.version, version)
  ferry.close()
})

test('takes the wasm as path, URL, bytes, Response and Module', async (t) => {
  const bytes = readFileSync(simd)
  const { server, url } = await serve({ mounts: { '/': dist } })
  t.after(() => server.close())
  const forms = {
    path: simd,
    'file URL': pathToFileURL(simd),
    'file URL as text': pathToFileURL(simd).href,
    'http URL': `${url}ferry-simd.wasm`,
    'Uint8Array in a larger buffer': bytes,
    ArrayBuffer: new Uint8Array(bytes).buffer,
    Response: new Response(bytes, { headers: { 'content-type': 'application/wasm' } }),
    Module: new WebAssembly.Module(bytes),
  }
  for (const [name, wasm] of Object.entries(forms)) {
    const ferry = await Ferry.load({ wasm })
    assert.equal(ferry.capabilities.build, 'simd', name)
    if (availableParallelism() > 1) assert.match(ferry.capabilities.whyOneThread, /without threads/)
    const shop = await ferry.open(catalogFilesAsBytes())
    assert.equal(shop.count, 8, name)
    ferry.close()
  }
  assert.ok(bytes.length > 0 && forms.ArrayBuffer.byteLength > 0, 'the caller keeps its bytes')
})

const catalogFilesAsBytes = () =>
  Object.fromEntries(Object.entries(catalogFiles()).map(([name, data]) => [name, new Blob([data])]))

test('says what is wrong with the wasm or the options', async () => {
  const op = 'ferry.load'
  const load = (options) => () => Ferry.load(options)
  const foreign = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]) // an empty module
  await assert.rejects(load({ wasm: '/nowhere/x.wasm' }), failure('NOT_FOUND', op, /\/nowhere\/x\.wasm/))
  await assert.rejects(load({ wasm: new Uint8Array([1, 2, 3]) }), failure('MALFORMED', op, /bytes/))
  await assert.rejects(load({ wasm: foreign }), failure('UNSUPPORTED', op, /not Ferry's/))
  await assert.rejects(load({ wasm: 7 }), failure('INVALID_ARGUMENT', op, /wasm is no URL/))
  await assert.rejects(load({ wasm: new Response('', { status: 404 }) }), failure('IO', op, /404/))
  await assert.rejects(load({ wasm: simd, kernels: 'scalar' }), failure('INVALID_ARGUMENT', op, /scalar.*simd/))
  await assert.rejects(load({ kernels: 'avx2' }), failure('INVALID_ARGUMENT', op, /avx2.*auto, relaxed, simd, scalar/))
  for (const threads of [0, 1.5, -1, 65, '2', NaN]) {
    await assert.rejects(load({ threads }), failure('INVALID_ARGUMENT', op, /threads is .*from 1 to 64/))
  }
  await assert.rejects(load({ thread: 2 }), failure('INVALID_ARGUMENT', op, /unknown field "thread".*kernels/))
})

test('load can be aborted and reports progress', async () => {
  await assert.rejects(Ferry.load({ signal: AbortSignal.abort() }), { name: 'AbortError' })
  const controller = new AbortController()
  const loading = Ferry.load({ signal: controller.signal })
  controller.abort(new Error('changed my mind'))
  await assert.rejects(loading, { message: 'changed my mind' })

  const seen = []
  const ferry = await Ferry.load({ onProgress: (progress) => seen.push(progress) })
  assert.equal(seen.at(-1).fraction, 1)
  assert.match(seen.at(-1).file, /^ferry-(relaxed|simd)(-threads)?\.wasm$/)
  ferry.close()
})

test('close rejects what is pending, and what comes later', async () => {
  const ferry = await Ferry.load()
  const shop = await ferry.open(catalogFilesAsBytes())
  const pending = [shop.items(), ferry.open(catalogFilesAsBytes()), shop.visitor().add({ item: 'moby' })]
  ferry.close()
  ferry.close()
  const outcomes = await Promise.allSettled(pending)
  for (const [i, op] of ['shop.items', 'ferry.open', 'visitor.add'].entries()) {
    assert.equal(outcomes[i].status, 'rejected')
    failure('CANCELLED', op, /closed/)(outcomes[i].reason)
  }
  await assert.rejects(shop.items(), failure('INVALID_ARGUMENT', 'shop.items', /Ferry is closed/))
})

test('an idle Ferry does not keep the process alive; a busy one does', () => {
  const program = `
    import { Ferry } from './web/dist/index.js'
    const ferry = await Ferry.load()
    await new Promise((resolve) => setTimeout(resolve, 50))
    console.log(ferry.capabilities.version)
  `
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    cwd: root,
    encoding: 'utf8',
    timeout: 20_000,
  })
  assert.equal(status, 0, stderr)
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/)
})

test("the package's error codes are the status names of the core", async () => {
  const module = new WebAssembly.Module(readFileSync(simd))
  const imports = WebAssembly.Module.imports(module).map(({ module, name }) => `${module}.${name}`)
  assert.deepEqual(imports, ['env.emscripten_notify_memory_growth'], 'what a page has to provide')
  const instance = await WebAssembly.instantiate(module, { env: { emscripten_notify_memory_growth() {} } })
  const { memory, ferry_wasm_status_name: nameOf } = instance.exports
  instance.exports._initialize()
  const names = []
  for (let status = 0, at; (at = nameOf(status)) !== 0; status++) {
    const bytes = new Uint8Array(memory.buffer)
    names.push(Buffer.from(bytes.subarray(at, bytes.indexOf(0, at))).toString())
  }
  const types = readFileSync(join(dist, 'protocol.d.ts'), 'utf8')
  const codes = /type FerryCode = ([^;]+);/.exec(types)[1].match(/\w+/g)
  assert.equal(names.shift(), 'OK')
  assert.deepEqual(codes, [...names, 'INTERNAL'])
})
