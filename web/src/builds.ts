/*
 * The WebAssembly builds: which of them the engine can run, and where they are.
 */
export type * from './exports.js'

export type Build = 'relaxed' | 'simd' | 'scalar'

/* (module (func (export "f") (result i32) body)), with a shared memory of one page if asked for. */
function probe(memory: boolean, ...body: number[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, // magic, version
    1, 5, 1, 0x60, 0, 1, 0x7f, // one type: () -> i32
    3, 2, 1, 0, // one function of it
    ...(memory ? [5, 4, 1, 3, 1, 1] : []), // shared, from 1 page to 1
    7, 5, 1, 1, 0x66, 0, 0, // "f" is function 0
    10, body.length + 4, 1, body.length + 2, 0, ...body, 0x0b,
  )
}

/* For each a few instructions and what they must give: the engine has to know them, and compute
 * right. That the kernels made of them do is the core's self-test. */
const PROBES: Record<Build | 'threads', [Uint8Array<ArrayBuffer>, number]> = {
  // i32x4.extract_lane 0 (i32x4.relaxed_dot_i8x16_i7x16_add_s (splat -128) (splat 127) (splat 5)): the
  // sums of pairs just fit 16 bits
  relaxed: [probe(false, 0x41, 0x80, 0x7f, 0xfd, 0x0f, 0x41, 0xff, 0, 0xfd, 0x0f, 0x41, 5, 0xfd, 0x11,
    0xfd, 0x93, 2, 0xfd, 0x1b, 0), -128 * 127 * 4 + 5],
  // i32x4.extract_lane 3 (i32x4.dot_i16x8_s (splat -128) (splat 127))
  simd: [probe(false, 0x41, 0x80, 0x7f, 0xfd, 0x10, 0x41, 0xff, 0, 0xfd, 0x10,
    0xfd, 0xba, 1, 0xfd, 0x1b, 3), -128 * 127 * 2],
  scalar: [probe(false, 0x41, 7), 7],
  // i32.atomic.store 0 (7); the sum of i32.atomic.rmw.add 0 (4), memory.atomic.notify 0 (1), i32.atomic.load 0
  threads: [probe(true, 0x41, 0, 0x41, 7, 0xfe, 0x17, 2, 0, 0x41, 0, 0x41, 4, 0xfe, 0x1e, 2, 0,
    0x41, 0, 0x41, 1, 0xfe, 0, 2, 0, 0x6a, 0x41, 0, 0xfe, 0x10, 2, 0, 0x6a), 7 + 0 + 11],
}

function computes(name: Build | 'threads'): boolean {
  const [bytes, expected] = PROBES[name]
  try {
    const { f } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports as { f(): number }
    return f() === expected
  } catch {
    return false
  }
}

/** Fastest first. */
export const BUILDS: readonly Build[] = ['relaxed', 'simd', 'scalar']

export function supported(build: Build): boolean {
  return computes(build)
}

/** Why there can be only one thread, if that is so. */
export function whyNoThreads(): string | undefined {
  // A page that is not isolated has no shared memory, or cannot hand it to a worker.
  if (typeof SharedArrayBuffer !== 'function' || globalThis.crossOriginIsolated === false) {
    return 'the page is not cross-origin isolated'
  }
  return computes('threads') ? undefined : 'this engine has no WebAssembly threads'
}

/* Written out in full, once each: bundlers recognise exactly this form and bring the file along. */
export function buildUrl(build: Build, threads: boolean): URL {
  if (threads) {
    if (build === 'relaxed') return new URL('./ferry-relaxed-threads.wasm', import.meta.url)
    if (build === 'simd') return new URL('./ferry-simd-threads.wasm', import.meta.url)
    return new URL('./ferry-scalar-threads.wasm', import.meta.url)
  }
  if (build === 'relaxed') return new URL('./ferry-relaxed.wasm', import.meta.url)
  if (build === 'simd') return new URL('./ferry-simd.wasm', import.meta.url)
  return new URL('./ferry-scalar.wasm', import.meta.url)
}
