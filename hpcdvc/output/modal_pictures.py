"""Pictures of a registration across modalities: joint histogram, phase diagram, checkerboards."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from hpcdvc.output.files import fill, whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Bytes that a picture takes at most.
PICTURE = 2**22
#: Squares of a checkerboard along the longer side.
SQUARES = 8
#: Where one of both has no value.
NOTHING = (0.6, 0.78, 1.0)
#: What is drawn of each phase, standard deviations.
ELLIPSES = (1, 2, 3)

Extent = tuple[float, float, float, float]


def histogram_figure(
    histogram: np.ndarray, means: np.ndarray, covariances: np.ndarray, n_phases: int, extent: Extent,
    names: tuple[str, str],
) -> "Figure":  # fmt: skip
    """The joint histogram of both images, and the Gaussians that were fitted to it.

    Parameters
    ----------
    histogram : (bins, bins) counts, im1 along the first axis
    means, covariances : (n, 2) and (n, 2, 2) of the components, in bins: the phases, then what lies between two of them
    n_phases : how many of them are phases
    extent : grey values of the first and last bin, of im1, then of im2
    names : of the images
    """
    figure, axis = _figure((7, 6))
    counts = np.where(histogram > 0, histogram, np.nan)
    shown = axis.imshow(np.log10(counts.T), origin="lower", extent=extent, aspect="auto", cmap="Greys", vmin=-0.5)
    figure.colorbar(shown, ax=axis, label="voxels, log10")
    bins = len(histogram)
    scale = np.array([(extent[1] - extent[0]) / bins, (extent[3] - extent[2]) / bins])
    first, colours = np.array([extent[0], extent[2]]) + scale / 2, colours_of(n_phases)
    turn = np.linspace(0, 2 * np.pi, 73)
    circle = np.array([np.cos(turn), np.sin(turn)])
    for number, (mean, covariance) in enumerate(zip(means, covariances, strict=True)):
        axes, phase = np.linalg.cholesky(covariance), number < n_phases
        for sigmas in ELLIPSES if phase else (1,):
            line = (mean[:, None] + sigmas * axes @ circle) * scale[:, None] + first[:, None]
            style = {"color": colours[number], "lw": 1.2} if phase else {"color": "0.45", "lw": 0.5, "ls": ":"}
            axis.plot(*line, **style)
        if phase:
            axis.annotate(f"{number + 1}", mean * scale + first, color=colours[number], ha="center", va="center")
    axis.set(xlim=extent[:2], ylim=extent[2:], title="joint histogram, and phases to 1, 2 and 3 standard deviations")
    _label(axis, names)
    return figure


def phases_figure(
    diagram: np.ndarray, histogram: np.ndarray, n_phases: int, extent: Extent, names: tuple[str, str]
) -> "Figure":
    """Which phase each pair of grey values belongs to, and where the voxels are.

    Parameters
    ----------
    diagram : (bins, bins) numbers of phases, im1 along the first axis; 0: none
    histogram : (bins, bins) counts
    n_phases : of the phases
    extent, names : as in `histogram_figure`
    """
    from matplotlib.colors import BoundaryNorm, ListedColormap

    figure, axis = _figure((7, 6))
    colours = ListedColormap(["white", *colours_of(n_phases)])
    norm = BoundaryNorm(np.arange(-0.5, n_phases + 1), colours.N)
    shown = axis.imshow(
        diagram.T, origin="lower", extent=extent, aspect="auto", cmap=colours, norm=norm, interpolation="nearest"
    )
    bar = figure.colorbar(shown, ax=axis, ticks=range(n_phases + 1))
    bar.ax.set_yticklabels(["none", *(f"phase {k}" for k in range(1, n_phases + 1))])
    most = max(int(histogram.max()), 1)
    thresholds = [level for level in 10.0 ** np.arange(1, 12) if level < most]
    if thresholds:
        middles = [np.linspace(*ends, len(histogram) + 1)[:-1] for ends in (extent[:2], extent[2:])]
        axis.contour(*middles, histogram.T, thresholds, colors="black", linewidths=0.5)
    axis.set(title="phase diagram, and lines of 10, 100, 1000, ... voxels")
    _label(axis, names)
    return figure


def checkerboard_figure(
    slices: Mapping[str, np.ndarray], names: tuple[str, str], shape: tuple[int, int, int]
) -> "Figure":
    """Squares of im1 and of im2 in turn, before and after: what belongs together goes on across their sides.

    Parameters
    ----------
    slices : (3, rows, columns) by axis: im1, im2 as it is, im2 brought back
    names : of the images
    shape : of im1, (nz, ny, nx) voxels
    """
    from matplotlib.figure import Figure

    sides = dict(zip("zyx", shape, strict=True))
    widths = [found.shape[2] / max(found.shape[1:]) for found in slices.values()]
    height = max(found.shape[1] / max(found.shape[1:]) for found in slices.values())
    figure = Figure((1 + 4 * sum(widths), 1 + 8.6 * height), layout="constrained")
    axes = figure.subplots(2, len(slices), squeeze=False, width_ratios=widths)
    for column, (name, found) in zip(axes.T, slices.items(), strict=True):
        one, before, after = _scaled(found)
        for axis, other, when in zip(column, (before, after), ("before", "after"), strict=True):
            down, right = (side for side in "zyx" if side != name)
            extent = (-0.5, sides[right] - 0.5, sides[down] - 0.5, -0.5)
            axis.imshow(checkerboard(one, other), interpolation="nearest", extent=extent)
            axis.set(xlabel=f"{right}, voxel", ylabel=f"{down}, voxel")
            axis.set_title(when if shape[0] == 1 else f"{name} = {(sides[name] - 1) // 2}, {when}", fontsize=10)
    figure.suptitle(f"{names[0]} (grey) and {names[1]} (brown); blue: no value", fontsize=10)
    return figure


def checkerboard(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(rows, columns, 3) colours of squares of two images in turn, of grey values from 0 to 1; what is NaN is blue."""
    side = max(max(one.shape) / SQUARES, 1)
    rows, columns = (np.arange(n) // side for n in one.shape)
    first = (rows[:, None] + columns) % 2 == 0
    grey = np.where(first, one, other)[..., None]
    tint = np.where(first[..., None], [1.0, 1.0, 1.0], [1.0, 0.8, 0.45])
    return np.where(np.isfinite(grey), np.nan_to_num(grey) * tint, NOTHING)


def _scaled(found: np.ndarray) -> np.ndarray:
    """Slices of im1, im2 and im2 brought back with grey values from 0 to 1, im2 alike before and after.

    Half of a grey value is its place in the range, half its place among all: air and noise of few voxels do not take
    the contrast that the many others have among themselves.
    """
    result = np.array(found, float)
    for part in (slice(0, 1), slice(1, 3)):
        values = result[part][np.isfinite(result[part])]
        if values.size:
            low, high = np.percentile(values, (0.5, 99.5))
            in_range = np.clip((result[part] - low) / (high - low if high > low else 1.0), 0, 1)
            steps = np.linspace(0, 1, 65)
            among_all = np.interp(result[part], np.quantile(values, steps), steps)
            result[part] = (in_range + among_all) / 2
    return result


def colours_of(count: int) -> list:
    """Colours that tell phases apart."""
    from matplotlib import colormaps

    return [colormaps["tab10" if count <= 10 else "tab20"](k) for k in range(count)]


def save(figure: "Figure", path: str) -> None:
    """Write a figure as a PNG, the same bytes whenever."""
    with whole_file(path, PICTURE) as temporary, fill(temporary, "wb") as file:
        figure.savefig(file, dpi=110, format="png", metadata={"Software": None})


def _figure(size: tuple[float, float]) -> tuple["Figure", "Axes"]:
    from matplotlib.figure import Figure

    figure = Figure(size, layout="constrained")
    return figure, figure.subplots()


def _label(axis: "Axes", names: tuple[str, str]) -> None:
    axis.set_xlabel(f"grey value of {names[0]}")
    axis.set_ylabel(f"grey value of {names[1]}")
