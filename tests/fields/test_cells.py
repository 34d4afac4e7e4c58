"""Gradients in tetrahedra and triangles, and which of them hold the nodes of a grid."""

import numpy as np
import pytest
from strain_cases import FLAT_F, F

from hpcdvc.fields import cells as module
from hpcdvc.fields.cells import cell_gradients, cells_at_nodes, grid_between
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.overlap import WindowOverlap
from hpcdvc.fields.triangulation import triangulate


def scattered(flat: bool, count: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, cells between them, and an affine displacement."""
    points = np.random.default_rng(5).uniform(0, 50, (count, 3))
    points[:, 0] *= not flat
    f = FLAT_F if flat else F
    return points, triangulate(points[:, flat:]), points @ (f - np.eye(3)).T + 100 * (np.arange(3) >= flat)


@pytest.mark.parametrize("flat", [False, True])
def test_affine_motion(flat):
    points, cells, displacements = scattered(flat)
    f, covariance = cell_gradients(points, cells, displacements)
    size = np.abs(np.linalg.det((points[cells[:, 1:]] - points[cells[:, :1]])[..., flat:]))
    assert covariance is None and np.abs(f - (FLAT_F if flat else F))[size > 1].max() < 1e-10
    displacements[7] = np.nan
    f, _ = cell_gradients(points, cells, displacements)
    assert (np.isnan(f).any(axis=(1, 2)) == (cells == 7).any(axis=1)).all()


@pytest.mark.parametrize("overlap", [None, WindowOverlap((15, 10, 12))])
def test_covariance(overlap):
    """What each displacement does, one by one, and how their errors go together."""
    points, cells, _ = scattered(False, 12)
    variance, shares = np.random.default_rng(1).uniform(1, 3, (12, 3)), []
    for k in range(12):
        f, covariance = cell_gradients(points, cells, np.eye(12)[k][:, None] * np.ones(3), variance, overlap)
        shares.append((f - np.eye(3))[:, 0])
    together = np.eye(12)
    if overlap:
        away = np.abs(points[:, None] - points) / (31, 21, 25)
        together = np.clip(1 - away, 0, None).prod(axis=-1)
    sigma = np.sqrt(variance)
    expected = np.einsum("amk,bml,ai,bi,ab->mikl", shares, shares, sigma, sigma, together)
    assert covariance == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("flat", [False, True])
def test_nodes_in_cells(flat, monkeypatch):
    monkeypatch.setattr(module, "PAIRS", 500)  # more than one portion
    points, cells, _ = scattered(flat)
    points[:3] = [[0, 20, 29], [0, 15, 25], [0, 25, 17]]  # nodes that several cells have
    cells = triangulate(points[:, flat:])[::2]
    grid = Grid((0.0, -5.0, 1.0), (1.0 if flat else 6.0, 5.0, 4.0), (1 if flat else 9, 14, 15))
    found = cells_at_nodes(points, cells, grid)
    nodes = grid.positions()
    for cell in range(-1, len(cells)):
        for node in nodes[found == cell]:
            edges = (points[cells[:, 1:]] - points[cells[:, :1]])[..., flat:]
            shares = np.linalg.solve(np.swapaxes(edges, 1, 2), (node - points[cells[:, 0]])[:, flat:, None])[..., 0]
            inside = (shares > -1e-9).all(axis=1) & (shares.sum(axis=1) < 1 + 1e-9)
            assert (np.flatnonzero(inside)[0] if inside.any() else -1) == cell
    assert (found >= 0).sum() > 30 and (found < 0).sum() > 30


def test_nodes_between_points():
    grid = grid_between(np.array([[3.0, 4.0, 9.0], [20.0, 16.0, 11.0]]), (5, 4, 10))
    assert (grid.origin, grid.spacing, grid.shape) == ((5, 4, 10), (5, 4, 10), (4, 4, 1))
    assert grid_between(np.array([[0.0, 1.0, 9.0], [0.0, 3.0, 11.0]]), (5, 4, 10)) is None
    assert grid_between(np.array([[0.0, 1.0, 9.0], [0.0, 4.0, 11.0]]), (5, 4, 10)).shape == (1, 1, 1)
