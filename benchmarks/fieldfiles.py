"""Fields of many nodes to measure commands with: an affine motion and sines, noise, and rows that are wrong."""

from pathlib import Path

import numpy as np
from speckle import CACHE

SPACING = 10.0
#: Part of the rows that are wrong, and how wrong they are at least and at most, voxels.
WRONG, OFF = 0.05, (2.0, 10.0)


def motion(positions: np.ndarray) -> np.ndarray:
    """Displacement (n, 3) of a rotation of 10 degrees about z and sines of eight spacings, amplitude 1 voxel."""
    angle, k = np.deg2rad(10), 2 * np.pi / (8 * SPACING)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    sines = [np.sin(k * positions[:, axis] + phase) for axis, phase in ((1, 0), (2, 0), (1, 1))]
    return (positions - positions.mean(axis=0)) @ (turn - np.eye(3)).T + np.stack(sines, axis=1)


def planted(shape: tuple[int, int, int], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Which nodes are wrong (n,), a third each alone, in clusters of 8, on the border; by how much (n, 3), voxels."""
    wrong, off = np.zeros(shape, bool), np.zeros((*shape, 3))
    for kind in ("alone", "cluster", "border"):
        left = int(WRONG * wrong.size / 3)
        while left > 0:
            corner = [int(rng.integers(0, n - (kind == "cluster"))) for n in shape]
            if kind == "border":
                axis = int(rng.integers(0, 3))
                corner[axis] = int(rng.integers(0, 2)) * (shape[axis] - 1)
            block = tuple(slice(k, k + 1 + (kind == "cluster")) for k in corner)
            if wrong[block].any():
                continue
            direction = rng.normal(size=3)
            wrong[block], off[block] = True, rng.uniform(*OFF) * direction / np.linalg.norm(direction)
            left -= wrong[block].size
    return wrong.reshape(-1), off.reshape(-1, 3)


def field_file(side: int, end: str = "hdf", off: bool = False) -> Path:
    """A field of side^3 nodes in a file; `off`: rows are wrong."""
    from hpcdvc.fields.field import ROW
    from hpcdvc.fields.grid import Grid
    from hpcdvc.output.hdf5 import read_field, write_field
    from hpcdvc.output.tsv import write_tsv

    path = CACHE / f"field{side}{'-wrong' * off}.{end}"
    if path.exists():
        return path
    CACHE.mkdir(exist_ok=True)
    if end == "tsv":
        write_tsv(path, read_field(field_file(side, "hdf", off)))
        return path
    rng, grid = np.random.default_rng(side), Grid((SPACING,) * 3, (SPACING,) * 3, (side,) * 3)
    rows = np.zeros(grid.size, ROW)
    rows["index"], rows["return_status"] = np.arange(grid.size), 2
    rows["Phi"][:, :, :3] = np.eye(3)
    rows["Phi"][:, :, 3] = motion(grid.positions()) + rng.normal(scale=0.02, size=(grid.size, 3))
    if off:
        rows["Phi"][:, :, 3] += planted(grid.shape, rng)[1]
    write_field(path, rows, 0, grid, {"key": path.stem})
    return path


def wrong_rows(side: int) -> np.ndarray:
    """Which rows of `field_file(side, off=True)` are wrong, (side^3,) bool."""
    rng = np.random.default_rng(side)
    rng.normal(scale=0.02, size=(side**3, 3))
    return planted((side,) * 3, rng)[0]
