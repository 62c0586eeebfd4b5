"""Pictures for the bench, the same on every machine: smooth colours, shapes with edges, some noise."""

import numpy as np

SIDE = 224


def picture(random):
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    pixels = np.empty((SIDE, SIDE, 3))
    for channel in range(3):
        a, b, c, d = random.uniform(-6, 6, 4)
        pixels[..., channel] = 128 + 90 * np.sin(a * x + b * y + c) * np.cos(d * y)
    for _ in range(12):
        (cx, cy), radius = random.uniform(0, 1, 2), random.uniform(0.03, 0.25)
        inside = np.hypot(x - cx, y - cy) < radius if random.random() < 0.5 else np.maximum(abs(x - cx), abs(y - cy)) < radius
        pixels[inside] = random.uniform(0, 255, 3)
    pixels += random.normal(0, random.uniform(1, 20), pixels.shape)
    return np.clip(np.round(pixels), 0, 255).astype(np.uint8)


def pictures(count, seed=0):
    """RGB, [SIDE, SIDE, 3] each."""
    random = np.random.default_rng(seed)
    return [picture(random) for _ in range(count)]


def normalized(pixels, mean, std):
    """float32 [3, SIDE, SIDE], as the models take it"""
    return ((pixels / 255 - np.array(mean)) / np.array(std)).astype(np.float32).transpose(2, 0, 1)


def lines(some):
    """For contestants: a line of hexadecimal digits each."""
    return [p.tobytes().hex() for p in some]
