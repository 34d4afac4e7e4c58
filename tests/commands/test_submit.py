"""hpcdvc-submit: the file of a real dry run, what is shown, and what is refused."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tifffile
from ldic_cases import FIELD, images

from hpcdvc.cli import main
from hpcdvc.workflows.submit import command_of, tasks_of

LINE = ("hpcdvc-ldic", "im1.tif", "im2.tif", "-ns", "12", "-hws", "5", "-od", "out")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, volume in zip(("im1.tif", "im2.tif"), images(FIELD, (32, 32, 32)), strict=True):
        tifffile.imwrite(tmp_path / name, volume)
    (tmp_path / "im3.tif").write_bytes((tmp_path / "im2.tif").read_bytes())
    return tmp_path


def submit(*words) -> int:
    return main("submit", list(words))


@pytest.mark.parametrize("first", ["hpcdvc-ldic", "/opt/bin/hpcdvc-ldic", "hpcdvc ldic"])
def test_commands_by_all_their_names(first):
    name, words, given = command_of((*first.split(), *LINE[1:]))
    assert (name, words, given.images) == ("ldic", list(LINE[1:]), LINE[1:3])


def test_file_is_written_and_shown(here, capfd):
    assert submit("-n", "2", "-A", "p7", "--", *LINE) == 0
    said = capfd.readouterr().out
    text = Path("hpcdvc-ldic.sbatch").read_text()
    assert text.rstrip() in said and "core time: " in said and "submit it by: sbatch hpcdvc-ldic.sbatch" in said
    assert "running on" not in said, "nothing is run here"
    assert "#SBATCH --ntasks=2\n" in text and "#SBATCH --account=p7\n" in text and "time from the longest" in text
    assert "set -- im1.tif im2.tif -ns 12 -hws 5 -od out ;;" in text
    assert not Path("out").exists(), "a dry run writes nothing"


def test_series_as_an_array(here):
    words = ("hpcdvc-ldic", "im1.tif", "im2.tif", "im3.tif", *LINE[3:], "-sei")
    assert submit("-q", "--array", "-s", "pbs", "-o", "series.pbs", "--", *words) == 0
    text = Path("series.pbs").read_text()
    assert "#PBS -J 1-2\n" in text
    assert "1) set -- im1.tif im2.tif -ns 12" in text and "2) set -- im2.tif im3.tif -ns 12" in text


def test_results_of_an_array_are_those_of_the_series(here, capfd):
    """Which goes on with them, as the page says: nothing is measured again."""
    line = ["im1.tif", "im2.tif", "im3.tif", *LINE[3:], "-sei", "-q"]
    _, words, given = command_of(("hpcdvc-ldic", *line))
    for task in tasks_of(given, words):
        assert main("ldic", task) == 0
    before = {path.name: path.read_bytes() for path in Path("out").glob("*-ldic.hdf")}
    assert main("ldic", [*line, "--total", "--start-from", "file", "--resume"]) == 0
    assert len(before) == 2 and all(Path("out", name).read_bytes() == data for name, data in before.items())
    assert Path("out", "im1-im3-ldic-total.hdf").exists() and Path("out", "im1-series-ldic.hdf.series").exists()


def test_series_of_labels_as_an_array(here, capfd):
    """Each deformed image by itself, of the same labels: none that a step before would have moved."""
    labels = np.zeros(tifffile.imread("im1.tif").shape, "u1")
    labels[8:17, 8:17, 8:17] = 1
    tifffile.imwrite("lab.tif", labels)
    words = ("hpcdvc-ddic", "im1.tif", "lab.tif", "im2.tif", "im3.tif", "-od", "out")
    assert submit("-q", "--array", "--", *words) == 0
    text = Path("hpcdvc-ddic.sbatch").read_text()
    assert "1) set -- im1.tif lab.tif im2.tif -od out ;;" in text
    assert "2) set -- im1.tif lab.tif im3.tif -od out ;;" in text and "#SBATCH --array=1-2\n" in text
    assert submit("--force", "--array", "--", *words, "-sei", "--move-labels") == 2
    assert "--array: with -sei each step measures the labels that the one before has moved" in capfd.readouterr().err


def test_mistakes_in_later_steps_of_an_array(here, capfd):
    tifffile.imwrite("im3.tif", tifffile.imread("im3.tif")[:30])
    assert submit("--array", "--", *LINE[:3], "im3.tif", *LINE[3:]) == 2
    assert "the images differ in size" in capfd.readouterr().err and not list(here.glob("*.sbatch"))


def test_mask_of_an_array(caplog):
    """Its tasks see one pair each, and would not say that the mask is that of the first image."""
    line = ("hpcdvc-ldic", "im1.tif", "im2.tif", "im3.tif", "-ns", "12", "-hws", "5", "-mf1", "m.tif")
    for words, note in ((line, ""), ((*line, "-sei"), "-mf1: m.tif is the mask of im1.tif: with -sei it is taken at")):
        name, arguments, given = command_of(words)
        assert len(tasks_of(given, arguments)) == 2
        assert note in caplog.text and bool(note) == bool(caplog.text)


def test_file_runs_the_command(here):
    """By a shell, as on a machine of its own: the result that the command gives."""
    assert submit("-q", "-n", "2", "-s", "lsf", "--", *LINE) == 0
    environment = {**os.environ, "LSB_JOBID": "7", "LSB_JOBINDEX": "0"}
    done = subprocess.run(["bash", "hpcdvc-ldic.lsf"], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert main("ldic", ["-q", *LINE[1:-1], "here"]) == 0
    name = "im1-im2-ldic.tsv"
    assert Path("out", name).read_bytes() == Path("here", name).read_bytes()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "missing: -- hpcdvc-COMMAND ... (all options: hpcdvc-submit --help)"),
        (LINE, "missing: -- hpcdvc-COMMAND ... (all options: hpcdvc-submit --help)"),
        (("--", "ls", "-l"), "'ls' is no command of hpcdvc (all commands: hpcdvc --help)"),
        (("--", "hpcdvc-submit", "x"), "a job does not submit jobs: name the command that measures after --"),
        (("--", "hpcdvc-ldic", "im1.tif", "no.tif", "-hws", "5"), "no.tif cannot be read: No such file or directory"),
        (("--", *LINE, "-zz"), "unknown option -zz (all options: hpcdvc-ldic --help)"),
        (("--", *LINE, "-np", "4"), "-np has no place in a job: -n of hpcdvc-submit says how many ranks there are"),
        (("--array", "--", *LINE), "--array takes a command with a series of three or more images"),
        (("-t", "2h", "--", *LINE), "-t takes hours and minutes, 2:30, not '2h'"),
        (("-t", "0:00", "--", *LINE), "-t takes hours and minutes, 2:30, not '0:00'"),
        (("-t", "0:02", "--", *LINE), "-t 0:02 is too short, jobs leave two minutes before it: give 0:05 or more"),
        (
            ("--force", "-o", "im2.tif", "--", *LINE),
            "the result would replace im2.tif, from which it is made: give it another -pre or -od",
        ),
        (("-A", "a b", "--", *LINE), "-A takes a name, not 'a b'"),
    ],
)
def test_refused(here, capfd, words, sentence):
    assert submit(*words) == 2
    said = capfd.readouterr().err
    assert said.partition(": ")[2] == f"{sentence}\n" and not list(here.glob("*.sbatch"))


def test_file_that_exists(here, capfd):
    Path("hpcdvc-info.sbatch").write_text("mine")
    assert submit("-q", "--", "hpcdvc-info") == 2
    assert "hpcdvc-info.sbatch exists" in capfd.readouterr().err
    assert submit("-q", "--force", "--", "hpcdvc-info") == 0
    assert "#SBATCH --ntasks=1\n" in Path("hpcdvc-info.sbatch").read_text()


def test_sent(here, capfd, monkeypatch):
    (here / "sbatch").write_text('#!/bin/sh\n[ -f "$1" ] && echo Submitted batch job 7 || exit 3\n')
    (here / "sbatch").chmod(0o700)
    monkeypatch.setenv("PATH", f"{here}:{os.environ['PATH']}")
    assert submit("--send", "--", "hpcdvc-info") == 0
    assert "Submitted batch job 7" in capfd.readouterr().out
    (here / "sbatch").write_text("#!/bin/sh\necho no such account >&2; exit 1\n")
    assert submit("--send", "--force", "--", "hpcdvc-info") == 1
    assert ": sbatch hpcdvc-info.sbatch: no such account\n" in capfd.readouterr().err
