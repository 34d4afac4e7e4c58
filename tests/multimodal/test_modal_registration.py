"""Registration across modalities: it measures what is there, and calls nothing measured that is not."""

import json

import numpy as np
import pytest
from modal_pairs import THREE, TWO, modal_pair, rigid
from scipy.ndimage import gaussian_filter
from synthetic import rotation
from tifffile import imread

from hpcdvc import gaussian_mixture_parameters, multimodal_registration, phase_diagram
from hpcdvc.errors import UserError
from hpcdvc.fields.phi import at_points
from hpcdvc.fields.status import Status
from hpcdvc.multimodal.multiscale import ITERATE, register_modal
from hpcdvc.multimodal.settings import ModalSettings
from hpcdvc.ranks.team import Team
from hpcdvc.registration.journal import Journal
from hpcdvc.registration.levels import Level, as_volume
from hpcdvc.registration.multiscale import levels_between

SHAPES = {"volume": (40, 34, 44), "flat": (96, 80)}


def truth(field, shape):
    """(4, 4) Phi about the centre."""
    centre, phi = (np.array((1,) * (3 - len(shape)) + shape) - 1) / 2, np.eye(4)
    phi[:3] = field.phi(centre[None, 3 - len(shape) :])[0]
    return phi


def case(name, seed=1, greys=TWO, angle=3.0, part=0.03, **kinds):
    """Both images of a pair, and its Phi."""
    field = rigid(SHAPES[name], seed, angle, part)
    return *modal_pair(SHAPES[name], field, seed, greys, **kinds), truth(field, SHAPES[name])


def errors(result, right):
    """Of the displacement, voxels, and the largest of F."""
    wrong = (result.phi - right)[:3]
    return np.linalg.norm(wrong[:, 3]), np.abs(wrong[:, :3]).max()


@pytest.mark.parametrize("is_rigid", [False, True], ids=["affine", "rigid"])
@pytest.mark.parametrize("greys", [TWO, THREE], ids=["two phases", "three phases"])
@pytest.mark.parametrize("name", SHAPES)
def test_pair_without_a_start(name, greys, is_rigid):
    im1, im2, right = case(name, greys=greys)
    result = multimodal_registration(im1, im2, n_phases=len(greys[0]), phi_rigid=is_rigid)
    assert result.return_status == Status.CONVERGED
    displacement, gradient = errors(result, right)
    assert displacement < 0.04
    assert gradient < 3e-3
    assert result.explained > 0.95 > result.levels[-1].explained_start


@pytest.mark.parametrize("levels", [1, 2])
@pytest.mark.parametrize("is_started", [False, True], ids=["no start", "start"])
@pytest.mark.parametrize("is_rigid", [False, True], ids=["affine", "rigid"])
def test_the_three_phases_of_the_oracle(shared, levels, is_started, is_rigid):
    inputs = shared / "oracle/spam/_inputs"
    right = np.array(json.loads((inputs / "mm2.truth.json").read_text())["Phi"])
    result = multimodal_registration(
        imread(inputs / "mm1.tif"), imread(inputs / "mm2.tif"), n_phases=3, bin_levels=levels, phi_rigid=is_rigid,
        phi_init=right if is_started else None,
    )  # fmt: skip
    displacement, gradient = errors(result, right)
    assert result.return_status == Status.CONVERGED
    assert displacement <= 0.005
    assert gradient <= 2e-4
    assert result.levels[-1].mixture.n_phases == 3


@pytest.mark.parametrize(("dtype", "scale"), [("u1", 200), ("u2", 40000), ("i2", -20000), ("f8", 1e-9)])
def test_types_of_grey_values(dtype, scale):
    im1, im2, right = case("volume")
    images = [(image * scale).astype(dtype) for image in (np.clip(im1, 0, 1.2), np.clip(im2, 0, 1.2))]
    result = multimodal_registration(*images)
    assert result.return_status == Status.CONVERGED
    assert errors(result, right)[0] < 0.04


def test_mask_and_fields_of_voxels():
    im1, im2, right = case("volume")
    mask = np.ones(im1.shape)
    mask[:, :12] = np.nan
    result = multimodal_registration(np.where(mask == 1, im1, 5.0), im2, im1_mask=mask, ranges=((0, 1), (0, 1)))
    assert result.return_status == Status.CONVERGED
    assert errors(result, right)[0] < 0.06
    assert (result.phase_field[:, :12] == 0).all()
    assert np.isnan(result.residual_field[:, :12]).all()
    inner = (slice(8, -8), slice(16, -8), slice(8, -8))
    dark, bright = (im1 < 0.35)[inner], (im1 > 0.6)[inner]
    phases = [np.bincount(result.phase_field[inner][voxels], minlength=3) for voxels in (dark, bright)]
    assert {int(p.argmax()) for p in phases} == {1, 2}
    assert all(p.max() > 0.97 * p.sum() for p in phases)
    assert 0.5 < np.nanstd(result.residual_field[inner]) < 1.5


def test_phases_that_are_given():
    """As a user of spam does it: images in bins, Gaussians, a diagram, a registration with them."""
    im1, im2, right = case("volume", greys=THREE)
    scaled = [(v - v.min()) / (v.max() - v.min()) * 63 for v in (im1, im2)]
    parameters, histogram = gaussian_mixture_parameters(*scaled, bins=64, n_phases=3)
    diagram, _ = phase_diagram(parameters, histogram, bins=64)
    result = multimodal_registration(*scaled, diagram, parameters, bins=64)
    assert result.return_status == Status.CONVERGED
    assert errors(result, right)[0] < 0.04
    np.testing.assert_allclose(result.levels[-1].mixture.means[:3], parameters[:, 1:3])


UNRELATED = {
    "another body": lambda one, two, rng: (one, modal_pair(one.shape, rigid(one.shape, 1, 0, 0), 77)[1]),
    "noise": lambda one, two, rng: (one, rng.standard_normal(one.shape).astype("f4")),
    "noise alone": lambda one, two, rng: tuple(rng.standard_normal(one.shape).astype("f4") for _ in "12"),
    "one phase": lambda one, two, rng: tuple(1 + 0.03 * rng.standard_normal(one.shape) for _ in "12"),
    "shifted too far": lambda one, two, rng: (one, np.roll(two, one.shape[-1] // 2, axis=-1)),
    "mirrored": lambda one, two, rng: (one, two[..., ::-1]),
}


WAYS = [("volume", 1, False), ("flat", 2, True)]
OTHERS = [(name, n, is_rigid) for name in SHAPES for n in (1, 2) for is_rigid in (False, True)]


@pytest.mark.parametrize(
    ("name", "levels", "is_rigid"),
    WAYS + [pytest.param(*way, marks=pytest.mark.slow) for way in OTHERS if way not in WAYS],
)
@pytest.mark.parametrize("kind", UNRELATED)
def test_what_does_not_match_is_not_called_measured(name, levels, is_rigid, kind):
    im1, im2, _ = case(name)
    some = (slice(None),) if name == "flat" else (slice(28), slice(28), slice(28))
    pair = UNRELATED[kind](im1[some], im2[some], np.random.default_rng(3))
    result = multimodal_registration(*pair, phi_rigid=is_rigid, bin_levels=levels, max_iterations=25)
    assert result.return_status != Status.CONVERGED


@pytest.mark.parametrize("seed", range(3))
def test_small_images_that_match_by_chance(seed):
    """With so few details one place or other explains a part of them; places beside it explain as much."""
    shape = (40, 40)
    pair = [modal_pair(shape, rigid(shape, 0, 0, 0), seed + k, feature=3.0)[k > 0] for k in (0, 100)]
    result = multimodal_registration(*pair, phi_rigid=True)
    assert result.return_status != Status.CONVERGED


@pytest.mark.parametrize("seed", [201, 212, 227])
def test_smooth_noise_that_fits_by_chance(seed):
    """A few blobs fit others as well as two thirds of the variance, and phi settles there: nothing holds it."""
    rng, inner = np.random.default_rng(seed), (slice(20, 48),) * 3
    pair = []
    for _ in "12":
        blobs = gaussian_filter(rng.standard_normal((68, 68, 68)), 4.0)[inner]
        pair.append((blobs / blobs.std() + 0.05 * rng.standard_normal(blobs.shape)).astype("f4"))
    result = multimodal_registration(*pair, phi_rigid=True, bin_levels=2, max_iterations=100)
    assert result.explained > 0.6
    assert result.return_status == Status.SINGULAR


def test_ball_whose_rotation_nothing_shows():
    rng = np.random.default_rng(2)
    from_centre = np.linalg.norm(
        np.indices((36, 36, 36)) - 17.5 - np.array([0.7, -0.4, 0.2])[:, None, None, None], axis=0
    )
    ball = 1 / (1 + np.exp(2 * (from_centre - 9)))
    im1, im2 = (image + 0.03 * rng.standard_normal(ball.shape) for image in (np.roll(ball, 1, axis=2), 1 - ball))
    result = multimodal_registration(im1, im2, phi_rigid=True)
    rotation = np.sqrt(result.variance.reshape(3, 4)[[1, 2, 2], [0, 0, 1]])
    assert result.return_status != Status.CONVERGED or (rotation > 0.02).any()
    np.testing.assert_allclose(result.t, [0, 0, -1], atol=0.05)


def test_little_that_meets():
    im1, im2, _ = case("volume")
    start = np.eye(4)
    start[2, 3] = 42
    result = multimodal_registration(im1, im2, phi_init=start)
    assert result.return_status == Status.LEFT_IMAGE
    mask = np.zeros(im1.shape)
    mask[20, 17, 22] = 1
    assert multimodal_registration(im1, im2, im1_mask=mask).return_status < 0


def test_start_in_a_false_maximum():
    """A start that explains nothing, far from the motion: no motion explains more than what is found from there."""
    im1, im2, _ = case("volume", angle=1.0, part=0.01)
    start = np.eye(4)
    start[:3, 3] = 9, -8, 10
    result = multimodal_registration(im1, im2, phi_init=start)
    assert result.return_status != Status.CONVERGED or result.explained > 0.95


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"im2": np.ones(SHAPES["volume"])}, "im2 has one grey value only"),
        ({"im1": np.full(SHAPES["volume"], np.nan)}, "im1 has no grey values"),
        ({"im2": np.ones((9, 9, 9))}, "smaller"),
        ({"im2": np.ones((44, 44))}, "smaller"),
        ({"im1_mask": np.zeros(SHAPES["volume"])}, "0 everywhere"),
        ({"im1_mask": np.ones((3, 3, 3))}, "does not fit"),
        ({"n_phases": 0}, "phases"),
        ({"n_phases": 17}, "1 to 16"),
        ({"n_phases": 2.5}, "2.5.* phases are not possible"),
        ({"n_phases": "many"}, "'many' phases are not possible"),
        ({"n_phases": (2, 2)}, "2 numbers of phases for 1 levels"),
        ({"bins": 4}, "bins"),
        ({"bins": 20.5}, "20.5 bins"),
        ({"bin_levels": 9}, "levels"),
        ({"bin_levels": 1.5}, "1.5 levels"),
        ({"crop": 0.6}, "crop"),
        ({"ranges": ((1, 0), (None, None))}, "no range"),
        ({"ranges": ((0, 1),)}, "ranges"),
        ({"ranges": ((-np.inf, np.inf), (None, None))}, "3e"),
        ({"ranges": 3}, "ranges"),
        ({"ranges": ((0, 1), (0,))}, "ranges"),
        ({"phi_init": np.zeros((4, 4))}, "phi_init"),
        ({"max_iterations": 0}, "max_iterations"),
        ({"gaussian_parameters": np.ones((2, 5))}, "parameters of phases are"),
        ({"gaussian_parameters": [[1, 30, 30, 1, 2, 1]]}, "a c > b"),
        ({"phase_diagram": np.ones((5, 5))}, "phase diagram"),
        ({"interpolation_order": 2}, "interpolation"),
    ],
)
def test_what_makes_no_sense(change, words):
    im1, im2, _ = case("volume")
    arguments = {"im1": im1, "im2": im2, **change}
    with pytest.raises(UserError, match=words):
        multimodal_registration(**arguments)


def test_too_many_given_phases_are_refused_before_anything_is_computed(monkeypatch):
    monkeypatch.setattr("hpcdvc.multimodal.api.register_modal", None)
    phases = np.tile([1.0, 30, 30, 1, 0, 1], (17, 1))
    with pytest.raises(UserError, match="1 to 16 rows"):
        multimodal_registration(*case("volume")[:2], gaussian_parameters=phases)


def levels_of(name, number, **kinds):
    im1, im2, _ = case(name, **kinds)
    return levels_between(Level.of(as_volume(im1), as_volume(im2)), 2 ** (number - 1), 1, Team())


def run(levels, journal, **settings):
    centre = (np.array(levels[1].im1.shape) - 1) / 2
    return register_modal(levels, ModalSettings(bins=64, **settings), np.eye(4), centre, Team(), journal)


def test_a_run_goes_on_with_the_same_bits():
    levels, rows = levels_of("volume", 2, greys=THREE, noise=0.1), []
    whole = run(levels, Journal(rows.append, quiet=True), n_phases=(3,))
    rows = np.concatenate(rows)
    np.testing.assert_array_equal(rows, whole[-1].history)
    assert list(rows["index"]) == list(range(len(rows)))
    assert set(rows["stage"]) == {1, 2, 3}
    for kept in range(2, len(rows), 4):
        more = []
        again = run(levels, Journal(more.append, rows[:kept], quiet=True), n_phases=(3,))
        assert len(more) == len(rows) - kept
        np.testing.assert_array_equal(again[-1].history, rows)
        np.testing.assert_array_equal(again[-1].phi, whole[-1].phi)
        np.testing.assert_array_equal(again[-1].variance, whole[-1].variance)


def test_a_failed_level_is_passed_over():
    levels = levels_of("volume", 2)
    flat = levels[2].im2 * 0 + np.random.default_rng(1).standard_normal(levels[2].im2.shape).astype("f4")
    broken = Level(2, levels[2].im1, flat, None, levels[2].first, levels[2].first2, levels[2].rounding)
    results = run({2: broken, 1: levels[1]}, Journal(quiet=True))
    assert [r.return_status == Status.CONVERGED for r in results] == [False, True]
    assert results[-1].factor == 1


@pytest.mark.slow
@pytest.mark.parametrize("is_rigid", [False, True], ids=["affine", "rigid"])
@pytest.mark.parametrize("name", SHAPES)
def test_standard_deviations_are_no_smaller_than_the_errors(name, is_rigid):
    """Errors in standard deviations, over all unknowns of some pairs: 1, less what few of them can be off by chance."""
    ratios = []
    for seed in range(16):
        im1, im2, right = case(name, seed, noise=0.05)
        result = multimodal_registration(im1, im2, phi_rigid=is_rigid)
        assert result.return_status == Status.CONVERGED
        some = result.variance > 0
        ratios.append(((result.phi - right)[:3].ravel()[some]) ** 2 / result.variance[some])
    assert 0.2 < np.mean(ratios) < 1.7


def test_records_hold_what_a_run_needs():
    assert {"index", "factor", "number", "status", "phi", "log_likelihood", "delta_phi_norm"} <= set(ITERATE.names)


def test_centre_of_the_result():
    """Phi about another point is that of the same motion."""
    levels = levels_of("volume", 1)
    middle, other = (np.array(levels[1].im1.shape) - 1) / 2, np.array([10.0, 20.0, 15.0])
    settings = ModalSettings(bins=64, rigid=True)
    one, two = (
        register_modal(levels, settings, np.eye(4), at, Team(), Journal(quiet=True))[-1] for at in (middle, other)
    )
    np.testing.assert_allclose(at_points(one.phi, middle, other[None])[0], two.phi, atol=2e-3)


@pytest.mark.mpi
@pytest.mark.parametrize("name", SHAPES)
def test_ranks_change_no_bit_of_a_registration(team, name):
    im1, im2, _ = case(name)
    ours, alone = (multimodal_registration(im1, im2, bin_levels=2, comm=comm) for comm in (team.comm, None))
    assert ours.return_status == Status.CONVERGED
    for field in ("phi", "variance", "log_likelihood", "residual_field", "phase_field"):
        assert np.asarray(getattr(ours, field)).tobytes() == np.asarray(getattr(alone, field)).tobytes(), field
    assert ours.levels[-1].history.tobytes() == alone.levels[-1].history.tobytes()


@pytest.mark.parametrize("greys", [None, (0.5,)], ids=["grey", "two values"])
def test_an_image_and_itself(greys):
    """They explain each other wholly, before the first iteration."""
    image = case("volume")[0]
    image = image if greys is None else (image > greys[0]).astype("u1")
    result = multimodal_registration(image, image)
    assert result.return_status == Status.CONVERGED
    assert errors(result, np.eye(4))[0] < 1e-3


def test_start_that_stretches_beyond_all_measure():
    im1, im2, _ = case("volume")
    start = 1e200 * np.eye(4)
    start[:3, 3], start[3, 3] = (1e200 * np.array([0.5, -0.5, 0.5])), 1
    with np.errstate(over="ignore"):
        assert multimodal_registration(im1, im2, phi_init=start).return_status == Status.LEFT_IMAGE


@pytest.mark.parametrize("seed", [1, 3, 11])
@pytest.mark.parametrize("kind", ["stripes", "slope"])
def test_an_axis_without_texture_is_not_measured(kind, seed):
    """Noise has maxima of its own along such an axis: they reach no further than a voxel."""
    rng, x = np.random.default_rng(seed), np.indices((40, 40, 40))[2].astype(float)

    def seen(shift: float) -> np.ndarray:
        return np.sin(2 * np.pi * (x + shift) / 9) > 0 if kind == "stripes" else (x + shift) / 40

    im1 = 100 + 50 * seen(0) + rng.normal(0, 8, x.shape)
    im2 = 200 - 60 * seen(0.7) + rng.normal(0, 8, x.shape)
    found = multimodal_registration(im1.astype("f4"), im2.astype("f4"), bins=64, phi_rigid=True, bin_levels=2)
    assert found.return_status != Status.CONVERGED


@pytest.mark.parametrize("feature", [1.5, 3, 9])
def test_fine_and_coarse_texture_is_measured(feature):
    """What asks whether texture pulls back what was displaced takes no fine or coarse one for none."""
    field = rotation(2, np.full(3, 19.5), axis=(1, 2, 3), shift=(0.5, -0.7, 0.3))
    for seed in (0, 3):
        found = multimodal_registration(*modal_pair((40, 40, 40), field, seed, feature=feature), bins=64)
        assert found.return_status == Status.CONVERGED
        assert np.abs(found.phi[:3, 3] - (0.5, -0.7, 0.3)).max() < 0.05
