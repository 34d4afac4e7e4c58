"""The job file on a real SLURM: two nodes that a script makes of this machine.

Needs the Debian packages slurm-wlm and munge, and the script, tools/minislurm.sh of the shared data.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tifffile
from ddic_cases import save_eight
from ldic_cases import FIELD, images, save_field
from ldic_runs import NAMES, ldic, results, shard_bytes
from rank_scripts import clean_environment, finish
from reg_ends import is_one_sentence
from running import command_line
from shared_memory import remove_abandoned_memory

from hpcdvc.fields.grid import make_grid

ENDED = {"COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "NODE_FAIL", "OUT_OF_MEMORY", "BOOT_FAIL", "PREEMPTED"}
JOB_FILES = Path(__file__).resolve().parents[2] / "slurm"
JOB_FILE = JOB_FILES / "hpcdvc-ldic.sbatch"
SHAPE = (48, 48, 48)
GRID = ("-ns", 2, "-hws", 8)
MPI_NAME = """
import mpi4py
mpi4py.rc.initialize = False
from mpi4py import MPI
print(MPI.Get_library_version())
"""


class Cluster:
    """SLURM commands, and jobs that are watched."""

    def __init__(self, environment: dict[str, str]):
        self.environment = environment

    def call(self, *words, cwd: Path | None = None, **more: str) -> str:
        """Output of a command."""
        words, environment = [str(word) for word in words], {**self.environment, **more}
        return subprocess.run(
            words, cwd=cwd, env=environment, timeout=60, check=True, capture_output=True, text=True
        ).stdout

    def submit(self, folder: Path, *words, **more: str) -> str:
        """Submit; the number of the job."""
        return self.call("sbatch", "--parsable", *words, cwd=folder, **more).strip()

    def facts(self, job: str) -> dict[str, str]:
        """What SLURM knows of a job."""
        return dict(re.findall(r"(\S+?)=(\S*)", self.call("scontrol", "show", "job", job)))

    def watch(self, job: str, timeout: float) -> dict[str, str]:
        """Wait for the end of a job; when it is back in the queue, spare it the two minutes that SLURM lets it wait."""
        limit = time.monotonic() + timeout
        while (facts := self.facts(job))["JobState"] not in ENDED:
            assert time.monotonic() < limit, facts
            if facts["Reason"] == "BeginTime":
                time.sleep(3)
                with contextlib.suppress(subprocess.CalledProcessError):  # it has started meanwhile
                    self.call("scontrol", "update", f"jobid={job}", "starttime=now")
            time.sleep(0.3)
        return facts

    def until(self, job: str, condition, timeout: float = 60) -> None:
        """Wait for something while a job runs."""
        limit = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < limit and self.facts(job)["JobState"] not in ENDED
            time.sleep(0.05)


@pytest.fixture(scope="module")
def cluster(shared, tmp_path_factory):
    script = shared / "tools" / "minislurm.sh"
    places = os.pathsep.join((os.environ["PATH"], "/usr/sbin", "/sbin"))
    missing = [name for name in ("slurmctld", "slurmd", "sbatch", "munged") if not shutil.which(name, path=places)]
    if missing:
        pytest.skip(f"no {missing[0]}: apt-get install slurm-wlm munge")
    if not script.exists():
        pytest.skip(f"no {script}")
    if not Path(sys.prefix, "bin", "hpcdvc-ldic").exists():
        pytest.skip(f"hpcdvc-ldic is not installed in {sys.prefix}: run make")
    folder = tmp_path_factory.mktemp("slurm")
    environment = {**clean_environment(), "MS_NODES": "2", "MS_CPUS": "2", "MS_OWNER": str(os.getpid())}
    with open(folder / "started", "w+") as output, open(folder / "problems", "w+") as problems:
        words = ["bash", str(script), "start", str(folder)]
        code = subprocess.run(words, env=environment, stdout=output, stderr=problems, timeout=60).returncode
        problems.seek(0)
        if code:
            pytest.skip(f"SLURM does not start here: {problems.read()[-300:]}")
        output.seek(0)
        settings = dict(re.findall(r"(\w+)=(\S+)", output.read()))
    yield Cluster({**environment, **settings, "HPCDVC_VENV": sys.prefix})
    subprocess.run(["bash", str(script), "stop", str(folder)], env={**environment, **settings}, timeout=60)
    remove_abandoned_memory()


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """The folder of the images."""
    folder = tmp_path_factory.mktemp("jobs")
    for name, volume in zip(("im1.tif", "im2.tif"), images(FIELD, SHAPE), strict=True):
        tifffile.imwrite(folder / name, volume)
    return folder


def direct(here: Path, *words) -> tuple[str, str]:
    """Digests of the results of a run on two ranks that nothing disturbs."""
    out = here / f"direct{len(list(here.glob('direct*')))}"
    code, _, stderr = finish(ldic(here, out, *words), timeout=150)
    assert code == 0, stderr
    return results(out)


def log_of(here: Path, job: str, name: str = "hpcdvc-ldic.sbatch") -> str:
    return (here / f"{name}-{job}.out").read_text()


def seconds_of_work(here: Path, seconds: float) -> tuple:
    """Options for a run that takes about so long on two ranks."""
    window = ("-hws", 12, "-o", 5)
    assert finish(ldic(here, here / "probe", "-ns", 4, *window))[0] == 0
    record = json.loads((here / "probe" / "im1-im2-ldic.run.json").read_text())
    rate = make_grid(SHAPE, (4, 4, 4)).size / record["seconds"]
    for spacing in ((3, 3, 3), (3, 3, 2), (3, 2, 2), (2, 2, 2), (3, 2, 1), (2, 2, 1), (3, 1, 1), (2, 1, 1), (1, 1, 1)):
        if make_grid(SHAPE, spacing).size > seconds * rate:
            break
    return ("-ns3", *spacing, *window)


@pytest.fixture(scope="module")
def limited(cluster, here):
    """A job that its time limit ends: its options, facts and log."""
    words = seconds_of_work(here, 60)
    limit = ("-N", 2, "--ntasks-per-node=1", "-t", 1, "--signal=B:USR1@25")
    job = cluster.submit(here, *limit, JOB_FILE, "im1.tif", "im2.tif", *words, "-od", "limit")
    facts = cluster.watch(job, timeout=160)
    return words, facts, log_of(here, job)


@pytest.mark.parametrize(("help_text", "resumed"), [("--resume  go on", " --resume"), ("-q  quiet", "")])
def test_next_start_of_what_cannot_resume(tmp_path, help_text, resumed):
    """The option is given to commands that know it only. No cluster is needed."""
    job, command, scontrol = (tmp_path / name for name in ("hpcdvc-x.sbatch", "bin/hpcdvc-x", "scontrol"))
    command.parent.mkdir()
    job.symlink_to(JOB_FILE.resolve())
    command.write_text(f'#!/bin/sh\n[ "$1" = --help ] && echo "{help_text}" || echo "given: $*"\n')
    scontrol.write_text(f"#!/bin/sh\necho '   Command={job}'\n")
    for path in (command, scontrol):
        path.chmod(0o700)
    places = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HPCDVC_VENV": str(tmp_path), "HPCDVC_LAUNCHER": "env"}
    environment = places | {"SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": "1"}
    ended = subprocess.run(["bash", job, "im1.tif"], env=environment, capture_output=True, text=True, timeout=30)
    assert ended.returncode == 0 and f"given: im1.tif{resumed}\n" in ended.stdout, ended


@pytest.mark.slow
def test_time_limit(limited):
    """The signal before the limit, which SLURM sends after 5 to 35 s, ends a start; the next one goes on."""
    _, facts, text = limited
    assert facts["JobState"] == "COMPLETED" and facts["ExitCode"] == "0:0", text
    assert int(facts["Restarts"]) >= 1, "the run was faster than the signal"
    codes = [int(code) for code in re.findall(r"exit code (\d+)", text)]
    assert len(codes) == 1 + int(facts["Restarts"]) and codes[0] == 75 and codes[-1] == 0, text
    # a signal that comes while a later start loads its modules ends that one, and nothing is lost by it
    assert all(code == 75 or code > 128 for code in codes[:-1]), text
    assert text.count("points were measured before") >= codes.count(75), text
    assert text.count("start 1 of job") == text.count("start 2 of job") == 1
    assert "on c[1-2], tasks 1(x2)" in text
    assert "Traceback" not in text


@pytest.mark.slow
def test_result_despite_the_time_limit(limited, here):
    assert results(here / "limit") == direct(here, *limited[0])


@pytest.mark.parametrize("launcher", ["mpiexec", "srun"])
def test_asked_to_go_back_into_the_queue(cluster, here, launcher):
    """Also with --force over an older result, which is not taken for that of the run that goes on."""
    out, more = here / launcher, {}
    if launcher == "srun":
        mpi = subprocess.run([sys.executable, "-c", MPI_NAME], capture_output=True, text=True, timeout=30).stdout
        kind = "pmi2" if mpi.startswith("MPICH") else "pmix"
        listed = subprocess.run(["srun", "--mpi=list"], env=cluster.environment, capture_output=True, text=True)
        if kind not in listed.stdout + listed.stderr:
            pytest.skip(f"this SLURM has no --mpi={kind}")
        more["HPCDVC_LAUNCHER"] = f"srun --mpi={kind} --kill-on-bad-exit=1"
    assert finish(ldic(here, out, "-ns", 12, "-hws", 5))[0] == 0
    words = (JOB_FILE, "im1.tif", "im2.tif", *GRID, "-od", out, "--force")
    job = cluster.submit(here, "-N", 2, "-n", 4, "-t", 5, *words, **more)
    cluster.until(job, lambda: shard_bytes(out) > 100_000)
    cluster.call("scancel", "--signal=USR1", "--batch", job)
    facts = cluster.watch(job, timeout=90)
    text = log_of(here, job)
    assert (facts["JobState"], facts["Restarts"]) == ("COMPLETED", "1"), text
    assert "points were measured before" in text
    assert json.loads((out / "im1-im2-ldic.run.json").read_text())["ranks"] == 4
    assert results(out) == direct(here, *GRID)


def test_start_that_was_killed(cluster, here):
    """As when a node fails: no signal, no exit code, and still the next start has the points."""
    out = here / "killed"
    job = cluster.submit(here, "-N", 1, "-n", 2, "-t", 5, JOB_FILE, "im1.tif", "im2.tif", *GRID, "-od", out)
    cluster.until(job, lambda: shard_bytes(out) > 100_000)
    cluster.call("scontrol", "requeue", job)
    facts = cluster.watch(job, timeout=90)
    assert (facts["JobState"], facts["Restarts"]) == ("COMPLETED", "1"), log_of(here, job)
    assert "points were measured before" in log_of(here, job)
    assert results(out) == direct(here, *GRID)


def test_mistakes_do_not_come_back(cluster, here):
    for words, more, expected in (
        (("im1.tif", "nowhere.tif", *GRID), {}, "nowhere.tif"),
        (("im1.tif", "im2.tif", *GRID), {"HPCDVC_VENV": "/nowhere", "PATH": "/usr/bin:/bin"}, "not on PATH"),
    ):
        job = cluster.submit(here, "-n", 2, JOB_FILE, *words, **more)
        facts = cluster.watch(job, timeout=60)
        assert (facts["JobState"], facts["ExitCode"], facts["Restarts"]) == ("FAILED", "2:0", "0")
        assert is_one_sentence(log_of(here, job), expected), log_of(here, job)


def test_command_by_the_name_of_the_file(cluster, here):
    """The name of the link that was submitted, whatever the job is called; the arguments do not mislead."""
    save_field(str(here / "motion.sbatch.tsv"), FIELD, FIELD.centre[None])
    words = ("im1.tif", "-pf", here / "motion.sbatch.tsv", "-od", "other", "--format", "hdf")
    job = cluster.submit(here, "-n", 2, "-J", "hpcdvc-reg", JOB_FILES / "hpcdvc-deformImage.sbatch", *words)
    facts = cluster.watch(job, timeout=60)
    assert facts["JobState"] == "COMPLETED", log_of(here, job, "hpcdvc-reg")
    assert (here / "other" / "im1-reg-def.hdf").exists()


def test_labels_on_two_nodes(cluster, here):
    """hpcdvc-ddic.sbatch: the same result as a run on this machine."""
    folder = here / "labels"
    folder.mkdir()
    save_eight(folder)
    words = ("im1.tif", "lab.tif", "im2.tif", "-od")
    job = cluster.submit(folder, "-N", 2, "-n", 4, JOB_FILES / "hpcdvc-ddic.sbatch", *words, "out")
    facts = cluster.watch(job, timeout=60)
    assert facts["JobState"] == "COMPLETED", log_of(folder, job, "hpcdvc-ddic.sbatch")
    subprocess.run([*command_line("ddic", *words, "direct"), "-q"], cwd=folder, check=True, timeout=60)
    name = "im1-im2-ddic.tsv"
    assert (folder / "out" / name).read_bytes() == (folder / "direct" / name).read_bytes()


def test_series_that_was_submitted(cluster, here):
    """hpcdvc-submit --array --send: a job for each pair, each with the result of a run on this machine."""
    shutil.copy(here / "im2.tif", here / "im3.tif")
    words = ("-n", 2, "-rpn", 1, "-mem", 1, "--array", "--send", "--")
    series = ("hpcdvc-ldic", "im1.tif", "im2.tif", "im3.tif", "-ns", 12, "-hws", 5, "-od", "array", "-notsv")
    said = cluster.call(*command_line("submit", *words, *series), cwd=here)
    job = re.search(r"Submitted batch job (\d+)", said)[1]
    for task in (1, 2):
        facts = cluster.watch(f"{job}_{task}", timeout=90)
        assert facts["JobState"] == "COMPLETED", (here / f"hpcdvc-ldic-{job}_{task}.out").read_text()
        assert f"task {task}, ranks: 2" in (here / f"hpcdvc-ldic-{job}_{task}.out").read_text()
    assert {"im1-im2-ldic.hdf", "im1-im3-ldic.hdf"} <= {path.name for path in (here / "array").iterdir()}


def test_job_that_submits_the_next_one(cluster, here):
    """Where jobs are not put back: a file of hpcdvc-submit whose requeue is refused goes on in another job."""
    words = ("hpcdvc-ldic", "im1.tif", "im2.tif", *GRID, "-od", "next", "-notsv")
    cluster.call(*command_line("submit", "-n", 2, "-mem", 1, "-o", "next.sbatch", "--", *words), cwd=here)
    text = (here / "next.sbatch").read_text().replace("scontrol requeue", "false").replace("#SBATCH --requeue\n", "")
    (here / "next.sbatch").write_text(text)
    job = cluster.submit(here, "next.sbatch")
    cluster.until(job, lambda: shard_bytes(here / "next") > 0)
    cluster.call("scancel", "--signal=USR1", "--batch", job)
    facts = cluster.watch(job, timeout=60)
    log = (here / f"hpcdvc-ldic-{job}.out").read_text()
    assert facts["ExitCode"] == "75:0" and "the job above goes on" in log, log
    after = re.search(r"Submitted batch job (\d+)", log)[1]
    assert cluster.watch(after, timeout=90)["JobState"] == "COMPLETED"
    log = (here / f"hpcdvc-ldic-{after}.out").read_text()
    assert "start 2 of job" in log and "points were measured before" in log


def test_copy_with_a_name_of_its_own(cluster, here):
    """HPCDVC_COMMAND says what it runs; without it, one sentence."""
    copy = shutil.copy(JOB_FILE, here / "job.sh")
    for more, state in (({"HPCDVC_COMMAND": "hpcdvc-info"}, "COMPLETED"), ({}, "FAILED")):
        job = cluster.submit(here, "-n", 2, copy, **more)
        facts = cluster.watch(job, timeout=60)
        text = log_of(here, job, "job.sh")
        assert facts["JobState"] == state, text
        expected = "ranks" if more else "job.sh is not named after a command"
        assert expected in text and (more or text.count("\n") == 1), text


def test_file_that_sets_up(cluster, here):
    """HPCDVC_SETUP instead of HPCDVC_VENV, as for the modules of a cluster; HPCDVC_REQUEUES=0 never comes back."""
    (here / "setup.sh").write_text(f"PATH={sys.prefix}/bin:$PATH\n")
    environment = {"HPCDVC_VENV": "", "HPCDVC_SETUP": "setup.sh", "HPCDVC_REQUEUES": "0"}
    words = ("im1.tif", "im2.tif", *GRID, "-od", "once", "-notsv")
    job = cluster.submit(here, "-n", 2, JOB_FILE, *words, **environment)
    cluster.until(job, lambda: shard_bytes(here / "once") > 0)
    cluster.call("scancel", "--signal=USR1", "--batch", job)
    facts = cluster.watch(job, timeout=60)
    assert (facts["JobState"], facts["ExitCode"], facts["Restarts"]) == ("FAILED", "75:0", "0"), log_of(here, job)
    again = command_line("ldic", *words, "-q", "--resume")
    assert subprocess.run(again, cwd=here, env=clean_environment(), timeout=90).returncode == 0
    assert {path.name for path in (here / "once").iterdir()} == NAMES - {"im1-im2-ldic.tsv"}


@pytest.mark.parametrize("start", [("srun", "-N1", "-n1"), ("salloc", "-N2", "-n2")])
def test_processes_on_this_machine(cluster, here, start):
    """-np within a step that holds all of its job, and within a job on two machines."""
    mpi = ("--mpi=pmi2",) if start[0] == "srun" else ()
    for more in {(), mpi}:
        command = command_line("info", "-np", 2)
        text = cluster.call(*start, *more, "env", f"PYTHONPATH={Path(__file__).parents[2]}", *command, cwd=here)
        assert re.search(r"ranks +2 on 1 node\b", text), text
