"""The command lines of the peer's recorded cases of strain: its numbers where they are right, else the truth.

Q8 and raw are right. Geers of the peer is right inside a grid with equal spacing and all neighbours; at boundaries,
next to missing nodes and with unequal spacing only the truth counts.
"""

import json
import shlex

import numpy as np
import pytest
import tifffile
from reg_ends import own_folder
from scipy.ndimage import binary_erosion
from strain_cases import table, tensor

from hpcdvc.cli import main
from hpcdvc.fields.decomposition import decompose_f

SAME = ("strain-q8", "strain-q8-polluted", "strain-2d-q4", "strain-raw", "strain-synth-q8", "strain-synth-q8-aniso")
INSIDE = ("strain-geers", "strain-geers-r2-polluted", "strain-2d-geers", "strain-synth-geers")


@pytest.fixture
def run_case(shared, tmp_path, monkeypatch):
    """run_case(name): (our rows, the peer's rows, the folder of the case)."""

    def case(name: str):
        folder = shared / "oracle" / "spam" / name
        words = shlex.split((folder / "cmd.txt").read_text())[1:]
        words[words.index("-od") + 1] = str(tmp_path)
        words[words.index("-pf") + 1] = str(folder / words[words.index("-pf") + 1])
        # what was the default of the peer is asked for here
        more = [] if {"-g", "-raw"} & set(words) else ["-q8"]
        assert main("regularStrain", [*words, *more]) == 0
        (theirs,) = folder.glob("*.tsv")
        return table(tmp_path / theirs.name), table(theirs), folder

    for _ in own_folder(tmp_path, monkeypatch):
        yield case


def shown(rows: np.ndarray) -> list[str]:
    return [name for name in rows.dtype.names[1:] if not name.endswith("_std") and name != "returnStatus"]


@pytest.mark.parametrize("name", SAME)
def test_the_same_numbers(name, run_case, tmp_path):
    ours, theirs, folder = run_case(name)
    assert set(shown(theirs)) <= set(shown(ours)) and len(ours) == len(theirs) > 50
    for column in shown(theirs):
        if (name, column) != ("strain-2d-q4", "Zpos"):  # the peer's layer has a thickness
            tolerance = 3e-6 if column[0] == "r" else 3e-7
            assert ours[column] == pytest.approx(theirs[column], abs=tolerance, nan_ok=True), column
    for path in folder.glob("*.tif"):
        image, other = tifffile.imread(tmp_path / path.name), tifffile.imread(path)
        assert image.ravel() == pytest.approx(other.ravel(), abs=3e-6, nan_ok=True), path.name


@pytest.mark.parametrize("name", INSIDE)
def test_geers_where_all_neighbours_are_there(name, run_case):
    ours, theirs, _ = run_case(name)
    assert (np.isnan(ours["vol"]) == np.isnan(theirs["vol"])).mean() > 0.99
    reach = 2 if "r2" in name else 1
    shape = [len(np.unique(theirs[axis])) for axis in ("Zpos", "Ypos", "Xpos") if np.ptp(theirs[axis])]
    steps = np.indices([2 * reach + 1] * len(shape)) - reach
    near = (steps**2).sum(axis=0) <= (2.1 if "r2" in name else 1.5) ** 2
    inside = binary_erosion(np.isfinite(theirs["vol"]).reshape(shape), near)
    assert inside.sum() > 20
    for column in shown(theirs):
        tolerance = 3e-6 if column[0] == "r" else 3e-7
        assert ours[column][inside.ravel()] == pytest.approx(theirs[column][inside.ravel()], abs=tolerance), column


@pytest.mark.parametrize("name", [name for name in (*SAME, *INSIDE, "strain-synth-geers-aniso") if "synth" in name])
def test_truth_of_affine_fields_everywhere(name, run_case):
    """Tables of the peer have seven decimals."""
    ours, _, folder = run_case(name)
    truth = json.loads((folder.parent / "_inputs" / "synth-AB.truth.json").read_text())
    f = np.array(truth["A"]["F"] if "F" in truth["A"] else truth["A"])[:3, :3]
    parts = decompose_f(f)
    rows, columns = np.triu_indices(3)
    assert np.isfinite(ours["vol"]).all() and np.abs(ours["vol"] - parts.vol).max() < 1e-7
    assert np.abs(tensor(ours, "e") - parts.e[rows, columns]).max() < 1e-7
    assert np.abs(np.stack([ours["rz"], ours["ry"], ours["rx"]], axis=1) - parts.r).max() < 1e-5
