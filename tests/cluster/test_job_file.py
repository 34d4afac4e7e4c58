"""What is asked of a batch system, and job files run by a shell as each of them would run them, with stand-ins."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from hpcdvc.cluster.job_file import SCHEDULERS, clock, job_file, run_lines
from hpcdvc.cluster.plan import MEMORY, TIME, Needs, needs_of, plan, steps_of_series
from hpcdvc.errors import UserError
from hpcdvc.runs.cost import core_time

ROOT = Path(__file__).resolve().parents[2]
NONE = {"account": "", "queue": "", "resume": "yes"}
#: A command that is asked to leave at its first start, and its launcher.
PROBE = '#!/bin/sh\necho "given: $*" >>given\ncase "$*" in *--resume*) exit 0 ;; *) exit "$FIRST" ;; esac\n'
LAUNCHER = '#!/bin/sh\necho "launched: $1 $2" >>given\nshift 2\nexec "$@"\n'
#: Takes a job file from its standard input or its last argument, and notes what it is given.
TAKER = '#!/bin/sh\n{ echo "$(basename "$0") $*, start $HPCDVC_START, task $HPCDVC_TASK"; cat; } >>submitted\n'
#: As qsub of PBS Professional: a variable that -v names and that is not set is refused.
QSUB = TAKER.replace("\n", '\nfor name in $(echo "$2" | tr , " "); do printenv "$name" >/dev/null || exit 1; done\n', 1)


def test_numbers_of_a_dry_run():
    text = (
        "1 pair of 8000 nodes (20, 20, 20) (ZYX)\n"
        "per node: images 250.0 MB mapped from their files, 10.0 MB decoded into shared memory\n"
        "per rank: about 50 MB; rank 0 also 6.1 MB of rows\n" + core_time(7200.0, 3600.0, 2, 2) + "\ndisk: about 5.5 MB"
    )
    needs = needs_of(text)
    assert needs == (pytest.approx(4 * 7200 + 3), pytest.approx(260e6), pytest.approx(50e6), pytest.approx(6.1e6))
    of_reg = "per node: images 8.2 MB mapped, 0.0 MB decoded, 4.6 MB of binned images\nper rank: about 70 MB\n"
    assert needs_of(of_reg + core_time(1.0, 1.0, 1))[1:] == (pytest.approx(12.8e6), pytest.approx(70e6), 0.0)
    of_align = "mode slab (this run): 1 GB per rank; together 3.5 GB on a node with 2 ranks; about 12.5 core-hours\n"
    needs = needs_of(of_align + core_time(45000.0, 22500.0, 2))
    assert needs == (pytest.approx(4 * 45000 + 3), 3.5e9, 0.0, 0.0)


def test_what_is_asked_for():
    asked = plan(Needs(36000.0, 1e9, 1e8, 0.0), None, 16, None, None)
    assert (asked.ranks, asked.nodes, asked.per_node) == (32, 2, 16)
    assert asked.seconds == 1500 and asked.memory == pytest.approx(1.25 * 2.6e9 + 2e8)
    asked = plan(Needs(1.0, 1e6, 1e6, 0.0), 96, 64, 60.0, 5e9)
    assert asked[:5] == (96, 2, 48, 60.0, 5e9)
    asked = plan(Needs(None, None, 8e7, 0.0), None, 16, None, None)
    assert asked[:5] == (16, 1, 16, TIME, MEMORY) and "does not say" in asked.why
    assert [clock(seconds) for seconds in (600, 3601, 360000)] == ["0:10:00", "1:01:00", "100:00:00"]


def test_steps_of_a_series():
    words = ["-ns", "10", "a", "b", "c", "-od", "a"]
    pairs = [("a", "b"), ("b", "c")]
    assert steps_of_series(words, ("a", "b", "c"), pairs) == [
        ["-ns", "10", "a", "b", "-od", "a"],
        ["-ns", "10", "b", "c", "-od", "a"],
    ]
    with pytest.raises(UserError, match="side by side"):
        steps_of_series(["a", "b", "-ns", "10", "c"], ("a", "b", "c"), pairs)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with stand-ins for the command, the launcher and what the batch systems have."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bin").mkdir()
    programs = {"hpcdvc-x": PROBE, "mpiexec": LAUNCHER, "sbatch": TAKER, "qsub": QSUB, "bsub": TAKER}
    for name, text in (programs | {"scontrol": "#!/bin/sh\nexit 1\n"}).items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o700)
    return tmp_path


def run_job(here: Path, kind: str, tasks: list, **more: str) -> subprocess.CompletedProcess:
    """Write a job file, and run it as the batch system does."""
    scheduler, path = SCHEDULERS[kind], here / f"job{SCHEDULERS[kind].ending}"
    asked = plan(Needs(1.0, 1e6, 1e6, 0.0), 3, 2, 3600.0, None)
    path.write_text(job_file(kind, "x", tasks, asked, str(path), str(here / "bin"), **NONE))
    environment = {"PATH": f"{here / 'bin'}:{os.environ['PATH']}", scheduler.job: "7", "PBS_O_WORKDIR": str(here)}
    words = ["env", "--default-signal=USR1", "bash", path]  # whatever this process ignores
    return subprocess.run(words, env=environment | {"FIRST": "75"} | more, capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_job_comes_back(here, kind):
    """Where the batch system puts none back, the job submits the next one, which is no array and goes on."""
    task = SCHEDULERS[kind].task
    ended = run_job(here, kind, [["a b.tif", "-q"], ["c.tif"]], HPCDVC_REQUEUES="7", **{task: "1"})
    assert ended.returncode == 75 and "the job above goes on" in ended.stdout, ended
    assert (here / "given").read_text() == "launched: -n 3\ngiven: a b.tif -q\n"
    first, _, text = (here / "submitted").read_text().partition("\n")
    assert first.endswith("start 1, task 1")
    assert SCHEDULERS[kind].array not in [line[: len(SCHEDULERS[kind].array)] for line in text.splitlines()]
    if kind == "pbs":
        assert first.startswith("qsub -v HPCDVC_REQUEUES,HPCDVC_START,HPCDVC_TASK,")
    ended = run_job(here, kind, [["a b.tif", "-q"], ["c.tif"]], HPCDVC_START="1", HPCDVC_TASK="2")
    assert ended.returncode == 0 and (here / "given").read_text().endswith("given: c.tif --resume\n"), ended


def test_job_comes_back_that_is_asked_while_it_begins(here):
    (here / "setup").write_text("kill -USR1 $$\n")
    ended = run_job(here, "slurm", [["a.tif"]], HPCDVC_SETUP=str(here / "setup"))
    assert ended.returncode == 75 and "the job above goes on" in ended.stdout, ended
    assert not (here / "given").exists()


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_job_that_has_failed_or_may_not_come_back(here, kind):
    for more, code in (({"FIRST": "2"}, 2), ({"HPCDVC_REQUEUES": "0"}, 75)):
        assert run_job(here, kind, [["a.tif"]], **more).returncode == code
    assert not (here / "submitted").exists()
    (here / "bin" / SCHEDULERS[kind].submit.split()[0]).write_text("#!/bin/sh\nexit 1\n")
    ended = run_job(here, kind, [["a.tif"], ["b.tif"]], HPCDVC_TASK="2")
    assert ended.returncode == 75 and "no job can be submitted from here; this goes on:\n" in ended.stderr
    (here / "bin" / SCHEDULERS[kind].submit.split()[0]).write_text(QSUB if kind == "pbs" else TAKER)
    environment = {"PATH": f"{here / 'bin'}:{os.environ['PATH']}"}
    subprocess.run(["bash", "-c", ended.stderr.splitlines()[-1]], env=environment, check=True, timeout=30)
    first, _, text = (here / "submitted").read_text().partition("\n")
    assert first.endswith("start 1, task 2") and SCHEDULERS[kind].array + " 1-2" not in text


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_directives(kind, tmp_path):
    asked = plan(Needs(7200.0, 1e9, 1e8, 0.0), 96, 48, None, None)
    more = {"account": "p7", "queue": "long", "resume": ""}
    text = job_file(kind, "ldic", [["a", "b"], ["a", "c"]], asked, "job file", "/opt/bin", **more)
    expected = {
        "slurm": ["--nodes=2", "--ntasks=96", "--ntasks-per-node=48", "--mem=7105M", "--time=0:10:00", "--array=1-2"],
        "pbs": ["-l select=2:ncpus=48:mpiprocs=48:mem=7105mb", "-l walltime=0:10:00", "-J 1-2", "-A p7", "-q long"],
        "lsf": ['-J "hpcdvc-ldic[1-2]"', "-n 96", '-R "span[ptile=48] rusage[mem=149MB]"', "-W 0:10", "-P p7"],
    }
    lines = text.splitlines()
    directive = SCHEDULERS[kind].directive
    assert {f"{directive} {line}" for line in expected[kind]} <= set(lines)
    first = next(i for i, line in enumerate(lines) if line and line[0] != "#")
    assert not [line for line in lines[first:] if line.startswith(directive)], "directives come before all commands"
    assert run_lines() in text
    if shutil.which("shellcheck"):
        done = subprocess.run(["shellcheck", "-e", "SC1090,SC2086", "-"], input=text, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_job_file_of_the_repository_waits_in_the_same_way():
    assert run_lines() in (ROOT / "slurm" / "hpcdvc.sbatch").read_text()
