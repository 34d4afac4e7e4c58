"""One command: a file of one name in bin/, hpcdvc/options/, hpcdvc/workflows/, tests/commands/, docs/guide/, slurm/."""

import os
import sys
from pathlib import Path

import pytest

import hpcdvc

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = sorted(path.name.removeprefix("hpcdvc-") for path in (ROOT / "bin").glob("hpcdvc-*"))
MODULES = {command: command.replace("-", "_") for command in COMMANDS}

#: They look at the machine on which they are typed.
NO_JOB = {"info", "submit"}

FORM = """#!/usr/bin/env python3
from hpcdvc.cli import main

raise SystemExit(main("{}"))
"""


def stems(folder: str, pattern: str) -> set[str]:
    """Names without ending of the files that match."""
    return {path.stem for path in (ROOT / folder).glob(pattern)}


def test_workflows_agree_with_bin():
    assert stems("hpcdvc/workflows", "[!_]*.py") == set(MODULES.values())


@pytest.mark.parametrize("command", COMMANDS)
def test_command_declares_its_options(command):
    assert (ROOT / "hpcdvc" / "options" / f"{MODULES[command]}.py").exists()


def test_guide_agrees_with_bin():
    assert (stems("docs/guide", "*.md") | stems("docs/guide", "*.rst")) - {"index"} == set(COMMANDS)


def test_job_files_agree_with_bin():
    """All are one file; links become copies where archives know none."""
    template, *others = sorted((ROOT / "slurm").iterdir(), key=lambda path: (path.stem != "hpcdvc", path))
    assert {path.name for path in others} == {f"hpcdvc-{command}.sbatch" for command in set(COMMANDS) - NO_JOB}
    assert {path.read_text() for path in others} == {template.read_text()}


@pytest.mark.parametrize("command", COMMANDS)
def test_command_has_its_test(command):
    assert (ROOT / "tests" / "commands" / f"test_{MODULES[command]}.py").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_script_has_the_common_form(command):
    script = ROOT / "bin" / f"hpcdvc-{command}"
    assert script.read_text() == FORM.format(command)
    assert os.access(script, os.X_OK)


@pytest.mark.parametrize("command", COMMANDS)
def test_command_answers(command, run_command):
    result = run_command(command, "--version")
    assert (result.returncode, result.stderr) == (0, "")
    assert hpcdvc.__version__ in result.stdout
    # The parser is stopped by what no command knows: one sentence, no traceback.
    result = run_command(command, "--no-such-option")
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


@pytest.mark.skipif(sys.prefix == sys.base_prefix, reason="not in a virtual environment")
@pytest.mark.parametrize("command", COMMANDS)
def test_command_is_installed(command):
    assert Path(sys.executable).with_name(f"hpcdvc-{command}").exists(), "run make: the environment is out of date"
