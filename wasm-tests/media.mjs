/* Files for the native command line, of what JavaScript hands over as it is. */
import { crc32, deflateSync } from 'node:zlib'

/** RGB, at most 255 pixels a side. */
export function png({ data, width, height }) {
  const chunk = (type, bytes) => {
    const body = Buffer.concat([Buffer.from(type), bytes])
    const ends = Buffer.alloc(8)
    ends.writeUInt32BE(bytes.length)
    ends.writeUInt32BE(crc32(body), 4)
    return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)])
  }
  const head = Buffer.from([0, 0, 0, width, 0, 0, 0, height, 8, 2, 0, 0, 0])
  const rows = Array.from({ length: height }, (_, y) => [0, ...data.subarray(3 * width * y, 3 * width * (y + 1))])
  const magic = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  return Buffer.concat([magic, chunk('IHDR', head), chunk('IDAT', deflateSync(Buffer.from(rows.flat()))), chunk('IEND', Buffer.alloc(0))])
}

/** One channel, floats. */
export function wav(samples, rate = 16000) {
  const bytes = Buffer.from(samples.buffer)
  const head = Buffer.alloc(44)
  head.write('RIFF')
  head.writeUInt32LE(36 + bytes.length, 4)
  head.write('WAVEfmt ', 8)
  head.writeUInt32LE(16, 16)
  head.writeUInt16LE(3, 20) // float
  head.writeUInt16LE(1, 22)
  head.writeUInt32LE(rate, 24)
  head.writeUInt32LE(4 * rate, 28)
  head.writeUInt16LE(4, 32)
  head.writeUInt16LE(32, 34)
  head.write('data', 36)
  head.writeUInt32LE(bytes.length, 40)
  return Buffer.concat([head, bytes])
}
