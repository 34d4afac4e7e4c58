import numpy as np
import pytest
from synthetic import Affine, Grey, pair
from textures import BlobTexture, lattice_texture

from hpcdvc.fields.phi import rotation_matrix
from hpcdvc.registration.candidates import REACH, SPACING, rotations, rough_starts
from hpcdvc.registration.coarse_copies import LONGEST

GOOD = 0.3  # points of the coarse copy: largest error of the best start where the images overlap


def motion(shape, seed, angle=45.0, part=0.25):
    """A rotation by an angle (degrees) about any axis and a displacement by that part of the image along each axis."""
    rng = np.random.default_rng(seed)
    d = len(shape)
    axis = rng.standard_normal(3) if d == 3 else np.array([rng.choice([-1.0, 1.0]), 0, 0])
    F = rotation_matrix(angle * axis / np.linalg.norm(axis))[3 - d :, 3 - d :]
    return Affine(F, rng.choice([-1, 1], d) * part * np.array(shape), (np.array(shape) - 1) / 2)


def images(shape, field, seed=0, texture=None, **grey):
    """The pair as (nz, ny, nx) float32 arrays, and Phi."""
    texture = texture or lattice_texture(seed, 2.2, len(shape), size={2: 256, 3: 64}[len(shape)])
    im1, im2 = pair(texture, shape, field, Grey(noise=0.05), Grey(noise=0.05, **grey), seed)
    phi = np.eye(4)
    phi[:3] = field.phi(((np.array(shape) - 1) / 2)[None])[0]
    return *(im.reshape((1,) * (3 - im.ndim) + im.shape).astype(np.float32) for im in (im1, im2)), phi


def overlap_error(phi, truth, im1, im2):
    """Largest error of the displacement, in points of the coarse copy, where im1 lies in im2."""
    size = np.array(im1.shape)
    x = np.stack(np.meshgrid(*[np.linspace(-(n - 1) / 2, (n - 1) / 2, 9 if n > 1 else 1) for n in size]), -1)
    x = x.reshape(-1, 3)
    in_im2, found = (x @ p[:3, :3].T + p[:3, 3] + (size - 1) / 2 for p in (truth, phi))
    inside = ((in_im2 >= 0) & (in_im2 <= np.array(im2.shape) - 1)).all(axis=1)
    assert inside.any()
    pitch = max(1, max(*im1.shape, *im2.shape) / LONGEST[2 if size[0] == 1 else 3])
    return np.linalg.norm(found - in_im2, axis=1)[inside].max() / pitch


def check(im1, im2, truth, mask1=None):
    starts = rough_starts(im1, im2, mask1)
    assert 1 <= len(starts) <= 8
    assert overlap_error(starts[0], truth, im1, im2) < GOOD


@pytest.mark.parametrize("dimensions", [2, 3])
def test_rotations_cover_all_up_to_50_degrees(dimensions):
    rng = np.random.default_rng(1)
    axes = rng.standard_normal((500, 3)) * ([1, 0, 0] if dimensions == 2 else 1)
    vectors = axes / np.linalg.norm(axes, axis=1)[:, None] * rng.uniform(0, 50, (500, 1))
    turns = rotations(dimensions, SPACING[dimensions], REACH)
    cosines = (np.einsum("nij,mij->nm", rotation_matrix(vectors), turns) - 1) / 2
    furthest = np.degrees(np.arccos(cosines.max(axis=1).clip(-1, 1))).max()
    assert furthest < (2.01 if dimensions == 2 else 10.5)


@pytest.mark.parametrize(("shape", "angle"), [((50, 50, 50), 45), ((50, 50, 50), 0), ((45, 77, 60), 30)])
def test_volumes(shape, angle):
    check(*images(shape, motion(shape, angle, angle), seed=angle))


@pytest.mark.parametrize("seed", range(8))
def test_images_in_two_dimensions(seed):
    shape = [(180, 200), (64, 64), (131, 90), (300, 200)][seed % 4]
    check(*images(shape, motion(shape, seed, [45, -45, 20, 0][seed // 2]), seed))


def test_gain_offset_and_another_texture():
    field = motion((100, 120), 7)
    check(*images((100, 120), field, texture=BlobTexture(3, dimensions=2), gain=0.8, offset=0.6))


@pytest.mark.parametrize("padding", [0.0, np.nan])
def test_padding_is_no_texture(padding):
    """Both images are cut by the same disc: its outline, the strongest feature, did not move."""
    shape = (120, 120)
    im1, im2, truth = images(shape, motion(shape, 5, 30.0, 0.15))
    y, x = np.indices(shape) - 59.5
    for im in (im1, im2):
        im[0, np.hypot(y, x) > 45] = padding
    check(im1, im2, truth)


def test_mask_leaves_out_what_moves_otherwise():
    """In im1 a plate that stays where it is fills a quarter of the height."""
    shape = (48, 48, 48)
    im1, im2, truth = images(shape, motion(shape, 6, 30.0, 0.1))
    plate = 5 * lattice_texture(9, size=64)(np.moveaxis(np.indices((12, 48, 48)), 0, -1)) * 5000
    im1[:12], im2[:12] = plate, plate
    mask = np.ones(shape, np.uint8)
    mask[:12] = 0
    check(im1, im2, truth, mask)


def test_segmented_images_keep_their_flat_parts():
    shape = (60, 60, 60)
    im1, im2, truth = images(shape, motion(shape, 8, 30.0, 0.1), texture=lattice_texture(2, 9.0, size=32))
    check((im1 > 32000).astype(np.float32), (im2 > 32000).astype(np.float32), truth)


def test_images_of_different_sizes():
    shape = (90, 100)
    im1, im2, truth = images(shape, motion(shape, 3, 20.0, 0.1))
    cut = im1[:, 20:81, 10:71]
    truth[:3, 3] += (truth[:3, :3] - np.eye(3)) @ ([0, 50, 40] - np.array([0, 44.5, 49.5])) + [0, 20, 10]
    check(cut, im2, truth)


def test_starts_are_distinct_and_counted():
    im1, im2, _ = images((64, 64), motion((64, 64), 1))
    starts = rough_starts(im1, im2, count=5)
    assert len(starts) == 5
    for i, one in enumerate(starts):
        np.testing.assert_allclose(one[:3, :3] @ one[:3, :3].T, np.eye(3), atol=1e-9)
        assert all(np.abs(one - other).max() > 1e-2 for other in starts[:i])
    assert np.array_equal(rough_starts(im1, im2, count=1), starts[:1])


@pytest.mark.parametrize("shape", [(20, 20, 20), (1, 40, 40), (3, 40, 40), (1, 5, 5)])
def test_nothing_to_find(shape):
    flat, noise = np.full(shape, 7.3, np.float32), np.random.default_rng(1).random(shape, np.float32)
    assert rough_starts(flat, noise) == rough_starts(noise, flat) == []
    assert rough_starts(np.full(shape, np.nan, np.float32), noise) == []
    assert rough_starts(noise, noise, np.zeros(shape, np.uint8)) == []
    assert len(rough_starts(noise, np.random.default_rng(2).random(shape, np.float32))) <= 8


@pytest.mark.mpi
@pytest.mark.parametrize("shape", [(90, 80), (30, 30, 30)])
def test_ranks_change_no_bit(team, shape):
    im1, im2, truth = images(shape, motion(shape, 4))
    together, alone = rough_starts(im1, im2, team=team), rough_starts(im1, im2)
    assert np.array(together).tobytes() == np.array(alone).tobytes()
    assert overlap_error(together[0], truth, im1, im2) < GOOD
    assert len(set(team.all_gather(np.array(together).tobytes()))) == 1
