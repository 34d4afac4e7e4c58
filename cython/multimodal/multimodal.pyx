# cython: language_level=3
"""Two images of other modalities: their joint histogram and log-likelihood, many blocks of voxels in one call."""

from libc.stdint cimport int64_t, uint8_t

import numpy as np

from hpcdvc.kernels.arrays import record

include "records.pxi"

cdef extern from "multimodal.h":
    ctypedef struct hpcdvc_modal_images:
        pass
    ctypedef struct hpcdvc_modal_sums:
        pass
    ctypedef struct hpcdvc_modal_component:
        pass
    ctypedef struct hpcdvc_modal_share:
        pass
    ctypedef struct hpcdvc_multimodal_kernels:
        int (*sum_blocks)(const hpcdvc_modal_images *, const int64_t *, int64_t, hpcdvc_modal_sums *,
                          int64_t *) noexcept nogil
        int (*count_blocks)(const hpcdvc_modal_images *, const int64_t *, int64_t, int64_t *) noexcept nogil
        int (*moments_of_blocks)(const hpcdvc_modal_images *, const int64_t *, int64_t, double *) noexcept nogil
        int (*fill_planes)(const hpcdvc_modal_images *, const uint8_t *, int64_t, int64_t, float *,
                           uint8_t *) noexcept nogil
        void (*expect)(const hpcdvc_modal_component *, int64_t, int64_t, double, const double *, const uint8_t *,
                       int64_t, double *, double *, hpcdvc_modal_share *) noexcept nogil
    const hpcdvc_multimodal_kernels *hpcdvc_multimodal_for(int level) nogil

#: Largest number of bins of a histogram, and of nodes of a table, along an axis.
MOST_BINS, MOST_NODES = 1024, 4096


cdef class Images:
    """Two images and how they are looked at.

    Parameters
    ----------
    im1, im2 : hpcdvc.kernels.volume.Volume
    low, high : grey values of the first and of the last bin, of im1 and im2
    bins : of the joint histogram, along each of its axes
    centre : point of im1 that Phi is about, ZYX

    Raises
    ------
    ValueError
        Ranges without values, numbers of bins that are not possible.
    """

    cdef object keep, shape, record, table
    cdef int bins

    def __cinit__(self, im1, im2, low, high, int bins, centre):
        low, high = np.array(low, float), np.array(high, float)
        if not 2 <= bins <= MOST_BINS:
            raise ValueError(f"{bins} bins: 2 to {MOST_BINS} are possible")
        if not (np.isfinite(low) & np.isfinite(high) & (low < high)).all():
            raise ValueError(f"grey values from {low} to {high} are no ranges")
        self.record = record(
            "modal_images",
            im1=at(im1.record, "volume"),
            im2=at(im2.record, "volume"),
            centre=centre,
            low=low,
            scale=(bins - 1) / (high - low),
            bins=bins,
        )
        self.keep, self.shape, self.bins = (im1, im2), im1.shape, bins

    cdef const hpcdvc_modal_images *under(self, phi) except NULL:
        """The record with this Phi."""
        if np.shape(phi) != (3, 4) or not np.isfinite(phi).all():
            raise ValueError("Phi is a (3, 4) array of finite numbers")
        self.record["phi"] = phi
        return <const hpcdvc_modal_images *><size_t>at(self.record, "modal_images")

    def use(self, table):
        """Take a table of the mixture from now on.

        Parameters
        ----------
        table : (n1 + 1, n2 + 1, 4) float32 array: log density, - score / sqrt(weight), sqrt(weight), 0 at n1 x n2 nodes
            from the first to the last bin, and after each row, and after all of them, any values once more
        """
        self.record["table"] = address(table, "f4", (None, None, 4), "the table")
        if not 3 <= min(table.shape[:2]) <= max(table.shape[:2]) <= MOST_NODES:
            raise ValueError(f"a table has 2 to {MOST_NODES - 1} nodes along each axis")
        self.record["nodes"], self.table = (table.shape[0] - 1, table.shape[1] - 1), table

    def sums(self, phi, blocks, sums, histogram):
        """Sums over blocks, with the table in use.

        Parameters
        ----------
        phi : (3, 4) array
        blocks : (n, 2, 3) int64 array, first and last + 1 voxel, ZYX
        sums : (n,) array of "modal_sums" records, filled
        histogram : (bins, bins) int64 array, added to

        Raises
        ------
        MemoryError
        TypeError, ValueError
            Arrays that are not these, or blocks that reach out of im1.
        """
        cdef int64_t count = len(blocks)
        cdef size_t b = self.checked(blocks), s = address(sums, "modal_sums", (count,), "the sums", fill=True)
        cdef size_t h = address(histogram, "i8", (self.bins, self.bins), "the histogram", fill=True)
        if self.table is None:
            raise ValueError("no table is in use")
        cdef const hpcdvc_modal_images *m = self.under(phi)
        cdef const hpcdvc_multimodal_kernels *kernels = hpcdvc_multimodal_for(level())
        cdef int failed
        with nogil:
            failed = kernels.sum_blocks(m, <const int64_t *>b, count, <hpcdvc_modal_sums *>s, <int64_t *>h)
        if failed:
            raise MemoryError("no memory for the tiles of one rank")

    def count(self, phi, blocks, histogram):
        """Add the voxels of blocks to a (bins, bins) int64 histogram; see `sums`."""
        cdef int64_t count = len(blocks)
        cdef size_t b = self.checked(blocks)
        cdef size_t h = address(histogram, "i8", (self.bins, self.bins), "the histogram", fill=True)
        cdef const hpcdvc_modal_images *m = self.under(phi)
        cdef const hpcdvc_multimodal_kernels *kernels = hpcdvc_multimodal_for(level())
        cdef int failed
        with nogil:
            failed = kernels.count_blocks(m, <const int64_t *>b, count, <int64_t *>h)
        if failed:
            raise MemoryError("no memory for the tiles of one rank")

    def moments(self, phi, blocks, moments):
        """Voxels, sums of im2 and of its square by bins of im1, added to a (blocks, bins, 3) array; see `sums`."""
        cdef int64_t count = len(blocks)
        cdef size_t b = self.checked(blocks)
        cdef size_t to = address(moments, "f8", (count, self.bins, 3), "the moments", fill=True)
        cdef const hpcdvc_modal_images *m = self.under(phi)
        cdef const hpcdvc_multimodal_kernels *kernels = hpcdvc_multimodal_for(level())
        cdef int failed
        with nogil:
            failed = kernels.moments_of_blocks(m, <const int64_t *>b, count, <double *>to)
        if failed:
            raise MemoryError("no memory for the tiles of one rank")

    def fields(self, phi, diagram, int64_t first, residual, phase):
        """- score / sqrt(weight) and the phase of planes, with the table in use; NaN and 0 where one does not count.

        Parameters
        ----------
        phi : (3, 4) array
        diagram : (bins, bins) uint8 array, the phase of each bin
        first : plane of im1 that is the first
        residual, phase : (planes, ny, nx) float32 and uint8 arrays, filled

        Raises
        ------
        MemoryError
        TypeError, ValueError
            Arrays that are not these, or planes that im1 has not.
        """
        cdef int64_t last = first + len(residual)
        shape = (last - first, *self.shape[1:])
        cdef size_t d = address(diagram, "u1", (self.bins, self.bins), "the diagram")
        cdef size_t r = address(residual, "f4", shape, "the residual", fill=True)
        cdef size_t p = address(phase, "u1", shape, "the phases", fill=True)
        if not 0 <= first <= last <= self.shape[0]:
            raise ValueError(f"planes {first} to {last} of {self.shape[0]}")
        if self.table is None:
            raise ValueError("no table is in use")
        cdef const hpcdvc_modal_images *m = self.under(phi)
        cdef const hpcdvc_multimodal_kernels *kernels = hpcdvc_multimodal_for(level())
        cdef int failed
        with nogil:
            failed = kernels.fill_planes(m, <const uint8_t *>d, first, last, <float *>r, <uint8_t *>p)
        if failed:
            raise MemoryError("no memory for the tiles of one rank")

    cdef size_t checked(self, blocks) except? 0:
        """Address of blocks that lie in im1."""
        cdef size_t b = address(blocks, "i8", (len(blocks), 2, 3), "the blocks")
        if (blocks < 0).any() or (blocks > self.shape).any():
            raise ValueError(f"the blocks reach out of an image of {self.shape} voxels")
        return b


def expect(components, parts, near, double background, shares):
    """Which part of a joint histogram each component of a mixture has.

    Parameters
    ----------
    components : (n,) array of "modal_component" records, the phases first
    parts : (bins, bins) float64 array, the histogram
    near : (phases, bins, bins) uint8 array, not 0 where a bin shapes a phase
    background : density of what belongs to no component
    shares : (n,) array of "modal_share" records, filled

    Raises
    ------
    TypeError, ValueError
        Arrays that are not these, or components that reach beyond the bins.
    """
    cdef int64_t count = len(components), bins = len(parts), phases = len(near)
    cdef size_t c = address(components, "modal_component", (count,), "the components")
    cdef size_t p = address(parts, "f8", (bins, bins), "the histogram")
    cdef size_t n = address(near, "u1", (phases, bins, bins), "the bins of the phases")
    if phases > count:
        raise ValueError(f"{phases} phases of {count} components")
    cdef size_t s = address(shares, "modal_share", (count,), "the shares", fill=True)
    first, stop = components["first"], components["stop"]
    if (first < 0).any() or (first > stop).any() or (stop > bins).any():
        raise ValueError(f"components reach beyond {bins} bins")
    densities, whole = np.empty((stop - first).prod(axis=1).sum()), np.empty((bins, bins))
    cdef size_t d = address(densities, "f8", (None,), "the densities", fill=True)
    cdef size_t w = address(whole, "f8", (bins, bins), "their sum", fill=True)
    cdef const hpcdvc_multimodal_kernels *kernels = hpcdvc_multimodal_for(level())
    with nogil:
        kernels.expect(<const hpcdvc_modal_component *>c, count, phases, background, <const double *>p,
                       <const uint8_t *>n, bins, <double *>d, <double *>w, <hpcdvc_modal_share *>s)
