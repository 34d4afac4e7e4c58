# cython: language_level=3
"""Labels of some planes of a label image: what there is, what touches, where it has moved to, a value for each."""

from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memcpy

import numpy as np

from hpcdvc.kernels.records import CHOICES, dtype

include "records.pxi"

cdef extern from "labels.h":
    ctypedef struct hpcdvc_volume:
        pass
    ctypedef struct distinct_table:
        char *records
        int64_t *places
        int64_t count
        size_t size
    int scan_planes(const hpcdvc_volume *, int64_t, int64_t, distinct_table *) noexcept nogil

cdef extern from "contacts.h":
    int contacts_of_planes(const hpcdvc_volume *, int64_t, int64_t, distinct_table *) noexcept nogil

ctypedef int (*pass_over_planes)(const hpcdvc_volume *, int64_t, int64_t, distinct_table *) noexcept nogil

cdef extern from "moved.h":
    ctypedef struct hpcdvc_moved:
        pass
    ctypedef struct moved_slab:
        int64_t first, last, ny, nx, claims
        float threshold
        float *best
        uint32_t *taken
    int _LARGEST_BALL "LARGEST_BALL"
    int64_t particle_mask(const hpcdvc_volume *, int64_t, int, int, const int64_t *, const int *,
                          uint8_t *) noexcept nogil
    int move_label(const hpcdvc_volume *, const hpcdvc_moved *, int, moved_slab *) noexcept nogil

cdef extern from "painted.h":
    void paint_voxels(const hpcdvc_volume *, int64_t, int64_t, const int64_t *, const float *, int64_t, float,
                      float *) noexcept nogil


cdef _met_in_planes(pass_over_planes of_planes, str kind, str name, labels, int64_t first, int64_t last):
    """What a pass over some planes has met, (n,) records."""
    cdef size_t volume = _volume(labels, first, last)
    cdef distinct_table table
    cdef int failed
    with nogil:
        failed = of_planes(<const hpcdvc_volume *>volume, first, last, &table)
    try:
        if failed:
            raise MemoryError(f"no memory for {name} of one rank")
        result = np.empty(table.count, dtype(kind))
        if table.count > 0:
            memcpy(<void *><size_t>address(result, kind, (table.count,), name, fill=True), table.records,
                   table.count * table.size)
        return result
    finally:
        free(table.records)
        free(table.places)

#: Radius of the largest ball that labels are dilated or eroded by, voxels.
LARGEST_BALL = _LARGEST_BALL


def scan(labels, int64_t first, int64_t last):
    """The labels of planes `first` to `last` - 1, in the order in which they are met; 0 is none.

    Parameters
    ----------
    labels : hpcdvc.kernels.volume.Volume of whole numbers
    first, last : planes

    Returns
    -------
    (n,) array of "particle" records

    Raises
    ------
    MemoryError
    TypeError, ValueError
        No whole numbers, or no such planes.
    """
    return _met_in_planes(scan_planes, "particle", "the labels", labels, first, last)


def contacts(labels, int64_t first, int64_t last):
    """Labels that touch in planes `first` to `last` - 1, or across to plane `last`, in the order in which they are met.

    Parameters
    ----------
    labels : hpcdvc.kernels.volume.Volume of whole numbers
    first, last : planes

    Returns
    -------
    (n,) array of "contact" records

    Raises
    ------
    MemoryError
    TypeError, ValueError
        No whole numbers, or no such planes.
    """
    return _met_in_planes(contacts_of_planes, "contact", "the contacts", labels, first, last)


def mask(labels, int64_t label, int dilate, origin, shape, bint keep_others=False):
    """1 where a label is, dilated or eroded by a ball; outside the image is nothing.

    Parameters
    ----------
    labels : hpcdvc.kernels.volume.Volume of whole numbers
    label : its number, not 0
    dilate : radius of the ball, voxels, up to LARGEST_BALL; negative erodes
    origin, shape : first voxel and size of the box that is looked at, ZYX
    keep_others : whether dilated voxels that belong to other labels stay

    Returns
    -------
    (nz, ny, nx) uint8 array

    Raises
    ------
    MemoryError
    TypeError, ValueError
        No whole numbers, a box without voxels, or a larger ball.
    """
    cdef size_t volume = _volume(labels, 0, 0)
    cdef int64_t first[3]
    cdef int n[3]
    for k in range(3):
        first[k], n[k] = origin[k], shape[k]
    if min(shape) < 1:
        raise ValueError(f"a box of {tuple(shape)} voxels")
    if abs(dilate) > _LARGEST_BALL:
        raise ValueError(f"a ball of radius {abs(dilate)}")
    result = np.empty(tuple(shape), np.uint8)
    cdef uint8_t *out = <uint8_t *><size_t>address(result, "u1", tuple(shape), "the mask", fill=True)
    cdef int64_t count
    with nogil:
        count = particle_mask(<const hpcdvc_volume *>volume, label, dilate, keep_others, first, n, out)
    if count < 0:
        raise MemoryError("no memory for the mask of a label")
    return result


def move(labels, moved, int dilate, float threshold, int64_t first, int64_t last):
    """Planes `first` to `last` - 1 of a label image whose labels have moved.

    Parameters
    ----------
    labels : hpcdvc.kernels.volume.Volume of whole numbers
    moved : (n,) array of "moved" records, ascending labels, whose boxes (`low`, `high`) lie in the image
    dilate : radius of the ball by which labels are dilated first, voxels; negative erodes
    threshold : a voxel belongs to a label whose mask, linear between voxels, is above it
    first, last : planes

    Returns
    -------
    labels : (last - first, ny, nx) uint32 array
    claims : how many voxels labels claim, those that several claim counted as often

    Raises
    ------
    MemoryError
    TypeError, ValueError
        No whole numbers, no such planes, other records, or boxes that leave the image.
    """
    cdef size_t volume = _volume(labels, first, last)
    cdef int64_t i, n = len(moved)
    cdef size_t some = address(moved, "moved", (n,), "the labels")
    limits = np.array(labels.shape)
    if n and ((moved["low"] < 0).any() or (moved["high"] >= limits).any()):
        raise ValueError("labels that leave the image")
    shape = (last - first, *labels.shape[1:])
    best, taken = np.full(shape, threshold, np.float32), np.zeros(shape, np.uint32)
    cdef moved_slab slab
    slab.first, slab.last, slab.ny, slab.nx = first, last, labels.shape[1], labels.shape[2]
    slab.threshold, slab.claims = threshold, 0
    slab.best = <float *><size_t>address(best, "f4", shape, "the masks", fill=True)
    slab.taken = <uint32_t *><size_t>address(taken, "u4", shape, "the moved labels", fill=True)
    cdef int failed = 0
    with nogil:
        for i in range(n):
            failed |= move_label(<const hpcdvc_volume *>volume, <const hpcdvc_moved *>some + i, dilate, &slab)
    if failed:
        raise MemoryError("no memory for the masks of moved labels")
    return taken, slab.claims


def paint(labels, known, values, int64_t first, int64_t last, float nothing=float("nan")):
    """Planes `first` to `last` - 1 of an image that has the value of its label at each voxel.

    Parameters
    ----------
    labels : hpcdvc.kernels.volume.Volume of whole numbers
    known : (n,) int64 array of labels, ascending
    values : (n,) float32 array
    first, last : planes
    nothing : where there is no such label

    Returns
    -------
    (last - first, ny, nx) float32 array

    Raises
    ------
    TypeError, ValueError
        No whole numbers, no such planes, or arrays that do not fit.
    """
    cdef size_t volume = _volume(labels, first, last)
    cdef int64_t n = len(known), plane = labels.shape[1] * labels.shape[2]
    cdef const int64_t *keys = <const int64_t *><size_t>address(known, "i8", (n,), "the labels")
    cdef const float *given = <const float *><size_t>address(values, "f4", (n,), "the values")
    result = np.empty((last - first, *labels.shape[1:]), np.float32)
    cdef float *out = <float *><size_t>address(result, "f4", result.shape, "the image", fill=True)
    with nogil:
        paint_voxels(<const hpcdvc_volume *>volume, first * plane, last * plane, keys, given, n, nothing, out)
    return result


cdef size_t _volume(labels, int64_t first, int64_t last) except 0:
    """Address of a volume of whole numbers that has these planes."""
    if labels.type >= CHOICES["TYPE"].index("f4"):
        raise TypeError("labels are whole numbers")
    if not 0 <= first <= last <= labels.shape[0]:
        raise ValueError(f"planes {first} to {last} of {labels.shape[0]}")
    return at(labels.record, "volume")
