"""hpcdvc-mmr killed, or told to leave: the iterations so far are kept, and the end is that of an undisturbed run."""

import os

import pytest
from killed_runs import ITERATIONS, left_in, write_script
from mmr_cases import PAIR, save_case
from rank_scripts import finish, start
from reg_ends import is_one_sentence

from hpcdvc.multimodal.multiscale import ITERATE
from hpcdvc.runs.shards import Shards

STEM = "im1-im2-mmr"


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("resume")
    before = os.getcwd()
    os.chdir(folder)
    save_case()
    os.chdir(before)
    result = {"module": "hpcdvc.steps.modal_result", "result": "ModalFile", "write": "lay_out"}
    write_script(folder, ITERATIONS, "mmr", counter="state['index'][0] + 1", **result)
    return folder


def run(here, out, *words, which=0, number=0, rank=0, ranks=2):
    # a step that is never small enough takes all iterations, on both levels
    fixed = ("-dp", 1e-12, "-it", 4, "-bin", 2, "-jhb", 32, "-od", out, "-q")
    names = [here / name for name in PAIR]
    return finish(start(here / "hpcdvc-mmr", which, number, rank, *names, *fixed, *words, ranks=ranks), timeout=60)


def safe(out) -> int:
    """Iterations in the shards."""
    return len(Shards(str(out / STEM), {}, ITERATE).load())


@pytest.fixture(scope="module")
def undisturbed(here):
    code, _, stderr = run(here, here / "undisturbed", ranks=None)
    assert code == 1 and "maximum number of iterations" in stderr, stderr
    return left_in(here / "undisturbed")


def test_killed(here, undisturbed):
    """On the coarse level, on the fine one, then before the result, on other numbers of ranks."""
    out = here / "killed"
    assert run(here, out, which=9, number=3, rank=1)[0] not in (0, 1, 2)
    assert 2 <= safe(out) <= 3 and not (out / f"{STEM}.hdf").exists()
    assert run(here, out, "--resume", which=9, number=6, ranks=1)[0] not in (0, 1, 2)
    assert safe(out) == 5
    assert run(here, out, "--resume", which=9, number=-1, ranks=1)[0] not in (0, 1, 2)
    assert safe(out) == 8
    assert run(here, out, "--resume", ranks=3)[0] == 1
    assert left_in(out) == undisturbed and not (out / f"{STEM}.parts").exists()


def test_told_to_leave(here, undisturbed):
    """After SIGUSR1: exit code 75; then nothing is touched without being asked to, nor with other parameters."""
    out = here / "told"
    code, _, stderr = run(here, out, which=10, number=2, rank=1)
    assert code == 75 and "left on request" in stderr and safe(out) == 2
    code, _, stderr = run(here, out, ranks=None)
    assert code == 2 and is_one_sentence(stderr, f"{STEM}.parts holds 2 iterations", "--resume", "--force")
    code, _, stderr = run(here, out, "--resume", "-rig", ranks=None)
    assert code == 2 and is_one_sentence(stderr, "rigid was")
    assert run(here, out, "--resume", ranks=None)[0] == 1
    assert left_in(out) == undisturbed
