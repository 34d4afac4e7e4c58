"""STANDIN."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

SEGMENT = 7
STRETCH = 0.25


@dataclass(frozen=True, eq=False)
class Mixture:
    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    n_phases: int
    background: float = 0.0


def with_segments(m, c):
    k = len(m)
    M, C = list(m), list(c)
    for a in range(k):
        for b in range(a + 1, k):
            d = m[b] - m[a]
            for j in range(1, SEGMENT + 1):
                q = j / (SEGMENT + 1)
                M.append(m[a] + q * d)
                C.append((1 - q) * c[a] + q * c[b] + np.outer(d, d) / (SEGMENT + 1) ** 2 * STRETCH)
    return np.array(M), np.array(C)


def parts(mixture, x):
    P = np.linalg.inv(mixture.covariances)
    det = np.sqrt(np.linalg.det(P)) / (2 * np.pi)
    out = np.empty((len(mixture.weights), len(x)))
    for i, (m, p) in enumerate(zip(mixture.means, P)):
        d = x - m
        out[i] = (
            mixture.weights[i]
            * det[i]
            * np.exp(-0.5 * (p[0, 0] * d[:, 0] ** 2 + 2 * p[0, 1] * d[:, 0] * d[:, 1] + p[1, 1] * d[:, 1] ** 2))
        )
    return out, P


def peaks_of(h, n, dist):
    s = ndimage.gaussian_filter(h.astype(float), 1.5 * len(h) / 128)
    m = (s == ndimage.maximum_filter(s, size=2 * int(dist) + 1)) & (s > s.max() * 1e-3)
    p, v = np.argwhere(m), s[m]
    return p[np.argsort(-v, kind="stable")][:n].astype(float)


def fit_mixture(h, n_phases, distance=None, fit_distance=None, thresholds=(0, 0), iterations=30):
    B = len(h)
    n_phases = 3 if n_phases == "auto" else n_phases
    m = peaks_of(h, n_phases, distance or B / 25)
    k = len(m)
    c = np.array([np.eye(2) * (B / 40) ** 2] * k)
    M, C = with_segments(m, c)
    w = np.full(len(M), 0.3 / max(len(M) - k, 1))
    w[:k] = 0.7 / k
    mix, bg = Mixture(w, M, C, k, 1e-3), 1e-3
    x = np.argwhere(h > 0).astype(float)
    n = h[h > 0].astype(float)
    for _ in range(iterations):
        p, P = parts(mix, x)
        total = p.sum(0) + bg / B**2
        r = p / total * n
        w = r.sum(1)
        bg = max((bg / B**2 / total * n).sum() / n.sum(), 1e-4)
        m = np.array([(ra[:, None] * x).sum(0) / ra.sum() for ra in r[:k]])
        c = np.array([np.einsum("n,ni,nj->ij", ra, x - mu, x - mu) / ra.sum() + np.eye(2) / 12 for ra, mu in zip(r, m)])
        M, C = with_segments(m, c)
        w = np.maximum(w / n.sum(), 1e-9)
        mix = Mixture(w / (w.sum() + bg), M, C, k, bg / (w.sum() + bg))
    return mix
