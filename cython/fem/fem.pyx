# cython: language_level=3
"""Sums over the voxels of tetrahedra, many tetrahedra in one call."""

import numpy as np

from hpcdvc.kernels.arrays import record
from hpcdvc.kernels.settings import fill_taps, interpolation_record

include "records.pxi"

cdef extern from "fem.h":
    enum: BRICK_Z, BRICK_Y, BRICK_X, SHIFT
    ctypedef struct hpcdvc_mesh_images:
        pass
    ctypedef struct hpcdvc_matrix_sums:
        pass
    ctypedef struct hpcdvc_step_sums:
        pass
    ctypedef struct hpcdvc_fem_kernels:
        int (*sum_matrix)(const hpcdvc_mesh_images *, hpcdvc_matrix_sums *) noexcept nogil
        int (*sum_step)(const hpcdvc_mesh_images *, hpcdvc_step_sums *) noexcept nogil
    const hpcdvc_fem_kernels *hpcdvc_fem_for(int level) nogil

#: Voxels (ZYX) of the bricks that im1 is worked through in.
BRICK = (BRICK_Z, BRICK_Y, BRICK_X)
#: Largest coordinate of a node, voxels; nodes are taken to multiples of 1 / LARGEST.
LARGEST = float(1 << SHIFT)


def _images(im1, points, connectivity, pieces, derivative):
    """A "mesh_images" record of im1 and a mesh, checked."""
    count = len(points)
    if not (np.abs(points) <= LARGEST).all():
        raise ValueError(f"the nodes are not all within {LARGEST:.0f} voxels")
    if connectivity.size and not (0 <= connectivity.min() and connectivity.max() < count):
        raise ValueError(f"the elements have nodes that are none of the {count}")
    result = record(
        "mesh_images",
        im1=at(im1.record, "volume"),
        points=address(points, "f8", (count, 3), "the points"),
        connectivity=address(connectivity, "i8", (None, 4), "the connectivity"),
        pieces=address(pieces, "piece", (None,), "the pieces"),
        count=len(pieces),
    )
    bricks = -(-np.array(im1.shape) // BRICK)
    element, brick = pieces["element"], pieces["brick"]
    none = (element < 0) | (element >= len(connectivity))
    if none.any() or (brick < 0).any() or (brick >= bricks).any():
        raise ValueError("a piece is one of no element, or lies in no brick of im1")
    fill_taps(result["gradient"], derivative)
    return result


def sum_matrix(im1, points, connectivity, pieces, derivative, sums):
    """Add up the 12x12 matrices of elements.

    Parameters
    ----------
    im1 : hpcdvc.kernels.volume.Volume
    points : (n, 3) float64 array, nodes, ZYX, voxels
    connectivity : (k, 4) int64 array, nodes of each element
    pieces : (m,) array of "piece" records, those of a brick side by side
    derivative : taps h[0..R] of the derivative along an axis
    sums : (k,) array of "matrix_sums" records, added to

    Raises
    ------
    MemoryError
    TypeError, ValueError
        Arrays that are not these.
    """
    images = _images(im1, points, connectivity, pieces, derivative)
    cdef const hpcdvc_fem_kernels *kernels = hpcdvc_fem_for(level())
    cdef size_t m = at(images, "mesh_images")
    cdef size_t s = address(sums, "matrix_sums", (len(connectivity),), "the sums", fill=True)
    cdef int failed
    with nogil:
        failed = kernels.sum_matrix(<const hpcdvc_mesh_images *>m, <hpcdvc_matrix_sums *>s)
    if failed:
        raise MemoryError("no memory for a brick of im1")


def sum_step(im1, im2, points, connectivity, displacements, pieces, derivative, interpolation, both, gain, sums):
    """Add up what the right-hand side and the residual are made of.

    Parameters
    ----------
    im1, points, connectivity, pieces, derivative : see `sum_matrix`
    im2 : hpcdvc.kernels.volume.Volume
    displacements : (n, 3) float64 array of the nodes, ZYX, voxels
    interpolation : hpcdvc.registration.filters.SplineFilter without poles, whose taps are those of all axes
    both : take the mean of the gradients of im1 and of im2 times the gain, not that of im1
    gain : of im1 over im2
    sums : (k,) array of "step_sums" records, added to

    Raises
    ------
    MemoryError
    TypeError, ValueError
        Arrays that are not these.
    """
    images = _images(im1, points, connectivity, pieces, derivative)
    images["im2"], images["both"], images["gain"] = at(im2.record, "volume"), bool(both), gain
    images["displacements"] = address(displacements, "f8", (len(points), 3), "the displacements")
    images["interpolation"] = interpolation_record(interpolation)
    if not np.isfinite(displacements).all():
        raise ValueError("the displacements are not all finite")
    if images["interpolation"]["taps"] == 1 or images["interpolation"]["poles"] != 0:
        raise ValueError("a spline is needed, with a prefilter of taps alone")
    cdef const hpcdvc_fem_kernels *kernels = hpcdvc_fem_for(level())
    cdef size_t m = at(images, "mesh_images")
    cdef size_t s = address(sums, "step_sums", (len(connectivity),), "the sums", fill=True)
    cdef int failed
    with nogil:
        failed = kernels.sum_step(<const hpcdvc_mesh_images *>m, <hpcdvc_step_sums *>s)
    if failed:
        raise MemoryError("no memory for a brick of the images")
