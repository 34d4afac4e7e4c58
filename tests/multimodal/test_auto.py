import numpy as np
import pytest
from modal_pairs import THREE, TWO, modal_pair, rigid

from hpcdvc.fields.phi import rotation_vector
from hpcdvc.multimodal.auto import find_start
from hpcdvc.ranks.team import Team
from hpcdvc.registration.levels import Level

ALONE = Team()


def volume(image):
    return image.reshape((1,) * (3 - image.ndim) + image.shape)


def centre_of(image):
    return (np.array(volume(image).shape) - 1) / 2


def start(im1, im2, mask1=None, team=ALONE, centre=None):
    mask1 = None if mask1 is None else volume(mask1)
    return find_start(Level.of(volume(im1), volume(im2), mask1), centre_of(im1) if centre is None else centre, team)


def truth(field, im1, centre=None):
    centre, phi = centre_of(im1) if centre is None else centre, np.eye(4)
    phi[:3] = field.phi(centre[None, 3 - im1.ndim :])[0]
    return phi


def error(phi, right, im1):
    """Largest error of the displacement at the corners of the central half of im1, voxels."""
    corners = (np.array(list(np.ndindex(2, 2, 2))) - 0.5) * (np.array(volume(im1).shape) - 1) / 2
    return np.linalg.norm(np.column_stack([corners, np.ones(8)]) @ (phi - right)[:3].T, axis=1).max()


@pytest.mark.parametrize("greys", [TWO, THREE], ids=["two phases", "three phases"])
@pytest.mark.parametrize("seed", range(2))
def test_images_in_two_dimensions(greys, seed):
    shape = [(90, 80), (64, 120)][seed % 2]
    field = rigid(shape, seed, 40.0, 0.2)
    im1, im2 = modal_pair(shape, field, seed, greys)
    phi = start(im1, im2)
    assert error(phi, truth(field, im1), im1) < 0.2
    np.testing.assert_allclose(phi[:3, :3] @ phi[:3, :3].T, np.eye(3), atol=1e-9)


def test_a_volume():
    shape = (14, 24, 20)
    field = rigid(shape, 2, 30.0, 0.1)
    im1, im2 = modal_pair(shape, field, 2, feature=2.5)
    assert error(start(im1, im2), truth(field, im1), im1) < 0.3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("greys", "seed"), [*((TWO, seed) for seed in range(20)), *((THREE, seed) for seed in range(6))]
)
def test_capture_of_volumes(greys, seed):
    """Rotations to 30 degrees, shifts to a fifth of the image along each axis, phases of several sizes."""
    shape = [(40, 40, 40), (30, 46, 40), (48, 48, 48), (34, 34, 50)][seed % 4]
    field = rigid(shape, seed, 30.0, 0.2)
    im1, im2 = modal_pair(shape, field, seed, greys, feature=[3.0, 4.0, 5.0][seed % 3])
    assert error(start(im1, im2), truth(field, im1), im1) < 0.3


@pytest.mark.slow
def test_capture_of_images_in_two_dimensions():
    for seed in range(20):
        field = rigid((100, 120), seed, 30.0, 0.2)
        im1, im2 = modal_pair((100, 120), field, seed, [TWO, THREE][seed % 2], feature=[3.0, 4.0, 6.0][seed % 3])
        assert error(start(im1, im2), truth(field, im1), im1) < 0.3


@pytest.mark.parametrize("dtypes", [("uint8", "uint16"), ("int16", "float32"), ("float64", "int8")])
def test_types_of_grey_values(dtypes):
    field = rigid((80, 80), 11, 30.0, 0.1)
    images = modal_pair((80, 80), field, 11)
    scales = [{"uint8": 200, "uint16": 6e4, "int16": 3e4, "int8": 100}.get(dtype, 1e-3) for dtype in dtypes]
    im1, im2 = ((im * scale).astype(dtype) for im, scale, dtype in zip(images, scales, dtypes, strict=True))
    assert error(start(im1, im2), truth(field, im1), im1) < 0.2


def test_nan_and_mask_leave_out_what_moves_otherwise():
    """A frame that stays where it is, in im1 masked or NaN, in im2 NaN."""
    shape = (100, 110)
    field = rigid(shape, 5, 30.0, 0.1)
    im1, im2 = modal_pair(shape, field, 5)
    frame1, frame2 = modal_pair(shape, rigid(shape, 0, 0.0, 0.0), 77)
    inside = np.zeros(shape, np.uint8)
    inside[25:-25, 25:-25] = 1
    wide = np.pad(inside[15:-15, 15:-15], 15, constant_values=0) | np.pad(np.ones((80, 90), np.uint8), 10)
    im1, im2 = np.where(inside, im1, 3 * frame1), np.where(wide, im2, 3 * frame2)
    right, im2 = truth(field, im1), np.where(wide, im2, np.nan).astype(np.float32)
    assert error(start(im1, im2, inside), right, im1) < 0.2
    assert error(start(np.where(inside, im1, np.nan), im2), right, im1) < 0.2


def test_sizes_that_differ_and_any_centre():
    shape, centre = (100, 120), np.array([0.0, 10.0, 100.0])
    field = rigid(shape, 6, 25.0, 0.1)
    im1, im2 = modal_pair(shape, field, 6)
    first = np.array([0, 20, 10])
    right = truth(field, im1, centre + first)
    right[:3, 3] += first - [0, 19, 20]  # im2 counts from where its middle is that of im1, rounded down
    assert error(start(im1[20:81, 10:90], im2, centre=centre), right, np.zeros((10, 10))) < 0.3


def test_images_that_are_binned_first():
    shape = (700, 610)
    field = rigid(shape, 3, 30.0, 0.2)
    im1, im2 = modal_pair(shape, field, 3, feature=20.0)
    assert error(start(im1, im2), truth(field, im1), im1) < 0.5


@pytest.mark.parametrize("shape", [(90, 90), (14, 18, 20)])
def test_images_that_have_nothing_to_do_with_each_other_give_no_start(shape, seed=0):
    unmoved = rigid(shape, 0, 0.0, 0.0)
    one, _ = modal_pair(shape, unmoved, 100 + seed)
    _, two = modal_pair(shape, unmoved, 200 + seed)
    assert start(one, two) is None


@pytest.mark.parametrize("shape", [(40, 50), (3, 20, 20), (5, 5, 5), (1, 9, 9)])
def test_nothing_to_find(shape):
    rng = np.random.default_rng(1)
    flat, nan = (np.full(shape, value, np.float32) for value in (7.3, np.nan))
    noise = rng.random(shape, np.float32)
    assert start(flat, noise) is None
    assert start(noise, flat) is None
    assert start(nan, noise) is None
    assert start(noise, nan) is None
    assert start(noise, noise, np.zeros(shape, np.uint8)) is None
    assert start(noise, rng.random(shape, np.float32)) is None


@pytest.mark.mpi
@pytest.mark.parametrize("shape", [(70, 80), (12, 22, 20)])
def test_ranks_change_no_bit(team, shape):
    field = rigid(shape, 4, 30.0, 0.1)
    im1, im2 = modal_pair(shape, field, 4, feature=2.5)
    together, alone = start(im1, im2, team=team), start(im1, im2)
    assert together.tobytes() == alone.tobytes()
    assert len(set(team.all_gather(together.tobytes()))) == 1
    assert error(together, truth(field, im1), im1) < 0.3


@pytest.mark.slow
def test_concrete_turned_by_20_degrees(shared):
    from tifffile import imread

    im1, im2 = (imread(shared / f"oracle/spam/_inputs/concrete-{kind}.tif") for kind in ("xr", "ne"))
    turn = rotation_vector(start(im1, im2)[:3, :3])
    assert abs(abs(turn[0]) - 20) < 3
    assert np.abs(turn[1:]).max() < 3
