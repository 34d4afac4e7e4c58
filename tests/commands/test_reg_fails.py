"""hpcdvc-reg on images that have nothing in common: exit code 1, the reason and what to try, nothing to be trusted."""

from pathlib import Path

import numpy as np
import pytest
from ldic_cases import FIELD, SHAPE, save_pair, save_registration
from reg_ends import PAIR, files, own_folder
from synthetic import Affine, lattice_texture, pair

from hpcdvc.cli import main
from hpcdvc.output.tsv import read_tsv

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    yield from own_folder(tmp_path, monkeypatch)


def said(stderr: str) -> str:
    """The sentence that ends a failed run; before it stand only warnings of coarse levels."""
    assert "Traceback" not in stderr
    *warnings, last = [line for line in stderr.splitlines() if line.startswith("hpcdvc-reg: ")]
    assert all(line.startswith("hpcdvc-reg: binning ") for line in warnings), stderr
    return last


@pytest.fixture
def fails(capfd):
    """fails(words, *expected): the command ends so in this process, and writes no result."""

    def check(words, *expected):
        before = files()
        capfd.readouterr()
        code = main("reg", [str(word) for word in words])
        sentence = said(capfd.readouterr().err)
        assert code == 1, sentence
        assert all(str(word) in sentence for word in expected), sentence
        assert files() == before

    return check


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
    fails((*PAIR, *words, "-def"), "-pf")


@pytest.mark.parametrize("size", [16, 24, 32, 48])
def test_small_unrelated_images(size, fails):
    """--auto has few voxels to go by."""
    save_pair(*(np.random.default_rng(seed).integers(0, 65535, (size, size)).astype("u2") for seed in (1, 2)))
    fails((*PAIR, "--auto"), "-pf")


def test_too_far_away(fails):
    """A start 15 voxels off the truth, on the finest level alone."""
    save_registration("start.tsv", Affine(FIELD.F, FIELD.shift + (0, 12, -15), FIELD.centre))
    fails((*PAIR, "-pf", "start.tsv", "-bb", 1), "try")


def test_start_outside_the_image(fails):
    save_registration("start.tsv", Affine(FIELD.F, FIELD.shift + (0, 0, 500), FIELD.centre))
    fails((*PAIR, "-pf", "start.tsv"), "im2", "-pf")


def test_too_few_iterations(fails):
    fails((*PAIR, "-it", 1), "maximum number of iterations", "-it")
    fails((*PAIR, "-dp", 1e-30, "-it", 3), "maximum number of iterations", "-dp")


def test_iterations_of_a_failure_can_be_looked_at(capfd):
    """-g and -j are written of what has failed, too: they show why."""
    save_pair(noise(1), noise(2))
    assert main("reg", [*PAIR, "-g", "-j", "-q"]) == 1
    assert {path for path in files() if "registration" in path} == {
        "im1-im2-registration-iterations.png",
        "im1-im2-registration-iterations.npy",
    }


def test_a_failure_leaves_an_earlier_result_alone(fails):
    assert main("reg", [*PAIR, "-q"]) == 0
    before = Path("im1-im2-registration.hdf").read_bytes()
    fails((*PAIR, "-it", 1, "--force"), "-it")
    assert Path("im1-im2-registration.hdf").read_bytes() == before


def test_a_block_of_nan(shared):
    """Does not count, and does no harm."""
    folder, found = shared / "oracle" / "bad-input", {}
    for name in ("b", "b_nan"):
        assert main("reg", [str(folder / "a.tif"), str(folder / f"{name}.tif"), "-od", ".", "-pre", name, "-q"]) == 0
        found[name] = read_tsv(f"{name}-registration.tsv").phi
    assert found["b_nan"] == pytest.approx(found["b"], abs=0.01)


@pytest.mark.parametrize("words", [(), ("--auto",)])
def test_unrelated_images_on_two_ranks(words, run_command):
    save_pair(noise(1), noise(2))
    before = files()
    result = run_command("reg", *PAIR, *words, ranks=2, timeout=30)
    assert result.returncode == 1, result.stderr
    assert "-pf" in said(result.stderr)
    assert files() == before
