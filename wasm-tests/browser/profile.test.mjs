import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { after, before } from 'node:test'
import { Ferry } from '../../web/dist/index.js'
import { golden, modelShop, modelShopFiles } from '../support.mjs'
import { blankPage, launch, noChromium } from './chromium.mjs'

const skip = noChromium
let browser
before(async () => void (browser = skip || (await launch())))
after(() => skip || browser.close())

/* By Chromium's Web Crypto, what pyca/cryptography locked; and back to Node's. */
test('Chromium: a locked profile goes into the page and comes back, with the same list', { skip }, async (t) => {
  const { page, trouble } = await blankPage(t, browser, { '/shop': modelShop, '/profile': join(golden, 'profile') })
  const passphrase = readFileSync(join(golden, 'profile/passphrase'), 'utf8').trimEnd()
  const found = await page.evaluate(async (passphrase) => {
    const { Ferry } = await import('/dist/index.js')
    const ferry = await Ferry.load()
    const me = (await ferry.open('/shop')).visitor()
    const file = await (await fetch('/profile/locked.ferry')).arrayBuffer()
    const told = await me.import(file, { passphrase: 'another' }).catch(({ name, code, message }) => `${name} ${code}: ${message}`)
    const imported = await me.import(file, { passphrase })
    const list = await me.recommend({ k: 20, halfLife: 2, novelty: 0.3 })
    const locked = [...(await me.export({ passphrase }))]
    await me.undo()
    const undone = (await me.events()).length
    ferry.close()
    return { told, imported, list, locked, undone }
  }, passphrase)
  assert.equal(found.told, 'FerryError MALFORMED: the passphrase is wrong')
  assert.deepEqual(found.imported, { events: 5, leftOut: 0 })
  assert.equal(found.undone, 4)
  assert.deepEqual(trouble, [])

  const ferry = await Ferry.load()
  const me = (await ferry.open(modelShopFiles())).visitor()
  await me.import(Uint8Array.from(found.locked), { passphrase })
  assert.deepEqual(await me.export(), new Uint8Array(readFileSync(join(golden, 'profile/plain.json'))))
  assert.deepEqual(await me.recommend({ k: 20, halfLife: 2, novelty: 0.3 }), found.list)
  ferry.close()
})
