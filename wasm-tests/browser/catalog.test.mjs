import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { after, before } from 'node:test'
import { directory, golden, root } from '../support.mjs'
import { blankPage, launch, noChromium } from './chromium.mjs'

const native = join(root, 'build/native/ferry')
const skip = noChromium || (!existsSync(native) && 'build/native/ferry is not built')
let browser
before(async () => void (noChromium || (browser = await launch())))
after(() => browser?.close())

const ITEMS = [
  { id: 'a', domain: 'things', title: 'A wooden spoon', image: 'images/rgb.png', audio: 'sounds/float.wav' },
  { id: 'b', domain: 'things', title: 'Ein Löffel, 木のスプーン', image: 'images/none.png' },
  { id: 'c', domain: 'others', image: 'images/grey.png' },
]

test('a catalogue made in a page has the bytes of the command line, and opens there', { skip }, async (t) => {
  const models = { text: 'tiny-bert/gelu-mean', image: 'tiny-efficientnet', audio: 'tiny-musicnn' }
  const { page, trouble } = await blankPage(t, browser, { '/golden': golden })
  const made = await page.evaluate(async ({ items, models }) => {
    const { Ferry } = await import('/dist/index.js')
    const ferry = await Ferry.load()
    const encoders = {}
    for (const [modality, path] of Object.entries(models)) encoders[modality] = await ferry.encoder(`/golden/${path}/`)
    const read = async (item, modality) => {
      if (!item[modality]) return null
      if (item[modality] === 'images/none.png') throw new Error('not there')
      const response = await fetch(`/golden/${item[modality]}`)
      if (modality === 'image') return response.blob()
      return new OfflineAudioContext(1, 1, 8000).decodeAudioData(await response.arrayBuffer()) // the file's own rate
    }
    const told = []
    const onProgress = ({ modality, loaded, total }) => told.push(`${modality} ${loaded}/${total}`)
    const { files, refused } = await ferry.catalog(items, { ...encoders, read, onProgress })
    const shop = await ferry.open(files)
    const me = shop.visitor()
    me.add({ item: 'a' })
    const list = (await me.recommend()).items.map(({ id }) => id)
    ferry.close()
    const bytes = Object.entries(files).map(([name, file]) => [name, [...file]])
    return { files: Object.fromEntries(bytes), refused: refused.map(({ index, reason }) => [index, reason]), told, list }
  }, { items: ITEMS, models })
  assert.deepEqual(made.refused, [[1, 'not there']])
  assert.deepEqual(made.told.slice(-6), ['image 1/3', 'image 2/3', 'image 3/3', 'audio 1/3', 'audio 2/3', 'audio 3/3'])
  assert.deepEqual([...made.list].sort(), ['b', 'c'])

  const path = directory(t, { 'items.jsonl': ITEMS.map((item) => `${JSON.stringify(item)}\n`).join('') })
  const encoders = Object.entries(models).flatMap(([modality, model]) => [`--${modality}-model`, join(golden, model)])
  const args = ['catalog', '--items', join(path, 'items.jsonl'), '--media', golden, ...encoders, '--out', join(path, 'out')]
  const { status, stderr } = spawnSync(native, args)
  assert.equal(status, 0, String(stderr))
  for (const [name, bytes] of Object.entries(made.files)) {
    assert.deepEqual(Buffer.from(bytes), readFileSync(join(path, 'out', name)), name)
  }
  assert.deepEqual(trouble, [])
})
