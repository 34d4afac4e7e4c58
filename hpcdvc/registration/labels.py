"""Registration of the labels of an image: a pair of images and a label image made ready, labels in, rows out.

A label is a window as large as its box, of which its own voxels count. The measured Phi maps it to im2 about its centre
of mass.
"""

from dataclasses import dataclass, replace

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.field import ROW
from hpcdvc.kernels.arrays import record
from hpcdvc.kernels.records import dtype
from hpcdvc.kernels.registration import register_labels
from hpcdvc.kernels.settings import settings_record
from hpcdvc.kernels.volume import Volume
from hpcdvc.ranks.team import Team
from hpcdvc.registration.kernel_settings import KernelSettings
from hpcdvc.registration.large_labels import LargeLabels
from hpcdvc.registration.pair import tile_of
from hpcdvc.registration.settings import Settings, dimensions_of

#: One label to be measured: centre of mass ZYX, the Phi to start from, number and box.
LABEL_POINT = dtype("label_point")
#: A label whose box has more voxels is summed up by blocks, whoever does it: a window would need 80 bytes for each.
LARGE = 2**22
#: What the messages of the iterations of one of them take, rather too much.
SECONDS_OF_MESSAGES = 0.01


@dataclass(frozen=True)
class LabelMask:
    """Which voxels of a label count.

    Attributes
    ----------
    dilate : radius of the ball by which it is dilated, voxels; negative erodes
    mask_others : not those that belong to other labels
    min_volume : labels of no more voxels, dilated, are skipped
    """

    dilate: int = 1
    mask_others: bool = True
    min_volume: int = 100


class LabelRegistration:
    """A pair of images and the labels of im1: call it with labels, get rows.

    Parameters
    ----------
    im1, im2 : (nz, ny, nx) arrays of grey values; 2-D images have nz = 1
    labels : (nz, ny, nx) array of whole numbers, of the shape of im1
    settings : Settings, with a window, whose size does not matter
    mask : which voxels of a label count

    Raises
    ------
    UserError
        Images of other dimensions than the settings, or labels that do not fit im1.
    """

    def __init__(self, im1: np.ndarray, im2: np.ndarray, labels: np.ndarray, settings: Settings, mask: LabelMask):
        if settings.window is None:
            raise UserError("a window is needed to register labels")
        if {dimensions_of(im1.shape), dimensions_of(im2.shape)} != {settings.dimensions}:
            raise UserError(f"images of {im1.shape} and {im2.shape} voxels have not {settings.dimensions} dimensions")
        if labels.dtype.kind not in "iu" or labels.shape != im1.shape:
            raise UserError(f"labels are whole numbers, one for each of {im1.shape} voxels")
        self.settings = settings
        self._volumes = Volume(im1), Volume(im2), Volume(labels)
        self._settings, self._linear = settings_record(KernelSettings(settings)), None
        if settings.interpolation.order > 1:
            linear = replace(settings, interpolation=replace(settings.interpolation, order=1))
            self._linear = settings_record(KernelSettings(linear))
        self._how = record(
            "label_settings", dilate=mask.dilate, keep_others=not mask.mask_others, min_volume=mask.min_volume
        )
        self._large = LargeLabels(im1, im2, labels, settings, self._how)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Rows (hpcdvc.fields.field.ROW), one per label (LABEL_POINT)."""
        rows, large = np.zeros(len(points), ROW), is_large(points)
        some = np.zeros(np.count_nonzero(~large), ROW)
        few = np.ascontiguousarray(points[~large])
        register_labels(*self._volumes, self._settings, self._linear, self._how, few, some)
        rows[~large] = some
        for number in np.flatnonzero(large):
            rows[number : number + 1] = self._large(points[number], Team())
        return rows

    def together(self, point: np.ndarray, team) -> np.ndarray:
        """The same row (1,) of one label (1,) that is large, by all ranks. Collective."""
        return self._large(point[0], team)


def is_large(labels: np.ndarray) -> np.ndarray:
    """(n,) bool: records with boxes ("low", "high") of labels that are summed up by blocks."""
    return (labels["high"].astype(float) - labels["low"] + 1).prod(axis=1) > LARGE


def label_points(particles: np.ndarray, positions: np.ndarray, phi: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Labels to be measured.

    Parameters
    ----------
    particles : (n,) records with the label and its box ("label", "low", "high")
    positions : (n, 3) centres of mass, ZYX, voxels
    phi : (n, 3, 4) to start from
    numbers : (n,) places in the field

    Returns
    -------
    (n,) array of LABEL_POINT
    """
    points = np.zeros(len(particles), LABEL_POINT)
    points["index"], points["position"], points["Phi"] = numbers, positions, phi
    for name in ("label", "low", "high"):
        points[name] = particles[name]
    return points


def seconds_per_label(voxels: np.ndarray | float, settings: Settings) -> np.ndarray | float:
    """Rough cost of labels with boxes of so many voxels on one core, as measured, in five iterations."""
    order = settings.interpolation.order
    of_window, of_blocks = {1: 50, 3: 90, 5: 180}[order], {1: 23, 3: 29, 5: 43}[order]
    return 1e-9 * np.where(np.asarray(voxels) > LARGE, of_blocks, of_window) * voxels + 4e-4


def seconds_together(sides: np.ndarray, settings: Settings, ranks: int) -> np.ndarray:
    """The same of large labels (n,), with boxes of (n, 3) voxels along the axes, until all ranks have done one."""
    tile = np.array(tile_of(settings)[:2])
    blocks = np.prod(-(-sides[:, :2] // tile), axis=1)
    busiest = np.ceil(blocks / ranks) / blocks
    return seconds_per_label(sides.prod(axis=1), settings) * busiest + SECONDS_OF_MESSAGES
