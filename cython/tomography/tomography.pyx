# cython: language_level=3
"""Parallel-beam projections of volumes and their exact transpose, many views per call."""

import numpy as np

from hpcdvc.kernels.arrays import record

include "records.pxi"

cdef extern from "tomography.h":
    enum: _BEFORE "BEFORE", _BEHIND "BEHIND", _AROUND "AROUND"
    ctypedef struct hpcdvc_projection:
        pass
    ctypedef struct hpcdvc_tomography_kernels:
        void (*forward[2])(const hpcdvc_projection *) noexcept nogil
        void (*adjoint[2])(const hpcdvc_projection *) noexcept nogil
        void (*flat_forward[2])(const hpcdvc_projection *) noexcept nogil
        void (*flat_adjoint[2])(const hpcdvc_projection *) noexcept nogil
    const hpcdvc_tomography_kernels *hpcdvc_tomography_for(int level) nogil

ctypedef void (*kernel)(const hpcdvc_projection *) noexcept nogil

#: Zeros before and behind each axis of a volume that is projected, and on all sides of views that are gathered.
BEFORE, BEHIND, AROUND = _BEFORE, _BEHIND, _AROUND
#: Voxels along an axis from a pixel to the next, and pixels from a voxel to the next, at most: sqrt(3) do occur.
STEEPEST = 2


def forward(volume, beams, views):
    """Line integrals of a volume.

    Parameters
    ----------
    volume : (X + 3, Y + 3, Z + 3) float32 or float64 array, with zeros around: BEFORE each axis, and BEHIND
    beams : (n,) array of "beam" records
    views : (n, J, K) array of the same type, filled

    Raises
    ------
    TypeError, ValueError
        Arrays that are not these.
    """
    kind = _kind(views)
    job = _job(
        beams,
        data=address(volume, kind, (None, None, None), "the volume"),
        values=address(views, kind, (len(beams), None, None), "the views", fill=True),
        volume=[n - BEFORE - BEHIND for n in volume.shape], view=views.shape[1:],
    )
    _call(hpcdvc_tomography_for(level()).forward[kind == "f8"], job)


def adjoint(views, beams, planes, first, length):
    """The transpose: some planes of the volume, of all views in their order.

    Parameters
    ----------
    views : (n, J + 6, K + 6) float32 or float64 array, with AROUND zeros on all sides of each view
    beams : (n,) array of "beam" records
    planes : (m, Y, Z) array of the same type, filled: planes `first`, `first` + 1 ... of the volume
    first : int
    length : planes X of the volume

    Raises
    ------
    TypeError, ValueError
        Arrays that are not these.
    """
    kind = _kind(planes)
    if not 0 <= first <= first + len(planes) <= length:
        raise ValueError(f"planes {first} to {first + len(planes) - 1} are not those of a volume of {length}")
    job = _job(
        beams,
        data=address(views, kind, (len(beams), None, None), "the views"),
        values=address(planes, kind, (None, None, None), "the planes", fill=True),
        volume=(length, *planes.shape[1:]), view=[n - 2 * AROUND for n in views.shape[1:]],
        first=first, planes=len(planes),
    )
    _call(hpcdvc_tomography_for(level()).adjoint[kind == "f8"], job)


def flat_forward(volume, beams, rows):
    """Line integrals of some planes z, of a single axis: each in its own plane.

    Parameters
    ----------
    volume : (X, Y, Z) float32 or float64 array, of Z planes
    beams : (n,) array of "beam" records, whose rays lie in planes z
    rows : (n, J, Z) array of the same type, filled

    Raises
    ------
    TypeError, ValueError
        Arrays that are not these.
    """
    kind = _kind(rows)
    job = _flat_job(
        beams,
        values=address(rows, kind, (len(beams), None, None), "the rows", fill=True),
        data=address(volume, kind, (None, None, rows.shape[-1]), "the planes"),
        volume=volume.shape, view=rows.shape[1:],
    )
    _call(hpcdvc_tomography_for(level()).flat_forward[kind == "f8"], job)


def flat_adjoint(rows, beams, planes):
    """The transpose of a single axis: some planes z, of all views in their order.

    Parameters
    ----------
    rows : (n, J, Z + 1) float32 or float64 array, of pixels below each plane and above the last one
    beams : (n,) array of "beam" records, whose rays lie in planes z
    planes : (X, Y, Z) array of the same type, filled

    Raises
    ------
    TypeError, ValueError
        Arrays that are not these.
    """
    kind = _kind(planes)
    job = _flat_job(
        beams,
        values=address(planes, kind, (None, None, None), "the planes", fill=True),
        data=address(rows, kind, (len(beams), None, planes.shape[-1] + 1), "the rows"),
        volume=planes.shape, view=rows.shape[1:],
    )
    _call(hpcdvc_tomography_for(level()).flat_adjoint[kind == "f8"], job)


def _kind(values):
    """Type of what is filled, and so of what is read."""
    return "f8" if getattr(values, "dtype", None) == "f8" else "f4"


def _job(beams, **fields):
    """A "projection" record, whose sizes and beams are such that no place can be wrong that is read."""
    job = record("projection", beams=address(beams, "beam", (None,), "the beams"), count=len(beams), **fields)
    if min(*job["volume"], *job["view"]) < 1:
        raise ValueError(f"a volume of {job['volume']} voxels, or views of {job['view']} pixels")
    finite = all(np.isfinite(beams[name]).all() for name in beams.dtype.names)
    if not (finite and np.isin(beams["axis"], (0, 1, 2)).all()):
        raise ValueError("a beam is not finite, or has no axis")
    if max(np.abs(beams[name]).max(initial=0) for name in ("pixel", "voxel")) > STEEPEST:
        raise ValueError("pixels or voxels of a beam are too far apart")
    return job


def _flat_job(beams, **fields):
    """The same of beams whose rays lie in planes z."""
    job = _job(beams, **fields)
    if (beams["axis"] == 2).any():
        raise ValueError("a beam is more parallel to z than to x and y")
    return job


cdef int _call(kernel function, job) except -1:
    """Run a kernel, without the GIL."""
    cdef size_t j = at(job, "projection")
    with nogil:
        function(<const hpcdvc_projection *>j)
    return 0
