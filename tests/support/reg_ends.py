"""How a command ends that cannot do what it is asked for: short ways for the tests of that, by default of hpcdvc-reg.

Names of files are relative: the tests run in a folder of their own (`own_folder`).
"""

import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
import tifffile
from ldic_cases import save_pair

from hpcdvc.cli import main
from hpcdvc.ranks.team import Team

PAIR = ("im1.tif", "im2.tif")


def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder with im1.tif and im2.tif, and what a command sets for its process put back; for a fixture."""
    monkeypatch.chdir(tmp_path)
    save_pair()
    play_command(monkeypatch, "reg")
    yield


def play_command(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """This process passes for hpcdvc-<name>, and what that sets for its process is put back."""
    for module in (sys, threading):
        monkeypatch.setattr(module, "excepthook", module.excepthook)
    monkeypatch.setattr(sys, "argv", [f"hpcdvc-{name}"])
    monkeypatch.setattr(Team, "abort", _crash)  # else the end of the process would be that of the tests


def run_in_process(command: str, *words: object, cwd: Path) -> None:
    """Run a command serially in this process, in a folder, and check that it succeeds; for fixtures of any scope."""
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(cwd)
        play_command(patched, command)
        assert main(command, [str(word) for word in words]) == 0


def _crash(team: Team, code: int) -> NoReturn:
    pytest.fail(f"the command ends all ranks, with exit code {code}; its traceback is in stderr")


def files() -> set[str]:
    """All paths in the folder."""
    return {str(path) for path in Path().rglob("*")}


def is_one_sentence(stderr: str, *words: object) -> bool:
    """Whether a command has said one thing, with all these words; what a launcher adds does not count."""
    said = [line for line in stderr.splitlines() if line.startswith("hpcdvc-")]
    return len(said) == 1 and "Traceback" not in stderr and all(str(word) in said[0] for word in words)


def check_end(
    capfd: pytest.CaptureFixture, words: Iterable[object], expected: Iterable[object], code: int, command: str = "reg"
) -> None:
    """Run a command in this process: it ends with this code and one sentence that holds the expected words."""
    capfd.readouterr()
    assert main(command, [str(word) for word in words]) == code
    err = capfd.readouterr().err
    assert is_one_sentence(err, *expected), err
    assert err.count("\n") == 1


def write(path: str, data: bytes | str) -> None:
    Path(path).write_bytes(data.encode() if isinstance(data, str) else data)


def save(path: str, image: np.ndarray) -> None:
    tifffile.imwrite(path, image, photometric="minisblack")
