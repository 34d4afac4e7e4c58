"""hpcdvc-mmr-graphical as a command: what it writes without a page, what it goes on from, what it refuses."""

import json
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from ldic_cases import save_registration
from mmr_cases import FIELD, PAIR, SHAPE, flat_images, images, save_case, unrelated
from reg_ends import check_end, files, play_command
from running import BIN
from served import Served

from hpcdvc.cli import main
from hpcdvc.multimodal.phases_file import read_phases
from hpcdvc.output.hdf5 import read_field

FILE = "out/P-phases.json"
PLACE = ("-od", "out", "-pre", "P")


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A folder with images, and what is refused."""
    folder = tmp_path_factory.mktemp("graphical")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        save_case()
        save_registration("start.tsv", FIELD)
        spot = np.full(SHAPE, 7, "u1")
        spot[0, 0, 0] = 9  # beyond the middle, where grey values are told
        plane = images()[0].copy()
        plane[SHAPE[0] // 2] = 5  # one plane says nothing
        for name, image in {
            "constant": np.full(SHAPE, 7, "u1"),
            "spot": spot,
            "plane": plane,
            "nan": np.full(SHAPE, np.nan, "f4"),
            "flat": images()[0][0],
            "other": unrelated(),
        }.items():
            tifffile.imwrite(f"{name}.tif", image, photometric="minisblack")
        Path("other.json").write_text('{"version": 2}')
        Path("text.json").write_text("no phases at all")
    return folder


@pytest.fixture
def here(case, monkeypatch, tmp_path):
    """A folder of its own, with these files."""
    for path in case.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    play_command(monkeypatch, "mmr-graphical")
    return tmp_path


def batch(*words: str) -> int:
    return main("mmr-graphical", [*PAIR, *PLACE, "--batch", "-q", *words])


def test_batch_writes_what_the_command_replays(here):
    """Phases of the start, found by themselves; one file, with the box, the start and the rest."""
    words = ("-pf", "start.tsv", "-rig", "-jhb", "64", "-box", "5", "34", "4", "40", "6", "38", "-voc", "0.9")
    assert batch(*words) == 0
    assert [path.name for path in Path("out").iterdir()] == ["P-phases.json"]
    kept = read_phases(FILE)
    assert (kept.bins, kept.rigid, kept.coverage, kept.mixture.n_phases) == (64, True, 0.9, 2)
    assert kept.box == ((5, 34), (4, 40), (6, 38))
    assert np.abs(kept.phi[:3] - FIELD.phi(kept.centre[None])[0]).max() < 1e-6
    assert main("mmr", [*PAIR, "--phases", FILE, "-mar", "0.2", *PLACE, "-q"]) == 2  # the file says what counts
    assert main("mmr", [*PAIR, "--phases", FILE, *PLACE, "-q"]) == 0
    found = read_field("out/P-mmr.hdf")
    assert found.return_status[0] == 2 and np.abs(found.phi[0, :3] - FIELD.phi(kept.centre[None])[0]).max() < 0.03
    np.testing.assert_allclose(found.phi[0, :3, :3] @ found.phi[0, :3, :3].T, np.eye(3), atol=1e-9)
    again = read_phases("out/P-mmr-phases.json")
    assert (again.box, again.rigid, again.coverage) == (kept.box, True, 0.9)
    before = Path(FILE).read_bytes()
    assert batch(*words) == 0 and Path(FILE).read_bytes() == before
    assert batch("--force") == 0 and read_phases(FILE).bins == 128
    assert main("mmr-graphical", [*PAIR, *PLACE, "--batch", "-q", "--phases", "out/P-mmr-phases.json", "--force"]) == 0
    assert (read_phases(FILE).phi == again.phi).all() and read_phases(FILE).box == kept.box


def test_two_dimensions(here):
    for name, image in zip(("a.tif", "b.tif"), flat_images(), strict=True):
        tifffile.imwrite(name, image.astype("f4"))
    assert main("mmr-graphical", ["a.tif", "b.tif", "--batch", "-ph", "3", "-od", "out", "-q"]) == 0
    kept = read_phases("out/a-b-phases.json")
    assert kept.box[0] == (0, 1) and kept.mixture.n_phases == 3


def test_an_image_whose_middle_plane_is_constant(here):
    assert main("mmr-graphical", ["plane.tif", "im2.tif", *PLACE, "--batch", "-q"]) == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("im1.tif", "constant.tif"), ("constant.tif", "one grey value only, 7")),
        (("spot.tif", "im2.tif"), ("spot.tif", "one grey value only, 7")),
        (("nan.tif", "im2.tif"), ("nan.tif", "no grey values")),
        (("im1.tif", "flat.tif"), ("im1.tif", "flat.tif")),
        (("im1.tif", "missing.tif"), ("missing.tif",)),
        ((*PAIR, "--phases", "other.json"), ("other.json", "version 2 is not known: 1 is")),
        ((*PAIR, "--phases", "text.json"), ("text.json", "no JSON")),
        ((*PAIR, "--phases", "other.json", "--auto"), ("--phases", "--auto")),
        ((*PAIR, "start.tsv", "-pf", "start.tsv"), ("-pf",)),
        ((*PAIR, "-ph", 2, 2), ("-ph", "2")),
        ((*PAIR, "-ph", 0), ("-ph 0",)),
        ((*PAIR, "-box", 0, 41, 0, 9, 0, 9), ("-box", "40 x 44 x 42")),
        ((*PAIR, "-box", 9, 9, 0, 9, 0, 9), ("-box", "Z = 9")),
        ((*PAIR, "-im1min", 5, "-im1max", 4), ("-im1min 5", "-im1max 4")),
        ((*PAIR, "-im1th", 128), ("-im1th 128",)),
        ((*PAIR, "-mf1", "flat.tif"), ("mask", "flat.tif")),
    ],
)
def test_refused(here, capfd, words, expected):
    """At once, with or without a page; nothing is written."""
    before = files()
    for more in ((), ("--batch",)):
        check_end(capfd, (*words, *more, *PLACE), expected, 2, command="mmr-graphical")
        assert files() - before <= {"out"}


def test_a_file_of_others_stays(here, capfd):
    assert batch() == 0
    before = Path(FILE).read_bytes()
    words = ("im1.tif", "other.tif", *PLACE, "--batch")
    check_end(capfd, words, (FILE, "exists, of other images", "--force"), 2, command="mmr-graphical")
    values = json.loads(before)
    Path(FILE).write_text(json.dumps(values | {"version": 7}))
    check_end(capfd, (*PAIR, *PLACE), (FILE, "version 7 is not known"), 2, command="mmr-graphical")


def test_file_is_written_though_nobody_came(here):
    """SIGTERM ends it: the file holds what was there, and the command goes on from it."""
    pytest.importorskip("tornado")
    line = [sys.executable, BIN / "hpcdvc-mmr-graphical", *PAIR, *PLACE, "-pf", "start.tsv", "--no-browser"]
    with Served(line, env={"XDG_CACHE_HOME": str(here / "cache")}, cwd=here) as served:
        code, _ = served.end(signal.SIGTERM, 60)
    assert code == 0
    assert np.abs(np.array(json.loads(Path(FILE).read_text())["Phi"])[:3, 3] - FIELD.shift).max() < 1e-6
    assert batch("-pf", "start.tsv") == 0 and read_phases(FILE).mixture.n_phases == 2
