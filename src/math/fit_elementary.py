#!/usr/bin/env python3
"""Fits the coefficients of elementary.h: python3 fit_elementary.py (needs numpy, scipy, mpmath).

Lawson's iteration (least squares with weights multiplied by the error) towards the smallest
largest relative error, in double; the coefficients are then rounded to float, and the error of the
float evaluation against the exact function is printed in units of 2^-23.
"""
import mpmath
import numpy as np
from scipy import special


def chebyshev_nodes(low, high, count=2000):
    return (low + high) / 2 + (high - low) / 2 * np.cos(np.pi * (np.arange(count) + 0.5) / count)


def fit_rational(function, high, numerator, denominator):
    """P(t)/Q(t) ~ function(t) on [0, high], Q(0) = 1; coefficients in ascending order."""
    t = chebyshev_nodes(0, high)
    f = np.array([float(function(mpmath.mpf(x))) for x in t])
    weight, q_values, best = np.ones_like(t), np.ones_like(t), (np.inf, None, None)
    for _ in range(60):
        rows = np.hstack([np.vander(t, numerator + 1, increasing=True),
                          -f[:, None] * np.vander(t, denominator + 1, increasing=True)[:, 1:]])
        scale = np.sqrt(weight) / np.abs(f * q_values)
        column = np.abs(rows * scale[:, None]).max(0)
        x = np.linalg.lstsq(rows * scale[:, None] / column, f * scale, rcond=None)[0] / column
        p, q = x[:numerator + 1], np.r_[1, x[numerator + 1:]]
        q_values = np.polyval(q[::-1], t)
        error = np.abs(np.polyval(p[::-1], t) / q_values / f - 1)
        if error.max() < best[0]:
            best = error.max(), p, q
        weight = np.maximum(weight * error / (weight * error).sum(), 1e-12)
    return best[1], best[2]


def fit_exp(degree=4):
    """g with exp(r) ~ 1 + r + r^2 g(r) on half an octave around 0."""
    high = np.log(2) / 2 * 1.001
    r = chebyshev_nodes(-high, high, 800)
    g = np.array([float((mpmath.exp(x) - 1 - x) / x**2) for x in map(mpmath.mpf, r)])
    rows, weight = np.vander(r, degree + 1, increasing=True), np.ones_like(r)
    for _ in range(100):
        scale = np.sqrt(weight) * r * r / np.exp(r)
        c = np.linalg.lstsq(rows * scale[:, None], g * scale, rcond=None)[0]
        error = np.abs((rows @ c - g) * r * r / np.exp(r))
        weight = np.maximum(weight * error / (weight * error).sum(), 1e-14)
    return c


def fit_share(degree=3):
    """127 * 2^r on half an octave around 0, 127 at 0."""
    r = chebyshev_nodes(-0.5, 0.5, 800)
    rows, weight = np.vander(r, degree + 1, increasing=True)[:, 1:], np.ones_like(r)
    for _ in range(100):
        scale = np.sqrt(weight) / 2**r
        c = np.linalg.lstsq(rows * scale[:, None], (2**r - 1) * scale, rcond=None)[0]
        error = np.abs(rows @ c + 1 - 2**r) / 2**r
        weight = np.maximum(weight * error / (weight * error).sum(), 1e-14)
    print(f"share: largest relative error {error.max():.1e}")
    return 127 * np.concatenate([[1.0], c])


def fit_log(degree=8):
    """g with log(1 + f) ~ f - f^2/2 + f^3 g(f), 1 + f from sqrt(1/2) to sqrt(2)."""
    f = chebyshev_nodes(np.sqrt(0.5) - 1, np.sqrt(2) - 1, 800)
    exact = np.array([float(mpmath.log1p(x)) for x in map(mpmath.mpf, f)])
    g = (exact - f + f * f / 2) / f**3
    rows, weight = np.vander(f, degree + 1, increasing=True), np.ones_like(f)
    for _ in range(100):
        scale = np.sqrt(weight) * np.abs(f**3 / exact)
        c = np.linalg.lstsq(rows * scale[:, None], g * scale, rcond=None)[0]
        error = np.abs((rows @ c - g) * f**3 / exact)
        weight = np.maximum(weight * error / (weight * error).sum(), 1e-14)
    return c


def report_log(c):
    """As ferry_log does it: x = 2^n (1 + f), n ln 2 in two parts."""
    f32 = np.float32
    bits = np.arange(0x00800000, 0x7F800000, 61, dtype=np.uint32)
    near_one = np.arange(0x3F000000, 0x40000000, dtype=np.uint32)
    worst = 0
    for b in (bits, near_one):
        shifted = b + np.uint32(0x3F800000 - 0x3F3504F3)
        n = ((shifted >> 23).astype(np.int32) - 127).astype(f32)
        m = ((shifted & np.uint32(0x007FFFFF)) + np.uint32(0x3F3504F3)).view(f32)
        f = m - f32(1)
        z = f * f
        y = horner(c, f) * f * z
        y = y + n * f32(-2.12194440e-4) - f32(0.5) * z
        y = f + y + n * f32(0.693359375)
        reference = np.log(b.view(f32).astype(np.float64))
        error = np.abs(y - reference) / np.maximum(np.abs(reference), 1e-30)
        worst = max(worst, error.max())
    show("log", c)
    print(f"log: largest relative error {worst * 2**23:.2f} * 2^-23")


def horner(coefficients, t):
    result = np.full_like(t, np.float32(coefficients[-1]))
    for c in coefficients[-2::-1]:
        result = result * t + np.float32(c)
    return result


def show(name, coefficients):
    print(name, ", ".join(f"{np.float32(c)!r}" for c in coefficients))


def report_odd(name, exact, limit, p, q):
    x = np.linspace(-limit - 1, limit + 1, 2_000_001).astype(np.float32)
    clamped = np.clip(x, np.float32(-limit), np.float32(limit))
    t = clamped * clamped
    y = np.clip(clamped * horner(p, t) / horner(q, t), -1, 1)
    reference = exact(x.astype(np.float64))
    error = np.abs(y - reference) / np.maximum(np.abs(reference), 1e-30)
    show(name + " P", p)
    show(name + " Q", q)
    print(f"{name}: largest relative error {error.max() * 2**23:.2f} * 2^-23")


if __name__ == "__main__":
    mpmath.mp.dps = 40
    odd = lambda f: lambda t: f(mpmath.sqrt(t)) / mpmath.sqrt(t)  # f(x)/x as a function of x^2
    report_odd("erf", special.erf, 3.92, *fit_rational(odd(mpmath.erf), 3.92**2, 6, 4))
    report_odd("tanh", np.tanh, 9.01, *fit_rational(odd(mpmath.tanh), 9.01**2, 5, 3))
    show("exp", fit_exp())
    show("share", fit_share())
    report_log(fit_log())
