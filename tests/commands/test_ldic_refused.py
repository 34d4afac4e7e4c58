"""hpcdvc-ldic refuses what it cannot use: one sentence that names it, exit code 2, no traceback, no file, no hang."""

import os
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import tifffile
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
from ldic_cases import FIELD, SAMPLES, SHAPE, save_damaged, save_field
from reg_ends import PAIR, files, is_one_sentence, own_folder, write

from hpcdvc.cli import main
from hpcdvc.fields.grid import make_grid
from hpcdvc.output.hdf5 import read_field

GRID = ("-ns", 10, "-hws", 5)


pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    yield from own_folder(tmp_path, monkeypatch)


@pytest.fixture
def refused(capfd):
    return refused_by("ldic", capfd)


@pytest.mark.parametrize("what", BAD_PARTNERS)
def test_images(what, refused):
    check_partner(refused, what, *GRID)


def test_names(refused):
    refused(("im1.tif", *GRID), "at least two images", "im1.tif")
    refused(("im1.tif", "im2.tif:/data", *GRID), "im2.tif", "/data")
    refused(("im1.tif", "/dev/null", *GRID), "/dev/null")
    refused(("im1.tif", ".", *GRID), ".")


def test_mask(refused):
    check_masks(refused, (*PAIR, *GRID))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("-ns", 0, "-hws", 5), ("-ns", "at least 1", "0")),
        (("-ns", -3, "-hws", 5), ("-ns", "at least 1", "-3")),
        (("-ns", "ten", "-hws", 5), ("-ns", "a whole number", "ten")),
        (("-ns3", 5, 5, "-hws", 5), ("-ns3",)),
        (("-ns", 38, "-hws", 5), ("no node inside", "38 in Z")),
        (("-ns3", 10, 10, 60, "-hws", 5), ("no node inside", "60 in X", "49")),
        (("-ns", 10), ("-hws or -hws3 is missing",)),
        (("-ns", 10, "-hws", 0), ("-hws", "at least 1")),
        (("-ns", 10, "-hws", -5), ("-hws", "at least 1", "-5")),
        (("-ns", 10, "-hws3", 0, 5, 5), ("-hws3 0 5 5", "Z")),
        (("-ns", 10, "-hws", 19), ("39 voxels", "-hws 19", "im1.tif", "38 voxels in Z")),
        (("-ns", 10, "-hws3", 5, 5, 25), ("51 voxels", "49 voxels in X")),
        ((*GRID, "-np", 0), ("-np", "at least 1")),
        ((*GRID, "--no-such-option"), ("--no-such-option",)),
        ((*GRID, "-o", 4), ("-o", "1, 3 or 5")),
        ((*GRID, "-crit", "ncc"), ("-crit", "znssd or ssd")),
        ((*GRID, "-F", "half"), ("-F", "all, rigid or no")),
        ((*GRID, "-mc", 1.5), ("-mc", "at most 1")),
        ((*GRID, "-glt", 5, "-ght", 4), ("-glt 5", "-ght 4")),
        ((*GRID, "-it", 0), ("-it", "at least 1")),
        ((*GRID, "-dp", 0), ("-dp", "greater than 0")),
        ((*GRID, "-pfb", 0), ("-pfb", "greater than 0")),
        ((*GRID, "-gs", 100), ("-gs", "at most 8")),
        ((*GRID, "-pre", "a/b"), ("-pre", "a/b")),
        ((*GRID, "-q", "-v"), ("-q and -v",)),
        ((*GRID, "-skp"), ("-skp", "-pf")),
    ],
)
def test_options(words, expected, refused):
    refused((*PAIR, *words), *expected)


@pytest.mark.parametrize("what", BAD_TABLES)
def test_tables(what, refused):
    check_table(refused, what, (*PAIR, *GRID))


def test_table_of_other_nodes(refused):
    save_field("start.tsv", FIELD, make_grid(SHAPE, (12, 12, 12)).positions())
    refused((*PAIR, *GRID, "-pf", "start.tsv"), "start.tsv do not match", "3 x 3 x 4 from 10 10 10 every 10 10 10")


def test_output_folder(refused):
    check_output_folder(refused, (*PAIR, *GRID))


@pytest.mark.parametrize("more", [("-tif",), ("--force",)])
def test_output_among_slices(refused, more):
    Path("slices").mkdir()
    for z, plane in enumerate(tifffile.imread("im1.tif")):
        tifffile.imwrite(f"slices/{z:03d}.tif", plane)
    words = ("slices", "im2.tif", *GRID)
    refused((*words, "-od", "slices", *more), "come between the slices of slices", "-od")
    assert main("ldic", [*map(str, words), "-od", "slices/results", "--dry-run"]) == 0


def test_instruction_set(refused, monkeypatch):
    """Found before shards are cleared and folders made."""
    Path("im1-im2-ldic.parts").mkdir()
    write("im1-im2-ldic.parts/1.0.rec", b"some bytes")
    monkeypatch.setenv("HPCDVC_ISA", "nonsense")
    refused((*PAIR, *GRID, "--force"), "HPCDVC_ISA=nonsense is no instruction set")
    refused((*PAIR, *GRID, "-od", "new"), "HPCDVC_ISA=nonsense is no instruction set")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_output_folder_without_permission(refused):
    check_closed_folder(refused, (*PAIR, *GRID))


def test_output_exists(refused, capfd):
    words = ("ldic", [*PAIR, *map(str, GRID)])
    assert main(*words) == 0
    before = Path("im1-im2-ldic.hdf").read_bytes()
    refused((*PAIR, *GRID), "im1-im2-ldic.hdf exists: --resume completes it, -pre or -od give another name, --force")
    changes = 'im1-im2-ldic.hdf was made with other parameters or images (options.criterion was "znssd", is "ssd"'
    safe_first = "): -pre or -od give another name, --force overwrites it"
    refused((*PAIR, *GRID, "-crit", "ssd", "--resume"), changes + safe_first)
    refused(
        (*PAIR, *GRID, "-crit", "ssd", "-it", 20, "--resume"),
        changes,
        ", options.max_iterations was 50, is 20",
        safe_first,
    )
    refused((*PAIR, *GRID, "-mf1", "im2.tif", "--resume"), '(made_from.mask1 was null, is "im2.tif"' + safe_first)
    assert Path("im1-im2-ldic.hdf").read_bytes() == before
    os.unlink("im1-im2-ldic.hdf")
    refused((*PAIR, *GRID), "im1-im2-ldic.tsv exists", "--force")
    assert main("ldic", [*words[1], "-notsv"]) == 0
    assert main("ldic", [*words[1], "--force"]) == 0
    write("im1-im2-ldic.hdf", "no file of ours")
    refused((*PAIR, *GRID, "--resume"), "im1-im2-ldic.hdf")


def test_disk_too_small(refused, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=10**6))
    refused((*PAIR, *GRID), "no space", "1.1 MB are needed, 1.0 MB are free")


def test_shards_that_cannot_be_used(refused):
    Path("im1-im2-ldic.parts").mkdir()
    write("im1-im2-ldic.parts/1.0.rec", b"some bytes")
    refused((*PAIR, *GRID), "im1-im2-ldic.parts holds 0 points", "--resume", "--force")
    refused((*PAIR, *GRID, "--resume"), "key.json cannot be read", "--force")
    write("im1-im2-ldic.parts/key.json", "{")
    refused((*PAIR, *GRID, "--resume"), "key.json cannot be read", "--force")
    assert main("ldic", [*PAIR, *map(str, GRID), "--force"]) == 0
    assert not Path("im1-im2-ldic.parts").exists()


@pytest.mark.parametrize("line", SAMPLES)
def test_samples(line, refused, shared):
    folder = shared / "oracle" / "bad-input"
    words = [folder / word if "." in word else word for word in line.split()]
    refused((*words, "-ns", 10, "-hws", 4, "-od", "."), SAMPLES[line])


@pytest.mark.parametrize("pair", ["a b_allnan", "b_allnan a", "const const", "zero zero", "a zero", "a b_nan"])
def test_samples_with_a_result(pair, shared):
    """NaN and constant images are images: every row says by its status what came of it."""
    folder = shared / "oracle" / "bad-input"
    words = [str(folder / f"{name}.tif") for name in pair.split()]
    code = main("ldic", [*words, "-ns", "10", "-hws", "4", "-od", ".", "-pre", "out", "-q"])
    assert code == (pair != "a b_nan")
    status = read_field("out-ldic.hdf").return_status
    with h5py.File("out-ldic.hdf") as file:
        displacement = file["VTKHDF/PointData/displacement"][...].reshape(-1, 3)
    assert np.isfinite(displacement[status == 2]).all() and np.isnan(displacement[status < 0]).all()
    assert (status == 2).any() == (pair == "a b_nan")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((*PAIR, "-ns", 60, "-hws", 5), "no node inside"),
        (("im1.tif", "nowhere.tif", *GRID), "nowhere.tif"),
        ((*PAIR, *GRID, "-mf1", "broken.tif"), "broken.tif"),
        ((*PAIR, *GRID, "-pf", "empty.tsv"), "empty.tsv is empty"),
        ((*PAIR, *GRID, "-od", "broken.tif"), "output folder broken.tif"),
        ((*PAIR, *GRID, "--nonsense"), "--nonsense"),
        (("im1.tif", "damaged.tif", *GRID), "damaged.tif"),
    ],
)
def test_on_two_ranks(words, expected, run_command):
    """Also what only the rank that decodes it sees."""
    write("broken.tif", "text")
    write("empty.tsv", "")
    save_damaged("damaged.tif")
    before = files()
    result = run_command("ldic", *words, ranks=2, timeout=20)
    assert result.returncode in (1, 2)
    assert is_one_sentence(result.stderr, expected), result.stderr
    assert files() == before
