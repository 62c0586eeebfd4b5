/*
 * The demo: departments of pictures, likes, and what a visitor with these likes would like in the
 * departments they have not touched. Uses only what the package publishes. After `ready`, nothing
 * is requested any more: pictures are held as blobs, and the work is done in the worker.
 */
import { Ferry } from '/dist/index.js'
import { offerPhotos } from './photo.js'
import { $, element, key, label, loadPictures, nameOf, offerLanguages, picture, pictures, rename, things } from './things.js'

const SHOWN = 9
/* Of one department at most so many, so that the strip crosses more than one border. */
const OF_ONE_DEPARTMENT = 3
const RANKED = 90
const FIRST = 'food'
/* To begin with something; only those are offered whose things the catalogue has. */
const STARTERS = {
  'a cook': ['food/vegetables/garlic', 'food/vegetables/tomato', 'food/spices/ginger'],
  'a sailor': ['vehicles/ship/sail_boat1', 'vehicles/ship/cartoon/tugboat', 'vehicles/ship/sail_boat2'],
  'a stargazer': ['space/moon/moon_full', 'space/planets/6_saturn', 'space/planets/5_jupiter'],
  'a gardener': ['plants/flowers/rose', 'plants/flowers/marigold', 'plants/flowers/daffodil'],
}

/** Keys of what is liked, oldest first. */
const likes = new Set()
/** Explanations of what is in the strip, by key; and all that was ranked, best first. */
let reasons = new Map()
let ranked = []
let ferry
let shop
let visitor
/** Of the pictures in a score, the words have the rest. */
let pictureWeight

// ---- loading -----------------------------------------------------------------------------------

function loading(text, fraction) {
  $('loading-text').textContent = text
  $('loading-bar').value = fraction
}

async function start() {
  ferry = await Ferry.load({ onProgress: ({ fraction }) => loading('Loading Ferry', fraction * 0.1) })
  shop = await ferry.open('/catalog/', {
    model: false, // nobody's events to learn from
    onProgress: ({ fraction }) => loading('Loading the catalogue', 0.1 + fraction * 0.3),
  })
  const items = await shop.items()
  for (const item of items) things.set(key(item), item)
  await loadPictures((fraction) => loading('Loading the pictures', 0.4 + fraction * 0.6))

  visitor = shop.visitor()
  offerLanguages(showSentences)
  offerStarters()
  offerPictures()
  makeTabs()
  const first = shop.domains.some(({ name }) => name === FIRST) ? FIRST : shop.domains[0].name
  openDepartment(first)
  await warmUp(items[0])
  await showTaste()
  await decodeVisible()
  countRequests()
  $('loading').remove()
  document.documentElement.dataset.ready = 'true'
}

/** Engines compile WebAssembly when it first runs: better now than at the first click. */
async function warmUp(item) {
  const nobody = shop.visitor()
  nobody.add(event(item))
  await nobody.recommend({ k: RANKED })
  nobody.close()
}

/** What is on screen should be there when the curtain goes up. */
function decodeVisible() {
  const images = [...document.querySelectorAll('#grid img, #tabs img')].slice(0, 60)
  return Promise.allSettled(images.map((image) => image.decode()))
}

/** The page's own count of requests, for people; the tests count for themselves. */
function countRequests() {
  const ready = performance.now()
  let count = 0
  const show = () => {
    $('wire-text').textContent = `${count} request${count === 1 ? '' : 's'} since loading`
    $('wire').dataset.state = count === 0 ? 'quiet' : 'busy'
  }
  new PerformanceObserver((list) => {
    count += list.getEntries().filter(
      ({ name, startTime }) => startTime > ready && !name.startsWith('blob:'),
    ).length
    show()
  }).observe({ type: 'resource' })
  show()
}

// ---- departments -------------------------------------------------------------------------------

function makeTabs() {
  const items = [...things.values()]
  for (const { name, count } of shop.domains) {
    const sample = items.find((item) => item.domain === name && pictures.has(key(item)))
    const tab = element('button', { type: 'button', id: `tab-${name}`, role: 'tab', className: 'tab' })
    tab.append(
      element('span', { className: 'tab-picture' }, ...(sample ? [picture(sample)] : [])),
      element('span', { className: 'label', textContent: label(name) }),
      element('span', { className: 'count', textContent: count }),
    )
    tab.dataset.domain = name
    tab.setAttribute('aria-controls', 'panel')
    $('tabs').append(tab)
  }
  $('tabs').addEventListener('click', ({ target }) => {
    const tab = target.closest('.tab')
    if (tab) openDepartment(tab.dataset.domain)
  })
  $('tabs').addEventListener('keydown', (event) => {
    const tabs = [...$('tabs').children]
    const at = tabs.indexOf(document.activeElement)
    const steps = { ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1, Home: 0, End: -1 }
    const to = steps[event.key]
    if (at < 0 || to === undefined) return
    event.preventDefault()
    const tab = tabs[(to + tabs.length) % tabs.length]
    openDepartment(tab.dataset.domain)
    tab.focus()
  })
}

function openDepartment(name) {
  for (const tab of $('tabs').children) {
    const selected = tab.dataset.domain === name
    tab.ariaSelected = String(selected)
    tab.tabIndex = selected ? 0 : -1
    if (selected) tab.scrollIntoView({ block: 'nearest', inline: 'nearest' })
  }
  $('panel').setAttribute('aria-labelledby', `tab-${name}`)
  $('grid').replaceChildren(...[...things.values()].filter(({ domain }) => domain === name).map(card))
  $('panel').scrollTop = 0
}

function card(item) {
  const made = element(
    'button',
    { type: 'button', className: 'card' },
    element('span', { className: 'picture' }, picture(item)),
    element('span', { className: 'name' }),
    element('span', { className: 'heart', ariaHidden: 'true' }),
  )
  made.dataset.key = key(item)
  made.ariaPressed = String(likes.has(key(item)))
  rename(made)
  return made
}

$('grid').addEventListener('click', ({ target }) => {
  const clicked = target.closest('.card')
  if (clicked) toggle(clicked.dataset.key)
})

// ---- taste -------------------------------------------------------------------------------------

const event = (item) => ({ item: item.id, domain: item.domain, behavior: 'rating', value: 5 })

/** A history only grows: to take a like back, a new visitor is given the ones that remain. */
function visitorOf(keys) {
  visitor.close()
  visitor = shop.visitor()
  if (keys.size > 0) visitor.add([...keys].map((one) => event(things.get(one))))
}

function toggle(one) {
  if (likes.delete(one)) visitorOf(likes)
  else {
    likes.add(one)
    visitor.add(event(things.get(one)))
  }
  return showTaste()
}

function offerStarters() {
  for (const [who, wanted] of Object.entries(STARTERS)) {
    const ids = new Set(wanted)
    const found = [...things.values()].filter(({ id }) => ids.has(id)).slice(0, 3)
    if (found.length < 2) continue
    const button = element('button', { type: 'button', className: 'starter', textContent: who })
    button.addEventListener('click', () => {
      for (const item of found) likes.add(key(item))
      visitorOf(likes)
      return showTaste()
    })
    $('starters').append(button)
  }
}

$('forget').addEventListener('click', () => {
  likes.clear()
  visitorOf(likes)
  return showTaste()
})

/** Departments without a like; once none is left, all of them. */
function otherDepartments() {
  const touched = new Set([...likes].map((one) => things.get(one).domain))
  const names = shop.domains.map(({ name }) => name)
  const others = names.filter((name) => !touched.has(name))
  return others.length > 0 ? others : names
}

let asked = 0

async function showTaste() {
  const turn = ++asked
  if (likes.size === 0) {
    showLikes()
    showNothing()
    return
  }
  const start = performance.now()
  const { items } = await visitor.recommend({ domain: otherDepartments(), k: RANKED, ...weights() })
  const took = performance.now() - start
  if (turn !== asked) return // another click was faster
  ranked = items
  const chosen = mixed(items)
  showLikes() // only now: drawing would be counted as thinking
  showStrip(chosen)
  await showReasons(chosen, turn)
  $('speed').textContent = `${took.toFixed(1)} ms over ${shop.count} things, in this tab`
}

// ---- why ---------------------------------------------------------------------------------------

const names = (items) => items.map(({ domain, id }) => ({ domain, id }))

/** Under each card of the strip, why it is there. */
async function showReasons(items, turn) {
  const options = { candidates: names(items), k: items.length, keepDuplicates: true, explain: true, ...weights() }
  const explained = await visitor.recommend(options)
  if (turn !== asked) return
  reasons = new Map(explained.items.map((item) => [key(item), { ...item.explanation, history: explained.history }]))
  showSentences()
}

function showSentences() {
  for (const why of document.querySelectorAll('.strip .why')) why.textContent = sentenceOf(why.parentNode.dataset.key)
}

/** In the names' language: the sentence has the catalogue's own. */
function sentenceOf(one) {
  const { sentence, because } = reasons.get(one) ?? { sentence: '' } // not there yet
  return because ? sentence.replace(because.title, () => nameOf(things.get(key(because)))) : sentence
}

function bar({ event, sum }, largest, history) {
  const item = things.get(key(history[event]))
  const share = `${(100 * Math.abs(sum)) / largest}%`
  const row = element(
    'li',
    {},
    element('span', { className: 'picture' }, picture(item)),
    element('span', { className: 'name' }),
    element('span', { className: 'bar', ariaHidden: 'true' }, element('span', { className: sum < 0 ? 'against' : 'for' })),
    element('span', { className: 'score', textContent: sum.toFixed(3) }),
  )
  row.querySelector('.bar').firstChild.style.width = share
  row.dataset.key = key(item)
  rename(row)
  return row
}

/** What each like puts into the score, and without which of them another thing would come before. */
async function openWhy(one) {
  const { events, history } = reasons.get(one)
  const item = things.get(one)
  const sorted = [...events].sort((a, b) => b.sum - a.sum)
  const largest = Math.max(...sorted.map(({ sum }) => Math.abs(sum)))
  $('why-name').textContent = nameOf(item)
  $('why-picture').replaceChildren(picture(item))
  $('why-sentence').textContent = sentenceOf(one)
  $('why-bars').replaceChildren(...sorted.map((event) => bar(event, largest, history)))
  $('why-without').textContent = ''
  $('why').showModal()
  const turn = asked
  const from = ranked.slice(ranked.findIndex((other) => key(other) === one))
  const found = await visitor.counterfactual({ candidates: names(from), keepDuplicates: true, ...weights() })
  if (turn !== asked || !$('why').open || $('why-name').textContent !== nameOf(item)) return
  $('why-without').textContent = found ? without(found) : 'Whichever of your likes you take back, nothing comes before it.'
}

function without({ without: events, instead }) {
  const given = events.map((event) => nameOf(things.get(key(event))))
  const list = new Intl.ListFormat('en').format(given)
  return `Without ${list}, ${nameOf(things.get(key(instead)))} would come before it.`
}

$('why').addEventListener('click', ({ target }) => {
  if (target === $('why')) $('why').close() // beside it
})

function showLikes() {
  for (const made of $('grid').children) made.ariaPressed = String(likes.has(made.dataset.key))
  for (const tab of $('tabs').children) {
    tab.dataset.liked = [...likes].some((one) => things.get(one).domain === tab.dataset.domain)
  }
  $('likes').replaceChildren(...[...likes].reverse().map(likeChip))
  $('starters').hidden = likes.size > 0
  $('forget').hidden = likes.size === 0
}

/** The best SHOWN, of which no department has more than its share; ranked as before. */
function mixed(items) {
  const taken = new Map()
  const fits = ({ domain }) => {
    taken.set(domain, (taken.get(domain) ?? 0) + 1)
    return taken.get(domain) <= OF_ONE_DEPARTMENT
  }
  const chosen = new Set(items.filter(fits).slice(0, SHOWN))
  for (const item of items) if (chosen.size < SHOWN) chosen.add(item)
  return items.filter((item) => chosen.has(item))
}

function showNothing() {
  $('speed').textContent = ''
  $('strip').dataset.empty = 'true'
  const ghosts = Array.from({ length: SHOWN }, () => element('li', { className: 'ghost', ariaHidden: 'true' }))
  const invitation = element('li', {
    className: 'invitation',
    textContent: 'Click anything you like. What you would like in the other departments appears here at once.',
  })
  $('strip').replaceChildren(...ghosts, invitation)
}

function likeChip(one) {
  const item = things.get(one)
  const chip = element('button', { type: 'button', className: 'chip' }, picture(item))
  chip.dataset.key = one
  chip.dataset.action = 'Take back'
  rename(chip)
  chip.addEventListener('click', () => toggle(one))
  return element('li', {}, chip)
}

/** Cards that stay glide to their new place; new ones come in. */
function showStrip(items) {
  const strip = $('strip')
  delete strip.dataset.empty
  const before = new Map([...strip.children].map((node) => [node.dataset.key, node]))
  const places = new Map([...before].map(([one, node]) => [one, node.offsetLeft]))
  const nodes = items.map((item) => {
    const node = before.get(key(item)) ?? offer(item)
    node.querySelector('.score').textContent = item.score.toFixed(2)
    node.querySelector('meter').value = Math.max(0, item.score)
    return node
  })
  strip.replaceChildren(...nodes)
  if (matchMedia('(prefers-reduced-motion: reduce)').matches) return
  for (const node of nodes) {
    const from = places.get(node.dataset.key)
    if (from === undefined) node.animate([{ opacity: 0, translate: '0 8px' }, { opacity: 1 }], { duration: 220, easing: 'ease-out' })
    else node.animate([{ translate: `${from - node.offsetLeft}px` }, { translate: 0 }], { duration: 260, easing: 'ease-out' })
  }
}

function offer({ domain, id, score }) {
  const item = things.get(key({ domain, id }))
  const button = element(
    'button',
    { type: 'button', className: 'offer' },
    element('span', { className: 'picture' }, picture(item)),
    element('span', { className: 'name' }),
    element(
      'span',
      { className: 'from' },
      element('span', { textContent: label(domain) }),
      element('span', { className: 'score', title: 'Cosine of your taste and this thing' }),
    ),
    element('meter', { min: 0, max: 1, value: score, ariaHidden: 'true' }),
  )
  button.dataset.key = key(item)
  button.dataset.action = 'Like'
  rename(button)
  button.addEventListener('click', () => toggle(key(item)))
  const why = element('button', { type: 'button', className: 'why', ariaHasPopup: 'dialog' })
  why.addEventListener('click', () => reasons.has(key(item)) && openWhy(key(item)))
  const node = element('li', {}, button, why)
  node.dataset.key = key(item)
  return node
}

// ---- pictures ----------------------------------------------------------------------------------

const weights = () => (pictureWeight === undefined ? {} : { modalityWeights: { image: pictureWeight } })

/** Where the catalogue has pictures' vectors: how much they count, and the search for a photo's like. */
function offerPictures() {
  const segment = shop.segments.find(({ modality }) => modality === 'image')
  if (!segment) return
  $('balance').hidden = false
  $('pictures').value = segment.weight
  $('pictures').addEventListener('input', async ({ target }) => {
    pictureWeight = Number(target.value)
    await showTaste()
    $('balance').dataset.shown = pictureWeight
  })
  offerPhotos({ ferry, shop, likes, toggle })
}

// ---- ready, go ---------------------------------------------------------------------------------

start().catch((error) => {
  console.error(error)
  $('loading').dataset.failed = 'true'
  $('loading-text').textContent = `Ferry could not start: ${error.message}`
})
