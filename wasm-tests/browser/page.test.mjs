/* The demo page as a person uses it, and a picture of it to look at: build/demo.png. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { after, before } from 'node:test'
import { Ferry } from '../../web/dist/index.js'
import { demoMounts, serve } from '../../web/demo/serve.mjs'
import { catalogFiles, model, root, skipWithout } from '../support.mjs'
import { launch, noChromium, watch } from './chromium.mjs'

const stamps = process.env.FERRY_STAMPS ?? join(root, '.deps/stamps')
const skip = noChromium || skipWithout(join(stamps, 'items.jsonl'), join(stamps, 'thumbs'), join(model, 'model.safetensors'))

/** The demo's own catalogue; where tools/demo has not made it, the package encodes one. */
async function catalog() {
  const made = demoMounts()['/catalog']
  if (existsSync(join(made, 'catalog.json'))) return made
  const own = join(root, 'build/page-test-catalog')
  if (existsSync(join(own, 'catalog.json'))) return own
  const items = readFileSync(join(stamps, 'items.jsonl'), 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line))
  const ferry = await Ferry.load()
  const encoder = await ferry.encoder(model)
  const vectors = await encoder.encode(items.map(({ title, tags }) => [title, tags.join(', ')].filter(Boolean).join(' | ')))
  ferry.close()
  mkdirSync(own, { recursive: true })
  const files = catalogFiles(items.map((item, i) => ({ ...item, vector: Array.from(vectors[i]) })))
  for (const name of ['vectors.safetensors', 'items.jsonl', 'catalog.json']) writeFileSync(join(own, name), files[name])
  return own
}

let browser
let server
let url
let requests = 0
before(async () => {
  if (skip) return
  ;({ server, url } = await serve({ mounts: demoMounts({ catalog: await catalog(), thumbs: join(stamps, 'thumbs') }) }))
  server.on('request', () => requests++)
  browser = await launch()
  mkdirSync(join(root, 'build'), { recursive: true })
})
after(async () => {
  await browser?.close()
  server?.close()
  server?.closeAllConnections()
})

async function open(t, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, ...options })
  t.after(() => context.close())
  const page = await context.newPage()
  const trouble = watch(page, url)
  await page.goto(url)
  await page.waitForSelector('html[data-ready=true]')
  const card = (id) => page.locator(`.card[data-key$="\t${id}"]`)
  const department = (name) => page.click(`#tab-${name}`)
  const offers = () => page.locator('.offer').evaluateAll((nodes) => nodes.map(({ dataset }) => dataset.key.split('\t')))
  /** Clicks, and waits until what it changes is there. */
  const like = async (id) => {
    const before = (await offers()).join()
    await card(id).click()
    await page.waitForFunction(
      (was) => [...document.querySelectorAll('.offer')].map(({ dataset }) => dataset.key.split('\t')).join() !== was,
      before,
    )
  }
  return { page, context, trouble, card, department, offers, like }
}

test('likes change what the other departments offer, and no request leaves the page', { skip }, async (t) => {
  const { page, context, trouble, card, department, offers, like } = await open(t)
  const before = requests
  await context.setOffline(true) // from here on nothing could be fetched

  assert.equal(await page.locator('.tab').count(), 16)
  for (const tab of await page.locator('.tab').all()) {
    await tab.click()
    assert.equal(await page.locator('.card').count(), Number(await tab.locator('.count').textContent()))
  }
  await department('food')
  const pictures = await page.locator('#grid img').evaluateAll(async (images) => {
    await Promise.allSettled(images.map((image) => image.decode()))
    return images.filter(({ naturalWidth }) => naturalWidth > 0).length
  })
  assert.equal(pictures, await page.locator('.card').count(), 'every thing has its picture')

  await like('food/vegetables/garlic')
  const garlic = await offers()
  assert.equal(garlic.length, 9)
  assert.ok(garlic.every(([domain]) => domain !== 'food'), 'only from departments without a like')
  assert.ok(new Set(garlic.map(([domain]) => domain)).size >= 3, 'from several of them')
  await like('food/spices/ginger')
  const cook = await offers()
  assert.notDeepEqual(cook, garlic)
  assert.equal(await card('food/spices/ginger').getAttribute('aria-pressed'), 'true')
  assert.equal(await page.locator('.chip').count(), 2)
  const scores = (await page.locator('.score').allTextContents()).map(Number)
  assert.ok(scores.every((score, i) => score > 0 && score <= 1 && (i === 0 || score <= scores[i - 1])), `${scores}`)
  assert.match(await page.textContent('#speed'), /^\d+\.\d ms over \d+ things/)

  await like('food/spices/ginger') // once more: taken back
  assert.deepEqual(await offers(), garlic, 'as if it had never been liked')
  await page.click('.chip')
  await page.waitForSelector('.ghost')
  assert.equal(await page.locator('.offer').count(), 0)

  // What a sailor likes elsewhere.
  await department('vehicles')
  await like('vehicles/ship/sail_boat1')
  await like('vehicles/ship/cartoon/tugboat')
  assert.ok((await offers()).some(([, id]) => id.includes('shipwreck')), `${await offers()}`)

  // An offer can be liked itself; its department then has been visited.
  const [[domain, id]] = await offers()
  await page.locator('.offer').first().click()
  await page.waitForFunction((one) => ![...document.querySelectorAll('.offer')].some(({ dataset }) => dataset.key === one), `${domain}\t${id}`)
  assert.ok((await offers()).every(([other]) => other !== domain && other !== 'vehicles'))

  await page.click('#forget')
  await page.waitForSelector('.ghost')
  await page.click('.starter >> nth=0')
  await page.waitForSelector('.offer')

  assert.equal(requests - before, 0, 'requests at the server since ready')
  assert.match(await page.textContent('#wire-text'), /^0 requests/)
  assert.deepEqual(trouble, [])
})

test('a card tells why it is there, and without which like it would not come first', { skip }, async (t) => {
  const { page, trouble, card, like } = await open(t)
  const sentence = page.locator('.strip .why').first()
  await page.click('#tab-food')
  await card('food/vegetables/garlic').click()
  await page.waitForFunction(() => document.querySelector('.strip .why')?.textContent.includes('%'))
  const garlic = await page.evaluate(() => document.querySelector('.chip').title)
  assert.ok((await sentence.textContent()).startsWith(`because you liked ${garlic}; `))
  await like('food/spices/ginger')
  await like('food/vegetables/tomato')
  // Of words, and where the catalogue has them of pictures.
  await page.waitForFunction(() => {
    const told = [...document.querySelectorAll('.strip .why')].map(({ textContent }) => textContent)
    return told.every((text) => /^because you liked .+; \d+ % (words|picture)(, \d+ % (words|picture))?$/.test(text))
  })
  await sentence.click()
  await page.waitForFunction(() => document.getElementById('why-without').textContent !== '')
  const told = await page.evaluate(() => ({
    name: document.getElementById('why-name').textContent,
    sentence: document.getElementById('why-sentence').textContent,
    likes: [...document.querySelectorAll('.chip')].map(({ title }) => title),
    bars: [...document.querySelectorAll('#why-bars li')].map((row) => ({
      name: row.querySelector('.name').textContent,
      value: Number(row.querySelector('.score').textContent),
      width: row.querySelector('.bar').firstChild.getBoundingClientRect().width,
    })),
    score: Number(document.querySelector('.offer .score').textContent),
    without: document.getElementById('why-without').textContent,
  }))
  assert.deepEqual(told.bars.map(({ name }) => name).sort(), told.likes.sort())
  assert.ok(told.sentence.includes(told.bars[0].name), `${told.sentence}: ${told.bars[0].name} says most`)
  assert.ok(told.bars.every(({ width }, i) => i === 0 || width <= told.bars[i - 1].width), JSON.stringify(told.bars))
  assert.ok(Math.abs(told.bars.reduce((sum, { value }) => sum + value, 0) - told.score) < 0.01, JSON.stringify(told))
  assert.match(told.without, /^Without .+, .+ would come before it\.$/)
  await page.screenshot({ path: join(root, 'build', 'demo-why.png') })
  await page.keyboard.press('Escape')
  assert.equal(await page.evaluate(() => document.getElementById('why').open), false)
  assert.deepEqual(trouble, [])
})

test('a photo finds its like in every department, and pictures weigh as much as they should', { skip }, async (t) => {
  const { page, context, trouble, department, offers, like } = await open(t)
  if (await page.locator('#pick').isHidden()) return t.skip('the catalogue has no pictures: sh tools/demo makes one that has')
  await department('food')
  await like('food/vegetables/garlic')
  const balance = async (value) => {
    await page.locator('#pictures').fill(String(value))
    await page.waitForFunction((shown) => document.getElementById('balance').dataset.shown === shown, String(value))
    const told = (await page.locator('.strip .why').allTextContents()).join()
    return { list: (await offers()).join(), groups: ['words', 'picture'].filter((group) => told.includes(`% ${group}`)) }
  }
  const [words, both, pictures] = [await balance(0), await balance(0.5), await balance(1)]
  assert.deepEqual([words.groups, both.groups, pictures.groups], [['words'], ['words', 'picture'], ['picture']])
  assert.notEqual(words.list, pictures.list)
  assert.deepEqual(await balance(0.5), both)

  const paths = []
  context.on('request', (request) => {
    if (!request.url().startsWith('blob:')) paths.push(new URL(request.url()).pathname)
  })
  const apple = join(stamps, 'thumbs/food/fruit/apple_red.webp')
  const found = () => page.locator('.found-list section').evaluateAll((sections) =>
    sections.map((section) => [...section.querySelectorAll('.found-card')].map(({ dataset, children }) => [dataset.key.split('\t')[1], Number(children[2].textContent)])))
  await page.setInputFiles('#photo', apple)
  await page.waitForSelector('.found-card', { timeout: 60000 })
  const first = await found()
  assert.equal(first.length, 16, 'every department has something')
  assert.ok(first.every((items) => items.length > 0 && items.length <= 5))
  assert.equal(first[0][0][0], 'food/fruit/apple_red')
  assert.ok(first[0][0][1] > 0.95, `${first[0][0]}`)
  assert.ok(first[0].slice(1).every(([id]) => id.startsWith('food/')))
  for (const items of first) assert.ok(items.every(([, score], i) => i === 0 || score <= items[i - 1][1]))
  await page.evaluate(() => Promise.allSettled([...document.querySelectorAll('.found-list img, #found-photo')].map((image) => image.decode())))
  await page.screenshot({ path: join(root, 'build', 'demo-photo.png') })
  assert.ok(await page.evaluate(() => document.getElementById('found-photo').clientWidth > 100), 'the photo is shown')
  await page.keyboard.press('Escape')

  // Dropped, once the model is there: no request at all.
  const before = paths.length
  await context.setOffline(true)
  const bytes = [...readFileSync(join(stamps, 'thumbs/vehicles/ship/sail_boat1.webp'))]
  await page.evaluate((content) => {
    const dataTransfer = new DataTransfer()
    dataTransfer.items.add(new File([new Uint8Array(content)], 'boat.webp', { type: 'image/webp' }))
    document.body.dispatchEvent(new DragEvent('dragenter', { dataTransfer, bubbles: true }))
    document.body.dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }))
  }, bytes)
  await page.waitForFunction(() => document.querySelector('.found-card')?.dataset.key.includes('sail_boat1'))
  assert.equal(paths.length, before)
  // the model's files, and what makes a picture pixels, once
  assert.ok(paths.every((path) => /^\/(image-model\/|dist\/pixels\.js$)/.test(path)), `${paths}`)
  await page.locator('.found-card').first().click()
  await page.waitForFunction(() => document.querySelector('.found-card').ariaPressed === 'true')
  assert.equal(await page.locator('.chip').count(), 2)
  await page.keyboard.press('Escape')

  await page.setInputFiles('#photo', { name: 'broken.png', mimeType: 'image/png', buffer: Buffer.from('no picture') })
  await page.waitForFunction(() => document.getElementById('found-text').textContent.startsWith('This photo cannot be read'))
  assert.deepEqual(trouble, [])
})

test('keyboard, names in other languages', { skip }, async (t) => {
  const { page, card, offers } = await open(t)
  await page.focus('#tab-food')
  await page.keyboard.press('ArrowDown')
  assert.equal(await page.locator('.tab[aria-selected=true]').getAttribute('data-domain'), 'hobbies')
  assert.equal(await page.evaluate(() => document.activeElement.dataset.domain), 'hobbies')
  await page.keyboard.press('ArrowUp')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Tab') // the panel may be scrolled by keys, then the first card
  for (let i = 0; i < 3 && !(await page.evaluate(() => document.activeElement.matches('.card'))); i++) {
    await page.keyboard.press('Tab')
  }
  await page.keyboard.press('Enter')
  await page.waitForSelector('.offer')
  assert.equal(await page.locator('.card[aria-pressed=true]').count(), 1)
  assert.equal((await offers()).length, 9)

  const name = card('food/spices/ginger').locator('.name')
  const english = await name.textContent()
  const codes = await page.locator('#language option').evaluateAll((options) => options.map(({ value }) => value))
  assert.ok(codes.length > 20 && codes.includes('zh_CN'), codes.join())
  await page.selectOption('#language', 'fr')
  assert.notEqual(await name.textContent(), english)
  assert.equal(await name.getAttribute('lang'), 'fr')
  await page.selectOption('#language', '')
  assert.equal(await name.textContent(), english)
})

test('pictures of the page: light, dark, narrow', { skip }, async (t) => {
  for (const [name, options] of Object.entries({
    demo: {},
    'demo-dark': { colorScheme: 'dark' },
    'demo-narrow': { viewport: { width: 390, height: 844 } },
  })) {
    const { page, department, like } = await open(t, options)
    await department('food')
    await like('food/vegetables/garlic')
    await like('food/spices/ginger')
    await like('food/vegetables/tomato')
    await page.locator('#panel').evaluate((panel) => panel.scrollTo(0, 0))
    await page.mouse.move(0, 0)
    await page.evaluate(() => document.activeElement.blur())
    await page.waitForTimeout(400) // the cards glide
    const { overflow, height } = await page.evaluate(() => ({
      overflow: document.documentElement.scrollWidth - innerWidth,
      height: document.querySelector('.for-you').offsetHeight,
    }))
    assert.ok(overflow <= 0, `${name}: wider than the window by ${overflow}`)
    assert.ok(height > 100 && height < 320, `${name}: the strip is ${height} high`)
    await page.screenshot({ path: join(root, 'build', `${name}.png`) })
  }
})
