/* What an encoder takes: told before, held to weights + 32 MB. */
import assert from 'node:assert/strict'
import { createReadStream, readdirSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import test from 'node:test'
import { Ferry } from '../../web/dist/index.js'
import { fnv1a64, golden, int8Model, model, readGolden, skipWithout } from '../support.mjs'

const noModel = skipWithout(join(model, 'model.safetensors'))
const int8 = int8Model()
const BAR = 32_000_000

const sizeOf = (path) => statSync(path).size
const weightsOf = (path) => sizeOf(join(path, 'model.safetensors'))

/** Serves a folder without telling sizes, as a server that compresses does. */
async function serveSilently(t, folder) {
  const server = createServer((request, response) => {
    const file = createReadStream(join(folder, request.url))
    file.on('error', () => response.writeHead(404).end())
    file.on('open', () => file.pipe(response.writeHead(200)))
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return `http://127.0.0.1:${server.address().port}/`
}

const cases = {
  'f32': { path: model, skip: noModel },
  'int8': { path: int8.path, skip: int8.skip },
  'int8, sizes not announced': { path: int8.path, skip: int8.skip, silent: true },
  'f32 quantised while loading': { path: model, skip: noModel, precision: 'int8' },
}
for (const [name, { path, skip, precision, silent }] of Object.entries(cases)) {
  for (const threads of [1, 4]) {
    test(`${name}, ${threads} threads: memory as told before loading, at most weights + 32 MB`, { skip }, async (t) => {
      const { texts, hash, int8Hash } = readGolden()
      const source = silent ? await serveSilently(t, path) : path
      const ferry = await Ferry.load({ threads })
      const empty = await ferry.memory()
      const told = await ferry.measure(source)
      assert.ok((await ferry.memory()) === empty, 'measuring loads nothing')
      let encoder = await ferry.encoder(source, { precision })
      const vectors = await encoder.encode(texts)
      const memory = await ferry.memory()
      const weights = weightsOf(path)
      console.log(`${name}, ${threads} threads: ${((memory - weights) / 1e6).toFixed(1)} MB beside ${(weights / 1e6).toFixed(1)} MB of weights`)
      assert.ok(memory - weights <= BAR, `${memory} for ${weights}`)
      assert.equal(told.memory, weights + BAR)
      if (!silent) {
        const files = readdirSync(path).filter((file) => /^(config|tokenizer|tokenizer_config|sentence_bert_config|config_sentence_transformers|modules)\.json$|\.safetensors$/.test(file))
        const pooling = sizeOf(join(path, '1_Pooling/config.json'))
        assert.equal(told.download, files.reduce((sum, file) => sum + sizeOf(join(path, file)), pooling))
      }
      const expected = encoder.precision === 'int8' ? int8Hash : hash
      assert.equal(fnv1a64(new Uint8Array(vectors[0].buffer)), expected, 'packed in place, the same bits')

      // Others take the memory of the first, but for their largest block, which does not fit quite where
      // files came in another order: as large as the activations' part of 4 threads, and once.
      for (let i = 0; i < 3; i++) {
        encoder.close()
        encoder = await ferry.encoder(source, { precision })
        await encoder.encode(texts.slice(0, 20))
      }
      assert.ok((await ferry.memory()) - memory <= 5 << 20, `${await ferry.memory()} after ${memory}`)
      assert.ok((await ferry.memory()) - weights <= BAR, `${await ferry.memory()} for ${weights}`)
      ferry.close()
    })
  }
}

test('measure: 16-bit weights are widened; what is missing is named; it can be aborted', async () => {
  const ferry = await Ferry.load({ threads: 1 })
  const tiny = join(golden, 'tiny-bert')
  const wide = await ferry.measure(join(tiny, 'gelu-mean'))
  const half = await ferry.measure(join(tiny, 'plain-bf16'))
  assert.equal(wide.memory, BAR + weightsOf(join(tiny, 'gelu-mean')))
  assert.ok(half.memory > BAR + 2.5 * weightsOf(join(tiny, 'plain-bf16')), `${half.memory}`)
  await assert.rejects(ferry.measure(golden), { code: 'NOT_FOUND', op: 'ferry.measure' })
  await assert.rejects(ferry.measure(tiny, { signal: AbortSignal.abort() }), { name: 'AbortError' })
  await assert.rejects(ferry.encoder(join(tiny, 'gelu-mean'), { precision: 'int4' }), { code: 'INVALID_ARGUMENT' })
  ferry.close()
})
