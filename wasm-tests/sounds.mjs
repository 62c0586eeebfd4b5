/** The clips of native-tests/golden/sounds.py. */
const RATE = 16000

const triangle = (i, hertz, rate = RATE) => Math.abs((Math.floor((i * hertz * 65536) / rate) % 65536) - 32768) - 16384

function* noise() {
  for (let state = 1; ; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    yield (state >>> 16) - 32768
  }
}

export function plucked(rate = RATE, seconds = 6) {
  const notes = [196, 247, 294, 392, 330, 262, 220, 294]
  return Float32Array.from({ length: rate * seconds }, (_, i) => {
    const sounding = notes.map((hertz, k) => {
      const since = i - k * Math.floor((rate * 3) / 4)
      return since < 0 || since >= rate ? 0 : triangle(since, hertz, rate) * (rate - since)
    })
    return sounding.reduce((sum, one) => sum + one, 0) / (65536 * rate)
  })
}

function beats() {
  const hiss = noise()
  return Float32Array.from({ length: 2 * RATE }, (_, i) => {
    const drum = triangle(i % 14400, 55) * Math.max(0, 32768 - 3 * (i % 14400))
    return (hiss.next().value * Math.max(0, 32768 - 12 * (i % 7200)) + 2 * drum) / 2 ** 31
  })
}

const chord = () =>
  Float32Array.from({ length: (7 * RATE) / 2 }, (_, i) => {
    return (triangle(i, 220) + triangle(i, 277) + triangle(i, 330)) / 2 ** 18
  })

export const clips = () => [plucked(), beats(), chord()]
