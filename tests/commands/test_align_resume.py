"""hpcdvc-align killed, or told to leave: the iterations so far are kept, and the end is that of an undisturbed run."""

import pytest
from align_cases import save_scan
from killed_runs import ITERATIONS, left_in, write_script
from rank_scripts import finish, start
from reg_ends import is_one_sentence

from hpcdvc.runs.shards import Shards
from hpcdvc.workflows.align import state_type

STEM, VIEWS = "scan-align", 9


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("resume")
    save_scan(folder / "scan.h5", VIEWS, 14, 12)
    result = {"module": "hpcdvc.steps.aligned", "result": "AlignedFile", "write": "write"}
    write_script(folder, ITERATIONS, "align", counter="state.iteration", **result)
    return folder


def run(here, out, *words, which=0, number=0, rank=0, ranks=2):
    # the draws of chance go on where they were
    fixed = ("-maxiter", 3, "-tol", 1e-12, "-us", "1,5", "-bin", "1", "-recKwargs", '{"maxiter": 4}')
    chance = ("-sample", 0.6, "-relax", 0.3, "-seed", 7, "-od", out, "-q", "-nograph")
    words = (which, number, rank, here / "scan.h5", *fixed, *chance, *words)
    return finish(start(here / "hpcdvc-align", *words, ranks=ranks), timeout=60)


def safe(out) -> int:
    """Iterations in the shards."""
    return len(Shards(str(out / STEM), {}, state_type(VIEWS)).load())


@pytest.fixture(scope="module")
def undisturbed(here):
    code, _, stderr = run(here, here / "undisturbed", ranks=None)
    assert code == 0 and "ended by -maxiter after 9 iterations" in stderr, stderr
    return left_in(here / "undisturbed")


def test_killed(here, undisturbed):
    """At an iteration, then before the result, on other numbers of ranks."""
    out = here / "killed"
    assert run(here, out, which=9, number=3, rank=1)[0] not in (0, 1, 2)
    assert 3 <= safe(out) <= 4 and not (out / f"{STEM}.hdf").exists()
    assert run(here, out, "--resume", which=9, number=-1, ranks=1)[0] not in (0, 1, 2)
    assert safe(out) == 10
    assert run(here, out, "--resume", ranks=3)[0] == 0
    assert left_in(out) == undisturbed and not (out / f"{STEM}.parts").exists()


def test_told_to_leave(here, undisturbed):
    """After SIGUSR1: exit code 75; then nothing is touched without being asked to, nor with other parameters."""
    out = here / "told"
    code, _, stderr = run(here, out, which=10, number=2, rank=1)
    assert code == 75 and "left on request" in stderr and safe(out) == 3
    code, _, stderr = run(here, out, ranks=None)
    assert code == 2 and is_one_sentence(stderr, f"{STEM}.parts holds 3 iterations", "--resume", "--force")
    code, _, stderr = run(here, out, "--resume", "-cutoff", 2, ranks=None)
    assert code == 2 and is_one_sentence(stderr, "cutoff was")
    assert run(here, out, "--resume", ranks=None)[0] == 0
    assert left_in(out) == undisturbed
    # done: nothing is made again but views that are gone
    (out / f"{STEM}.tsv").unlink()
    assert run(here, out, "--resume", which=9, number=0, ranks=None)[0] == 0
    assert left_in(out) == undisturbed


def test_another_scan_is_not_gone_on_with(here, undisturbed):
    """What is in the file counts, not its name."""
    out = here / "other"
    assert run(here, out, which=10, number=1)[0] == 75
    before = (here / "scan.h5").read_bytes()
    try:
        save_scan(here / "scan.h5", VIEWS, 14, 12, noise=0.01)
        code, _, stderr = run(here, out, "--resume", ranks=None)
    finally:
        (here / "scan.h5").write_bytes(before)
    assert code == 2 and is_one_sentence(stderr, "other contents"), stderr
