"""hpcdvc-localShifts killed or told to leave: the next run, on any ranks, gives the same bytes."""

import random
from pathlib import Path

import pytest
import tifffile
from killed_runs import IN_BANDS, kill_a_rank, left_in, write_script
from rank_scripts import finish, start
from reg_ends import is_one_sentence
from stack_cases import pair

from hpcdvc.runs.shards import Shards
from hpcdvc.runs.slabs import SLAB

SHAPE = (2, 290, 24)
BANDS = 10


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """The folder of the stacks; the runs have folders of their own."""
    folder = tmp_path_factory.mktemp("resume")
    for name, stack in zip(("im1.tif", "im2.tif"), pair(SHAPE), strict=True):
        tifffile.imwrite(folder / name, stack, photometric="minisblack")
    write_script(folder, IN_BANDS, "localShifts")
    return folder


def begin(here: Path, out: Path, *words, how: str = "not", bands: int = -1, ranks: int | None = 2):
    words = (how, bands, here / "im1.tif", here / "im2.tif", "-sr", 2, "-pre", "P", "-od", out, "-tif", "-q", *words)
    return start(here / "hpcdvc-localShifts", *words, ranks=ranks)


def complete(here: Path, out: Path, *words, **how) -> None:
    code, stdout, stderr = finish(begin(here, out, *words, **how), timeout=60)
    assert (code, stdout, stderr) == (0, "", "")


def results(out: Path) -> dict[str, bytes]:
    names = {f"P-localShifts{end}" for end in (".hdf", ".run.json", "-Xdisp.tif", "-Ydisp.tif", "-zncc.tif")}
    assert {path.name for path in out.iterdir()} == {*names, "P-localShifts-returnStatus.tif"}
    return left_in(out)


def safe_bands(out: Path) -> int:
    return len(Shards(str(out / "P-localShifts"), {}, SLAB).load())


@pytest.fixture(scope="module")
def undisturbed(here):
    complete(here, here / "undisturbed", ranks=None)
    return results(here / "undisturbed")


def kill(here: Path, out: Path, *words, dice: random.Random, ranks: int) -> None:
    """Kill a rank after the first band is safe."""
    kill_a_rank(lambda: begin(here, out, *words, bands=1, ranks=ranks), out, "localShifts", dice)


def test_killed(here, undisturbed):
    """Another number of ranks, and of rows in memory, goes on."""
    out, dice = here / "killed", random.Random(1)
    kill(here, out, dice=dice, ranks=2)
    first = safe_bands(out)
    assert 0 < first < BANDS and not (out / "P-localShifts.hdf").exists()
    code, _, stderr = finish(begin(here, out, ranks=None))
    words = f"P-localShifts.parts holds {first} bands of an unfinished run: type --resume"
    assert code == 2 and is_one_sentence(stderr, words), stderr
    code, _, stderr = finish(begin(here, out, "--resume", "-hws", 4, ranks=None))
    assert code == 2 and is_one_sentence(stderr, "half_window_size was 3, is 4"), stderr
    complete(here, out, "--resume", "-chunk", 7, ranks=3)
    assert results(out) == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("step", [1, 6])
def test_random_kills(here, step):
    """Any rank, the number of ranks changing from run to run; pixels and nodes."""
    words = ("-ns", step)
    complete(here, here / f"whole{step}", *words, ranks=None)
    expected = left_in(here / f"whole{step}")
    out, dice = here / f"killed{step}", random.Random(7)
    for ranks in (2, 3, 1, 2):
        kill(here, out, "--resume", *words, dice=dice, ranks=ranks)
    complete(here, out, "--resume", *words, ranks=2)
    assert left_in(out) == expected


@pytest.mark.slow
@pytest.mark.parametrize("how", ["before the name", "before the record", "before the shards go"])
def test_killed_at_the_end(here, undisturbed, how):
    out = here / how.replace(" ", "-")
    code, _, _ = finish(begin(here, out, how=how), timeout=60)
    assert code not in (0, 2)
    assert (out / "P-localShifts.hdf").exists() == (how != "before the name")
    complete(here, out, "--resume", ranks=3)
    assert results(out) == undisturbed
