"""hpcdvc-umpa on 1, 2 and 3 ranks gives the same bytes, also where a run that was killed goes on."""

import os
import random
import signal
from pathlib import Path

import pytest
from ldic_runs import ranks_of, shard_bytes, wait_for
from rank_scripts import finish, start
from reg_ends import is_one_sentence
from shared_memory import remove_abandoned_memory
from umpa_cases import save_scan, save_tomography

from hpcdvc.runs.shards import Shards
from hpcdvc.runs.slabs import SLAB

#: Runs the command with bands that take their time, and with one of its steps replaced.
SABOTAGE = """
import os, signal, sys, time
from hpcdvc import cli
from hpcdvc.output import dense
from hpcdvc.runs import job, shards
from hpcdvc.steps import bands
from hpcdvc.workflows import umpa

measure = bands.RowMeasure.__call__
def slowly(*words):
    time.sleep(seconds)
    return measure(*words)
bands.RowMeasure.__call__ = slowly

def die(*words, **more):
    os.kill(os.getpid(), signal.SIGKILL)

how, seconds = sys.argv.pop(1), float(sys.argv.pop(1))
if how == "before the phase":
    umpa.integrate = die
if how == "before the name":
    dense.SlabFile.settle = die
if how == "before the record":
    job.write_record = die
raise SystemExit(cli.main("umpa"))
"""
SCANS = {
    "tomography": ("scan.h5:/ref", "scan.h5:/sam"),
    "stacks": ("ref.tif", "sam.tif"),
}
PROJECTIONS = 6


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """The folder of the scans; the runs have folders of their own."""
    folder = tmp_path_factory.mktemp("resume")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        save_scan()
        save_tomography("scan.h5", PROJECTIONS, 2, frames=4)
    (folder / "hpcdvc-umpa").write_text(SABOTAGE)
    yield folder
    remove_abandoned_memory()


def begin(here: Path, out: Path, *words, scan="tomography", how="not", seconds=0.0, ranks: int | None = 2):
    files = [here / name for name in SCANS[scan]]
    words = (
        how,
        seconds,
        *files,
        "-sr",
        2,
        "-df",
        "-mean",
        "frame",
        "-integrate",
        "-pre",
        "P",
        "-od",
        out,
        "-q",
        *words,
    )
    return start(here / "hpcdvc-umpa", *words, ranks=ranks)


def complete(here: Path, out: Path, *words, **how) -> dict[str, bytes]:
    code, stdout, stderr = finish(begin(here, out, *words, **how), timeout=60)
    assert (code, stdout, stderr) == (0, "", "")
    names = {"P-umpa.hdf", "P-umpa.run.json", *(path.name for path in out.glob("P-umpa-*.tif"))}
    assert {path.name for path in out.iterdir()} == names
    return {path.name: path.read_bytes() for path in out.iterdir() if path.suffix != ".json"}


@pytest.fixture(scope="module")
def undisturbed(here):
    return {scan: complete(here, here / scan, scan=scan, ranks=None) for scan in SCANS}


@pytest.mark.parametrize("scan", SCANS)
def test_ranks(here, undisturbed, scan):
    for ranks in (2, 3) if scan == "tomography" else (3,):
        assert complete(here, here / f"{scan}{ranks}", "-chunk", 9, scan=scan, ranks=ranks) == undisturbed[scan]


def kill(here: Path, out: Path, *words, dice: random.Random, ranks: int, scan="tomography") -> None:
    """Kill a rank after the first projection is safe."""
    process, before = begin(here, out, *words, scan=scan, seconds=0.1, ranks=ranks), shard_bytes(out)
    assert wait_for(lambda: shard_bytes(out) > before, process)
    os.kill(dice.choice(ranks_of(process, "hpcdvc-umpa")), signal.SIGKILL)
    assert finish(process, timeout=60)[0] != 0
    remove_abandoned_memory()


def test_killed(here, undisturbed):
    """What was measured of each projection counts; another number of ranks goes on."""
    out, dice = here / "killed", random.Random(1)
    kill(here, out, dice=dice, ranks=2)
    first = len(Shards(str(out / "P-umpa"), {}, SLAB).load())
    assert 0 < first < PROJECTIONS and not (out / "P-umpa.hdf").exists()
    code, _, stderr = finish(begin(here, out, ranks=None))
    assert code == 2 and is_one_sentence(stderr, f"holds {first} projections of an unfinished run: type --resume"), (
        stderr
    )
    code, _, stderr = finish(begin(here, out, "--resume", "-hws", 4, ranks=None))
    assert code == 2 and is_one_sentence(stderr, "half_window_size was 3, is 4"), stderr
    assert complete(here, out, "--resume", ranks=3) == undisturbed["tomography"]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["before the phase", "before the name", "before the record"])
def test_killed_at_the_end(here, undisturbed, how):
    out = here / how.replace(" ", "-")
    assert finish(begin(here, out, how=how), timeout=60)[0] not in (0, 2)
    remove_abandoned_memory()
    assert (out / "P-umpa.hdf").exists() == (how == "before the record")
    assert complete(here, out, "--resume", ranks=None) == undisturbed["tomography"]
