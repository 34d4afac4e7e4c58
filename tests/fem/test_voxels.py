"""Which voxels the tetrahedra of a mesh hold: every one is in exactly one of them."""

import numpy as np
import pytest
from fem_cases import SHAPE, box_of_tetrahedra, loose_mesh
from reference_fem import Twin, shape_functions, voxels_in

from hpcdvc.fem.sums import matrix_sums, step_sums


def holders_of(points, connectivity, shape) -> np.ndarray:
    """How many elements hold each voxel, by the twin."""
    count = np.zeros(shape, int)
    for cell in connectivity:
        np.add.at(count, tuple(voxels_in(points[cell], shape).T), 1)
    return count


@pytest.mark.parametrize("edge", [1.0, 0.4, 3.0, 7.5, 20.0])
@pytest.mark.parametrize("moved", [0.0, 0.5, 0.123])
def test_every_voxel_of_a_box_is_in_one_element(edge, moved):
    """Nodes, edges and faces on voxel centres; elements of less than a voxel and of more than a brick."""
    count = {0.4: (10, 10, 10), 1.0: (6, 6, 9), 3.0: (4, 5, 6), 7.5: (4, 5, 7), 20.0: (1, 2, 3)}[edge]
    points, connectivity = box_of_tetrahedra(count, edge)
    points = points + 2 + moved
    first, last = np.ceil(points.min(axis=0)).astype(int), np.ceil(points.max(axis=0)).clip(0, SHAPE).astype(int)
    inside = tuple(map(slice, first, last))  # faces towards larger coordinates hold no voxel
    image = np.random.default_rng(0).normal(size=SHAPE)
    sums = step_sums(image, image, points, connectivity, np.zeros_like(points), order=1)
    size = (last - first).prod()
    assert sums.n.sum() == matrix_sums(image, points, connectivity)[1].sum() == size > 20
    assert sums.f.sum() == pytest.approx(image[inside].sum(), abs=1e-4)  # not one twice and another one never
    assert sums.ff.sum() == pytest.approx((image[inside] ** 2).sum(), rel=1e-6)


def test_every_voxel_of_any_mesh_is_in_one_element():
    points, connectivity = loose_mesh(SHAPE)
    holders = holders_of(points, connectivity, SHAPE)
    assert holders.max() == 1 and (holders == 0).any()
    voxels = matrix_sums(np.zeros(SHAPE, "u1"), points, connectivity)[1]
    assert voxels.sum() == holders.sum() > 40_000
    for e in range(0, len(connectivity), 5):
        assert voxels[e] == len(voxels_in(points[connectivity[e]], SHAPE))


@pytest.mark.parametrize("turn", range(12))
def test_a_fan_about_a_line_through_voxels(turn):
    """Elements about one edge: faces in all directions, some along x, some along the diagonals of voxels."""
    axis, shift = turn % 3, turn // 3
    angles = np.arange(8) * np.pi / 4 + (0.1 * shift if shift < 3 else 0)
    rim = np.column_stack([np.cos(angles), np.sin(angles)]) * 9
    rim = np.rint(rim) if shift == 0 else rim
    points = np.zeros((10, 3))
    points[:8, [i for i in range(3) if i != axis]] = rim
    points[8:, axis] = -8, 11
    points += 15
    connectivity = np.array([[i, (i + 1) % 8, 8, 9] for i in range(8)])[:, np.random.default_rng(turn).permutation(4)]
    holders = holders_of(points, connectivity, (32, 32, 32))
    assert holders.max() == 1
    line = np.full((18, 3), 15)
    line[:, axis] = np.arange(8, 26)
    assert (holders[tuple(line.T)] == 1).all()
    voxels = matrix_sums(np.zeros((32, 32, 32), "u1"), points, connectivity)[1]
    np.testing.assert_array_equal(voxels, [len(voxels_in(points[c], (32, 32, 32))) for c in connectivity])


def test_the_order_of_the_nodes_does_not_matter():
    points, connectivity = loose_mesh(SHAPE)
    turned = connectivity[:, [2, 0, 1, 3]].copy()
    turned[::2] = turned[::2, [1, 0, 2, 3]]  # half of them inside out
    image = np.random.default_rng(0).integers(0, 255, SHAPE, "u1")
    assert (matrix_sums(image, points, connectivity)[1] == matrix_sums(image, points, turned)[1]).all()


def test_elements_without_voxels():
    """Too small, flat, or outside the image: zeros, and `voxels` says so."""
    points = np.array([[0.2, 0.2, 0.2], [0.8, 0.2, 0.2], [0.2, 0.8, 0.2], [0.2, 0.2, 0.8]])
    flat = np.array([[3.0, 3, 3], [9, 3, 3], [3, 9, 3], [9, 9, 3]])
    points = np.concatenate([points + 5, flat, points * 20 - 40, points * 20 + 500, points * 10 + [2, 60, 2]])
    image = np.random.default_rng(0).normal(size=(20, 30, 40))
    cells = np.arange(20).reshape(5, 4)
    matrix, voxels = matrix_sums(image, points, cells)
    sums = step_sums(image, image, points, cells, np.zeros_like(points))
    assert (voxels == 0).all() and (matrix == 0).all() and all((values == 0).all() for values in vars(sums).values())
    empty = matrix_sums(image, points, np.empty((0, 4), int))
    assert empty[0].shape == (0, 78) and empty[1].shape == (0,)


def test_an_element_larger_than_the_image():
    points = np.array([[-1e5, -1e5, -1e5], [9e5, 0, 0], [0, 9e5, 0], [0, 0, 9e5]])
    image = np.random.default_rng(0).integers(0, 255, (40, 40, 70), "u1")
    matrix, voxels = matrix_sums(image, points, np.array([[0, 1, 2, 3]]))
    assert voxels == image.size
    twin = Twin(image, image)
    at = np.argwhere(np.ones(image.shape))
    columns = (shape_functions(points, at)[:, :, None] * twin.gradient.reshape(-1, 1, 3)).reshape(-1, 12)
    np.testing.assert_allclose(matrix[0], (columns.T @ columns)[np.triu_indices(12)], rtol=2e-5)
