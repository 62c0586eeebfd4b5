import assert from 'node:assert/strict'
import { join } from 'node:path'
import test, { after, before } from 'node:test'
import { Ferry } from '../../web/dist/index.js'
import { golden, readSafetensors } from '../support.mjs'
import { blankPage, launch, noChromium } from './chromium.mjs'

const skip = noChromium
let browser
before(async () => void (noChromium || (browser = await launch())))
after(() => browser?.close())

test('a sound that the page decodes has the vector that Node gives its samples', { skip }, async (t) => {
  const tiny = join(golden, 'tiny-musicnn')
  const { page, trouble } = await blankPage(t, browser, { '/tiny': tiny, '/sounds': join(golden, 'sounds') })
  const found = await page.evaluate(async () => {
    const { Ferry } = await import('/dist/index.js')
    const ferry = await Ferry.load()
    const encoder = await ferry.encoder('/tiny')
    const context = new OfflineAudioContext(1, 1, 8000) // the file's own rate: nothing is resampled on the way
    const audio = await context.decodeAudioData(await (await fetch('/sounds/float.wav')).arrayBuffer())
    const vector = await encoder.encodeAudio(audio)
    const tags = await encoder.classify(audio)
    ferry.close()
    return { samples: audio.length, vector: [...vector], tags }
  })
  const { values } = readSafetensors(join(golden, 'sounds.safetensors'))['decoded.float.wav']
  assert.equal(found.samples, values.length)
  const ferry = await Ferry.load()
  t.after(() => ferry.close())
  const encoder = await ferry.encoder(tiny)
  assert.deepEqual(found.vector, [...(await encoder.encodeAudio(values, { sampleRate: 8000 }))])
  assert.deepEqual(found.tags, await encoder.classify(values, { sampleRate: 8000 }))
  assert.deepEqual(trouble, [])
})
