"""Where the voxels of deformed images come from, on every path, against slow numpy."""

import numpy as np
import pytest
import reference_deformation as slow
from deformation_cases import KINDS, SHAPES, noise, some_field, some_mapping, some_mesh, some_phi, sources, whole
from scipy.spatial import Delaunay

from hpcdvc.deformation.images import Deformation, MeshMap, NeighbourMap, PhiMap, apply_mesh_transformation


@pytest.mark.parametrize("dimensions", [3, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_agrees_with_slow_numpy(kind, dimensions):
    shape = SHAPES[dimensions]
    image, source = noise(shape), sources(kind, shape)
    for order in (0, 1, 3, 5):
        values, inside = whole(image, some_mapping(kind, shape), order, dtype=None if order == 0 else np.float64)
        expected, expected_inside = slow.deformed(image, source, order)
        assert (inside == expected_inside).all()
        assert 0.5 < inside.mean() < 1
        if order == 0:
            assert (values == expected).all()
        else:
            assert np.abs(values - expected).max() < {1: 0.1, 3: 3, 5: 3}[order]  # of 30000


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", [1, 3, 5])
def test_ramps_stay_ramps(kind, order):
    """A linear image under an affine mapping is linear, up to its edges."""
    shape = SHAPES[3]
    phi, centre, slope = some_phi(0.05), (np.array(shape) - 1) / 2, np.array([3.0, -2.0, 5.0])
    image = (slow.voxels(shape) @ slope).reshape(shape).astype(np.float32)
    x, connectivity, _ = some_mesh(shape)
    u = (x - centre) @ (phi[:3, :3] - np.eye(3)).T + phi[:3, 3]
    nodes = np.tile(phi, (len(x), 1, 1))
    nodes[:, :3, 3] = u
    mapping = {
        "phi": PhiMap(phi, centre),
        "field": NeighbourMap(x, nodes),
        "displacement": NeighbourMap(x, np.tile(phi, (len(x), 1, 1)), displacement_only=True),
        "mesh": MeshMap(x, connectivity, u),
    }[kind]
    if kind == "displacement":
        phi = phi.copy()
        phi[:3, :3] = np.eye(3)
    values, inside = whole(image, mapping, order)
    truth = (slow.sources_by_phi(slow.voxels(shape), phi, centre) @ slope).reshape(shape)
    assert inside.mean() > 0.5
    assert np.abs(values - truth)[inside > 0].max() < 1e-3


@pytest.mark.parametrize("order", [3, 5])
def test_no_seams_between_tiles(order):
    """The identity gives the image back: what is left is the error of the spline filter, everywhere."""
    image = noise((40, 70, 140), "f8")
    values, inside = whole(image, PhiMap(np.eye(4), (0, 0, 0)), order)
    assert inside.all()
    assert np.abs(values - image).max() < 1e-4 * 200


@pytest.mark.parametrize("angle", [20, 45, 90])
def test_large_rotations(angle):
    shape, a = (40, 41, 42), np.radians(angle)
    k = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    phi = np.eye(4)
    phi[:3, :3] += np.sin(a) * k + (1 - np.cos(a)) * k @ k
    image, centre = noise(shape), (np.array(shape) - 1) / 2
    expected, expected_inside = slow.deformed(image, slow.sources_by_phi(slow.voxels(shape), phi, centre))
    values, inside = whole(image, PhiMap(phi, centre), dtype=np.float32)
    assert (inside == expected_inside).all() and np.abs(values - expected).max() < 0.1


def test_mappings_that_scatter_are_taken_in_parts():
    """Tiles that lean on far more of the image than they hold: a strong reduction, and nodes thrown about."""
    image = noise((130, 140, 150), "u1")
    phi = np.diag([0.1, 0.1, 0.1, 1.0])
    source = slow.sources_by_phi(slow.voxels(image.shape), phi, (65, 70, 75))
    for order in (1, 3):
        expected, inside = slow.deformed(image, source, order)
        values, found = whole(image, PhiMap(phi, (65, 70, 75)), order, dtype=np.float32)
        assert (found == inside).all() and np.abs(values - expected).max() < 0.05
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 130, (300, 3))
    wild = np.tile(np.eye(4), (len(x), 1, 1))
    wild[:, :3, 3] = rng.uniform(-100, 100, x.shape)
    part = (slice(48, 64), slice(50, 60), slice(60, 80))
    p = slow.voxels(image.shape).reshape(*image.shape, 3)[part]
    source = slow.sources_by_field(p.reshape(-1, 3), x, wild, 3)
    ends = np.array(image.shape) - 1
    inside = ((source >= 0) & (source <= ends)).all(axis=1)
    expected = slow.interpolate(image, source[inside], 1)
    values, found = Deformation(image, NeighbourMap(x, wild, 3)).planes(48, 64, np.float32)
    assert (found[:, part[1], part[2]].ravel() == inside).all()
    assert np.abs(values[:, part[1], part[2]].ravel()[inside] - expected).max() < 0.05


@pytest.mark.parametrize("neighbours", [1, 3, 20, 1000])
def test_numbers_of_neighbours(neighbours):
    shape = (9, 20, 21)
    x, phi = some_field(shape, 4.0)
    source = slow.sources_by_field(slow.voxels(shape), x, phi, neighbours)
    image = noise(shape)
    expected, expected_inside = slow.deformed(image, source)
    values, inside = whole(image, NeighbourMap(x, phi, neighbours), dtype=np.float32)
    assert (inside == expected_inside).all() and np.abs(values - expected).max() < 0.1


def test_ties_keep_the_symmetry_of_a_grid():
    """A mirrored field deforms a mirrored image into the mirrored result, on nodes that are all tied."""
    shape = (16, 33, 33)
    axis = np.arange(0.3, 33, 8)
    x = np.stack(np.meshgrid([4.3, 12.3], axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    rng = np.random.default_rng(0)
    phi = np.tile(np.eye(4), (len(x), 1, 1))
    phi[:, :3, :3] += rng.normal(0, 0.05, (len(x), 3, 3))
    image, flip = noise(shape, "f4"), np.diag([1.0, 1, -1, 1])
    mirrored = x * [1, 1, -1] + [0, 0, 32.6]
    there = whole(image, NeighbourMap(x, phi))[0]
    back = whole(image[:, :, ::-1], NeighbourMap(mirrored - [0, 0, 0.6], flip @ phi @ flip))[0][:, :, ::-1]
    assert np.abs(there - back).max() < 1e-2


def test_nodes_far_outside_and_in_one_plane():
    """The search for neighbours does not lean on nodes that fill the image."""
    shape = (12, 20, 24)
    rng = np.random.default_rng(0)
    image, p = noise(shape), slow.voxels(shape)
    for x in (rng.uniform(-500, 500, (40, 3)), rng.uniform(0, 20, (40, 3)) * [0, 1, 1], np.full((9, 3), 5.0)):
        phi = np.tile(some_phi(0.02), (len(x), 1, 1))
        phi[:, :3, 3] = rng.normal(0, 1, x.shape)
        expected, expected_inside = slow.deformed(image, slow.sources_by_field(p, x, phi))
        values, inside = whole(image, NeighbourMap(x, phi), dtype=np.float32)
        assert (inside == expected_inside).all() and np.abs(values - expected).max() < 0.5


def test_nodes_without_a_phi_and_with_a_singular_one():
    shape = SHAPES[3]
    x, phi = some_field(shape)
    spoilt, still = phi.copy(), phi.copy()
    spoilt[5], spoilt[9, 0, 0], spoilt[12, :3, :3] = np.nan, np.inf, 0
    still[12, :3, :3] = np.eye(3)
    good = np.delete(np.arange(len(x)), [5, 9])
    image = noise(shape)
    expected = whole(image, NeighbourMap(x[good], still[good]))
    for a, b in zip(whole(image, NeighbourMap(x, spoilt)), expected, strict=True):
        assert (a == b).all()


def test_mesh_with_labels_and_density():
    shape = SHAPES[3]
    x, connectivity, u = some_mesh(shape)
    connectivity = connectivity[::2].copy()  # holes
    connectivity[::3, :2] = connectivity[::3, 1::-1]  # orientation does not matter
    u = u + 0.1 * x
    source, owner, ratio = slow.sources_by_mesh(slow.voxels(shape), x, connectivity, u)
    image = noise(shape)
    expected, expected_inside = slow.deformed(image, source, ratio=ratio)
    values, inside = whole(image, MeshMap(x, connectivity, u, grey_for_strain=True), dtype=np.float32)
    assert 0.2 < inside.mean() < 0.8 and ratio.std() > 0.05
    assert (inside == expected_inside).all() and np.abs(values - expected).max() < 0.2
    plain = apply_mesh_transformation(image, x, connectivity, u)
    owner[owner < 0] = len(connectivity) + 1
    assert (apply_mesh_transformation(image, x, connectivity, u, owner.reshape(shape)) == plain).all()


def test_mesh_has_no_cracks():
    """Every voxel of an image inside the mesh has a source, also where faces pass through voxels."""
    shape = (24, 40, 70)
    x = some_mesh(shape)[0]
    for points in (x, np.rint(x)):
        mapping = MeshMap(points, Delaunay(points).simplices, np.zeros_like(x))
        values, inside = whole(np.ones(shape, np.uint8), mapping)
        assert inside.all() and (values == 1).all()


def test_tetrahedra_inside_out_are_left_out():
    shape = SHAPES[3]
    x, connectivity, u = some_mesh(shape)
    u[len(x) // 2] += 20
    mapping = MeshMap(x, connectivity, u)
    volume = [np.linalg.det(at[connectivity[:, 1:]] - at[connectivity[:, :1]]) for at in (x, x + u)]
    assert mapping.skipped == (volume[0] * volume[1] <= 0).sum() > 10
    source = slow.sources_by_mesh(slow.voxels(shape), x, connectivity, u)[0]
    expected, expected_inside = slow.deformed(noise(shape), source)
    values, inside = whole(noise(shape), mapping, dtype=np.float32)
    assert (inside == expected_inside).all() and np.abs(values - expected).max() < 0.1
    flat = MeshMap(x * [0, 1, 1], connectivity[:5], u)
    assert flat.skipped == 5 and not whole(noise(shape), flat)[1].any()


def test_triangulation_of_displaced_nodes_has_no_holes():
    """Between the nodes of a grid many of its tetrahedra were flat before, or the other way round."""
    shape = (20, 30, 40)
    x = np.stack(np.meshgrid(*[np.arange(-10.0, n + 20, 10) for n in shape], indexing="ij"), axis=-1).reshape(-1, 3)
    u = np.random.default_rng(5).normal(0, 0.3, x.shape)
    connectivity = Delaunay(x + u).simplices
    image = noise(shape)
    mapping = MeshMap(x, connectivity, u, partition=True)
    source = slow.sources_by_mesh(slow.voxels(shape), x, connectivity, u, partition=True)[0]
    expected, expected_inside = slow.deformed(image, source)
    values, inside = whole(image, mapping, dtype=np.float32)
    assert mapping.skipped == 0 and np.isfinite(source).all()
    assert (inside == expected_inside).all() and np.abs(values - expected).max() < 0.1
    assert MeshMap(x, connectivity, u).skipped > 100
    dense, _ = whole(np.full(shape, 1000, "f4"), MeshMap(x, connectivity, u, True, partition=True))
    assert np.abs(dense[inside > 0] - 1000).max() < 300  # flat ones do not tell the density
