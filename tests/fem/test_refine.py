"""Refinement: edges have the lengths that are wanted, the mesh still fits together, nodes of a cylinder are round."""

import numpy as np
import pytest
from mesh_cases import determinants, edges, surface

from hpcdvc.errors import UserError
from hpcdvc.fem import refine as refining
from hpcdvc.fem.mesh import create_cuboid, create_cylinder
from hpcdvc.fem.quality import Quality
from hpcdvc.fem.refine import refine
from hpcdvc.steps.meshes import OnCircle


def sizes(places):
    """3 voxels in the plane z = 20, longer away from it."""
    return 3 + 0.4 * np.abs(places[:, 0] - 20)


@pytest.fixture(scope="module")
def refined():
    return refine(*create_cuboid((60, 40, 40), 14), sizes)


def test_edges_have_the_lengths_that_are_wanted(refined):
    points, cells = refined
    ends = points[edges(cells)]
    ratio = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1) / sizes(ends.mean(axis=1))
    assert ratio.max() <= refining.TOO_LONG
    assert 0.6 < ratio.mean() < 1 and ratio.min() > 0.15
    few = np.abs(ends.mean(axis=1)[:, 0] - 50) < 8  # far away edges are not shorter than they must be
    assert np.linalg.norm(ends[few, 1] - ends[few, 0], axis=1).mean() > 8


def test_the_mesh_fits_together(refined):
    points, cells = refined
    assert determinants(points, cells).min() > 0
    assert determinants(points, cells).sum() / 6 == pytest.approx(60 * 40 * 40)
    outer = points[np.unique(surface(cells))]  # no face inside belongs to one tetrahedron alone
    assert ((outer == 0) | (outer == (60, 40, 40))).any(axis=1).all()
    found = Quality.of(points, cells)
    assert (found.bodies, found.inverted, found.flat) == (1, 0, 0) and found.aspect[1] < 4


def test_nothing_to_do():
    points, cells = create_cuboid((20, 20, 20), 5)
    same = refine(points, cells, lambda places: np.full(len(places), 5.0))
    assert np.array_equal(same[0], points) and np.array_equal(same[1], cells)


def test_nodes_on_the_circle():
    points, cells = create_cylinder((40, 41), 20, 30, 12)
    assert len(np.unique(cells)) < 100
    place = OnCircle(np.array([40, 41]), 20)
    found, tetrahedra = refine(points, cells, lambda places: np.full(len(places), 3.0), place)
    faces = surface(tetrahedra)
    lateral = np.unique(faces[np.ptp(found[faces, 0], axis=1) > 1e-9])
    radii = np.hypot(found[lateral, 1] - 40, found[lateral, 2] - 41)
    np.testing.assert_allclose(radii, 20, rtol=1e-12)
    assert Quality.of(found, tetrahedra).aspect[1] < 5 and determinants(found, tetrahedra).min() > 0
    assert determinants(found, tetrahedra).sum() / 6 == pytest.approx(np.pi * 400 * 30, rel=0.01)
    flat, _ = refine(points, cells, lambda places: np.full(len(places), 3.0))
    assert np.hypot(flat[:, 1] - 40, flat[:, 2] - 41)[lateral[lateral < len(flat)]].min() < 19.9


def test_too_many_nodes(monkeypatch):
    monkeypatch.setattr(refining, "MOST_NODES", 2000)
    with pytest.raises(UserError, match="more than 2000 nodes"):
        refine(*create_cuboid((20, 20, 20), 5), lambda places: np.full(len(places), 1.0))
