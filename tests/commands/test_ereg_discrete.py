"""hpcdvc-ereg-discrete as a command: what it refuses, what it leaves, who takes what it has written."""

import os
import signal
import sys
import time

import numpy as np
import pytest
import tifffile
from discrete_cases import COUNT, save_scene, scene, spoiled
from ldic_cases import save_registration
from reg_ends import is_one_sentence, play_command
from running import BIN
from served import Served, Talk
from synthetic import Affine

from hpcdvc.cli import main
from hpcdvc.output.hdf5 import read_field
from hpcdvc.output.tsv import read_tsv, write_tsv

IMAGES = ["im1.tif", "lab.tif", "im2.tif"]
LINE = [*IMAGES, "-od", "out", "-pre", "P", "--no-browser"]
STEM = "out/P-ereg-discrete"
BAD = spoiled()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("discrete")
    save_scene(made)
    return made


@pytest.fixture
def here(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    play_command(monkeypatch, "ereg-discrete")
    for name in (*IMAGES, "field.tsv"):
        os.symlink(folder / name, name)


def serve(*words: str) -> Served:
    return Served([sys.executable, BIN / "hpcdvc-ereg-discrete", *LINE, *words])


@pytest.fixture(scope="module")
def repaired(folder):
    """A folder with what a session has left: one label refined, one placed, one rejected, as a page asks for it."""
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        with serve("-pf", "field.tsv") as served, Talk(served.port, served.token) as talk:
            while not talk.ask({"type": "look"})["state"]["label"]:
                time.sleep(0.02)
            for n, key in enumerate(("Enter", "Enter", "ArrowLeft", "n", "x"), 1):
                act = {"type": "act", "browser": "t", "n": n, "actions": [{"key": key}]}
                talk.ask(act)
                while talk.ask({"type": "look"})["state"]["job"]["running"]:
                    time.sleep(0.02)
            second = main("ereg-discrete", [*LINE, "-pf", "field.tsv", "-q"])
            ended = served.end()
        yield folder, second, ended


def test_what_a_session_leaves(repaired, monkeypatch):
    folder, second, ended = repaired
    assert second == 2 and ended == (0, "")  # two sessions do not write one result
    assert sorted(os.listdir(folder / "out")) == [f"P-ereg-discrete.{end}" for end in ("hdf", "jsonl", "tsv")]
    monkeypatch.chdir(folder)
    table, field = read_tsv(f"{STEM}.tsv"), read_field(f"{STEM}.hdf")
    before, rows = read_tsv("field.tsv"), np.array(BAD[:3]) - 1
    assert table.return_status[rows].tolist() == field.return_status[rows].tolist() == [2, 3, -14]
    assert table.extra["manual"][rows].tolist() == field.extra["manual"][rows].tolist() == [3, 1, 6]
    others = np.delete(np.arange(COUNT), rows)
    for name in ("phi", "return_status", "error", "iterations", "delta_phi_norm", "positions"):
        assert np.array_equal(getattr(field, name)[others], getattr(before, name)[others])
    assert np.array_equal(field.extra["zncc"][others], before.extra["zncc"][others])
    assert open(f"{STEM}.tsv").readline().split()[:22] == open("field.tsv").readline().split()[:22]


TAKERS = {
    "tsv": [
        "discreteStrain -pf F",
        "filterPhiField -pf F -srs -cint",
        "passPhiField -pf F -lab1 lab.tif",
        "ddic im1.tif lab.tif im2.tif -pf F -skp -pre again",
    ],
    "hdf": [
        "passPhiField -pf F -ns 8 -im1 im1.tif",
        "mergePhis F F",
        "moveLabels lab.tif -pf F",
        "labelField lab.tif -pf F -col manual",
        "deformImage im1.tif -pf F",
        "pixelSearch im1.tif im2.tif -lab1 lab.tif -pf F -sr -1 1 -1 1 -1 1",
    ],
}


@pytest.mark.parametrize("end", TAKERS)
def test_everything_takes_the_field(repaired, monkeypatch, end, tmp_path):
    monkeypatch.chdir(repaired[0])
    for line in TAKERS[end]:
        command, *words = [f"{STEM}.{end}" if word == "F" else word for word in line.split()]
        assert main(command, [*words, "-od", str(tmp_path), "-q"]) == 0, line
    if end == "tsv":  # what was placed by eye is measured from there
        assert (read_field(str(tmp_path / "again-ddic.hdf")).return_status == 2).all()
    else:
        painted = tifffile.imread(next(tmp_path.glob("*manual*.tif")))
        assert [int(painted[scene()[2] == label].mean()) for label in BAD[:2]] == [3, 1]


@pytest.mark.slow
def test_reports_and_tables_for_spam_take_it(repaired, monkeypatch, tmp_path):
    monkeypatch.chdir(repaired[0])
    assert main("report", [f"{STEM}.hdf", "-o", str(tmp_path / "r.html")]) == 0
    assert "placed by eye" in (tmp_path / "r.html").read_text()
    assert main("convert", [f"{STEM}.hdf", str(tmp_path / "spam.tsv"), "--for", "spam", "-q"]) == 0


def mistakes() -> None:
    """Files that are wrong."""
    field = read_tsv("field.tsv")
    field.extra = {}
    write_tsv("points.tsv", field)
    save_registration("mirror.tsv", Affine(np.diag([np.nan, 1, 1]), np.zeros(3), np.zeros(3)))
    for name, image in (
        ("grey", scene()[0].astype("f4")),
        ("small", scene()[2][:9]),
    ):
        tifffile.imwrite(f"{name}.tif", image, photometric="minisblack")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-pf", "no.tsv"], "no.tsv"),
        (["-pf", "points.tsv"], "hpcdvc-passPhiField -lab1"),
        (["-pf", "mirror.tsv"], "not finite"),
        (["lab=grey.tif"], "whole numbers"),
        (["lab=small.tif"], "small.tif"),
        (["im2=small.tif"], "small.tif"),
        (["-pre", "a/b"], "-pre"),
        (["--bind", "0.0.0.0"], "--bind"),
    ],
)
def test_mistakes_take_one_sentence(here, words, said, capsys):
    mistakes()
    given = dict(word.split("=") for word in words if "=" in word)
    images = [f"{name}.tif" if name not in given else given[name] for name in ("im1", "lab", "im2")]
    assert main("ereg-discrete", [*images, *LINE[3:], *[word for word in words if "=" not in word], "-q"]) == 2
    err = capsys.readouterr().err
    assert is_one_sentence(err, said), err
    assert not os.path.exists("out") or os.listdir("out") == []


def test_a_mistake_that_is_found_while_labels_are_read_ends_the_command(here, run_command):
    field = read_tsv("field.tsv")
    field.extra["label"] = field.extra["label"] + 1000
    write_tsv("others.tsv", field)
    done = run_command("ereg-discrete", *LINE, "-pf", "others.tsv")
    assert done.returncode == 2 and is_one_sentence(done.stderr, "others.tsv has no label that"), done.stderr
    assert os.listdir("out") == []


def test_what_is_there_is_not_overwritten(here, capsys):
    os.mkdir("out")
    for end in ("tsv", "hdf"):
        open(f"{STEM}.{end}", "w").write("mine")
        assert main("ereg-discrete", [*LINE, "-q"]) == 2
        assert is_one_sentence(capsys.readouterr().err, "exists", "--force")
        assert open(f"{STEM}.{end}").read() == "mine"
        os.remove(f"{STEM}.{end}")
    write_tsv(f"{STEM}.tsv", read_tsv("field.tsv"))
    assert main("ereg-discrete", [*LINE, "-q", "-pf", f"{STEM}.tsv"]) == 2
    assert is_one_sentence(capsys.readouterr().err, "from which it is made")


def test_settings_of_the_field_are_told_where_they_differ(here):
    assert main("ddic", [*IMAGES, "-pre", "d", "-ld", "2", "-q", "--no-search"]) == 0
    with serve("-pf", "d-ddic.hdf") as served:
        code, said = served.end(signal.SIGINT)
    assert code == 0 and said.count("\n") == 1 and "label_dilate 2" in said
