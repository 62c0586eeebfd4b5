/*
 * A million vectors of 384 numbers in the tab's memory: how much, and how long a search takes.
 *   node bench/million.mjs [VECTORS] [THREADS]
 * Vectors lie in clouds about 5,000 centres, so that there are neighbours to find. `recall` is how many
 * of the ten nearest by int8 are found through signs.
 */
import { Ferry } from '../web/dist/index.js'

const [count = 1_000_000, threads = 1] = process.argv.slice(2).map(Number)
const DIMENSION = 384
const BATCH = 10_000
const CENTRES = 5_000
const QUERIES = 20

let state = 88172645
function random() {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  return state / 2 ** 31
}
const noise = () => random() + random() + random()

const centres = Float32Array.from({ length: CENTRES * DIMENSION }, noise)

function fill(vector) {
  const at = Math.floor((random() + 1) / 2 * (CENTRES - 1)) * DIMENSION
  let square = 0
  for (let i = 0; i < DIMENSION; i++) {
    vector[i] = centres[at + i] + noise()
    square += vector[i] * vector[i]
  }
  for (let i = 0; i < DIMENSION; i++) vector[i] /= Math.sqrt(square)
}

const vectors = (n) => {
  const all = new Float32Array(n * DIMENSION)
  for (let i = 0; i < n; i++) fill(all.subarray(i * DIMENSION, (i + 1) * DIMENSION))
  return all
}

const ferry = await Ferry.load({ threads })
const index = await ferry.index({ dimension: DIMENSION, signs: true })
let adding = 0
for (let first = 0; first < count; first += BATCH) {
  const batch = vectors(BATCH)
  const start = performance.now()
  await index.add(Array.from({ length: BATCH }, (_, i) => first + i), batch)
  adding += performance.now() - start
}
const MB = (bytes) => `${(bytes / 1e6).toFixed(0)} MB`
console.log(`${ferry.capabilities.kernels}, ${ferry.capabilities.threads} threads: ${index.count} vectors of ${DIMENSION}`)
console.log(`memory ${MB(await ferry.memory())}; adding took ${(adding / 1000).toFixed(1)} s`)

const queries = Array.from({ length: QUERIES }, () => vectors(1))
let exact
for (const candidates of [0, 100, 200, 500, 1000, 5000]) {
  const times = []
  const lists = []
  for (const query of queries) {
    const start = performance.now()
    lists.push((await index.search(query, { candidates })).map(({ id }) => id))
    times.push(performance.now() - start)
  }
  exact ??= lists
  const found = lists.reduce((sum, list, i) => sum + list.filter((id) => exact[i].includes(id)).length, 0)
  const median = times.sort((a, b) => a - b)[QUERIES >> 1]
  const how = candidates ? `${candidates} candidates by signs` : 'every vector'
  console.log(`${how}: ${median.toFixed(1)} ms [${times[0].toFixed(1)} - ${times.at(-1).toFixed(1)}], recall ${(found / QUERIES / 10).toFixed(3)}`)
}
ferry.close()
