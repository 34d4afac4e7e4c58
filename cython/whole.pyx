# cython: language_level=3, boundscheck=False, wraparound=False
"""Sums over a whole image, in blocks, for its registration; means of cells of voxels."""

include "volume.pxi"
include "settings.pxi"

cdef extern from "whole.h":
    ctypedef struct grey_sums:
        double sum
        double sum_squares
        int64_t count
    ctypedef struct hpcdvc_pair:
        double Phi[12]
        double centre[3]
        double offset1
        double offset2
        double scale
        int64_t tile[3]
        int finite
        int contrast
        int residual
        double gain
        double shift
    ctypedef struct hpcdvc_reference:
        pass
    ctypedef struct hpcdvc_match:
        pass

cdef extern from *:
    """
    #define hpcdvc_start_sums(level, ...) HPCDVC_VARIANT(level, hpcdvc_start_sums)(__VA_ARGS__)
    #define hpcdvc_end_sums(level, ...) HPCDVC_VARIANT(level, hpcdvc_end_sums)(__VA_ARGS__)
    #define hpcdvc_sum_blocks(level, ...) HPCDVC_VARIANT(level, hpcdvc_sum_blocks)(__VA_ARGS__)
    #define hpcdvc_sum_planes(level, ...) HPCDVC_VARIANT(level, hpcdvc_sum_planes)(__VA_ARGS__)
    #define hpcdvc_bin_planes(level, ...) HPCDVC_VARIANT(level, hpcdvc_bin_planes)(__VA_ARGS__)
    """
    void *hpcdvc_start_sums(int level, const hpcdvc_volume *, const hpcdvc_volume *, const hpcdvc_settings *,
                            const int64_t *) nogil
    void hpcdvc_end_sums(int level, void *) nogil
    int hpcdvc_sum_blocks(int level, void *, const hpcdvc_pair *, const int64_t *, int64_t, hpcdvc_reference *,
                          hpcdvc_match *) nogil
    grey_sums hpcdvc_sum_planes(int level, const hpcdvc_volume *, int64_t, int64_t) nogil
    int hpcdvc_bin_planes(int level, const hpcdvc_volume *, const int64_t *, const int64_t *, const int64_t *,
                          int64_t, int64_t, float *) nogil


cdef class Sums:
    """Sums over blocks of im1 and of im2 under Phi; what they need is kept from one call to the next.

    Parameters
    ----------
    im1, im2 : Volume
    plan : hpcdvc.registration.kernel_settings.KernelSettings
    tile : voxels (ZYX) that are worked on at a time

    Raises
    ------
    MemoryError
    """

    cdef Volume im1, im2
    cdef hpcdvc_settings settings
    cdef int64_t tile[3]
    cdef void *sums

    def __cinit__(self, Volume im1, Volume im2, plan, tile):
        self.im1, self.im2 = im1, im2
        fill_settings(&self.settings, plan)
        for i in range(3):
            self.tile[i] = tile[i]
        self.sums = hpcdvc_start_sums(LEVEL, &im1.c, &im2.c, &self.settings, self.tile)
        if self.sums == NULL:
            raise MemoryError("no memory for the tiles of one rank")

    def __dealloc__(self):
        if self.sums != NULL:
            hpcdvc_end_sums(LEVEL, self.sums)

    def __call__(self, trial, const int64_t[:, :, ::1] blocks, references, matches):
        """Sum up.

        Parameters
        ----------
        trial : hpcdvc.registration.pair.Trial: Phi (3, 4) and the centre it is about, ZYX; offsets and scale of grey values
        blocks : (n, 2, 3) int64 array, first and last + 1 voxel, ZYX
        references : (n,) array of hpcdvc.registration.pair.REFERENCE, brought up to date
        matches : (n,) array of hpcdvc.registration.pair.MATCH, filled

        Returns
        -------
        0, or VOLUME_CHANGE: a tile of im1 is spread over more than four times its length of im2

        Raises
        ------
        MemoryError
        """
        cdef hpcdvc_pair p
        cdef int64_t count = len(blocks)
        if references.dtype.itemsize != sizeof(hpcdvc_reference) or matches.dtype.itemsize != sizeof(hpcdvc_match):
            raise TypeError("references and matches must be arrays of REFERENCE and MATCH")
        if len(references) != count or len(matches) != count:
            raise ValueError("one reference and one match are needed per block")
        for i in range(3):
            for j in range(4):
                p.Phi[4 * i + j] = trial.phi[i, j]
            p.centre[i], p.tile[i] = trial.centre[i], self.tile[i]
        p.offset1, p.offset2, p.scale = trial.offset1, trial.offset2, trial.scale
        p.finite, p.contrast, p.residual = trial.finite, trial.contrast, trial.residual
        p.gain, p.shift = trial.gain, trial.shift
        cdef size_t r = references.ctypes.data, m = matches.ctypes.data
        cdef int status = 0
        if count:
            with nogil:
                status = hpcdvc_sum_blocks(LEVEL, self.sums, &p, &blocks[0, 0, 0], count, <hpcdvc_reference *>r,
                                           <hpcdvc_match *>m)
        if status == -99:
            raise MemoryError("no memory for the tiles of one rank")
        return status


def sum_planes(Volume volume, int64_t first, int64_t last):
    """(sum, sum of squares, number) of the finite voxels of planes first to last - 1."""
    cdef grey_sums g
    with nogil:
        g = hpcdvc_sum_planes(LEVEL, &volume.c, first, last)
    return g.sum, g.sum_squares, g.count


def bin_planes(Volume volume, cell, top, int64_t first, float[:, :, ::1] out):
    """Means of cells of cell (ZYX) voxels, the first cell at voxel top, planes of cells from `first` on into out.

    NaN where a voxel of the cell is not finite.
    """
    cdef int64_t c[3]
    cdef int64_t t[3]
    cdef int64_t n[3]
    for i in range(3):
        c[i], t[i], n[i] = cell[i], top[i], out.shape[i]
        last = t[i] + c[i] * (n[i] + (first if i == 0 else 0))
        if c[i] < 1 or t[i] < 0 or last > volume.c.shape[i]:
            raise ValueError("the cells reach out of the volume")
    if out.shape[0] == 0:
        return
    cdef int failed
    with nogil:
        failed = hpcdvc_bin_planes(LEVEL, &volume.c, c, t, n, first, first + n[0], &out[0, 0, 0])
    if failed:
        raise MemoryError("no memory for a row of voxels")
