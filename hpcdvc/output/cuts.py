"""A figure of a result: cuts through a column along planes of the grid, and how each node ended."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.field import status_counts
from hpcdvc.fields.status import LOWEST_MEASURED, Family, in_short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hpcdvc.output.notebook import Result

#: Colours of the statuses; those of no specimen are grey, what is measured is light.
COLOURS = {
    **{3: "#a8cfc9", 2: "#d8e6e4", 1: "#e9c46a", 0: "#7d8597", -1: "#f4a261", -2: "#9aa5ab", -3: "#e76f51"},
    **{-4: "#8d5a97", -5: "#c9c3b8", -6: "#b0a99f", -7: "#6d597a", -8: "#264653", -9: "#b5304a", -10: "#457b9d"},
    **{-11: "#1d3557", -12: "#5c677d", -13: "#d00000", -14: "#9d0208", -15: "#3a0ca3"},
}
#: Most panels beside each other.
PANELS = 6


def plot(result: "Result", column: str, at: dict[str, float]) -> "Figure":
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
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UserError("plot() draws with matplotlib, which is not installed: pip install matplotlib") from error

    parts = _parts(result, column)
    if len(result) == 1:
        raise UserError("a registration is one row: there is nothing to plot")
    views = list(_cuts(result, at)) if result.grid else [_seen_along(result)]
    shapes = [view.size for view in views]
    width = 2.6 * (len(parts) + 1)
    heights = [min(max(2.6 * high / wide, 1.2), 7.0) for high, wide in shapes]
    figure = Figure((width + 0.8, sum(heights) + 0.6 * len(views) + 0.9), layout="constrained")
    panels = figure.subplots(len(views), len(parts) + 1, squeeze=False, height_ratios=heights)
    figure.suptitle(f"{result.path or 'field'}: {column}", fontsize=10)
    for line, view in zip(panels, views, strict=True):
        for panel, (name, values, unit) in zip(line, parts, strict=False):
            view.draw(panel, values)
            panel.set_title(f"{name}, {view.where}", fontsize=9)
            _bar(figure, panel, unit)
        view.draw_status(line[-1], result.return_status)
        line[-1].set_title(f"return status, {view.where}", fontsize=9)
    _legend(figure, result)
    return figure


def _parts(result: "Result", column: str) -> list[tuple[str, np.ndarray, str]]:
    """Name, values (n,) and unit of each panel; no z of a displacement in two dimensions."""
    values = np.asarray(result[column], float)
    unit = result.unit_of(column)
    names = result.component_names(column)
    table = values.reshape(len(result), -1).T
    flat = result.grid is not None and result.grid.shape[0] == 1 and values.shape[1:] == (3,)
    found = [(name, numbers, unit) for name, numbers in zip(names, table, strict=True)][int(flat) :]
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

    def __init__(self, result: "Result", axis: int, layer: int) -> None:
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

    def draw(self, panel: "Axes", values: np.ndarray) -> None:
        """Values as an image; hatched where there are none."""
        _hatch(panel)
        panel.imshow(self.image(values), extent=self.extent, interpolation="nearest", cmap="viridis")
        _label(panel, self.rows, self.columns)

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

    def __init__(self, result: "Result") -> None:
        self.axis = 0 if np.ptp(result.positions[:, 0]) == 0 else 1
        self.rows, self.columns = (k for k in range(3) if k != self.axis)
        self.points, self.where = result.positions, f"seen along {'zyx'[self.axis]}"
        self.size = tuple(max(np.ptp(self.points[:, k]), 1.0) for k in (self.rows, self.columns))

    def draw(self, panel: "Axes", values: np.ndarray) -> None:
        """Values as coloured points; crosses where there are none."""
        good = np.isfinite(values)
        y, x = self.points[:, self.rows], self.points[:, self.columns]
        panel.plot(x[~good], y[~good], "x", color="0.6", markersize=3)
        panel.scatter(x[good], y[good], 9, values[good], cmap="viridis")
        self._frame(panel)

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


def _cuts(result: "Result", at: dict[str, float]) -> Iterator[_Cut]:
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


def _seen_along(result: "Result") -> _Scattered:
    return _Scattered(result)


def _colour(code: int) -> str:
    return COLOURS.get(int(code), "black")


def _hatch(panel: "Axes") -> None:
    """What no pixel covers is hatched: there is no number."""
    panel.patch.set(facecolor="0.96", hatch="////", edgecolor="0.75")


def _label(panel: "Axes", rows: int, columns: int) -> None:
    panel.set_xlabel(f"{'zyx'[columns]} (voxel)", fontsize=8)
    panel.set_ylabel(f"{'zyx'[rows]} (voxel)", fontsize=8)
    panel.tick_params(labelsize=7)


def _bar(figure: "Figure", panel: "Axes", unit: str) -> None:
    drawn = [*panel.images, *panel.collections][-1]
    bar = figure.colorbar(drawn, ax=panel, shrink=0.85, pad=0.02)
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)
    if unit:
        bar.set_label(unit, fontsize=8)


def _legend(figure: "Figure", result: "Result") -> None:
    """Statuses in words, with the number of points of all the field; below the panels."""
    from matplotlib.patches import Patch

    entries = [
        Patch(facecolor=_colour(code), edgecolor="0.5", label=f"{code}: {in_short(code, result.family)} ({count})")
        for code, count in status_counts(result.return_status).items()
    ]
    lowest = LOWEST_MEASURED[Family(result.family)]
    if result.grid and (result.return_status < lowest).any():
        entries.append(Patch(facecolor="0.96", edgecolor="0.75", hatch="////", label="not measured"))
    figure.legend(handles=entries, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
