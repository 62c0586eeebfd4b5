"""The clips that goldens of sounds are made of: whole numbers, so that native-tests/sound_clips.h and wasm-tests/sounds.mjs make
the same ones."""
import numpy as np

RATE = 16000


def triangle(i, hertz, rate=RATE):
    """Of -16384…16384; i whole numbers"""
    return np.abs((i * hertz * 65536 // rate) % 65536 - 32768) - 16384


def noise(count):
    """Of -32768…32767"""
    out, state = np.empty(count), 1
    for i in range(count):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        out[i] = (state >> 16) - 32768
    return out


def plucked(rate=RATE, seconds=6):
    """Notes that die away."""
    i, out = np.arange(rate * seconds), np.zeros(rate * seconds)
    for k, hertz in enumerate((196, 247, 294, 392, 330, 262, 220, 294)):
        since = i - k * (rate * 3 // 4)
        fading = np.maximum(0, rate - since) * (since >= 0)
        out += triangle(np.maximum(since, 0), hertz, rate) * fading
    return (out / (2.0 ** 16 * rate)).astype(np.float32)


def beats():
    """Drums, two seconds: shorter than a patch."""
    count = 2 * RATE
    i = np.arange(count)
    hiss = noise(count) * np.maximum(0, 32768 - 12 * (i % 7200))
    drum = triangle(i % 14400, 55) * np.maximum(0, 32768 - 3 * (i % 14400))
    return ((hiss + 2 * drum) / 2.0 ** 31).astype(np.float32)


def chord():
    """A quiet one, of three and a half seconds."""
    i = np.arange(7 * RATE // 2)
    return (sum(triangle(i, hertz) for hertz in (220, 277, 330)) / 2.0 ** 18).astype(np.float32)


def clips():
    return [plucked(), beats(), chord()]
