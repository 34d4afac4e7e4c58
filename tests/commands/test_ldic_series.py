"""hpcdvc-ldic on a series of images: one file per step, a list of them that ParaView plays, and where it goes on."""

import json
import logging
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import tifffile
from ldic_cases import SHAPE, digest, run_here, same_rows
from synthetic import lattice_texture, render, translation

from hpcdvc.errors import Unfinished, UserError
from hpcdvc.fields.status import Status
from hpcdvc.output.hdf5 import read_field
from hpcdvc.runs import job
from hpcdvc.runs.checkpoint import Checkpoint

GRID = ("-ns", 10, "-hws", 5)
SHIFT = np.array([0.4, -0.3, 0.5])  # of every step
NAMES = ("s0.tif", "s1.tif", "s2.tif", "s3.tif")


@pytest.fixture(scope="module")
def steps():
    texture = lattice_texture(3)
    return [render(texture, SHAPE, translation(k * SHIFT)) for k in range(4)]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, steps):
    monkeypatch.chdir(tmp_path)
    for name, volume in zip(NAMES, steps, strict=True):
        tifffile.imwrite(name, volume)


def played(path: str) -> list[str]:
    content = json.loads(Path(path).read_text())
    assert content["file-series-version"] == "1.0"
    times = [entry["time"] for entry in content["files"]]
    assert times == sorted(times) and len(set(times)) == len(times)
    return [entry["name"] for entry in content["files"]]


@pytest.mark.parametrize("incremental", [False, True])
def test_every_step_has_its_file(incremental):
    words = ("-sei",) if incremental else ()
    paths = run_here(*NAMES, *GRID, *words, "-notsv")
    before = ("s0", "s1", "s2") if incremental else ("s0", "s0", "s0")
    expected = [f"{a}-s{k}-ldic.hdf" for k, a in enumerate(before, start=1)]
    assert paths == [*expected, "s0-series-ldic.hdf.series"]
    assert played(paths[-1]) == expected
    for k, path in enumerate(expected, start=1):
        field = read_field(path)
        assert (field.return_status == Status.CONVERGED).all()
        assert np.abs(field.displacement - SHIFT * (1 if incremental else k)).max() < 0.02
    run_here("s0.tif", "s1.tif", *GRID, "-od", "pair", "-notsv")
    assert digest("pair/s0-s1-ldic.hdf") == digest("s0-s1-ldic.hdf")


def test_in_its_folder_with_views():
    paths = run_here(*NAMES[:3], *GRID, "-od", "out", "-vtk")
    stems = ("out/s0-s1-ldic", "out/s0-s2-ldic")
    assert paths == [*(f"{s}.{e}" for s in stems for e in ("hdf", "tsv", "vtk")), "out/s0-series-ldic.hdf.series"]
    assert played(paths[-1]) == ["s0-s1-ldic.hdf", "s0-s2-ldic.hdf"]
    assert all(os.path.exists(path) for path in paths)


def test_steps_of_several_folders(monkeypatch):
    """Results lie beside the first image of their step; the list finds them, and all folders are looked at first."""
    os.mkdir("later")
    for name in NAMES[1:3]:
        os.rename(name, f"later/{name}")
    looked = []
    monkeypatch.setattr(job, "check_folder", lambda folder, *_, **__: looked.append(folder))
    words = (NAMES[0], f"later/{NAMES[1]}", f"later/{NAMES[2]}", *GRID, "-sei", "-notsv")
    paths = run_here(*words)
    assert paths == ["s0-s1-ldic.hdf", "later/s1-s2-ldic.hdf", "s0-series-ldic.hdf.series"]
    assert played(paths[-1]) == paths[:2]
    assert looked == ["", "later"]


def test_prefix_names_the_list(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("hpcdvc"), "propagate", True)
    paths = run_here(*NAMES[:3], *GRID, "-pre", "week", "-notsv")
    assert paths == ["s0-s1-ldic.hdf", "s0-s2-ldic.hdf", "week-ldic.hdf.series"]
    assert "-pre names only the list" in caplog.text


def test_start_of_every_step():
    run_here("s0.tif", "s2.tif", *GRID, "-pre", "start")
    alone, started = (
        [read_field(path) for path in run_here(*NAMES[:3], *GRID, "-od", folder, "-notsv", *words)[:2]]
        for folder, words in (
            ("a", ("--start-from", "file")),
            ("b", ("--start-from", "file", "-pf", "start-ldic.hdf")),
        )
    )
    assert (started[1].iterations < alone[1].iterations).all()
    assert np.abs(started[0].displacement - alone[0].displacement).max() < 0.01


def test_volumes_decoded_and_given_back(steps, run_command):
    """Compressed images, two of them at a time in memory; the same on 2 ranks."""
    for name, volume in zip(NAMES, steps, strict=True):
        tifffile.imwrite(name, volume, compression="zlib")
    run_here(*NAMES, *GRID, "-sei", "-od", "one", "-q")
    result = run_command("ldic", *NAMES, *GRID, "-sei", "-od", "two", "-q", ranks=2)
    assert (result.returncode, result.stderr) == (0, "")
    for name in ("s0-s1-ldic", "s1-s2-ldic", "s2-s3-ldic"):
        assert digest(f"one/{name}.hdf") == digest(f"two/{name}.hdf")
    assert digest("one/s0-series-ldic.hdf.series") == digest("two/s0-series-ldic.hdf.series")


def test_nothing_starts_when_a_step_cannot():
    before = set(os.listdir())
    tifffile.imwrite("small.tif", np.zeros((9, 9, 9), "u1"))
    with pytest.raises(UserError, match="small.tif"):
        run_here("s0.tif", "s1.tif", "small.tif", *GRID)
    os.mkdir("other")
    tifffile.imwrite("other/s1.tif", np.zeros(SHAPE, "u2"))
    with pytest.raises(UserError, match="s0-s1-ldic.hdf: the images need different names"):
        run_here("s0.tif", "s1.tif", "other/s1.tif", *GRID)
    assert set(os.listdir()) == before | {"small.tif", "other"}
    run_here("s0.tif", "s2.tif", *GRID)
    with pytest.raises(UserError, match="s0-s2-ldic.hdf exists"):
        run_here(*NAMES, *GRID)
    assert not os.path.exists("s0-s1-ldic.hdf")


def test_goes_on_where_it_was():
    """Steps that are whole are not measured again."""
    run_here(*NAMES[:3], *GRID)
    known = {path.name: path.read_bytes() for path in Path().iterdir()}
    times = os.stat("s0-s1-ldic.hdf").st_mtime_ns
    os.unlink("s0-s2-ldic.hdf")
    os.unlink("s0-s1-ldic.tsv")
    os.unlink("s0-series-ldic.hdf.series")
    with pytest.raises(UserError, match="exists"):
        run_here(*NAMES[:3], *GRID)
    os.unlink("s0-s2-ldic.tsv")
    run_here(*NAMES[:3], *GRID, "--resume")
    assert os.stat("s0-s1-ldic.hdf").st_mtime_ns == times
    now = {path.name: path.read_bytes() for path in Path().iterdir()}
    assert now.keys() == known.keys()
    assert all(now[name] == known[name] for name in known if not name.endswith(".run.json"))


def test_goes_on_and_overwrites():
    """--force --resume, as a job gives it that was started with --force: only what is not of this run is replaced."""
    run_here("s0.tif", "s1.tif", *GRID)
    run_here("s0.tif", "s2.tif", "-ns", 15, "-hws", 5)
    kept, old = os.stat("s0-s1-ldic.hdf").st_mtime_ns, digest("s0-s2-ldic.hdf")
    with pytest.raises(UserError, match="s0-s2-ldic.hdf was made with other parameters"):
        run_here(*NAMES[:3], *GRID, "--resume")
    run_here(*NAMES[:3], *GRID, "--resume", "--force")
    assert os.stat("s0-s1-ldic.hdf").st_mtime_ns == kept and digest("s0-s2-ldic.hdf") != old
    Path("s0-s2-ldic.hdf").write_text("no file of ours")
    run_here(*NAMES[:3], *GRID, "--resume", "--force")
    assert len(read_field("s0-s2-ldic.hdf")) == 36


def test_asked_to_leave_between_steps(monkeypatch):
    """A signal that comes while a file is written ends the run before the next step."""

    def write_record(*words):
        os.kill(os.getpid(), signal.SIGUSR1)

    monkeypatch.setattr(job, "write_record", write_record)
    with pytest.raises(Unfinished, match="36 of 36 points to do.*--resume"):
        run_here(*NAMES[:3], *GRID)
    assert os.path.exists("s0-s1-ldic.tsv") and not os.path.exists("s0-s2-ldic.hdf")


def test_resumed_series_is_that_of_one_run():
    whole = run_here(*NAMES, *GRID, "-od", "whole", "-notsv")
    run_here("s0.tif", "s1.tif", *GRID, "-od", "parts", "-notsv")
    run_here(*NAMES, *GRID, "-od", "parts", "-notsv", "--resume")
    for path in map(Path, whole):
        assert digest(path) == digest(Path("parts") / path.name)
    assert same_rows(read_field(whole[2]), read_field(Path("parts") / Path(whole[2]).name))


def test_another_start_is_another_result():
    run_here(*NAMES, *GRID)
    run_here(*NAMES, *GRID, "--resume")
    with pytest.raises(UserError, match="s0-s2-ldic.hdf was made with other parameters"):
        run_here(*NAMES, *GRID, "--start-from", "file", "--resume")
    run_here(*NAMES, *GRID, "--start-from", "file", "--resume", "--force")
    run_here("s0.tif", "s2.tif", *GRID, "--resume")  # without steps before it is that of a pair
    with pytest.raises(UserError, match="s0-s2-ldic.hdf was made with other parameters"):
        run_here(*NAMES, *GRID, "--start-from", "first", "--resume")


@pytest.mark.parametrize("words", [(), ("-sei", "--total"), ("--register",), ("--start-from", "first")])
def test_same_on_any_ranks_and_resumed(words, run_command):
    """Also where nodes have failed, and start from their neighbours: few iterations, small windows."""
    line = (*NAMES, "-ns", 8, "-hws", 3, "-it", 7, *words, "-q")
    paths = run_here(*line, "-od", "one")
    field = read_field(paths[2])
    assert 0.1 < (field.return_status == Status.CONVERGED).mean() < 1
    for ranks in (2, 3):
        result = run_command("ldic", *line, "-od", f"n{ranks}", ranks=ranks)
        assert (result.returncode, result.stderr) == (0, "")
    run_here(*NAMES[:3], "-ns", 8, "-hws", 3, "-it", 7, *words, "-q", "-od", "again")
    run_here(*line, "-od", "again", "--resume")
    for path in map(Path, paths):
        if path.suffix == ".hdf":
            others = {digest(Path(folder) / path.name) for folder in ("n2", "n3", "again")}
            assert others == {digest(path)}, path


def test_resumed_in_the_middle_of_a_step(monkeypatch):
    """The shards of a step that was begun go on from the same start."""
    whole = run_here(*NAMES, *GRID, "-od", "whole", "-notsv")
    append, chunks = Checkpoint.append, []

    def stop(self, rows):
        append(self, rows)
        chunks.append(len(rows))
        if len(chunks) == 25:
            os.kill(os.getpid(), signal.SIGUSR1)

    monkeypatch.setattr(Checkpoint, "append", stop)
    with pytest.raises(Unfinished, match="points to do"):
        run_here(*NAMES, *GRID, "-od", "parts", "-notsv")
    monkeypatch.setattr(Checkpoint, "append", append)
    assert 36 < sum(chunks) < 72 and not os.path.exists("parts/s0-s2-ldic.hdf")
    run_here(*NAMES, *GRID, "-od", "parts", "-notsv", "--resume")
    for path in map(Path, whole):
        assert digest(path) == digest(Path("parts") / path.name)
