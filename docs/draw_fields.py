"""Pictures of fields that are made of fields: before and after."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from panels import ruled
from planted_field import planted_field

from hpcdvc.fields.around import Around
from hpcdvc.fields.filters import Boxes
from hpcdvc.fields.grid import Grid, make_grid
from hpcdvc.fields.local import interpolated, quadratic_at
from hpcdvc.fields.merge import after
from hpcdvc.fields.misfit import misfit

SIDE = 200


def vortex(points: np.ndarray, sign: float = 1.0) -> np.ndarray:
    """(n, 3, 4): a swirl about the middle of an image in two dimensions, one way or the other."""
    away = points - [0, SIDE / 2, SIDE / 2]
    turn = sign * 0.25 * np.exp(-(away**2).sum(axis=1) / 2 / 50**2)
    phi = np.tile(np.eye(4)[:3], (len(points), 1, 1))
    rotated = away[:, [0, 2, 1]] * [0, 1, -1]
    phi[:, :, 3] = turn[:, None] * rotated
    phi[:, 1, 2], phi[:, 2, 1] = turn, -turn
    phi[:, :, :3] -= (turn / 50**2)[:, None, None] * rotated[:, :, None] * away[:, None]
    return phi


def _arrows(axis, points: np.ndarray, displacement: np.ndarray, colour: str, title: str, times: float = 1) -> None:
    good = np.isfinite(displacement).all(axis=1)
    p, t = points[good], displacement[good]
    axis.quiver(p[:, 2], p[:, 1], t[:, 2], t[:, 1], color=colour, width=0.004, scale=1 / times,
                angles="xy", scale_units="xy")  # fmt: skip
    axis.set(xlim=(0, SIDE), ylim=(SIDE, 0), aspect="equal", title=title)
    ruled(axis, "pixel", outer=True, hatched=False)


def draw_passed(path: Path) -> None:
    """A few guiding points, and what the nodes of a grid get of them."""
    rng, grid = np.random.default_rng(4), make_grid((1, SIDE, SIDE), (1, 12, 12))
    points = np.column_stack([np.zeros(70), rng.uniform(10, SIDE - 10, (70, 2))])
    points = points[np.hypot(points[:, 1] - 60, points[:, 2] - 150) > 35]
    phi, everyone = vortex(points), np.ones(len(points), bool)
    figure, axes = plt.subplots(1, 3, figsize=(9, 3.2))
    _arrows(axes[0], points, phi[:, :, 3], "k", f"{len(points)} points that were measured")
    for axis, title, surrounded in zip(axes[1:], ("-nr 24", "-nr 24 -cps"), (False, True), strict=True):
        around = Around(points, everyone, None, 24.0)
        found = interpolated(around, phi, grid.positions(), surrounded=surrounded)
        _arrows(axis, grid.positions(), found[:, :, 3], "tab:blue", title)
        lost = grid.positions()[~np.isfinite(found).all(axis=(1, 2))]
        axis.plot(lost[:, 2], lost[:, 1], "x", color="tab:red", markersize=3)
    figure.savefig(path)
    plt.close(figure)


def draw_filtered(path: Path) -> None:
    """A turning field with wrong rows, how far each is from its neighbours, and the field with these replaced."""
    grid, u, wrong = planted_field(flat=True)
    positions, shape = grid.positions(), grid.shape[1:]
    ratio = misfit(Boxes(grid, np.ones(grid.size, bool), (2, 2, 2)), positions, u, np.arange(grid.size))
    bad = ratio > 2.5
    fixed = u.copy()
    fixed[bad] = quadratic_at(Around(positions, ~bad, grid, 30.0), u, positions[bad])[0][:, :, 3]
    figure, axes = plt.subplots(1, 3, figsize=(9, 3.2))
    shown = {
        "displacement along y, pixels": (u[:, 1], "coolwarm", 60),
        f"misfit; {wrong.sum()} wrong, {(bad & wrong).sum()} found, {(bad & ~wrong).sum()} others": (ratio, "magma", 6),
        "-smed -clqf": (fixed[:, 1], "coolwarm", 60),
    }
    for axis, (title, (values, colours, high)) in zip(axes, shown.items(), strict=True):
        low = 0 if colours == "magma" else -high
        picture = axis.imshow(values.reshape(shape), cmap=colours, vmin=low, vmax=high)
        axis.set_title(title)
        ruled(axis, "node", outer=True)
        figure.colorbar(picture, ax=axis, shrink=0.7)
    figure.savefig(path)
    plt.close(figure)


def draw_merged(path: Path) -> None:
    """Two swirls, one after the other: added up node by node, and composed."""
    grid = Grid((0.0, 12.0, 12.0), (1.0, 8.0, 8.0), (1, 23, 23))
    positions, shape = grid.positions(), grid.shape[1:]
    total, increment = vortex(positions), vortex(positions, -1.0)
    places = positions + total[:, :, 3]
    around = Around(positions, np.ones(grid.size, bool), grid, None, 8)
    composed = after(total, interpolated(around, increment, places, applied=True))
    true = total[:, :, 3] + vortex(places, -1.0)[:, :, 3]
    figure, axes = plt.subplots(1, 3, figsize=(9, 3.2))
    few = np.flatnonzero((np.indices(shape) % 3 == 0).all(axis=0))
    _arrows(axes[0], positions[few], total[few, :, 3], "tab:blue", "total and increment, 3 times", times=3)
    ends = positions + 3 * total[:, :, 3]
    axes[0].quiver(
        ends[few, 2], ends[few, 1], *vortex(places[few], -1.0)[:, 2:0:-1, 3].T,
        color="tab:orange", angles="xy", scale_units="xy", scale=1 / 3, width=0.004,
    )  # fmt: skip
    sums = total[:, :, 3] + increment[:, :, 3]
    for axis, values, title in zip(axes[1:], (sums, composed[:, :, 3]), ("added up", "composed"), strict=True):
        error = np.linalg.norm(values - true, axis=1).reshape(shape)
        picture = axis.imshow(error, cmap="magma", vmin=0, vmax=2, extent=(8, 192, 192, 8))
        axis.set_title(f"{title}: error, pixels, at most {error.max():.2g}")
        ruled(axis, "pixel", outer=True)
        figure.colorbar(picture, ax=axis, shrink=0.7)
    figure.savefig(path)
    plt.close(figure)
