"""Textures for image pairs with exact truth: functions of real coordinates, EVALUATED at every point asked for.

Points are (..., d) arrays, ZYX (YX in two dimensions), voxels; values are (...), of zero mean and unit variance.
Three unlike constructions, so that no result hangs on the details of one.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage

#: Weights of the six quintic B-splines around a point, as polynomials of the fraction t: 120 w = QUINTIC @ t**(0..5).
QUINTIC = np.array(
    [
        [1, -5, 10, -10, 5, -1],
        [26, -50, 20, 20, -20, 5],
        [66, 0, -60, 0, 30, -10],
        [26, 50, 20, -20, -20, 10],
        [1, 5, 10, 10, 5, -5],
        [0, 0, 0, 0, 0, 1],
    ]
)
MEAN_SQUARE = 655177 / 1663200  # integral of the squared quintic B-spline: the one of order 11 at 0


def random_rotation(rng: np.random.Generator, dimensions: int) -> np.ndarray:
    """A proper rotation, uniformly distributed."""
    q, r = np.linalg.qr(rng.standard_normal((dimensions, dimensions)))
    q = q * np.sign(np.diag(r))
    q[0] *= np.linalg.det(q)
    return q


@dataclass(frozen=True)
class SplineTexture:
    """T(p) = sum_k c_k B5(matrix (p - origin) - k) with the quintic B-spline B5; c repeats periodically."""

    coefficients: np.ndarray
    matrix: np.ndarray
    origin: np.ndarray

    def lattice(self, points: np.ndarray) -> np.ndarray:
        """Lattice coordinates (d, n) of points."""
        points = np.asarray(points, float).reshape(-1, len(self.matrix))
        return self.matrix @ (points - self.origin).T

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Values (...) at points (..., d). The sum is scipy's: the same as `terms`, in C."""
        values = ndimage.map_coordinates(
            self.coefficients, self.lattice(points), order=5, mode="grid-wrap", prefilter=False, output=np.float64
        )
        return values.reshape(np.shape(points)[:-1])

    def gradient(self, points: np.ndarray) -> np.ndarray:
        """Gradient (..., d) at points (..., d), by the derivative of the B-spline."""
        points = np.asarray(points, float)
        flat = points.reshape(-1, points.shape[-1])
        blocks = [self.terms(flat[i : i + 10_000])[1] for i in range(0, len(flat), 10_000)]
        return np.concatenate(blocks).reshape(points.shape)

    def terms(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Value (n) and gradient (n, d) at points (n, d), summed term by term."""
        q = self.lattice(points)
        d, size = len(q), self.coefficients.shape
        cell = np.floor(q).astype(np.int64)
        powers = (q - cell)[:, None] ** np.arange(6)[:, None]  # (d, power, n)
        weights = np.einsum("tp,dpn->dtn", QUINTIC / 120, powers)
        slopes = np.einsum("tp,dpn->dtn", QUINTIC[:, 1:] * np.arange(1, 6) / 120, powers[:, :5])
        flat, stride = np.ravel(self.coefficients), np.cumprod((1, *size[:0:-1]))[::-1]
        taps = (cell[:, None] + np.arange(-2, 4)[:, None]) % np.array(size).reshape(-1, 1, 1) * stride.reshape(-1, 1, 1)
        value, gradient = np.zeros(q.shape[1]), np.zeros_like(q)
        for outer in np.ndindex((6,) * (d - 1)):
            start = sum(taps[i, t] for i, t in enumerate(outer))
            line = [flat[start + taps[-1, t]] for t in range(6)]
            along = sum(c * w for c, w in zip(line, weights[-1], strict=True))
            factors = [weights[i, t] for i, t in enumerate(outer)]
            value += np.prod(factors, axis=0) * along
            gradient[-1] += np.prod(factors, axis=0) * sum(c * w for c, w in zip(line, slopes[-1], strict=True))
            for i, t in enumerate(outer):
                gradient[i] += np.prod([*factors[:i], slopes[i, t], *factors[i + 1 :]], axis=0) * along
        return value, gradient.T @ self.matrix


@lru_cache(maxsize=8)
def lattice_texture(seed: int, spacing: float = 2.2, dimensions: int = 3, size: int = 128) -> SplineTexture:
    """White noise on a randomly rotated lattice of this spacing (voxels), smoothed by the quintic B-spline.

    The kernel's standard deviation is 0.707 spacings; the texture repeats after `size` spacings.
    """
    rng = np.random.default_rng(seed)
    matrix = random_rotation(rng, dimensions) / spacing
    white = rng.standard_normal((size,) * dimensions) / MEAN_SQUARE ** (dimensions / 2)
    white.flags.writeable = False
    return SplineTexture(white, matrix, rng.uniform(0, size * spacing, dimensions))


def image_texture(image: np.ndarray, pitch: float = 1.0, origin: float = 0.0) -> SplineTexture:
    """The quintic spline through an image, as a texture whose voxels are `pitch` of the image's; not normalised."""
    coefficients = ndimage.spline_filter(np.asarray(image, float), order=5, mode="grid-wrap")
    d = image.ndim
    return SplineTexture(coefficients, np.eye(d) * pitch, np.full(d, -origin / pitch))


class BlobTexture:
    """Gaussian blobs of random amplitude, one in each cell of a cubic grid, anywhere in its cell."""

    def __init__(self, seed: int, sigma: float = 1.6, dimensions: int = 3, size: int = 64):
        rng = np.random.default_rng(seed)
        self.sigma, self.cell, self.size, self.dimensions = sigma, 2.5 * sigma, size, dimensions
        self.centres = rng.uniform(0, self.cell, (*(size,) * dimensions, dimensions))
        self.amplitudes = rng.standard_normal((size,) * dimensions)
        self.amplitudes *= (self.cell / (np.sqrt(np.pi) * sigma)) ** (dimensions / 2)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Values (...) at points (..., d). Blobs further than two cells (5 sigma) away are left out."""
        points = np.asarray(points, float)
        cell = np.floor(points / self.cell).astype(int)
        inside, value = points - cell * self.cell, np.zeros(points.shape[:-1])
        for step in np.ndindex((5,) * self.dimensions):
            step = np.array(step) - 2
            at = tuple(np.moveaxis((cell + step) % self.size, -1, 0))
            squares = ((inside - step * self.cell - self.centres[at]) ** 2).sum(axis=-1)
            value += self.amplitudes[at] * np.exp(-0.5 * squares / self.sigma**2)
        return value


class CosineTexture:
    """Cosine waves of random direction, phase and length; none shorter than 2.5 voxels."""

    def __init__(self, seed: int, waves: int = 500, bandwidth: float = 0.072, dimensions: int = 3):
        rng = np.random.default_rng(seed)
        k = rng.standard_normal((2 * waves, dimensions)) * bandwidth
        self.wave_vectors = k[np.linalg.norm(k, axis=1) < 0.4][:waves]
        self.phases = rng.uniform(0, 2 * np.pi, len(self.wave_vectors))

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Values (...) at points (..., d)."""
        points = np.asarray(points, float)
        flat, blocks = points.reshape(-1, points.shape[-1]), []
        for i in range(0, len(flat), 20_000):
            angles = 2 * np.pi * (flat[i : i + 20_000] @ self.wave_vectors.T) + self.phases
            blocks.append(np.cos(angles).sum(axis=1))
        return np.concatenate(blocks).reshape(points.shape[:-1]) * np.sqrt(2 / len(self.phases))
