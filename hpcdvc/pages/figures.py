"""Pictures of a result, each a PNG in memory with its caption."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hpcdvc.fields.decomposition import decompose_f
from hpcdvc.fields.status import Status, is_measured, reason_of
from hpcdvc.output.colours import COLOURS
from hpcdvc.pages import facts
from hpcdvc.pages.colours import DRAWN, ROUNDING
from hpcdvc.pages.curves import GREY, Picture, empty_figure, histograms, history_picture, picture_of, steps_picture
from hpcdvc.pages.residual import PairOfPlanes
from hpcdvc.pages.result_file import SAMPLE, ResultFile
from hpcdvc.pages.whole import whole_figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

AXES = "ZYX"
#: Points beyond which those near the middle of a cloud are shown.
CROWD = 4000


def pictures_of(result: ResultFile, planes: PairOfPlanes | str) -> Iterator[Picture]:
    """All pictures, in the order of the report."""
    drawn = [name for name in DRAWN if name in result.columns]
    if result.pairs > 1:
        yield steps_picture(result)
    elif result.kind != "registration":
        middles = [result.middle(across) for across in range(3)] if result.grid else []
        cuts = _slices(result, middles) if result.grid else _clouds(result)
        if "returnStatus" in result.columns:
            failures = _slices(result, _planes_of_failures(result, middles)) if result.grid else cuts
            yield _status_picture(result, failures)
        for name in drawn:
            yield from _column_picture(result, name, cuts)
        if "F" in result.columns and "vol" not in result.columns:
            yield from _strain_picture(result, cuts)
    for name, caption, figure in whole_figures(result):
        yield picture_of(name, caption, figure)
    history = result.history
    if history:
        yield history_picture(history)
    if isinstance(planes, PairOfPlanes):
        yield from _residual_pictures(planes)
    yield from histograms(result, drawn)


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


def _slices(result: ResultFile, numbers: Sequence[int]) -> list[Cut]:
    """Planes of a grid across its axes, by their numbers, where it has more than one node along the other two."""
    grid, cuts = result.grid, []
    for across in range(3):
        down, right = (k for k in range(3) if k != across)
        if result.shape[down] == 1 or result.shape[right] == 1:
            continue
        number = numbers[across]
        part = tuple(number if k == across else slice(None) for k in range(3))
        ends = [grid.origin[k] + grid.spacing[k] * np.array([-0.5, grid.shape[k] - 0.5]) for k in range(3)]
        place = grid.origin[across] + number * grid.spacing[across]
        title = f"{AXES[across]} = {place:g}" if result.shape[across] > 1 else ""
        cuts.append(Cut(title, across, part, (*ends[right], *ends[down][::-1])))
    return cuts or [Cut("", 0, (0,), (-0.5, result.shape[2] - 0.5, result.shape[1] - 0.5, -0.5))]


def _planes_of_failures(result: ResultFile, middles: Sequence[int]) -> list[int]:
    """Numbers of the planes in which most points have failed, of those alike nearest to the middle.

    Of results of more than SAMPLE points they are those in the middle, for not all of them are read.
    """
    if _is_large(result):
        return list(middles)
    status = result.statuses()
    failed = ~is_measured(status, result.family) & (status != Status.NO_SPECIMEN)
    chosen = []
    for across, middle in enumerate(middles):
        counts = failed.sum(axis=tuple(k for k in range(3) if k != across))
        alike = np.flatnonzero(counts == counts.max())
        chosen.append(int(alike[np.argmin(np.abs(alike - middle))]))
    return chosen


def _is_large(result: ResultFile) -> bool:
    return bool(np.prod(result.shape, dtype=np.int64) > SAMPLE)


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


def _column_picture(result: ResultFile, name: str, cuts: list[Cut]) -> Iterator[Picture]:
    column = result.columns[name]
    per_cut = [_values(result, name, cut) for cut in cuts]
    ends = facts.ends_of(per_cut[0].shape[-1])
    unit = facts.unit_of(result, name)
    unit = f", {unit}" if unit not in ("", "1") else ""
    panels = [(f"{name}{end}{unit}", [values[..., k] for values in per_cut], DRAWN[name]) for k, end in enumerate(ends)]
    known = [panel for panel in panels if _most(panel[1]) >= 0]
    told = [panel for panel in known if _most(panel[1]) > 0] or known  # images do not move along z
    if told:
        yield _panels(name, f"{name}: {column.meaning}", told, cuts)


def _most(values: list[np.ndarray]) -> float:
    """Greatest absolute value of the cuts; -1 where nothing is known."""
    return max(float(np.abs(one[np.isfinite(one)]).max(initial=-1)) for one in values)


def _strain_picture(result: ResultFile, cuts: list[Cut]) -> Iterator[Picture]:
    flat = result.grid is not None and result.shape[0] == 1
    gradients = [_values(result, "F", cut) for cut in cuts]
    parts = [decompose_f(f.reshape(*f.shape[:-1], 3, 3), two_d=flat) for f in gradients]
    panels = [("volumetric strain", [one.vol for one in parts], "RdBu_r"),
              ("deviatoric strain", [one.dev for one in parts], "magma")]  # fmt: skip
    if any(_most(values) > ROUNDING for _, values, _ in panels):  # else F was no unknown: searches, rigid particles
        yield _panels("strain", "Strain: volumetric (det F - 1) and deviatoric, of the F of each point", panels, cuts)


def _panels(name: str, caption: str, panels: list, cuts: list[Cut]) -> Picture:
    """A row for each number, a column for each cut; a row has one range of colours, between its percentiles."""
    import matplotlib

    figure, axes = empty_figure(len(panels), len(cuts))
    for row, (title, values, colours) in zip(axes, panels, strict=True):
        known = np.concatenate([one[np.isfinite(one)] for one in values])
        low, high = np.percentile(known, (1, 99)) if known.size else (0.0, 1.0)
        if colours == "RdBu_r":
            high = max(abs(low), abs(high)) or 1.0
            low = -high
        how = {"vmin": low, "vmax": high if high > low else low + 1e-12, "cmap": matplotlib.colormaps[colours]}
        for axis, cut, one in zip(row, cuts, values, strict=True):
            image = _show(axis, cut, one, **how)
        figure.colorbar(image, ax=row.tolist(), label=title, extend="both")
    return picture_of(name, f"{caption}. Grey: not measured; the colours end at the percentiles 1 and 99.", figure)


def _status_picture(result: ResultFile, cuts: list[Cut]) -> Picture:
    from matplotlib.colors import BoundaryNorm, ListedColormap
    from matplotlib.patches import Patch

    told = {int(code): entry for code, entry in (result.metadata.get("statuses") or {}).items()}
    codes = sorted(told or set(np.unique(result.statuses())), reverse=True)
    colours = [COLOURS.get(code, "#000000") for code in codes]
    how = {"cmap": ListedColormap(colours), "norm": BoundaryNorm(np.arange(len(codes) + 1) - 0.5, len(codes))}
    places = {code: k for k, code in enumerate(codes)}
    figure, axes = empty_figure(1, len(cuts), below=0.1 + 0.18 * len(codes))
    for axis, cut in zip(axes[0], cuts, strict=True):
        part = cut.part if cut.extent is not None else slice(None)
        found = np.vectorize(lambda code: places.get(int(code), 0), otypes=[float])(result.statuses(part))
        _show(axis, cut, found if cut.extent is not None else found[cut.part], **how)
    handles = [
        Patch(facecolor=colour, edgecolor="black", linewidth=0.5, label=f"{code}: {reason_of(code, result.family)}")
        for code, colour in zip(codes, colours, strict=True)
    ]
    figure.legend(handles=handles, loc="lower center", fontsize=8, borderaxespad=0.1)
    where = "" if result.grid is None or _is_large(result) else ", on the planes where most have failed"
    return picture_of("returnStatus", f"How the points ended{where}.", figure)


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
        figure, axes = empty_figure(1, 1, 3.4)
        image = _show(axes[0, 0], cut, values, cmap=colours, vmin=vmin, vmax=vmax if vmax > vmin else vmin + 1)
        figure.colorbar(image, ax=axes[0, 0], label="grey value", extend="both")
        yield picture_of(name, f"{caption}. Grey or white: no value." if "residual" in name else f"{caption}.", figure)
