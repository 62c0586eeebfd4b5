/*
 * Bundles web/src into web/dist: index.js for the page, worker.js for the worker, helper.js for its
 * helpers; seal.js for who locks profiles, pixels.js for who gives it pictures, vectors.js for who searches an
 * index, catalog.js for who makes catalogues; their types, and the WebAssembly builds from build/wasm (or --wasm DIR).
 */
import { build } from 'esbuild'
import { minify } from 'terser'
import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const root = fileURLToPath(new URL('..', import.meta.url))
const { values } = parseArgs({ options: { wasm: { type: 'string', default: join(root, 'build/wasm') } } })
const dist = join(root, 'web/dist')

const binaries = ['relaxed', 'simd', 'scalar'].flatMap((build) => [`ferry-${build}.wasm`, `ferry-${build}-threads.wasm`])
const missing = binaries.filter((name) => !existsSync(join(values.wasm, name)))
if (missing.length > 0) {
  console.error(`web/build.mjs: no ${missing.join(', ')} in ${values.wasm}: run "npm run build"`)
  process.exit(1)
}

rmSync(dist, { recursive: true, force: true })
mkdirSync(dist, { recursive: true })
for (const name of binaries) {
  copyFileSync(join(values.wasm, name), join(dist, name))
  chmodSync(join(dist, name), 0o644) // the linker marks them as programs
}

const names = ['index', 'worker', 'helper']
const later = ['seal', 'pixels', 'vectors', 'catalog'] // loaded when they are needed

await build({
  absWorkingDir: root,
  entryPoints: [...names, ...later].map((name) => `web/src/${name}.ts`),
  external: later.map((name) => `./${name}.js`),
  outdir: dist,
  bundle: true,
  format: 'esm',
  target: 'es2022',
  platform: 'neutral',
  // A seventh less to load than with the names; they and the lines are in the source map.
  minify: true,
  sourcemap: 'linked',
  sourcesContent: true,
  legalComments: 'none',
  logLevel: 'warning',
})

// Once more: a thirtieth less than esbuild alone makes of it. Source maps lead to the sources still.
for (const name of [...names, ...later].map((name) => `${name}.js`)) {
  const path = join(dist, name)
  const { code, map } = await minify(readFileSync(path, 'utf8'), {
    ecma: 2022,
    module: true,
    compress: { passes: 3, unsafe_arrows: true, unsafe_methods: true, hoist_funs: true },
    // Tells linters, which look for it at a line's beginning, that these are ES modules.
    format: { preamble: 'import.meta;' },
    sourceMap: { content: readFileSync(`${path}.map`, 'utf8'), url: `${name}.map`, includeSources: true },
  })
  writeFileSync(path, code)
  writeFileSync(`${path}.map`, map)
}

const tsc = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', root], {
  stdio: 'inherit',
})
process.exit(tsc.status ?? 1)
