"""Deformed images against slow numpy, on every path: mappings, orders, types, masks, slabs and instruction sets."""

import os
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
import reference_deformation as slow

from hpcdvc.deform import (
    PLANES,
    Deformation,
    MeshMap,
    NeighbourMap,
    PhiMap,
    apply_mesh_transformation,
    apply_phi,
    apply_phi_field,
)
from hpcdvc.errors import UserError

SHAPES = {3: (21, 35, 70), 2: (1, 40, 75)}


def noise(shape, dtype="u2", seed=0) -> np.ndarray:
    """White noise: the hardest image to interpolate."""
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.uniform(-100, 100, shape).astype(dtype)
    return rng.integers(0, 120 if np.dtype(dtype).itemsize == 1 else 30000, shape).astype(dtype)


def some_phi(size=0.1, dimensions=3) -> np.ndarray:
    rng = np.random.default_rng(1)
    phi = np.eye(4)
    phi[:3, :3] += rng.normal(0, size, (3, 3))
    phi[:3, 3] = 1.3, -2.45, 3.6
    if dimensions == 2:
        phi[0, :3] = phi[:3, 0] = 1, 0, 0
        phi[0, 3] = 0
    return phi


def some_field(shape, spacing=7.0, size=0.05, seed=2):
    """Nodes that are not quite on a grid, with Phi that are not quite alike."""
    rng = np.random.default_rng(seed)
    axes = [np.arange(spacing / 2, n, spacing) if n > 1 else np.zeros(1) for n in shape]
    x = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    thick = np.array([shape[0] > 1, 1, 1])
    x = x + rng.uniform(-1, 1, x.shape) * thick
    phi = np.tile(np.eye(4), (len(x), 1, 1))
    phi[:, :3, :3] += rng.normal(0, size, (len(x), 3, 3)) * np.outer(thick, thick)
    phi[:, :3, 3] = ([0.7, -1.4, 1.9] + 0.03 * x[:, [1, 2, 0]] + rng.normal(0, 0.2, x.shape)) * thick
    return x, phi


def some_mesh(shape, spacing=11.0):
    """A mesh that is larger than the image, and what moves its nodes."""
    from scipy.spatial import Delaunay

    rng = np.random.default_rng(3)
    thick = np.array([shape[0] > 1, 1, 1])
    axes = [np.arange(-spacing, n + 2 * spacing, spacing) if n > 1 else np.zeros(1) for n in shape]
    x = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    x = x + rng.uniform(-1, 1, x.shape) * thick
    connectivity = Delaunay(x if thick[0] else x[:, 1:]).simplices.astype(np.int64)
    return x, connectivity, rng.uniform(-1.5, 1.5, x.shape) * thick


def some_mapping(kind, shape):
    if kind == "phi":
        return PhiMap(some_phi(dimensions=2 if shape[0] == 1 else 3), (np.array(shape) - 1) / 2)
    if kind == "mesh":
        return MeshMap(*some_mesh(shape), grey_for_strain=False)
    return NeighbourMap(*some_field(shape), displacement_only=kind == "displacement")


@cache
def sources(kind, shape) -> np.ndarray:
    p = slow.voxels(shape)
    if kind == "phi":
        return slow.sources_by_phi(p, some_phi(dimensions=2 if shape[0] == 1 else 3), (np.array(shape) - 1) / 2)
    if kind == "mesh":
        return slow.sources_by_mesh(p, *some_mesh(shape))[0]
    return slow.sources_by_field(p, *some_field(shape), displacement_only=kind == "displacement")


def whole(image, mapping, order=1, mask2=None, dtype=None):
    return Deformation(image, mapping, order, mask2).planes(0, len(image), dtype)


KINDS = ("phi", "field", "displacement", "mesh")


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


def test_identity_keeps_every_bit():
    for dtype in ("u1", "i1", "u2", "i2", "u4", "i4", "f4"):
        image = noise((17, 20, 70), dtype)
        assert (apply_phi(image) == image).all() and apply_phi(image).dtype == image.dtype


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
    x, connectivity, u = some_mesh(shape)
    whole_numbers = np.rint(x)
    for points in (x, whole_numbers):
        from scipy.spatial import Delaunay

        tetrahedra = Delaunay(points, qhull_options="QJ Pp").simplices if points is x else Delaunay(points).simplices
        values, inside = whole(np.ones(shape, np.uint8), MeshMap(points, tetrahedra, np.zeros_like(x)))
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
    from scipy.spatial import Delaunay

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


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4"])
def test_integers_are_rounded_and_clipped(dtype):
    """Overshoot of a spline at steps between the ends of a type does not wrap, and the mean has no bias."""
    limits = np.iinfo(dtype)
    image = np.where(noise((16, 20, 40)) % 2, limits.max, limits.min).astype(dtype)
    phi = np.eye(4)
    phi[:3, 3] = 0.5, 0.5, 0.25
    reals, inside = whole(image, PhiMap(phi, (0, 0, 0)), 3, dtype=np.float64)
    values, _ = whole(image, PhiMap(phi, (0, 0, 0)), 3)
    assert values.dtype == image.dtype and (reals[inside > 0] > limits.max).any() and (reals < limits.min).any()
    assert (values == np.clip(np.rint(reals), limits.min, limits.max)).all()


def test_large_offsets_keep_their_digits():
    """A small contrast on 4e9 or 1e6: float32 alone would lose it."""
    shape, phi = (16, 20, 40), some_phi(0.02)
    small = noise(shape, "u1")
    source = slow.sources_by_phi(slow.voxels(shape), phi, (8, 10, 20))
    for offset, dtype in ((4e9, "u4"), (-2e9, "i4"), (1e6, "f4"), (1e9, "f8")):
        image = (small + offset).astype(dtype)
        for order in (1, 3):
            expected, inside = slow.deformed(image.astype(float), source, order)
            values = whole(image, PhiMap(phi, (8, 10, 20)), order, dtype=np.float64)[0]
            assert np.abs(values - expected)[inside].max() < 0.02


@pytest.mark.parametrize("dtype", ["u4", "f8", "i8", "u8", "bool", "f2"])
def test_order_0_copies_labels_of_any_type(dtype):
    shape = (16, 20, 40)
    image = (
        (noise(shape, "u1") > 60)
        if dtype == "bool"
        else (noise(shape, "u4") * (1.0 if dtype == "f2" else 130001.0)).astype(dtype)
    )
    phi = some_phi()
    source = slow.sources_by_phi(slow.voxels(shape), phi, (7.5, 9.5, 19.5))
    assert (apply_phi(image, phi, order=0) == slow.deformed(image, source, 0)[0]).all()


@pytest.mark.parametrize("kind", ["phi", "field"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_voxels_that_are_not_finite(kind, dtype):
    """They spoil what leans on them and nothing else."""
    shape = SHAPES[3]
    image = noise(shape, dtype)
    image[5:9, 10:14, 20:40], image[3, 3, 3] = np.nan, np.inf
    with np.errstate(invalid="ignore"):
        expected, expected_inside = slow.deformed(image, sources(kind, shape))
    good = expected_inside & np.isfinite(expected)
    values, inside = whole(image, some_mapping(kind, shape))
    assert 100 < (expected_inside & ~good).sum() < 3000
    assert ((inside > 0) == good).all() and (np.isnan(values) == (expected_inside & ~good)).all()
    assert np.abs(values - expected)[good].max() < 1e-3
    for order in (0, 3):
        values, found = whole(image, some_mapping(kind, shape), order)
        assert np.isfinite(values[found > 0]).all()
        assert (found == inside).all() or order == 0
    finite = np.isfinite(image)
    assert np.abs(apply_phi(image) - image)[finite].max() <= (0 if dtype == "f4" else 1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", [0, 1, 3, 5])
def test_slabs_do_not_matter(kind, order):
    shape = (37, 35, 70)
    mask = noise(shape, "u1", seed=4) > 40
    mask[20:, :, 30:] = False
    deformation = Deformation(noise(shape), some_mapping(kind, shape), order, mask)
    values, inside = deformation.planes(0, 37)
    assert inside.any() and not inside[~mask].any() and not values[~mask].any()
    for cuts in ((0, PLANES, 2 * PLANES, 37), (0, 8, 37), (0, 1, 20, 23, 37)):
        parts = [deformation.planes(a, b) for a, b in zip(cuts[:-1], cuts[1:], strict=True)]
        assert (np.concatenate([part[0] for part in parts]) == values).all()
        assert (np.concatenate([part[1] for part in parts]) == inside).all()


@pytest.mark.parametrize("kind", KINDS)
def test_masked_voxels_only_leave_gaps(kind):
    shape = SHAPES[3]
    mask = (noise(shape, "u1", seed=5) > 60).view(np.uint8)
    full, masked = (whole(noise(shape), some_mapping(kind, shape), 1, m) for m in (None, mask))
    for a, b in zip(full, masked, strict=True):
        assert (np.where(mask, a, 0) == b).all()


SCRIPT = """
import sys, numpy as np
from test_deform import KINDS, SHAPES, noise, some_mapping, whole
from hpcdvc.kernels.deform import instruction_set
shape = SHAPES[3]
runs = {f"{k}{o}": whole(noise(shape), some_mapping(k, shape), o, dtype="f8")[0] for k in KINDS for o in (1, 3, 5)}
np.savez(sys.argv[1], name=instruction_set(), **runs)
"""


def test_instruction_sets_agree(tmp_path):
    results = []
    for level in ("v1", "v3", "v4"):
        env = dict(os.environ, HPCDVC_ISA=level, PYTHONPATH=os.pathsep.join([os.path.dirname(__file__), *sys.path]))
        path = tmp_path / f"{level}.npz"
        subprocess.run([sys.executable, "-c", SCRIPT, str(path)], env=env, check=True, timeout=60)
        results.append(np.load(path))
    assert str(results[0]["name"]) == "baseline"
    for other in results[1:]:
        for key in set(other.files) - {"name"}:
            difference = np.abs(other[key] - results[0][key])
            assert (difference > 0.1).mean() < 1e-4, key  # a source at the very edge may be in or out
            assert np.median(difference) < 0.01, key


def test_two_dimensional_functions_return_two_dimensions():
    image = noise(SHAPES[2][1:])
    phi = some_phi(dimensions=2)
    phi[0, 3], phi[0, 1] = 5, 0.5  # the z part has nothing to say
    assert (apply_phi(image, phi) == whole(image[None], some_mapping("phi", SHAPES[2]))[0][0]).all()
    x, field = some_field(SHAPES[2])
    mask = image > 10000
    out = apply_phi_field(image, x, field, mask, "applyPhi", 4, 3)
    assert out.shape == image.shape and out.dtype == image.dtype and not out[~mask].any()
    assert (out == whole(image[None], NeighbourMap(x, field, 4), 3, mask[None])[0][0]).all()
    x, triangles, u = some_mesh(SHAPES[2])
    expected = whole(image[None], MeshMap(x, triangles, u))[0][0]
    assert (apply_mesh_transformation(image, x, triangles, u) == expected).all()


def test_apply_phi_about_a_point():
    image = noise(SHAPES[3])
    centre = np.array([3.0, 40.0, 10.0])
    phi = some_phi()
    expected = slow.deformed(image, slow.sources_by_phi(slow.voxels(image.shape), phi, centre), 1)[0]
    assert np.abs(apply_phi(image, phi, centre) - expected).max() <= 0.51


def test_apply_phi_field_modes(capsys):
    image, (x, phi) = noise(SHAPES[3]), some_field(SHAPES[3])
    assert (apply_phi_field(image, x, phi) == whole(image, NeighbourMap(x, phi))[0]).all()
    moved = apply_phi_field(image, x, phi, displacement_mode="interpolate", verbose=True)
    assert (moved == whole(image, NeighbourMap(x, phi, displacement_only=True))[0]).all()
    assert "21 planes" in capsys.readouterr().err


def test_the_image_is_not_touched():
    image = noise(SHAPES[3])
    before = image.copy()
    image.flags.writeable = False
    apply_phi(image, some_phi(), order=3)
    assert (image == before).all()


NAN, EYE, IMAGE = np.full((4, 4), np.nan), np.eye(4), noise((4, 5, 6))
POINTS = np.array([[0.0, 0, 0], [9, 0, 0], [0, 9, 0], [0, 0, 9]])
TET = np.array([[0, 1, 2, 3]])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: apply_phi(IMAGE, np.eye(3)), "shape (3, 3)"),
        (lambda: apply_phi(IMAGE, NAN), "not finite"),
        (lambda: apply_phi(IMAGE, np.zeros((4, 4))), "singular"),
        (lambda: apply_phi(IMAGE, EYE, (1, 2)), "centre"),
        (lambda: apply_phi(IMAGE, EYE, order=2), "order 2"),
        (lambda: apply_phi(IMAGE[0, 0], EYE, (0, 0, 0)), "shape (6,)"),
        (lambda: apply_phi(IMAGE[:0], EYE), "shape (0, 5, 6)"),
        (lambda: apply_phi(IMAGE.astype(complex), EYE), "complex128"),
        (lambda: apply_phi(IMAGE.astype("i8"), EYE), "int64"),
        (lambda: apply_phi_field(IMAGE, POINTS, np.tile(EYE, (3, 1, 1))), "(4, 3)"),
        (lambda: apply_phi_field(IMAGE, POINTS, np.tile(NAN, (4, 1, 1))), "none of the 4 points"),
        (lambda: apply_phi_field(IMAGE, POINTS, np.tile(EYE, (4, 1, 1)), n_neighbours=0), "0 neighbours"),
        (lambda: apply_phi_field(IMAGE, POINTS, np.tile(EYE, (4, 1, 1)), displacement_mode="x"), '"x"'),
        (lambda: apply_phi_field(IMAGE, POINTS, np.tile(EYE, (4, 1, 1)), IMAGE[1:]), "(3, 5, 6)"),
        (lambda: apply_mesh_transformation(IMAGE, POINTS, TET + 1, POINTS), "from 1 to 4, there are 4"),
        (lambda: apply_mesh_transformation(IMAGE, POINTS, TET * 1.0, POINTS), "float64"),
        (lambda: apply_mesh_transformation(IMAGE, POINTS, TET, POINTS[1:]), "(3, 3)"),
        (lambda: apply_mesh_transformation(IMAGE, POINTS, TET, POINTS * np.nan), "not finite"),
        (lambda: apply_mesh_transformation(IMAGE, POINTS, TET[:, :3], POINTS), "triangles"),
        (lambda: apply_mesh_transformation(IMAGE[0], POINTS, TET, POINTS), "triangles"),
        (lambda: apply_mesh_transformation(IMAGE, POINTS, TET, POINTS, IMAGE[1:]), "(3, 5, 6)"),
        (lambda: apply_mesh_transformation(IMAGE, POINTS, TET, POINTS, IMAGE * 1.0), "float64"),
        (lambda: Deformation(IMAGE, MeshMap(POINTS, TET, POINTS, True), 0), "order 0"),
        (lambda: Deformation(IMAGE, PhiMap(EYE, (0, 0, 0)), 1, IMAGE), "uint16"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(call, words):
    with pytest.raises(UserError) as caught:
        call()
    assert words in str(caught.value) and "\n" not in str(caught.value)
