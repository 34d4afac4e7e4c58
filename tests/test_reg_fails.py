"""hpcdvc-reg on images that have nothing in common: exit code 1, the reason and what to try, nothing to be trusted."""

import numpy as np
import pytest
from ldic_cases import FIELD, SHAPE, save_pair, save_registration
from reg_ends import PAIR, assert_no_result_that_can_be_trusted, check_end, files, is_one_sentence, own_folder
from synthetic import Affine, lattice_texture, pair

pytest.importorskip("hpcdvc.workflows.reg", reason="the command does not exist yet")
pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    yield from own_folder(tmp_path, monkeypatch)


@pytest.fixture
def fails(capfd):
    """fails(words, *expected): the command ends so."""
    return lambda words, *expected: check_end(capfd, words, expected, code=1)


def constant(shape=SHAPE) -> np.ndarray:
    return np.full(shape, 700, "u2")


USELESS = {
    "im1 constant": (constant(), None, "im1.tif"),
    "im2 constant": (None, constant(), "im2.tif"),
    "both constant": (constant(), constant(), "im1.tif"),
    "both zero": (constant() * 0, constant() * 0, "im1.tif"),
    "im1 NaN": (np.full(SHAPE, np.nan, "f4"), None, "im1.tif"),
    "im2 NaN": (None, np.full(SHAPE, np.nan, "f4"), "im2.tif"),
}


@pytest.mark.parametrize("what", USELESS)
def test_images_without_texture(what, fails):
    im1, im2, name = USELESS[what]
    save_pair(im1, im2)
    before = files()
    fails(PAIR, name)
    assert files() == before


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 65535, SHAPE).astype("u2")


def other_texture() -> np.ndarray:
    """Grey values as in im1, but another specimen."""
    return pair(lattice_texture(2), SHAPE, FIELD)[1]


UNRELATED = {
    "noise": lambda: save_pair(noise(1), noise(2)),
    "noise against texture": lambda: save_pair(None, noise(2)),
    "another specimen": lambda: save_pair(None, other_texture()),
}


@pytest.mark.parametrize("words", [(), ("-rig",), ("-bb", 1), ("-ug", "-o", 1), ("-crit", "ssd"), ("--auto",)])
@pytest.mark.parametrize("what", UNRELATED)
def test_unrelated_images(what, words, fails):
    """Never a wrong Phi called converged: the reason, and what to try."""
    UNRELATED[what]()
    fails((*PAIR, *words, "-def"), "try")
    assert_no_result_that_can_be_trusted()


def test_too_far_away(fails):
    """A start 15 voxels off the truth, on the finest level alone."""
    save_registration("start.tsv", Affine(FIELD.F, FIELD.shift + (0, 12, -15), FIELD.centre))
    fails((*PAIR, "-pf", "start.tsv", "-bb", 1), "try")
    assert_no_result_that_can_be_trusted()


def test_too_few_iterations(fails):
    fails((*PAIR, "-it", 1, "-dp", 1e-9), "-it")
    assert_no_result_that_can_be_trusted()


@pytest.mark.parametrize("pair", ["a b_allnan", "b_allnan a", "const const", "zero zero", "a zero"])
def test_samples_without_texture(pair, fails, shared):
    folder = shared / "oracle" / "bad-input"
    fails((*(folder / f"{name}.tif" for name in pair.split()), "-od", "."))


def test_unrelated_images_on_two_ranks(run_command):
    save_pair(noise(1), noise(2))
    result = run_command("reg", *PAIR, ranks=2, timeout=30)
    assert result.returncode == 1, result.stderr
    assert is_one_sentence(result.stderr, "try"), result.stderr
    assert_no_result_that_can_be_trusted()
