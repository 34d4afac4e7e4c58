"""Packings of touching spheres with known truth, and how many of them labels have right."""

import numpy as np


def packing(n: int, seed: int, radius: float = 10.0, spread: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Centres (n, 3) and radii of spheres, each of which touches one before it and overlaps none."""
    rng = np.random.default_rng(seed)
    centres, radii = np.zeros((1, 3)), np.array([radius])
    while len(centres) < n:
        new = radius * (1 + spread * rng.uniform(-1, 1))
        touched, way = rng.integers(len(centres), size=300), rng.normal(size=(300, 3))
        places = centres[touched] + way * ((radii[touched] + new) / np.linalg.norm(way, axis=1))[:, None]
        gaps = np.linalg.norm(places[:, None] - centres, axis=2) - radii - new
        free = places[(gaps > -1e-9).all(axis=1)]
        if len(free):
            centres = np.vstack([centres, free[np.linalg.norm(free, axis=1).argmin()]])
            radii = np.append(radii, new)
    return centres - (centres - radii[:, None]).min(axis=0) + 3 + rng.random(3), radii


def drawn(centres: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Label image of spheres, from 1 on."""
    labels = np.zeros(np.ceil((centres + radii[:, None]).max(axis=0) + 4).astype(int), "u2")
    for number, (centre, r) in enumerate(zip(centres, radii, strict=True), 1):
        low, high = np.floor(centre - r).astype(int), np.ceil(centre + r).astype(int) + 1
        axes = np.ogrid[tuple(map(slice, low, high))]
        part = labels[tuple(map(slice, low, high))]
        part[sum((axis - c) ** 2 for axis, c in zip(axes, centre, strict=True)) <= r * r] = number
    return labels


def count_right(labels: np.ndarray, truth: np.ndarray, shared: float = 0.8) -> int:
    """Spheres of which one label has so much, of sphere and label together."""
    n, m = int(truth.max()) + 1, int(labels.max()) + 1
    pairs = truth.astype(np.int64).ravel() * m + labels.ravel()
    both = np.bincount(pairs, minlength=n * m).reshape(n, m)
    either = both.sum(axis=1)[1:, None] + both.sum(axis=0)[None, 1:] - both[1:, 1:]
    return int((both[1:, 1:] > shared * either).any(axis=1).sum())
