"""hpcdvc-gdic killed, or told to leave: the iterations so far are kept, and the end is that of an undisturbed run."""

import os

import pytest
from gdic_cases import box, save_case
from killed_runs import ITERATIONS, write_script
from ldic_cases import digest
from rank_scripts import finish, start
from reg_ends import is_one_sentence

from hpcdvc.fem.iterates import iterate_type
from hpcdvc.runs.shards import Shards

STEM = "im1-im2-GDIC"


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("resume")
    before = os.getcwd()
    os.chdir(folder)
    save_case()
    os.chdir(before)
    result = {"module": "hpcdvc.output.mesh_result", "result": "MeshFieldFile", "write": "write_nodes"}
    write_script(folder, ITERATIONS, "gdic", counter="state.number", **result)
    return folder


def run(here, out, *words, which=0, number=0, rank=0, ranks=2):
    names = [here / name for name in ("im1.tif", "im2.tif", "box.h5")]
    # a step that is never settled takes all iterations
    fixed = ("-cc", 1e-9, "-it", 6, "-od", out, "-q")
    return finish(start(here / "hpcdvc-gdic", which, number, rank, *names, *fixed, *words, ranks=ranks), timeout=60)


def safe(out) -> int:
    """Iterations in the shards."""
    return len(Shards(str(out / STEM), {}, iterate_type(len(box()[0]))).load())


@pytest.fixture(scope="module")
def undisturbed(here):
    code, _, stderr = run(here, here / "undisturbed", ranks=None)
    assert code == 1 and "maximum number of iterations" in stderr
    return digest(here / "undisturbed" / f"{STEM}.hdf")


def test_killed(here, undisturbed):
    """At an iteration, then before the result, on other numbers of ranks."""
    out = here / "killed"
    assert run(here, out, which=9, number=3, rank=1)[0] not in (0, 1, 2)
    assert 3 <= safe(out) <= 4 and not (out / f"{STEM}.hdf").exists()
    assert run(here, out, "--resume", which=9, number=-1, ranks=1)[0] not in (0, 1, 2)
    assert safe(out) == 7
    assert run(here, out, "--resume", ranks=3)[0] == 1
    assert digest(out / f"{STEM}.hdf") == undisturbed and not (out / f"{STEM}.parts").exists()


def test_told_to_leave(here, undisturbed):
    """After SIGUSR1: exit code 75; then nothing is touched without being asked to, nor with other parameters."""
    out = here / "told"
    code, _, stderr = run(here, out, which=10, number=2, rank=1)
    assert code == 75 and "left on request" in stderr and safe(out) == 3
    code, _, stderr = run(here, out, ranks=None)
    assert code == 2 and is_one_sentence(stderr, f"{STEM}.parts holds 3 iterations", "--resume", "--force")
    code, _, stderr = run(here, out, "--resume", "-crit", "ssd", ranks=None)
    assert code == 2 and is_one_sentence(stderr, "criterion was")
    assert run(here, out, "--resume", ranks=None)[0] == 1
    assert digest(out / f"{STEM}.hdf") == undisturbed
