# cython: language_level=3
"""Planes cut through a volume, straight or through a field of displacements, for pages that show them."""

import numpy as np

from libc.stdint cimport int64_t, uint8_t

from hpcdvc.kernels.arrays import address
from hpcdvc.kernels.records import CHOICES

cdef extern from "planes.h":
    ctypedef struct planes_volume:
        const unsigned char *data
        int64_t shape[3]
        int type
        int swapped
    ctypedef struct planes_field:
        const double *nodes
        int64_t shape[3]
        double origin[3]
        double spacing[3]
    ctypedef struct planes_plane:
        double origin[3]
        double down[3]
        double across[3]
    void planes_linear(const planes_volume *, const planes_plane *, const planes_field *, int64_t, int64_t, double *,
                       float *, uint8_t *) noexcept nogil
    void planes_nearest(const planes_volume *, const planes_plane *, const planes_field *, int64_t, int64_t, double *,
                        unsigned char *, uint8_t *) noexcept nogil

#: Types of voxels, as in `hpcdvc.kernels.volume`; here in any byte order, and at any address.
TYPES = CHOICES["TYPE"]


cdef planes_volume _volume(object array) except *:
    cdef planes_volume result
    if not isinstance(array, np.ndarray) or array.dtype.str[1:] not in TYPES:
        raise TypeError(f"voxels of type {getattr(array, 'dtype', type(array).__name__)} are not supported")
    if array.ndim != 3 or 0 in array.shape or not array.flags.c_contiguous:
        raise ValueError(f"a C-contiguous volume with voxels is needed, not one of shape {array.shape}")
    result.data = <const unsigned char *><size_t>array.ctypes.data
    result.shape = array.shape
    result.type = TYPES.index(array.dtype.str[1:])
    result.swapped = not array.dtype.isnative
    return result


cdef planes_field _field(object nodes, object grid) except *:
    cdef planes_field result
    result.nodes = NULL
    if nodes is None:
        return result
    result.nodes = <const double *><size_t>address(nodes, "f8", (None, None, None, 3), "the displacements")
    address(grid, "f8", (2, 3), "the grid")
    if nodes.size == 0 or not (grid[1] > 0).all() or not np.isfinite(grid).all():
        raise ValueError("nodes, a finite origin and spacings above 0 are needed")
    result.shape = nodes.shape[:3]
    result.origin, result.spacing = grid[0], grid[1]
    return result


cdef planes_plane _plane(object vectors) except *:
    cdef planes_plane result
    address(vectors, "f8", (3, 3), "the plane")
    result.origin, result.down, result.across = vectors[0], vectors[1], vectors[2]
    return result


def linear(volume, plane, out, covered, nodes=None, grid=None):
    """Grey values of a plane, trilinear between the voxels.

    Parameters
    ----------
    volume : (nz, ny, nx) C-contiguous array of a type of `TYPES`, in any byte order and at any address
    plane : (3, 3) float64 array, voxels ZYX: the place of pixel (0, 0), the steps from row to row and from column to
        column
    out : (rows, columns) float32 array, filled; 0 where nothing is covered
    covered : (rows, columns) uint8 array, filled: 1 where there is a finite grey value
    nodes : (nz, ny, nx, 3) float64 displacements on a grid, or None: pixels come from where p + u(p) leads, u trilinear
        between the nodes; nothing is covered outside the nodes, nor beside one that is NaN
    grid : (2, 3) float64 array, voxels ZYX: the first node, and the spacing of nodes

    Raises
    ------
    TypeError, ValueError
        Arrays that are not these.
    """
    cdef planes_volume v = _volume(volume)
    cdef planes_plane p = _plane(plane)
    cdef planes_field f = _field(nodes, grid)
    cdef size_t to = address(out, "f4", (None, None), "the grey values", fill=True)
    cdef size_t mask = address(covered, "u1", out.shape, "what is covered", fill=True)
    cdef int64_t rows = out.shape[0], columns = out.shape[1]
    places = np.empty((columns, 3))
    cdef size_t room = address(places, "f8", (columns, 3), "the places", fill=True)
    with nogil:
        planes_linear(&v, &p, &f, rows, columns, <double *>room, <float *>to, <uint8_t *>mask)


def nearest(volume, plane, out, covered, nodes=None, grid=None):
    """Voxels of a plane, the nearest ones as they are: of labels. See `linear`.

    Parameters
    ----------
    volume, plane, covered, nodes, grid : see `linear`
    out : (rows, columns) array of the type of the volume in the byte order of this machine, filled; 0 where nothing is
        covered

    Raises
    ------
    TypeError, ValueError
        Arrays that are not these.
    """
    cdef planes_volume v = _volume(volume)
    cdef planes_plane p = _plane(plane)
    cdef planes_field f = _field(nodes, grid)
    cdef size_t to = address(out, volume.dtype.str[1:], (None, None), "the voxels", fill=True)
    cdef size_t mask = address(covered, "u1", out.shape, "what is covered", fill=True)
    cdef int64_t rows = out.shape[0], columns = out.shape[1]
    places = np.empty((columns, 3))
    cdef size_t room = address(places, "f8", (columns, 3), "the places", fill=True)
    with nogil:
        planes_nearest(&v, &p, &f, rows, columns, <double *>room, <unsigned char *>to, <uint8_t *>mask)
