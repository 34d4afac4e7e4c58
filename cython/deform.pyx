# cython: language_level=3, boundscheck=False, wraparound=False
"""Deformed images, a layer of tiles per call, by the C variant that the processor can run."""

from libc.stdint cimport int32_t
from libc.string cimport memset

include "volume.pxi"

cdef extern from "deform.h":
    enum: TILE_Z
    enum: BY_PHI, BY_NODES, BY_MESH, BY_LABELS
    ctypedef struct hpcdvc_node:
        pass
    ctypedef struct hpcdvc_tetrahedron:
        pass
    ctypedef struct hpcdvc_mapping:
        int kind
        double affine[12]
        const hpcdvc_node *nodes
        const int64_t *starts
        int64_t count
        int64_t cells[3]
        double low[3]
        double cell
        int neighbours
        int still
        const hpcdvc_tetrahedron *tetrahedra
        int64_t tetrahedra_count
        const int32_t *labels
    ctypedef struct hpcdvc_slab:
        const hpcdvc_volume *im
        const hpcdvc_interpolation *spline
        const hpcdvc_mapping *map
        const uint8_t *mask2
        int64_t first
        int64_t last
        int type
        void *values
        uint8_t *inside
    ctypedef int (*hpcdvc_deform)(const hpcdvc_slab *) noexcept nogil

cdef extern from *:
    """
    #define hpcdvc_deform_variant(level) HPCDVC_VARIANT(level, hpcdvc_deform)
    """
    hpcdvc_deform hpcdvc_deform_variant(int level) nogil

PLANES = TILE_Z
cdef dict TYPE_SIZES = {code: int(name[1]) for name, code in TYPES.items()}


cdef class Mapping:
    """The tables of a mapping (see `hpcdvc.deformation.mappings`) as the kernel sees them."""

    cdef hpcdvc_mapping c
    cdef object keep
    cdef readonly tuple shape

    def __init__(self, shape, *, affine=None, nodes=None, starts=None, cells=None, low=None, cell=0, neighbours=0,
                 still=False, tetrahedra=None, labels=None):
        memset(&self.c, 0, sizeof(self.c))
        self.shape = shape
        if affine is not None:
            self._affine(affine)
        elif nodes is not None:
            self._nodes(nodes, starts)
            for i in range(3):
                self.c.cells[i], self.c.low[i] = cells[i], low[i]
            self.c.cell, self.c.neighbours, self.c.still = cell, neighbours, still
        else:
            self._tetrahedra(tetrahedra, labels)

    cdef _affine(self, const double[:, ::1] affine):
        self.c.kind = BY_PHI
        cdef int i, j
        for i in range(3):
            for j in range(4):
                self.c.affine[4 * i + j] = affine[i, j]

    cdef _nodes(self, const double[:, ::1] nodes, const int64_t[::1] starts):
        if nodes.shape[1] * sizeof(double) != sizeof(hpcdvc_node):
            raise TypeError("a node has 15 numbers")
        self.c.kind, self.c.count = BY_NODES, nodes.shape[0]
        self.c.nodes, self.c.starts = <const hpcdvc_node *>&nodes[0, 0], &starts[0]
        self.keep = (nodes, starts)

    cdef _tetrahedra(self, const double[:, ::1] tetrahedra, const int32_t[:, :, ::1] labels):
        if tetrahedra.shape[1] * sizeof(double) != sizeof(hpcdvc_tetrahedron):
            raise TypeError("a tetrahedron has 31 numbers")
        self.c.kind, self.c.tetrahedra_count = BY_MESH, tetrahedra.shape[0]
        if self.c.tetrahedra_count:
            self.c.tetrahedra = <const hpcdvc_tetrahedron *>&tetrahedra[0, 0]
        if labels is not None:
            self.c.kind, self.c.labels = BY_LABELS, &labels[0, 0, 0]
        self.keep = (tetrahedra, labels)


def deform_layer(Volume im, Mapping mapping, interpolation, mask2, int64_t first, values, inside):
    """Planes from `first` on of the deformed image.

    Parameters
    ----------
    im : Volume
    mapping : Mapping
    interpolation : hpcdvc.registration.filters.SplineFilter; None copies the nearest voxel
    mask2 : (nz, ny, nx) uint8 array, 0 = voxel that is not wanted; or None
    first : first plane
    values : (n, ny, nx) array of zeros, filled; planes first ... first + n - 1 belong to one layer of PLANES planes
    inside : (n, ny, nx) uint8 array, filled

    Raises
    ------
    MemoryError
    """
    cdef hpcdvc_interpolation spline
    cdef hpcdvc_slab s
    cdef uint8_t[:, :, ::1] inside_view = inside
    cdef const uint8_t[:, :, ::1] mask_view = mask2
    shape = tuple(im.c.shape[i] for i in range(3))
    if values.shape[1:] != shape[1:] or inside.shape != values.shape or not values.flags.c_contiguous:
        raise ValueError("values and inside are contiguous arrays of planes of the image")
    if mapping.shape != shape or (mask2 is not None and mask2.shape != shape):
        raise ValueError("the mapping or the mask belong to an image of another shape")
    s.first, s.last = first, first + len(values)
    if not 0 <= s.first < s.last <= shape[0] or s.first // TILE_Z != (s.last - 1) // TILE_Z:
        raise ValueError("the planes are not those of one layer")
    memset(&spline, 0, sizeof(spline))
    spline.taps = 1
    if interpolation is not None:
        fill_interpolation(&spline, interpolation)
    elif values.dtype.itemsize != TYPE_SIZES[im.c.type]:
        raise TypeError("voxels are copied into an array of their own type")
    s.im, s.spline, s.map = &im.c, &spline, &mapping.c
    s.mask2 = NULL if mask2 is None else &mask_view[0, 0, 0]
    s.type = TYPES[values.dtype.str[1:]]
    s.values, s.inside = <void *><size_t>values.ctypes.data, &inside_view[0, 0, 0]
    cdef hpcdvc_deform variant = hpcdvc_deform_variant(LEVEL)
    cdef int failed
    with nogil:
        failed = variant(&s)
    if failed:
        raise MemoryError("no memory for one layer of the deformed image")
