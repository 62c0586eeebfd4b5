import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { after, before } from 'node:test'
import { serve } from '../../web/demo/serve.mjs'
import { Ferry, FerryError } from '../../web/dist/index.js'
import { wav } from '../media.mjs'
import { clips, plucked } from '../sounds.mjs'
import { buildsHere, directory, distance, failureOf, fnv1a64, golden, readSafetensors, root } from '../support.mjs'

const tiny = join(golden, 'tiny-musicnn')
const { features, tags } = readSafetensors(join(tiny, 'expected.safetensors'))
const sounds = clips()
const sampleRate = 16000

/** What decodeAudioData gives, of these channels. */
const buffer = (rate, ...channels) => ({
  sampleRate: rate,
  numberOfChannels: channels.length,
  getChannelData: (channel) => channels[channel],
})

/** The bits of several vectors, as native-tests/test_musicnn.c takes them. */
const hash = (vectors) => fnv1a64(Buffer.concat(vectors.map(({ buffer: bytes }) => Buffer.from(bytes)))) + '\n'
const expected = readFileSync(join(golden, 'sound.hash'), 'utf8')
const expectedInt8 = readFileSync(join(golden, 'sound.int8.hash'), 'utf8')

async function encodeAll(encoder) {
  const vectors = []
  for (const sound of sounds) vectors.push(await encoder.encodeAudio(sound, { sampleRate }))
  vectors.push(await encoder.encodeAudio(buffer(44100, plucked(44100, 1))))
  return vectors
}

let ferry
before(async () => void (ferry = await Ferry.load()))
after(() => ferry.close())

const refused = (promise, op, code, message) => assert.rejects(promise, failureOf(FerryError)(code, op, message))

test('sounds: vectors as torch gives them, from path and URL, the bits of the native build', async (t) => {
  const { server, url } = await serve({ mounts: { '/': tiny } })
  t.after(() => server.close())
  for (const source of [tiny, url]) {
    const encoder = await ferry.encoder(source)
    assert.deepEqual([encoder.sounds, encoder.images, encoder.texts, encoder.maxTokens], [true, false, false, 0])
    const vectors = await encodeAll(encoder)
    const { worst } = distance(vectors.slice(0, 3), features)
    assert.ok(worst >= 0.99999, `cosine ${worst}`)
    assert.equal(hash(vectors), expected)
    encoder.close()
  }
})

test('all builds give the same bits', async (t) => {
  for (const { kernels, skip } of await buildsHere(Ferry)) {
    await t.test(kernels, { skip }, async () => {
      const other = await Ferry.load({ kernels })
      const encoder = await other.encoder(tiny)
      assert.equal(hash(await encodeAll(encoder)), expected)
      const int8 = await other.encoder(tiny, { precision: 'int8' })
      assert.equal(int8.precision, 'int8')
      assert.equal(hash(await encodeAll(int8)), expectedInt8)
      other.close()
    })
  }
})

test('channels alike are one, others their mean', async () => {
  const encoder = await ferry.encoder(tiny)
  const [, sound] = sounds
  const alone = await encoder.encodeAudio(sound, { sampleRate })
  assert.deepEqual(await encoder.encodeAudio(buffer(sampleRate, sound, sound)), alone)
  assert.deepEqual(await encoder.encodeAudio(buffer(sampleRate, sound.map((x) => 2 * x), new Float32Array(sound.length))), alone)
  assert.notDeepEqual(await encoder.encodeAudio(sound, { sampleRate: 8000 }), alone)
  encoder.close()
})

test('a long sound tells how far it is, and can be stopped', async () => {
  const encoder = await ferry.encoder(tiny)
  const long = new Float32Array(sampleRate * 31)
  const told = []
  await encoder.encodeAudio(long, { sampleRate, onProgress: (progress) => told.push(progress) })
  assert.deepEqual(told.at(-1), { loaded: 10, total: 10, fraction: 1 })
  const stop = new AbortController()
  const onProgress = () => stop.abort()
  await assert.rejects(encoder.encodeAudio(long, { sampleRate, signal: stop.signal, onProgress }), { name: 'AbortError' })
  const two = [encoder.encodeAudio(sounds[0], { sampleRate }), encoder.encodeAudio(sounds[2], { sampleRate })]
  const [first, second] = await Promise.all(two)
  assert.deepEqual(first, await encoder.encodeAudio(sounds[0], { sampleRate }))
  assert.deepEqual(second, await encoder.encodeAudio(sounds[2], { sampleRate }))
  const cut = encoder.encodeAudio(long, { sampleRate })
  encoder.close()
  await refused(cut, 'encoder.encodeAudio', 'CANCELLED', /closed/)
})

// ---- tags --------------------------------------------------------------------------------------

/* Native lists, of the pictures of image.test.mjs, then of the three clips. */
const lists = readFileSync(join(golden, 'classes.jsonl'), 'utf8').trim().split('\n').slice(-sounds.length).map((line) => JSON.parse(line))

test('tags: the same numbers in all builds and natively', async (t) => {
  for (const { kernels, skip } of await buildsHere(Ferry)) {
    await t.test(kernels, { skip }, async () => {
      const other = await Ferry.load({ kernels })
      const encoder = await other.encoder(tiny)
      assert.equal(encoder.classes, 5)
      for (const [i, sound] of sounds.entries()) {
        assert.deepEqual(await encoder.classify(sound, { sampleRate, k: 100 }), lists[i])
        assert.deepEqual(await encoder.classify(buffer(sampleRate, sound, sound)), lists[i])
        assert.deepEqual(await encoder.classify(buffer(sampleRate, sound), { k: 2 }), lists[i].slice(0, 2))
        for (const { index, score } of lists[i]) assert.ok(Math.abs(score - tags.values[i * 5 + index]) < 1e-4)
      }
      other.close()
    })
  }
})

const command = join(root, 'build/native/ferry')
const noCommand = !existsSync(command) && 'build/native/ferry is not built'

test('tags: those of `ferry encode --logits`, to the digit', { skip: noCommand }, async (t) => {
  const path = directory(t, Object.fromEntries(sounds.map((sound, i) => [`${i}.wav`, wav(sound, sampleRate)])))
  const files = sounds.flatMap((_, i) => ['--audio', join(path, `${i}.wav`)])
  const { stdout, stderr, status } = spawnSync(command, ['encode', '-q', '--model', tiny, '--logits', ...files])
  if (/decodes no sounds/.test(stderr)) return t.skip('a build without sounds')
  assert.equal(status, 0, String(stderr))
  const encoder = await ferry.encoder(tiny)
  for (const [i, line] of String(stdout).trim().split('\n').entries()) {
    const found = await encoder.classify(sounds[i], { sampleRate })
    assert.deepEqual(found.map(({ label, score }) => [label, score]), Object.entries(JSON.parse(line).tags))
  }
  encoder.close()
})

test('tags: progress, abort, and what is refused', async () => {
  const encoder = await ferry.encoder(tiny)
  const op = 'encoder.classify'
  const long = new Float32Array(sampleRate * 31)
  const told = []
  await encoder.classify(long, { sampleRate, onProgress: (progress) => told.push(progress) })
  assert.deepEqual([told.length, told.at(-1)], [10, { loaded: 10, total: 10, fraction: 1 }])
  const stop = new AbortController()
  const onProgress = () => stop.abort()
  await assert.rejects(encoder.classify(long, { sampleRate, signal: stop.signal, onProgress }), { name: 'AbortError' })
  const [sound] = sounds
  for (const k of [0, 2.5, '1']) await refused(encoder.classify(sound, { sampleRate, k }), op, 'INVALID_ARGUMENT', /^k is /)
  await refused(encoder.classify(sound), op, 'INVALID_ARGUMENT', /sampleRate is undefined/)
  await refused(encoder.classify(sound, { sampleRate: 500 }), op, 'INVALID_ARGUMENT', /500 samples a second/)
  await refused(encoder.classify({ data: new Uint8Array(3), width: 1, height: 1 }), op, 'INVALID_ARGUMENT', /AudioBuffer/)
  await refused(encoder.classify(Float32Array.of(0, NaN), { sampleRate }), op, 'INVALID_ARGUMENT', /sample 1 is nan/)
  await refused(encoder.classify(sound, { sampleRate, rate: 1 }), op, 'INVALID_ARGUMENT', /rate/)
  assert.deepEqual(await encoder.classify(sound, { sampleRate }), lists[0])
  const cut = encoder.classify(long, { sampleRate })
  encoder.close()
  await refused(cut, op, 'CANCELLED', /closed/)
  await refused(encoder.classify(sound, { sampleRate }), op, 'INVALID_ARGUMENT', /closed/)
})

test('what is no sound, and the wrong encoder, are named', async () => {
  const encoder = await ferry.encoder(tiny)
  const [sound] = sounds
  await refused(encoder.encodeAudio(sound), 'encoder.encodeAudio', 'INVALID_ARGUMENT', /sampleRate is undefined/)
  await refused(encoder.encodeAudio(sound, { sampleRate: 44100.5 }), 'encoder.encodeAudio', 'INVALID_ARGUMENT', /44100.5/)
  await refused(encoder.encodeAudio(sound, { sampleRate: 500 }), 'encoder.encodeAudio', 'INVALID_ARGUMENT', /500 samples a second/)
  await refused(encoder.encodeAudio([1, 2], { sampleRate }), 'encoder.encodeAudio', 'INVALID_ARGUMENT', /AudioBuffer/)
  await refused(encoder.encodeAudio(undefined), 'encoder.encodeAudio', 'INVALID_ARGUMENT', /AudioBuffer/)
  await refused(encoder.encodeAudio(sound, { rate: 16000 }), 'encoder.encodeAudio', 'INVALID_ARGUMENT', /rate/)
  await refused(encoder.encodeAudio(new Float32Array(0), { sampleRate }), 'encoder.encodeAudio', 'INVALID_ARGUMENT', /0 samples/)
  await refused(encoder.encodeAudio(buffer(sampleRate)), 'encoder.encodeAudio', 'INVALID_ARGUMENT', /0 channels/)
  await refused(encoder.encodeAudio(Float32Array.of(0, NaN), { sampleRate }), 'encoder.encodeAudio', 'INVALID_ARGUMENT', /sample 1 is nan/)
  await refused(encoder.encode(['a']), 'encoder.encode', 'UNSUPPORTED', /sounds, not texts/)
  await refused(encoder.encodeImage({ data: new Uint8Array(3), width: 1, height: 1 }), 'encoder.encodeImage', 'UNSUPPORTED', /sounds, not pictures/)
  assert.equal((await encoder.encodeAudio(sound, { sampleRate })).length, encoder.dimension)
  encoder.close()
  await refused(encoder.encodeAudio(sound, { sampleRate }), 'encoder.encodeAudio', 'INVALID_ARGUMENT', /closed/)
  const texts = await ferry.encoder(join(golden, 'tiny-bert/gelu-mean'))
  assert.deepEqual([texts.sounds, texts.texts], [false, true])
  await refused(texts.encodeAudio(sound, { sampleRate }), 'encoder.encodeAudio', 'UNSUPPORTED', /texts, not sounds/)
  texts.close()
})
