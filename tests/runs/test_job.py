"""What all commands share: inputs by their contents, results that replace nothing, one instruction set, views."""

import json
import logging
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from deform_cases import contents, save_all
from deform_cases import run_here as deform_here
from ldic_cases import digest, run_here, save_pair
from reg_cases import run_here as register_here

from hpcdvc import kernels
from hpcdvc.errors import RunError, UserError
from hpcdvc.images import describe
from hpcdvc.options.parser import parse
from hpcdvc.output.files import temporary_name
from hpcdvc.output.hdf5 import read_table
from hpcdvc.ranks import tables
from hpcdvc.ranks.background import Background
from hpcdvc.runs import job
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.instruction_set import agree_on_instruction_set
from hpcdvc.runs.shards import Shards
from hpcdvc.workflows import deformImage

GRID = ("-hws", 5, "-ns", 12)
mpi = pytest.mark.mpi


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with im1.tif and im2.tif."""
    monkeypatch.chdir(tmp_path)
    save_pair()


def touch(path: str) -> None:
    os.utime(path, (1, 1))


def test_a_touched_input_is_the_same(here):
    """What counts is in the files: a copy with another date goes on with the result."""
    run_here("im1.tif", "im2.tif", *GRID)
    before = os.stat("im1-im2-ldic.hdf").st_mtime_ns
    touch("im1.tif")
    run_here("im1.tif", "im2.tif", *GRID, "--resume")
    assert os.stat("im1-im2-ldic.hdf").st_mtime_ns == before


@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
def test_another_input_is_not(here, place):
    run_here("im1.tif", "im2.tif", *GRID)
    info = describe("im1.tif")
    with open("im1.tif", "r+b") as file:
        file.seek(info.offset + int(place * (info.voxel_bytes - 8000)))
        file.write(bytes(8000))
    words = r"was made with other parameters or images \(made_from.im1 has other contents\): -pre or -od"
    with pytest.raises(UserError, match=words):
        run_here("im1.tif", "im2.tif", *GRID, "--resume")


@pytest.mark.parametrize("more", [(), ("--force",), ("--resume",)])
def test_a_result_never_replaces_what_it_starts_from(here, more):
    """-pf that is the result of this very command."""
    run_here("im1.tif", "im2.tif", *GRID)
    for name in ("im1-im2-ldic.hdf", "im1-im2-ldic.tsv"):
        before = digest(name)
        with pytest.raises(UserError, match=f"would replace {name}, from which it is made"):
            run_here("im1.tif", "im2.tif", *GRID, "-pf", name, *more)
        assert digest(name) == before


def test_pictures_of_a_finished_registration(here):
    """-g and -j are views: --resume makes them from the file."""
    register_here("im1.tif", "im2.tif", "-j")
    iterations = np.load("im1-im2-registration-iterations.npy")
    os.unlink("im1-im2-registration-iterations.npy")
    before = os.stat("im1-im2-registration.hdf").st_mtime_ns
    register_here("im1.tif", "im2.tif", "-g", "-j", "--resume")
    assert os.stat("im1-im2-registration.hdf").st_mtime_ns == before
    assert np.load("im1-im2-registration-iterations.npy").tobytes() == iterations.tobytes()
    assert os.path.getsize("im1-im2-registration-iterations.png") > 10000
    assert read_table("im1-im2-registration.hdf", "iterations").tobytes() == iterations.tobytes()
    with pytest.raises(UserError, match="holds no strains"):
        read_table("im1-im2-registration.hdf", "strains")


def test_no_half_record_is_left(here):
    """By a run that was killed while it wrote it, after the result."""
    run_here("im1.tif", "im2.tif", *GRID)
    os.rename("im1-im2-ldic.run.json", temporary_name("im1-im2-ldic.run.json"))
    run_here("im1.tif", "im2.tif", *GRID, "--resume")
    assert os.path.exists("im1-im2-ldic.run.json") and not list(Path().glob("*.tmp"))


COMMANDS = {
    "im1-im2-ldic": lambda *words: run_here("im1.tif", "im2.tif", *GRID, *words),
    "im1-im2-registration": lambda *words: register_here("im1.tif", "im2.tif", *words),
    "im1-reg-def": lambda *words: deform_here("im1.tif", "-pf", "reg.tsv", "--residual", "im2.tif", *words),
}


@pytest.mark.parametrize("stem", COMMANDS)
def test_a_run_killed_before_its_record_is_brought_to_its_end(here, monkeypatch, stem):
    """The result has its name, the record of the run is not there yet: --resume writes it, and changes no result."""
    save_all()

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(job, "write_record", killed)
        with pytest.raises(KeyboardInterrupt):
            COMMANDS[stem]()
    before = {path.name: path.read_bytes() for path in Path().glob(f"{stem}*") if path.is_file()}
    assert before and f"{stem}.run.json" not in before and Path(f"{stem}.parts").exists()
    for _ in range(2):
        COMMANDS[stem]("--resume")
        record = Path(f"{stem}.run.json").read_bytes()
        assert json.loads(record)["key"] and not Path(f"{stem}.parts").exists()
        assert all(Path(name).read_bytes() == data for name, data in before.items())
    COMMANDS[stem]("--resume")
    assert Path(f"{stem}.run.json").read_bytes() == record, "a finished run is not done again"


@pytest.mark.parametrize("stem", COMMANDS)
def test_a_record_that_could_not_be_written_is_written_by_a_resume(here, monkeypatch, stem):
    """The disk is full for it alone; what the run found out about the whole image is in it all the same."""
    save_all()
    COMMANDS[stem]()
    whole = json.loads(Path(f"{stem}.run.json").read_text())

    def full(*_):
        raise RunError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(job, "write_record", full)
        with pytest.raises(RunError, match="no space left"):
            COMMANDS[stem]("--force")
    assert not Path(f"{stem}.run.json").exists(), "that of the run before is no record of this one"
    COMMANDS[stem]("--resume")
    found = json.loads(Path(f"{stem}.run.json").read_text())
    differ = {name for name in whole if found.get(name) != whole[name]}
    assert differ <= {"argv", "written", "seconds"}
    assert stem != "im1-reg-def" or whole["rms_after"] < whole["rms_before"]


@pytest.mark.parametrize("stem", COMMANDS)
def test_a_record_that_was_lost_is_made_from_the_result(here, stem):
    save_all()
    COMMANDS[stem]()
    os.unlink(f"{stem}.run.json")
    COMMANDS[stem]("--resume")
    record = json.loads(Path(f"{stem}.run.json").read_text())
    assert record["key"] and record["hpcdvc"] and record["host"]
    assert stem != "im1-im2-ldic" or record["points"]["all"] > 1


@pytest.mark.parametrize("more", [(), ("--force",), ("--resume",)])
def test_registrations_and_images_replace_nothing_either(here, more):
    register_here("im1.tif", "im2.tif", "-def")
    for name in ("im1-im2-registration.hdf", "im1-im2-registration.tsv"):
        with pytest.raises(UserError, match=f"would replace {name}, from which it is made"):
            register_here("im1.tif", "im2.tif", "-pf", name, *more)
    words = ("-pf", "im1-im2-registration.hdf", "--residual", "im1-reg-def.tif", *more)
    with pytest.raises(UserError, match="would replace im1-reg-def.tif, from which it is made"):
        deform_here("im1.tif", *words)


def test_missing_table_is_one_sentence(here):
    with pytest.raises(UserError, match=r"nowhere\.tsv: no such file"):
        run_here("im1.tif", "im2.tif", *GRID, "-pf", "nowhere.tsv")


# with any number of ranks


@pytest.fixture
def chosen(monkeypatch):
    """Names that were selected; nothing is done with them."""
    names: list[str] = []
    monkeypatch.setattr(kernels, "select", names.append)
    return names


@mpi
def test_all_ranks_have_the_least_instruction_set(team, shared_tmp_path, chosen, monkeypatch):
    """Ranks of different processors take what all of them have; shards remember it."""
    last = team.rank == team.size - 1
    monkeypatch.setattr(kernels, "supported", lambda: ("v1", "v3") if last else ("v1", "v3", "v4"))
    shards = Shards(str(shared_tmp_path / "field"), {})
    assert agree_on_instruction_set(team, shards) == "v3"
    assert chosen == ["v3"]


@mpi
@pytest.mark.parametrize("begun", ["v1", "v4"])
def test_a_resumed_run_goes_on_with_the_instruction_set_of_its_shards(
    team, shared_tmp_path, chosen, monkeypatch, caplog, begun
):
    """If all ranks have it; else with a sentence, and not refused."""
    monkeypatch.setattr(kernels, "supported", lambda: ("v1", "v3"))
    monkeypatch.setattr(logging.getLogger("hpcdvc"), "propagate", True)
    shards = Shards(str(shared_tmp_path / "field"), {})
    run = Checkpoint(shards, team, instruction_set=begun)
    run.open()
    run.close()
    team.barrier()
    assert agree_on_instruction_set(team, shards) == {"v1": "v1", "v4": "v3"}[begun]
    assert ("HPCDVC_ISA=v3" in caplog.text) == (begun == "v4")
    assert chosen == [{"v1": "v1", "v4": "v3"}[begun]]


@mpi
def test_views_are_made_in_the_background(team):
    """By the last rank, one after another, while all go on."""
    done, go = [], threading.Event()
    alone = team.size == 1

    def view(number: int) -> None:
        assert alone or go.wait(20)
        done.append(number)

    with Background(team, True) as views:
        for number in range(3):
            views.add(lambda number=number: view(number))
            assert alone or done == [] or go.is_set()
            go.set()
    assert done == ([0, 1, 2] if team.rank == team.size - 1 else [])


@mpi
@pytest.mark.parametrize("active", [False, True])
def test_a_view_that_fails_fails_the_run(team, active):
    def fail() -> None:
        raise RunError("the disk is full")

    with pytest.raises(RunError, match="disk is full") as caught, Background(team, active) as views:  # noqa: PT012
        views.add(fail)
        team.barrier()
    assert caught.value.agreed


@mpi
@pytest.mark.parametrize("words", [("-pf", "field.tsv"), ("-pf", "field.tsv", "-tet")])
def test_large_fields_come_once_a_node(team, shared_tmp_path, monkeypatch, words):
    """Tables that all ranks of a node share make the same image."""
    monkeypatch.chdir(shared_tmp_path)
    if team.rank == 0:
        save_all()
    team.barrier()
    found = []
    for limit in (10**9, 1000):
        monkeypatch.setattr(tables, "SHARED_FROM", limit)
        line = ["im1.tif", *words, "-od", f"out-{limit}", "-q"]
        deformImage.run(parse(deformImage.Options, line), team)
        team.barrier()
        found.append(contents(f"out-{limit}"))
        team.barrier()
    assert found[0] == found[1]
    assert len(found[0]) == 1
