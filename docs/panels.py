"""What panels of the pictures have in common: axes with a unit, and hatching where nothing is known."""

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle


def ruled(axis: Axes, unit: str = "voxel", along: str = "xy", outer: bool = False, hatched: bool = True) -> None:
    """Axes across and down, with unit; hatched where what is drawn is not a number.

    `outer`: panels beside and below each other show the same part, and the outer ones alone have names and numbers.
    """
    axis.set(xlabel=f"{along[0]}, {unit}", ylabel=f"{along[1]}, {unit}")
    if hatched:
        ground = {"facecolor": "0.92", "edgecolor": "0.6", "hatch": "////", "linewidth": 0, "zorder": -1}
        axis.add_patch(Rectangle((0, 0), 1, 1, transform=axis.transAxes, **ground))
    if outer:
        axis.label_outer()
