"""Runs that are killed, signalled or out of room end as undisturbed ones, bit for bit.

HPCDVC_TORTURE=<number of kills> makes the first test longer.
"""

import contextlib
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from rank_scripts import finish, run, soon, start

from hpcdvc.runs.shards import Shards

TOY = Path(__file__).parents[1] / "support" / "toy_run.py"
KILLS = int(os.environ.get("HPCDVC_TORTURE", "6"))
POINTS = 250 * max(KILLS, 6)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Result file of a serial run, as bytes."""
    stem = tmp_path_factory.mktemp("undisturbed") / "field"
    code, _, stderr = run(TOY, stem, POINTS, TOY_SECONDS="0")
    assert code == 0, stderr
    return result(stem)


def result(stem):
    return Path(f"{stem}.npy").read_bytes()


def safe_points(stem):
    return len(Shards(stem, {}).load())


def left_over(stem):
    return sorted(path.name for path in stem.parent.iterdir() if path.name not in ("field.npy", "field.pids"))


def processes(stem, suffix=""):
    """Process numbers of the ranks that have come as far as `suffix`."""
    names = [path.name for path in Path(f"{stem}.pids").glob(f"*{suffix}")]
    return [int(name.removesuffix(suffix)) for name in names if name.removesuffix(suffix).isdigit()]


def forget_processes(stem):
    for path in Path(f"{stem}.pids").glob("*"):
        path.unlink()


def wait_for(condition, what, timeout=20):
    limit = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < limit, f"{what}: nothing after {timeout} s"
        time.sleep(0.01)


@pytest.mark.slow
def test_kills_at_random_times(tmp_path, undisturbed):
    dice = random.Random(os.environ.get("HPCDVC_TORTURE_SEED", "1"))
    stem, before, log = tmp_path / "field", 0, []
    for _ in range(KILLS):
        ranks = dice.choice([2, 3])
        forget_processes(stem)
        began = time.monotonic()
        process = start(TOY, stem, POINTS, "--resume", ranks=ranks)
        wait_for(lambda count=ranks: len(processes(stem)) == count, "start")
        begun = time.monotonic()
        time.sleep(dice.uniform(0, 1.2))
        with contextlib.suppress(ProcessLookupError):
            os.kill(dice.choice(processes(stem)), signal.SIGKILL)
        killed = time.monotonic()
        code, _, stderr = finish(process)
        if Path(f"{stem}.npy").exists():  # killed, if at all, with the result written
            break
        assert time.monotonic() - killed < soon(begun - began)
        assert "Traceback" not in stderr
        log.append((ranks, safe_points(stem)))
        assert log[-1][1] >= before, log
        before = log[-1][1]
    code, _, stderr = run(TOY, stem, POINTS, "--resume", ranks=2)
    assert code == 0, stderr
    assert result(stem) == undisturbed, log
    assert left_over(stem) == []
    assert log, "no run was killed"


@pytest.mark.slow
def test_what_is_safe_is_not_measured_again(tmp_path, undisturbed):
    stem = tmp_path / "field"
    process = start(TOY, stem, POINTS, ranks=2)
    wait_for(lambda: Path(f"{stem}.parts").is_dir() and safe_points(stem) > POINTS // 10, "points")
    os.kill(processes(stem)[0], signal.SIGKILL)
    finish(process)
    earlier = safe_points(stem)
    code, _, stderr = run(TOY, stem, POINTS, ranks=2)
    assert code == 2
    assert f"holds {earlier} points of an unfinished run" in stderr
    assert stderr.count("toy_run.py: ") == 1
    code, _, stderr = run(TOY, stem, POINTS, "--resume", ranks=3, TOY_SECONDS="0.001")
    assert code == 0, stderr
    measured = [int(path.read_text()) for path in Path(f"{stem}.pids").glob("*.measured")]
    assert len(measured) == 3
    assert sum(measured) == POINTS - earlier
    assert result(stem) == undisturbed


@pytest.mark.parametrize("target", ["launcher", "one rank"])
def test_signal_leaves_with_75(tmp_path, undisturbed, target):
    stem, began = tmp_path / "field", time.monotonic()
    process = start(TOY, stem, POINTS, ranks=2)
    wait_for(lambda: len(processes(stem, ".connected")) == 2, "connection")
    begun = time.monotonic()
    wait_for(lambda: Path(f"{stem}.parts").is_dir() and safe_points(stem) > POINTS // 10, "points")
    os.kill(process.pid if target == "launcher" else processes(stem)[-1], signal.SIGUSR1)
    signalled = time.monotonic()
    code, _, stderr = finish(process)
    assert time.monotonic() - signalled < soon(begun - began)
    assert code == 75, stderr
    assert stderr.count("toy_run.py: ") == 1
    assert POINTS // 10 < safe_points(stem) < POINTS
    assert not Path(f"{stem}.npy").exists()
    code, _, stderr = run(TOY, stem, POINTS, "--resume", TOY_SECONDS="0")
    assert code == 0, stderr
    assert result(stem) == undisturbed
    assert left_over(stem) == []


def test_signal_before_the_first_point(tmp_path):
    stem = tmp_path / "field"
    process = start(TOY, stem, POINTS, ranks=2, TOY_PAUSE="20")
    wait_for(lambda: len(processes(stem, ".connected")) == 2, "connection")
    os.kill(process.pid, signal.SIGUSR1)
    code, _, stderr = finish(process)
    assert code == 75, stderr
    assert safe_points(stem) == 0


@pytest.mark.slow
def test_other_parameters_on_resume(tmp_path):
    stem = tmp_path / "field"
    process = start(TOY, stem, POINTS, ranks=2)
    wait_for(lambda: Path(f"{stem}.parts").is_dir() and safe_points(stem) > 0, "points")
    os.kill(process.pid, signal.SIGUSR1)
    assert finish(process)[0] == 75
    code, _, stderr = run(TOY, stem, POINTS + 1, "--resume", ranks=2)
    assert code == 2
    assert f"points was {POINTS}, is {POINTS + 1}" in stderr
    assert "Traceback" not in stderr


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 128 kB, and a function that makes it larger."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small file system")
    yield disk, lambda: subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_keeps_what_was_measured(small_disk, undisturbed):
    disk, make_room = small_disk
    stem = disk / "field"
    code, _, stderr = run(TOY, stem, POINTS, ranks=2, TOY_SECONDS="0.001")
    assert code == 1
    assert f"{stem}.parts: No space left on device" in stderr
    assert "--resume" in stderr
    assert "Traceback" not in stderr
    assert not Path(f"{stem}.npy").exists()
    assert safe_points(stem) > 100
    make_room()
    code, _, stderr = run(TOY, stem, POINTS, "--resume", ranks=3, TOY_SECONDS="0.001")
    assert code == 0, stderr
    assert result(stem) == undisturbed
    assert np.load(f"{stem}.npy").shape == (POINTS,)
