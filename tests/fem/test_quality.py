"""Quality of meshes: flat and inverted tetrahedra are found, parts and shapes told rightly."""

import numpy as np
import pytest
from mesh_cases import edges, surface

from hpcdvc.errors import UserError
from hpcdvc.fem import quality
from hpcdvc.fem.mesh import create_cuboid
from hpcdvc.fem.quality import Quality, aspect_ratios, bodies, check_mesh, folded, in_order, outside, with_volume

REGULAR = np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
ONE = np.array([[0, 1, 2, 3]])


@pytest.fixture(scope="module")
def box():
    return create_cuboid((12, 10, 14), 4)


def test_aspect_ratio():
    assert aspect_ratios(REGULAR, ONE) == pytest.approx(1)
    assert aspect_ratios(REGULAR[:, ::-1] * 7 + 3, ONE) == pytest.approx(1)
    corner = np.vstack([np.zeros(3), np.eye(3)])  # inscribed radius 1 / (3 + sqrt 3), longest edge sqrt 2
    assert aspect_ratios(corner, ONE) == pytest.approx(np.sqrt(2) * (3 + np.sqrt(3)) / np.sqrt(24))
    assert aspect_ratios(corner * (0, 1, 1), ONE) == np.inf


def test_of_a_box(box):
    points, cells = box
    found = Quality.of(points, cells)
    assert (found.nodes, found.tetrahedra, found.bodies) == (len(points), len(cells), 1)
    assert (found.inverted, found.flat) == (0, 0)
    assert found.volume == pytest.approx(12 * 10 * 14)
    first, second = points[edges(cells).T]
    lengths = np.linalg.norm(first - second, axis=1)
    assert found.edges == pytest.approx((lengths.min(), lengths.mean(), lengths.max()))
    assert 1 < found.aspect[0] < found.aspect[1] < 2.1
    for line in ("inverted", "flat"):
        assert next(row for row in found.text().splitlines() if row.startswith(line)).split()[-1] == "0"


def test_outside(box):
    _, cells = box
    rows, corners = np.nonzero(outside(cells))
    found = np.sort(cells[rows[:, None], np.array(quality.FACES)[corners]], axis=1)
    assert {*map(tuple, found)} == {*map(tuple, surface(cells))} and len(found) == len(surface(cells))


def test_bodies_hang_together_by_faces(box):
    points, cells = box
    count = len(points)
    two = np.concatenate([cells, cells[::-1] + count])
    assert len({*bodies(two)}) == 2 and len({*bodies(two)[: len(cells)]}) == 1
    two[two == count] = 0  # one node in common, and then an edge
    assert len({*bodies(two)}) == 2
    two[two == count + 1] = 1
    assert len({*bodies(two)}) == 2


def test_inverted_ones_overlap_their_neighbours(box):
    """A node that is pulled through a face turns tetrahedra inside out, however their nodes are listed."""
    points, cells = box
    assert not folded(cells).any()
    inner = np.setdiff1d(cells, surface(cells))[0]
    pulled = points.copy()
    pulled[inner] += 9
    with pytest.raises(UserError, match=r"box.hdf: \d+ of \d+ tetrahedra are inverted: they overlap their neighbours"):
        check_mesh(pulled, cells, "box.hdf")
    double = np.concatenate([cells, cells[:1]])
    with pytest.raises(UserError, match="inverted"):
        check_mesh(points, double)


def test_orientation_alone_is_no_mistake(box):
    points, cells = box
    mixed = cells.copy()
    mixed[::2] = mixed[::2, [1, 0, 2, 3]]
    assert np.array_equal(np.sort(check_mesh(points, mixed)), np.sort(cells))
    assert np.array_equal(check_mesh(points, cells.astype(np.uint32)), cells)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda points, cells: (points[:-1], cells), "m.hdf has tetrahedra of nodes from 0 to 90, there are 90"),
        (lambda points, cells: (points, cells - 1), "nodes from -1 to"),
        (lambda points, cells: (points[:, :2], cells), r"m.hdf has points of shape \(91, 2\): \(nodes, 3\) are needed"),
        (
            lambda points, cells: (points, cells * 1.0),
            "m.hdf has a connectivity of float64: it must hold whole numbers",
        ),
        (lambda points, cells: (points, cells[:0]), "m.hdf has no tetrahedra"),
        (lambda points, cells: (points, cells[:, :3]), "m.hdf has no tetrahedra"),
        (lambda points, cells: (points * (1, 1, 0), cells), "324 of 324 tetrahedra are flat, the first is number 0"),
        (lambda points, cells: (np.where(points == 0, np.nan, points), cells), "m.hdf has nodes .* not finite"),
    ],
)
def test_refused(change, words):
    points, cells = change(*create_cuboid((12, 12, 12), 4))
    with pytest.raises(UserError, match=words):
        check_mesh(points, cells, "m.hdf")


def test_nearly_flat(box):
    """What float32 makes of four nodes in a plane is flat; a thin one is not."""
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    thin = np.array([[0.0, 0, 0], [0, 11, 2], [0, 3, 9], [0, 8, 12]]) @ turn + 1900
    rounded = np.float32(thin).astype(float)
    assert quality.corner_determinants(rounded, ONE) != 0 and quality.flat(rounded, ONE).all()
    thin[0] += 0.05 * turn[0]
    assert not quality.flat(thin, ONE).any()


def test_in_order(box):
    points, cells = box
    shuffled = np.random.default_rng(2).permutation(len(points))
    others = np.empty_like(points)
    others[shuffled] = points
    others = np.concatenate([others, [[1.0, 2, 3]]])  # a node of no tetrahedron
    sorted_points, sorted_cells = in_order(others, shuffled[cells][::-1])
    assert len(sorted_points) == len(points)
    assert (np.diff(sorted_points[:, 0]) >= 0).all()
    same = {tuple(sorted(map(tuple, points[cell]))) for cell in cells}
    assert {tuple(sorted(map(tuple, sorted_points[cell]))) for cell in sorted_cells} == same


def test_nodes_that_would_take_a_volume_stay(box):
    points, cells = box
    inner = np.setdiff1d(cells, surface(cells))
    moved = points.copy()
    moved[inner[0]] += 9
    moved[inner[-1]] += 0.1
    found = with_volume(points, moved, cells, 0.1)
    assert (found[inner[0]] == points[inner[0]]).all() and (found[inner[-1]] == moved[inner[-1]]).all()
