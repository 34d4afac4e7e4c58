"""Dense results and images of grey values back in: a value for each pixel."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from hpcdvc.fields.field import ended
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.status import LOWEST_MEASURED, Family, is_measured
from hpcdvc.output import views, voxel_size
from hpcdvc.output.columns import Column, columns_of
from hpcdvc.output.dense import SCHEMA, place_of
from hpcdvc.output.notebook import names_of, no_column, package
from hpcdvc.output.stored import Stored, opened

if TYPE_CHECKING:
    import matplotlib.figure
    import pandas
    import pyvista
    import xarray

#: What such a file says about itself, in plain text and in JSON.
TEXTS, FACTS = ("schema", "kind", "family"), ("key", "parameters", "provenance", "statuses", voxel_size.FACT)
#: Columns whose planes are no projections, but those of a volume.
VOLUMES = {"grey", "reconstruction"}


@dataclass(eq=False, repr=False)
class DenseResult:
    """A dense result that was read from a file: `result["zncc"]` is a column by its name, `columns` has all of them.

    Arrays have the shape of the image, (H, W), or (P, H, W) of P projections; vectors a further axis, ZYX.

    Attributes
    ----------
    path : the file
    metadata : what it says about itself: parameters, provenance, statuses, ...
    columns : arrays by name; floating point NaN where a pixel is not measured
    first : where its first pixel lies in the image that it is a part of, ZYX
    """

    path: str
    metadata: dict
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    first: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __getitem__(self, name: str) -> np.ndarray:
        """A column; KeyError where there is none of this name."""
        if name not in self.columns:
            raise KeyError(no_column(name, self.columns))
        return self.columns[name]

    def __contains__(self, name: str) -> bool:
        """Whether there is a column of this name."""
        return name in self.columns

    def __repr__(self) -> str:
        measured = self.measured
        shape, where = " x ".join(map(str, measured.shape)), f"{self.path}: " if self.path else ""
        lines = [f"{where}{shape} pixels", f"columns {', '.join(self.columns)}"]
        if "returnStatus" in self.columns:
            lines.insert(1, ended(self.return_status, measured, self.family))
        return f"<{chr(10).join(lines)}>".replace("\n", "\n ")

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return list(self.columns)

    @property
    def family(self) -> Family:
        """What it was made by."""
        return Family(self.metadata.get("family") or Family.REGISTRATION)

    @property
    def displacement(self) -> np.ndarray:
        """(..., 3) displacements, ZYX, pixels; NaN where not measured."""
        return self["displacement"]

    @property
    def return_status(self) -> np.ndarray:
        """How each pixel ended."""
        return self["returnStatus"]

    @property
    def measured(self) -> np.ndarray:
        """Which pixels are a result, bool; all finite ones where there are no statuses."""
        if "returnStatus" not in self.columns:
            return np.isfinite(next(iter(self.columns.values())))
        return is_measured(self.return_status, self.family)

    def plot(
        self, column: str | None = None, *, z: float | None = None, y: float | None = None, x: float | None = None
    ) -> "matplotlib.figure.Figure":
        """The pixels as an image, of several projections cuts through them, and how each ended.

        Parameters
        ----------
        column : a column by its name; default the displacement, where there is none the first
        z, y, x : where to cut across each axis; none: through the middle along each

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        UserError : a cut is outside, or matplotlib is not installed
        KeyError : there is no such column
        """
        from hpcdvc.output.cuts import plot

        column = column or ("displacement" if "displacement" in self.columns else self.names[0])
        at = {axis: place for axis, place in zip("zyx", (z, y, x), strict=True) if place is not None}
        return plot(_Pixels(self), column, at)

    def to_pandas(self) -> "pandas.DataFrame":
        """A table with a row for each pixel and a column for each number, in the names of tables; needs pandas.

        Raises
        ------
        UserError : pandas is not installed
        """
        pandas, pixels = package("pandas"), _Pixels(self)
        found = dict(zip(views.POSITIONS, pixels.grid.positions().T, strict=True))
        for name in self.names:
            numbers = pixels[name].reshape(len(pixels), -1).T
            found |= dict(zip(pixels.component_names(name), numbers, strict=True))
        return pandas.DataFrame(found)

    def to_xarray(self) -> "xarray.Dataset":
        """The columns on y and x, and before them on projection, of a volume on z; vectors ZYX; needs xarray.

        Raises
        ------
        UserError : xarray is not installed
        """
        xarray, known = package("xarray"), {column.name: column for column in columns_of("image")}
        first = "projection" if VOLUMES.isdisjoint(self.columns) else "z"
        axes = (first, "y", "x")[-self.measured.ndim :]
        variables = {
            name: (
                (*axes, *("component",) * (values.ndim - len(axes))),
                values,
                {"units": known[name].unit, "meaning": known[name].meaning},
            )
            for name, values in self.columns.items()
        }
        sizes = zip(axes, self.measured.shape, self.first[-len(axes) :], strict=True)
        places = {axis: np.arange(n) + (int(low) if low % 1 == 0 else low) for axis, n, low in sizes}
        facts = {axis: {} if axis == "projection" else {"units": "voxel"} for axis in axes}
        coordinates = {axis: (axis, values, facts[axis]) for axis, values in places.items()}
        if "displacement" in self.columns:
            coordinates["component"] = list("zyx")
        about = {"path": self.path, **self.metadata.get("parameters", {})}
        told = {name: value for name, value in about.items() if value is not None}  # netCDF has no None
        return xarray.Dataset(variables, coordinates, told)

    def to_pyvista(self) -> "pyvista.ImageData":
        """The pixels as cells with the columns as ParaView shows them: X Y Z; needs pyvista.

        Raises
        ------
        UserError : pyvista is not installed
        """
        pyvista, shape = package("pyvista"), self.measured.shape
        cells = (*(1,) * (3 - len(shape)), *shape)
        image = pyvista.ImageData(dimensions=[n + 1 for n in cells[::-1]], origin=np.array(self.first[::-1]) - 0.5)
        for name, values in self.columns.items():
            vector = values.ndim > len(shape)
            image.cell_data[name] = values[..., ::-1].reshape(-1, 3) if vector else values.ravel()
        return image


class _Pixels:
    """Pixels as the nodes of a grid, as `hpcdvc.output.cuts` draws them.

    Parameters
    ----------
    result : with P x H x W pixels
    """

    def __init__(self, result: DenseResult) -> None:
        self.result, self.path, self.family = result, result.path, result.family
        measured = result.measured
        self.dimensions = measured.ndim
        self.grid = Grid(result.first, (1.0,) * 3, (*(1,) * (3 - measured.ndim), *measured.shape))
        statuses = result.columns.get("returnStatus", np.where(measured, LOWEST_MEASURED[self.family], 0))
        self.return_status = statuses.reshape(-1)

    def __len__(self) -> int:
        return self.grid.size

    def __getitem__(self, name: str) -> np.ndarray:
        values = self.result[name]
        return values.reshape(self.grid.size, *values.shape[self.dimensions :])

    def unit_of(self, name: str) -> str:
        """Unit of a column."""
        return _declared(name).unit

    def component_names(self, name: str) -> tuple[str, ...]:
        """Names of the numbers of a column."""
        return names_of(_declared(name))


def _declared(name: str) -> Column:
    return next(column for column in columns_of("image") if column.name == name)


def read_dense(path: str | Path) -> DenseResult | None:
    """Read a dense result, or an image of grey values (column `grey`); None where the file is of another kind.

    Raises
    ------
    UserError : no such file, no HDF5 file, or a damaged one
    """
    with opened(path) as stored:
        if not isinstance(stored.find("hpcdvc"), h5py.Group) or stored.text("hpcdvc", "schema") != SCHEMA:
            return None
        metadata = {name: stored.text("hpcdvc", name) for name in TEXTS}
        metadata |= {name: stored.json("hpcdvc", name) for name in FACTS}
        voxel_size.in_file(stored)  # what it says is a size
        columns, first = _arrays(stored), _first(stored)
    metadata = {name: value for name, value in metadata.items() if value is not None}
    return DenseResult(str(path), metadata, columns, first)


def _arrays(stored: Stored) -> dict[str, np.ndarray]:
    """Arrays by column, of the shape of the image, vectors ZYX."""
    found, lead = {}, None
    for column in columns_of("image"):
        place, of_pixel = place_of(stored, column.name), column.components.shape
        if place is None:
            continue
        dataset = stored.dataset(voxel_size.in_voxels(stored, place), (*(lead or (None,) * 3), *of_pixel))
        lead = dataset.shape[:3]
        values = dataset[...][..., ::-1] if of_pixel else dataset[...]
        found[column.name] = values[0] if lead[0] == 1 else values
    if not found:
        raise stored.damaged("it has no arrays")
    return found


def _first(stored: Stored) -> tuple[float, float, float]:
    """Where the first pixel lies, ZYX, in pixels: its middle, which in cells is half a pixel from the corner."""
    root = stored.find("VTKHDF")
    found = [root.attrs.get(name) if isinstance(root, h5py.Group) else None for name in ("Origin", "Spacing")]
    if not all(isinstance(a, np.ndarray) and a.shape == (3,) and a.dtype.kind in "fi" for a in found):
        return 0.0, 0.0, 0.0
    origin, pixel = found
    middle = origin / np.where(pixel > 0, pixel, 1) + 0.5 * (stored.find("VTKHDF/PointData") is None)
    return tuple(np.round(middle[::-1], 6).tolist())
