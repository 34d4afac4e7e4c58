"""Curves and distributions of a report, and what all its pictures are made with."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hpcdvc.pages import facts
from hpcdvc.pages.result_file import ResultFile

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 80
#: Where there is no number, and of what is less certain.
GREY = "#9a9a9a"


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


def empty_figure(rows: int, columns: int, high: float = 3.1, below: float = 0.0) -> tuple["Figure", np.ndarray]:
    """A figure of some rows and columns of axes, each `high` inches, and of what stands `below` them."""
    from matplotlib.figure import Figure

    width, height = 3.4 * columns + 0.9, high * rows + 0.5 + below
    figure = Figure((width, height))  # no automatic layout: it takes most of the time of a report
    room = {"left": 0.62 / width, "right": 1 - 1.1 / width, "bottom": (0.55 + below) / height, "top": 1 - 0.3 / height}
    return figure, figure.subplots(rows, columns, squeeze=False, gridspec_kw={**room, "wspace": 0.25, "hspace": 0.3})


def picture_of(name: str, caption: str, figure: "Figure") -> Picture:
    """The picture that a figure makes, always the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=DPI, format="png", metadata={"Software": None})
    return Picture(name, caption, buffer.getvalue())


def _small(axis: "Axes", whole: bool = False) -> None:
    """Numbers that do not run into each other or out of the picture; `whole` ones to the right."""
    axis.tick_params(labelsize=7, which="both")
    axis.locator_params(axis="x", nbins=5, integer=whole)
    axis.ticklabel_format(scilimits=(-3, 4), useOffset=False)
    for line in (axis.xaxis, axis.yaxis):
        line.get_offset_text().set_fontsize(7)


def steps_picture(result: ResultFile) -> Picture:
    """Displacements of the pairs of a series, with their standard deviations, and correlations."""
    steps, moved = result.values("step"), result.known("displacement")
    std = result.known("displacement_std") if "displacement_std" in result.columns else np.full(moved.shape, np.nan)
    panels = [(f"displacement{end}", moved[:, k], std[:, k]) for k, end in enumerate(facts.ends_of(3))]
    panels = [panel for panel in panels if np.any(panel[1])]  # images do not move along z
    if "zncc" in result.columns:
        panels.append(("zncc", result.known("zncc")[:, 0], np.full(len(steps), np.nan)))
    figure, axes = empty_figure(1, max(len(panels), 1))
    for axis, (title, values, errors) in zip(axes[0], panels, strict=False):
        known = np.isfinite(values)
        axis.errorbar(steps[known], values[known], np.nan_to_num(errors[known]), fmt="k.-", ecolor=GREY)
        axis.set(title=title, xlabel="pair")
        _small(axis, whole=True)
        axis.grid(alpha=0.3)
    return picture_of(
        "steps", "Displacement of each pair, voxel, with its standard deviation, and correlation.", figure
    )


def history_picture(history: dict[str, np.ndarray]) -> Picture:
    """How a registration came to its end."""
    wanted = ("delta_phi_norm", "deltaPhiNorm", "change", "zncc", "error", "rms", "residual", "log_likelihood",
              "explained")  # fmt: skip
    names = [name for name in wanted if name in history and history[name].ndim == 1]
    figure, axes = empty_figure(1, max(len(names), 1))
    for axis, name in zip(axes[0], names, strict=False):
        values = history[name]
        numbers = history.get("iteration", np.arange(1, len(values) + 1))
        shown = values > 0 if name in wanted[:3] and (values > 0).any() else np.full(len(values), True)
        axis.plot(numbers[shown], values[shown], "k.-")
        axis.set(title=name, xlabel="iteration")
        _small(axis, whole=True)
        axis.grid(alpha=0.3)
        if name in wanted[:3] and shown.any():
            axis.set_yscale("log")
    return picture_of("iterations", "How the iterations came to their end.", figure)


def histograms(result: ResultFile, drawn: list[str]) -> Iterator[Picture]:
    """How the numbers of the columns are distributed, of measured points."""
    panels = [(name, result.columns[name].unit, result.sampled(name)) for name in drawn[:6]]
    panels = [panel for panel in panels if np.isfinite(panel[2]).any()]
    if not panels or len(panels[0][2]) < 2:
        return
    figure, axes = empty_figure(-(-len(panels) // 3), min(3, len(panels)), 2.6)
    for axis in axes.ravel()[len(panels) :]:
        axis.set_axis_off()
    for axis, (name, unit, values) in zip(axes.ravel(), panels, strict=False):
        known = values[np.isfinite(values)]
        bins = histogram_bins(known)
        for end, one in zip(facts.ends_of(values.shape[1]), values.T, strict=True):
            if one.any() or not values.any():  # images do not move along z
                axis.hist(one[np.isfinite(one)], bins, histtype="step", label=f"{name}{end}")
        axis.set(xlabel=f"{name}, {unit}" if unit else name, ylabel="points")
        _small(axis)
        axis.legend(fontsize=7)
    yield picture_of("histograms", "Distributions, of measured points, between the percentiles 0.5 and 99.5.", figure)


def histogram_bins(known: np.ndarray) -> np.ndarray:
    """Edges of the bins between the percentiles 0.5 and 99.5 of some numbers; of few numbers all are in between."""
    low, high = (np.percentile(known, at, method=end) for at, end in ((0.5, "lower"), (99.5, "higher")))
    return np.linspace(low, high if high > low else low + 1e-9, 61)
