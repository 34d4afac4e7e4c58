"""hpcdvc-umpa on 1, 2 and 3 ranks gives the same bytes, also where a run that was killed goes on."""

import random
from pathlib import Path

import pytest
from killed_runs import IN_BANDS, kill_a_rank, left_in, write_script
from rank_scripts import finish, start
from reg_ends import is_one_sentence
from umpa_cases import save_scan, save_tomography

from hpcdvc.runs.shards import Shards
from hpcdvc.runs.slabs import SLAB

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
    write_script(folder, IN_BANDS, "umpa")
    return folder


def begin(here: Path, out: Path, *words, scan="tomography", how="not", bands=-1, ranks: int | None = 2):
    files = [here / name for name in SCANS[scan]]
    fixed = ("-sr", 2, "-df", "-mean", "frame", "-integrate", "-pre", "P", "-od", out, "-q")
    words = (how, bands, *files, *fixed, *words)
    return start(here / "hpcdvc-umpa", *words, ranks=ranks)


def complete(here: Path, out: Path, *words, **how) -> dict[str, bytes]:
    code, stdout, stderr = finish(begin(here, out, *words, **how), timeout=60)
    assert (code, stdout, stderr) == (0, "", "")
    names = {"P-umpa.hdf", "P-umpa.run.json", *(path.name for path in out.glob("P-umpa-*.tif"))}
    assert {path.name for path in out.iterdir()} == names
    return left_in(out)


@pytest.fixture(scope="module")
def undisturbed(here):
    return {scan: complete(here, here / scan, scan=scan, ranks=None) for scan in SCANS}


@pytest.mark.parametrize("scan", SCANS)
def test_ranks(here, undisturbed, scan):
    for ranks in (2, 3) if scan == "tomography" else (3,):
        assert complete(here, here / f"{scan}{ranks}", "-chunk", 9, scan=scan, ranks=ranks) == undisturbed[scan]


def kill(here: Path, out: Path, *words, dice: random.Random, ranks: int, scan="tomography") -> None:
    """Kill a rank after the first projection is safe."""
    kill_a_rank(lambda: begin(here, out, *words, scan=scan, bands=2, ranks=ranks), out, "umpa", dice)


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
    assert (out / "P-umpa.hdf").exists() == (how == "before the record")
    assert complete(here, out, "--resume", ranks=None) == undisturbed["tomography"]
