"""Stacks of frames whose displacement is known: sums of cosines, evaluated at the places that are moved."""

import numpy as np

from hpcdvc.stacks.dense import DenseSettings, halo, measure_rows

MEAN, CONTRAST = 100.0, 10.0


def frames(count: int, shape: tuple[int, int], seed: int, u=(0.0, 0.0), grain: float = 1.5) -> np.ndarray:
    """(count, *shape) float32 grey values: textures of autocorrelation exp(-r^2 / (2 grain^2)), moved by u (y, x), a
    number of pixels or an image of them each."""
    rng, waves = np.random.default_rng(seed), 150
    even = np.ndim(u[0]) == 0
    y, x = (np.arange(shape[0]), np.arange(shape[1])) if even else np.mgrid[: shape[0], : shape[1]]
    y, x = y - u[0], x - u[1]
    result = np.empty((count, *shape), "f4")
    for k in range(count):
        q, phase = rng.normal(size=(waves, 2)) / grain, rng.uniform(0, 2 * np.pi, waves)
        along_y, along_x = np.multiply.outer(q[:, 0], y), np.multiply.outer(q[:, 1], x)
        if even:  # the real part of a product of matrices
            values = (np.exp(1j * (along_y.T + phase)) @ np.exp(1j * along_x)).real
        else:
            values = np.cos(along_y + along_x + phase[:, None, None]).sum(0)
        result[k] = MEAN + CONTRAST * np.sqrt(2 / waves) * values
    return result


def noise(like: np.ndarray, deviation: float, seed: int) -> np.ndarray:
    """Of the detector, to be added."""
    return np.random.default_rng(seed).normal(0, deviation, like.shape).astype("f4")


def measure(im1: np.ndarray, im2: np.ndarray, rows: range | None = None, **settings) -> dict[str, np.ndarray]:
    """All rows, or some of a band that is no larger than is needed; windows of 7 pixels, +-4."""
    settings = DenseSettings(**{"half_window": 3, "reach": (-4, 4, -4, 4)} | settings)
    height = im1.shape[1]
    rows = range(0, height, settings.step) if rows is None else rows
    first, last = max(rows[0] - halo(settings), 0), min(rows[-1] + 1 + halo(settings), height)
    bands = (np.ascontiguousarray(im[:, first:last], "f4") for im in (im1, im2))
    return measure_rows(*bands, first, rows, height, settings, np.array([MEAN, MEAN + 0.5]))


def shares(found: dict[str, np.ndarray], margin: int = 0) -> dict[int, float]:
    """Part of the pixels of each status, without those beside the border."""
    status = found["status"][margin:-margin, margin:-margin] if margin else found["status"]
    return {int(code): count / status.size for code, count in zip(*np.unique(status, return_counts=True), strict=True)}
