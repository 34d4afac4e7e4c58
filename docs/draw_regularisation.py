"""Picture of the theory of global correlation: what its regularisation leaves of sines, and of noise."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from ideal_texture import IdealBox

from hpcdvc.fem.mesh import create_cuboid


def draw_regularisation(path: Path) -> None:
    """Amplitudes of sines over their wavelength, and the noise of a node over the regularisation length."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.1))
    draw_sines(left)
    draw_noise_of_nodes(right)
    figure.savefig(path)
    plt.close(figure)


def draw_sines(axis: plt.Axes) -> None:
    """Shear and compression along the longest side of a box with edges of six voxels."""
    box = IdealBox(*create_cuboid((96, 48, 48), 6))
    inside = (np.abs(box.points - [48, 24, 24]) < [30, 12, 12]).all(axis=1)
    wavelengths = np.array([12, 14, 16, 18, 20, 24, 28, 32, 40, 48])
    waves = np.zeros((len(box.points), 3, 2 * len(wavelengths)))
    sines = np.sin(2 * np.pi * (box.points[:, :1] / wavelengths + 0.1))
    waves[:, 1, : len(wavelengths)] = waves[:, 0, len(wavelengths) :] = sines
    ratio = np.geomspace(0.4, 5, 200)
    for stiffness, name, colour in ((1, "shear", "#1b6ca8"), (3, "compression", "#d95f02")):
        axis.plot(ratio, 1 / (1 + stiffness**2 / ratio**4), color=colour, linewidth=1.2, label=name)
    for xi, marker in ((10.0, "o"), (20.0, "s")):
        kept = box.kept(xi, waves, inside).reshape(2, -1)
        for values, colour in zip(kept, ("#1b6ca8", "#d95f02"), strict=True):
            axis.plot(wavelengths / xi, values, marker, color=colour, markersize=4, fillstyle="none")
        axis.plot([], [], marker, color="#666666", markersize=4, fillstyle="none", label=f"mesh, ξ = {xi:g} voxels")
    axis.axvline(1, color="black", linewidth=0.6)
    axis.set(xscale="log", ylim=(0, 1.05), xlabel="wavelength / ξ", ylabel="measured / true amplitude")
    axis.set_xticks([0.5, 1, 2, 4], ["0.5", "1", "2", "4"])
    axis.minorticks_off()
    axis.grid(alpha=0.3)
    axis.legend(frameon=False, fontsize=8, loc="lower right")


def draw_noise_of_nodes(axis: plt.Axes) -> None:
    """The node in the middle of a box, in units of the noise that one voxel would have by itself."""
    box = IdealBox(*create_cuboid((56, 56, 56), 7), periods=1)
    lengths = np.geomspace(2, 80, 40)
    axis.loglog(lengths / 7, 1.6 * lengths**-1.5, color="#888888", linewidth=1.2, label=r"$1.6\;\xi^{-3/2}$")
    axis.loglog(lengths / 7, [box.deviation_in_a_lattice(xi) for xi in lengths], color="#1b6ca8", label="endless mesh")
    some = np.array([2, 4, 7, 10, 14, 20, 28])
    axis.loglog(
        some / 7, [box.deviation(xi) for xi in some], "o", color="#d95f02", markersize=4, label="box of 8 edges"
    )
    axis.set(xlabel="ξ / length of edges", ylabel="standard deviation · g / n", ylim=(1e-3, 0.4))
    axis.set_xticks([0.3, 1, 3, 10], ["0.3", "1", "3", "10"])
    axis.minorticks_off()
    axis.grid(alpha=0.3)
    axis.legend(frameon=False, fontsize=8)
