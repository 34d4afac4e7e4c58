"""Fields from legacy VTK text, ours and those of spam: what such a file shows of a field."""

import io
import logging
import math
import os
import warnings
from pathlib import Path

import numpy as np

from hpcdvc.errors import RunError, UserError, file_error, quoted, shortened
from hpcdvc.fields.field import Field
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.status import LOWEST_MEASURED, Family, Status
from hpcdvc.options.voxel_size import VoxelSize
from hpcdvc.output import columns as declared
from hpcdvc.output import files, schema
from hpcdvc.output.columns import SYMMETRIC, to_memory
from hpcdvc.output.voxel_size import TWIN
from hpcdvc.output.vtk import SIZE, TITLE

log = logging.getLogger("hpcdvc")

#: Numbers of a point by keyword.
WIDTHS = {"SCALARS": 1, "VECTORS": 3, "TENSORS": 9}
#: Longest line that is looked at, bytes.
LONGEST_LINE = 2**16
#: What spam writes into the second line of its grids.
OF_SPAM = "VTK file from spam"
#: xx yy zz xy yz xz of a whole tensor
SIX = (0, 4, 8, 1, 5, 2)


def read_vtk(path: str | Path) -> Field:
    """Read a field from a legacy VTK file in ASCII, of ours or of spam.

    Lengths are voxels again where the file says how large one is. Such a file has no F: it is the identity. Points are
    measured where the file has no status. Cells have their nodes in the middle; those of spam, whose files do not say
    where in a cell its node is, begin at the node spacing, as its grids do.

    Parameters
    ----------
    path : the file

    Returns
    -------
    Field : `extra` holds the further arrays, those that are declared by their names in `hpcdvc.output.columns`

    Raises
    ------
    UserError : no such file, or none of these; the sentence names the file and the line
    """
    files.check_regular(path)
    try:
        with open(path, "rb") as file:
            reader = _Reader(Path(path), file)
            field = reader.field()
    except MemoryError as error:
        raise RunError(f"not enough memory to read {path}") from error
    except OSError as error:
        raise file_error(path, error) or error from error
    if not np.isnan(field.phi[:, 3]).all():
        log.info("%s has no F: it is the identity everywhere", path)
        if reader.of_spam and field.grid:
            log.info("%s does not say where its nodes are: they begin at the node spacing, as in grids of spam", path)
    return field


def voxel_size_in(path: str | Path) -> VoxelSize | None:
    """The size of a voxel that a legacy VTK file of ours says; None where it says none, or is of another program.

    Raises
    ------
    UserError : no such file
    """
    files.check_regular(path)
    try:
        with open(path, "rb") as file:
            lines = [file.readline(LONGEST_LINE).decode(errors="replace") for _ in range(2)]
    except OSError as error:
        raise file_error(path, error) or error from error
    return _size_in(lines[1], path)


def _size_in(title: str, path: str | Path) -> VoxelSize | None:
    _, found, text = title.strip().partition(SIZE)
    if not found or not title.startswith(TITLE):
        return None
    try:
        return VoxelSize.of(text)
    except ValueError as error:
        raise UserError(f"{path}, line 2: the size of a voxel {error}") from None


def lengths_in_voxels(lengths: np.ndarray, size: VoxelSize | None) -> np.ndarray:
    """Lengths as they would stand in the file without the size of a voxel, to nine digits."""
    if size is None:
        return lengths
    return np.array([float(f"{value:.9g}") for value in (lengths / size.number).ravel()]).reshape(lengths.shape)


def _first_nodes(grid: Grid) -> tuple[float, ...]:
    """Where grids of spam begin: at the node spacing; at 0 with a single layer, that of images in two dimensions."""
    return tuple(step if count > 1 else 0.0 for step, count in zip(grid.spacing, grid.shape, strict=True))


class _Reader:
    """A file and the place that was reached in it."""

    def __init__(self, path: Path, file: io.BufferedReader):
        self._path, self._file, self._line = path, file, 0
        self.of_spam = False
        self._voxel: VoxelSize | None = None
        self._size = os.fstat(file.fileno()).st_size

    def field(self) -> Field:
        """All that the file says."""
        start = self._next()
        if not start.startswith("# vtk DataFile"):
            raise UserError(f"{self._path} is not a legacy VTK file: it begins with {quoted(start[:20])}")
        title, kind = self._next(), self._words(1)[0]
        if kind != "ASCII":
            raise UserError(
                f"{self._path} is not a legacy VTK file in ASCII, but in {shortened(kind)}: none such is read"
            )
        keyword, dataset = self._words(2)
        if keyword != "DATASET" or dataset not in ("STRUCTURED_POINTS", "UNSTRUCTURED_GRID"):
            raise self._wrong(f"{shortened(dataset)} holds no field: STRUCTURED_POINTS or UNSTRUCTURED_GRID is needed")
        self.of_spam = title.startswith(OF_SPAM)
        self._voxel = _size_in(title, self._path)
        grid = self._grid() if dataset == "STRUCTURED_POINTS" else None
        positions = None if grid else self._points()
        arrays = self._arrays(grid.size if grid else len(positions), "CELL_DATA" if grid else "POINT_DATA")
        family = title.removeprefix(TITLE).partition(SIZE)[0].strip()
        if family not in list(Family):
            family = Family.SEARCH if "pixelSearchCC" in arrays else Family.REGISTRATION
        if self.of_spam and grid and "displacements" in arrays:
            # in which place of its cell a node is, is not said; the middle is that of strain
            grid = Grid(_first_nodes(grid), grid.spacing, grid.shape)
        return self._field(arrays, grid, positions, Family(family))

    def _field(
        self, arrays: dict[str, np.ndarray], grid: Grid | None, positions: np.ndarray | None, family: Family
    ) -> Field:
        if not arrays:
            raise UserError(f"{self._path} holds no field: there are no arrays")
        arrays.pop("mag(displacements)", None)  # spam's, of the displacements
        for name in [name for name in arrays if self._voxel and name + TWIN in arrays]:
            arrays[name] = arrays.pop(name + TWIN)
        first = next(iter(arrays.values()))
        phi = np.full((len(first), 4, 4), np.nan)  # of strain
        if "displacements" in arrays:
            phi[:] = np.eye(4)
            phi[:, :3, 3] = arrays.pop("displacements")[:, ::-1]
        finite = np.isfinite(first.reshape(len(first), -1)).all(axis=1)
        found = np.where(finite, LOWEST_MEASURED[family], Status.NOT_EVALUATED)
        return schema.field_of_members(
            {"Phi": phi, "return_status": found, **self._declared(arrays)}, grid, positions, family
        )

    def _declared(self, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Arrays by what columns are made from; others by their name, ZYX."""
        left, found = dict(arrays), {}
        for column in declared.COLUMNS:
            if column.vtk in left and not column.derived:
                values = left.pop(column.vtk)
                values = values[:, SIX] if column.components is SYMMETRIC and values.shape[1:] == (9,) else values
                if values.shape[1:] != (() if not column.components.shape else (math.prod(column.components.shape),)):
                    raise UserError(f"{self._path}: {column.vtk} has not the components of the column {column.name}")
                unfit = schema.unfit(values, np.dtype(column.dtype))
                if unfit:
                    raise UserError(f"{self._path}, point {unfit[0] + 1}: {column.vtk} {unfit[1]}")
                found[column.made_from] = to_memory(values.astype(column.dtype), column.components)
        return found | {name: values[:, ::-1] if values.ndim > 1 else values for name, values in left.items()}

    def _grid(self) -> Grid:
        """Cells with nodes in their middle."""
        given = {}
        for _ in range(3):
            keyword, *words = self._words(4)
            given["SPACING" if keyword == "ASPECT_RATIO" else keyword] = words
        try:
            counts = tuple(int(word) - 1 for word in given["DIMENSIONS"][::-1])
            spacing, corner = (tuple(map(float, given[name][::-1])) for name in ("SPACING", "ORIGIN"))
        except (KeyError, ValueError):
            raise self._wrong("DIMENSIONS, ASPECT_RATIO or SPACING, and ORIGIN of three numbers are needed") from None
        if min(counts) < 1 or not np.isfinite((*spacing, *corner)).all() or min(spacing) <= 0:
            raise self._wrong("the dimensions, the spacing or the origin make no cells")
        self._check_size(math.prod(counts))
        spacing, corner = (lengths_in_voxels(np.array(told), self._voxel).tolist() for told in (spacing, corner))
        middle = [edge + step / 2 for edge, step in zip(corner, spacing, strict=True)]
        return Grid(tuple(middle), tuple(spacing), counts)

    def _points(self) -> np.ndarray:
        """(n, 3) positions, ZYX; the cells are left."""
        keyword, count, _ = self._words(3)
        if keyword != "POINTS" or not count.isdecimal():
            raise self._wrong("POINTS and their number are needed")
        positions = lengths_in_voxels(self._numbers(int(count), 3), self._voxel)[:, ::-1]
        while not (place := self._next(blank=True)).startswith("POINT_DATA"):
            if place.startswith(("CELLS", "CELL_TYPES")):
                words = place.split()
                numbers = int(words[-1]) if words[-1].isdecimal() else -1
                self._check_size(numbers)
                self._numbers(numbers, 1)
            elif place.strip():
                raise self._wrong(f"{quoted(place.strip())} is not expected here")
        self._check_count(place, len(positions))
        return positions

    def _arrays(self, count: int, keyword: str) -> dict[str, np.ndarray]:
        """Arrays (n,) or (n, components) by name."""
        if keyword == "CELL_DATA":
            place = self._next()
            if not place.startswith(keyword):
                raise self._wrong(f"{keyword} and the number of cells are needed")
            self._check_count(place, count)
        found: dict[str, np.ndarray] = {}
        while place := self._next(end=True).split():
            if place[0] == "CELL_DATA" and keyword == "POINT_DATA":
                break  # what is measured in tetrahedra is no column of their nodes
            if place[0] not in WIDTHS or len(place) < 3:
                raise self._wrong(f"{quoted(' '.join(place))} is no SCALARS, VECTORS or TENSORS")
            if place[0] == "SCALARS" and not self._next().startswith("LOOKUP_TABLE"):
                raise self._wrong("LOOKUP_TABLE is needed")
            width = WIDTHS[place[0]]
            values = self._numbers(count, width)
            found[place[1]] = values if width > 1 else values[:, 0]
        return found

    def _check_count(self, place: str, count: int) -> None:
        words = place.split()
        if len(words) != 2 or words[1] != str(count):
            raise self._wrong(f"{quoted(place.strip())}, but there are {count}")

    def _check_size(self, count: int) -> None:
        """Each number takes two bytes of text at least."""
        if not 0 <= count <= self._size:
            raise self._wrong(f"a file of {self._size} bytes does not hold so many numbers")

    def _numbers(self, count: int, width: int) -> np.ndarray:
        """(count, width) numbers."""
        self._check_size(count * width)
        with warnings.catch_warnings():  # numpy only warns where a word is no number
            warnings.simplefilter("error", DeprecationWarning)
            try:
                values = np.fromfile(self._file, float, count * width, sep=" ")
            except (ValueError, DeprecationWarning):
                values = np.empty(0)
        if len(values) < count * width:
            raise self._wrong(f"{count} x {width} numbers are needed below this line")
        self._line += count
        return values.reshape(count, width)

    def _next(self, blank: bool = False, end: bool = False) -> str:
        """The next line that is not blank; "" at the end of the file, where it may be."""
        while line := self._file.readline(LONGEST_LINE):
            self._line += 1
            if line.strip() or blank and self._line > 4:
                try:
                    return line.decode("ascii")
                except UnicodeDecodeError:
                    raise UserError(f"{self._path} is not a text file") from None
        if end:
            return ""
        raise UserError(f"{self._path} ends too early, at line {self._line}")

    def _words(self, count: int) -> list[str]:
        words = self._next().split()
        if len(words) != count:
            raise self._wrong(f"{quoted(' '.join(words))} is not expected here")
        return words

    def _wrong(self, words: str) -> UserError:
        return UserError(f"{self._path}, line {self._line}: {words}")
