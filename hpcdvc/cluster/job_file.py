"""The job file of a command for SLURM, PBS or LSF: what is asked for, the arguments, and how it comes back."""

import math
import shlex
from importlib import resources
from typing import NamedTuple

from hpcdvc import __version__
from hpcdvc.cluster.plan import Plan

#: Seconds before the time limit at which a run is asked to leave.
NOTICE = 120


class Scheduler(NamedTuple):
    """What job files of a batch system look like.

    Attributes
    ----------
    directive : how its lines begin
    ending : of the name of a file
    submit : the command that takes one
    job, task : variables with the number of the job, and of the task of an array
    folder : what leads to the folder of the submission
    array : the directive that makes an array, which a job that comes back alone must not have
    handed : how a job gets variables, where it does not have those of the shell that it is submitted from
    """

    directive: str
    ending: str
    submit: str
    job: str
    task: str
    folder: str
    array: str
    handed: str = ""


SCHEDULERS = {
    "slurm": Scheduler("#SBATCH", ".sbatch", "sbatch", "SLURM_JOB_ID", "SLURM_ARRAY_TASK_ID", "", "#SBATCH --array"),
    "pbs": Scheduler(
        "#PBS",
        ".pbs",
        "qsub",
        "PBS_JOBID",
        "PBS_ARRAY_INDEX",
        'cd "$PBS_O_WORKDIR" || exit 1',
        "#PBS -J",
        ", exported and named to qsub\n# (qsub -v HPCDVC_SETUP,HPCDVC_LAUNCHER ...)",
    ),
    "lsf": Scheduler("#BSUB", ".lsf", "bsub <", "LSB_JOBID", "LSB_JOBINDEX", "", "#BSUB -J"),
}

FORM = """#!/bin/bash
# {title} as a job for {kind}, written by hpcdvc-submit {version}: {why}.
#
#   {submit} {path}
#
# Two minutes before the time limit it writes down what is measured, and comes back to go on with it. Optional{handed}:
#
#   HPCDVC_SETUP     a file that is sourced first, with `module load ...`, `conda activate ...`
#   HPCDVC_LAUNCHER  what starts the ranks, for example "srun --mpi=pmix --kill-on-bad-exit=1"
#   HPCDVC_REQUEUES  how many times the job may come back (default 100; 0: never)
{directives}

asked=0 # to leave: also while all of this begins
trap asked=1 USR1
[ -z "$HPCDVC_SETUP" ] || . "$HPCDVC_SETUP"
{folder}name={title}
job=${job} task=${{HPCDVC_TASK:-${{{task}:-1}}}} start={start}
case $task in
{cases}
    *) echo "$name: there is no task $task" >&2; exit 2 ;;
esac
PATH=$PATH:{programs}
command=$(command -v "$name") || {{
    echo "$name is not on PATH: set HPCDVC_SETUP, see the top of the job file" >&2
    exit 2
}}
launcher=$(dirname "$command")/mpiexec
[ -x "$launcher" ] || launcher=mpiexec
count="-n {ranks}"
export OMP_NUM_THREADS=1
[ "$start" -eq 0 ] || {resume}
echo "$(date '+%F %T') start $((start + 1)) of job $job, task $task, ranks: {ranks}"
{clock}
{run}
# 75: left on request. Above 128: asked to, and ended by a launcher that saw the first rank leave.
if [ $code -eq 75 ] || {{ [ $asked -eq 1 ] && [ $code -gt 128 ]; }}; then
    [ "$start" -lt "${{HPCDVC_REQUEUES:-100}}" ] || exit $code
{back}
fi
exit $code
"""

#: A job that submits the next one: where the batch system puts none back, or has no count of the starts.
NEXT = """    export HPCDVC_START=$((start + 1)) HPCDVC_TASK=$task
    if {next}; then
        echo "the job above goes on"
    else
        echo "no job can be submitted from here; this goes on:" >&2
        echo "(export HPCDVC_START=$HPCDVC_START HPCDVC_TASK=$task; {typed})" >&2
    fi"""


def job_file(kind: str, command: str, tasks: list[list[str]], plan: Plan, path: str, programs: str, **more: str) -> str:
    """Text of the file.

    Parameters
    ----------
    kind : of the batch system, a key of `SCHEDULERS`
    command : name of the command, without prefix
    tasks : arguments; of each task, where there is an array
    plan : what is asked for
    path : of the file
    programs : folder in which the command is, if it is not on PATH
    **more : `account`, `queue` and `resume`, "" if there is none
    """
    scheduler, title = SCHEDULERS[kind], f"hpcdvc-{command}"
    cases = "\n".join(f"    {number}) set -- {shlex.join(words)} ;;" for number, words in enumerate(tasks, 1))
    return FORM.format(
        title=title,
        kind=kind.upper(),
        handed=scheduler.handed,
        version=__version__,
        why=plan.why,
        submit=scheduler.submit,
        path=shlex.quote(path),
        directives="\n".join(f"{scheduler.directive} {line}" for line in _DIRECTIVES[kind](title, tasks, plan, more)),
        folder=f"{scheduler.folder}\n" if scheduler.folder else "",
        job=scheduler.job,
        task=scheduler.task,
        start="${HPCDVC_START:-${SLURM_RESTART_COUNT:-0}}" if kind == "slurm" else "${HPCDVC_START:-0}",
        cases=cases if len(tasks) > 1 else cases.replace("    1)", "    0 | 1)"),  # LSF: 0 is the task of no array
        programs=shlex.quote(programs),
        ranks=plan.ranks,
        resume='set -- "$@" --resume' if more["resume"] else "true # it begins anew",
        clock=""
        if kind == "slurm"
        else f"(sleep {int(plan.seconds) - NOTICE} && kill -USR1 $$) >/dev/null 2>&1 &\nclock=$!",
        run=run_lines() + ("" if kind == "slurm" else "kill $clock 2>/dev/null"),
        back=_back(kind, scheduler, path),
    )


def run_lines() -> str:
    """What starts the ranks and waits for them, the same in all job files."""
    return resources.files(__package__).joinpath("run.sh").read_text(encoding="utf-8")


def _back(kind: str, scheduler: Scheduler, path: str) -> str:
    # qsub hands on what is named, and refuses a name that is not set
    names = ' -v "$(compgen -e HPCDVC_ | paste -sd, -)"' if kind == "pbs" else ""
    typed = " -v HPCDVC_START,HPCDVC_TASK" if kind == "pbs" else ""
    alone = f"grep -v '^{scheduler.array}' {shlex.quote(path)} | {scheduler.submit.split()[0]}"
    again = NEXT.format(next=alone + names, typed=alone + typed)
    if kind != "slurm":
        return again
    return f'    if scontrol requeue "$job"; then\n        sleep 300 # until SLURM ends this start\n    fi\n{again}'


def clock(seconds: float) -> str:
    """Seconds as batch systems take them: `2:05:00`."""
    minutes = math.ceil(seconds / 60)
    return f"{minutes // 60}:{minutes % 60:02d}:00"


def _slurm(title: str, tasks: list, plan: Plan, more: dict[str, str]) -> list[str]:
    array = len(tasks) > 1
    return [
        f"--job-name={title}",
        f"--nodes={plan.nodes}",
        f"--ntasks={plan.ranks}",
        f"--ntasks-per-node={plan.per_node}",
        f"--mem={math.ceil(plan.memory / 2**20)}M",
        f"--time={clock(plan.seconds)}",
        *([f"--array=1-{len(tasks)}"] if array else []),
        *([f"--account={more['account']}"] if more["account"] else []),
        *([f"--partition={more['queue']}"] if more["queue"] else []),
        "--requeue",
        f"--signal=B:USR1@{NOTICE}",
        "--open-mode=append",
        f"--output={'%x-%A_%a.out' if array else '%x-%j.out'}",
    ]


def _pbs(title: str, tasks: list, plan: Plan, more: dict[str, str]) -> list[str]:
    memory = f"{math.ceil(plan.memory / 2**20)}mb"
    return [
        f"-N {title[:15]}",
        f"-l select={plan.nodes}:ncpus={plan.per_node}:mpiprocs={plan.per_node}:mem={memory}",
        f"-l walltime={clock(plan.seconds)}",
        *([f"-J 1-{len(tasks)}"] if len(tasks) > 1 else []),
        *([f"-A {more['account']}"] if more["account"] else []),
        *([f"-q {more['queue']}"] if more["queue"] else []),
        "-j oe",
        "-r y",
    ]


def _lsf(title: str, tasks: list, plan: Plan, more: dict[str, str]) -> list[str]:
    hours = clock(plan.seconds).rpartition(":")[0]
    each = math.ceil(plan.memory / plan.per_node / 2**20)
    array = len(tasks) > 1
    return [
        *([f'-J "{title}[1-{len(tasks)}]"'] if array else [f"-J {title}"]),
        f"-n {plan.ranks}",
        f'-R "span[ptile={plan.per_node}] rusage[mem={each}MB]"',
        f"-W {hours}",
        *([f"-P {more['account']}"] if more["account"] else []),
        *([f"-q {more['queue']}"] if more["queue"] else []),
        f"-o {title}-%J{'_%I' if array else ''}.out",
        "-r",
    ]


_DIRECTIVES = {"slurm": _slurm, "pbs": _pbs, "lsf": _lsf}
