"""Pictures of strain: modes beside the truth, a crack, particles, and what a strain gauge costs and gains."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from draw_theory import measure
from matplotlib.axes import Axes
from panels import ruled
from synthetic import Affine, Grey, ShearBand, Sine, lattice_texture, pair

from hpcdvc.fields.cells import cell_gradients, cells_at_nodes, grid_between
from hpcdvc.fields.connection import connected_by
from hpcdvc.fields.gradients import Displacements, Support, ball_support, cell_support, gradients
from hpcdvc.fields.grid import Grid, make_grid
from hpcdvc.fields.overlap import WindowOverlap
from hpcdvc.fields.strain import strain_components
from hpcdvc.fields.strain_errors import strain_deviations
from hpcdvc.fields.triangulation import triangulate

NOISY = Grey(noise=0.05)
HALF = 10


def measured(shape: tuple[int, int], field, spacing: int, seed: int = 5) -> Displacements:
    """A field measured on two noisy speckle images in two dimensions."""
    texture = lattice_texture(seed, spacing=2.2, dimensions=2, size=256)
    im1, im2 = (image[None] for image in pair(texture, shape, field, NOISY, NOISY))
    grid = make_grid((1, *shape), (1, spacing, spacing))
    rows = measure(im1, im2, grid.positions(), HALF)
    good, variance = rows["return_status"] == 2, rows["variance"][:, 3::4]
    return Displacements(grid, rows["Phi"][:, :, 3], good, np.where(np.isfinite(variance), variance, 0))


def strained(field: Displacements, support: Support, name: str, connected=None) -> tuple[np.ndarray, np.ndarray, Grid]:
    """A component (n, ...) and its standard deviation, and the grid they stand on."""
    grid = support.grid_of(field.grid)
    overlap = WindowOverlap((0, HALF, HALF))
    f, covariance = gradients(field, support, np.arange(grid.size), overlap, connected)
    if not support.centre.any():
        f[~field.usable] = np.nan
    found = strain_components(f, (name,), two_d=True)[name]
    return found, strain_deviations(f, covariance, (name,), two_d=True)[name], grid


def show(axis: Axes, grid: Grid, values: np.ndarray, title: str, limits: tuple[float, float], colours: str) -> None:
    """A component on a grid in two dimensions, with its bar of colours."""
    low = np.array(grid.origin[1:]) - np.array(grid.spacing[1:]) / 2
    high = low + np.array(grid.shape[1:]) * np.array(grid.spacing[1:])
    extent = (low[1], high[1], high[0], low[0])
    picture = axis.imshow(values.reshape(grid.shape[1:]), cmap=colours, vmin=limits[0], vmax=limits[1], extent=extent)
    axis.set_title(title)
    ruled(axis, "pixel", outer=True)
    axis.figure.colorbar(picture, ax=axis, shrink=0.75)


def draw_strain_modes(path: Path) -> None:
    """The equivalent strain of a shear band: the truth, all modes, and what is said of the scatter of one of them."""
    shape, middle = (200, 260), np.array([100.0, 130.0])
    along = np.array([1.0, 1.4]) / np.hypot(1, 1.4)
    band = ShearBand(2.4 * along, np.array([-along[1], along[0]]), middle, 26.0)
    field = band + Affine(np.diag([0.995, 1.003]), np.array([1.3, -0.6]), middle)
    known, grid = measured(shape, field, 8), make_grid((1, *shape), (1, 8, 8))
    f = np.tile(np.eye(3), (grid.size, 1, 1))
    f[:, 1:, 1:] += field.displacement_gradient(grid.positions()[:, 1:])
    truth = strain_components(f, ("eq",), two_d=True)["eq"]
    modes = {
        "Geers, -r 1.5": ball_support(grid, 1.5),
        "Q8 (Q4 in 2-D)": cell_support(grid),
        "-poly 2 -r 3": ball_support(grid, 3, 2, True),
    }
    figure, axes = plt.subplots(2, 3, figsize=(9.5, 4.8))
    limits = (0, 0.04)
    lines = known.values[:, 2]
    show(axes[0, 0], grid, np.where(known.usable, lines, np.nan), "measured displacement along x, pixels",
         (np.nanmin(lines), np.nanmax(lines)), "viridis")  # fmt: skip
    show(axes[0, 1], grid, truth, "eq, the truth", limits, "magma")
    for axis, (title, support) in zip((axes[0, 2], axes[1, 0], axes[1, 1]), modes.items(), strict=True):
        found, _, places = strained(known, support, "eq")
        show(axis, places, found, f"eq, {title}", limits, "magma")
    _, said, places = strained(known, modes["Geers, -r 1.5"], "eq")
    show(axes[1, 2], places, said, "eq_std, Geers", (0, 0.004), "cividis")
    figure.savefig(path)
    plt.close(figure)


def draw_strain_map(path: Path) -> None:
    """A compressed volume: volumetric strain in a slice and along its axis, with error bars and the truth."""
    shape, spacing, half = (132, 60, 84), 8, (10, 10, 10)
    field = Sine(np.array([-3.0, 0.0, 0.0]), np.array([1 / 460, 0.0, 0.0]), -0.45)
    im1, im2 = pair(lattice_texture(2, spacing=2.2), shape, field, NOISY, NOISY)
    grid = make_grid(shape, (spacing,) * 3)
    rows = measure(im1, im2, grid.positions(), 10)
    known = Displacements(grid, rows["Phi"][:, :, 3], rows["return_status"] == 2, rows["variance"][:, 3::4])
    f, covariance = gradients(known, ball_support(grid, 1.5), np.arange(grid.size), WindowOverlap(half))
    f[~known.usable] = np.nan
    vol, std = (
        make(f, *given, ("vol",))["vol"].reshape(grid.shape)
        for make, *given in ((strain_components,), (strain_deviations, covariance))
    )
    z = grid.positions()[:, 0].reshape(grid.shape)
    k, j, i = (n // 2 for n in grid.shape)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2))
    picture = left.imshow(vol[:, j], cmap="viridis", extent=(4, 84, 132, 4))
    left.set_title(f"volumetric strain, y = {grid.positions()[:, 1].reshape(grid.shape)[0, j, 0]:g}")
    ruled(left, along="xz")
    figure.colorbar(picture, ax=left, shrink=0.8)
    right.errorbar(
        z[:, j, i], vol[:, j, i], 2 * std[:, j, i], fmt=".", capsize=2, label="measured, 2 standard deviations"
    )
    line = np.stack([np.arange(132.0), np.zeros(132), np.zeros(132)], axis=1)
    right.plot(line[:, 0], field.displacement_gradient(line)[:, 0, 0], color="black", linewidth=0.8, label="the truth")
    right.set(xlabel="z, voxels", ylabel="volumetric strain")
    right.legend(frameon=False)
    figure.savefig(path)
    plt.close(figure)


def draw_strain_gap(path: Path) -> None:
    """A specimen that an open crack has cut from one side: strain with neighbours across it, and without."""
    grid = Grid((0.0, 4.0, 4.0), (1.0, 8.0, 8.0), (1, 24, 30))
    positions = grid.positions()
    y, x = positions[:, 1], positions[:, 2]
    opening = np.where(x < 150, 3 * np.sqrt(np.clip(1 - x / 150, 0, 1)), 0) * np.sign(y - 96) / 2
    values = np.stack([0 * y, opening + 0.003 * y, -0.001 * x], axis=1)
    values[:, 1:] += 0.004 * np.random.default_rng(1).standard_normal((grid.size, 2))
    mask = np.ones((1, 192, 240), "u1")
    mask[:, 94:99, :150] = 0
    usable = mask[0, y.astype(int), x.astype(int)] > 0
    known = Displacements(grid, values, usable, np.full(values.shape, 0.004**2))
    figure, axes = plt.subplots(1, 3, figsize=(9.5, 2.5))
    show(axes[0], grid, values[:, 1], "displacement along y, pixels", (-1.5, 2.5), "viridis")

    def near(places: np.ndarray, nodes: np.ndarray) -> np.ndarray:
        return connected_by(mask, places, nodes)

    for axis, connected, title in ((axes[1], None, "eyy, all neighbours"), (axes[2], near, "eyy, -mf1")):
        found, _, places = strained(known, ball_support(grid, 1.5), "e", connected)
        show(axis, places, found[:, 3], title, (-0.02, 0.04), "magma")
    for axis in axes:
        axis.plot([0, 150], [96, 96], color="white", linewidth=0.8, linestyle=":")
    figure.savefig(path)
    plt.close(figure)


def draw_particles(path: Path) -> None:
    """Particles that a band shears: the triangles between them, with and without those that bridge gaps, and a grid."""
    rng = np.random.default_rng(3)
    places = np.stack(np.meshgrid(np.arange(8, 200, 13.0), np.arange(8, 260, 13.0), indexing="ij"), -1).reshape(-1, 2)
    places += rng.uniform(-4.5, 4.5, places.shape)
    places = places[np.hypot(places[:, 0] - 100, places[:, 1] - 240) > 70]
    points = np.column_stack([np.zeros(len(places)), places])
    band = ShearBand(np.array([0.0, 6.0]), np.array([1.0, 0.0]), np.array([100.0, 0.0]), 22.0)
    moved = np.column_stack([np.zeros(len(places)), band.displacement(places)])
    moved[:, 1:] += rng.normal(0, 0.05, places.shape)
    figure, axes = plt.subplots(1, 3, figsize=(9.5, 2.7))
    for axis, alpha in zip(axes, (0.0, -1.0), strict=False):
        cells = triangulate(places, alpha)
        f, _ = cell_gradients(points, cells, moved)
        found = strain_components(f, ("eq",), two_d=True)["eq"]
        colours = axis.tripcolor(points[:, 2], points[:, 1], cells, found, cmap="magma", vmin=0, vmax=0.1)
        axis.quiver(
            points[:, 2], points[:, 1], moved[:, 2], moved[:, 1], angles="xy", scale=120, width=0.003, color="w"
        )
        axis.set_title("eq, -a 0: all triangles" if alpha == 0 else "eq, without those that bridge gaps")
        axis.set_aspect("equal")
        axis.invert_yaxis()
        ruled(axis, "pixel", outer=True)
        figure.colorbar(colours, ax=axis, shrink=0.75)
    grid = grid_between(points, (4, 4, 4))
    chosen = cells_at_nodes(points, cells, grid)
    show(axes[2], grid, np.where(chosen >= 0, found[chosen], np.nan), "eq, -ns 4", (0, 0.1), "magma")
    axes[2].set(xlim=axes[1].get_xlim(), ylim=axes[1].get_ylim())
    figure.savefig(path)
    plt.close(figure)


def draw_gauge(path: Path) -> None:
    """Errors of overlapping windows, and what a larger gauge gains in noise and loses of a wave, said and found."""
    shape = (460, 460)
    still = measured(shape, Affine(np.eye(2), np.zeros(2), np.zeros(2)), 7)
    wave = Sine(np.array([0.0, 0.6]), np.array([0.0, 1 / 105]))
    waved = measured(shape, wave, 7, seed=6)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
    grid, window = still.grid, 2 * HALF + 1
    errors = np.where(still.usable[:, None], still.values, np.nan).reshape(*grid.shape, 3)[0]
    steps = np.arange(6)
    for component, name in ((1, "along"), (2, "across")):
        error = errors[..., component]
        together = [np.nanmean(error[k:] * error[: len(error) - k]) / np.nanmean(error**2) for k in steps]
        left.plot(7 * steps, together, "o", label=f"measured, {name}")
    left.plot(
        np.arange(40), WindowOverlap((0, HALF, HALF)).correlation(np.outer(np.arange(40), (0, 1, 0))), label="overlap"
    )
    left.set(xlabel="distance, pixels", ylabel="correlation of errors", title="windows of 21 pixels")
    left.legend(frameon=False)
    gauges, found, said, lost = [], [], [], []
    inner = ((still.grid.positions()[:, 1:] > 60) & (still.grid.positions()[:, 1:] < 400)).all(axis=1)
    for radius in (1.5, 2, 3, 4, 5, 6):
        support = ball_support(grid, radius, 1, True)
        e, std, _ = strained(still, support, "e")
        gauges.append((support.extent[2] * 7 + window) / window)
        found.append(np.nanstd(e[inner, 5]))
        said.append(np.sqrt(np.nanmean(std[inner, 5] ** 2)))
        truth = wave.displacement_gradient(waved.grid.positions()[:, 1:])[:, 1, 1]
        of_wave = strained(waved, support, "e")[0][:, 5]
        good = inner & np.isfinite(of_wave)
        lost.append(1 - of_wave[good] @ truth[good] / (truth[good] @ truth[good]))
    right.loglog(gauges, found, "o", color="tab:blue", label="scatter of exx")
    right.loglog(gauges, said, color="tab:blue", label="exx_std")
    right.set(xlabel="virtual strain gauge, windows", ylabel="strain", title="-poly 1, windows of 21 pixels every 7")
    other = right.twinx()
    other.plot(gauges, lost, "s-", color="tab:orange", label="lost of a wave of 5 windows")
    other.set(ylim=(0, 1), ylabel="part lost")
    other.spines["right"].set_visible(True)
    ticks = [1.5, 2, 3, 4, 5]
    right.set_xticks(ticks, map(str, ticks))
    right.set_yticks([1e-4, 2e-4, 4e-4], ["0.0001", "0.0002", "0.0004"])
    right.minorticks_off()
    right.legend(frameon=False, loc="center left")
    other.legend(frameon=False, loc="upper center")
    figure.savefig(path)
    plt.close(figure)
