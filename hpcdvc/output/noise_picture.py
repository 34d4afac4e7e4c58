"""Random error and bias of the displacement against the size of the window, drawn."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hpcdvc.fields.noise import Errors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("tab:blue", "tab:orange", "tab:green")


def noise_picture(
    errors: Sequence[Errors], chosen: Errors | None, wanted: float, names: tuple[str, str], unit: str, key: str
) -> bytes:
    """PNG of two curves for each axis.

    Parameters
    ----------
    errors : by size, ascending; those that are not known are left out
    chosen : the recommended window
    wanted : largest random error, voxels
    names : title, and what the bias is called
    unit : voxel or pixel
    key : of the run

    Returns
    -------
    bytes
    """
    from matplotlib.figure import Figure

    known = [one for one in errors if one.known]
    edges = np.array([2 * one.half + 1 for one in known])
    random, bias, deviation = (np.array([getattr(one, n) for one in known]) for n in ("random", "bias", "bias_std"))
    figure = Figure((10, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    axes = np.flatnonzero(random.any(axis=0))
    for axis in axes:
        look = {"color": COLOURS[axis], "label": "zyx"[axis], "marker": "o", "markersize": 4}
        left.plot(edges, random[:, axis], **look)
        right.errorbar(edges, bias[:, axis], 2 * deviation[:, axis], capsize=3, **look)
    power = 1 if len(axes) == 2 else 1.5
    ideal = random[-1, axes].mean() * (edges / edges[-1]) ** -power
    left.plot(edges, ideal, color="0.5", linestyle=":", label=f"window^-{power:g}")
    left.axhline(wanted, color="0.3", linestyle="--", linewidth=1, label=f"wanted {wanted:g}")
    left.set_yscale("log")
    left.set_title("random error (one standard deviation)", fontsize=10)
    right.axhline(0, color="0.3", linewidth=1)
    right.set_title(names[1], fontsize=10)
    for plot in (left, right):
        _name_axes(plot, edges, unit)
        if chosen:
            plot.axvline(2 * chosen.half + 1, color="tab:red", alpha=0.3, linewidth=6, label="recommended")
    left.legend(fontsize=8)
    figure.suptitle(names[0], fontsize=10)
    content = io.BytesIO()
    figure.savefig(content, dpi=110, format="png", metadata={"Software": None, "Comment": key})
    return content.getvalue()


def _name_axes(plot: "Axes", edges: np.ndarray, unit: str) -> None:
    """Ticks at the windows, along an axis whose steps are factors."""
    from matplotlib.ticker import NullFormatter

    plot.set_xscale("log")
    plot.set_xticks(edges, [str(edge) for edge in edges])
    plot.xaxis.set_minor_formatter(NullFormatter())
    plot.set_xlabel(f"window, {unit}s along an edge")
    plot.set_ylabel(unit)
    plot.grid(alpha=0.3, which="both")
