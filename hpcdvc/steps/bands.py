"""Pixels measured in bands of rows: the bands are read, measured, and made into rows of a file or of a table.

What a pixel gets does not depend on its band; so neither the number of ranks nor that of rows in memory changes a bit.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.status import Status
from hpcdvc.images import VolumeInfo
from hpcdvc.output.columns import columns_of
from hpcdvc.runs.slabs import Maker
from hpcdvc.stacks import dense, refine
from hpcdvc.stacks.dense import DenseSettings
from hpcdvc.stacks.device import array_module, to_numpy

#: Rows of an image that are one slab of its file, and the most that a rank has in memory at a time.
BAND = 32
#: What a file says of a pixel besides its displacement, by column: name in what `RowMeasure` gives.
VALUES = {"zncc": "score", "cost": "score", "returnStatus": "status", "displacement_std": "std"}
#: Columns of three components.
VECTORS = ("displacement", "displacement_std")
#: Sums over the pixels of a row, which nobody needs.
NO_SUMS = np.zeros(3)

#: Rows `first` to `stop` - 1 of both stacks, (K, stop - first, W) float32: NaN where there is no grey value, infinite
#: where it is clipped.
Reader = Callable[[int, int], tuple[np.ndarray, np.ndarray]]


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


@dataclass(frozen=True)
class Bands:
    """An image that is measured some rows at a time.

    Attributes
    ----------
    read : reads rows of both stacks
    measure : measures rows in what was read
    mark : changes what was found in some rows, where something else is known of them
    rows : rows of the image in memory at a time, besides those about them
    """

    read: Reader
    measure: RowMeasure
    mark: Callable[[range, dict[str, np.ndarray]], None] | None = None
    rows: int = BAND

    def __call__(self, wanted: range) -> Iterator[dict[str, np.ndarray]]:
        """What `RowMeasure` gives of some rows, which are as far apart as the settings say, in parts."""
        height, halo = self.measure.height, self.measure.halo
        at_a_time = max(min(self.rows, BAND) // wanted.step, 1)
        for k in range(0, len(wanted), at_a_time):
            rows = wanted[k : k + at_a_time]
            first, stop = max(rows[0] - halo, 0), min(rows[-1] + halo + 1, height)
            found = self.measure(*self.read(first, stop), first, rows)
            if self.mark is not None:
                self.mark(rows, found)
            yield found


def maker(bands: Bands, names: tuple[str, ...]) -> Maker:
    """Rows of a file for `hpcdvc.runs.slabs.write_slabs`.

    Parameters
    ----------
    bands : the image
    names : columns of the file that are filled by rows, in their order
    """

    def make(first: int, last: int) -> Iterator[tuple[tuple[np.ndarray, ...], np.ndarray]]:
        for found in bands(range(first, last)):
            for arrays_of_row in zip(*(in_file(name, found) for name in names), strict=True):
                yield arrays_of_row, NO_SUMS

    return make


def in_file(name: str, found: dict[str, np.ndarray]) -> np.ndarray:
    """A column of a file, (n, W) or (n, W, 3) with x, y, z, of what was found."""
    values = found[VALUES.get(name, name)]
    return np.concatenate([values[..., ::-1], 0 * values[..., :1]], axis=-1) if name in VECTORS else values


@dataclass(frozen=True)
class NodeRows:
    """Rows of a table: a node for every so many pixels.

    Attributes
    ----------
    bands : the image, measured at every so many rows and columns from 0 on
    grid : the nodes, of which the first stands at the first such row and column behind 0
    dtype : of the rows, `hpcdvc.fields.field.ROW` or one with further columns, which are taken by their names
    """

    bands: Bands
    grid: Grid
    dtype: np.dtype

    @property
    def chunk(self) -> int:
        """Nodes that are best measured together: whole rows of them."""
        return max(BAND // self._step, 1) * self.grid.shape[2]

    @property
    def _step(self) -> int:
        return self.bands.measure.settings.step

    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        """Rows (m,) of some nodes."""
        across, step = self.grid.shape[2], self._step
        parts = []
        for together in np.split(numbers, np.flatnonzero(np.diff(numbers // across) > 1) + 1):
            first, last = int(together[0]) // across, int(together[-1]) // across
            found = list(self.bands(range((first + 1) * step, (last + 2) * step, step)))
            whole = {name: np.concatenate([part[name][:, 1 : across + 1] for part in found]) for name in found[0]}
            some = together - first * across
            parts.append(self._rows(together, {name: _by_node(values)[some] for name, values in whole.items()}))
        return np.concatenate(parts)

    def _rows(self, numbers: np.ndarray, found: dict[str, np.ndarray]) -> np.ndarray:
        rows = np.zeros(len(numbers), self.dtype)
        rows["index"], rows["return_status"] = numbers, found["status"]
        rows["Phi"][:, :, :3] = np.eye(3)
        rows["Phi"][:, 1:, 3] = found["displacement"]
        measured = found["status"] == Status.CONVERGED
        rows["Phi"][~measured, 0, 3] = np.nan
        rows["valid_fraction"] = measured
        rows["zncc"] = rows["error"] = rows["variance"] = np.nan
        if "std" in found:
            rows["variance"].reshape(-1, 3, 4)[:, 1:, 3] = found["std"] ** 2
        score = "cost" if "cost" in self.dtype.names else "zncc"
        rows[score] = found["score"]
        for name in set(self.dtype.names) & {column.name for column in columns_of("image")} & found.keys():
            rows[name] = found[name]
        return rows


def _by_node(values: np.ndarray) -> np.ndarray:
    return values.reshape(-1, *values.shape[2:])


def check_window(half: int, reach: tuple[int, int, int, int], info: VolumeInfo) -> None:
    """Make sure that a window and a range leave a pixel of an image whose windows lie inside, wherever they are moved.

    Parameters
    ----------
    half : half window
    reach : displacements that are tried
    info : header of the stack

    Raises
    ------
    UserError
        They leave none; the sentence names the sizes.
    """
    height, width = info.shape[1:]
    side = 2 * half + 1
    if side > min(height, width):
        raise UserError(f"windows of {side} x {side} pixels (-hws {half}) do not fit {info.spec}, {height} x {width}")
    for name, size, low, high in (("y", height, *reach[:2]), ("x", width, *reach[2:])):
        if side + max(high, 0) - min(low, 0) > size:
            raise UserError(
                f"windows of {side} pixels moved by {low} to {high} along {name} (-sr) leave {info.spec}, of {size}"
            )
