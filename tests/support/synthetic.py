"""Image pairs whose displacement is known exactly.

A texture is a function of real coordinates that is EVALUATED at every point it is asked for, never interpolated from
an image. The reference image is im1(x) = T(x), the deformed one im2(y) = T(X) where X + u(X) = y, hence
im1(X) = im2(X + u(X)) for every point X, and F = I + du/dX. Points are (..., d) arrays, ZYX (YX in two dimensions),
voxels.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from textures import BlobTexture, CosineTexture, SplineTexture, image_texture, lattice_texture

__all__ = [
    "Affine",
    "BlobTexture",
    "CosineTexture",
    "DisplacementField",
    "Grey",
    "ShearBand",
    "Sine",
    "SplineTexture",
    "image_texture",
    "lattice_texture",
    "pair",
    "render",
    "rotation",
    "translation",
]


class DisplacementField:
    """u(X) and its gradient; fields add up with +."""

    def displacement(self, points: np.ndarray) -> np.ndarray:
        """u (..., d) at points (..., d) of the reference image."""
        raise NotImplementedError

    def displacement_gradient(self, points: np.ndarray) -> np.ndarray:
        """du_i/dX_j (..., d, d) at points (..., d) of the reference image."""
        raise NotImplementedError

    def reference(self, points: np.ndarray, tolerance: float = 1e-11) -> np.ndarray:
        """X where X + u(X) = points: fixed-point iteration; RuntimeError if the field is not a contraction."""
        x = np.asarray(points, float)
        for _ in range(200):
            previous, x = x, points - self.displacement(x)
            if np.abs(x - previous).max(initial=0) <= tolerance:
                return x
        raise RuntimeError("the displacement gradient is too large to invert the field by fixed-point iteration")

    def phi(self, points: np.ndarray) -> np.ndarray:
        """(n, 3, 4) rows [F u] at points (n, d); 2-D fields get the out-of-plane identity."""
        u = self.displacement(points)
        d = u.shape[-1]
        result = np.zeros((len(points), 3, 4))
        result[:, :, :3] = np.eye(3)
        result[:, 3 - d :, 3 - d : 3] += self.displacement_gradient(points)
        result[:, 3 - d :, 3] = u
        return result

    def __add__(self, other: "DisplacementField") -> "Sum":
        return Sum(self, other)


@dataclass(frozen=True)
class Sum(DisplacementField):
    """The sum of two displacement fields."""

    first: DisplacementField
    second: DisplacementField

    def displacement(self, points):
        return self.first.displacement(points) + self.second.displacement(points)

    def displacement_gradient(self, points):
        return self.first.displacement_gradient(points) + self.second.displacement_gradient(points)


@dataclass(frozen=True)
class Affine(DisplacementField):
    """u = (F - I)(X - centre) + shift."""

    F: np.ndarray
    shift: np.ndarray
    centre: np.ndarray

    def displacement(self, points):
        return (points - self.centre) @ (self.F - np.eye(len(self.F))).T + self.shift

    def displacement_gradient(self, points):
        return np.broadcast_to(self.F - np.eye(len(self.F)), (*points.shape[:-1], *self.F.shape))

    def reference(self, points, tolerance=None):
        return (points - self.centre - self.shift) @ np.linalg.inv(self.F).T + self.centre


def translation(shift) -> Affine:
    """The same displacement everywhere."""
    return Affine(np.eye(len(shift)), np.asarray(shift, float), np.zeros(len(shift)))


def rotation(angle: float, centre, axis=(1, 2, 3), shift=None) -> Affine:
    """Rotation by an angle (degrees), in 3-D about an axis (ZYX); Rodrigues' formula."""
    centre = np.asarray(centre, float)
    d, a = len(centre), np.radians(angle)
    if d == 2:
        F = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    else:
        n = np.asarray(axis, float) / np.linalg.norm(axis)
        K = np.array([[0, -n[2], n[1]], [n[2], 0, -n[0]], [-n[1], n[0], 0]])
        F = np.eye(3) + np.sin(a) * K + (1 - np.cos(a)) * K @ K
    return Affine(F, np.zeros(d) if shift is None else np.asarray(shift, float), centre)


@dataclass(frozen=True)
class Sine(DisplacementField):
    """u = amplitude sin(2 pi (wave_vector . X) + phase); the wave vector is in cycles per voxel."""

    amplitude: np.ndarray
    wave_vector: np.ndarray
    phase: float = 0.0

    def displacement(self, points):
        return np.sin(2 * np.pi * (points @ np.asarray(self.wave_vector)) + self.phase)[..., None] * self.amplitude

    def displacement_gradient(self, points):
        slope = 2 * np.pi * np.cos(2 * np.pi * (points @ np.asarray(self.wave_vector)) + self.phase)
        return slope[..., None, None] * np.outer(self.amplitude, self.wave_vector)


@dataclass(frozen=True)
class ShearBand(DisplacementField):
    """Two halves that slip past each other: u = slip/2 tanh((X - point) . normal / width)."""

    slip: np.ndarray
    normal: np.ndarray
    point: np.ndarray
    width: float

    def distance(self, points: np.ndarray) -> np.ndarray:
        """Signed distance (...) from the middle of the band, voxels."""
        return (points - np.asarray(self.point)) @ np.asarray(self.normal) / np.linalg.norm(self.normal)

    def displacement(self, points):
        return 0.5 * np.tanh(self.distance(points) / self.width)[..., None] * self.slip

    def displacement_gradient(self, points):
        slope = 0.5 / self.width / np.cosh(self.distance(points) / self.width) ** 2
        return slope[..., None, None] * np.outer(self.slip, self.normal / np.linalg.norm(self.normal))


@dataclass(frozen=True)
class Grey:
    """How texture becomes grey values: gain (mean + contrast (T + noise)) + offset contrast, rounded to integers."""

    mean: float = 30000.0
    contrast: float = 5000.0
    noise: float = 0.0
    gain: float = 1.0
    offset: float = 0.0
    dtype: str = "u2"

    def __call__(self, values: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        """Grey values of texture values; independent Gaussian noise of the standard deviation `noise` * contrast."""
        if self.noise:
            values = values + self.noise * rng.standard_normal(values.shape)
        grey = self.gain * (self.mean + self.contrast * values) + self.offset * self.contrast
        dtype = np.dtype(self.dtype)
        if dtype.kind in "ui":
            grey = np.clip(np.rint(grey), np.iinfo(dtype).min, np.iinfo(dtype).max)
        return grey.astype(dtype)


def render(texture, shape, field=None, grey=Grey(), seed=0, out=None, threads=2) -> np.ndarray:  # noqa: B008
    """Image of a texture, moved by a field if one is given.

    Parameters
    ----------
    texture : function of (..., d) points
    shape : size of the image, 2 or 3 entries
    field : DisplacementField or None
    grey : Grey
    seed : of the noise; every plane has its own noise, so the image does not depend on `threads`
    out : array or memory map to fill, for images larger than the memory
    threads : number of threads

    Returns
    -------
    array of the shape and of grey.dtype
    """
    out = np.empty(shape, grey.dtype) if out is None else out
    rows = 1 if len(shape) == 2 else shape[1]

    def plane(z):
        points = np.stack(np.meshgrid([z], *map(np.arange, shape[1:]), indexing="ij"), axis=-1).astype(float)
        points = points.reshape(-1, len(shape))
        step = max(1, 200_000 // (len(points) // rows)) * (len(points) // rows)
        parts = [points[i : i + step] for i in range(0, len(points), step)]
        values = np.concatenate([texture(p if field is None else field.reference(p)) for p in parts])
        out[z] = grey(values.reshape(shape[1:]), np.random.default_rng([seed, z]))

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(plane, range(shape[0])))
    return out


def pair(texture, shape, field, grey1=Grey(), grey2=None, seed=0, threads=2) -> tuple[np.ndarray, np.ndarray]:  # noqa: B008
    """Reference and deformed image of a texture, with independent noise; see `render`."""
    im1 = render(texture, shape, None, grey1, 2 * seed, threads=threads)
    return im1, render(texture, shape, field, grey2 or grey1, 2 * seed + 1, threads=threads)
