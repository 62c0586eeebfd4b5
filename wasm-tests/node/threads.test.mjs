/* What becomes of helper workers that do not start, do not work, or die at work. */
import assert from 'node:assert/strict'
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { pathToFileURL } from 'node:url'
import { Ferry } from '../../web/dist/index.js'
import { directory, dist, golden } from '../support.mjs'

const tiny = join(golden, 'tiny-bert/gelu-mean')
const texts = Array.from({ length: 50 }, (_, i) => `the lamp ${i} of the house`)

/** The package with another helper.js, or another change. */
async function changed(t, change) {
  const path = directory(t)
  cpSync(dist, path, { recursive: true })
  writeFileSync(join(path, 'package.json'), '{"type":"module"}')
  change(path)
  return (await import(pathToFileURL(join(path, 'index.js')))).Ferry
}
const helper = (t, script) =>
  changed(t, (path) => writeFileSync(join(path, 'helper.js'), script(readFileSync(join(path, 'helper.js'), 'utf8'))))

async function encoded(Ferry, threads) {
  const ferry = await Ferry.load({ threads })
  const encoder = await ferry.encoder(tiny)
  const vectors = await encoder.encode(texts)
  ferry.close()
  return { capabilities: ferry.capabilities, vectors }
}

test('more threads than cores, several Ferries side by side: the same bits', async () => {
  const alone = await encoded(Ferry, 1)
  assert.equal(alone.capabilities.whyOneThread, undefined)
  const several = await Promise.all([2, 3, 8, 16].map((threads) => encoded(Ferry, threads)))
  for (const [i, { capabilities, vectors }] of several.entries()) {
    assert.equal(capabilities.threads, [2, 3, 8, 16][i])
    assert.deepEqual(vectors, alone.vectors)
  }
})

const dead = {
  'a helper that throws': [(script) => `throw new Error('no helper today')\n${script}`, /no helper today/],
  'a helper that ends': [() => 'process.exit(3)', /stopped: 3/],
  'a helper that is another program': [
    () => `process.getBuiltinModule('node:worker_threads').parentPort.on('message', function () { this.postMessage('ready') })`,
    /did not take part/,
  ],
}
for (const [name, [script, why]] of Object.entries(dead)) {
  test(`${name}: one thread, and capabilities say why`, async (t) => {
    const { capabilities, vectors } = await encoded(await helper(t, script), 2)
    assert.equal(capabilities.threads, 1)
    assert.match(capabilities.whyOneThread, why)
    assert.deepEqual(vectors, (await encoded(Ferry, 1)).vectors)
  })
}

test('a package without the builds for threads: one thread, and capabilities say why', async (t) => {
  const Other = await changed(t, (path) => {
    for (const build of ['relaxed', 'simd', 'scalar']) rmSync(join(path, `ferry-${build}-threads.wasm`))
  })
  const { capabilities } = await encoded(Other, 2)
  assert.equal(capabilities.threads, 1)
  assert.match(capabilities.whyOneThread, /no WebAssembly at .*-threads\.wasm/)
})

test('a helper that traps in the middle of a loop: the call fails, closing ends everything', async (t) => {
  // A stack at the end of memory that is not there.
  const Other = await helper(t, (script) => {
    const broken = script.replace(/ferry_wasm_help\((\w+), ?\w+\)/, 'ferry_wasm_help($1,16)')
    assert.notEqual(broken, script)
    return broken
  })
  const ferry = await Other.load({ threads: 2 })
  assert.equal(ferry.capabilities.threads, 2)
  const encoder = await ferry.encoder(tiny)
  // Whether a helper gets a part is the scheduler's choice.
  const until = performance.now() + 20_000
  await assert.rejects(async () => {
    while (performance.now() < until) await encoder.encode(texts)
  }, { name: 'FerryError', code: 'INTERNAL' })
  ferry.close()
})

test('closing in the middle of a loop', async () => {
  const ferry = await Ferry.load({ threads: 4 })
  const encoder = await ferry.encoder(tiny)
  const long = encoder.encode(Array.from({ length: 20_000 }, () => texts).flat())
  setTimeout(() => ferry.close(), 100)
  await assert.rejects(long, { name: 'FerryError', code: 'CANCELLED' })
})
