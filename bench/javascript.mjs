/*
 * Runs a contestant of contestant.mjs on this process's standard input and output.
 *
 *   node javascript.mjs node KIND OPTION…        here
 *   node javascript.mjs page KIND OPTION…        in a page of headless Chromium
 *   node javascript.mjs cold KIND OPTION…        each repetition: a fresh Chromium; from navigation to the first vector
 */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const [where, ...contestant] = process.argv.slice(2)

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm',
  '.json': 'application/json' }

/* Isolated, as a page must be that wants exact clocks or threads. Only for this machine, and only files of the checkout. */
async function serve() {
  const server = createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname)
    const file = join(root, join('/', path))
    const found = await stat(file).catch(() => undefined)
    const headers = {
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-embedder-policy': 'require-corp',
      'cache-control': 'no-cache',
    }
    if (!found?.isFile()) return response.writeHead(404, headers).end()
    const type = TYPES[extname(file)] ?? 'application/octet-stream'
    response.writeHead(200, { ...headers, 'content-type': type, 'content-length': found.size })
    createReadStream(file).pipe(response)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${server.address().port}/`
}

async function chromium() {
  const { launch, noChromium } = await import('../wasm-tests/browser/chromium.mjs')
  if (noChromium) throw new Error(noChromium)
  return launch()
}

const failOn = (page) => page.on('pageerror', (error) => fail(error))

function fail(error) {
  console.error(`${where} ${contestant.join(' ')}: ${error.code ? error.message : (error.stack ?? error)}`)
  process.exit(1)
}

const WHERE = {
  async node() {
    const { create } = await import('./contestant.mjs')
    const { info, answer } = await create(...contestant)
    return { info: { ...info, engine: `Node ${process.versions.node}` }, answer, close: () => process.exit() }
  },

  async page() {
    const [url, browser] = [await serve(), await chromium()]
    const page = await browser.newPage()
    failOn(page)
    await page.goto(`${url}bench/blank.html`)
    const info = await page.evaluate(async ([from, what]) => {
      const { create } = await import(from)
      globalThis.contestant = await create(...what)
      return globalThis.contestant.info
    }, [`${url}bench/contestant.mjs`, contestant])
    return {
      info: { ...info, engine: `Chromium ${browser.version()}` },
      answer: (...message) => page.evaluate((all) => globalThis.contestant.answer(...all), message),
      async close() {
        await browser.close()
        process.exit()
      },
    }
  },

  async cold() {
    const url = await serve()
    const first = await chromium()
    const engine = `Chromium ${first.version()}`
    await first.close()
    let lines = ['']
    async function once() {
      const browser = await chromium()
      const page = await browser.newPage()
      failOn(page)
      const query = new URLSearchParams({ what: JSON.stringify(contestant), first: lines[0] })
      await page.goto(`${url}bench/cold.html?${query}`)
      await page.waitForFunction(() => globalThis.done !== undefined)
      const milliseconds = await page.evaluate(() => globalThis.done)
      await browser.close()
      return Math.round(milliseconds * 1e6)
    }
    return {
      info: { engine },
      async answer(verb, [, , warm, repeat], given) {
        if (given) {
          lines = given
          return 'ok'
        }
        const times = []
        for (let i = 0; i < warm + repeat; i++) times.push(await once())
        return times.slice(warm).join(' ')
      },
      close: () => process.exit(),
    }
  },
}

async function main() {
  const { info, answer, close } = await WHERE[where]()
  console.log(JSON.stringify(info))
  const input = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
  for (;;) {
    const { value, done } = await input.next()
    if (done) return close()
    const [verb, ...numbers] = value.split(' ')
    let lines
    if (verb === 'texts' || verb === 'rows' || verb === 'pictures') {
      lines = []
      while (lines.length < Number(numbers[0])) lines.push((await input.next()).value)
    }
    console.log(await answer(verb, numbers.map(Number), lines))
  }
}

main().catch(fail)
