"""How a search ends: what is no match has a status and no displacement."""

import numpy as np
import pytest
from test_pixels import identity, moved, texture
from textures import BlobTexture, CosineTexture, lattice_texture

from hpcdvc.fields.status import Status
from hpcdvc.search.pixels import PixelSearch, search_points
from hpcdvc.search.settings import SearchSettings

HALF, NODE = (5, 5, 5), np.array([[15.0, 17, 18]])


def search(im1, im2, reach=(-3, 3) * 3, node=NODE, phi=None, mask1=None, mask2=None, half=HALF, **settings):
    points = search_points(node, identity(1) if phi is None else phi, half, reach)
    (found,) = PixelSearch(im1, im2, SearchSettings(**settings), mask1, mask2)(points)
    return found


def ends(status, *arguments, **how):
    found = search(*arguments, **how)
    assert found["return_status"] == status
    assert np.isnan(found["displacement"]).all() == (status <= 0)
    return found


def test_found():
    im1 = texture()
    found = ends(Status.MAX_ITERATIONS, im1, moved(im1, (2, -1, 3)), (-4, 4) * 3)
    assert (found["displacement"] == (2, -1, 3)).all() and found["score"] == 1 and not found["border"]
    assert found["valid_fraction"] == 1 and found["error"] == 0 and 0 < found["second"] < 0.7


def test_start_moves_the_range():
    im1, phi = texture(), identity(1)
    phi[0, :3, 3] = 1.6, -1.5, 2.5  # rounded to even: 2 -2 2
    found = ends(Status.MAX_ITERATIONS, im1, moved(im1, (2, -1, 3)), (-1, 1) * 3, phi=phi)
    assert (found["displacement"] == (2, -1, 3)).all() and (found["whole"] == (0, 1, 1)).all()


def test_no_texture():
    im1 = texture()
    flat = np.full_like(im1, 900)
    for one, two in ((flat, im1), (im1, flat), (flat, flat)):
        ends(Status.SINGULAR, one, two)


@pytest.mark.parametrize("criterion", ["zncc", "ncc"])
def test_blank_part_of_im2_is_no_match(criterion):
    im1 = texture()
    im2 = moved(im1, (2, -1, 3))
    im2[:, :, 24:] = 40000
    found = search(im1, im2, (-3, 3, -3, 3, -3, 12), criterion=criterion)
    assert (found["whole"] == (2, -1, 3)).all() or found["return_status"] <= 0


def test_no_specimen_before_few_voxels():
    im1, mask = texture(), np.ones(texture().shape, "u1")
    mask[:, :, 18:] = 0
    ends(Status.NO_SPECIMEN, im1, im1, mask1=mask)
    ends(Status.MAX_ITERATIONS, im1, im1, mask1=mask, min_valid=0.4)
    ends(Status.NO_SPECIMEN, im1, im1, mask1=np.zeros_like(mask), min_valid=0.0)
    ends(Status.NO_SPECIMEN, im1, im1, grey_high=15000)
    ends(Status.NO_SPECIMEN, im1, im1, grey_low=25000)
    corner = np.array([[0.0, 0, 0]])
    ends(Status.FEW_VALID_VOXELS, im1, im1, node=corner)
    ends(Status.NO_SPECIMEN, im1, im1, node=corner, mask1=np.zeros_like(mask), min_valid=0.9)
    ends(Status.FEW_VALID_VOXELS, im1.astype("f4") * np.nan, im1)


def test_bad_start():
    im1, phi = texture(), identity(1)
    for bad in (np.nan, np.inf):
        phi[0, 1, 3] = bad
        ends(Status.BAD_START, im1, im1, phi=phi)
    flattened = np.diag([1.0, 0, 1])
    for singular in (np.zeros((3, 3)), flattened, np.ones((3, 3)), 1e-5 * np.eye(3), 1e-200 * np.eye(3)):
        phi = identity(1)
        phi[0, :3, :3] = singular
        ends(Status.BAD_START, im1, im1, phi=phi)


def test_left_image():
    im1, phi = texture(), identity(1)
    for far in (40, -1e300, 2.0**40):
        phi[0, 2, 3] = far
        ends(Status.LEFT_IMAGE, im1, im1, phi=phi)
    ends(Status.LEFT_IMAGE, im1, im1, mask2=np.zeros(im1.shape, "u1"))


def test_another_texture():
    assert ends(Status.DECORRELATED, texture(), texture(seed=8), (-5, 5) * 3)["score"] < 0.6


def test_two_places():
    """A window that is in im2 twice, and twice with one of them a little worse."""
    im1 = texture((30, 34, 60))
    im2 = texture((30, 34, 60), seed=8)
    for x in (20, 38):
        im2[8:24, 10:26, x - 8 : x + 9] = im1[8:24, 10:26, 12:29]
    how = {"reach": (-1, 1, -1, 1, -4, 20), "node": np.array([[15.0, 17, 20]])}
    found = ends(Status.AMBIGUOUS, im1, im2, **how)
    assert found["score"] == 1 and found["second"] > 0.99
    ends(Status.AMBIGUOUS, im1, im2, criterion="ncc", **how)
    im2[8:24, 10:26, 30:47] += np.random.default_rng(0).integers(0, 6000, (16, 16, 17)).astype("u2")
    found = ends(Status.MAX_ITERATIONS, im1, im2, **how)
    assert 0.5 < found["second"] < 0.9


@pytest.mark.parametrize("subvoxel", [False, True])
def test_border_of_the_range(subvoxel):
    """A best score on the border is a match when the neighbours beyond are worse; else the range was too small."""
    im1 = texture()
    im2, how = moved(im1, (2, -1, 3)), {"subvoxel": subvoxel}
    match = Status.CONVERGED if subvoxel else Status.MAX_ITERATIONS
    found = ends(match, im1, im2, (-2, 2, -1, 3, -3, 4), **how)
    assert found["border"] == 1 and np.abs(found["displacement"] - (2, -1, 3)).max() < 0.07
    found = ends(Status.BORDER_OF_RANGE, im1, im2, (-2, 1, -1, 3, -3, 4), **how)
    assert found["border"] == 1 and found["whole"][0] == 1
    # an axis of a single displacement has no border
    assert ends(match, im1, im2, (2, 2, -3, 3, 1, 5), **how)["border"] == 0


def test_fraction_of_a_voxel():
    """Of a texture evaluated at moved points."""
    from synthetic import lattice_texture, render, translation

    shift, shape = np.array([0.3, -1.4, 2.2]), (31, 35, 39)
    im1, im2 = render(lattice_texture(3), shape), render(lattice_texture(3), shape, translation(shift))
    found = ends(Status.CONVERGED, im1, im2, (-3, 3) * 3, subvoxel=True)
    assert (found["whole"] == np.rint(shift)).all() and np.abs(found["displacement"] - shift).max() < 0.06


def test_particles():
    """Only the voxels of the particle count, dilated by a ball; they move, the rest does not."""
    im1 = texture()
    z, y, x = np.indices(im1.shape)
    inside = (z - 15) ** 2 + (y - 17) ** 2 + (x - 18) ** 2 <= 36
    labels = np.where(inside, 7, 0).astype("i4")
    labels[:, :, 28:] = 9
    im2 = texture(seed=8)
    im2[np.roll(inside, (2, -1, 1), (0, 1, 2))] = im1[inside]
    points = search_points(NODE, identity(1), (6, 6, 6), (-3, 3) * 3)
    points["label"] = 7
    for dilate, low, high in ((0, 1, 1), (1, 0.5, 0.9), (-2, 1, 1)):
        (found,) = PixelSearch(im1, im2, SearchSettings(dilate=dilate), labels=labels)(points)
        assert found["return_status"] == 1 and (found["displacement"] == (2, -1, 1)).all()
        assert low - 1e-9 <= found["score"] <= high + 1e-9
    count = int(inside.sum())
    for volume, status in ((count - 1, 1), (count, -5)):
        (found,) = PixelSearch(im1, im2, SearchSettings(dilate=0, min_volume=volume), labels=labels)(points)
        assert found["return_status"] == status
    points["label"] = 8
    (found,) = PixelSearch(im1, im2, SearchSettings(dilate=0), labels=labels)(points)
    assert found["return_status"] == Status.NO_SPECIMEN


def test_texture_along_one_axis_only():
    """Windows slide along fibres: all places along them match as well, whatever noise makes of it."""
    rng = np.random.default_rng(4)
    fibres = np.broadcast_to(texture()[15].astype(float), texture().shape)
    im1, im2 = (fibres + 400 * rng.standard_normal(fibres.shape) for _ in range(2))
    found = ends(Status.AMBIGUOUS, im1, np.roll(im2, (0, -1, 3), (0, 1, 2)), (-4, 4) * 3)
    assert (found["whole"][1:] == (-1, 3)).all() and found["score"] > 0.95
    # a little texture along them is enough
    im1, im2 = (image + 0.5 * texture(seed=8) for image in (im1, im2))
    found = search(im1, np.roll(im2, (1, -1, 3), (0, 1, 2)), (-4, 4) * 3)
    assert found["return_status"] == 1 and (found["whole"] == (1, -1, 3)).all()


def believed(im1, im2, half, reach, count, seed=0):
    """What was found of windows at random places."""
    flat, rng = np.array(im1.shape) == 1, np.random.default_rng(seed)
    margin = np.where(flat, 0, np.add(half, reach))
    positions = rng.integers(margin, np.array(im1.shape) - margin, (count, 3)).astype(float)
    span = np.where(flat, 0, reach)
    points = search_points(positions, identity(count), half, np.stack([-span, span], axis=1).ravel())
    found = PixelSearch(im1, im2, SearchSettings())(points)
    return found[found["return_status"] > 0]


@pytest.mark.parametrize("half", [2, 3])
@pytest.mark.parametrize("kind", ["lattice", "cosine", "blobs"])
def test_small_windows_of_unrelated_textures(kind, half):
    """How coarse a texture is a window of five pixels does not know, the region that it is searched in does."""
    make = {
        "lattice": lambda seed: lattice_texture(seed, spacing=2.8, dimensions=2),
        "cosine": lambda seed: CosineTexture(seed, waves=120, bandwidth=0.08, dimensions=2),
        "blobs": lambda seed: BlobTexture(seed, sigma=1.8, dimensions=2),
    }[kind]
    points, rng = np.stack(np.indices((160, 160)), axis=-1).reshape(-1, 2).astype(float), np.random.default_rng(3)
    im1, im2 = (make(seed)(points).reshape(1, 160, 160) for seed in (31, 32))
    im1, im2 = ((image + 0.1 * image.std() * rng.standard_normal(image.shape)).astype("f4") for image in (im1, im2))
    assert len(believed(im1, im2, (0, half, half), 5, 600)) <= 1


@pytest.mark.parametrize(("name", "least"), [("shell", 12), ("bone", 25), ("cement", 55)])
def test_measured_volumes_moved_by_half_a_voxel(shared, name, least):
    """A wall or a strut slides along itself, and the place that half a voxel favours is not the right one."""
    import tifffile

    folder = shared / "data" / f"real_binshift_{name}"
    im1, im2 = (tifffile.imread(folder / f"sharp_{which}.tif") for which in ("ref", "def_0.50_0.50_0.50"))
    found = believed(im1, im2, (7, 7, 7), 3, 60)
    assert len(found) >= least and (np.abs(found["displacement"] - 0.5) < 2).all()


def test_no_fraction_without_neighbours():
    """A single displacement, and one beside which the window leaves im2: to the whole voxel all the same."""
    im1 = texture()
    found = ends(Status.MAX_ITERATIONS, im1, im1, (0, 0) * 3, subvoxel=True)
    assert (found["displacement"] == 0).all() and np.isnan(found["second"])
    edge = np.array([[5.0, 17, 18]])
    found = ends(Status.MAX_ITERATIONS, im1, im1, node=edge, subvoxel=True, min_valid=1.0)
    assert (found["displacement"] == 0).all()
