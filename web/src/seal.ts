/*
 * A profile locked with a passphrase, as docs/profile.md describes it and src/cli/seal.h lays it out:
 * [48] head | locked bytes | [16] tag | [32] SHA-256 of all before. By Web Crypto, on the caller's
 * thread: the passphrase goes nowhere else.
 */
import { FerryError } from './client.js'
import type { FerryCode } from './client.js'

// What the layer above needs of the ones below.
export * from './client.js'

const MAGIC = 'FERRYPRF'
const VERSION = 1
const HEAD = 48
const TAG = 16
const DIGEST = 32
const AT = { version: 8, iterations: 12, size: 16, salt: 20, nonce: 36 }
/* Written; fewer are refused, and so are so many that a hostile file would keep the page busy. */
const ITERATIONS = 600_000
const MAX_ITERATIONS = 2 ** 24

type Bytes = Uint8Array<ArrayBuffer>

/** Whether it is a locked profile, or the beginning of one. */
export function isLocked(file: Uint8Array): boolean {
  return file.length > 0 && MAGIC.startsWith(String.fromCharCode(...file.subarray(0, MAGIC.length)))
}

function webCrypto(op: string): Crypto {
  if (globalThis.crypto?.subtle) return globalThis.crypto
  throw new FerryError('UNSUPPORTED', op, 'this page has no Web Crypto, which needs https or localhost')
}

async function keyOf(passphrase: string, head: Bytes, use: 'encrypt' | 'decrypt', crypto: Crypto): Promise<CryptoKey> {
  const material = await crypto.subtle.importKey('raw', new TextEncoder().encode(passphrase), 'PBKDF2', false, ['deriveKey'])
  const iterations = new DataView(head.buffer, head.byteOffset).getUint32(AT.iterations, true)
  const salt = head.subarray(AT.salt, AT.nonce)
  const from = { name: 'PBKDF2', hash: 'SHA-256', salt, iterations }
  return crypto.subtle.deriveKey(from, material, { name: 'AES-GCM', length: 256 }, false, [use])
}

const cipher = (head: Bytes) => ({ name: 'AES-GCM', iv: head.subarray(AT.nonce, HEAD), additionalData: head })

/** The locked file of a profile, with a new salt and nonce. */
export async function lock(plain: Bytes, passphrase: string, op: string): Promise<Bytes> {
  const crypto = webCrypto(op)
  const file = new Uint8Array(HEAD + plain.length + TAG + DIGEST)
  const head = file.subarray(0, HEAD)
  const view = new DataView(file.buffer)
  head.set(new TextEncoder().encode(MAGIC))
  view.setUint32(AT.version, VERSION, true)
  view.setUint32(AT.iterations, ITERATIONS, true)
  view.setUint32(AT.size, plain.length, true)
  crypto.getRandomValues(head.subarray(AT.salt))
  const key = await keyOf(passphrase, head, 'encrypt', crypto)
  file.set(new Uint8Array(await crypto.subtle.encrypt(cipher(head), key, plain)), HEAD)
  const covered = file.subarray(0, file.length - DIGEST)
  file.set(new Uint8Array(await crypto.subtle.digest('SHA-256', covered)), covered.length)
  return file
}

function checkHead(file: Bytes, op: string): void {
  const refuse = (code: FerryCode, what: string): never => {
    throw new FerryError(code, op, `the profile ${what}`)
  }
  if (file.length < HEAD) refuse('MALFORMED', `is cut short: ${file.length} bytes, not even its head`)
  const view = new DataView(file.buffer, file.byteOffset)
  const version = view.getUint32(AT.version, true)
  if (version !== VERSION) refuse('UNSUPPORTED', `is locked by version ${version}; this Ferry reads version ${VERSION}`)
  const expected = HEAD + view.getUint32(AT.size, true) + TAG + DIGEST
  if (file.length !== expected) {
    const how = file.length < expected ? 'cut short' : 'longer than it was'
    refuse('MALFORMED', `is ${how}: ${file.length} bytes, its head says ${expected}`)
  }
  const iterations = view.getUint32(AT.iterations, true)
  if (iterations < ITERATIONS || iterations > MAX_ITERATIONS) {
    refuse('LIMIT', `has ${iterations} iterations, expected ${ITERATIONS} to ${MAX_ITERATIONS}`)
  }
}

/** What a locked file holds; MALFORMED if it is damaged, or not locked with this passphrase. */
export async function unlock(file: Bytes, passphrase: string | undefined, op: string): Promise<Bytes> {
  checkHead(file, op)
  const crypto = webCrypto(op)
  const covered = file.subarray(0, file.length - DIGEST)
  const found = new Uint8Array(await crypto.subtle.digest('SHA-256', covered))
  if (found.some((byte, i) => byte !== file[covered.length + i])) {
    throw new FerryError('MALFORMED', op, 'the profile is damaged: its bytes are not those that were written')
  }
  if (passphrase === undefined) throw new FerryError('INVALID_ARGUMENT', op, 'the profile is locked: it needs a passphrase')
  const head = file.subarray(0, HEAD)
  const key = await keyOf(passphrase, head, 'decrypt', crypto)
  try {
    return new Uint8Array(await crypto.subtle.decrypt(cipher(head), key, covered.subarray(HEAD)))
  } catch {
    throw new FerryError('MALFORMED', op, 'the passphrase is wrong')
  }
}
