"""Parallel-beam projections of a volume and their transpose, on this rank: plain functions of arrays.

The line integral of a pixel is a sum over the slices of the main axis, the one that the beam is most parallel to: where
its ray crosses a slice, the volume is interpolated linearly between four voxels, and is zero outside (Joseph, IEEE
Trans. Med. Imaging 1 (1982) 192). The transpose is exact: each voxel gathers from the pixels whose rays have taken of
it, with the same weights. So a voxel depends on no other, and what is gathered by many ranks has the same bits.
"""

import numpy as np

from hpcdvc.kernels import tomography
from hpcdvc.kernels.records import dtype
from hpcdvc.tomography.geometry import Geometry


def forward(
    volume: np.ndarray, geometry: Geometry, j_offsets: np.ndarray | None = None, k_offsets: np.ndarray | None = None
) -> np.ndarray:
    """Line integrals of a volume for all pixels of all views.

    Parameters
    ----------
    volume : (X, Y, Z) array
        float64 is computed in float64, all else in float32.
    geometry : Geometry of n views
    j_offsets, k_offsets : (n,) pixels, optional
        Pixel j looks at (j + 0.5 - J / 2 + offset) u; none is zero.

    Returns
    -------
    (n, J, K) array of the same type
    """
    kind = np.float64 if volume.dtype == np.float64 else np.float32
    views = np.empty((len(geometry.p), *geometry.shape), kind)
    tomography.forward(grown(volume, kind), beams_of(geometry, j_offsets, k_offsets), views)
    return views


def adjoint(
    views: np.ndarray, geometry: Geometry, j_offsets: np.ndarray | None = None, k_offsets: np.ndarray | None = None
) -> np.ndarray:
    """Exact transpose of `forward`: (n, J, K) views to an (X, Y, Z) volume of the same type."""
    kind = np.float64 if views.dtype == np.float64 else np.float32
    volume = np.empty(geometry.volume, kind)
    around = np.pad(views.astype(kind, copy=False), [(0, 0), *[(tomography.AROUND,) * 2] * 2])
    tomography.adjoint(around, beams_of(geometry, j_offsets, k_offsets), volume, 0, len(volume))
    return volume


def grown(volume: np.ndarray, kind: type) -> np.ndarray:
    """The volume with the zeros around it that kernels want."""
    return np.pad(volume.astype(kind, copy=False), ((tomography.BEFORE, tomography.BEHIND),) * 3)


def beams_of(
    geometry: Geometry, j_offsets: np.ndarray | None = None, k_offsets: np.ndarray | None = None
) -> np.ndarray:
    """(n,) array of "beam" records: see hpcdvc.kernels.records."""
    p, u, w = (np.asarray(v, float) for v in (geometry.p, geometry.u, geometry.w))
    n, rows = len(p), np.arange(len(p))[:, None]
    axis = np.abs(p).argmax(axis=1)
    others = np.array([[1, 2], [0, 2], [0, 1]])[axis]
    size = np.array(geometry.volume)
    middle_a, middle = (size[axis] - 1) / 2, (size[others] - 1) / 2
    slope = p[rows, others] / p[rows, axis[:, None]]
    # on a slice of the main axis, what a step along j or k is on the other two
    steps = [v[rows, others] - slope * v[rows, axis[:, None]] for v in (u, w)]
    offsets = [np.zeros(n) if o is None else np.asarray(o, float) for o in (j_offsets, k_offsets)]
    first = [0.5 - length / 2 + o for length, o in zip(geometry.shape, offsets, strict=True)]
    result = np.zeros(n, dtype("beam"))
    result["axis"], result["slice"] = axis, slope
    result["start"] = middle - slope * middle_a[:, None]
    result["start"] += sum(c[:, None] * step for c, step in zip(first, steps, strict=True))
    pixel = np.stack(steps, axis=-1)
    result["pixel"] = pixel.reshape(n, 4)
    result["length"] = np.sqrt(1 + (slope**2).sum(axis=1))
    back = np.linalg.inv(pixel)  # of the steps themselves: the transpose is exact where u and w are a little off
    voxel = np.empty((n, 2, 3))
    voxel[rows, :, others] = back.transpose(0, 2, 1)
    voxel[rows[:, 0], :, axis] = -(back @ slope[:, :, None])[:, :, 0]
    result["voxel"] = voxel.reshape(n, 6)
    result["origin"] = -(back @ result["start"][:, :, None])[:, :, 0]
    result["reach"] = np.abs(back).sum(axis=2)
    z = first[1] * w[:, 2] + (size[2] - 1) / 2  # of the row k = 0, where views turn about z
    result["row"] = np.floor(z)
    result["fraction"] = z - result["row"]
    return result


def interpolating(beams: np.ndarray) -> np.ndarray:
    """Beams whose `adjoint` interpolates the views where voxels fall on them: not the transpose, but mumott's way."""
    result = beams.copy()
    result["pixel"], result["reach"], result["length"] = (1, 0, 0, 1), 1, 1
    return result
