/*
 * How long a list takes in Node: after one more event, over a catalogue, with its model if it has one.
 *
 *   node lists.mjs CATALOG [--model DIR] [--domain NAME] [--events N] [--rounds N]
 *
 * Each case is called in turn; milliseconds, the median of the rounds and in brackets the least and the
 * largest. The history is ten purchases, or --events; the event is a view of another item, which undo()
 * takes back.
 */
import { parseArgs } from 'node:util'
import { Ferry } from '../web/dist/index.js'

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { model: { type: 'string' }, domain: { type: 'string' }, events: { type: 'string' }, rounds: { type: 'string' } },
})
if (positionals.length !== 1) throw new Error('usage: node lists.mjs CATALOG [--model DIR] [--domain NAME] [--events N] [--rounds N]')
const rounds = Number(options.rounds ?? 25)

const ferry = await Ferry.load()
const shop = await ferry.open(positionals[0], options.model === undefined ? {} : { model: options.model })
const domain = options.domain ?? shop.domains[0].name
const items = (await shop.items()).filter((item) => item.domain === domain)
const me = shop.visitor()
const nth = (i) => ({ item: items[(i * 7919) % items.length].id, domain, behavior: 'view', timestamp: i + 1 })
for (let i = 0; i < Number(options.events ?? 10); i++) await me.add({ ...nth(i), behavior: 'purchase' })

const all = { domain, k: 10 }
const conditions = ['title~e', 'title~a', 'id!=x', 'title!=x', 'author!=x', 'tags!=x']
const CASES = {
  'the list': () => me.recommend(all),
  'one event, then the list': async () => (me.add(nth(1000)), await me.recommend(all)),
  'undo, then the list': async () => (me.undo(), await me.recommend(all)),
  'everything kept': () => me.recommend({ ...all, keepDuplicates: true, keepDisliked: true, keepSeen: true }),
  'diversity .3': () => me.recommend({ ...all, diversity: 0.3 }),
  'one condition': () => me.recommend({ ...all, where: conditions.slice(0, 1) }),
  'six conditions': () => me.recommend({ ...all, where: conditions }),
  'at most 1 of an author': () => me.recommend({ ...all, atMost: { author: 1 } }),
  explained: () => me.recommend({ ...all, explain: true }),
  'the counterfactual': () => me.counterfactual(all),
}
const times = Object.fromEntries(Object.keys(CASES).map((name) => [name, []]))
for (const call of Object.values(CASES)) await call() // reads the fields, and warms the code
for (let round = 0; round < rounds; round++) {
  for (const [name, call] of Object.entries(CASES)) {
    const start = performance.now()
    await call()
    times[name].push(performance.now() - start)
  }
}

const { kernels } = ferry.capabilities
console.log(`${items.length} items of ${domain}, ${shop.model ? 'with' : 'without'} a model, ${kernels}, Node ${process.versions.node}`)
for (const [name, list] of Object.entries(times)) {
  list.sort((a, b) => a - b)
  const [least, median, most] = [list[0], list[list.length >> 1], list.at(-1)].map((time) => time.toFixed(2))
  console.log(`${name.padEnd(26)} ${median.padStart(8)} [${least} - ${most}] ms`)
}
ferry.close()
