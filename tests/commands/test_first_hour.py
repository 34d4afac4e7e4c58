"""The page "The first hour", line by line, as somebody types it who has just installed the package.

`.ci/first_hour.sh` runs it from a fresh clone with `pip install .`; it takes the commands beside its own Python.
"""

import csv
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from first_hour import AXIAL, CENTRE, LATERAL, RADIUS, SHAPE, motion, save_scans
from pages import DOCS, typed

from hpcdvc.output.read import read

pytestmark = pytest.mark.slow
PAGE = DOCS / "first_hour.md"
HERE = Path(sys.executable).parent


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    """The folder in which all lines were typed, and what each said."""
    folder = tmp_path_factory.mktemp("first-hour")
    save_scans(folder)
    path = f"{HERE}{os.pathsep}{os.environ['PATH']}"
    surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"PATH": path}
    said = {}
    for words in typed(PAGE):
        if not words[0].startswith("hpcdvc-"):
            continue  # installing, which was done
        line = shlex.join(words)
        done = subprocess.run(
            line, shell=True, cwd=folder, env=surroundings, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        said[line] = done.stdout
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    words = [sys.executable, "-c", f"{code}\nprint(hpcdvc.__file__)"]
    done = subprocess.run(words, cwd=folder, env=surroundings, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return folder, said | {"python": done.stdout}


def rows(path: Path) -> list[dict[str, float]]:
    """What a table of a gauge says."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(lines)]


def test_the_page_is_typed_whole(walked):
    assert len(walked[1]) == 13
    assert "96 x 84 x 84 voxels, uint16" in walked[1]["hpcdvc-info scan0.tif scan1.tif"]


def test_the_mask_is_the_specimen(walked):
    mask = tifffile.imread(walked[0] / "out/scan0-mask.tif")
    inside = np.hypot(*(np.indices(SHAPE[1:]) - CENTRE[1:, None, None])) < RADIUS
    assert mask.dtype == "u1" and set(np.unique(mask)) == {0, 1}
    assert (mask != inside).mean() < 0.03


def test_noise_says_what_the_page_shows(walked):
    (said,) = (text for line, text in walked[1].items() if line.startswith("hpcdvc-noise"))
    shown = re.findall(r"^-hws .*", PAGE.read_text(), re.M)
    assert len(shown) == 4 and all(line in said for line in shown)


def test_the_second_pass_measures_more_and_nothing_wrong(walked):
    first, second = (read(walked[0] / f"out/{name}-ldic.hdf") for name in ("scan0-scan1", "second"))
    assert first.measured.sum() < second.measured.sum() and (first.return_status == -9).any()
    truth = motion(1).displacement(second.positions)
    wrong = np.abs(second.displacement - truth)[second.measured]
    beyond = (wrong > 3 * second["displacement_std"][second.measured] + 0.02).any(axis=1)
    assert second.measured.sum() > 550 and np.median(wrong) < 0.01 and beyond.mean() < 0.01 and wrong.max() < 0.5


def test_residual_and_report(walked):
    (said,) = (text for line, text in walked[1].items() if line.startswith("hpcdvc-deformImage"))
    assert float(re.search(r"ratio ([\d.]+)", said)[1]) < 0.2
    assert (walked[0] / "out/second-ldic-report.html").read_text().startswith("<!DOCTYPE html>")


def test_strain_and_gauges(walked):
    strain = read(walked[0] / "series/scan0-scan2-ldic-strain-Geers.hdf")
    assert abs(np.nanmedian(strain["Fzz"]) - 1 - 2 * AXIAL) < 5e-4
    for step, row in enumerate(rows(walked[0] / "series/extensometer-gauge.csv"), 1):
        assert abs(row["strain"] - step * AXIAL) < 4 * row["strain_std"] < 1e-3
    for step, row in enumerate(rows(walked[0] / "series/middle-gauge.csv"), 1):
        for name, truth in (("ezz", AXIAL), ("eyy", LATERAL), ("exx", LATERAL)):
            value = step * truth
            assert abs(row[name] - value) < 4 * row[f"{name}_std"] < 1e-3
    assert (walked[0] / "series/extensometer-gauge.png").exists()


def test_the_series_is_in_micrometres_and_read_in_voxels(walked):
    field = read(walked[0] / "series/scan0-scan2-ldic.hdf")
    truth = motion(2).displacement(field.positions)
    assert np.nanmedian(np.abs(field.displacement - truth)) < 0.01
    assert "voxels of 12um" in repr(field)


def test_the_notebook(walked):
    assert (walked[0] / "cuts.png").stat().st_size > 10_000
    first, second = re.findall(r"(\d+) of \d+ measured", walked[1]["python"])
    assert int(first) > 500 and int(second) > 60
    installed = os.environ.get("HPCDVC_INSTALLED")
    assert not installed or walked[1]["python"].splitlines()[-1].startswith(installed)
