"""An alignment of views, drawn: a sinogram before and after it, and the offsets."""

from typing import TYPE_CHECKING

import numpy as np

from hpcdvc.output.files import fill, whole_file

if TYPE_CHECKING:
    import h5py
    from matplotlib.figure import Figure

#: Bytes that a picture takes at most.
PICTURE = 2**22


def draw_alignment(
    path: str, views: "h5py.Dataset | np.ndarray", offsets: np.ndarray, changes: np.ndarray, angles: np.ndarray
) -> None:
    """Draw the middle row of all views as they are and as they lie afterwards, the offsets, and how they were found.

    Parameters
    ----------
    path : of the picture, a PNG
    views : (n, K, J), rows k and columns j
    offsets : (iterations + 1, 2, n) of j and k, pixels, the start first
    changes : (iterations + 1,) largest shift in each iteration, pixels
    angles : (n,) degrees, by which views are ordered where all of them are known
    """
    figure = alignment_figure(views, offsets, changes, angles)
    with whole_file(path, PICTURE) as temporary, fill(temporary, "wb") as file:
        figure.savefig(file, dpi=110, format="png", metadata={"Software": None})


def alignment_figure(
    views: "h5py.Dataset | np.ndarray", offsets: np.ndarray, changes: np.ndarray, angles: np.ndarray
) -> "Figure":
    """The figure of `draw_alignment`."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    order = np.argsort(angles, kind="stable") if np.isfinite(angles).all() else np.arange(len(views))
    before, after = (sinogram(views, shifts)[order] for shifts in (np.zeros_like(offsets[-1]), offsets[-1]))
    figure = Figure((10, 7), layout="constrained")
    axes = figure.subplots(2, 2).ravel()
    most = float(np.nanmax(before, initial=1e-30))
    for axis, image, title in zip(axes, (before, after), ("before", "after"), strict=False):
        picture = axis.imshow(image, cmap="gray", vmin=0, vmax=most, aspect="auto", interpolation="nearest")
        axis.set(title=f"middle row of all views, {title}", xlabel="pixel j", ylabel="views, by angle")
    figure.colorbar(picture, ax=axes[1], label="value of a view")
    for component, colour, name in zip(range(2), ("tab:blue", "tab:orange"), "jk", strict=True):
        axes[2].plot(offsets[0, component, order], ":", color=colour, label=f"{name} at the start")
        axes[2].plot(offsets[-1, component, order], ".-", color=colour, label=name)
    axes[2].set(title="offsets, pixel", xlabel="views, by angle")
    axes[2].legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=4)  # clear of the curves
    moved = np.flatnonzero(changes > 0)
    axes[3].plot(moved, changes[moved], "k.-")
    if len(moved):
        axes[3].set_yscale("log")
    axes[3].set(title="largest shift of a view, pixel", xlabel="iteration")
    axes[3].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    for axis in axes[2:]:
        axis.grid(alpha=0.3)
    return figure


def sinogram(views: "h5py.Dataset | np.ndarray", offsets: np.ndarray) -> np.ndarray:
    """(n, J) middle rows of views (n, K, J) that are moved by their offsets (2, n), of j and k; linear in between."""
    count, rows, columns = views.shape
    found, places = np.zeros((count, columns)), np.arange(columns)
    for view, (j, k) in enumerate(offsets.T):
        row = (rows - 1) / 2 - k
        low = int(np.floor(row))
        for number, weight in ((low, low + 1 - row), (low + 1, row - low)):
            if weight and 0 <= number < rows:
                found[view] += weight * np.interp(places - j, places, views[view, number], left=0, right=0)
    return found
