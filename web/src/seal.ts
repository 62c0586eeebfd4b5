/*
 * A profile locked with a passphrase, as docs/profile.md describes it and src/cli/seal.h lays it out:
 * [48] head | locked bytes | [16] tag | [32] SHA-256 of all before. By Web Crypto, on the caller's
 * thread: the passphrase goes nowhere else. visitor.ts loads this file when there is something to
 * lock or unlock; it stands alone.
 */

/** Makes the error of that code and message. */
type Fail = (code: 'INVALID_ARGUMENT' | 'LIMIT' | 'MALFORMED' | 'UNSUPPORTED', message: string) => Error

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

function webCrypto(fail: Fail): Crypto {
  if (globalThis.crypto?.subtle) return globalThis.crypto
  throw fail('UNSUPPORTED', 'this page has no Web Crypto, which needs https or localhost')
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
export async function lock(plain: Bytes, passphrase: string, fail: Fail): Promise<Bytes> {
  const crypto = webCrypto(fail)
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

function checkHead(file: Bytes, fail: Fail): void {
  const refuse = (code: Parameters<Fail>[0], what: string): never => {
    throw fail(code, `the profile ${what}`)
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
export async function unlock(file: Bytes, passphrase: string | undefined, fail: Fail): Promise<Bytes> {
  checkHead(file, fail)
  const crypto = webCrypto(fail)
  const covered = file.subarray(0, file.length - DIGEST)
  const found = new Uint8Array(await crypto.subtle.digest('SHA-256', covered))
  if (found.some((byte, i) => byte !== file[covered.length + i])) {
    throw fail('MALFORMED', 'the profile is damaged: its bytes are not those that were written')
  }
  if (passphrase === undefined) throw fail('INVALID_ARGUMENT', 'the profile is locked: it needs a passphrase')
  const head = file.subarray(0, HEAD)
  const key = await keyOf(passphrase, head, 'decrypt', crypto)
  try {
    return new Uint8Array(await crypto.subtle.decrypt(cipher(head), key, covered.subarray(HEAD)))
  } catch {
    throw fail('MALFORMED', 'the passphrase is wrong')
  }
}
