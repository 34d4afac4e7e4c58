"""stdout and stderr closed, full, or read by nobody any more: the run goes on and its result is there."""

import subprocess

import pytest
from ldic_cases import save_pair
from running import command_line

GRID = ("-ns", 16, "-hws", 5)


def shell(line: str, *words) -> subprocess.CompletedProcess:
    """Run a command by a shell: `$@` is the command with its words."""
    return subprocess.run(
        ["bash", "-c", line, "bash", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("ranks", [(), ("-np", 2)], ids=["alone", "-np 2"])
@pytest.mark.parametrize(
    "line",
    [
        '"$@" >&-',
        '"$@" 2>&-',
        '"$@" <&- >&- 2>&-',
        '"$@" >/dev/full 2>/dev/full',
        'set -o pipefail; "$@" | head -1',
        'set -o pipefail; "$@" 2>&1 | true',
    ],
)
def test_ldic(tmp_path, monkeypatch, line, ranks):
    monkeypatch.chdir(tmp_path)
    save_pair()
    ended = shell(line, *command_line("ldic", "im1.tif", "im2.tif", *GRID, *ranks))
    assert ended.returncode == 0, ended.stderr
    assert not any(word in ended.stderr for word in ("Error", "error", "Exception"))
    assert (tmp_path / "im1-im2-ldic.hdf").exists() and (tmp_path / "im1-im2-ldic.tsv").exists()
    assert not list(tmp_path.glob("*.parts"))


@pytest.mark.parametrize("words", [("ldic", "--help"), ("info",), ("ldic", "--version")])
def test_what_is_only_shown(words):
    for line in ('set -o pipefail; "$@" | true', '"$@" >/dev/full', '"$@" >&-'):
        ended = shell(line, *command_line(*words))
        assert (ended.returncode, ended.stderr) == (0, ""), line


def test_a_mistake_keeps_its_exit_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for line in ('"$@" 2>&-', '"$@" 2>/dev/full', '"$@" >&- 2>&-'):
        assert shell(line, *command_line("ldic", "a.tif")).returncode == 2
        assert shell(line, *command_line("ldic", "gone.tif", "gone.tif", *GRID)).returncode == 2
