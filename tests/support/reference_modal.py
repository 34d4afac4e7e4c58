"""Two images of other modalities in plain numpy, float64: the slow twin that hpcdvc.multimodal.pair is compared with.

im2 is the quadratic B-spline of its grey values, im1 is smoothed as that is at voxels. Made to be read, not to be fast.
"""

from dataclasses import dataclass

import numpy as np
from reference_totals import CROSS, good_cells
from scipy import ndimage

#: Weights of the three taps of the quadratic B-spline by powers of the distance from the nearest voxel.
B_SPLINE = np.array([[1 / 8, -1 / 2, 1 / 2], [3 / 4, 0, -1], [1 / 8, 1 / 2, 1 / 2]])
#: Voxels that images go on for, past their ends, as f(-i) = 2 f(0) - f(i).
PAD = 3


@dataclass(frozen=True)
class Mixture:
    """Gaussians over (f, g): weights (n,), means (n, 2), covariances (n, 2, 2)."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    def __call__(self, f: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """log p, - d log p / d g, and sum of responsibility times precision along g."""
        terms, slopes, precisions = [], [], []
        for weight, mean, covariance in zip(self.weights, self.means, self.covariances, strict=True):
            (a, b), (_, c) = np.linalg.inv(covariance)
            df, dg = f - mean[0], g - mean[1]
            density = np.exp(-0.5 * (a * df**2 + 2 * b * df * dg + c * dg**2)) / np.sqrt(np.linalg.det(covariance))
            terms.append(weight * density / (2 * np.pi))
            slopes.append(b * df + c * dg)
            precisions.append(c)
        p = sum(terms)
        score = sum(t * s for t, s in zip(terms, slopes, strict=True)) / p
        return np.log(p), score, sum(t * c for t, c in zip(terms, precisions, strict=True)) / p


@dataclass(frozen=True)
class Tables:
    """Of a mixture, (n, n) arrays over all bins."""

    log_density: np.ndarray
    score: np.ndarray
    weight: np.ndarray


def tables_of(mixture: Mixture, bins: int, n: int) -> Tables:
    """At n x n nodes."""
    at = np.linspace(0, bins - 1, n)
    return Tables(*mixture(*np.meshgrid(at, at, indexing="ij")))


@dataclass(frozen=True)
class Modal:
    """All voxels of im1, (nz, ny, nx): f, g in bins; slopes (3, ...) of im2 there; x (3, ...) about the centre."""

    f: np.ndarray
    g: np.ndarray
    slopes: np.ndarray
    x: np.ndarray
    in_im1: np.ndarray
    ok: np.ndarray
    bins: int

    def histogram(self, chosen: np.ndarray) -> np.ndarray:
        """Of the chosen voxels that count."""
        ok = self.ok & chosen
        nearest = [np.floor(np.clip(v[ok], 0, self.bins - 1) + 0.5).astype(int) for v in (self.f, self.g)]
        found = np.zeros((self.bins, self.bins), np.int64)
        np.add.at(found, tuple(nearest), 1)
        return found

    def moments(self, chosen: np.ndarray) -> np.ndarray:
        """(bins, 3) number, sum of g and of g^2."""
        ok = self.ok & chosen
        f, g = (np.clip(v[ok], 0, self.bins - 1) for v in (self.f, self.g))
        found = np.zeros((self.bins, 3))
        np.add.at(found, np.floor(f + 0.5).astype(int), np.stack([np.ones_like(g), g, g**2], axis=1))
        return found

    def look_up(self, table: np.ndarray, ok: np.ndarray) -> np.ndarray:
        """At the nearest node of f, linear between those of g."""
        scale = (len(table) - 1) / (self.bins - 1)
        at = [np.clip(v[ok], 0, self.bins - 1) * scale for v in (self.f, self.g)]
        at[0] = np.floor(at[0] + 0.5)
        return ndimage.map_coordinates(table, at, order=1, mode="nearest")

    def sums(self, phi: np.ndarray, tables: Tables, chosen: np.ndarray) -> dict:
        """By the names of hpcdvc.multimodal.pair, over the chosen voxels."""
        ok = self.ok & chosen
        root = self.look_up(np.sqrt(tables.weight), ok)
        white = self.look_up(tables.score / np.sqrt(tables.weight), ok)
        inside = (self.g[ok] >= 0) & (self.g[ok] <= self.bins - 1)
        slopes = np.einsum("ia,in->an", phi[:, :3], self.slopes[:, ok])  # along the axes of im1
        x = np.concatenate([self.x[:, ok], np.ones((1, ok.sum()))])
        J = (slopes[:, None] * x).reshape(12, -1) * inside
        return {
            "matrix": (J * root**2) @ J.T,
            "right": -J @ (white * root),
            "log_likelihood": self.look_up(tables.log_density, ok).sum(),
            "count": ok.sum(),
            "outside": (self.in_im1 & chosen).sum() - ok.sum(),
            "squares": ((white * inside) ** 2).sum(),
        }


def modal(
    im1: np.ndarray, im2: np.ndarray, phi: np.ndarray, centre: np.ndarray, ranges, bins: int, mask1=None
) -> Modal:
    """What all is made of.

    Parameters
    ----------
    im1, im2 : (nz, ny, nx) arrays
    phi : (3, 4) array about centre
    ranges : of grey values, (low, high) of im1 and im2
    bins : that these are taken to
    mask1 : 0 where a voxel of im1 does not count
    """
    f, two = (
        (im.astype(float) - low) / (high - low) * (bins - 1) for im, (low, high) in zip((im1, im2), ranges, strict=True)
    )
    in_im1 = ~ndimage.binary_dilation(~np.isfinite(f), CROSS) & (True if mask1 is None else mask1 != 0)
    x = np.indices(im1.shape) - np.reshape(centre, (3, 1, 1, 1))
    at = np.einsum("ij,jzyx->izyx", phi[:, :3], x) + np.reshape(centre + phi[:, 3], (3, 1, 1, 1))
    first = 1 if len(im1) == 1 else 0
    last = np.reshape(im2.shape, (3, 1, 1, 1)) - 1
    ok = in_im1 & ((at >= -1e-6) & (at <= last + 1e-6))[first:].all(axis=0) & good_cells(im2, at)
    values, slopes = spline_at(filled(two), at, ok)
    return Modal(smoothed(filled(f)), values, slopes, x, in_im1, ok, bins)


def filled(image: np.ndarray) -> np.ndarray:
    """Voxels that are not finite take the grey value of the one before in their row, at its start of the one behind."""
    result = image.copy()
    for row in result.reshape(-1, image.shape[2]):
        good = np.flatnonzero(np.isfinite(row))
        if len(good):
            before = np.searchsorted(good, np.arange(len(row)), side="right") - 1
            row[:] = row[good[np.maximum(before, 0)]]
        else:
            row[:] = 0
    return result


def extended(image: np.ndarray) -> np.ndarray:
    """The image and what lies around it; that of one plane is the same all along z."""
    if len(image) == 1:
        image = np.repeat(image, 2 * PAD + 1, axis=0)
        return np.pad(image, [(0, 0), (PAD, PAD), (PAD, PAD)], mode="reflect", reflect_type="odd")
    return np.pad(image, PAD, mode="reflect", reflect_type="odd")


def smoothed(image: np.ndarray) -> np.ndarray:
    """[1 6 1] / 8 along each axis."""
    result = extended(image)
    for axis in range(3):
        result = ndimage.correlate1d(result, np.array([1, 6, 1]) / 8, axis=axis)
    return result[tuple(slice(PAD, PAD + n) for n in image.shape)]


def spline_at(image: np.ndarray, at: np.ndarray, ok: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values and slopes (3, ...) of the quadratic B-spline whose coefficients are the grey values; 0 where not ok."""
    spline, points = extended(image), at[:, ok] + PAD
    if len(image) == 1:
        points[0] = PAD
    cell = np.floor(points + 0.5).astype(int)
    powers = (points - cell)[:, None] ** np.arange(3)[:, None]
    weights = np.einsum("tp,dpn->dtn", B_SPLINE, powers)
    slopes = np.einsum("tp,dpn->dtn", B_SPLINE[:, 1:] * [1, 2], powers[:, :-1])
    found = np.zeros((4, points.shape[1]))
    for tap in np.ndindex((3, 3, 3)):
        c = spline[tuple(cell + (np.array(tap) - 1)[:, None])]
        w, d = ([part[axis, k] for axis, k in enumerate(tap)] for part in (weights, slopes))
        found += c * np.array([w[0] * w[1] * w[2], d[0] * w[1] * w[2], w[0] * d[1] * w[2], w[0] * w[1] * d[2]])
    values, gradient = np.zeros(at.shape[1:]), np.zeros(at.shape)
    values[ok], gradient[:, ok] = found[0], found[1:]
    gradient[0] *= len(image) > 1
    return values, gradient
