/* The search for a photo's like: picked or dropped, encoded in this tab, compared with the pictures. */
import { $, element, key, label, picture, rename, things } from './things.js'

/* Of each department. */
const FOUND = 5
/* Photographs of a phone are larger than a canvas needs to be: the model sees 224 pixels. */
const LARGEST = 1024

/** What the page has: { ferry, shop, likes, toggle }. */
let page

export function offerPhotos(given) {
  page = given
  $('pick').hidden = false
  $('photo').addEventListener('change', ({ target }) => {
    const [file] = target.files
    target.value = '' // so that the same may be picked again
    if (file) return findLike(file)
  })
  let inside = 0 // dragenter and dragleave come for every element that is crossed
  const show = (by) => {
    inside = Math.max(0, inside + by)
    $('drop').classList.toggle('over', inside > 0)
  }
  addEventListener('dragenter', () => show(1))
  addEventListener('dragleave', () => show(-1))
  addEventListener('dragover', (event) => event.preventDefault())
  addEventListener('drop', (event) => {
    event.preventDefault()
    show(-inside)
    const file = [...event.dataTransfer.files].find(({ type }) => type.startsWith('image/'))
    if (file) return findLike(file)
  })
}

/** Of pictures; loaded when the first photo is there, for all of them. */
let imageEncoder

function openImageEncoder() {
  const onProgress = ({ fraction }) => {
    $('found-bar').value = fraction
    $('found-text').textContent = 'Loading EfficientNet-Lite0, once'
  }
  imageEncoder ??= page.ferry.encoder('/image-model/', { onProgress })
  imageEncoder.catch(() => (imageEncoder = undefined)) // another photo tries again
  return imageEncoder
}

async function pixelsOf(file) {
  const bitmap = await createImageBitmap(file)
  const scale = Math.min(1, LARGEST / Math.max(bitmap.width, bitmap.height))
  const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)))
  const context = new OffscreenCanvas(width, height).getContext('2d')
  context.drawImage(bitmap, 0, 0, width, height)
  bitmap.close()
  return context.getImageData(0, 0, width, height)
}

/** Aborts the search before when another photo comes, or the box is closed. */
let searching = new AbortController()

async function findLike(file) {
  searching.abort()
  const { signal } = (searching = new AbortController())
  URL.revokeObjectURL($('found-photo').src)
  $('found-photo').src = URL.createObjectURL(file)
  $('found-list').replaceChildren()
  $('found-text').textContent = ''
  $('found-bar').value = 0
  $('found-bar').hidden = false
  if (!$('found').open) $('found').showModal()
  try {
    const [encoder, pixels] = await Promise.all([openImageEncoder(), pixelsOf(file)])
    const start = performance.now()
    const vector = await encoder.encodeImage(pixels, { signal })
    const items = await page.shop.nearest(vector, { modality: 'image', k: page.shop.count, signal })
    const took = performance.now() - start
    if (signal.aborted) return
    showFound(items)
    $('found-text').textContent = `${took.toFixed(0)} ms over ${items.length} pictures, in this tab: the photo went nowhere`
  } catch (error) {
    if (!signal.aborted) $('found-text').textContent = `This photo cannot be read: ${error.message}`
  } finally {
    if (!signal.aborted) $('found-bar').hidden = true
  }
}

/** The nearest of every department, the department of the nearest first. */
function showFound(items) {
  const rows = [...grouped(items)].map(([domain, found]) =>
    element(
      'section',
      {},
      element('h3', { className: 'small', textContent: label(domain) }),
      element('ol', {}, ...found.slice(0, FOUND).map(foundCard)),
    ),
  )
  $('found-list').replaceChildren(...rows)
}

function grouped(items) {
  const groups = new Map()
  for (const item of items) groups.set(item.domain, [...(groups.get(item.domain) ?? []), item])
  return groups
}

function foundCard({ domain, id, score }) {
  const item = things.get(key({ domain, id }))
  const made = element(
    'button',
    { type: 'button', className: 'found-card' },
    element('span', { className: 'picture' }, picture(item)),
    element('span', { className: 'name' }),
    element('span', { className: 'score', textContent: score.toFixed(2), title: 'Cosine of the two pictures' }),
  )
  made.dataset.key = key(item)
  made.dataset.action = 'Like'
  made.ariaPressed = String(page.likes.has(key(item)))
  rename(made)
  made.addEventListener('click', async () => {
    await page.toggle(key(item))
    made.ariaPressed = String(page.likes.has(key(item)))
  })
  return element('li', {}, made)
}

$('found').addEventListener('close', () => searching.abort())
$('found').addEventListener('click', ({ target }) => {
  if (target === $('found')) $('found').close() // beside it
})
