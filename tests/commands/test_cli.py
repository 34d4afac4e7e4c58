"""What surrounds every command: exit codes, who says what, -np, --help; with a command made for the purpose."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rank_scripts import finish, start
from running import end_group, find_mpiexec
from shared_memory import remove_abandoned_memory

from hpcdvc import __version__

PROBE = """
import logging, sys, types
from dataclasses import dataclass
from hpcdvc.options.common import RunControl
from hpcdvc.errors import RunError, Unfinished, UserError
from hpcdvc.options.declare import option

probe, declared = types.ModuleType("hpcdvc.workflows.probe"), types.ModuleType("hpcdvc.options.probe")
log = logging.getLogger("hpcdvc")

@dataclass(kw_only=True)
class Options(RunControl):
    how: str = option("fine", help="how to end")
    who: int = option(-1, "-who", help="rank that fails; -1 all, -2 rank 0 for all")
    checked: bool = option(False, "-checked", help="fail in check already")
    needless: bool = option(False, "-needless", help="nothing", note="-needless is ignored")

def fail(how):
    if how == "user": raise UserError("a.tif is missing")
    if how == "run": raise RunError("no space left")
    if how == "disk": open("/no/such/folder/file", "w")
    if how == "left": raise Unfinished("left early")
    if how == "bug": 1 / 0
    if how == "stop": raise KeyboardInterrupt
    if how == "exit": sys.exit(3)

def check(options):
    if options.checked: fail(options.how)

def run(options, team):
    log.debug("details")
    log.info("information")
    log.warning("a warning")
    if options.who == -2:
        team.agree(lambda: fail(options.how))
    elif options.who in (-1, team.rank):
        fail(options.how)
    team.barrier()
    print(f"ranks seen: {team.size}") if team.rank == 0 else None
    return ["result.hdf"]

Options.__module__ = declared.__name__
declared.Options, declared.DESCRIPTION, probe.check, probe.run = Options, "Ends as told.", check, run
for module in (probe, declared):
    sys.modules[module.__name__] = module
from hpcdvc.cli import main
raise SystemExit(main("probe"))
"""


@pytest.fixture
def probe(tmp_path):
    """probe(*arguments, ranks=None): run the command, return what it printed and its exit code."""
    script = tmp_path / "hpcdvc-probe"
    script.write_text(PROBE)

    def start(*arguments, ranks=None, patience=30, **env):
        launcher = [] if ranks is None else [find_mpiexec(), "-n", str(ranks)]
        process = subprocess.Popen(
            [*launcher, sys.executable, str(script), *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **env},
            start_new_session=True,
        )
        try:
            output, errors = process.communicate(timeout=patience)
        finally:
            end_group(process)
        if process.returncode:
            remove_abandoned_memory()
        return process.returncode, output.splitlines(), errors.splitlines()

    return start


def said(errors):
    """Without what the launchers themselves say about a rank that failed."""
    return [line for line in errors if line.startswith("hpcdvc-probe")]


ENDS = [("user", 2, "a.tif is missing"), ("run", 1, "no space left"), ("left", 75, "left early")]


@pytest.mark.parametrize("ranks", [None, 2])
@pytest.mark.parametrize(("how", "code", "sentence"), ENDS)
def test_agreed_errors_are_one_sentence(probe, ranks, how, code, sentence):
    returned, _, errors = probe(how, "-who", "-2", "-q", ranks=ranks)
    assert returned == code
    assert said(errors) == ["hpcdvc-probe: a warning", f"hpcdvc-probe: {sentence}"]


@pytest.mark.parametrize(
    ("who", "how", "code", "sentence"), [(who, *end) for who, end in zip((1, -1, 0), ENDS, strict=True)]
)
def test_errors_of_some_or_all_ranks_end_all(probe, who, how, code, sentence):
    start = time.monotonic()
    returned, _, errors = probe(how, "-who", who, ranks=2)
    assert returned == code
    assert errors.count(f"hpcdvc-probe: {sentence}") == 1 and "Traceback" not in str(errors)
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(("ranks", "who"), [(None, 0), (2, 0), (2, 1), (2, -1), (2, -2)])
def test_a_bug_shows_one_traceback(probe, ranks, who):
    returned, _, errors = probe("bug", "-who", who, ranks=ranks)
    assert returned == 1
    assert errors.count("ZeroDivisionError: division by zero") == 1
    assert str(errors).count("Traceback") == 1


@pytest.mark.parametrize(("how", "code"), [("stop", 130), ("exit", 3)])
@pytest.mark.parametrize(("ranks", "who"), [(None, 0), (2, 1)])
def test_other_ends(probe, how, code, ranks, who):
    returned, _, errors = probe(how, "-who", who, ranks=ranks)
    assert returned == code
    assert "Traceback" not in str(errors)


def test_a_file_that_cannot_be_opened_is_named(probe):
    returned, _, errors = probe("disk", ranks=None)
    assert returned == 1
    assert "/no/such/folder/file" in errors[-1] and "Traceback" not in str(errors)


@pytest.mark.parametrize("ranks", [None, 2])
def test_check_comes_before_the_run(probe, ranks):
    returned, output, errors = probe("user", "-checked", "-who", "5", ranks=ranks)
    assert returned == 2
    assert "information" not in output
    assert said(errors) == ["hpcdvc-probe: a.tif is missing"]


@pytest.mark.parametrize("ranks", [None, 2])
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["-who", "abc"], "-who takes a whole number, not 'abc' (all options: hpcdvc-probe --help)"),
        (["--nonsense"], "unknown option --nonsense (all options: hpcdvc-probe --help)"),
        (["-np", "0"], "-np must be at least 1, not 0"),
    ],
)
def test_mistakes_in_the_command_line(probe, ranks, arguments, sentence):
    returned, output, errors = probe("fine", *arguments, ranks=ranks)
    assert (returned, output, said(errors)) == (2, [], [f"hpcdvc-probe: {sentence}"])


@pytest.mark.parametrize("ranks", [None, 2])
def test_help_and_version_are_printed_once(probe, ranks):
    returned, output, errors = probe("--help", ranks=ranks)
    assert (returned, errors) == (0, [])
    assert output[0] == "usage: hpcdvc-probe how [options]" and output.count(output[0]) == 1
    assert probe("--version", ranks=ranks) == (0, [f"hpcdvc-probe {__version__}"], [])


@pytest.mark.parametrize("ranks", [1, 2])
def test_messages_come_once_and_in_order(probe, ranks):
    returned, output, errors = probe("fine", "-needless", ranks=ranks)
    assert returned == 0
    assert output[-3:] == ["information", f"ranks seen: {ranks}", "wrote result.hdf"]
    assert said(errors) == ["hpcdvc-probe: -needless is ignored", "hpcdvc-probe: a warning"]


def test_quiet_and_verbose(probe):
    _, output, errors = probe("fine", "-q", ranks=2)
    assert (output, said(errors)) == (["ranks seen: 2"], ["hpcdvc-probe: a warning"])
    _, output, errors = probe("fine", "-v", ranks=2)
    assert "details" in output
    assert sorted(said(errors)) == ["hpcdvc-probe (rank 1): a warning", "hpcdvc-probe: a warning"]


def test_np_starts_the_ranks(probe):
    returned, output, _ = probe("fine", "-np", 2)
    assert returned == 0
    assert output == ["information", "ranks seen: 2", "wrote result.hdf"]
    assert probe("user", "-np", 2, "-who", "-2")[0] == 2


def test_np_under_a_launcher_is_ignored(probe):
    returned, output, errors = probe("fine", "-np", 3, ranks=2)
    assert returned == 0
    assert "ranks seen: 2" in output
    assert "hpcdvc-probe: -np 3 is ignored: the launcher has started 2 processes" in errors
    assert "ignored" not in str(probe("fine", "-np", 2, ranks=2))


def test_np_without_a_launcher(probe, tmp_path):
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python"
    python.symlink_to(os.path.realpath(sys.executable))
    done = subprocess.run(
        [str(python), str(tmp_path / "hpcdvc-probe"), "fine", "-np", "2"],
        env={"PATH": "", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("hpcdvc-probe: -np needs an MPI launcher") and done.stderr.count("\n") == 1


def test_ranks_that_do_not_see_each_other(probe):
    """Each of them would do the whole work: here a launcher that mpi4py's library does not know is pretended."""
    returned, output, errors = probe("fine", OMPI_COMM_WORLD_SIZE="2", OMPI_COMM_WORLD_RANK="0")
    assert (returned, output) == (2, [])
    assert len(said(errors)) == 1 and "the launcher started 2 processes" in said(errors)[0]
    returned, output, errors = probe("fine", OMPI_COMM_WORLD_SIZE="2", OMPI_COMM_WORLD_RANK="1")
    assert (returned, output, said(errors)) == (2, [], [])


SLOW = """
import sys, time

class Slow:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != sys.argv[1]:
            return None
        try:
            print("LOADING", flush=True)
            time.sleep(20)
        except KeyboardInterrupt:
            raise ImportError("as a compiled module says it that is interrupted")

sys.meta_path.insert(0, Slow)
from hpcdvc.cli import main
raise SystemExit(main("info", []))
"""


@pytest.mark.parametrize("ranks", [None, 2])
@pytest.mark.parametrize("module", ["hpcdvc.ranks.team", "hpcdvc.workflows.info"])
def test_interrupt_while_modules_are_loaded(tmp_path, module, ranks):
    """Ctrl-C at the terminal, before the command has begun: no page of Python."""
    script = tmp_path / "slow.py"
    script.write_text(SLOW)
    process = start(script, module, ranks=ranks)
    for _ in range(ranks or 1):
        process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)
    code, _, errors = finish(process, timeout=10)
    assert code == 130 if ranks is None else code != 0
    assert "Traceback" not in errors and "ImportError" not in errors
    assert ranks or errors == "hpcdvc-info: interrupted\n"


def test_modules_of_the_working_folder(tmp_path):
    """Files of others have any name, that of a module too."""
    for name in ("hpcdvc", "types", "h5py", "numpy", "mpi4py", "logging"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not this one')\n")
    script = str(Path(__file__).parents[2] / "bin" / "hpcdvc-info")
    for words in (["-P", "-m", "hpcdvc", "info"], [script]):
        for ranks in ([], ["-np", "2"]):
            command = [sys.executable, *words, *ranks]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
            assert done.returncode == 0 and "instruction set" in done.stdout, (words, done.stderr)


def test_python_m():
    def run(*arguments, **more):
        words = [sys.executable, "-m", "hpcdvc", *arguments]
        return subprocess.run(words, capture_output=True, text=True, timeout=60, env={**os.environ, **more})

    assert run("--version").stdout == f"hpcdvc {__version__}\n"
    assert run("info", "--version").stdout == f"hpcdvc-info {__version__}\n"
    assert "ranks" in run("info", "-np", "2").stdout
    assert "info" in run("--help").stdout
    for wrong in ([], ["zzzz"]):
        done = run(*wrong)
        assert done.returncode == 2 and "(all commands: hpcdvc --help)" in done.stderr and done.stderr.count("\n") == 1
        second = run(*wrong, PMI_SIZE="2", PMI_RANK="1")  # under a launcher, rank 0 says it
        assert (second.returncode, second.stderr) == (2, "")
    done = run("info", "-zz")
    assert (done.returncode, done.stderr) == (2, "hpcdvc-info: unknown option -zz (all options: hpcdvc-info --help)\n")
