"""hpcdvc-reg killed, or told to leave: the iterations so far are kept, and the end is that of an undisturbed run."""

import signal
from pathlib import Path

import numpy as np
import pytest
import tifffile
from ldic_cases import digest
from rank_scripts import finish, start
from reg_cases import RESULT, pair_of
from reg_ends import is_one_sentence

from hpcdvc.registration.gauss_newton import ITERATE
from hpcdvc.runs.shards import Shards

#: Many iterations, on two levels; the first on the finest are on a sample of the blocks.
WORDS = ("im1.tif", "im2.tif", "-bb", 2, "-o", 1, "-j", "-q")
STEM = "im1-im2-registration"
FILES = {*RESULT, f"{STEM}-iterations.npy"}

#: Runs the command; one rank gets a signal at a step of its own, or at the iteration of this number.
SABOTAGE = """
import os, sys
from hpcdvc import cli
from hpcdvc.output.result import FieldFile
from hpcdvc.workflows import reg

step, number, rank = sys.argv.pop(1), int(sys.argv.pop(1)), int(sys.argv.pop(1))
done = 0

def signalled(method, which, iteration=None):
    def call(*words):
        global done
        done += 1
        team = words[-1]
        if team.rank == rank and iteration in (None, done):
            os.kill(os.getpid(), which)
        return method(*words)
    return call

if step == "kill":
    reg._keep = signalled(reg._keep, 9, number)
elif step == "leave":
    reg._keep = signalled(reg._keep, 10, number)
elif step == "before the result":
    FieldFile.write = lambda *words: os.kill(os.getpid(), 9)
elif step == "before the table":
    FieldFile.write_views = lambda *words: os.kill(os.getpid(), 9)
raise SystemExit(cli.main("reg"))
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """The folder of the images; the runs have folders of their own."""
    folder = tmp_path_factory.mktemp("resume")
    for name, image in zip(("im1.tif", "im2.tif"), pair_of("tall"), strict=True):
        tifffile.imwrite(folder / name, image)
    (folder / "hpcdvc-reg").write_text(SABOTAGE)
    return folder


def run(here: Path, out: Path, *words, step: str = "none", number: int = 0, rank: int = 0, ranks: int | None = 2):
    """(exit code, stdout, stderr) of the command, disturbed at a step or an iteration."""
    assert signal.SIGUSR1 == 10
    paths = [here / word if str(word).startswith("im") else word for word in (*WORDS, "-od", out, *words)]
    return finish(start(here / "hpcdvc-reg", step, number, rank, *paths, ranks=ranks), timeout=60)


def results(out: Path) -> list[str]:
    """Digests of what was written, after a look that nothing else is left."""
    assert {path.name for path in out.iterdir()} == FILES
    return [digest(out / name) for name in sorted(FILES) if not name.endswith("json")]


def safe(out: Path) -> int:
    """Iterations in the shards."""
    return len(Shards(str(out / STEM), {}, ITERATE).load())


@pytest.fixture(scope="module")
def undisturbed(here):
    code, stdout, stderr = run(here, here / "undisturbed", ranks=None)
    assert (code, stdout) == (0, ""), stderr
    rows = np.load(here / "undisturbed" / f"{STEM}-iterations.npy")
    assert len(rows) > 12 and rows["sampled"].any() and 6 < (rows["factor"] == 2).sum() < 10
    return results(here / "undisturbed")


@pytest.mark.slow
def test_killed_again_and_again(here, undisturbed):
    """Every few iterations, another rank of another number of ranks; no iteration is done twice."""
    out, kept, total = here / "killed", 0, len(np.load(here / "undisturbed" / f"{STEM}-iterations.npy"))
    for number, rank, ranks in ((4, 0, 1), (4, 1, 2), (3, 2, 3)):
        code, _, stderr = run(here, out, "--resume", step="kill", number=number, rank=rank, ranks=ranks)
        assert code not in (0, 2, 75) and "Traceback" not in stderr
        # the killed rank was about to keep its iteration of this number; rank 0 may have done so
        assert kept + number - 1 <= safe(out) <= kept + number
        kept = safe(out)
    assert kept < total
    code, stdout, stderr = run(here, out, "--resume", ranks=2)
    assert (code, stdout, stderr) == (0, "", "")
    assert results(out) == undisturbed


@pytest.mark.parametrize("rank", [0, 1])
def test_told_to_leave(here, undisturbed, rank):
    """After SIGUSR1 to any rank: exit code 75. Then nothing is touched without being asked to."""
    out = here / f"told-{rank}"
    code, stdout, stderr = run(here, out, step="leave", number=7, rank=rank)
    assert (code, stdout) == (75, "") and "Traceback" not in stderr
    assert stderr.count("left on request") == stderr.count("--resume") == 1
    assert safe(out) == 7 and not (out / f"{STEM}.hdf").exists()
    code, _, stderr = run(here, out, ranks=None)
    assert code == 2 and is_one_sentence(stderr, f"{STEM}.parts holds 7 iterations", "--resume", "--force"), stderr
    if rank == 0:
        code, _, stderr = run(here, out, "--resume", "-m", 6, ranks=None)
        assert code == 2 and is_one_sentence(stderr, "margin was", "is 6"), stderr
    assert safe(out) == 7
    code, stdout, stderr = run(here, out, "--resume" if rank == 0 else "--force", ranks=3)
    assert (code, stdout, stderr) == (0, "", "")
    assert results(out) == undisturbed


@pytest.mark.parametrize("step", ["before the result", "before the table"])
def test_killed_at_the_end(here, undisturbed, step):
    out = here / step.replace(" ", "-")
    assert run(here, out, step=step)[0] not in (0, 2, 75)
    assert (out / f"{STEM}.hdf").exists() == (step == "before the table") and not (out / f"{STEM}.tsv").exists()
    code, stdout, stderr = run(here, out, "--resume", ranks=None)
    assert (code, stdout, stderr) == (0, "", "")
    assert results(out) == undisturbed


def test_deformed_image_is_made_up_for(here, undisturbed):
    """Killed between the result and the image of -def."""
    out = here / "deformed"
    assert run(here, out, "-def", step="before the table")[0] not in (0, 2, 75)
    code, stdout, stderr = run(here, out, "-def", "--resume", ranks=1)
    assert (code, stdout, stderr) == (0, "", "")
    (out / "im1-reg-def.tif").unlink()
    assert results(out) == undisturbed
