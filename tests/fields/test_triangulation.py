"""Triangulation of scattered nodes: whole, without what bridges gaps, and refused where there is nothing to do."""

import numpy as np
import pytest

from hpcdvc.errors import UserError
from hpcdvc.fields.triangulation import automatic_alpha, squared_circumradii, triangulate

SPACING = 16.0
RNG = np.random.default_rng(4)


def grid(count: int, dimensions: int = 3, noise: float = 0.0) -> np.ndarray:
    axes = [np.arange(count) * SPACING] * dimensions
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, dimensions)
    return points + RNG.normal(0, noise, points.shape) if noise else points


def volume(points: np.ndarray, simplices: np.ndarray) -> float:
    """Of all simplices, in cells of the grid."""
    edges = points[simplices[:, 1:]] - points[simplices[:, :1]]
    factor = {2: 2, 3: 6}[points.shape[1]]
    return np.abs(np.linalg.det(edges)).sum() / factor / SPACING ** points.shape[1]


@pytest.mark.parametrize("dimensions", [2, 3])
def test_circumradii(dimensions):
    """Corners on a sphere that is known."""
    centre, radius = RNG.normal(0, 10, dimensions), 7.0
    directions = RNG.normal(size=(40, dimensions))
    points = centre + radius * directions / np.linalg.norm(directions, axis=1)[:, None]
    simplices = np.array([RNG.choice(40, dimensions + 1, replace=False) for _ in range(30)])
    np.testing.assert_allclose(squared_circumradii(points, simplices), radius**2, rtol=1e-6)


def test_circumradius_of_flat_ones():
    points = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0], [2, 0, 0], [0, 0, 1]])
    radii = squared_circumradii(points, np.array([[0, 1, 2, 3], [0, 1, 4, 5], [0, 1, 2, 5]]))
    assert radii.tolist() == [np.inf, np.inf, 0.75]
    assert len(squared_circumradii(points, np.empty((0, 4), int))) == 0


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_fills_the_hull_without_overlap(dimensions, noise):
    points = grid(5, dimensions, noise)
    simplices = triangulate(points)
    assert simplices.dtype == np.int64 and simplices.shape[1] == dimensions + 1
    assert set(np.unique(simplices)) == set(range(len(points)))
    if not noise:
        assert volume(points, simplices) == pytest.approx(4**dimensions)
    else:
        from scipy.spatial import ConvexHull

        hull = ConvexHull(points).volume / SPACING**dimensions
        assert volume(points, simplices) == pytest.approx(hull, rel=1e-5)
    assert np.isfinite(squared_circumradii(points, simplices)).all()


def test_alpha_is_a_squared_radius():
    points = grid(5, noise=1.0)
    everything = triangulate(points)
    radii = squared_circumradii(points, everything)
    limit = np.median(radii)
    kept = triangulate(points, limit)
    assert {tuple(row) for row in kept} == {tuple(row) for row in everything[radii <= limit]}


def test_automatic_alpha_leaves_a_body_whole():
    """Only the flat tetrahedra at the faces of a noisy grid of 216 cells go, and no node is left alone."""
    points = grid(7, noise=1.0)
    kept = triangulate(points, -1)
    assert set(np.unique(kept)) == set(range(len(points)))
    assert 216 <= volume(points, kept) < 221 < 230 < volume(points, triangulate(points))


def test_automatic_alpha_follows_a_concave_outline():
    whole = grid(9)
    points = whole[~((whole[:, 0] > 60) & (whole[:, 1] > 60))]
    points = points + RNG.normal(0, 0.3, points.shape)
    inside = (64 - 25) * 8
    assert volume(points, triangulate(points)) > inside + 60
    assert inside - 1 < volume(points, triangulate(points, -1)) < inside + 20


def test_automatic_alpha_bridges_single_missing_nodes():
    points = grid(7, noise=0.3)
    points = np.delete(points, [171, 60, 300], axis=0)
    assert 215 < volume(points, triangulate(points, -1)) < 219


def test_automatic_alpha_of_a_single_tetrahedron():
    points = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    assert len(triangulate(points, -1)) == 1
    assert automatic_alpha(np.array([0.75]), np.array([[0, 1, 2, 3]])) == 3.0


@pytest.mark.parametrize(
    ("points", "alpha", "words"),
    [
        (np.zeros((3, 3)), 0, "a tetrahedron needs 4 nodes: there are only 3"),
        (np.zeros((2, 2)), 0, "a triangle needs 3 nodes: there are only 2"),
        (grid(4, 2) @ np.eye(2, 3), 0, "16 nodes lie in one plane"),
        (np.repeat([[1.0, 2, 3]], 9, axis=0), 0, "9 nodes lie in one plane"),
        (np.linspace([0.0, 0], [5, 7], 6), 0, "6 nodes lie on one line"),
        (grid(3), 100.0, "alpha 100 removes all 48 of the triangulation: .* the smallest here is 192"),
    ],
)
def test_refused(points, alpha, words):
    with pytest.raises(UserError, match=words):
        triangulate(points, alpha)
