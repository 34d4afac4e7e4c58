"""hpcdvc-ldic killed and told to leave: what was measured is kept, and the end is that of an undisturbed run.

HPCDVC_TORTURE=<number of kills> makes the first test longer, HPCDVC_TORTURE_SEED changes its dice.
"""

import contextlib
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
import tifffile
from ldic_cases import FIELD, images
from ldic_runs import ldic, ranks_of, results, safe_points, shard_bytes, wait_for
from rank_scripts import clean_environment, finish, soon
from reg_ends import is_one_sentence
from running import command_line

from hpcdvc.output.hdf5 import read_field

KILLS = int(os.environ.get("HPCDVC_TORTURE", "20"))
SEED = os.environ.get("HPCDVC_TORTURE_SEED", "1")
#: Several seconds of work on one core.
GRID = ("-ns", 2, "-hws", 8)


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """The folder of the images; the runs have folders of their own."""
    folder = tmp_path_factory.mktemp("resume")
    for name, volume in zip(("im1.tif", "im2.tif"), images(FIELD, (48, 48, 48)), strict=True):
        tifffile.imwrite(folder / name, volume)
    return folder


@pytest.fixture(scope="module")
def undisturbed(here):
    """Digests of the .hdf and .tsv files of a run that nothing disturbs."""
    code, _, stderr = finish(ldic(here, here / "undisturbed", *GRID), timeout=120)
    assert code == 0, stderr
    return results(here / "undisturbed")


def kill_one(process: subprocess.Popen, out: Path, count: int, measuring: bool, dice: random.Random) -> int | None:
    """Kill one of `count` ranks at a random time, of a run that measures or of any; None if the run was faster."""
    before = shard_bytes(out)
    alive = wait_for(lambda: len(ranks_of(process)) == count, process)
    if measuring:
        alive = wait_for(lambda: shard_bytes(out) > before, process)
    time.sleep(dice.uniform(0, 0.3 if measuring else 1.0))
    ranks = ranks_of(process) if alive else []
    if not ranks:
        return None
    victim = dice.randrange(len(ranks))
    with contextlib.suppress(ProcessLookupError):
        os.kill(ranks[victim], signal.SIGKILL)
    return victim


@pytest.mark.slow
def test_random_kills(here, undisturbed):
    """Any rank, at any time, the number of ranks changing from run to run."""
    dice = random.Random(SEED)
    out, log, finished = here / "killed", [], 0
    while len(log) < KILLS:
        count = dice.choice((1, 2, 3))
        process = ldic(here, out, *GRID, "--resume", ranks=count)
        victim = kill_one(process, out, count, len(log) % 2 > 0, dice)
        killed = time.monotonic()
        code, _, stderr = finish(process, timeout=60)
        if code:
            assert victim is not None, stderr
            assert time.monotonic() - killed < 10 and "Traceback" not in stderr
            log.append(f"rank {victim} of {count}: {safe_points(out)}")
            print(f"kill {len(log)}, {log[-1]} points safe", flush=True)
        else:  # it was faster: make it the first of another run
            finished += 1
            assert results(out) == undisturbed
            for path in out.iterdir():
                path.unlink()
    code, _, stderr = finish(ldic(here, out, *GRID, "--resume", ranks=2), timeout=120)
    assert code == 0, stderr
    assert results(out) == undisturbed, (SEED, log)
    print(f"seed {SEED}: {KILLS} kills, {finished} runs finished between them")


@pytest.mark.slow
def test_says_what_to_type(here, undisturbed):
    """After SIGUSR1: exit code 75. Then the shards are not touched without being asked to."""
    out = here / "told"
    began = time.monotonic()
    process = ldic(here, out, *GRID)
    assert wait_for(lambda: shard_bytes(out) > 100_000, process)
    process.send_signal(signal.SIGUSR1)
    signalled = time.monotonic()
    code, stdout, stderr = finish(process)
    assert (code, stdout) == (75, "") and time.monotonic() - signalled < soon(signalled - began)
    assert stderr.count("hpcdvc-ldic: left on request") == stderr.count("--resume") == 1
    safe = safe_points(out)
    assert safe > 100 and not (out / "im1-im2-ldic.hdf").exists()

    code, _, stderr = finish(ldic(here, out, *GRID, ranks=1))
    assert code == 2
    assert is_one_sentence(stderr, f"im1-im2-ldic.parts holds {safe} points of an unfinished run: type --resume"), (
        stderr
    )
    for words, what in (
        (("-hws", 9), "half_window_size was 8, is 9"),
        (("-crit", "ssd", "-it", 20), 'criterion was "znssd", is "ssd"'),
        (("-ns", 3), "node_spacing was 2, is 3"),
        (("-mf1", "im2.tif"), "mask1"),
    ):
        code, _, stderr = finish(ldic(here, out, *GRID, "--resume", *words))
        assert code == 2 and is_one_sentence(stderr, what), stderr
    assert safe_points(out) == safe

    # one rank is enough, however the files are called, and a single rank may be told to leave
    paths = (here / "im1.tif", here / ".." / here.name / "im2.tif")
    process = ldic(here, out, *GRID, "--resume", "--checkpoint-interval", 0.1, ranks=3)
    assert wait_for(lambda: shard_bytes(out) > safe * 300, process)
    os.kill(ranks_of(process)[-1], signal.SIGUSR1)
    assert finish(process)[0] == 75 and safe_points(out) > safe
    words = command_line("ldic", *paths, *GRID, "-od", out, "-q", "--resume")
    assert subprocess.run(words, cwd=here, env=clean_environment(), timeout=120).returncode == 0
    assert (read_field(out / "im1-im2-ldic.hdf").phi.tobytes()) == read_field(
        here / "undisturbed" / "im1-im2-ldic.hdf"
    ).phi.tobytes()


@pytest.mark.slow
def test_force_starts_anew(here, undisturbed):
    out = here / "anew"
    process = ldic(here, out, *GRID, "-it", 5)
    assert wait_for(lambda: shard_bytes(out) > 100_000, process)
    process.send_signal(signal.SIGUSR1)
    assert finish(process)[0] == 75
    code, _, stderr = finish(ldic(here, out, *GRID, "--force"), timeout=60)
    assert code == 0, stderr
    assert results(out) == undisturbed
