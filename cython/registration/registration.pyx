# cython: language_level=3
"""Registration of many windows in one call; sums over whole images in blocks; means of cells of voxels."""

from libc.stdint cimport int64_t, uint8_t

from hpcdvc.kernels.records import CHOICES

include "records.pxi"

cdef extern from "registration.h":
    ctypedef struct hpcdvc_volume:
        pass
    ctypedef struct hpcdvc_settings:
        pass
    ctypedef struct hpcdvc_point:
        pass
    ctypedef struct hpcdvc_label_settings:
        pass
    ctypedef struct hpcdvc_label_point:
        pass
    ctypedef struct hpcdvc_row:
        pass
    ctypedef struct hpcdvc_trial:
        pass
    ctypedef struct hpcdvc_reference:
        pass
    ctypedef struct hpcdvc_match:
        pass
    ctypedef struct hpcdvc_grey_sums:
        double sum
        double sum_squares
        int64_t count
    enum: NO_MEMORY
    ctypedef struct hpcdvc_registration_kernels:
        int (*register_windows)(const hpcdvc_volume *, const hpcdvc_volume *, const hpcdvc_settings *,
                                const hpcdvc_point *, hpcdvc_row *, int64_t) noexcept nogil
        int (*register_labels)(const hpcdvc_volume *, const hpcdvc_volume *, const hpcdvc_volume *,
                               const hpcdvc_settings *, const hpcdvc_settings *, const hpcdvc_label_settings *,
                               const hpcdvc_label_point *, hpcdvc_row *, int64_t) noexcept nogil
        int64_t (*label_mask)(const hpcdvc_volume *, int64_t, int, int, const int64_t *, const int *,
                              uint8_t *) noexcept nogil
        void *(*start_sums)(const hpcdvc_volume *, const hpcdvc_volume *, const hpcdvc_settings *,
                            const int64_t *, const hpcdvc_volume *, const int64_t *) noexcept nogil
        void (*end_sums)(void *) noexcept nogil
        int (*sum_blocks)(void *, const hpcdvc_trial *, const int64_t *, int64_t, hpcdvc_reference *,
                          hpcdvc_match *) noexcept nogil
        hpcdvc_grey_sums (*sum_planes)(const hpcdvc_volume *, int64_t, int64_t) noexcept nogil
        int (*bin_planes)(const hpcdvc_volume *, const int64_t *, const int64_t *, const int64_t *, int64_t, int64_t,
                          float *) noexcept nogil
    const hpcdvc_registration_kernels *hpcdvc_registration_for(int level) nogil


def register_points(im1, im2, settings, points, rows):
    """Register one window per point.

    Parameters
    ----------
    im1, im2 : hpcdvc.kernels.volume.Volume
    settings : record of hpcdvc.kernels.settings.settings_record
    points : (n,) array of "point" records
    rows : (n,) array of "row" records, filled

    Raises
    ------
    MemoryError
    TypeError, ValueError
        Arrays that are not these.
    """
    cdef const hpcdvc_registration_kernels *kernels = hpcdvc_registration_for(level())
    cdef int64_t count = len(points)
    cdef size_t one = at(im1.record, "volume"), two = at(im2.record, "volume"), s = at(settings, "settings")
    cdef size_t p = address(points, "point", (count,), "the points")
    cdef size_t r = address(rows, "row", (count,), "the rows", fill=True)
    cdef int failed
    with nogil:
        failed = kernels.register_windows(<const hpcdvc_volume *>one, <const hpcdvc_volume *>two,
                                          <const hpcdvc_settings *>s, <const hpcdvc_point *>p, <hpcdvc_row *>r, count)
    if failed:
        raise MemoryError("no memory for the windows of one rank")


def register_labels(im1, im2, labels, settings, linear, how, points, rows):
    """Register one label per point.

    Parameters
    ----------
    im1, im2 : hpcdvc.kernels.volume.Volume
    labels : hpcdvc.kernels.volume.Volume of whole numbers, of the shape of im1
    settings : record of hpcdvc.kernels.settings.settings_record
    linear : the same with linear interpolation, for labels whose edges lie between voxels; None: as the others
    how : "label_settings" record
    points : (n,) array of "label_point" records; boxes lie in the image
    rows : (n,) array of "row" records, filled

    Raises
    ------
    MemoryError
    TypeError, ValueError
        Arrays that are not these, or boxes that reach out of the image.
    """
    cdef const hpcdvc_registration_kernels *kernels = hpcdvc_registration_for(level())
    cdef int64_t count = len(points)
    cdef size_t one = at(im1.record, "volume"), two = at(im2.record, "volume"), s = at(settings, "settings")
    cdef size_t of = at(labels.record, "volume"), h = at(how, "label_settings")
    cdef size_t hard = 0 if linear is None else at(linear, "settings")
    cdef size_t p = address(points, "label_point", (count,), "the points")
    cdef size_t r = address(rows, "row", (count,), "the rows", fill=True)
    if CHOICES["TYPE"][labels.type][0] == "f" or tuple(labels.shape) != tuple(im1.shape):
        raise TypeError("labels are whole numbers, as many as im1 has voxels")
    low, high = points["low"], points["high"]
    if (low < 0).any() or (high < low).any() or (high >= im1.shape).any() or abs(how["dilate"]) > 100:
        raise ValueError("boxes of labels lie in the image, and are dilated by 100 voxels at most")
    cdef int failed
    with nogil:
        failed = kernels.register_labels(<const hpcdvc_volume *>one, <const hpcdvc_volume *>two,
                                         <const hpcdvc_volume *>of, <const hpcdvc_settings *>s,
                                         <const hpcdvc_settings *>hard, <const hpcdvc_label_settings *>h,
                                         <const hpcdvc_label_point *>p, <hpcdvc_row *>r, count)
    if failed:
        raise MemoryError("no memory for the labels of one rank")


def label_mask(labels, int64_t label, how, origin, mask):
    """Voxels of a label in a box, dilated or eroded as told, that may reach out of the image.

    Parameters
    ----------
    labels : hpcdvc.kernels.volume.Volume of whole numbers
    label : its number
    how : "label_settings" record
    origin : first voxel of the box, ZYX
    mask : (nz, ny, nx) uint8 array, filled: 1 where a voxel is of the label

    Returns
    -------
    how many voxels are

    Raises
    ------
    MemoryError
    TypeError, ValueError
        Arrays that are not these.
    """
    cdef const hpcdvc_registration_kernels *kernels = hpcdvc_registration_for(level())
    cdef size_t of = at(labels.record, "volume"), m = address(mask, "u1", (None, None, None), "the mask", fill=True)
    cdef int dilate = how["dilate"], keep_others = how["keep_others"]
    cdef int64_t first[3]
    cdef int n[3]
    cdef int64_t count
    for i in range(3):
        first[i], n[i] = origin[i], mask.shape[i]
    if CHOICES["TYPE"][labels.type][0] == "f":
        raise TypeError("labels are whole numbers")
    if mask.size == 0:
        return 0
    with nogil:
        count = kernels.label_mask(<const hpcdvc_volume *>of, label, dilate, keep_others, first, n, <uint8_t *>m)
    if count < 0:
        raise MemoryError("no memory for the mask of a label")
    return count


cdef class Sums:
    """Sums over blocks of im1 and of im2 under Phi; what they need is kept from one call to the next.

    Parameters
    ----------
    im1, im2 : hpcdvc.kernels.volume.Volume
    settings : record of hpcdvc.kernels.settings.settings_record
    tile : (z, y, x) voxels that are worked on at a time
    label : hpcdvc.kernels.volume.Volume of uint8, 1 for voxels that count, outside of which none does; None: all do
    first : voxel of im1 (ZYX) where its first one lies

    Raises
    ------
    MemoryError
    """

    cdef object keep, shape
    cdef int64_t tile[3]
    cdef const hpcdvc_registration_kernels *kernels
    cdef void *sums

    def __cinit__(self, im1, im2, settings, tile, label=None, first=(0, 0, 0)):
        if len(tile) != 3 or min(tile) < 1 or max(tile) > 4096:
            raise ValueError(f"tiles of {tile} voxels: 1 to 4096 along each axis are possible")
        if label is not None and CHOICES["TYPE"][label.type] != "u1":
            raise TypeError("the voxels of a label are marked by uint8")
        self.keep, self.shape = (im1, im2, settings, label), im1.shape
        cdef int64_t origin[3]
        for i in range(3):
            self.tile[i], origin[i] = tile[i], first[i]
        cdef size_t one = at(im1.record, "volume"), two = at(im2.record, "volume"), s = at(settings, "settings")
        cdef size_t of = 0 if label is None else at(label.record, "volume")
        self.kernels = hpcdvc_registration_for(level())
        self.sums = self.kernels.start_sums(<const hpcdvc_volume *>one, <const hpcdvc_volume *>two,
                                            <const hpcdvc_settings *>s, self.tile, <const hpcdvc_volume *>of, origin)
        if self.sums == NULL:
            raise MemoryError("no memory for the tiles of one rank")

    def __dealloc__(self):
        if self.sums != NULL:
            self.kernels.end_sums(self.sums)

    def __call__(self, trial, blocks, references, matches):
        """Sum up.

        Parameters
        ----------
        trial : "trial" record: Phi (3, 4) and the centre it is about, ZYX; offsets and scale of grey values. The size
            of the tiles is filled in here
        blocks : (n, 2, 3) int64 array, first and last + 1 voxel, ZYX
        references : (n,) array of "reference" records, brought up to date
        matches : (n,) array of "match" records, filled

        Returns
        -------
        0, or VOLUME_CHANGE: a tile of im1 is spread over more than four times its length of im2

        Raises
        ------
        MemoryError
        TypeError, ValueError
            Arrays that are not these, or blocks that reach out of im1.
        """
        cdef int64_t count = len(blocks)
        trial["tile"] = [self.tile[i] for i in range(3)]
        cdef size_t t = at(trial, "trial"), b = address(blocks, "i8", (count, 2, 3), "the blocks")
        cdef size_t r = address(references, "reference", (count,), "the references", fill=True)
        cdef size_t m = address(matches, "match", (count,), "the matches", fill=True)
        if count and ((blocks < 0).any() or (blocks > self.shape).any()):
            raise ValueError(f"the blocks reach out of an image of {self.shape} voxels")
        cdef int status
        with nogil:
            status = self.kernels.sum_blocks(self.sums, <const hpcdvc_trial *>t, <const int64_t *>b, count,
                                             <hpcdvc_reference *>r, <hpcdvc_match *>m)
        if status == NO_MEMORY:
            raise MemoryError("no memory for the tiles of one rank")
        return status


def sum_planes(volume, int64_t first, int64_t last):
    """(sum, sum of squares, number) of the finite voxels of planes first to last - 1.

    Raises
    ------
    ValueError
        There are no such planes.
    """
    if not 0 <= first <= last <= volume.shape[0]:
        raise ValueError(f"planes {first} to {last} of {volume.shape[0]}")
    cdef const hpcdvc_registration_kernels *kernels = hpcdvc_registration_for(level())
    cdef size_t v = at(volume.record, "volume")
    cdef hpcdvc_grey_sums g
    with nogil:
        g = kernels.sum_planes(<const hpcdvc_volume *>v, first, last)
    return g.sum, g.sum_squares, g.count


def bin_planes(volume, cell, top, int64_t first, out):
    """Means of cells of cell (ZYX) voxels, the first cell at voxel top, planes of cells from `first` on into out.

    NaN where a voxel of the cell is not finite.

    Raises
    ------
    MemoryError
    TypeError, ValueError
        `out` is no float32 array with three axes, or the cells reach out of the volume.
    """
    cdef const hpcdvc_registration_kernels *kernels = hpcdvc_registration_for(level())
    cdef size_t v = at(volume.record, "volume"), o = address(out, "f4", (None, None, None), "the means", fill=True)
    cdef int64_t c[3]
    cdef int64_t t[3]
    cdef int64_t n[3]
    for i in range(3):
        c[i], t[i], n[i] = cell[i], top[i], out.shape[i]
        before = first if i == 0 else 0
        if c[i] < 1 or t[i] < 0 or before < 0 or t[i] + c[i] * (n[i] + before) > volume.shape[i]:
            raise ValueError(f"cells of {cell} voxels from {top} on reach out of a volume of {volume.shape}")
    if out.size == 0:
        return
    cdef int failed
    with nogil:
        failed = kernels.bin_planes(<const hpcdvc_volume *>v, c, t, n, first, first + n[0], <float *>o)
    if failed:
        raise MemoryError("no memory for a row of voxels")
