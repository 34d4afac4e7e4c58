# cython: language_level=3
"""All labels of some planes of a label image: boxes, volumes, sums of coordinates."""

from libc.stdint cimport int64_t
from libc.stdlib cimport free
from libc.string cimport memcpy

import numpy as np

from hpcdvc.kernels.records import CHOICES, dtype

include "records.pxi"

cdef extern from "labels.h":
    ctypedef struct hpcdvc_volume:
        pass
    ctypedef struct hpcdvc_particle:
        pass
    ctypedef struct particle_table:
        hpcdvc_particle *particles
        int64_t *places
        int64_t count
    int scan_planes(const hpcdvc_volume *, int64_t, int64_t, particle_table *) noexcept nogil


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
    if labels.type >= CHOICES["TYPE"].index("f4"):
        raise TypeError("labels are whole numbers")
    if not 0 <= first <= last <= labels.shape[0]:
        raise ValueError(f"planes {first} to {last} of {labels.shape[0]}")
    cdef size_t volume = at(labels.record, "volume")
    cdef particle_table table
    cdef int failed
    with nogil:
        failed = scan_planes(<const hpcdvc_volume *>volume, first, last, &table)
    try:
        if failed:
            raise MemoryError("no memory for the labels of one rank")
        result = np.empty(table.count, dtype("particle"))
        if table.count > 0:
            memcpy(<void *><size_t>address(result, "particle", (table.count,), "the labels", fill=True),
                   table.particles, table.count * sizeof(hpcdvc_particle))
        return result
    finally:
        free(table.particles)
        free(table.places)
