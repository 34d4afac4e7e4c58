"""A field with rows that are wrong: alone, in clusters of 8, on the border."""

import numpy as np

from hpcdvc.fields.grid import Grid

SPACING = 10.0


def planted_field(
    flat: bool = False, part: float = 0.05, seed: int = 0, amplitude: float = 1.0
) -> tuple[Grid, np.ndarray, np.ndarray]:
    """Rotation by 10 degrees about z, sines of 8 spacings and an amplitude, noise; rows 2 to 10 voxels wrong.

    Returns
    -------
    grid; (n, 3) displacements, ZYX, voxels; (n,) bool, rows that are wrong
    """
    rng, shape = np.random.default_rng(seed), (1, 60, 60) if flat else (12, 13, 14)
    grid = Grid((0.0 if flat else SPACING, SPACING, SPACING), (1.0 if flat else SPACING, SPACING, SPACING), shape)
    positions, angle, k = grid.positions(), np.deg2rad(10), 2 * np.pi / (8 * SPACING)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    axes = np.array([not flat, 1, 1])
    u = (positions - positions.mean(axis=0)) @ (turn - np.eye(3)).T
    u += amplitude * axes * np.stack([np.sin(k * positions[:, axis] + axis) for axis in (1, 2, 1)], axis=1)
    u += axes * rng.normal(scale=0.02, size=u.shape)
    wrong = np.zeros(shape, bool)
    u = u.reshape(*shape, 3)
    cluster = (1, 2, 4) if flat else (2, 2, 2)
    for kind in ("alone", "cluster", "border"):
        left = int(part * grid.size / 3)
        while left > 0:
            size = cluster if kind == "cluster" else (1, 1, 1)
            corner = [int(rng.integers(0, n - s + 1)) for n, s in zip(shape, size, strict=True)]
            if kind == "border":
                axis = int(rng.integers(1 if flat else 0, 3))
                corner[axis] = int(rng.integers(0, 2)) * (shape[axis] - 1)
            block = tuple(slice(c, c + s) for c, s in zip(corner, size, strict=True))
            if wrong[block].any():
                continue
            direction = axes * rng.normal(size=3)
            wrong[block] = True
            u[block] += rng.uniform(2, 10) * direction / np.linalg.norm(direction)
            left -= wrong[block].size
    return grid, u.reshape(-1, 3), wrong.reshape(-1)
