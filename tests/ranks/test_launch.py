import os
import subprocess
import sys

import pytest
from rank_scripts import LAUNCHERS, clean_environment, finish

from hpcdvc.errors import UserError
from hpcdvc.ranks import launch

# what each launcher sets, as seen on rank 1 of 4 (Debian 12, Slurm 22.05)
HYDRA = {"PMI_SIZE": "4", "PMI_RANK": "1", "PMI_FD": "9", "MPI_LOCALNRANKS": "4", "MPI_LOCALRANKID": "1"}
OPEN_MPI = {"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "1", "PMIX_RANK": "1"}
SRUN = {"SLURM_JOB_ID": "7", "SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "1"}
SRUN_PMI2 = {**SRUN, "PMI_SIZE": "4", "PMI_RANK": "1", "PMI_FD": "11"}
SRUN_PMIX = {**SRUN, "PMIX_RANK": "1"}
SRUN_PMI1 = {**SRUN, "I_MPI_PMI_LIBRARY": "libpmi.so"}
SALLOC = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_NNODES": "2"}
MPICH = "MPICH Version:      5.0.2\nMPICH configure:    --with-device=ch4:ucx,ofi --with-pm=hydra:gforker\n"


@pytest.fixture
def environment(monkeypatch):
    """Give this process the variables of a launcher, and no others."""

    def set_variables(variables):
        for name in [name for name in os.environ if name.startswith(LAUNCHERS)]:
            monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_variables


@pytest.mark.parametrize("variables", [HYDRA, OPEN_MPI, SRUN, SRUN_PMI2, SRUN_PMIX])
def test_launchers_are_recognised(environment, variables):
    environment(variables)
    assert launch.under_launcher()
    assert launch.launched_ranks() == 4
    assert launch.launched_rank() == 1


@pytest.mark.parametrize(
    "variables", [{}, SALLOC, {"SLURM_STEP_NUM_TASKS": "1"}, {"PMI_SIZE": "", "OMPI_MCA_btl": "self"}]
)
def test_no_false_alarm(environment, variables):
    environment(variables)
    assert launch.launched_ranks() == 1
    assert launch.launched_rank() == 0
    assert not launch.under_launcher()
    launch.check_srun()


def test_one_rank_among_daemons_of_srun(environment):
    """`mpirun -n 1` in a job of four nodes: srun has started the daemons, not the ranks."""
    environment({**SRUN, "OMPI_COMM_WORLD_SIZE": "1", "OMPI_COMM_WORLD_RANK": "0"})
    assert launch.launched_ranks() == 1
    assert launch.launched_rank() == 0
    launch.check_srun()


def test_srun_without_mpi_is_refused(environment):
    environment(SRUN)
    with pytest.raises(UserError, match=r"srun started 4 processes .* srun --mpi="):
        launch.check_srun()


@pytest.mark.parametrize(
    "variables", [HYDRA, OPEN_MPI, SRUN_PMI2, SRUN_PMIX, {**SRUN, "I_MPI_PMI_LIBRARY": "libpmi.so"}]
)
def test_connected_processes_pass(environment, variables):
    environment(variables)
    launch.check_srun()


@pytest.mark.parametrize("variables", [OPEN_MPI, SRUN_PMIX])
def test_mpich_under_pmix_is_refused(environment, variables):
    environment(variables)
    with pytest.raises(UserError, match="MPICH"):
        launch.check_library(MPICH)
    launch.check_library(MPICH + " --with-pmix")
    launch.check_library("Open MPI v4.1.4, package: Debian OpenMPI")


@pytest.mark.parametrize("variables", [HYDRA, SRUN_PMI2])
def test_mpich_under_pmi_passes(environment, variables):
    environment(variables)
    launch.check_library(MPICH)


def test_relaunch_starts_the_ranks(tmp_path):
    script = tmp_path / "again.py"
    script.write_text(
        "import os, sys\n"
        "from hpcdvc.ranks import launch\n"
        "if not launch.under_launcher():\n"
        "    launch.relaunch(2, sys.orig_argv[1:])\n"
        "with open(f'{launch.launched_rank()}.txt', 'x') as file:\n"
        "    print(launch.launched_ranks(), os.environ['OMP_NUM_THREADS'], sys.argv[1:], file=file)\n"
    )
    command = [sys.executable, str(script), "two words", "-x"]
    done = subprocess.run(command, env=clean_environment(OMP_NUM_THREADS="3"), cwd=tmp_path, timeout=60)
    assert done.returncode == 0
    for rank in range(2):
        assert (tmp_path / f"{rank}.txt").read_text() == "2 3 ['two words', '-x']\n"


SCRIPT = """
import os, sys
from hpcdvc.ranks import launch
if not launch.under_launcher() or launch.alone_in_step():
    launch.relaunch(2, sys.orig_argv[1:])
from hpcdvc.ranks.team import connect
team = connect()
with open(f"{team.rank}.txt", "x") as file:
    print(team.size, team.node_count, "SLURM_JOB_ID" in os.environ, file=file)
"""


@pytest.mark.parametrize("started", [{}, {"PMI_RANK": "0", "PMI_SIZE": "1", "PMI_FD": "9"}, {"PMIX_RANK": "0"}])
@pytest.mark.parametrize("nodes", [1, 2])
def test_relaunch_within_a_job_stays_on_this_machine(tmp_path, started, nodes):
    """The variables of a step of one task: of no use are srun, which waits for the step to end, and other machines."""
    (tmp_path / "again.py").write_text(SCRIPT)
    job = {"SLURM_JOB_ID": "7", "SLURM_JOBID": "7", "SLURM_NNODES": str(nodes), "SLURM_TASKS_PER_NODE": f"1(x{nodes})"}
    job |= dict.fromkeys(("SLURM_NODELIST", "SLURM_JOB_NODELIST"), os.uname().nodename + ",elsewhere" * (nodes - 1))
    step = {"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0", "PMIX_MCA_gds": "hash", **started}
    environment = clean_environment(**job, **step, HYDRA_LAUNCHER="slurm")
    process = subprocess.Popen(
        [sys.executable, "again.py"], env=environment, cwd=tmp_path, text=True, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    code, _, stderr = finish(process)
    assert code == 0, stderr
    for rank in range(2):
        assert (tmp_path / f"{rank}.txt").read_text() == "2 1 False\n"


@pytest.mark.parametrize(
    ("variables", "alone"),
    [
        ({}, False),
        (SALLOC, False),
        (SRUN_PMI2, False),
        ({"SLURM_STEP_NUM_TASKS": "1"}, True),
        ({"SLURM_STEP_NUM_TASKS": "1", "PMI_SIZE": "1", "PMI_RANK": "0"}, True),
        ({"SLURM_STEP_NUM_TASKS": "1", "OMPI_COMM_WORLD_SIZE": "1"}, False),
        ({"SLURM_STEP_NUM_TASKS": "1", "MPI_LOCALNRANKS": "1"}, False),
    ],
)
def test_alone_in_a_step(environment, variables, alone):
    """A launcher may have started its daemons by srun: then it is the launcher that counts."""
    environment(variables)
    assert launch.alone_in_step() == alone


def test_settings_of_the_user_stay(environment):
    environment({**SRUN_PMIX, "PMIX_MCA_gds": "hash", "OMPI_MCA_btl": "self"})
    kept = launch.environment_here()
    assert (kept["PMIX_MCA_gds"], kept["OMPI_MCA_btl"], kept["PATH"]) == ("hash", "self", os.environ["PATH"])
    assert not [name for name in kept if name.startswith("SLURM") or name == "PMIX_RANK"]


@pytest.mark.parametrize("ranks", [0, -3])
def test_relaunch_of_no_ranks_is_refused(ranks):
    with pytest.raises(UserError, match=f"-np {ranks}"):
        launch.relaunch(ranks, ["script.py"])


def test_no_launcher_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"no mpiexec .*pip install mpich"):
        launch.relaunch(2, ["script.py"])


def test_launcher_beside_python_wins(monkeypatch, tmp_path):
    mine, other = tmp_path / "mine", tmp_path / "other"
    for folder, name in ((mine, "mpirun"), (other, "mpiexec")):
        folder.mkdir()
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(other))
    monkeypatch.setattr(sys, "executable", str(mine / "python"))
    assert launch.find_launcher() == str(mine / "mpirun")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert launch.find_launcher() == str(other / "mpiexec")


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_commands_start_no_threads():
    """On a node of 128 cores each of 128 ranks would start 128 of them."""
    program = "import os; from hpcdvc import cli; cli.main('info', []); print(len(os.listdir('/proc/self/task')))"
    environment = {name: value for name, value in clean_environment().items() if "NUM_THREADS" not in name}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "1", done.stderr
