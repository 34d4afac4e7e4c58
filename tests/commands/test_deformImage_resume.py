"""hpcdvc-deformImage killed, told to leave, or without room: the next run, on any ranks, gives the same bytes.

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
from deform_cases import contents, save_all
from ldic_runs import ranks_of, shard_bytes, wait_for
from rank_scripts import finish, start
from reg_ends import is_one_sentence

from hpcdvc.runs.shards import Shards
from hpcdvc.runs.slabs import SLAB

KILLS = int(os.environ.get("HPCDVC_TORTURE", "8"))
SEED = os.environ.get("HPCDVC_TORTURE_SEED", "1")
NAMES = {"im1-def.tif", "im1-def-residual.tif", "im1-def.run.json"}

#: Runs the command with slabs that take their time, and with one of its steps replaced on rank 0 or on all.
SABOTAGE = """
import os, resource, signal, sys, time
from hpcdvc import cli
from hpcdvc.deformation import images as deform
from hpcdvc.output import files, image
from hpcdvc.runs import job, shards

planes = deform.Deformation.planes
def slowly(*words):
    time.sleep(seconds)
    return planes(*words)
deform.Deformation.planes = slowly

def die(*words, **more):
    os.kill(os.getpid(), signal.SIGKILL)

def limited(method, size):
    def call(*words):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        return method(*words)
    return call

how, seconds = sys.argv.pop(1), float(sys.argv.pop(1))
if how == "before the renames":
    image.ImageFile.settle = die
if how == "between the renames":
    settle = image.ImageFile.settle
    image.ImageFile.settle = lambda self, path: die() if "residual" in self.path else settle(self, path)
if how == "before the record":
    job.write_record = die
if how == "before the shards go":
    shards.Shards.clear = die
if how == "no room":
    image.ImageWriter.write = limited(image.ImageWriter.write, 100_000)
raise SystemExit(cli.main("deformImage"))
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """The folder of the images; the runs have folders of their own."""
    folder = tmp_path_factory.mktemp("resume")
    before = os.getcwd()
    os.chdir(folder)
    save_all((200, 21, 23))
    os.chdir(before)
    (folder / "hpcdvc-deformImage").write_text(SABOTAGE)
    return folder


def begin(here: Path, out: Path, *words, how: str = "not", seconds: float = 0.0, ranks: int | None = 2):
    words = (how, seconds, "im1.tif", "-pf", "field.tsv", "--residual", "im2.tif", "-od", out, "-q", *words)
    paths = [here / word if str(word).startswith(("im", "field")) else word for word in words]
    return start(here / "hpcdvc-deformImage", *paths, ranks=ranks)


def complete(here: Path, out: Path, *words, **how) -> None:
    code, stdout, stderr = finish(begin(here, out, *words, **how), timeout=60)
    assert (code, stdout, stderr) == (0, "", "")


def results(out: Path) -> dict[str, bytes]:
    assert {path.name for path in out.iterdir()} == NAMES
    return contents(out)


def safe_slabs(out: Path) -> int:
    return len(Shards(str(out / "im1-def"), {}, SLAB).load())


@pytest.fixture(scope="module")
def undisturbed(here):
    complete(here, here / "undisturbed", ranks=None)
    return results(here / "undisturbed")


@pytest.mark.slow
def test_random_kills(here, undisturbed):
    """Any rank, at any time, the number of ranks changing from run to run."""
    dice = random.Random(SEED)
    out, log = here / "killed", []
    while len(log) < KILLS:
        count = dice.choice((1, 2, 3))
        before = shard_bytes(out)
        process = begin(here, out, "--resume", seconds=0.1, ranks=count)
        wait_for(lambda count=count, process=process: len(ranks(process)) == count, process)
        if len(log) % 2:
            wait_for(lambda before=before: shard_bytes(out) > before, process)
        time.sleep(dice.uniform(0, 0.3 if len(log) % 2 else 1.0))
        victims = ranks(process)
        if victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(dice.choice(victims), signal.SIGKILL)
        code, _, stderr = finish(process, timeout=60)
        assert "Traceback" not in stderr and (victims or code == 0), stderr
        log.append((count, code, safe_slabs(out)))
        if code == 0:  # it was faster: make it the first of another run
            assert results(out) == undisturbed
            for path in out.iterdir():
                path.unlink()
    print(log)
    assert any(code and slabs for _, code, slabs in log)
    complete(here, out, "--resume", ranks=2)
    assert results(out) == undisturbed, (SEED, log)


def ranks(process: subprocess.Popen) -> list[int]:
    return ranks_of(process, "hpcdvc-deformImage")


@pytest.mark.slow
def test_told_to_leave(here, undisturbed):
    """After SIGUSR1: exit code 75. Then nothing is touched without being asked to."""
    out = here / "told"
    process = begin(here, out, seconds=0.2)
    assert wait_for(lambda: shard_bytes(out) > 0, process)
    process.send_signal(signal.SIGUSR1)
    code, stdout, stderr = finish(process)
    assert (code, stdout) == (75, "") and stderr.count("of 13 slabs to do") == stderr.count("--resume") == 1
    safe = safe_slabs(out)
    assert 0 < safe < 13 and not (out / "im1-def.tif").exists()

    code, _, stderr = finish(begin(here, out, ranks=1))
    words = f"im1-def.parts holds {safe} slabs of an unfinished run: type --resume"
    assert code == 2 and is_one_sentence(stderr, words), stderr
    for more, what in ((("-nn", 5), "neighbours was 8, is 5"), (("-o", 3), "order was 1, is 3")):
        code, _, stderr = finish(begin(here, out, "--resume", *more))
        assert code == 2 and is_one_sentence(stderr, what), stderr
    assert safe_slabs(out) == safe
    complete(here, out, "--resume", ranks=3)
    assert results(out) == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize(
    "how", ["before the renames", "between the renames", "before the record", "before the shards go"]
)
def test_killed_at_the_end(here, undisturbed, how):
    out = here / how.replace(" ", "-")
    code, _, _ = finish(begin(here, out, how=how), timeout=60)
    assert code not in (0, 2)
    assert (out / "im1-def.tif").exists() == (how != "before the renames")
    code, _, stderr = finish(begin(here, out, ranks=1))
    assert code == 2 and "--resume" in stderr
    complete(here, out, "--resume", ranks=3)
    assert {path.name for path in out.iterdir()} == NAMES
    assert contents(out) == undisturbed


@pytest.mark.parametrize("ranks", [None, 2])
def test_no_room(here, undisturbed, ranks):
    """One sentence, exit code 1, no file under the final name, and the work is not lost."""
    out = here / f"no-room-{ranks}"
    code, stdout, stderr = finish(begin(here, out, how="no room", ranks=ranks), timeout=60)
    assert (code, stdout) == (1, "") and is_one_sentence(stderr, "was not written: File too large"), stderr
    assert not (out / "im1-def.tif").exists() and safe_slabs(out) > 0
    complete(here, out, "--resume")
    assert results(out) == undisturbed


@pytest.mark.slow
def test_force_starts_anew(here, undisturbed):
    out = here / "anew"
    process = begin(here, out, "-nn", 3, seconds=0.2)
    assert wait_for(lambda: shard_bytes(out) > 0, process)
    process.send_signal(signal.SIGUSR1)
    assert finish(process)[0] == 75
    complete(here, out, "--force")
    assert results(out) == undisturbed
    # over a finished result of the same parameters: nothing of it counts as done
    process = begin(here, out, "--force", seconds=0.2)
    assert wait_for(lambda: shard_bytes(out) > 0, process)
    process.send_signal(signal.SIGUSR1)
    assert finish(process)[0] == 75
    assert (out / "im1-def.tif").exists() and list(out.glob("im1-def.tif.*.tmp"))
    complete(here, out, "--resume")
    assert results(out) == undisturbed
