"""Pictures of a mask or of labels over the grey image: three slices, or the one of a 2-D image."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hpcdvc.output.files import fill, whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Bytes that a picture takes at most.
PICTURE = 2**23
#: Pixels of the longer side of a slice; of longer ones every second pixel is shown, or third ...
PIXELS = 700
#: Colours of labels, and how much of them covers the grey values.
COLOURS, COVER = 256, 0.55


@dataclass(frozen=True)
class Cut:
    """A slice of both images.

    Attributes
    ----------
    grey, marks : (rows, columns) grey values, and mask or labels
    place : plane, voxels
    """

    grey: np.ndarray
    marks: np.ndarray
    place: int


def draw_outline(path: str, cuts: Mapping[str, Cut], title: str) -> None:
    """Draw the outline of a mask over grey values, as a PNG.

    Parameters
    ----------
    path : of the picture
    cuts : by axis that they are normal to, "Z", "Y" or "X"
    title : above the slices
    """

    def mark(axis: "Axes", cut: Cut, extent: tuple[float, ...], step: int) -> None:
        marks = cut.marks[::step, ::step] != 0
        if marks.any() and not marks.all():
            axis.contour(marks, [0.5], colors="#ff5a1f", linewidths=1.2, extent=extent, origin="upper")

    _draw(path, cuts, title, mark)


def draw_labels(path: str, cuts: Mapping[str, Cut], title: str) -> None:
    """Draw labels in colours, through which grey values show; as `draw_outline`."""
    from matplotlib import colormaps

    palette = np.random.default_rng(3).permutation(colormaps["hsv"](np.linspace(0, 1, COLOURS, endpoint=False)))

    def mark(axis: "Axes", cut: Cut, extent: tuple[float, ...], step: int) -> None:
        labels = cut.marks[::step, ::step].astype(np.int64)
        colours = palette[labels % COLOURS]
        colours[..., 3] = np.where(labels > 0, COVER, 0)
        edge = np.zeros(labels.shape, bool)
        edge[:, 1:] |= labels[:, 1:] != labels[:, :-1]
        edge[1:] |= labels[1:] != labels[:-1]
        colours[edge] = (0, 0, 0, 0.8)
        axis.imshow(colours, extent=extent, interpolation="nearest")

    _draw(path, cuts, title, mark)


def _draw(path: str, cuts: Mapping[str, Cut], title: str, mark) -> None:
    from matplotlib.figure import Figure

    widths = [cut.grey.shape[1] / max(cut.grey.shape) for cut in cuts.values()]
    height = max(cut.grey.shape[0] / max(cut.grey.shape) for cut in cuts.values())
    figure = Figure((0.8 + 4.2 * sum(widths), 1.2 + 4.2 * height), layout="constrained")
    axes = figure.subplots(1, len(cuts), squeeze=False, width_ratios=widths)[0]
    for axis, (name, cut) in zip(axes, cuts.items(), strict=True):
        rows, columns = cut.grey.shape
        step = -(-max(rows, columns) // PIXELS)
        grey = np.where(np.isfinite(cut.grey), cut.grey, np.nan)[::step, ::step].astype(float)
        known = grey[np.isfinite(grey)]
        low, high = np.percentile(known, (0.5, 99.5)) if known.size else (0, 1)
        extent = (-0.5, columns - 0.5, rows - 0.5, -0.5)
        axis.imshow(grey, cmap="gray", vmin=low, vmax=high if high > low else low + 1, extent=extent)
        mark(axis, cut, extent, step)
        down, across = (other for other in "ZYX" if other != name)
        axis.set(xlabel=f"{across}, voxel", ylabel=f"{down}, voxel", xlim=extent[:2], ylim=extent[2:])
        axis.set_title(f"{name} = {cut.place}", fontsize=10)
    figure.suptitle(title, fontsize=10)
    with whole_file(path, PICTURE) as temporary, fill(temporary, "wb") as file:
        figure.savefig(file, dpi=110, format="png", metadata={"Software": None})
