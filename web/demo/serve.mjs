/*
 * Serves the demo page: a static server that does no more than a page under a strict content
 * security policy needs. One file is made on the way: /thumbs.safetensors is the folder of small
 * pictures in one, for a thousand requests would take longer than all the rest.
 *
 *   node web/demo/serve.mjs [--port N] [--host H] [--catalog DIR] [--thumbs DIR] [--image-model DIR]
 *
 * FERRY_CATALOG, FERRY_THUMBS and FERRY_IMAGE_MODEL stand in for the last three. If the port is taken, the next free
 * one is used and said.
 */
import { createReadStream, existsSync } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'

const root = fileURLToPath(new URL('../..', import.meta.url))

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.jsonl': 'application/jsonl',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.safetensors': 'application/octet-stream',
  '.webp': 'image/webp',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
}

/* Everything from here, nothing from elsewhere; WebAssembly may be compiled, eval may not run. */
const HEADERS = {
  'content-security-policy': [
    "default-src 'self'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "img-src 'self' blob:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-cache',
}

/** The file a request path stands for, or undefined if it would lead out of its folder. */
function locate(mounts, path) {
  const prefix = Object.keys(mounts)
    .filter((mount) => path === mount || path.startsWith(mount.endsWith('/') ? mount : `${mount}/`))
    .sort((a, b) => b.length - a.length)[0]
  if (prefix === undefined || path.includes('\0')) return undefined
  const rest = path.slice(prefix.length)
  const folder = join(mounts[prefix], sep)
  const file = join(folder, rest === '' || rest.endsWith('/') ? `${rest}index.html` : rest)
  return file.startsWith(folder) ? file : undefined
}

/** The .webp files of a folder as U8 tensors, named by their path without the ending. */
async function packed(folder) {
  const names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.webp')).sort()
  const header = {}
  const parts = []
  let end = 0
  for (const name of names) {
    const bytes = await readFile(join(folder, name))
    const start = end
    end += bytes.length
    header[name.slice(0, -'.webp'.length).split(sep).join('/')] = {
      dtype: 'U8',
      shape: [bytes.length],
      data_offsets: [start, end],
    }
    parts.push(bytes)
  }
  const text = Buffer.from(JSON.stringify(header))
  const size = Buffer.alloc(8)
  size.writeBigUInt64LE(BigInt(text.length))
  return Buffer.concat([size, text, ...parts])
}

const packs = new Map()

async function answer(mounts, request, response) {
  const end = (status, text) => {
    response.writeHead(status, { ...HEADERS, 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`)
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') return end(405, 'only GET and HEAD')
  let path
  try {
    path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname)
  } catch {
    return end(400, 'bad path')
  }
  const folder = path.endsWith('.safetensors') && mounts[path]
  if (folder) {
    if (!packs.has(folder)) packs.set(folder, packed(folder).catch(() => undefined))
    const pack = await packs.get(folder)
    if (!pack) return end(404, `nothing at ${path}`)
    const type = TYPES['.safetensors']
    response.writeHead(200, { ...HEADERS, 'content-type': type, 'content-length': pack.length })
    return response.end(request.method === 'HEAD' ? undefined : pack)
  }
  const file = locate(mounts, path)
  const found = file && (await stat(file).catch(() => undefined))
  if (!found?.isFile()) return end(404, `nothing at ${path}`)
  response.writeHead(200, {
    ...HEADERS,
    'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
    'content-length': found.size,
  })
  if (request.method === 'HEAD') return response.end()
  const stream = createReadStream(file)
  stream.on('error', () => response.destroy())
  response.on('close', () => stream.destroy()) // the page may have gone away
  stream.pipe(response)
}

/**
 * Starts serving; mounts maps a path's beginning to a folder (X.safetensors: packed). Takes the first free port of `ports`
 * ones from `port` on. Resolves to { server, url, port }.
 */
export async function serve({ mounts, host = '127.0.0.1', port = 0, ports = 1 }) {
  const server = createServer((request, response) => {
    answer(mounts, request, response).catch(() => response.destroy())
  })
  for (let tried = port; ; tried++) {
    try {
      await new Promise((resolve, reject) => {
        server.once('error', reject)
        server.listen(tried, host, () => {
          server.off('error', reject)
          resolve()
        })
      })
      break
    } catch (error) {
      if (error.code !== 'EADDRINUSE' || tried + 1 >= port + ports || tried >= 65535) throw error
    }
  }
  const taken = server.address().port
  return { server, port: taken, url: `http://${host.includes(':') ? `[${host}]` : host}:${taken}/` }
}

/** The folders of the demo page. */
export function demoMounts({ catalog, thumbs, 'image-model': imageModel } = {}) {
  return {
    '/': join(root, 'web/demo'),
    '/dist': join(root, 'web/dist'),
    '/catalog': catalog ?? process.env.FERRY_CATALOG ?? join(root, '.deps/demo/catalog'),
    '/image-model': imageModel ?? process.env.FERRY_IMAGE_MODEL ?? join(root, '.deps/models/efficientnet-lite0'),
    '/thumbs.safetensors': thumbs ?? process.env.FERRY_THUMBS ?? join(root, '.deps/stamps/thumbs'),
  }
}

async function main() {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '8080' },
      host: { type: 'string', default: '127.0.0.1' },
      catalog: { type: 'string' },
      thumbs: { type: 'string' },
      'image-model': { type: 'string' },
    },
  })
  const port = Number(values.port)
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new Error(`--port ${values.port}: not a port`)
  const mounts = demoMounts(values)
  if (!existsSync(join(mounts['/dist'], 'index.js'))) throw new Error('web/dist is empty: run "npm run build" first')
  if (!existsSync(join(mounts['/catalog'], 'catalog.json'))) {
    throw new Error(`no catalogue in ${mounts['/catalog']}: "sh tools/demo" makes it, or say --catalog DIR`)
  }
  const { server, port: taken, url } = await serve({ mounts, host: values.host, port, ports: port === 0 ? 1 : 20 })
  if (port !== 0 && taken !== port) console.error(`Port ${port} is taken; using ${taken}.`)
  console.log(`Ferry's demo is at ${url} (Ctrl-C ends it)`)
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => {
      server.close()
      server.closeAllConnections()
    })
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  main().catch((error) => {
    console.error(`serve: ${error.message}`)
    process.exitCode = error.code?.startsWith('ERR_PARSE_ARGS') ? 2 : 1
  })
}
