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

test('a Blob, an ImageBitmap and ImageData have the vector that Node gives the pixels', { skip }, async (t) => {
  const tiny = join(golden, 'tiny-efficientnet')
  const { page, trouble } = await blankPage(t, browser, { '/tiny': tiny, '/images': join(golden, 'images') })
  const found = await page.evaluate(async () => {
    const { Ferry } = await import('/dist/index.js')
    const ferry = await Ferry.load()
    const encoder = await ferry.encoder('/tiny')
    const blob = await (await fetch('/images/rgb.png')).blob()
    const bitmap = await createImageBitmap(blob)
    const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d')
    context.drawImage(bitmap, 0, 0)
    const data = context.getImageData(0, 0, bitmap.width, bitmap.height)
    const vectors = []
    const classes = []
    for (const image of [blob, bitmap, data]) {
      vectors.push([...(await encoder.encodeImage(image))])
      classes.push(await encoder.classify(image))
    }
    const refused = []
    bitmap.close()
    const broken = new Blob([new Uint8Array(await blob.arrayBuffer()).slice(0, 30)])
    for (const image of [bitmap, broken, document.createElement('img'), null]) {
      await encoder.encodeImage(image).then(() => refused.push('taken'), ({ code, op }) => refused.push(`${op} ${code}`))
    }
    ferry.close()
    return { vectors, classes, refused }
  })
  const { shape, values } = readSafetensors(join(golden, 'images.safetensors'))['decoded.rgb.png']
  const ferry = await Ferry.load()
  t.after(() => ferry.close())
  const encoder = await ferry.encoder(tiny)
  const pixels = { data: values, width: shape[1], height: shape[0] }
  const [expected, shown] = [[...(await encoder.encodeImage(pixels))], await encoder.classify(pixels)]
  for (const vector of found.vectors) assert.deepEqual(vector, expected)
  for (const classes of found.classes) assert.deepEqual(classes, shown)
  const op = 'encoder.encodeImage'
  assert.deepEqual(found.refused, [`${op} INVALID_ARGUMENT`, `${op} MALFORMED`, `${op} INVALID_ARGUMENT`, `${op} INVALID_ARGUMENT`])
  await assert.rejects(encoder.encodeImage(new Blob(['x'])), { code: 'UNSUPPORTED' })
  assert.deepEqual(trouble, [])
})
