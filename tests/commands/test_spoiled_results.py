"""Results that somebody has changed, named by -pf, --mesh and --resume: no command ends in a traceback over one."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from ldic_cases import run_here, save_pair

from hpcdvc.errors import UserError
from hpcdvc.options.parser import parse
from hpcdvc.ranks.team import Team
from hpcdvc.workflows import deformImage, ldic

GRID = ("-ns", 10, "-hws", 5)
OURS, DATA = "hpcdvc", "VTKHDF/PointData/"
DAMAGED = Path(__file__).resolve().parents[1] / "data"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A folder with a pair of images and a result."""
    folder = tmp_path_factory.mktemp("result")
    before = os.getcwd()
    os.chdir(folder)
    try:
        save_pair()
        run_here("im1.tif", "im2.tif", *GRID, "-q")
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def here(source, tmp_path, monkeypatch):
    folder = tmp_path / "here"
    shutil.copytree(source, folder)
    monkeypatch.chdir(folder)
    return "im1-im2-ldic.hdf"


def shape(file, name):
    values = file[DATA + name][...]
    del file[DATA + name]
    file[DATA + name] = values[..., :-1, :]


CHANGES = {
    "grid gone": lambda file: file[OURS].attrs.__delitem__("grid"),
    "grid huge": lambda file: file[OURS].attrs.__setitem__(
        "grid", json.dumps({"origin": [8] * 3, "spacing": [8] * 3, "shape": [100_000] * 3})
    ),
    "version": lambda file: file[OURS].attrs.__setitem__("schema_version", "abc"),
    "Phi": lambda file: shape(file, "Phi"),
    "numbers": lambda file: file[OURS].attrs.__setitem__("grid", np.arange(5)),
    "nothing": lambda file: file.__delitem__(OURS),
}


def change(path, name):
    with h5py.File(path, "r+") as file:
        CHANGES[name](file)


@pytest.mark.parametrize("name", CHANGES)
def test_start_field(here, name):
    shutil.copy(here, "changed.hdf")
    change("changed.hdf", name)
    for words in (("-pf", "changed.hdf"), ("-pf", "changed.hdf", "-skp")):
        with pytest.raises(UserError, match=r"^changed\.hdf ") as caught:
            run_here("im1.tif", "im2.tif", *GRID, *words, "-pre", "o", "-q")
        assert "\n" not in str(caught.value)
    for option in ("-pf", "--mesh"):
        with pytest.raises(UserError, match=r"^changed\.hdf "):
            deformImage.run(parse(deformImage.Options, ["im1.tif", option, "changed.hdf"]), Team())


@pytest.mark.parametrize("name", ["version", "nothing", "key", "statuses"])
def test_resume(here, name):
    with h5py.File(here, "r+") as file:
        if name in CHANGES:
            CHANGES[name](file)
        else:
            file[OURS].attrs[name] = "[" * 100
    with pytest.raises(UserError, match=here) as caught:
        run_here("im1.tif", "im2.tif", *GRID, "--resume", "-q")
    assert "\n" not in str(caught.value)


def test_a_comment_does_no_harm(here):
    with h5py.File(here, "r+") as file:
        file[OURS].attrs["comment"] = file[DATA].attrs["comment"] = "a good run"
        file[DATA + "note"] = "seen by me"
    os.remove("im1-im2-ldic.tsv")
    assert here in run_here("im1.tif", "im2.tif", *GRID, "--resume", "-q")
    assert os.path.exists("im1-im2-ldic.tsv")
    run_here("im1.tif", "im2.tif", *GRID, "-pf", here, "-pre", "o", "-q")


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", '{"parameters": 3}', '{"key": 1, "parameters": {}}', ""])
def test_records_of_others(here, text):
    """A run.json that says nothing is as if there were none."""
    with open("im1-im2-ldic.run.json", "w") as file:
        file.write(text)
    assert here in run_here("im1.tif", "im2.tif", *GRID, "--resume", "-q")
    with pytest.raises(UserError, match="was made with other parameters"):
        run_here("im1.tif", "im2.tif", "-ns", 9, "-hws", 5, "--resume", "-q")


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "[]", "{}", '{"parameters": 3}', "\0", '{"parameters": {"options": []}}']
)
def test_keys_of_others(here, text):
    os.mkdir("o-ldic.parts")
    with open("o-ldic.parts/key.json", "w") as file:
        file.write(text)
    with open("o-ldic.parts/1.00000.rec", "wb") as file:
        file.write(b"hpcdvc1\n" + b"\xff" * 100)
    with pytest.raises(UserError, match=r"o-ldic\.parts"):
        run_here("im1.tif", "im2.tif", *GRID, "-pre", "o", "--resume", "-q")


def test_a_single_byte(here):
    """The type of a text has lost a bit: whoever reads all texts crashes."""
    shutil.copy(DAMAGED / "result-1byte-segv.hdf", here)
    with pytest.raises(UserError, match=here):
        run_here("im1.tif", "im2.tif", *GRID, "--resume", "-q")


def test_parameters_of_others_are_cut(here):
    os.mkdir("o-ldic.parts")
    parameters = {"x" * 10_000: "y" * 10_000, **{f"n{k}": k for k in range(10_000)}, "\x1b[2J": "\x1b[2J"}
    with open("o-ldic.parts/key.json", "w") as file:
        json.dump({"parameters": parameters}, file)
    with open("o-ldic.parts/1.00000.rec", "wb") as file:
        file.write(b"hpcdvc1\n")
    with pytest.raises(UserError, match="was measured with other parameters .* and more") as caught:
        run_here("im1.tif", "im2.tif", *GRID, "-pre", "o", "--resume", "-q")
    assert len(str(caught.value)) < 3000


def test_judged_by_a_changed_file(here):
    with h5py.File(here, "r+") as file:
        file[OURS].attrs["family"] = "friends"
    with pytest.raises(UserError, match="family reads 'friends'"):
        ldic.judge([here])


LATE = """
import sys
from hpcdvc.kernels import guard
from hpcdvc.cli import main
guard.CPU_SECONDS = 0.2
sys.exit(main("ldic", ["im1.tif", "im2.tif", "-ns", "10", "-hws", "5", "-q", "-pre", "o", "-pf", "hangs.hdf"]))
"""


def test_a_text_that_is_never_read_to_its_end(here):
    """One byte of a heap of an older result: HDF5 reads it for ever."""
    shutil.copy(DAMAGED / "result-1byte-hang.hdf", "hangs.hdf")
    ended = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, timeout=30)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1 and "hangs.hdf cannot be read: 0.2 s of CPU time" in ended.stderr, ended.stderr
