"""hpcdvc-reg refuses what it cannot use: one sentence that names it, exit code 2, no traceback, no file, no hang."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from bad_input import (
    BAD_PARTNERS,
    BAD_TABLES,
    check_closed_folder,
    check_masks,
    check_output_folder,
    check_partner,
    check_table,
    refused_by,
)
from ldic_cases import FIELD, FLAT_FIELD, SAMPLES, SHAPE, images, save_damaged, save_field, save_pair
from reg_ends import PAIR, files, is_one_sentence, own_folder, save, write

from hpcdvc.cli import main
from hpcdvc.fields.grid import make_grid
from hpcdvc.output.tsv import read_tsv

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    yield from own_folder(tmp_path, monkeypatch)


@pytest.fixture
def refused(capfd):
    return refused_by("reg", capfd)


@pytest.mark.parametrize("what", BAD_PARTNERS)
def test_images(what, refused):
    check_partner(refused, what)


def test_names(refused):
    refused(("im1.tif",), "im2")
    refused((*PAIR, "im3.tif"), "im3.tif")
    refused(("im1.tif", "/dev/null"), "/dev/null")


def test_mask(refused):
    check_masks(refused, PAIR)
    save("mask.tif", np.zeros(SHAPE, "u1"))
    refused((*PAIR, "-mf1", "mask.tif"), "mask.tif", "0")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("-bb", 0), ("-bb", "at least 1", "0")),
        (("-bb", -4), ("-bb", "at least 1", "-4")),
        (("-bb", "four"), ("-bb", "a whole number", "four")),
        (("-bb", 2.5), ("-bb", "a whole number", "2.5")),
        (("-be", 0), ("-be", "at least 1", "0")),
        (("-bb", 2, "-be", 4), ("-be 4", "-bb 2")),
        (("-bb", 64), ("-bb 64", "38")),
        (("-bb", 16), ("-bb 16", "38")),
        (("-be", 16), ("-be 16", "38")),
        (("-m", 19), ("19", "38 voxels in Z")),
        (("-m", -1), ("-m", "at least 0", "-1")),
        (("-m", "nan"), ("-m", "nan")),
        (("-m", "inf"), ("inf",)),
        (("-m3", 5, 5, 25), ("25", "49", "X")),
        (("-m3", 5, 5), ("-m3",)),
        (("-m", 3, "-m3", 3, 3, 3), ("only one of -m and -m3",)),
        (("-o", 4), ("-o", "1, 3 or 5")),
        (("-crit", "ncc"), ("-crit", "znssd or ssd")),
        (("-gm", "sobel"), ("-gm", "finite_differences")),
        (("-gs", 0), ("-gs", "greater than 0")),
        (("-it", 0), ("-it", "at least 1")),
        (("-it", -5), ("-it", "at least 1", "-5")),
        (("-dp", 0), ("-dp", "greater than 0")),
        (("-dp", -1e-4), ("-dp", "greater than 0")),
        (("-pfb", 0), ("-pfb", "greater than 0")),
        (("-pf", "nowhere.tsv", "--auto"), ("only one of --auto and -pf",)),
        (("-np", 0), ("-np", "at least 1")),
        (("-pre", "a/b"), ("-pre", "a/b")),
        (("-pre", ""), ("-pre",)),
        (("-q", "-v"), ("-q and -v",)),
        (("--no-such-option",), ("--no-such-option",)),
    ],
)
def test_options(words, expected, refused):
    refused((*PAIR, *words), *expected)


@pytest.mark.parametrize("what", BAD_TABLES)
def test_tables(what, refused):
    check_table(refused, what, PAIR)


def test_field_where_a_single_phi_is_needed(refused):
    save_field("start.tsv", FIELD, make_grid(SHAPE, (12, 12, 12)).positions())
    refused((*PAIR, "-pf", "start.tsv"), "start.tsv", "field of 36 rows", "one registration")


STARTS = {
    "NaN displacement": ((0, 3), np.nan, "not finite"),
    "NaN gradient": ((1, 1), np.nan, "not finite"),
    "infinite": ((0, 3), np.inf, "not finite"),
    "singular": ((slice(3), 0), 0.0, "singular"),
    "mirrored": ((0, 0), -1.0, "singular"),
}


@pytest.mark.parametrize("what", STARTS)
def test_start_that_is_no_motion(what, refused):
    entry, value, word = STARTS[what]
    phi = np.eye(4)[None].copy()
    phi[0][entry] = value
    save_field("start.tsv", FIELD, FIELD.centre[None], phi=phi)
    refused((*PAIR, "-pf", "start.tsv"), "start.tsv", word)
    refused((*PAIR, "-pf", "start.tsv", "-rig"), "start.tsv", word)


def test_output_folder(refused):
    check_output_folder(refused, PAIR)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_output_folder_without_permission(refused):
    check_closed_folder(refused, PAIR)


def test_output_exists(refused):
    assert main("reg", [*PAIR, "-q"]) == 0
    before = Path("im1-im2-registration.hdf").read_bytes()
    refused(PAIR, "im1-im2-registration.hdf exists", "--force")
    assert Path("im1-im2-registration.hdf").read_bytes() == before
    os.unlink("im1-im2-registration.hdf")
    refused(PAIR, "im1-im2-registration.tsv exists", "--force")
    assert main("reg", [*PAIR, "-q", "--force"]) == 0


def test_graph_without_matplotlib(refused, monkeypatch):
    """Found before anything is computed."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    refused((*PAIR, "-g"), "-g", "matplotlib")


@pytest.mark.parametrize(("given", "used"), [("-bb", (3, 4)), ("-bb", (6, 8)), ("-be", (3, 4))])
def test_levels_that_are_no_powers_of_two(given, used, capfd):
    """They run, and what was used instead is said."""
    shape, field = (70, 76), FLAT_FIELD
    save_pair(*images(field, shape))
    capfd.readouterr()
    assert main("reg", [*PAIR, given, str(used[0]), "-q"]) == 0
    err = capfd.readouterr().err
    assert is_one_sentence(err, f"{given} {used[0]} is not a power of two", f"{used[1]} is used"), err
    assert read_tsv("im1-im2-registration.tsv").return_status[0] == 2


def test_dry_run_writes_nothing(refused):
    before = files()
    assert main("reg", [*PAIR, "-q", "--dry-run"]) == 0
    assert files() == before
    refused((*PAIR, "-bb", 64, "--dry-run"), "-bb 64")


def constant(value: float = 700, dtype: str = "u2") -> np.ndarray:
    return np.full(SHAPE, value, dtype)


USELESS = {
    "im1 constant": (constant(), None, "im1.tif", "700 everywhere"),
    "im2 constant": (None, constant(), "im2.tif", "700 everywhere"),
    "both constant": (constant(), constant(), "im1.tif", "700 everywhere"),
    "both zero": (constant(0), constant(0), "im1.tif", "0 everywhere"),
    "im2 constant floats": (None, constant(0.1, "f4"), "im2.tif", "0.1 everywhere"),
    "im1 NaN": (constant(np.nan, "f4"), None, "im1.tif", "no finite"),
    "im2 NaN": (None, constant(np.nan, "f4"), "im2.tif", "no finite"),
}


@pytest.mark.parametrize("what", USELESS)
def test_images_without_texture(what, refused):
    im1, im2, *words = USELESS[what]
    save_pair(im1, im2)
    refused(PAIR, *words)
    refused((*PAIR, "-bb", 1), *words)
    refused((*PAIR, "--auto"), *words)


@pytest.mark.parametrize("line", SAMPLES)
def test_samples(line, refused, shared):
    folder = shared / "oracle" / "bad-input"
    words = [folder / word if "." in word else word for word in line.split()]
    refused((*words, "-od", "."), SAMPLES[line])


@pytest.mark.parametrize("pair", ["a b_allnan", "b_allnan a", "const const", "zero zero", "a zero"])
def test_samples_without_texture(pair, refused, shared):
    folder = shared / "oracle" / "bad-input"
    refused((*(folder / f"{name}.tif" for name in pair.split()), "-od", "."), "nothing to register")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("im1.tif", "nowhere.tif"), "nowhere.tif"),
        ((*PAIR, "-mf1", "broken.tif"), "broken.tif"),
        ((*PAIR, "-mf1", "zero.tif"), "zero.tif"),
        ((*PAIR, "-pf", "empty.tsv"), "empty.tsv is empty"),
        ((*PAIR, "-bb", 64), "-bb 64"),
        ((*PAIR, "-od", "broken.tif"), "output folder broken.tif"),
        (("im1.tif", "damaged.tif"), "damaged.tif"),
        (("im1.tif", "zero16.tif"), "zero16.tif has the same grey value 0"),
    ],
)
def test_on_two_ranks(words, expected, run_command):
    """Also what only the rank that decodes it sees."""
    write("broken.tif", "text")
    write("empty.tsv", "")
    save("zero.tif", np.zeros(SHAPE, "u1"))
    save("zero16.tif", np.zeros(SHAPE, "u2"))
    save_damaged("damaged.tif")
    before = files()
    result = run_command("reg", *words, ranks=2, timeout=20)
    assert result.returncode == 2, result.stderr
    assert is_one_sentence(result.stderr, expected), result.stderr
    assert files() == before
