# cython: language_level=3
"""Distances from the background, and the basins of a map of them."""

from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memcpy

import numpy as np

from hpcdvc.kernels.records import dtype

include "records.pxi"

cdef extern from "distances.h":
    int distances_in_planes(const uint8_t *, int64_t, int64_t, int64_t, uint32_t *) noexcept nogil
    int distances_across_planes(uint32_t *, int64_t, int64_t, int64_t, int64_t, int64_t) noexcept nogil

cdef extern from "basins.h":
    ctypedef struct hpcdvc_saddle:
        pass
    ctypedef struct distinct_table:
        char *records
        int64_t *places
        int64_t count
        size_t size
    ctypedef struct basins_shape:
        int64_t nz, ny, nx
    int64_t _ways_up "ways_up"(const float *, const basins_shape *, int64_t, int64_t, uint8_t *) noexcept nogil
    void _number_maxima "number_maxima"(const float *, const uint8_t *, int64_t, int64_t, uint32_t, uint32_t *,
                                        float *) noexcept nogil
    void _fill_basins "fill_basins"(const uint8_t *, const basins_shape *, int64_t, int64_t, uint32_t *) noexcept nogil
    int saddles_of_planes(const float *, const uint32_t *, const basins_shape *, int64_t, int64_t,
                          distinct_table *) noexcept nogil
    void merge_basins(const hpcdvc_saddle *, int64_t, const float *, int64_t, double, int64_t *,
                      int64_t *) noexcept nogil

#: Longest side of an image, voxels: squares of distances fit into 32 bits.
LONGEST_SIDE = 2**15
#: Square of a distance where there is no background.
NO_BACKGROUND = 2**32 - 1


cdef basins_shape _shape(array, int64_t first, int64_t last) except *:
    """Shape of a volume that has these planes."""
    cdef basins_shape result
    if not 0 <= first <= last <= array.shape[0]:
        raise ValueError(f"planes {first} to {last} of {array.shape[0]}")
    result.nz, result.ny, result.nx = array.shape
    return result


def in_planes(mask, squares):
    """Squares of the distances from the nearest background of the same plane.

    Parameters
    ----------
    mask : (nz, ny, nx) uint8 array, 0 is background
    squares : (nz, ny, nx) uint32 array, filled; NO_BACKGROUND in planes that have none

    Raises
    ------
    MemoryError
    TypeError, ValueError
        Other arrays, or sides longer than LONGEST_SIDE.
    """
    cdef const uint8_t *given = <const uint8_t *><size_t>address(mask, "u1", (None, None, None), "the mask")
    cdef uint32_t *out = <uint32_t *><size_t>address(squares, "u4", mask.shape, "the squares", fill=True)
    if max(mask.shape) > LONGEST_SIDE:
        raise ValueError(f"a side of {max(mask.shape)} voxels")
    cdef int64_t nz = mask.shape[0], ny = mask.shape[1], nx = mask.shape[2]
    cdef int failed
    with nogil:
        failed = distances_in_planes(given, nz, ny, nx, out)
    if failed:
        raise MemoryError("no memory for distances")


def across_planes(squares, int64_t first, int64_t last):
    """Squares of the distances from the nearest background, of those in each plane.

    Parameters
    ----------
    squares : (nz, ny, nx) uint32 array of `in_planes`; rows `first` to `last` - 1 of all planes are replaced

    Raises
    ------
    MemoryError
    TypeError, ValueError
        Another array, or no such rows.
    """
    cdef uint32_t *out = <uint32_t *><size_t>address(squares, "u4", (None, None, None), "the squares", fill=True)
    cdef int64_t nz = squares.shape[0], ny = squares.shape[1], nx = squares.shape[2]
    if not 0 <= first <= last <= ny:
        raise ValueError(f"rows {first} to {last} of {ny}")
    cdef int failed
    with nogil:
        failed = distances_across_planes(out, nz, ny, nx, first, last)
    if failed:
        raise MemoryError("no memory for distances")


def ways_up(distance, ways, int64_t first, int64_t last):
    """Where the steepest way up leads from each voxel, along a plateau to a voxel that comes before; 26 neighbours.

    Parameters
    ----------
    distance : (nz, ny, nx) float32 array, 0 is background
    ways : (nz, ny, nx) uint8 array, whose planes `first` to `last` - 1 are filled: 9 (dz + 1) + 3 (dy + 1) + dx + 1, 13
        for a maximum, 255 for background

    Returns
    -------
    int : maxima in these planes

    Raises
    ------
    TypeError, ValueError
        Other arrays, or no such planes.
    """
    cdef const float *given = <const float *><size_t>address(distance, "f4", (None, None, None), "the distances")
    cdef uint8_t *out = <uint8_t *><size_t>address(ways, "u1", distance.shape, "the ways", fill=True)
    cdef basins_shape shape = _shape(distance, first, last)
    cdef int64_t maxima
    with nogil:
        maxima = _ways_up(given, &shape, first, last, out)
    return maxima


def number_maxima(distance, ways, int64_t first, int64_t last, int64_t number, int64_t maxima, basins):
    """Number the maxima of planes `first` to `last` - 1.

    Parameters
    ----------
    distance, ways : as in `ways_up`
    number : of the first of them, 1 or more
    maxima : how many there are, from `ways_up`
    basins : (nz, ny, nx) uint32 array, filled at the maxima

    Returns
    -------
    (maxima,) float32 array : their heights

    Raises
    ------
    TypeError, ValueError
        Other arrays, no such planes, another number of maxima, or numbers that 32 bits do not hold.
    """
    cdef const float *given = <const float *><size_t>address(distance, "f4", (None, None, None), "the distances")
    cdef const uint8_t *way = <const uint8_t *><size_t>address(ways, "u1", distance.shape, "the ways")
    cdef uint32_t *out = <uint32_t *><size_t>address(basins, "u4", distance.shape, "the basins", fill=True)
    _shape(distance, first, last)
    if not 0 < number <= number + maxima < 2**32:
        raise ValueError(f"maxima numbered from {number} to {number + maxima}")
    if np.count_nonzero(ways[first:last] == 13) != maxima:
        raise ValueError(f"{maxima} maxima")
    result = np.empty(maxima, np.float32)
    cdef float *heights = <float *><size_t>address(result, "f4", (maxima,), "the heights", fill=True)
    cdef int64_t plane = distance.shape[1] * distance.shape[2]
    with nogil:
        _number_maxima(given, way, first * plane, last * plane, <uint32_t>number, out, heights)
    return result


def fill_basins(ways, int64_t first, int64_t last, basins):
    """Give each voxel of planes `first` to `last` - 1 the number of the maximum that its way up ends at.

    Parameters
    ----------
    ways : (nz, ny, nx) uint8 array of `ways_up`, of all planes
    basins : (nz, ny, nx) uint32 array, filled; the maxima of all planes are numbered

    Raises
    ------
    TypeError, ValueError
        Other arrays, or no such planes.
    """
    cdef const uint8_t *way = <const uint8_t *><size_t>address(ways, "u1", (None, None, None), "the ways")
    cdef uint32_t *out = <uint32_t *><size_t>address(basins, "u4", ways.shape, "the basins", fill=True)
    cdef basins_shape shape = _shape(ways, first, last)
    cdef int64_t plane = shape.ny * shape.nx
    with nogil:
        _fill_basins(way, &shape, first * plane, last * plane, out)


def saddles(distance, basins, int64_t first, int64_t last):
    """The highest ways between basins that touch, from voxels of planes `first` to `last` - 1 to those after them.

    Parameters
    ----------
    distance : (nz, ny, nx) float32 array
    basins : (nz, ny, nx) uint32 array

    Returns
    -------
    (n,) array of "saddle" records, in the order in which they are met

    Raises
    ------
    MemoryError
    TypeError, ValueError
        Other arrays, or no such planes.
    """
    cdef const float *given = <const float *><size_t>address(distance, "f4", (None, None, None), "the distances")
    cdef const uint32_t *basin = <const uint32_t *><size_t>address(basins, "u4", distance.shape, "the basins")
    cdef basins_shape shape = _shape(distance, first, last)
    cdef distinct_table table
    cdef int failed
    with nogil:
        failed = saddles_of_planes(given, basin, &shape, first, last, &table)
    try:
        if failed:
            raise MemoryError("no memory for the saddles of one rank")
        result = np.empty(table.count, dtype("saddle"))
        if table.count > 0:
            memcpy(<void *><size_t>address(result, "saddle", (table.count,), "the saddles", fill=True), table.records,
                   table.count * table.size)
        return result
    finally:
        free(table.records)
        free(table.places)


def merge(saddles, heights, double h):
    """Merge basins whose maxima rise no more than `h` above the saddle to a higher one.

    Parameters
    ----------
    saddles : (m,) array of "saddle" records, in the order in which they count: the highest first
    heights : (n,) float32 array of the maxima of basins 1 to n
    h : depth, voxels

    Returns
    -------
    (n + 1,) int64 array : for each basin the first of those that are one with it; 0 for 0

    Raises
    ------
    TypeError, ValueError
        Other arrays, or basins that are not there.
    """
    cdef int64_t m = len(saddles), n = len(heights)
    cdef size_t given = address(saddles, "saddle", (m,), "the saddles")
    cdef const float *maxima = <const float *><size_t>address(heights, "f4", (n,), "the heights")
    if m and not (1 <= saddles["basins"].min() <= saddles["basins"].max() <= n):
        raise ValueError(f"saddles of other basins than 1 to {n}")
    group, merged = np.empty(n + 1, np.int64), np.empty(n + 1, np.int64)
    cdef int64_t *groups = <int64_t *><size_t>address(group, "i8", (n + 1,), "the groups", fill=True)
    cdef int64_t *out = <int64_t *><size_t>address(merged, "i8", (n + 1,), "the basins", fill=True)
    with nogil:
        merge_basins(<const hpcdvc_saddle *>given, m, maxima, n, h, groups, out)
    return merged
