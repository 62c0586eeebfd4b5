/* Training in the wasm builds: the bytes that native training gives (native-tests/test_train_run.c). */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { fnv1a64, golden, root } from '../support.mjs'

const expected = readFileSync(join(golden, 'train.hash'), 'utf8').trimEnd().split('\n')

async function open(path) {
  const { instance } = await WebAssembly.instantiate(readFileSync(path), {
    env: { emscripten_notify_memory_growth() {} },
  })
  const { memory, _initialize, ...calls } = instance.exports
  _initialize()
  const text = (at) => {
    const bytes = new Uint8Array(memory.buffer, at)
    return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)))
  }
  const train = (run, seed) => {
    const at = calls.ferry_test_train(run, 1, seed)
    assert.notEqual(at, 0, text(calls.ferry_test_message()))
    return fnv1a64(new Uint8Array(memory.buffer, at, 4 * calls.ferry_test_parameters()))
  }
  const names = Array.from({ length: calls.ferry_test_runs() }, (_, i) => text(calls.ferry_test_run_name(i)))
  return { names, train, kernels: text(calls.ferry_test_kernels()) }
}

for (const [build, kernels] of [['relaxed', 'wasm_relaxed'], ['simd', 'wasm'], ['scalar', 'scalar']]) {
  const path = join(root, `build/wasm/train-runs-${build}.wasm`)
  const supported = build !== 'relaxed' || Number(process.versions.node.split('.')[0]) >= 22
  const skip = !supported && 'this Node has no relaxed SIMD'
  test(`${build}: same seed, same bytes as natively, for every objective and encoder`, { skip }, async () => {
    const module = await open(path)
    assert.equal(module.kernels, kernels)
    assert.deepEqual(module.names.map((name, i) => `${module.train(i, 3n)} ${name}`), expected)
    assert.notEqual(module.train(0, 4n), expected[0].slice(0, 16), 'another seed')
  })
}
