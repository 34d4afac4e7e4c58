"""Pictures of the theory: analytic textures (tests/support/synthetic.py), evaluated at moved points and measured."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from crlb import phi_std_bound
from matplotlib.patches import Polygon
from panels import ruled
from synthetic import Grey, Sine, lattice_texture, pair, rotation, translation

from hpcdvc.fields.field import POINT
from hpcdvc.fields.status import Status
from hpcdvc.registration.settings import Interpolation, Settings, Window, dimensions_of
from hpcdvc.registration.windows import register_windows

COLOURS = {1: "#d95f02", 3: "#1b6ca8", 5: "#4d9221"}


def measure(
    im1: np.ndarray, im2: np.ndarray, positions: np.ndarray, half: int, phi=None, order: int = 3, shape_order="auto"
) -> np.ndarray:
    """Rows of windows at `positions` (n, 3), started from `phi` (n, 3, 4) or from no motion; flat in flat images."""
    points = np.zeros(len(positions), POINT)
    points["index"], points["position"] = np.arange(len(positions)), positions
    points["Phi"] = np.eye(4)[:3] if phi is None else phi
    dimensions = dimensions_of(im1.shape)
    window = Window((half if dimensions == 3 else 0, half, half), shape_order=shape_order)
    settings = Settings(window, dimensions, interpolation=Interpolation(order))
    return register_windows(im1, im2, points, settings)


def nodes_inside(shape: tuple[int, int, int], spacing: int, away: int) -> np.ndarray:
    """Nodes at least `away` voxels from the faces of an image, (n, 3)."""
    axes = [np.arange(away, n - away, spacing) for n in shape]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3).astype(float)


def draw_window(path: Path) -> None:
    """A window of im1, and where its measured Phi puts it in im2."""
    shape = (41, 90, 90)
    centre = (np.array(shape) - 1) / 2
    field = rotation(12, centre, axis=(1, 0, 0), shift=np.array([0, 4.0, 7.0]))
    im1, im2 = pair(lattice_texture(11, 3.2), shape, field, Grey(noise=0.05))
    half = 12
    corners = np.array([[-half, -half], [-half, half], [half, half], [half, -half]]) + 0.0
    start = field.phi(centre[None])
    start[0, :, :3], start[0, :, 3] = rotation(9, centre, axis=(1, 0, 0)).F, np.round(start[0, :, 3])
    row = measure(im1, im2, centre[None], half, start)[0]
    figure, axes = plt.subplots(1, 2, figsize=(7.6, 3.9), sharey=True)
    axes[0].imshow(im1[20], cmap="gray")
    axes[0].add_patch(Polygon(corners[:, ::-1] + centre[[2, 1]], fill=False, edgecolor="#ffb000", linewidth=2))
    axes[0].plot(*centre[[2, 1]], "+", color="#ffb000", markersize=10, markeredgewidth=2)
    axes[0].set_title(r"im1, z = 20: $2\,h+1$ voxels about the node $c$")
    axes[1].imshow(im2[20], cmap="gray")
    F, t = row["Phi"][1:, 1:3], row["Phi"][1:, 3]
    moved = corners @ F.T + centre[1:] + t
    axes[1].add_patch(
        Polygon(corners[:, ::-1] + centre[[2, 1]], fill=False, edgecolor="#ffb000", linestyle=":", linewidth=1.5)
    )
    axes[1].add_patch(Polygon(moved[:, ::-1], fill=False, edgecolor="#00d0ff", linewidth=2))
    axes[1].annotate(
        "", (centre[2] + t[1], centre[1] + t[0]), (centre[2], centre[1]),
        arrowprops={"arrowstyle": "-|>", "color": "#00d0ff", "linewidth": 2},
    )  # fmt: skip
    axes[1].set_title(r"im2: the same material, $c + t + F\,(x - c)$")
    for axis in axes:
        ruled(axis, outer=True)
    figure.savefig(path)


def draw_bias(path: Path) -> None:
    """Mean error of a sub-voxel shift for the three orders of interpolation, without noise."""
    texture, shape, half = lattice_texture(2), (52, 52, 52), 7
    positions = nodes_inside(shape, 6, 11)
    shifts = np.linspace(0, 1, 9)
    mean = {order: [] for order in COLOURS}
    spread = {order: [] for order in COLOURS}
    for shift in shifts:
        im1, im2 = pair(texture, shape, translation([0.3, 0.0, shift]))
        for order in COLOURS:
            rows = measure(im1, im2, positions, half, order=order)
            error = rows["Phi"][:, 2, 3] - shift
            mean[order].append(error.mean())
            spread[order].append(error.std())
    figure, axes = plt.subplots(1, 2, figsize=(7.6, 2.9))
    for order, colour in COLOURS.items():
        axes[0].plot(shifts, np.abs(mean[order]), "o-", color=colour, markersize=4, label=f"-o {order}")
        axes[1].plot(shifts, spread[order], "o-", color=colour, markersize=4)
    for axis, title in zip(axes, ("mean error, absolute", "scatter between windows"), strict=True):
        axis.set_yscale("log")
        axis.set_title(title)
        axis.set_xlabel("shift in x (voxel)")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("voxel")
    axes[0].set_ylim(top=0.2)
    axes[0].legend(loc="upper center", bbox_to_anchor=(0.5, 0.93), ncols=3, fontsize=8, frameon=False)
    figure.savefig(path)


def draw_noise(path: Path) -> None:
    """Reported and actual random error against noise, with the Cramer-Rao bound; and the normalised error."""
    texture, shape, half = lattice_texture(5), (64, 64, 64), 7
    positions = nodes_inside(shape, 5, 10)
    field = translation([0.2, -0.3, 0.4])
    levels = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5)
    actual, reported, bound, normalised = [], [], [], []
    for k, noise in enumerate(levels):
        im1, im2 = pair(texture, shape, field, Grey(noise=noise), seed=k)
        rows = measure(im1, im2, positions, half)
        rows = rows[rows["return_status"] == Status.CONVERGED]
        error = rows["Phi"][:, :, 3] - field.displacement(positions[:1])
        std = np.sqrt(rows["variance"][:, [3, 7, 11]])
        actual.append(np.sqrt((error**2).mean()))
        reported.append(np.sqrt((std**2).mean()))
        bound.append(np.sqrt((phi_std_bound(texture, positions[::60], half, noise)[:, :, 3] ** 2).mean()))
        normalised.append((error / std).ravel())
    figure, axes = plt.subplots(1, 2, figsize=(7.6, 3.0))
    axes[0].loglog(levels, bound, "-", color="#888888", label="Cramér-Rao bound")
    axes[0].loglog(
        levels, reported, "s", color="#1b6ca8", markersize=7, fillstyle="none", label="reported (displacement_std)"
    )
    axes[0].loglog(levels, actual, "o", color="#d95f02", markersize=4, label="actual, against the truth")
    axes[0].set_xticks(levels, map(str, levels), minor=False)
    axes[0].set_xticks([], minor=True)
    axes[0].set_xlabel("noise of each image / contrast of the texture")
    axes[0].set_ylabel("random error (voxel)")
    axes[0].legend(frameon=False, fontsize=8)
    axes[0].grid(alpha=0.3, which="both")
    z = np.linspace(-4, 4, 200)
    axes[1].hist(np.concatenate(normalised), np.linspace(-4, 4, 41), density=True, color="#d95f02", alpha=0.6)
    axes[1].plot(z, np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi), color="black", linewidth=1.2)
    axes[1].set_xlabel("error / reported standard deviation")
    axes[1].set_yticks([])
    axes[1].set_title("all levels; line: normal distribution")
    figure.savefig(path)


def draw_curvature(path: Path) -> None:
    """What windows leave of a sine of displacement, with and without the correction for curvature."""
    texture, half = lattice_texture(8), 8
    width, amplitude = 2 * half + 1, 0.4
    lengths = np.array([1.5, 2, 2.5, 3, 4, 5, 7]) * width
    kept = {"auto": [], "1": []}
    for length in lengths:
        shape = (30, 30, int(2 * half + 12 + 2 * length))
        field = Sine(np.array([0.0, 0.0, amplitude]), np.array([0.0, 0.0, 1 / length]))
        im1, im2 = pair(texture, shape, field, Grey(noise=0.05))
        positions = nodes_inside(shape, 4, half + 3)
        wave = field.displacement(positions)[:, 2]
        for name, gains in kept.items():
            rows = measure(im1, im2, positions, half, shape_order=name)
            good = rows["return_status"] == Status.CONVERGED
            gains.append(rows["Phi"][good, 2, 3] @ wave[good] / (wave[good] @ wave[good]))
    figure, axis = plt.subplots(figsize=(5.2, 3.1))
    ratio = np.linspace(1.4, 7.2, 200)
    q = np.pi / ratio
    axis.plot(ratio, np.sin(q) / q, color="#888888", linewidth=1, label="affine window: sin(πw/L) / (πw/L)")
    axis.plot(lengths / width, kept["1"], "o", color="#d95f02", label="-so 1", markersize=5)
    axis.plot(lengths / width, kept["auto"], "s", color="#1b6ca8", label="-so auto", markersize=5)
    axis.axhline(1, color="black", linewidth=0.6)
    axis.set_xlabel("wavelength / window width")
    axis.set_ylabel("measured / true amplitude")
    axis.set_ylim(0, 1.08)
    axis.legend(frameon=False, fontsize=8, loc="lower right")
    axis.grid(alpha=0.3)
    figure.savefig(path)
