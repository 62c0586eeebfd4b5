/* What is published: sizes, types, exports, and that it is what the sources say. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { gzipSync } from 'node:zlib'
import { directory, dist, root } from '../support.mjs'

const bin = (name) => join(root, 'node_modules', name)
const run = (...args) => spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' })

test('sizes: wasm at most 200 KB gzip each, JS at most 15 KB gzip', () => {
  const size = (name) => {
    const bytes = readFileSync(join(dist, name))
    const gzip = gzipSync(bytes, { level: 9 }).length
    console.log(`${name.padEnd(26)} ${(bytes.length / 1000).toFixed(1).padStart(8)} KB ${(gzip / 1000).toFixed(1).padStart(8)} KB gzip`)
    return gzip
  }
  for (const build of ['relaxed', 'simd', 'scalar']) {
    for (const threads of ['', '-threads']) assert.ok(size(`ferry-${build}${threads}.wasm`) <= 200_000)
  }
  assert.ok(size('index.js') + size('worker.js') + size('helper.js') <= 15_000)
  for (const name of ['seal.js', 'pixels.js', 'vectors.js', 'catalog.js']) size(name) // which a page that locks no profile, … does not load
})

test('no runtime dependency, and the package holds web/dist alone', () => {
  const { dependencies, optionalDependencies, peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  assert.deepEqual([dependencies, optionalDependencies, peerDependencies], [undefined, undefined, undefined])
  const { stdout, stderr } = spawnSync('npm', ['pack', '--dry-run', '--json'], { cwd: root, encoding: 'utf8' })
  const report = JSON.parse(stdout)
  const [{ files }] = Array.isArray(report) ? report : Object.values(report)
  const paths = files.map(({ path }) => path)
  assert.ok(paths.includes('web/dist/ferry-simd.wasm') && paths.includes('web/dist/index.d.ts'), stderr)
  const foreign = paths.filter((path) => !/^(web\/dist\/|package\.json$|(README|LICENSE|NOTICE)(\.md)?$)/.test(path))
  assert.deepEqual(foreign, [])
})

test('every source imports only the one below it', () => {
  const order = ['index', 'encoder', 'visitor', 'client', 'protocol', 'worker', 'shapes', 'indexes', 'files', 'wasm', 'builds', 'exports']
  // helper is started by worker, with a message; seal is loaded by visitor, pixels by encoder, vectors and catalog by
  // index. They stand alone, but for types.
  const alone = ['helper', 'seal', 'pixels', 'vectors', 'catalog']
  assert.deepEqual(readdirSync(join(root, 'web/src')).sort(), [...order, ...alone].map((name) => `${name}.ts`).sort())
  for (const name of alone) {
    const source = readFileSync(join(root, `web/src/${name}.ts`), 'utf8')
    assert.doesNotMatch(source.replace(/^import type .* from '.\/(index|encoder).js'$/m, ''), /\bfrom '/)
  }
  for (const [i, name] of order.entries()) {
    const source = readFileSync(join(root, 'web/src', `${name}.ts`), 'utf8')
    const imports = new Set(Array.from(source.matchAll(/\bfrom '([^']+)'/g), (match) => match[1]))
    if (name === 'worker') imports.delete('./helper.js') // the type of that message
    if (name === 'index') imports.delete('./vectors.js') // types too
    assert.deepEqual([...imports], i + 1 < order.length ? [`./${order[i + 1]}.js`] : [], name)
    assert.ok(source.split('\n').length < 600, `${name}.ts is too long`)
    assert.doesNotMatch(source, /\bany\b(?! )|: any\b|<any>|as any\b|@ts-ignore|https?:\/\/(?!x)/, name)
  }
})

test('nothing is fetched from elsewhere: no address in what is published', () => {
  for (const name of ['index.js', 'worker.js', 'helper.js', 'seal.js', 'pixels.js', 'vectors.js', 'catalog.js']) {
    assert.doesNotMatch(readFileSync(join(dist, name), 'utf8'), /https?:\/\/[a-z]/, name)
  }
})

const CONSUMER = `
import { Ferry, FerryError } from 'ferry-rec'
import type { Catalog, Classification, Item, Neighbor, Progress, Recommendations, Shop, VisitorEvent } from 'ferry-rec'

export async function page(signal: AbortSignal): Promise<string[]> {
  const ferry = await Ferry.load({ kernels: 'auto', threads: 2, signal, onProgress: (p: Progress) => p.fraction.toFixed(2) })
  const shop: Shop = await ferry.open('/catalog/', { signal })
  const other = await ferry.open({ 'catalog.json': new Uint8Array(3), 'items.jsonl': new Blob(['']) })
  const items: Item[] = await shop.items()
  const me = shop.visitor()
  const event: VisitorEvent = { item: 'a', domain: 'films', behavior: 'rating', value: 5, timestamp: new Date() }
  me.add([event])
  const { items: found, excluded }: Recommendations = await me.recommend({ domain: ['films'], k: 3, signal })
  const narrow = await me.recommend({ where: ['price<20'], candidates: items, quotas: { films: 2 }, atMost: { author: 1 }, diversity: 0.3 })
  if (narrow.excluded.limited > 0) return narrow.items.map(({ id }) => id)
  const { download, memory }: { download: number; memory: number } = await ferry.measure('/models/x/', { signal })
  const index = await ferry.index({ dimension: 2, signs: true })
  await index.add([1, 2], new Float32Array(4))
  const near: Neighbor[] = await index.search(new Float32Array(2), { k: 1, candidates: 2 })
  const lists: Neighbor[][] = await index.search([new Float32Array(2)])
  const made: Catalog = await ferry.catalog([{ id: 1, title: 'a' }], { text: await ferry.encoder('/models/x/'), weights: { text: 1 }, signal })
  const made2 = await ferry.catalog(items, { read: async (item, modality) => (modality === 'image' ? new Blob([]) : null), onProgress: (p) => p.modality })
  const mine = await ferry.open(made.files)
  if (made2.refused[0]?.modality === 'image') return [mine.count.toFixed(), made2.refused[0].item.title ?? '']
  if (near.length > lists.length) return [(await index.save()).join()]
  const encoder = await ferry.encoder(new URL('file:///models/x/'), { precision: 'int8' })
  if (download > memory || (await ferry.memory()) > memory) return [ferry.capabilities.whyOneThread ?? '']
  const vectors: Float32Array[] = await encoder.encode(['a'], { signal })
  const [seen]: Classification[] = await encoder.classify(new Blob([]), { k: 3, signal })
  const heard = await encoder.classify(new Float32Array(3), { sampleRate: 16000, onProgress: (p) => p.fraction })
  if (encoder.classes > 0 && seen) return [seen.label, seen.score.toFixed(2), (heard[0]?.index ?? 0).toFixed()]
  const dimension: number = vectors[0]?.length ?? encoder.dimension
  try {
    await me.add({ item: 'b' })
  } catch (error) {
    if (error instanceof FerryError && error.code === 'NOT_FOUND') return [error.op]
  }
  const note: unknown = items[0]?.['names']
  other.close()
  ferry.close()
  return [...found.map(({ title }) => title), String(excluded.seen + dimension), String(note)]
}

export const other: VisitorEvent = { item: 'a', behavior: 'cart' }
// @ts-expect-error not a behaviour
export const wrong: VisitorEvent = { item: 'a', behavior: 1 }
// @ts-expect-error not an option
void Ferry.load({ threads: 'many' })
// @ts-expect-error handles are made by Ferry
void new Ferry()
`

for (const [name, options] of Object.entries({
  'Node, no DOM': { lib: ['ES2022'], types: ['node'] },
  browser: { lib: ['ES2022', 'DOM'], types: [] },
})) {
  test(`types: a strict consumer compiles (${name})`, (t) => {
    const path = directory(t, {
      'consumer.ts': CONSUMER,
      'package.json': '{"type":"module"}',
      'tsconfig.json': JSON.stringify({
        compilerOptions: {
          ...options,
          target: 'ES2022', module: 'NodeNext', strict: true, exactOptionalPropertyTypes: true,
          noUncheckedIndexedAccess: true, noPropertyAccessFromIndexSignature: true,
          skipLibCheck: false, noEmit: true,
          paths: { 'ferry-rec': [join(dist, 'index.d.ts')] },
          typeRoots: [join(root, 'node_modules/@types')],
        },
        files: ['consumer.ts'],
      }),
    })
    const { status, stdout } = run(bin('typescript/bin/tsc'), '-p', path)
    assert.equal(status, 0, stdout)
  })
}

test('an application can be bundled for the web without a warning', async () => {
  const { build } = await import('esbuild')
  const { errors, warnings } = await build({
    stdin: { contents: "import { Ferry } from './web/dist/index.js'; console.log(await Ferry.load())", resolveDir: root },
    bundle: true, format: 'esm', platform: 'browser', write: false, logLevel: 'silent',
  })
  assert.deepEqual([errors, warnings], [[], []])
})

test('publint and attw find nothing', () => {
  const lint = run(bin('publint/src/cli.js'), '--strict', '.')
  assert.equal(lint.status, 0, lint.stdout + lint.stderr)
  const attw = run(bin('@arethetypeswrong/cli/dist/index.js'), '--pack', '.', '--profile', 'esm-only', '--exclude-entrypoints',
    './worker.js', './helper.js', './ferry-*.wasm', '--no-color', '--no-emoji')
  assert.equal(attw.status, 0, attw.stdout + attw.stderr)
})
