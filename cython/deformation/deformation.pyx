# cython: language_level=3
"""Deformed images, a layer of tiles per call."""

from hpcdvc.kernels.arrays import record
from hpcdvc.kernels.settings import interpolation_record
from hpcdvc.kernels.volume import TYPES

include "records.pxi"

cdef extern from "deformation.h":
    enum: TILE_Z
    ctypedef struct hpcdvc_slab:
        pass
    ctypedef struct hpcdvc_deformation_kernels:
        int (*deform)(const hpcdvc_slab *) noexcept nogil
    const hpcdvc_deformation_kernels *hpcdvc_deformation_for(int level) nogil

#: Planes of a layer of tiles.
PLANES = TILE_Z


def deform_layer(image, mapping, interpolation, mask2, first, values, inside):
    """Planes from `first` on of the deformed image.

    Parameters
    ----------
    image : hpcdvc.kernels.volume.Volume
    mapping : hpcdvc.kernels.mapping.Mapping
    interpolation : hpcdvc.registration.filters.SplineFilter; None copies the nearest voxel
    mask2 : (nz, ny, nx) uint8 array, 0 = voxel that is not wanted; or None
    first : first plane
    values : (n, ny, nx) array of zeros, filled; planes first ... first + n - 1 belong to one layer of PLANES planes
    inside : (n, ny, nx) uint8 array, filled

    Raises
    ------
    MemoryError
    TypeError, ValueError
        Arrays that are not these.
    """
    depth, shape = len(values), (len(values), *image.shape[1:])
    code = values.dtype.str[1:]
    if code not in TYPES or (interpolation is None and code != TYPES[image.type]):
        raise TypeError(f"the values: {values.dtype} for voxels of type {TYPES[image.type]} is not possible")
    if mapping.shape != image.shape:
        raise ValueError(f"the mapping is one of images of shape {mapping.shape}, not {image.shape}")
    last = first + depth
    if not 0 <= first < last <= image.shape[0] or first // TILE_Z != (last - 1) // TILE_Z:
        raise ValueError(f"planes {first} to {last} are not those of one layer of an image of {image.shape[0]}")
    spline = interpolation_record(interpolation)
    slab = record(
        "slab",
        image=at(image.record, "volume"),
        spline=at(spline, "interpolation"),
        map=at(mapping.record, "mapping"),
        mask2=0 if mask2 is None else address(mask2, "u1", image.shape, "the mask"),
        first=first,
        last=last,
        type=TYPES.index(code),
        values=address(values, code, shape, "the values", fill=True),
        inside=address(inside, "u1", shape, "the voxels inside", fill=True),
    )
    cdef const hpcdvc_deformation_kernels *kernels = hpcdvc_deformation_for(level())
    cdef size_t s = at(slab, "slab")
    cdef int failed
    with nogil:
        failed = kernels.deform(<const hpcdvc_slab *>s)
    if failed:
        raise MemoryError("no memory for one layer of the deformed image")
