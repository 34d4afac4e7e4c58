"""hpcdvc-guidingPoints as a whole: what it writes, on any number of ranks, after a kill; its points measured."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from ldic_runs import shard_bytes
from reg_ends import is_one_sentence, own_folder
from search_cases import LOWER, SHAPE, pair, save_pair, shifted, written

import hpcdvc
from hpcdvc.cli import main
from hpcdvc.output.hdf5 import read_field
from hpcdvc.runs import points as measuring
from hpcdvc.search import texture
from hpcdvc.workflows import guidingPoints as workflow

RESULT = "im1-guidingPoints"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    for _ in own_folder(tmp_path, monkeypatch):
        save_pair()
        yield tmp_path


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(texture, "EDGE", 12)


def find(*words, code=0):
    """The points found in im1.tif; overwrites."""
    assert main("guidingPoints", ["im1.tif", "--force", *map(str, words)]) == code
    return np.loadtxt(f"{RESULT}.txt", ndmin=2)


def test_what_is_written():
    points = find("-hws", 4, "-n", 7)
    assert (points == hpcdvc.guiding_points(pair()[0], 4, number=7)).all() and len(points) == 7
    assert Path(f"{RESULT}.png").read_bytes()[1:4] == b"PNG"
    assert len(find()) > 7 and len(find("-ms", 6)) > len(find("-ms", 12)) > 0
    assert len(find("-ls", 1)) < len(find("-ls", 0))


def test_its_points_are_measured():
    """The file is what `-gp` reads."""
    im1 = pair()[0]
    save_pair(im1, shifted(im1, LOWER))
    start = find("-hws", 4, "-ms", 5)[0].astype(int).tolist()
    words = ["im1.tif", "im2.tif", "-gp", f"{RESULT}.txt", "-hws", 4, "-sp", *start, *LOWER, "-sr", *(-1, 1) * 3]
    assert main("pixelSearchPropagate", list(map(str, words))) == 0
    field = read_field("im1-im2-pixelSearchPropagate.hdf")
    stays = ((field.positions + LOWER >= 4) & (field.positions + LOWER < np.array(SHAPE) - 4)).all(axis=1)
    assert (field.positions == np.loadtxt(f"{RESULT}.txt")).all() and stays.sum() > 10
    assert (field.displacement[stays] == LOWER).all()


def test_the_same_bytes_on_any_number_of_ranks(run_command):
    mask = np.ones(SHAPE, "u1")
    mask[:9, :, 30:] = 0
    tifffile.imwrite("mask.tif", mask)
    words = ("im1.tif", *"-hws3 1 1 2 -mf1 mask.tif -od".split())
    assert main("guidingPoints", [*words, "on1"]) == 0
    for ranks in (2, 3):
        done = run_command("guidingPoints", *words, f"on{ranks}", ranks=ranks)
        assert done.returncode == 0, done.stderr
    assert len(written("on1", "guidingPoints")) == 2
    assert written("on1", "guidingPoints") == written("on2", "guidingPoints") == written("on3", "guidingPoints")


def test_two_dimensions():
    tifffile.imwrite("im1.tif", pair()[0][20])
    points = find("-hws", 5)
    assert len(points) > 3 and (points[:, 0] == 0).all()


def test_left_on_request_and_resumed(small_blocks, monkeypatch, here):
    words = ["im1.tif", "-hws", "2"]
    assert main("guidingPoints", [*words, "-od", "whole"]) == 0
    candidates = texture.Texture.candidates

    def stops(looked_at, numbers):
        if numbers[0] > 3:
            stopped.stop_requested = True
        return candidates(looked_at, numbers)

    measure = measuring.measure_points

    def listening(team, *given):
        nonlocal stopped
        stopped = team
        return measure(team, *given)

    stopped = None
    with monkeypatch.context() as patch:
        patch.setattr(texture.Texture, "candidates", stops)
        patch.setattr(workflow, "measure_points", listening)
        assert main("guidingPoints", [*words, "-od", "parts"]) == 75
    assert shard_bytes(here / "parts") > 0 and not list(Path("parts").glob("*.txt"))
    assert main("guidingPoints", [*words, "-od", "parts"]) == 2
    assert main("guidingPoints", [*words, "-od", "parts", "--resume"]) == 0
    assert written("parts", "guidingPoints") == written("whole", "guidingPoints")
    # a picture that is lost is drawn again, and what is whole is left
    Path("parts", f"{RESULT}.png").unlink()
    assert main("guidingPoints", [*words, "-od", "parts", "--resume"]) == 0
    assert written("parts", "guidingPoints") == written("whole", "guidingPoints")
    assert main("guidingPoints", [*words, "-od", "parts", "--resume", "-n", "3"]) == 2


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("-n", 0), 2, "-n"),
        (("-ms", 0), 2, "-ms"),
        (("-ls", 2), 2, "-ls"),
        (("-hws", 30), 2, "larger than im1.tif"),
        (("-mf1", "small.tif"), 2, "the mask does not fit the image"),
        (("-mf1", "nowhere.tif"), 2, "nowhere.tif"),
        (("-mf1", "empty.tif"), 1, "no window with texture"),
    ],
)
def test_refused(words, code, told, capfd):
    tifffile.imwrite("small.tif", np.ones((9, 9, 9), "u1"))
    tifffile.imwrite("empty.tif", np.zeros(SHAPE, "u1"))
    assert main("guidingPoints", ["im1.tif", *map(str, words)]) == code
    assert is_one_sentence(capfd.readouterr().err, told)
    assert not list(Path().glob(f"{RESULT}*"))


@pytest.mark.parametrize("value", [7, np.nan])
def test_image_without_texture(value, capfd):
    tifffile.imwrite("im1.tif", np.full(SHAPE, value, "f4"))
    assert main("guidingPoints", ["im1.tif"]) == 2
    assert "im1.tif has no texture" in capfd.readouterr().err
    tifffile.imwrite("im1.tif", pair()[0][20])
    assert main("guidingPoints", ["im1.tif", "-hws3", "3", "0", "0"]) == 2
