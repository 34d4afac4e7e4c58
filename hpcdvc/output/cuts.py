"""A figure of a result: cuts through a column along planes of the grid, and how each node ended."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.field import status_counts
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.status import Family, in_short
from hpcdvc.output.colours import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

#: Where there is no number.
HATCHED = {"facecolor": "0.96", "hatch": "////", "edgecolor": "0.75"}
#: Most panels beside each other.
PANELS = 6


class Drawn(Protocol):
    """What is drawn: a field, or an image whose pixels stand for the nodes of a grid.

    Attributes
    ----------
    path : the file that it was read from; empty where there is none
    family : what it was made by
    grid : its nodes; None: free points
    positions : (n, 3) ZYX, voxels, of free points
    return_status : (n,) how each node ended
    """

    path: str
    family: Family
    grid: Grid | None
    positions: np.ndarray
    return_status: np.ndarray

    def __len__(self) -> int:
        """Number of nodes."""

    def __getitem__(self, name: str) -> np.ndarray:
        """A column, (n, ...), ZYX."""

    def unit_of(self, name: str) -> str:
        """Unit of a column."""

    def component_names(self, name: str) -> tuple[str, ...]:
        """Names of the numbers of a column."""


def plot(result: Drawn, column: str, at: dict[str, float]) -> "Figure":
    """Draw cuts through a grid, or all points seen along one axis.

    Parameters
    ----------
    result : the field
    column : which of its columns
    at : positions of the cuts, voxels, by axis, "z", "y" and "x"; none: through the middle along each axis

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    UserError : the result is a single row, matplotlib is missing, or a cut is outside the grid
    KeyError : there is no such column
    """
    try:
        from hpcdvc.output.shown_figure import ShownFigure
    except ImportError as error:
        raise UserError("plot() draws with matplotlib, which is not installed: pip install matplotlib") from error

    parts = _parts(result, column)
    if len(result) == 1 and not result.grid:
        raise UserError("a registration is one row: there is nothing to plot")
    if at and not result.grid:
        raise UserError(f"{len(result)} points have no grid that could be cut: leave out {', '.join(at)}")
    views = list(_cuts(result, at)) if result.grid else [_Scattered(result)]
    shapes = [view.size for view in views]
    heights = [min(max(2.0 * high / wide, 0.8), 6.0) for high, wide in shapes]
    figure = ShownFigure((3.0 * (len(parts) + 1), sum(heights) + 0.8 * len(views) + 0.9), layout="constrained")
    panels = figure.subplots(len(views), len(parts) + 1, squeeze=False, height_ratios=heights)
    figure.suptitle(f"{result.path}: {column}" if result.path else column, fontsize=10)
    for line, view in zip(panels, views, strict=True):
        for panel, (name, values, unit) in zip(line, parts, strict=False):
            low, high = _range(values)
            _bar(figure, panel, view.draw(panel, values, vmin=low, vmax=high, cmap="viridis"), unit)
            panel.set_title(", ".join(filter(None, (name, view.where))), fontsize=9)
        view.draw_status(line[-1], result.return_status)
        line[-1].set_title(", ".join(filter(None, ("return status", view.where))), fontsize=9)
    _legend(figure, result, result.grid is not None and any(np.isnan(values).any() for _, values, _ in parts))
    return figure


def _parts(result: Drawn, column: str) -> list[tuple[str, np.ndarray, str]]:
    """Name, values (n,) and unit of each panel; no z of a displacement in two dimensions."""
    values = np.asarray(result[column], float)
    unit = result.unit_of(column)
    names = result.component_names(column)
    if column == "displacement":
        names = [f"displacement in {axis}" for axis in "zyx"]
    table = values.reshape(len(result), -1).T
    flat = result.grid is not None and result.grid.shape[0] == 1 and values.shape[1:] == (3,)
    # the last row of Phi is 0 0 0 1 and has no names
    found = [(name, numbers, unit) for name, numbers in zip(names, table, strict=column != "Phi")][int(flat) :]
    if len(found) > PANELS:
        raise UserError(f"{column} has {len(found)} numbers at each point: plot one of {', '.join(names)}")
    return found


class _Cut:
    """Nodes of a grid in one plane.

    Parameters
    ----------
    result : a field on a grid
    axis : across which the plane lies, 0 to 2
    layer : number of the layer of nodes
    """

    def __init__(self, result: Drawn, axis: int, layer: int) -> None:
        grid = result.grid
        self.grid, self.axis, self.layer = grid, axis, layer
        self.rows, self.columns = (k for k in range(3) if k != axis)
        place = grid.origin[axis] + layer * grid.spacing[axis]
        self.where = "" if grid.shape[axis] == 1 and axis == 0 else f"{'zyx'[axis]} = {place:g}"
        low = [grid.origin[k] - grid.spacing[k] / 2 for k in range(3)]
        high = [low[k] + grid.shape[k] * grid.spacing[k] for k in range(3)]
        self.extent = (low[self.columns], high[self.columns], high[self.rows], low[self.rows])
        self.size = (high[self.rows] - low[self.rows], high[self.columns] - low[self.columns])

    def image(self, values: np.ndarray) -> np.ndarray:
        """(rows, columns) of (n,) values."""
        return values.reshape(self.grid.shape).take(self.layer, self.axis)

    def draw(self, panel: "Axes", values: np.ndarray, **how: object) -> "ScalarMappable":
        """Values as an image; hatched where there are none."""
        panel.patch.set(**HATCHED)
        drawn = panel.imshow(self.image(values), extent=self.extent, interpolation="nearest", **how)
        _label(panel, self.rows, self.columns)
        return drawn

    def draw_status(self, panel: "Axes", status: np.ndarray) -> None:
        """Statuses by their colours."""
        from matplotlib.colors import to_rgb

        colours = np.array([to_rgb(_colour(code)) for code in range(status.min(), status.max() + 1)])
        panel.imshow(colours[self.image(status) - status.min()], extent=self.extent, interpolation="nearest")
        _label(panel, self.rows, self.columns)


class _Scattered:
    """Points seen along y, or along z where all stand in one plane.

    Parameters
    ----------
    result : a field
    """

    def __init__(self, result: Drawn) -> None:
        self.axis = 0 if np.ptp(result.positions[:, 0]) == 0 else 1
        self.rows, self.columns = (k for k in range(3) if k != self.axis)
        self.points, self.where = result.positions, f"seen along {'zyx'[self.axis]}"
        self.size = tuple(max(np.ptp(self.points[:, k]), 1.0) for k in (self.rows, self.columns))

    def draw(self, panel: "Axes", values: np.ndarray, **how: object) -> "ScalarMappable":
        """Values as coloured points; crosses where there are none."""
        good = np.isfinite(values)
        y, x = self.points[:, self.rows], self.points[:, self.columns]
        panel.plot(x[~good], y[~good], "x", color="0.6", markersize=3)
        drawn = panel.scatter(x[good], y[good], 9, values[good], **how)
        self._frame(panel)
        return drawn

    def draw_status(self, panel: "Axes", status: np.ndarray) -> None:
        """Statuses by their colours."""
        y, x = self.points[:, self.rows], self.points[:, self.columns]
        for code in status_counts(status):
            some = status == code
            panel.scatter(x[some], y[some], 9, color=_colour(code), edgecolor="0.5", linewidth=0.3)
        self._frame(panel)

    def _frame(self, panel: "Axes") -> None:
        panel.set_aspect("equal")
        panel.invert_yaxis()
        _label(panel, self.rows, self.columns)


def _cuts(result: Drawn, at: dict[str, float]) -> Iterator[_Cut]:
    """The cuts that are wanted: those through the middle, of a flat grid its layer, where none is named."""
    grid = result.grid
    if not at:
        axes = (0,) if grid.shape[0] == 1 else (0, 1, 2)
        yield from (_Cut(result, axis, grid.shape[axis] // 2) for axis in axes)
        return
    for name, place in at.items():
        axis = "zyx".index(name)
        layer = (place - grid.origin[axis]) / grid.spacing[axis]
        if not -0.5 <= layer <= grid.shape[axis] - 0.5:
            last = grid.origin[axis] + (grid.shape[axis] - 1) * grid.spacing[axis]
            raise UserError(f"{name} = {place:g} is outside the grid, from {grid.origin[axis]:g} to {last:g} voxels")
        yield _Cut(result, axis, min(max(round(layer), 0), grid.shape[axis] - 1))


def _colour(code: int) -> str:
    return COLOURS.get(int(code), "black")


def _range(values: np.ndarray) -> tuple[float, float]:
    """Where the colours end: the same in all cuts, and not stretched by a few wrong values."""
    finite = values[np.isfinite(values)]
    return tuple(np.percentile(finite, (1, 99))) if finite.size else (0.0, 1.0)


def _label(panel: "Axes", rows: int, columns: int) -> None:
    panel.set_xlabel(f"{'zyx'[columns]} (voxel)", fontsize=8)
    panel.set_ylabel(f"{'zyx'[rows]} (voxel)", fontsize=8)
    panel.tick_params(labelsize=7)


def _bar(figure: "Figure", panel: "Axes", drawn: "ScalarMappable", unit: str) -> None:
    """A colour bar as high as its panel."""
    bar = figure.colorbar(drawn, cax=panel.inset_axes((1.03, 0, 0.05, 1)))
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)
    if unit not in ("", "1"):
        bar.set_label(unit, fontsize=8)


def _legend(figure: "Figure", result: Drawn, hatched: bool) -> None:
    """Statuses in words, with the number of points of all the field; below the panels."""
    from matplotlib.patches import Patch

    entries = [
        Patch(facecolor=_colour(code), edgecolor="0.5", label=f"{code}: {in_short(code, result.family)} ({count})")
        for code, count in status_counts(result.return_status).items()
    ]
    if hatched:
        entries.append(Patch(**HATCHED, label="no value"))
    figure.legend(handles=entries, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
