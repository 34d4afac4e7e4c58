"""Pixels of some rows: searched for, with less of their windows where pixels are missing, and refined."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from hpcdvc.fields.status import Status
from hpcdvc.stacks import dense, refine
from hpcdvc.stacks.dense import DenseSettings
from hpcdvc.stacks.device import array_module, to_numpy


@dataclass(frozen=True)
class RowMeasure:
    """How the pixels of some rows are measured.

    Attributes
    ----------
    settings : of the windows
    height : rows of the image
    means : (2,) mean grey values of both stacks, or (2, K) of their frames
    lines : search along x and along y, each with windows of one row or column
    device, rank : where the arrays are
    peak_method : "gn" and "gnaffine" go on from what was found on the grey values, by the processor
    """

    settings: DenseSettings
    height: int
    means: np.ndarray | None = None
    lines: bool = False
    device: str = "cpu"
    rank: int = 0
    peak_method: str = "taylor"

    @cached_property
    def searches(self) -> list[DenseSettings]:
        """One along both axes, or two."""
        if not self.lines:
            return [self.settings]
        low_y, high_y, low_x, high_x = self.settings.reach
        return [
            replace(self.settings, along="y", reach=(low_y, high_y, 0, 0)),
            replace(self.settings, along="x", reach=(0, 0, low_x, high_x)),
        ]

    @property
    def halo(self) -> int:
        """Rows about those that are measured that must be read."""
        return refine.halo(self.settings) if self._refines else max(map(dense.halo, self.searches))

    @property
    def _refines(self) -> bool:
        return self.peak_method in refine.KINDS

    def __call__(self, im1: np.ndarray, im2: np.ndarray, first: int, rows: range) -> dict[str, np.ndarray]:
        """Measure rows of the image in bands that begin at row `first`; see `hpcdvc.stacks.dense.measure_rows`.

        Where pixels are missing, windows do without them: those of other pixels are measured as if all were there.
        """
        found = [self._searched(im1, im2, first, rows, search) for search in self.searches]
        lacking = [~np.isfinite(band).all(axis=0) for band in (im1, im2)]
        if not (self.settings.partial or self.settings.local_mean) and any(flags.any() for flags in lacking):
            for search, whole in zip(self.searches, found, strict=True):
                cut = beside(*lacking, first, rows, self.height, search)
                if cut.any():
                    part = self._searched(im1, im2, first, rows, replace(search, partial=True))
                    for name, values in whole.items():
                        values[cut] = part[name][cut]
        if self._refines:  # each window finds out itself what it lacks
            words = found[0], replace(self.settings, partial=True), self.peak_method, self.means
            return refine.refine_rows(im1, im2, first, rows, self.height, *words)
        return _of_both_axes(*found) if self.lines else found[0]

    def _searched(
        self, im1: np.ndarray, im2: np.ndarray, first: int, rows: range, search: DenseSettings
    ) -> dict[str, np.ndarray]:
        words = (first, rows, self.height, search, self.means)
        if self.device == "cpu":
            return dense.measure_rows(im1, im2, *words)
        from hpcdvc.stacks import arrays

        module = array_module(self.device, self.rank)
        found = arrays.measure_rows(module.asarray(im1), module.asarray(im2), *words, xp=module)
        return {name: to_numpy(values) for name, values in found.items()}


def _of_both_axes(along_y: dict[str, np.ndarray], along_x: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What two searches have found: a pixel is measured where both are, with the lower score; else it has the status of
    the one that failed, of that along y where both did."""
    status = np.where(along_y["status"] == Status.CONVERGED, along_x["status"], along_y["status"])
    displacement = np.stack([along_y["displacement"][..., 0], along_x["displacement"][..., 1]], axis=-1)
    score = np.minimum(along_y["score"], along_x["score"])
    lost = status != Status.CONVERGED
    displacement[lost], score[lost] = np.nan, np.nan
    return {"displacement": displacement, "score": score, "status": status}


def beside(
    lacking1: np.ndarray, lacking2: np.ndarray, first: int, rows: range, height: int, settings: DenseSettings
) -> np.ndarray:
    """Pixels whose windows lie in the image, and have a lacking pixel in them or in what they are compared with.

    Parameters
    ----------
    lacking1, lacking2 : (h, W) bool, of im1 and im2, rows from `first` on
    first, rows, height, settings : see `hpcdvc.stacks.dense.measure_rows`

    Returns
    -------
    (n, W') bool
    """
    half = [0 if settings.along == axis else settings.half_window for axis in "xy"]
    reach = [max(map(abs, settings.reach[:2])) + 1, max(map(abs, settings.reach[2:])) + 1]
    window, other = (lacking1, lacking2) if settings.template == "im1" else (lacking2, lacking1)
    columns = range(0, window.shape[1], settings.step)
    found = box_counts(window, first, rows, columns, *half) > 0
    found |= box_counts(other, first, rows, columns, *(h + r for h, r in zip(half, reach, strict=True))) > 0
    for axis, (places, size) in enumerate(((rows, height), (columns, window.shape[1]))):
        places = np.asarray(places)
        outside = (places < half[axis]) | (places >= size - half[axis])
        found[outside if axis == 0 else np.s_[:, outside]] = False
    return found


def box_counts(flags: np.ndarray, first: int, rows: range, columns: range, half_y: int, half_x: int) -> np.ndarray:
    """How many flags are set in boxes of 2 half + 1 about pixels, as far as these are there.

    Parameters
    ----------
    flags : (h, W) bool, rows from `first` on
    rows, columns : of the pixels, n and W' of them
    half_y, half_x : half boxes

    Returns
    -------
    (n, W') whole numbers
    """
    sums = np.zeros((flags.shape[0] + 1, flags.shape[1] + 1), np.int64)
    np.cumsum(np.cumsum(flags, axis=0), axis=1, out=sums[1:, 1:])
    y, x = np.asarray(rows) - first, np.asarray(columns)
    low, high = (np.clip(y + k, 0, flags.shape[0]) for k in (-half_y, half_y + 1))
    left, right = (np.clip(x + k, 0, flags.shape[1]) for k in (-half_x, half_x + 1))
    return sums[high][:, right] - sums[high][:, left] - sums[low][:, right] + sums[low][:, left]
