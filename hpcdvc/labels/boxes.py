"""Boxes, volumes and centres of labels, and one label cut out, for Python users."""

from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.labels.scan import centres_of, scan_labels
from hpcdvc.registration.levels import as_volume

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
        They are no labels.
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
        They are no labels.
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
        They are no labels.
    """
    found = _scan(labels)
    return _table(found, centres_of(found), compact, np.nan)


def _scan(labels: np.ndarray) -> np.ndarray:
    array = np.asarray(labels)
    if array.dtype.kind in "iu" and array.dtype.itemsize > 4:
        if array.size and not 0 <= array.min() <= array.max() < 2**32:
            raise UserError("labels are whole numbers from 0 to 4294967295")
        array = array.astype(np.uint32)
    return scan_labels(as_volume(array))


def _table(found: np.ndarray, values: np.ndarray, compact: bool, missing: float) -> Table:
    if compact:
        return values, found["label"].copy()
    most = int(found["label"].max(initial=0))
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
) -> LabelSubvolume | None:
    """Cut a label out of an image.

    Parameters
    ----------
    labels : (nz, ny, nx) or (ny, nx) array of whole numbers; 0 is the background
    label : its number
    margin : voxels around its box
    label_dilate : radius of the ball by which it is dilated, voxels; negative erodes
    mask_other_labels : dilated voxels that belong to other labels are left out

    Returns
    -------
    LabelSubvolume; None where there is no such label

    Raises
    ------
    UserError
        They are no labels.
    """
    volume = as_volume(labels)
    found = _scan(labels)
    (one,) = found[found["label"] == label] if (found["label"] == label).any() else (None,)
    if one is None:
        return None
    radius = abs(int(label_dilate))
    # eroding asks for what lies beyond the cut, dilating may reach beyond the margin
    low, high = (np.array(one[name], np.int64) for name in ("low", "high"))
    cut = _slices(low, high, margin + max(int(label_dilate), 0), volume.shape)
    wide = _slices(low, high, margin + 2 * radius, volume.shape)
    here = volume[wide] == label
    grown = _by_ball(here, int(label_dilate))
    if mask_other_labels:
        grown &= here | (volume[wide] == 0)
    inner = tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(cut, wide, strict=True))
    subvol = grown[inner]
    centre = centres_of(found[found["label"] == label])[0]
    box = np.stack([low, high], axis=1).ravel()
    relative = centre - [part.start for part in cut]
    return LabelSubvolume(int(label), subvol, cut, box, centre, relative, int(one["volume"]), int(subvol.sum()))


def _slices(low: np.ndarray, high: np.ndarray, margin: int, shape: tuple[int, ...]) -> tuple[slice, slice, slice]:
    return tuple(
        slice(max(int(a) - margin, 0), min(int(b) + 1 + margin, n)) for a, b, n in zip(low, high, shape, strict=True)
    )


def _by_ball(mask: np.ndarray, radius: int) -> np.ndarray:
    """Dilated by a ball, or eroded where the radius is negative; outside the image is nothing."""
    from scipy import ndimage

    if radius == 0:
        return mask
    reach = [np.arange(-abs(radius), abs(radius) + 1) if n > 1 else np.zeros(1, int) for n in mask.shape]
    z, y, x = np.meshgrid(*reach, indexing="ij")
    ball = z * z + y * y + x * x <= radius * radius
    if radius > 0:
        return ndimage.binary_dilation(mask, ball)
    return ndimage.binary_erosion(mask, ball, border_value=0)
