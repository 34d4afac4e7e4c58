"""Sums over the voxels of tetrahedra in plain numpy, float64 and whole numbers: the slow twin of the kernel."""

import numpy as np
from reference_registration import along, interpolate

from hpcdvc.registration.filters import prefilter_taps, spline_gradient

#: Nodes are taken to multiples of 1 / FINE voxels where it is decided what a tetrahedron holds.
FINE = 2**20


def voxels_in(corners: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """(n, 3) voxels of an image that a tetrahedron (4, 3) holds, ZYX.

    Those whose centre lies inside when it is moved by (e^3, e^2, e), e > 0 as small as one likes: in Python's integers.
    """
    low = np.ceil(corners.min(axis=0) - 1e-5).clip(0).astype(int)
    high = np.floor(corners.max(axis=0) + 1e-5).clip(-1, np.array(shape) - 1).astype(int)
    at = np.stack(np.meshgrid(*map(np.arange, low, high + 1), indexing="ij"), axis=-1).reshape(-1, 3)
    nodes = [np.array([int(c) for c in np.rint(p * FINE)], object) for p in corners]
    for a in range(4):
        at = at[_inside(nodes[a], *(nodes[b] for b in range(4) if b != a), at)]
    return at


def _inside(inner, p, q, r, at):
    """Which voxels are on the side of the first node of the plane through the others."""
    n = np.cross(q - p, r - p)
    side = n @ (inner - p)
    if side == 0:
        return np.zeros(len(at), bool)
    n = n if side > 0 else -n
    moved = next(c for c in n[::-1] if c != 0) > 0
    s = at.astype(object) @ (n * FINE) - n @ p
    return (s > 0) | ((s == 0) & moved)


def shape_functions(corners: np.ndarray, at: np.ndarray) -> np.ndarray:
    """(n, 4) shape functions of a tetrahedron at points (n, 3)."""
    inner = np.linalg.solve((corners[1:] - corners[0]).T, (at - corners[0]).T).T
    return np.column_stack([1 - inner.sum(axis=1), inner])


def _beside_finite(image: np.ndarray) -> np.ndarray:
    """Which voxels are finite, and their direct neighbours, too."""
    finite = np.isfinite(image)
    result = finite.copy()
    for axis in range(3):
        ahead, back = (np.moveaxis(a, axis, 0) for a in (result, finite))
        ahead[1:] &= back[:-1]
        ahead[:-1] &= back[1:]
    return result


def _filter(taps: np.ndarray, sign: int, n: int) -> np.ndarray:
    """(n, n) matrix of a filter h[0..R] with h[-k] = -sign h[k]."""
    result = np.zeros((n, n))
    for k, h in enumerate(taps):
        result += h * np.eye(n, k=-k) - (sign * h * np.eye(n, k=k) if k else 0)
    return result


class Twin:
    """The sums of elements of images without holes; which voxels are left out is told by `leave_out`.

    Parameters
    ----------
    im1, im2 : (nz, ny, nx)
    order : of the spline
    """

    def __init__(self, im1, im2, order=3):
        self.shape, self.order, self.counts, pad = im1.shape, order, None, 24
        # odd about the ends, as the kernels continue an image
        one, two = (np.pad(im.astype(float), pad, "reflect", reflect_type="odd") for im in (im1, im2))
        self.f, self.pad, self.end = im1.astype(float), pad, np.array(im2.shape) - 1
        inside = tuple(slice(pad, pad + n) for n in im1.shape)
        slopes = [along(_filter(-spline_gradient(order).derivative, 1, n), one, i) for i, n in enumerate(one.shape)]
        self.gradient = np.stack(slopes, axis=-1)[inside]
        self.spline = two
        for axis, n in enumerate(two.shape):
            self.spline = along(_filter(prefilter_taps(order), -1, n), self.spline, axis)

    def leave_out(self, one, two):
        """Voxels of two other images that are not finite do not count, nor do those beside them, nor sources there."""
        self.counts = [_beside_finite(image) for image in (one, two)]

    def _counting(self, at, source=None):
        """Which voxels count, and which of their sources (then in both images)."""
        one, two = self.counts or (None, None)
        use = np.ones(len(at), bool) if one is None else one[tuple(at.T)]
        if source is not None:
            use &= ((source > -1e-6) & (source < self.end + 1e-6)).all(axis=1)
            for corner in np.ndindex(2, 2, 2) if two is not None else ():
                cell = np.floor(source).astype(int) + corner
                known = ((cell >= 0) & (cell <= self.end)).all(axis=1)
                use[known] &= two[tuple(cell[known].T)]
        return use

    def matrix(self, corners):
        """(78,) upper triangle, and the number of voxels."""
        at = voxels_in(corners, self.shape)
        at = at[self._counting(at)]
        columns = self._columns(corners, at, self.gradient[tuple(at.T)])
        return (columns.T @ columns)[np.triu_indices(12)], len(at)

    def step(self, corners, displacements, both=False):
        """F, G, H, n, f, g, ff, fg, gg of an element."""
        at = voxels_in(corners, self.shape)
        source = at + shape_functions(corners, at) @ displacements
        use = self._counting(at, source)
        at, source = at[use], source[use]
        f, g = self.f[tuple(at.T)], interpolate(self.spline, source.T + self.pad, self.order)
        gradient = self.gradient[tuple(at.T)]
        if both:
            gradient = (gradient + self._slopes(source)) / 2
        columns = self._columns(corners, at, gradient)
        scalars = np.array([len(f), f.sum(), g.sum(), f @ f, f @ g, g @ g])
        return columns.T @ f, columns.T @ g, columns.sum(axis=0), scalars

    def _slopes(self, source):
        h, result = 1e-5, np.empty((len(source), 3))
        for i in range(3):
            step = h * np.eye(3)[i]
            ends = [interpolate(self.spline, (source + s * step).T + self.pad, self.order) for s in (1, -1)]
            result[:, i] = (ends[0] - ends[1]) / (2 * h)
        return result

    @staticmethod
    def _columns(corners, at, gradient):
        return (shape_functions(corners, at)[:, :, None] * gradient[:, None, :]).reshape(-1, 12)
