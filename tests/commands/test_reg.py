"""hpcdvc-reg against motions that are known exactly, in this process: what is measured, with every option."""

import numpy as np
import pytest
import tifffile
from ldic_cases import images, same_rows, save_pair, save_registration
from reg_cases import (
    CENTRE,
    FIELD,
    FLAT_FIELD,
    FLAT_SHAPE,
    LARGE,
    SHAPE,
    apart,
    error_of,
    measure,
    pair_of,
    run_here,
    save_motion,
)
from synthetic import Affine, Grey, lattice_texture, pair, rotation

from hpcdvc.errors import RunError
from hpcdvc.fields.field import Field
from hpcdvc.fields.phi import at_points
from hpcdvc.fields.status import Status
from hpcdvc.options.parser import parse
from hpcdvc.output.hdf5 import read_field
from hpcdvc.output.tsv import read_tsv, write_tsv
from hpcdvc.ranks.team import Team
from hpcdvc.registration.levels import binning
from hpcdvc.workflows import ldic

pytestmark = pytest.mark.filterwarnings("error")

#: Largest error at a corner (voxels) by order; the texture is short, which costs the trilinear interpolation most.
LIMITS = {1: 0.025, 3: 0.001, 5: 0.0003}
MASK = np.ones(SHAPE, "u1")
MASK[20:24, 30:36, 10:20] = 0
MASK[30:38, :20, :20] = 0


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_motion("small")


@pytest.mark.parametrize("criterion", ["znssd", "ssd"])
@pytest.mark.parametrize("order", LIMITS)
def test_affine_motion(order, criterion):
    found = measure("-o", order, "-crit", criterion)
    assert found.positions.tolist() == [CENTRE.tolist()] and found.return_status.tolist() == [Status.CONVERGED]
    assert error_of(found) < LIMITS[order]
    assert np.abs(found.phi[0, :3, :3] - FIELD.F).max() < LIMITS[order] / 20
    assert found.phi[0, 3].tolist() == [0, 0, 0, 1]
    assert 0.998 < found.extra["zncc"][0] <= 1 and found.extra["valid_fraction"][0] == 1
    assert found.delta_phi_norm[0] <= 1e-4


@pytest.mark.parametrize("words", [("-ug",), ("-gm", "gaussian"), ("-gm", "spline"), ("-gm", "finite_differences")])
@pytest.mark.parametrize("order", [1, 3])
def test_gradients(order, words):
    assert error_of(measure("-o", order, *words)) < LIMITS[order]


@pytest.mark.parametrize(
    "words", [(), ("-o", 1), ("-o", 5), ("-ug",), ("-gm", "gaussian"), ("-bb", 1), ("-crit", "ssd")]
)
def test_two_dimensions(words):
    save_motion("flat")
    found = measure(*words)
    assert error_of(found, FLAT_FIELD, FLAT_SHAPE) < (0.012 if words == ("-o", 1) else 0.0005)
    assert found.positions[0].tolist() == [0, *((np.array(FLAT_SHAPE) - 1) / 2)]
    assert found.phi[0, 0].tolist() == [1, 0, 0, 0] and found.phi[0, 1:3, 0].tolist() == [0, 0]


@pytest.mark.parametrize("dimensions", [2, 3])
def test_rigid(dimensions):
    shape = FLAT_SHAPE if dimensions == 2 else SHAPE
    field = rotation(4, (np.array(shape) - 1) / 2, shift=(1.2, -2.1, 0.6)[:dimensions])
    save_pair(*images(field, shape))
    found = measure("-rig")
    f = found.phi[0, :3, :3]
    assert np.abs(f @ f.T - np.eye(3)).max() < 1e-12 and np.linalg.det(f) > 0
    assert error_of(found, field, shape) < LIMITS[3]
    assert not same_rows(found, measure())
    # an affine motion is answered by a rotation all the same
    save_motion("small")
    f = measure("-rig").phi[0, :3, :3]
    assert np.abs(f @ f.T - np.eye(3)).max() < 1e-12


def test_im1_is_im2():
    save_pair(pair_of()[0], pair_of()[0])
    for words in ((), ("-o", 1), ("-o", 5), ("-ug",), ("-rig",), ("-crit", "ssd")):
        found = measure(*words)
        assert np.abs(found.phi[0] - np.eye(4)).max() < 2e-6, words
        assert found.extra["zncc"][0] > 1 - 1e-6


@pytest.mark.parametrize("order", [1, 3])
def test_gain_and_offset(order):
    """Phi is the same to 1e-4 voxel at all corners; only with -crit ssd grey values must be alike."""
    plain = measure("-o", order)
    for gain, offset in ((0.8, 0.7), (1.2, -1.0)):
        save_motion("small", grey2=Grey(gain=gain, offset=offset))
        assert apart(measure("-o", order), plain) < 1e-4
        assert apart(measure("-o", order, "-crit", "ssd"), plain) > 0.01


@pytest.mark.parametrize(
    "grey",
    [
        Grey(128, 25, dtype="u1"),
        Grey(0, 25, dtype="i1"),
        Grey(-500, 5000, dtype="i2"),
        Grey(dtype="u2"),
        Grey(3e9, 1e8, dtype="u4"),
        Grey(-2e9, 1e7, dtype="i4"),
        Grey(0.5, 0.1, dtype="f4"),
        Grey(1e9, 1e6, dtype="f8"),
    ],
    ids=lambda grey: grey.dtype,
)
def test_types_of_voxels(grey):
    """Each type, and its binned levels: -be 2 gives a result of a coarse level alone."""
    save_motion("small", grey1=grey)
    rounding = 0.002 if np.dtype(grey.dtype).itemsize == 1 else 0
    assert error_of(measure()) < LIMITS[3] + rounding
    assert error_of(measure("-o", 1)) < LIMITS[1]
    coarse = measure("-be", 2)
    assert error_of(coarse) < 0.04 and coarse.return_status[0] == Status.CONVERGED


def test_last_level():
    """-be 2 ends early, with the displacement in voxels of the images, as it is for the binned images themselves."""
    found = measure("-be", 2)
    assert LIMITS[3] < error_of(found) < 0.04
    im1, im2 = (binning(image, 2) for image in pair_of())
    save_pair(im1, im2)
    alone = measure("-bb", 2)
    # their voxel 0 is the middle of the voxels 0 and 1, or 1 and 2 where one is cropped
    middle = at_points(alone.phi[0], alone.positions[0], (CENTRE[None] - 0.5) / 2)[0]
    assert np.abs(found.phi[0, :3, :3] - middle[:3, :3]).max() < 2e-5
    assert np.abs(found.phi[0, :3, 3] - 2 * middle[:3, 3]).max() < 1e-3


@pytest.mark.parametrize("order", LIMITS)
def test_masked_voxels_do_not_count(order):
    """Whatever stands in them; at coarse levels and in the gradient, too."""
    tifffile.imwrite("mask.tif", MASK)
    clean = measure("-mf1", "mask.tif", "-o", order)
    assert error_of(clean) < LIMITS[order]
    junk = pair_of()[0].copy()
    junk[20:24, 30:36, 10:20] = 0
    junk[30:38, :20, :20] = 65535
    save_pair(junk, pair_of()[1])
    assert apart(measure("-mf1", "mask.tif", "-o", order), clean) < 1e-3
    tifffile.imwrite("mask.tif", MASK.astype("f4") * 17, compression="zlib")  # anything but 0 counts
    assert apart(measure("-mf1", "mask.tif", "-o", order), clean) < 1e-3
    tifffile.imwrite("mask.tif", np.ones(SHAPE, "u1"))
    save_motion("small")
    assert measure("-mf1", "mask.tif").phi.tobytes() == measure().phi.tobytes()


@pytest.mark.parametrize("words", [("-o", 1), ("-o", 3), ("-o", 5), ("-ug",), ("-gm", "gaussian"), ("-bb", 1)])
def test_nan_voxels_do_not_count(words):
    im1, im2 = (image.astype("f4") for image in pair_of())
    im1[20:24, 30:36, 10:20] = np.nan
    im2[35:40, 5:12, 30:40] = np.inf
    save_pair(im1, im2)
    found = measure(*words)
    assert error_of(found) < (LIMITS[1] if words == ("-o", 1) else 0.0015)
    assert 0.95 < found.extra["valid_fraction"][0] < 1


def test_phi_at_the_centre_of_the_mask():
    tifffile.imwrite("mask.tif", MASK)
    middle, found = measure("-mf1", "mask.tif"), measure("-mf1", "mask.tif", "-rmc")
    centre = np.argwhere(MASK).mean(axis=0)
    assert np.abs(found.positions[0] - centre).max() < 1e-10 and np.abs(centre - CENTRE).max() > 0.4
    assert middle.positions[0].tolist() == CENTRE.tolist()
    assert (found.phi[0, :3, :3] == middle.phi[0, :3, :3]).all()
    expected = at_points(middle.phi[0], CENTRE, centre[None])[0]
    assert np.abs(found.phi[0] - expected).max() < 1e-12
    assert np.abs(found.displacement[0] - FIELD.displacement(centre)).max() < LIMITS[3]
    # the noise of the displacement grows with the distance from where F turns the image
    assert (found.extra["variance"][0, 3::4] < middle.extra["variance"][0, 3::4]).all()


def voxels_that_counted() -> float:
    return np.load("im1-im2-registration-iterations.npy")["voxels"][-1]


def test_margin():
    """The voxels that count; none further out has a say."""
    for words, margin in (((), 5), (("-m", 7), 7), (("-m3", 6, 8, 7), (6, 8, 7)), (("-m", 7.6), 7)):
        found = measure(*words, "-j")
        assert voxels_that_counted() == np.prod(np.array(SHAPE) - 2 * np.array(margin)), words
        assert error_of(found) < LIMITS[3]
    assert same_rows(measure("-m", 7), measure("-m3", 7, 7, 7))
    plain, junk = measure("-m", 9), pair_of()[0].copy()
    for face in (np.s_[:2], np.s_[:, -2:], np.s_[:, :, :2]):
        junk[face] = 65535
    save_pair(junk, pair_of()[1])
    assert apart(measure("-m", 9), plain) < 1e-3
    with pytest.raises(RunError):
        measure("-m", 0)
    # on binned levels the margin is as wide
    measure("-m", 9, "-j")
    rows = np.load("im1-im2-registration-iterations.npy")
    assert rows["voxels"][rows["factor"] == 2][-1] == np.prod(np.array(SHAPE) // 2 - 2 * 4)


def test_start():
    """From a table or a file of ours, about any point, in voxels of binned images."""
    save_motion("large")
    plain, point, words = measure("-bb", 1), np.array([3.0, 40.0, 11.0]), ("-bb", 1, "-pf")
    assert error_of(plain, LARGE) < 0.0015 and plain.iterations[0] > 10
    save_registration("start.tsv", LARGE)
    save_registration("about.tsv", Affine(LARGE.F, LARGE.displacement(point), point))
    save_registration("half.tsv", Affine(LARGE.F, LARGE.shift / 2, LARGE.centre / 2))
    started = measure(*words, "start.tsv")
    for more in (("about.tsv",), ("half.tsv", "-pfb", 2)):
        found = measure(*words, *more)
        assert found.iterations[0] <= 3 and error_of(found, LARGE) < 0.0015 and apart(found, started) < 1e-6
    # its own result: nothing is left to do
    run_here("im1.tif", "im2.tif", "-bb", 1, "-pre", "first")
    for kind in ("hdf", "tsv"):
        found = measure(*words, f"first-registration.{kind}")
        assert found.iterations[0] == 1 and apart(found, plain) < 1e-3
    # a status that is not 2 is no reason to refuse it
    failed = read_tsv("start.tsv")
    failed.return_status[:] = -1
    write_tsv("failed.tsv", failed)
    assert same_rows(measure(*words, "failed.tsv"), started)


@pytest.mark.parametrize(("dimensions", "angle", "shift"), [(3, 40, (-8.0, 14.0, 3.0)), (2, -35, (20.0, -24.0))])
def test_auto(dimensions, angle, shift):
    """A large rotation and a displacement of a quarter of the image need no hand."""
    shape = (64, 60, 68) if dimensions == 3 else (96, 100)
    field = rotation(angle, (np.array(shape) - 1) / 2, axis=(1, -2, 0.7), shift=shift)
    save_pair(*pair(lattice_texture(1, 3.0, dimensions), shape, field))
    with pytest.raises(RunError, match="--auto"):
        measure()
    assert error_of(measure("--auto"), field, shape) < 0.001


def test_rigid_part_of_a_start():
    save_motion("large")
    save_registration("start.tsv", LARGE)
    f = measure("-rig", "-pf", "start.tsv").phi[0, :3, :3]
    assert np.abs(f @ f.T - np.eye(3)).max() < 1e-12


def test_as_a_start_of_local_measurements():
    """hpcdvc-ldic takes the registration for its -pf."""
    save_motion("large")
    (path, *_) = run_here("im1.tif", "im2.tif")
    words = ["im1.tif", "im2.tif", "-ns", "20", "-hws", "6", "-pf", path]
    field: Field = read_field(ldic.run(parse(ldic.Options, words), Team())[0])
    good = field.return_status == Status.CONVERGED
    assert good.sum() > 2 and np.abs(field.displacement - LARGE.displacement(field.positions))[good].max() < 0.02
