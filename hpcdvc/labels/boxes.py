"""Boxes, volumes and centres of labels, and one label cut out, for Python users."""

from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.kernels.labels import LARGEST_BALL, mask
from hpcdvc.kernels.volume import Volume
from hpcdvc.labels.scan import PARTICLE, centres_of, scan_labels
from hpcdvc.registration.levels import as_volume

#: Bytes of a table that is indexed by label.
LARGEST_TABLE = 2**31

Table = np.ndarray | tuple[np.ndarray, np.ndarray]


def bounding_boxes(labels: np.ndarray, compact: bool = False) -> Table:
    """First and last voxel of each label along each axis.

    Parameters
    ----------
    labels : (nz, ny, nx) or (ny, nx) array of whole numbers; 0 is the background
    compact : a row for each label that exists instead of one for each number

    Returns
    -------
    (largest label + 1, 6) int64 array: Z, Y and X, first and last voxel of each; row 0 is the background and all 0, as
    the rows of numbers that are missing are. With `compact` the (n, 6) array of the labels that exist, ascending, and
    these labels.

    Raises
    ------
    UserError
        They are no labels, or the numbers are so large that the table would take more than 2 GB.
    """
    found = _scan(labels)
    boxes = np.stack([found["low"], found["high"]], axis=2).reshape(-1, 6).astype(np.int64)
    return _table(found, boxes, compact, 0)


def volumes(labels: np.ndarray, compact: bool = False) -> Table:
    """Number of voxels of each label.

    Parameters
    ----------
    labels, compact : see `bounding_boxes`

    Returns
    -------
    (largest label + 1,) int64 array, 0 for the background and for missing numbers; with `compact` those of the labels
    that exist, and these labels.

    Raises
    ------
    UserError
        They are no labels, or the numbers are so large that the table would take more than 2 GB.
    """
    found = _scan(labels)
    return _table(found, found["volume"].astype(np.int64), compact, 0)


def centres_of_mass(labels: np.ndarray, compact: bool = False) -> Table:
    """Centre of mass of each label.

    Parameters
    ----------
    labels, compact : see `bounding_boxes`

    Returns
    -------
    (largest label + 1, 3) float64 array, ZYX, voxels; 0 for the background, NaN for missing numbers. With `compact`
    those of the labels that exist, and these labels.

    Raises
    ------
    UserError
        They are no labels, or the numbers are so large that the table would take more than 2 GB.
    """
    found = _scan(labels)
    return _table(found, centres_of(found), compact, np.nan)


def label_image(labels: np.ndarray) -> np.ndarray:
    """(nz, ny, nx) array of labels that kernels read, of an image of any type of whole numbers, 2-D or 3-D.

    Raises
    ------
    UserError
        They do not fit into 32 bits; types of other numbers are found out when they are scanned.
    """
    array = np.asarray(labels)
    if array.dtype.kind in "iu" and array.dtype.itemsize > 4:
        if array.size and not 0 <= array.min() <= array.max() < 2**32:
            raise UserError("labels are whole numbers from 0 to 4294967295")
        array = array.astype(np.uint32)
    return as_volume(array)


def _scan(labels: np.ndarray) -> np.ndarray:
    return scan_labels(label_image(labels))


def _table(found: np.ndarray, values: np.ndarray, compact: bool, missing: float) -> Table:
    if compact:
        return values, found["label"].copy()
    most = int(found["label"].max(initial=0))
    size = (most + 1) * (values.nbytes // max(len(values), 1))
    if size > LARGEST_TABLE:
        raise UserError(
            f"a table up to label {most} would take {size / 1e9:.1f} GB: compact=True has a row for each label"
        )
    table = np.full((most + 1, *values.shape[1:]), missing, values.dtype)
    table[0], table[found["label"]] = 0, values
    return table


@dataclass(frozen=True)
class LabelSubvolume:
    """One label, cut out.

    Attributes
    ----------
    label : its number
    subvol : (nz, ny, nx) bool array, True where the label is
    slice : its place in the image, as slices; a part that would reach out of the image is left out
    bounding_box : first and last voxel along Z, Y and X, without margin
    centre_of_mass : ZYX, voxels of the image
    centre_of_mass_rel : ZYX, voxels of `subvol`
    volume_initial, volume_dilated : voxels before and after dilation
    """

    label: int
    subvol: np.ndarray
    slice: tuple[slice, slice, slice]
    bounding_box: np.ndarray
    centre_of_mass: np.ndarray
    centre_of_mass_rel: np.ndarray
    volume_initial: int
    volume_dilated: int


def get_label(
    labels: np.ndarray,
    label: int,
    margin: int = 0,
    label_dilate: int = 0,
    mask_other_labels: bool = True,
    bounding_boxes: np.ndarray | None = None,
) -> LabelSubvolume | None:
    """Cut a label out of an image.

    Parameters
    ----------
    labels : (nz, ny, nx) or (ny, nx) array of whole numbers; 0 is the background
    label : its number
    margin : voxels around its box, beside those of the dilation
    label_dilate : radius of the ball by which it is dilated, voxels, up to 100; negative erodes
    mask_other_labels : dilated voxels that belong to other labels are left out
    bounding_boxes : of `bounding_boxes(labels)`, not compact: of all labels, so that the image is not searched for each

    Returns
    -------
    LabelSubvolume; None where there is no such label

    Raises
    ------
    UserError
        They are no labels, or the ball is too large.
    """
    if abs(label_dilate) > LARGEST_BALL:
        raise UserError(f"labels are dilated by balls of a radius of up to {LARGEST_BALL} voxels, not {label_dilate}")
    image = label_image(labels)
    found = scan_labels(image) if bounding_boxes is None else _scan_box(image, label, bounding_boxes)
    one = found[found["label"] == label]
    if label == 0 or not len(one):
        return None
    low, high = one["low"][0].astype(np.int64), one["high"][0].astype(np.int64)
    cut = _slices(low, high, margin + max(int(label_dilate), 0), image.shape)
    origin, shape = [part.start for part in cut], [part.stop - part.start for part in cut]
    subvol = mask(Volume(image), label, int(label_dilate), origin, shape, not mask_other_labels).astype(bool)
    centre = centres_of(one)[0]
    box = np.stack([low, high], axis=1).ravel()
    relative = centre - origin
    return LabelSubvolume(int(label), subvol, cut, box, centre, relative, int(one["volume"][0]), int(subvol.sum()))


def _scan_box(image: np.ndarray, label: int, boxes: np.ndarray) -> np.ndarray:
    """What the box of a label holds, as PARTICLE records of the whole image."""
    if not 0 < label < len(boxes):
        return np.zeros(0, PARTICLE)
    low, high = np.reshape(boxes[label], (3, 2)).T
    found = scan_labels(np.ascontiguousarray(image[_slices(low, high, 0, image.shape)]))
    found["low"] += low.astype(np.int32)
    found["high"] += low.astype(np.int32)
    found["sum"] += low * found["volume"][:, None]
    return found


def _slices(low: np.ndarray, high: np.ndarray, margin: int, shape: tuple[int, ...]) -> tuple[slice, slice, slice]:
    return tuple(
        slice(max(int(a) - margin, 0), min(int(b) + 1 + margin, n)) for a, b, n in zip(low, high, shape, strict=True)
    )
