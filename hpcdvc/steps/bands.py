"""Pixels measured in bands of rows: the bands are read, measured, and made into rows of a file or of a table.

What a pixel gets does not depend on its band; so neither the number of ranks nor that of rows in memory changes a bit.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.status import Status
from hpcdvc.images import VolumeInfo
from hpcdvc.options.stacks import DenseOutput
from hpcdvc.output.columns import columns_of
from hpcdvc.runs.slabs import Maker
from hpcdvc.stacks.dense import DenseSettings
from hpcdvc.steps.row_measure import RowMeasure

log = logging.getLogger("hpcdvc")

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
    measure: "RowMeasure | NothingToMeasure"
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


@dataclass(frozen=True)
class NothingToMeasure:
    """Takes the place of `row_measure.RowMeasure` where there is nothing to be measured: all pixels have one status."""

    settings: DenseSettings
    height: int
    width: int
    status: Status
    halo: int = 0

    def __call__(self, im1: None, im2: None, first: int, rows: range) -> dict[str, np.ndarray]:
        """What `hpcdvc.stacks.dense.measure_rows` gives of pixels that are not measured."""
        shape = len(rows), -(-self.width // self.settings.step)
        names = ("score", "transmission", "visibility")
        found = {name: np.full(shape, np.nan, np.float32) for name in names}
        found |= {name: np.full((*shape, 2), np.nan, np.float32) for name in ("displacement", "std")}
        return {**found, "status": np.full(shape, self.status, np.int8)}

    @property
    def bands(self) -> Bands:
        """An image of such pixels."""
        return Bands(lambda *rows: (None, None), self)


@dataclass(frozen=True)
class BandsIn:
    """An image of which a part is measured; the other pixels have no specimen.

    Attributes
    ----------
    bands : all of it
    low, high : first row and column that are measured, and the first that are not any more
    width : columns
    """

    bands: Bands
    low: tuple[int, int]
    high: tuple[int, int]
    width: int

    def __call__(self, wanted: range) -> Iterator[dict[str, np.ndarray]]:
        """As `Bands`, of rows one after the other."""
        measure = self.bands.measure
        nothing = NothingToMeasure(measure.settings, measure.height, self.width, Status.NO_SPECIMEN).bands
        first, stop = (min(max(row, wanted.start), wanted.stop) for row in (self.low[0], self.high[0]))
        yield from nothing(range(wanted.start, first))
        for found in self.bands(range(first, stop)):
            for name, values in found.items():
                for outside in (slice(0, self.low[1]), slice(self.high[1], None)):
                    values[:, outside] = Status.NO_SPECIMEN if name == "status" else np.nan
            yield found
        yield from nothing(range(stop, wanted.stop))


def maker(bands: Bands | BandsIn, names: tuple[str, ...]) -> Maker:
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
    grid : the nodes, in such rows and columns
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
        top, left = (int(place) for place in self.grid.origin[1:])
        columns = slice(left // step, left // step + across)
        parts = []
        for together in np.split(numbers, np.flatnonzero(np.diff(numbers // across) > 1) + 1):
            first, last = int(together[0]) // across, int(together[-1]) // across
            found = list(self.bands(range(top + first * step, top + (last + 1) * step, step)))
            whole = {name: np.concatenate([part[name][:, columns] for part in found]) for name in found[0]}
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


def note_convention(options: DenseOutput) -> None:
    """Say that there are no pictures whose sign another convention would turn."""
    if options.turned and not (options.tif and options.node_spacing == 1):
        log.warning("-convention is ignored: it turns the pictures of -tif -ns 1, all else has u")
