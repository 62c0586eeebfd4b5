/*
 * A JavaScript contestant, in Node and in a page alike: create(kind, …) resolves to { info, answer }.
 *
 *   ferry BUILD PRECISION [THREADS]   ferry-rec from web/dist: 'auto', 'simd' …; 'f32' or 'int8'
 *   onnxruntime-web MODEL [THREADS]   its wasm engine, on this thread and its own
 *   onnxruntime-node MODEL       native
 *   transformers MODEL           transformers.js, q8, tokenizer included; native in Node, wasm in a page
 *   wllama MODEL                 llama.cpp in wasm, tokenizer included; in a page
 *   ferry-pictures BUILD PRECISION MODEL_DIR
 *   onnxruntime-web-pictures MODEL MEAN STD   the same engine, pixels normalised already
 *   rank                         ferry-rec: one event, new top-10
 *   rank-plain                   the same in plain JavaScript, as a scale
 *
 * answer(verb, numbers, lines) resolves to what is printed; the verbs are those of encode.c, and
 * "rows" with lines of token ids for contestants whose info says that they want ids, and "pictures" with lines of pixels. All run one thread unless told otherwise.
 */
const inNode = typeof process === 'object'
const at = (path) => new URL(`../${path}`, import.meta.url)
const peers = '.deps/bench/node/node_modules'
const ns = (milliseconds) => Math.round(milliseconds * 1e6)
const BATCH = 8 // sorted by length, as in peers.py

async function bytes(url) {
  if (inNode) return new Uint8Array(await (await import('node:fs/promises')).readFile(url))
  return new Uint8Array(await (await fetch(url)).arrayBuffer())
}

async function versionOf(name) {
  return JSON.parse(new TextDecoder().decode(await bytes(at(`${peers}/${name}/package.json`)))).version
}

export async function create(kind, ...options) {
  const made = await KINDS[kind](...options)
  let texts = []
  return {
    info: made.info,
    first: made.first,
    async answer(verb, [first, count, warm, repeat], lines) {
      if (verb === 'texts' || verb === 'rows') {
        if (verb === 'texts') texts = lines
        made[verb]?.(lines)
        return 'ok'
      }
      if (verb === 'pictures') {
        made.pictures(lines.map(pixelsOf))
        return 'ok'
      }
      if (verb === 'vectors') {
        const vectors = await made.encode(texts.slice(first, first + count), first, count)
        return vectors.map((vector) => Array.from(vector, (x) => x.toPrecision(9)).join(' ')).join('\n')
      }
      const once = made.prepare(verb, texts, first, count)
      const times = []
      for (let i = 0; i < warm + repeat; i++) {
        const start = performance.now()
        await once()
        const end = performance.now()
        if (i >= warm) times.push(ns(end - start))
      }
      return times.join(' ')
    },
  }
}

/* RGB, [side, side, 3] */
function pixelsOf(line) {
  const data = new Uint8Array(line.length / 2)
  for (let i = 0; i < data.length; i++) data[i] = parseInt(line.slice(2 * i, 2 * i + 2), 16)
  const side = Math.sqrt(data.length / 3)
  return { data, width: side, height: side }
}

/* Contestants that take one picture after the other. */
function ofPictures(info, prepare, encodeOne) {
  let prepared = []
  return {
    info,
    pictures: (pictures) => (prepared = pictures.map(prepare)),
    async encode(_, first, count) {
      const vectors = []
      for (const one of prepared.slice(first, first + count)) vectors.push(await encodeOne(one))
      return vectors
    },
    prepare(verb, _, first, count) {
      const some = prepared.slice(first, first + count)
      return async () => {
        for (const one of some) await encodeOne(one)
      }
    },
  }
}

const KINDS = {
  async 'ferry-pictures'(build, precision, model) {
    const { Ferry } = await import(at('web/dist/index.js'))
    const ferry = await Ferry.load({ kernels: build, threads: 1 })
    const encoder = await ferry.encoder(at(`${model}/`), { precision })
    const { version, kernels } = ferry.capabilities
    return ofPictures({ version, kernels }, (picture) => picture, (picture) => encoder.encodeImage(picture))
  },

  async 'onnxruntime-web-pictures'(model, mean, std) {
    const ort = await onnxruntimeWeb('1')
    const session = await ort.InferenceSession.create(await bytes(at(model)), { executionProviders: ['wasm'], logSeverityLevel: 3 })
    function tensor({ data, width, height }) {
      const [pixels, plane] = [new Float32Array(data.length), width * height]
      data.forEach((value, i) => (pixels[(i % 3) * plane + Math.floor(i / 3)] = (value / 255 - mean) / std))
      return { pixel_values: new ort.Tensor('float32', pixels, [1, 3, height, width]) }
    }
    const info = { version: await versionOf('onnxruntime-web') }
    return ofPictures(info, tensor, async (feed) => (await session.run(feed)).embedding.data)
  },

  async ferry(build, precision = 'f32', threads = '1') {
    const { Ferry } = await import(at('web/dist/index.js'))
    const ferry = await Ferry.load({ kernels: build, threads: Number(threads) })
    const { whyOneThread } = ferry.capabilities
    if (whyOneThread) throw new Error(`Ferry has one thread: ${whyOneThread}`)
    const model = precision === 'f32' ? '.deps/models/all-MiniLM-L6-v2/' : '.deps/bench/models/ferry-int8/'
    const encoder = await ferry.encoder(at(model))
    const { version, kernels } = ferry.capabilities
    return {
      info: { version, kernels },
      encode: (texts) => encoder.encode(texts),
      first: (text) => encoder.encode([text]),
      prepare(verb, texts, first, count) {
        const some = texts.slice(first, first + count)
        return () => encoder.encode(some)
      },
    }
  },

  async 'onnxruntime-web'(model, threads = '1') {
    return onnx(await onnxruntimeWeb(threads), 'onnxruntime-web', model, { executionProviders: ['wasm'] })
  },

  async 'onnxruntime-node'(model) {
    const { default: ort } = await import(at(`${peers}/onnxruntime-node/dist/index.js`))
    return onnx(ort, 'onnxruntime-node', model, { intraOpNumThreads: 1, interOpNumThreads: 1 })
  },

  async transformers(model) {
    const base = `${peers}/@huggingface/transformers`
    const script = inNode ? 'transformers.node.mjs' : 'transformers.min.js'
    const { env, pipeline } = await import(at(`${base}/dist/${script}`))
    env.allowRemoteModels = false
    env.allowLocalModels = true
    env.useBrowserCache = false
    env.useWasmCache = false
    env.localModelPath = at('.deps/bench/models/').pathname
    if (!inNode) {
      env.backends.onnx.wasm.wasmPaths = at(`${base}/node_modules/onnxruntime-web/dist/`).href
      env.backends.onnx.wasm.numThreads = 1
    }
    const session = { intraOpNumThreads: 1, interOpNumThreads: 1 }
    const extractor = await pipeline('feature-extraction', model, {
      dtype: 'q8',
      ...(inNode ? { session_options: session } : { device: 'wasm' }),
    })
    const embed = (texts) => extractor(texts, { pooling: 'mean', normalize: true })
    async function encode(texts) {
      const order = [...texts.keys()].sort((a, b) => texts[b].length - texts[a].length)
      const vectors = new Array(texts.length)
      for (let i = 0; i < order.length; i += BATCH) {
        const some = order.slice(i, i + BATCH)
        const { data, dims } = await embed(some.map((k) => texts[k]))
        some.forEach((k, row) => (vectors[k] = data.slice(row * dims[1], (row + 1) * dims[1])))
      }
      return vectors
    }
    return {
      info: { version: await versionOf('@huggingface/transformers') },
      encode,
      first: (text) => embed(text),
      prepare(verb, texts, first, count) {
        const some = texts.slice(first, first + count)
        return verb === 'tokenize'
          ? () => some.forEach((text) => extractor.tokenizer.encode(text))
          : () => (count === 1 ? embed(some[0]) : encode(some))
      },
    }
  },

  async wllama(model) {
    const { Wllama } = await import(at(`${peers}/@wllama/wllama/esm/index.js`))
    const silent = { debug() {}, log() {}, warn() {}, error() {} }
    const wasm = at(`${peers}/@wllama/wllama/esm/wasm/wllama.wasm`).href
    const engine = new Wllama({ default: wasm }, { logger: silent, suppressNativeLog: true, allowOffline: true })
    await engine.loadModel([new Blob([await bytes(at(`.deps/bench/models/${model}`))])], {
      n_threads: 1, embeddings: true, n_ctx: 512, n_batch: 512, n_ubatch: 512, n_gpu_layers: 0,
      pooling_type: 'LLAMA_POOLING_TYPE_MEAN',
    })
    const embed = async (text) => (await engine.createEmbedding({ input: text })).data[0].embedding
    async function encode(texts) {
      const vectors = []
      for (const text of texts) vectors.push(await embed(text)) // a context of 512 tokens holds little more than one
      return vectors
    }
    return {
      info: { version: await versionOf('@wllama/wllama') },
      encode,
      first: embed,
      prepare(verb, texts, first, count) {
        const some = texts.slice(first, first + count)
        return () => encode(some)
      },
    }
  },

  async rank() {
    const { Ferry } = await import(at('web/dist/index.js'))
    const ferry = await Ferry.load()
    const shop = await ferry.open(at('.deps/bench/rank-catalog/'))
    const items = await shop.items()
    const { version, kernels } = ferry.capabilities
    const me = shop.visitor()
    let next = 0
    return {
      info: { version, kernels, items: shop.count },
      prepare: () => () => {
        const { id, domain } = items[(next = (next + 7919) % items.length)]
        me.add({ item: id, domain, behavior: 'view' })
        return me.recommend({ k: 10 })
      },
    }
  },

  async 'rank-plain'() {
    const file = await bytes(at('.deps/bench/rank-catalog/vectors.safetensors'))
    const header = new DataView(file.buffer, file.byteOffset).getUint32(0, true)
    const [count, dimension] = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + header))).text.shape
    const vectors = new Float32Array(file.slice(8 + header).buffer)
    const sum = new Float32Array(dimension)
    const seen = new Set()
    let next = 0
    return {
      info: { version: inNode ? process.version : navigator.userAgent },
      prepare: () => () => {
        seen.add((next = (next + 7919) % count))
        for (let j = 0; j < dimension; j++) sum[j] += 0.25 * vectors[next * dimension + j]
        const best = []
        for (let i = 0; i < count; i++) {
          if (seen.has(i)) continue
          let score = 0
          for (let j = 0, row = i * dimension; j < dimension; j++) score += sum[j] * vectors[row + j]
          if (best.length === 10 && score <= best[9].score) continue
          best.push({ i, score })
          best.sort((a, b) => b.score - a.score)
          best.length = Math.min(best.length, 10)
        }
        return best
      },
    }
  },
}

async function onnxruntimeWeb(threads) {
  const ort = await import(at(`${peers}/onnxruntime-web/dist/${inNode ? 'ort.node.min.mjs' : 'ort.wasm.min.mjs'}`))
  if (!inNode) ort.env.wasm.wasmPaths = at(`${peers}/onnxruntime-web/dist/`).href
  ort.env.wasm.numThreads = Number(threads)
  ort.env.logLevel = 'error'
  return ort
}

/* onnxruntime's engines share one interface. */
async function onnx(ort, name, model, settings) {
  ort.env.logLevel = 'error'
  const file = await bytes(at(`.deps/bench/models/${model}`))
  const session = await ort.InferenceSession.create(file, { ...settings, logSeverityLevel: 3 })
  let rows = []

  function feed(some) {
    const longest = Math.max(...some.map((row) => row.length))
    const shape = [some.length, longest]
    const [ids, mask] = [0, 1].map(() => new BigInt64Array(some.length * longest))
    some.forEach((row, r) =>
      row.forEach((id, t) => {
        ids[r * longest + t] = BigInt(id)
        mask[r * longest + t] = 1n
      }),
    )
    const tensor = (data) => new ort.Tensor('int64', data, shape)
    const all = { input_ids: tensor(ids), attention_mask: tensor(mask), token_type_ids: tensor(new BigInt64Array(ids.length)) }
    return Object.fromEntries(session.inputNames.map((input) => [input, all[input]]))
  }

  return {
    info: { version: await versionOf(name), wants: 'ids' },
    rows: (lines) => (rows = lines.map((line) => line.split(' ').map(Number))),
    first: (row) => session.run(feed([row])),
    prepare(verb, _, first, count) {
      if (verb !== 'run') throw new Error(`${name} has no ${verb}`)
      const some = rows.slice(first, first + count).sort((a, b) => b.length - a.length)
      const feeds = []
      for (let i = 0; i < some.length; i += BATCH) feeds.push(feed(some.slice(i, i + BATCH)))
      return async () => {
        for (const one of feeds) await session.run(one)
      }
    },
  }
}
