/*
 * The things of the catalogue and how they are drawn: their pictures, and their names in the language
 * that was chosen; and what nodes are made with.
 */

const LABELS = { naturalforces: 'Natural forces' }

export const $ = (id) => document.getElementById(id)
export const element = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties)
  made.append(...children)
  return made
}

export const key = ({ domain, id }) => `${domain}\t${id}`
export const label = (domain) => LABELS[domain] ?? domain.charAt(0).toUpperCase() + domain.slice(1)

/** @type {Map<string, object>} items by key, in the catalogue's order */
export const things = new Map()
/** Blob URLs by key. */
export const pictures = new Map()
let language = ''

/** All pictures come in one file: bytes under the items' ids, as safetensors. */
export async function loadPictures(onProgress) {
  const response = await fetch('/thumbs.safetensors')
  if (!response.ok) return // letters stand in for them
  const total = Number(response.headers.get('content-length'))
  const file = new Uint8Array(total)
  const reader = response.body.getReader()
  for (let loaded = 0; ; onProgress(loaded / total)) {
    const { done, value } = await reader.read()
    if (done) break
    file.set(value, loaded)
    loaded += value.length
  }
  const size = Number(new DataView(file.buffer).getBigUint64(0, true))
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + size)))
  for (const item of things.values()) {
    const entry = header[item.id]
    if (!entry) continue
    const bytes = file.subarray(8 + size + entry.data_offsets[0], 8 + size + entry.data_offsets[1])
    pictures.set(key(item), URL.createObjectURL(new Blob([bytes], { type: 'image/webp' })))
  }
}

export function picture(item) {
  const url = pictures.get(key(item))
  if (!url) return element('span', { className: 'letter', textContent: item.title.charAt(0), ariaHidden: 'true' })
  return element('img', { src: url, alt: '', decoding: 'async', draggable: false })
}

export function nameOf(item) {
  return (language && item.names?.[language]) || item.title
}

/** Languages that most things have a name in, under their own names; onChange when one was chosen. */
export function offerLanguages(onChange) {
  const counts = new Map()
  for (const { names = {} } of things.values()) {
    for (const code of Object.keys(names)) counts.set(code, (counts.get(code) ?? 0) + 1)
  }
  const options = []
  for (const [code, count] of counts) {
    if (count < things.size / 2 || code.startsWith('en')) continue
    const tag = code.replace('_', '-')
    try {
      const name = new Intl.DisplayNames([tag], { type: 'language', fallback: 'none' }).of(tag)
      if (name) options.push({ code, name: name.charAt(0).toLocaleUpperCase(tag) + name.slice(1) })
    } catch {
      // Not a tag that Intl knows ("ca@valencia"): left out.
    }
  }
  options.sort((a, b) => a.name.localeCompare(b.name))
  $('language').append(...options.map(({ code, name }) => element('option', { value: code, textContent: name })))
  $('language').addEventListener('change', ({ target }) => {
    language = target.value
    for (const node of document.querySelectorAll('[data-key]')) rename(node)
    onChange()
  })
}

/** Puts the item's name, in the language chosen, on everything in this node that bears it. */
export function rename(node) {
  const item = things.get(node.dataset.key)
  const name = nameOf(item)
  const text = node.querySelector('.name')
  if (text) {
    text.textContent = name
    text.lang = language && item.names?.[language] ? language.replace('_', '-') : 'en'
    text.dir = 'auto'
  }
  node.title = name
  const action = node.dataset.action
  if (action) node.setAttribute('aria-label', `${action}: ${name}`)
}
