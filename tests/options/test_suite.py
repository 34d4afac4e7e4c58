"""Manual pages, completions and the list of commands come from the declared options; shells and roff take them."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from hpcdvc.__main__ import commands, main, manual, shared_files, suite
from hpcdvc.options.completion import completion
from hpcdvc.options.declare import declarations
from hpcdvc.options.suite import OWN, SHELLS, summary

#: Prints what bash completes a line of words to, the last of which is being typed.
BASH = """
. "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_hpcdvc "$1"; printf '%s\\n' "${COMPREPLY[@]}"
"""


def needs(program: str) -> None:
    if not shutil.which(program):
        pytest.skip(f"no {program} on PATH")


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    """The completions as files, by shell."""
    folder = tmp_path_factory.mktemp("completions")
    paths = {shell: folder / shell for shell in SHELLS}
    for shell, path in paths.items():
        path.write_text(completion(shell, suite()))
    return paths


def test_commands_are_listed_in_a_line_each(capfd, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["--help"]) == 0
    said = capfd.readouterr().out
    for command in suite():
        assert re.search(rf"^  {command.name} +{re.escape(command.summary)}$", said, re.M), command.name
        assert 10 < len(command.summary) < 97
    assert all(f"  {name} " in said for name in OWN)


def test_summary_is_the_beginning():
    assert summary("Cut an image: in two. It takes a while.") == "Cut an image"
    assert summary("Cut, or glue, images of many kinds.", most=12) == "Cut, or glue"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["ldci"], "hpcdvc: unknown command 'ldci' (did you mean ldic?)\n"),
        (["hpcdvc-LDIC"], "hpcdvc: unknown command 'hpcdvc-LDIC' (did you mean ldic?)\n"),
        (["qqqqqq"], "hpcdvc: unknown command 'qqqqqq' (all commands: hpcdvc --help)\n"),
        ([], "hpcdvc: no command is given (all commands: hpcdvc --help)\n"),
        (["completion", "tcsh"], "hpcdvc: completion takes one word: hpcdvc completion bash|zsh|fish\n"),
        (["man"], "hpcdvc: man takes one word: hpcdvc man DIR\n"),
        (["man", ""], "hpcdvc: man takes one word: hpcdvc man DIR\n"),
        (["ldic", "a.tif"], "hpcdvc-ldic: at least two images are needed, only 'a.tif' is given\n"),
    ],
)
def test_mistakes(capfd, words, sentence):
    assert main(words) == 2
    assert capfd.readouterr() == ("", sentence)


def test_script_of_all_commands(run_command, tmp_path):
    """bin/hpcdvc, also under a launcher and with -np; beside `hpcdvc.py` of the working folder."""
    (tmp_path / "hpcdvc.py").write_text("raise SystemExit('not this one')\n")
    for words, ranks in ((["info", "-np", "2"], None), (["info"], 2)):
        done = run_command("", *words, ranks=ranks, cwd=tmp_path)
        assert done.returncode == 0 and re.search(r"ranks +2 on 1 node", done.stdout), done.stderr


def test_manual_pages_have_every_option(tmp_path, capfd):
    assert main(["man", str(tmp_path / "man1")]) == 0
    assert "wrote" in capfd.readouterr().out
    for command in suite():
        text = (tmp_path / "man1" / f"hpcdvc-{command.name}.1").read_text()
        for option in declarations(command.options):
            assert ", ".join(option.flags).replace("-", r"\-") in text
    assert {path.name for path in (tmp_path / "man1").iterdir()} == {name for name, _ in manual()}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("man pages", "hpcdvc: pages/hpcdvc.1 was not written: File too large\n"),
        ("man /dev/null/x", "hpcdvc: the output folder /dev/null/x cannot be written: File exists\n"),
        ("completion bash", "hpcdvc: the completion is not whole: stdout does not take it\n"),
    ],
)
def test_what_is_not_whole_is_a_failure(tmp_path, words, sentence):
    line = f"ulimit -f 1; trap '' XFSZ; exec {sys.executable} -P -m hpcdvc {words} >/dev/full"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode != 0, done.stderr) == (True, sentence)
    assert not list(tmp_path.glob("pages/*"))


def test_manual_pages_are_roff():
    needs("groff")
    for name, text in manual():
        done = subprocess.run(
            ["groff", "-man", "-Tutf8", "-k", "-ww", "-z"], input=text.encode(), capture_output=True, timeout=30
        )
        assert (done.returncode, done.stderr) == (0, b""), name
        assert not re.search(r"^['.](?!TH|SH|SS|TP|BR?\b|br)", text, re.M), name


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("hpcdvc ld", "ldic"),
        ("hpcdvc completion z", "zsh"),
        ("hpcdvc-ldic a.tif -hw", "-hws -hws3"),
        ("hpcdvc ldic a.tif --start", "--start-from"),
        ("/opt/bin/hpcdvc-ldic a.tif -F ri", "rigid"),
        ("hpcdvc fourier smo", "smooth"),
        ("hpcdvc-ldic a.tif -hws 1", ""),
        ("hpcdvc-ldic a.t", ""),
        ("hpcdvc nonsense -x", ""),
    ],
)
def test_bash_completes(scripts, words, offered):
    needs("bash")
    done = subprocess.run(
        ["bash", "--norc", "-c", BASH, "bash", scripts["bash"], *words.split()], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == offered.split()


@pytest.mark.parametrize("shell", SHELLS)
def test_shells_read_their_completion(scripts, shell):
    needs(shell)
    done = subprocess.run([shell, "-n", scripts[shell]], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("line", "offered"),
    [("hpcdvc ld", "ldic"), ("hpcdvc-ldic -F ", "rigid"), ("hpcdvc ldic --half-", "--half-window-size")],
)
def test_fish_completes(scripts, line, offered):
    needs("fish")
    done = subprocess.run(
        ["fish", "-c", f"source {scripts['fish']}; complete -C '{line}'"], capture_output=True, text=True
    )
    assert offered in [row.partition("\t")[0] for row in done.stdout.splitlines()], done.stderr


def test_each_program_has_its_files():
    paths = {path.rpartition("/")[2] for path, _ in shared_files()}
    for name in commands():
        assert {f"hpcdvc-{name}.1", f"hpcdvc-{name}", f"hpcdvc-{name}.fish"} <= paths
