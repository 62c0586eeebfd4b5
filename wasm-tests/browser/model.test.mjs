import assert from 'node:assert/strict'
import test, { after, before } from 'node:test'
import { directory, modelShop, modelShopFiles, optionsOf, readLists } from '../support.mjs'
import { blankPage, launch, noChromium } from './chromium.mjs'

const skip = noChromium
let browser
before(async () => void (browser = skip || (await launch())))
after(() => skip || browser.close())

test('Chromium: a shop with its model gives the native lists, by every build', { skip }, async (t) => {
  const plain = directory(t, modelShopFiles({ model: false }))
  const { page, trouble } = await blankPage(t, browser, { '/shop': modelShop, '/plain': plain })
  const lists = readLists().map((list) => ({ ...list, options: optionsOf(list) }))
  for (const kernels of ['relaxed', 'simd', 'scalar']) {
    const found = await page.evaluate(
      async ({ kernels, lists }) => {
        const { Ferry } = await import('/dist/index.js')
        const ferry = await Ferry.load({ kernels })
        const learned = await ferry.open('/shop')
        const plain = await ferry.open('/plain', { model: false })
        const recommend = (shop, { events, options }) => {
          const me = shop.visitor()
          me.add(events)
          return me.recommend(options)
        }
        const gives = []
        for (const list of lists) gives.push(await recommend(list.model ? learned : plain, list))
        // a visitor of before, and a model from elsewhere
        const [list] = lists.filter(({ model }) => model)
        const me = plain.visitor()
        me.add(list.events)
        await plain.useModel('/shop/model/')
        const later = await me.recommend(list.options)
        const told = await plain.useModel('/plain/').catch(({ name, code, message }) => `${name} ${code}: ${message}`)
        ferry.close()
        return { gives, later, told, model: learned.model, build: ferry.capabilities.build }
      },
      { kernels, lists },
    )
    assert.equal(found.build, kernels)
    assert.deepEqual(found.model, { learned: ['books', 'films'] })
    assert.deepEqual(found.gives, lists.map(({ gives }) => gives))
    assert.deepEqual(found.later, lists.find(({ model }) => model).gives)
    assert.match(found.told, /^FerryError NOT_FOUND: .*\/plain\/ has no ferry\.json/)
  }
  const unexpected = trouble.filter((one) => !/404/.test(one))
  assert.deepEqual(unexpected, [], 'nothing but the model that was asked for in vain')
})
