"""Pictures of a result, each a PNG in memory with its caption."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hpcdvc.fields.decomposition import decompose_f
from hpcdvc.fields.status import reason_of
from hpcdvc.pages import facts
from hpcdvc.pages.residual import PairOfPlanes
from hpcdvc.pages.result_file import ResultFile

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

AXES = "ZYX"
#: Where there is no number.
GREY = "#9a9a9a"
#: Colours of statuses, the same in every picture.
COLOURS = {
    3: "#7fbc41", 2: "#1b7837", 1: "#a6dba0", 0: "#d9d9d9", -1: "#fdae61", -2: "#8c510a", -3: "#d73027", -4: "#a50026",
    -5: "#ffffff", -6: "#dfc27d", -7: "#c51b7d", -8: "#4575b4", -9: "#f46d43", -10: "#984ea3", -11: "#74add1",
    -12: "#bdbdbd", -13: "#e7298a", -14: "#66c2a5", -15: "#fee08b",
}  # fmt: skip
#: Columns that are drawn, in this order, with the name of their colour map; vectors by component.
DRAWN = {
    "displacement": "viridis", "e": "RdBu_r", "vol": "RdBu_r", "dev": "magma", "rotation": "viridis",
    "displacement_std": "magma", "transmission": "viridis", "visibility": "viridis", "phase": "viridis",
    "zncc": "viridis", "CC": "viridis", "error": "magma", "cost": "magma", "residual": "magma", "grey": "gray",
    "reconstruction": "gray", "phase_map": "viridis",
}  # fmt: skip
#: Points beyond which those near the middle of a cloud are shown.
CROWD = 4000
DPI = 80


@dataclass(frozen=True)
class Picture:
    """A picture of a report.

    Attributes
    ----------
    name, caption : what it shows
    png : its bytes
    """

    name: str
    caption: str
    png: bytes


def pictures_of(result: ResultFile, planes: PairOfPlanes | str) -> Iterator[Picture]:
    """All pictures, in the order of the report."""
    drawn = [name for name in DRAWN if name in result.columns]
    if result.kind != "registration":
        cuts = _slices(result) if result.grid else _clouds(result)
        if "returnStatus" in result.columns:
            yield _status_picture(result, cuts)
        for name in drawn:
            yield _column_picture(result, name, cuts)
        if "F" in result.columns and "vol" not in result.columns:
            yield _strain_picture(result, cuts)
    history = result.history
    if history:
        yield _history_picture(history)
    if isinstance(planes, PairOfPlanes):
        yield from _residual_pictures(planes)
    yield from _histograms(result, drawn)


@dataclass(frozen=True)
class Cut:
    """A part of a result that one panel shows.

    Attributes
    ----------
    title : where it is
    across : the axis that is not seen
    part : of the points
    extent : of the picture of a grid, left, right, bottom, top, voxels; None of points
    positions : (n, 3) of points
    """

    title: str
    across: int
    part: tuple | np.ndarray
    extent: tuple[float, ...] | None = None
    positions: np.ndarray | None = None

    @property
    def seen(self) -> tuple[int, int]:
        """The axes down and to the right."""
        down, right = (k for k in range(3) if k != self.across)
        return down, right


def _slices(result: ResultFile) -> list[Cut]:
    """The middle planes of a grid that has more than one node along two axes."""
    grid, cuts = result.grid, []
    for across in range(3):
        down, right = (k for k in range(3) if k != across)
        if result.shape[down] == 1 or result.shape[right] == 1:
            continue
        number = result.middle(across)
        part = tuple(number if k == across else slice(None) for k in range(3))
        ends = [grid.origin[k] + grid.spacing[k] * np.array([-0.5, grid.shape[k] - 0.5]) for k in range(3)]
        place = grid.origin[across] + number * grid.spacing[across]
        title = f"{AXES[across]} = {place:g}" if result.shape[across] > 1 else ""
        cuts.append(Cut(title, across, part, (*ends[right], *ends[down][::-1])))
    return cuts or [Cut("", 0, (0,), (-0.5, result.shape[2] - 0.5, result.shape[1] - 0.5, -0.5))]


def _clouds(result: ResultFile) -> list[Cut]:
    """Points seen along each axis; of many, those near the middle."""
    positions, cuts = result.positions, []
    wide = {across: sum(np.ptp(positions[:, k]) > 0 for k in range(3) if k != across) for across in range(3)}
    for across in (axis for axis in range(3) if wide[axis] == max(wide.values())):
        along = positions[:, across]
        rows, title = np.arange(len(positions)), f"seen along {AXES[across]}"
        if len(rows) > CROWD:
            rows = np.sort(np.argsort(np.abs(along - np.median(along)), kind="stable")[:CROWD])
            title = f"{AXES[across]} from {along[rows].min():.4g} to {along[rows].max():.4g}"
        cuts.append(Cut(title, across, rows, positions=positions[rows]))
    return cuts


def _figure(rows: int, columns: int, high: float = 3.1) -> tuple["Figure", np.ndarray]:
    from matplotlib.figure import Figure

    width, height = 3.4 * columns + 0.9, high * rows + 0.5
    figure = Figure((width, height))  # no automatic layout: it takes most of the time of a report
    room = {"left": 0.62 / width, "right": 1 - 1.1 / width, "bottom": 0.55 / height, "top": 1 - 0.3 / height}
    return figure, figure.subplots(rows, columns, squeeze=False, gridspec_kw={**room, "wspace": 0.25, "hspace": 0.3})


def _picture(name: str, caption: str, figure: "Figure") -> Picture:
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=DPI, format="png", metadata={"Software": None})
    return Picture(name, caption, buffer.getvalue())


def _show(axis: "Axes", cut: Cut, values: np.ndarray, **how) -> object:
    """Draw values of a cut; what is not a number stays grey."""
    down, right = cut.seen
    if cut.extent is not None:
        axis.set_facecolor(GREY)
        image = axis.imshow(values, extent=cut.extent, interpolation="nearest", **how)
    else:
        places, known = cut.positions, np.isfinite(values)
        size = float(np.clip(2e4 / max(len(values), 1), 6, 150))
        axis.scatter(places[~known, right], places[~known, down], s=size, c=GREY, marker="x", linewidths=1)
        image = axis.scatter(places[known, right], places[known, down], s=size, c=values[known], **how)
        axis.set_aspect("equal")
        axis.yaxis.set_inverted(True)
    axis.set_title(cut.title, fontsize=9)
    axis.set_xlabel(f"{AXES[right]}, voxel", fontsize=8)
    axis.set_ylabel(f"{AXES[down]}, voxel", fontsize=8)
    axis.tick_params(labelsize=7)
    axis.locator_params(nbins=4)
    return image


def _values(result: ResultFile, name: str, cut: Cut) -> np.ndarray:
    """(..., numbers) of a column in a cut, NaN where not measured."""
    return result.known(name, cut.part) if cut.extent is not None else result.known(name)[cut.part]


def _column_picture(result: ResultFile, name: str, cuts: list[Cut]) -> Picture:
    column = result.columns[name]
    per_cut = [_values(result, name, cut) for cut in cuts]
    ends = facts.ends_of(per_cut[0].shape[-1])
    unit = f", {column.unit}" if column.unit not in ("", "1") else ""
    panels = [(f"{name}{end}{unit}", [values[..., k] for values in per_cut]) for k, end in enumerate(ends)]
    return _panels(name, f"{name}: {column.meaning}", panels, cuts, DRAWN[name])


def _strain_picture(result: ResultFile, cuts: list[Cut]) -> Picture:
    flat = result.grid is not None and result.shape[0] == 1
    gradients = [_values(result, "F", cut) for cut in cuts]
    parts = [decompose_f(f.reshape(*f.shape[:-1], 3, 3), two_d=flat) for f in gradients]
    panels = [("volumetric strain", [one.vol for one in parts]), ("deviatoric strain", [one.dev for one in parts])]
    caption = "Strain: volumetric (det F - 1) and deviatoric, of the F of each point"
    return _panels("strain", caption, panels, cuts, "RdBu_r")


def _panels(name: str, caption: str, panels: list, cuts: list[Cut], colours: str) -> Picture:
    """A row for each number, a column for each cut; a row has one range of colours, between its percentiles."""
    import matplotlib

    figure, axes = _figure(len(panels), len(cuts))
    for row, (title, values) in zip(axes, panels, strict=True):
        known = np.concatenate([one[np.isfinite(one)] for one in values])
        low, high = np.percentile(known, (1, 99)) if known.size else (0.0, 1.0)
        if colours == "RdBu_r":
            high = max(abs(low), abs(high)) or 1.0
            low = -high
        how = {"vmin": low, "vmax": high if high > low else low + 1e-12, "cmap": matplotlib.colormaps[colours]}
        for axis, cut, one in zip(row, cuts, values, strict=True):
            image = _show(axis, cut, one, **how)
        figure.colorbar(image, ax=row.tolist(), label=title, extend="both")
    return _picture(name, f"{caption}. Grey: not measured; the colours end at the percentiles 1 and 99.", figure)


def _status_picture(result: ResultFile, cuts: list[Cut]) -> Picture:
    from matplotlib.colors import BoundaryNorm, ListedColormap
    from matplotlib.patches import Patch

    told = {int(code): entry for code, entry in (result.metadata.get("statuses") or {}).items()}
    codes = sorted(told or set(np.unique(result.statuses())), reverse=True)
    colours = [COLOURS.get(code, "#000000") for code in codes]
    how = {"cmap": ListedColormap(colours), "norm": BoundaryNorm(np.arange(len(codes) + 1) - 0.5, len(codes))}
    places = {code: k for k, code in enumerate(codes)}
    figure, axes = _figure(1, len(cuts), 3.3 + 0.18 * len(codes))
    for axis, cut in zip(axes[0], cuts, strict=True):
        part = cut.part if cut.extent is not None else slice(None)
        found = np.vectorize(lambda code: places.get(int(code), 0), otypes=[float])(result.statuses(part))
        _show(axis, cut, found if cut.extent is not None else found[cut.part], **how)
    handles = [
        Patch(facecolor=colour, edgecolor="black", linewidth=0.5, label=f"{code}: {reason_of(code, result.family)}")
        for code, colour in zip(codes, colours, strict=True)
    ]
    figure.legend(handles=handles, loc="outside lower center", fontsize=8)
    return _picture("returnStatus", "How the points ended.", figure)


def _history_picture(history: dict[str, np.ndarray]) -> Picture:
    """How a registration came to its end."""
    wanted = ("delta_phi_norm", "deltaPhiNorm", "change", "zncc", "error", "rms", "log_likelihood", "explained")
    names = [name for name in wanted if name in history and history[name].ndim == 1]
    figure, axes = _figure(1, max(len(names), 1))
    for axis, name in zip(axes[0], names, strict=False):
        axis.plot(np.arange(1, len(history[name]) + 1), history[name], "k.-")
        axis.set(title=name, xlabel="iteration")
        axis.grid(alpha=0.3)
        if name in wanted[:3] and (history[name] > 0).any():
            axis.set_yscale("log")
    return _picture("iterations", "How the iterations came to their end.", figure)


def _residual_pictures(planes: PairOfPlanes) -> Iterator[Picture]:
    before, after = planes.residuals
    known = before[np.isfinite(before)]
    high = float(np.percentile(np.abs(known), 99)) if known.size else 1.0
    ends = (-0.5 * planes.step, (planes.im1.shape[1] - 0.5) * planes.step)
    down = (-0.5 * planes.step, (planes.im1.shape[0] - 0.5) * planes.step)
    cut = Cut(f"Z = {planes.z}", 0, (), (*ends, *down[::-1]))
    grey = planes.im1[np.isfinite(planes.im1)]
    low_high = np.percentile(grey, (1, 99)) if grey.size else (0, 1)
    first, last = planes.rms
    for name, caption, values, colours, (vmin, vmax) in (
        ("im1", "im1", planes.im1, "gray", low_high),
        ("im2 brought back", "im2 where the result says im1 has gone, in the grey values of im1", planes.after, "gray",
         low_high),
        ("residual before", f"im2 - im1 before: root mean square {first:.4g}", before, "RdBu_r", (-high, high)),
        ("residual after", f"im2 - im1 after: root mean square {last:.4g}", after, "RdBu_r", (-high, high)),
    ):  # fmt: skip
        figure, axes = _figure(1, 1, 3.4)
        image = _show(axes[0, 0], cut, values, cmap=colours, vmin=vmin, vmax=vmax if vmax > vmin else vmin + 1)
        figure.colorbar(image, ax=axes[0, 0], label="grey value", extend="both")
        yield _picture(name, f"{caption}. Grey or white: no value." if "residual" in name else f"{caption}.", figure)


def _histograms(result: ResultFile, drawn: list[str]) -> Iterator[Picture]:
    """How the numbers of the columns are distributed, of measured points."""
    panels = [(name, result.columns[name].unit, result.sampled(name)) for name in drawn[:6]]
    if not panels or len(panels[0][2]) < 2:
        return
    figure, axes = _figure(-(-len(panels) // 3), min(3, len(panels)), 2.6)
    for axis in axes.ravel()[len(panels) :]:
        axis.set_axis_off()
    for axis, (name, unit, values) in zip(axes.ravel(), panels, strict=False):
        known = values[np.isfinite(values)]
        low, high = np.percentile(known, (0.5, 99.5)) if known.size else (0, 1)
        bins = np.linspace(low, high if high > low else low + 1e-9, 61)
        for end, one in zip(facts.ends_of(values.shape[1]), values.T, strict=True):
            axis.hist(one[np.isfinite(one)], bins, histtype="step", label=f"{name}{end}")
        axis.set(xlabel=f"{name}, {unit}" if unit else name, ylabel="points")
        axis.legend(fontsize=7)
    yield _picture("histograms", "Distributions, of measured points, between the percentiles 0.5 and 99.5.", figure)
