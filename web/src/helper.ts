/*
 * A helper of the core's worker: an instance of the same module on the same memory, that works on
 * parts of the core's loops until it is terminated. Stands alone: the worker starts it, and sends
 * one message.
 */
export interface Start {
  module: WebAssembly.Module
  memory: WebAssembly.Memory
  /** Its number, from 1. */
  worker: number
  /** One past the end of its own stack. */
  stack: number
}

interface Exports {
  ferry_wasm_help(worker: number, stack: number): never
  ferry_wasm_helper_died(): void
}

async function help({ module, memory, worker, stack }: Start, ready: () => void): Promise<void> {
  // Helpers allocate nothing, so memory never grows from here.
  const env = { memory, emscripten_resize_heap: () => 0 }
  const { exports } = await WebAssembly.instantiate(module, { env })
  const core = exports as unknown as Exports
  ready()
  try {
    core.ferry_wasm_help(worker, stack)
  } catch (error) {
    core.ferry_wasm_helper_died() // or the core would wait for it
    throw error
  }
}

if (typeof process === 'object' && process.versions?.node) {
  const { parentPort } = process.getBuiltinModule('node:worker_threads')
  parentPort?.once('message', (start: Start) => void help(start, () => parentPort.postMessage('ready')))
} else {
  /* The part of DedicatedWorkerGlobalScope in use; lib.dom describes a window here. */
  const scope = globalThis as unknown as {
    onmessage: (event: { data: Start }) => void
    postMessage(message: 'ready'): void
  }
  scope.onmessage = ({ data }) => void help(data, () => scope.postMessage('ready'))
}
