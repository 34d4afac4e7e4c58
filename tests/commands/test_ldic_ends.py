"""hpcdvc-ldic killed while it writes its files, or without room for them: nothing half done, nothing lost."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import tifffile
from ldic_cases import FIELD, images
from ldic_runs import ldic, ranks_of, results, safe_points, shard_bytes, wait_for
from rank_scripts import finish, soon, start
from reg_ends import is_one_sentence

GRID = ("-ns", 4, "-hws", 6)

#: Runs the command with one of its steps replaced, on rank 0 or on all.
SABOTAGE = """
import os, resource, signal, sys
from hpcdvc import cli
from hpcdvc.runs import checkpoint, shards
from hpcdvc.output import files, result

def die(*words, **more):
    os.kill(os.getpid(), signal.SIGKILL)

def limited(method, size):
    def call(*words):
        returned = method(*words)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        return returned
    return call

def busy(method):
    def call(*words):
        method(*words)
        sum(range(10**10))  # like a kernel: a call that nothing interrupts for minutes
    return call

how = sys.argv.pop(1)
if how == "busy":
    checkpoint.Checkpoint.append = busy(checkpoint.Checkpoint.append)
if how == "before the views":
    result.FieldFile.write_views = die
if how == "before the rename":
    settle = files.settle
    files.settle = lambda temporary, path: die() if path.endswith(".hdf") else settle(temporary, path)
if how == "before the shards go":
    shards.Shards.clear = die
if how == "no room for shards":
    checkpoint.Checkpoint.append = limited(checkpoint.Checkpoint.append, 60_000)
if how == "no room for the file":
    checkpoint.Checkpoint.close = limited(checkpoint.Checkpoint.close, 400_000)
raise SystemExit(cli.main("ldic"))
"""


def started(here: Path, out: Path, how: str, *words, ranks: int | None = 2) -> subprocess.Popen:
    script = here / "hpcdvc-ldic"
    script.write_text(SABOTAGE)
    words = (how, here / "im1.tif", here / "im2.tif", *GRID, "-od", out, "-q", *words)
    return start(script, *words, ranks=ranks)


def sabotaged(here: Path, out: Path, how: str, *words, ranks: int | None = 2) -> tuple[int, str, str]:
    return finish(started(here, out, how, *words, ranks=ranks), timeout=60)


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """The folder of the images; the runs have folders of their own."""
    folder = tmp_path_factory.mktemp("ends")
    for name, volume in zip(("im1.tif", "im2.tif"), images(FIELD, (48, 48, 48)), strict=True):
        tifffile.imwrite(folder / name, volume)
    return folder


@pytest.fixture(scope="module")
def undisturbed(here):
    """Digests of the .hdf and .tsv files of a run that nothing disturbs."""
    code, _, stderr = sabotaged(here, here / "undisturbed", "not")
    assert code == 0, stderr
    return results(here / "undisturbed")


@pytest.mark.parametrize("how", ["before the rename", "before the views", "before the shards go"])
def test_killed_at_the_end(here, undisturbed, how):
    out = here / how.replace(" ", "-")
    code, _, _ = sabotaged(here, out, how)
    assert code not in (0, 2)
    assert (out / "im1-im2-ldic.hdf").exists() == (how != "before the rename")
    code, _, stderr = sabotaged(here, out, "not", ranks=3)
    assert code == 2 and "--resume" in stderr
    code, _, stderr = sabotaged(here, out, "not", "--resume", ranks=3)
    assert code == 0, stderr
    assert results(out) == undisturbed


def test_the_launcher_is_told_to_end(here, undisturbed):
    """All is gone within 5 s, in the middle of a kernel and waiting for another rank; what is measured is kept."""
    out, safe = here / "told", 0
    for attempt in range(4):
        began = time.monotonic()
        process = started(here, out, "busy", *["--resume"] * (attempt > 0))
        assert wait_for(lambda before=safe: out.exists() and safe_points(out) > before, process)
        ranks, since = ranks_of(process), time.monotonic()
        process.send_signal(signal.SIGTERM)
        code, _, stderr = finish(process)
        while any(Path(f"/proc/{rank}").exists() for rank in ranks) and time.monotonic() < since + 30:
            time.sleep(0.01)
        assert time.monotonic() - since < soon(since - began)
        assert len(ranks) == 2 and code != 0 and "Traceback" not in stderr
        assert safe_points(out) > safe
        safe = safe_points(out)
    code, _, stderr = sabotaged(here, out, "not", "--resume", ranks=3)
    assert code == 0, stderr
    assert results(out) == undisturbed


@pytest.mark.parametrize("ranks", [None, 2])
@pytest.mark.parametrize("how", ["no room for shards", "no room for the file"])
def test_no_room(here, undisturbed, how, ranks):
    """One sentence, exit code 1, no file under the final name, and the work is not lost."""
    out = here / f"{how.replace(' ', '-')}-{ranks}"
    code, stdout, stderr = sabotaged(here, out, how, ranks=ranks)
    assert (code, stdout) == (1, "")
    assert is_one_sentence(stderr, "File too large"), stderr
    assert not (out / "im1-im2-ldic.hdf").exists() and safe_points(out) > 100
    code, _, stderr = sabotaged(here, out, "not", "--resume")
    assert code == 0, stderr
    assert results(out) == undisturbed


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 20 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fill(path):
    """Let a file take all that is free."""
    with contextlib.suppress(OSError), open(path, "ab", buffering=0) as file:
        while file.write(bytes(100_000)):
            pass


@pytest.mark.slow
def test_disk_that_others_fill(here, small_disk):
    words = ("-ns", 2, "-hws", 6)
    assert finish(ldic(here, here / "larger", *words), timeout=60)[0] == 0
    expected = results(here / "larger")
    process = ldic(here, small_disk, *words)
    assert wait_for(lambda: shard_bytes(small_disk) > 100_000, process)
    filler = small_disk / "filler"
    fill(filler)
    code, _, stderr = finish(process)
    assert code == 1 and "No space left on device" in stderr and "--resume" in stderr and "Traceback" not in stderr
    safe = safe_points(small_disk)
    assert safe > 100
    fill(filler)  # what the run has left
    code, _, stderr = finish(ldic(here, small_disk, *words, "--resume"))
    assert code == 1 and is_one_sentence(stderr, "cannot be written: No space left on device"), stderr
    os.truncate(filler, filler.stat().st_size - 500_000)  # room for a beginning, not for all
    code, _, stderr = finish(ldic(here, small_disk, *words, "--resume"))
    assert code == 2 and is_one_sentence(stderr, "no space for the results", "0.5 MB are free"), stderr
    filler.unlink()
    code, _, stderr = finish(ldic(here, small_disk, *words, "--resume"), timeout=60)
    assert code == 0, stderr
    assert results(small_disk) == expected
