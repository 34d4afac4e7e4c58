"""The numbers of a result that a page can colour it by, and how they are distributed."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hpcdvc.fields.decomposition import decompose_f
from hpcdvc.pages import facts
from hpcdvc.pages.colours import DRAWN, ROUNDING
from hpcdvc.pages.result_file import ResultFile

#: Points that a distribution is found from, about; its classes.
SAMPLE, CLASSES = 2**17, 96
#: Shares that a range of colours may end at, per cent.
SHARES = (0, 1, 5, 95, 99, 100)
#: Strains made of F where a result has none: of `decompose_f`.
STRAINS = {"vol": ("volumetric strain det F - 1", "RdBu_r"), "dev": ("deviatoric strain", "magma")}


@dataclass(frozen=True)
class Quantity:
    """One number at each row.

    Attributes
    ----------
    key : what the page calls it
    title, unit : for people
    colours : name of its colour map
    column : that it is made of
    part : number of the component, "norm", or one of `STRAINS`
    of_cells : it stands beside the rows, in the cells of a mesh
    edge : of a voxel, and its unit, where the number is a length in voxels and the result says it
    """

    key: str
    title: str
    unit: str
    colours: str
    column: str
    part: int | str
    of_cells: bool = False
    edge: tuple[float, str] | None = None

    def of(self, result: ResultFile, part: tuple | slice = ()) -> np.ndarray:
        """Values of some rows, float32; NaN where not measured."""
        values = self._known(result, part)
        if self.part == "norm":
            return np.linalg.norm(values, axis=-1).astype(np.float32)
        if self.part in STRAINS:
            f = values.reshape(*values.shape[:-1], 3, 3)
            if self.part == "vol":
                with np.errstate(invalid="ignore"):  # of what is not measured
                    return (np.linalg.det(f) - 1).astype(np.float32)
            return decompose_f(f, two_d=bool(result.grid) and result.shape[0] == 1).dev.astype(np.float32)
        return values[..., self.part].astype(np.float32)

    def _known(self, result: ResultFile, part: tuple | slice) -> np.ndarray:
        """(..., numbers) of its column; statuses are not asked for where the file has NaN already."""
        if not result.columns[self.column].blank:
            return result.known(self.column, part)
        values = result.values(self.column, part)
        inner = len(result.columns[self.column].components.shape)
        return values.reshape(*values.shape[: values.ndim - inner], -1)

    def told(self) -> dict:
        """As the page has it."""
        return {name: getattr(self, name) for name in ("key", "title", "unit", "colours", "of_cells", "edge")}


def quantities_of(result: ResultFile, cells: ResultFile | None = None) -> dict[str, Quantity]:
    """All of them, by key: displacement first, then its standard deviation, strain ..."""
    found = [*_of_columns(result, False), *(_of_columns(cells, True) if cells else ())]
    return {one.key: one for one in found}


def _of_columns(result: ResultFile, of_cells: bool) -> Iterator[Quantity]:
    names = facts.ordered(result)
    prefix, end = ("cells ", " (cells)") if of_cells else ("", "")
    flat = result.grid is not None and result.shape[0] == 1 and result.kind != "registration"
    for name in names:
        column = result.columns[name]
        unit = "" if column.unit == "1" else facts.unit_of(result, name)
        length = result.length_of(name)
        edge = (length.number, length.unit) if length else None
        colours = DRAWN.get(name, "magma" if name.endswith("_std") else "viridis")
        some = result.known(name, _first(result))
        ends = facts.ends_of(some.shape[-1])
        if some.shape[-1] == 3 and not name.startswith("range_"):
            yield Quantity(f"{prefix}{name} norm", f"|{name}|{end}", unit, colours, name, "norm", of_cells, edge)
        for k, axis in enumerate(ends):
            if not (flat and some.shape[-1] == 3 and k == 0):  # images do not move along z
                axis = axis or ("" if len(ends) == 1 else f" {k}")
                yield Quantity(f"{prefix}{name}{axis}", f"{name}{axis}{end}", unit, colours, name, k, of_cells, edge)
    if "F" in names and "vol" not in names and _is_strained(result):
        for part, (title, colours) in STRAINS.items():
            yield Quantity(f"{prefix}{part}", f"{title}{end}", "", colours, "F", part, of_cells)


def _first(result: ResultFile) -> tuple | slice:
    return (0, 0, slice(0, 1)) if result.grid else slice(0, 1)


def _is_strained(result: ResultFile) -> bool:
    """Whether F was an unknown: not where only displacements were searched."""
    values = result.known("F", sample_of(result))
    values = values[np.isfinite(values).all(axis=-1)]
    return bool(len(values)) and bool(np.abs(values - np.eye(3).ravel()).max() > ROUNDING)


def sample_of(result: ResultFile) -> slice:
    """Planes, or rows, spread evenly, that a distribution is found from."""
    per = int(np.prod(result.shape[1:], dtype=np.int64))
    return slice(None, None, max(1, -(-result.shape[0] * per // max(SAMPLE, per))))


def distribution_of(quantity: Quantity, result: ResultFile) -> dict:
    """How the numbers of measured rows are distributed: ends at shares, histogram; of many rows, of some."""
    part = sample_of(result)
    values = quantity.of(result, part)
    known = values[np.isfinite(values)]
    if not known.size:
        return {"points": 0}
    ends = np.percentile(known, SHARES).astype(float)
    low, high = ends[0], ends[-1]
    edges = (low, high if high > low else low + max(abs(low) * 1e-6, 1e-9))
    counts = np.histogram(known, CLASSES, edges)[0]
    return {
        "points": int(known.size),
        "all": part.step == 1,
        "shares": dict(zip(map(str, SHARES), ends.tolist(), strict=True)),
        "edges": edges,
        "counts": counts.tolist(),
    }
