"""The command lines of the peer's recorded cases, on images whose displacement is known: at least as right as spam.

A node is inside when its window and one voxel more lie in both images; this counts the same nodes as the `n_inside`
of the recorded figures. Nodes that are not inside need not converge, but no node may converge on a wrong value.
"""

import json
import shlex

import numpy as np
import pytest
import tifffile
from reg_ends import run_in_process

CASES = (
    "ldic-2d",
    "ldic-large-psfield",
    "ldic-mask",
    "ldic-noisy",
    "ldic-skp",
    "ldic-snow-reg",
    "ldic-tex-field",
    "ldic-tex-field-shift",
    "ldic-tex-field-ug-o3",
    "ldic-tex-rig",
)
FAILED = (1, -1, -2, -3)  # what -skp measures again


def table(path) -> np.ndarray:
    return np.genfromtxt(path, names=True)


def columns(rows, suffix) -> np.ndarray:
    return np.stack([rows[axis + suffix] for axis in "ZYX"], axis=1)


def arguments(words, out_dir) -> list[str]:
    """The peer's arguments with another output folder and the peer's functional."""
    words = words[1:]
    words[words.index("-od") + 1] = str(out_dir)
    del words[words.index("-np") : words.index("-np") + 2]
    return [*words, "-crit", "ssd", *([] if "-o" in words else ["-o", "1"])]


def inside_both(truth, shape, half_window) -> np.ndarray:
    """Which nodes have their window and one voxel more in im1, and where it went in im2."""
    axes = slice(3 - len(shape), 3)
    position, moved = columns(truth, "pos"), columns(truth, "pos") + columns(truth, "disp")
    low, high = half_window + 1, np.array(shape) - 1 - (half_window + 1)
    return np.all([((low <= x[:, axes]) & (x[:, axes] <= high)).all(axis=1) for x in (position, moved)], axis=0)


@pytest.fixture(scope="module", params=CASES)
def case(request, shared, tmp_path_factory):
    """(name, folder, words of the command, our rows) of a case."""
    folder, out = shared / "oracle" / "spam" / request.param, tmp_path_factory.mktemp(request.param)
    words = shlex.split((folder / "cmd.txt").read_text())
    run_in_process("ldic", *arguments(words, out), cwd=folder)
    (path,) = out.glob("*.tsv")
    return request.param, folder, words, table(path)


def displacement_errors(folder, rows) -> np.ndarray:
    truth = table(folder / "truth.tsv")
    assert np.array_equal(columns(truth, "pos"), columns(rows, "pos"))
    return np.linalg.norm(columns(rows, "disp") - columns(truth, "disp"), axis=1)


def test_inside_at_least_as_right_as_the_peer(case):
    name, folder, words, rows = case
    recorded = json.loads((folder / "accuracy.json").read_text())
    peer = recorded["good_and_windows_inside_both_images"]
    shape = tifffile.imread(folder / words[1]).shape
    inside = inside_both(table(folder / "truth.tsv"), shape, int(words[words.index("-hws") + 1]))
    assert inside.sum() == recorded["n_inside"]
    good = displacement_errors(folder, rows)[inside & (rows["returnStatus"] == 2)]
    ours = {"n": len(good), "median": np.median(good), "p95": np.percentile(good, 95), "max": good.max()}
    print(f"{name}:", *(f"{key} {ours[key]:.4g} (peer {peer[key]:.4g})" for key in ours))
    assert ours["n"] >= peer["n"]
    for figure in ("median", "p95", "max"):
        assert ours[figure] <= peer[figure] + 1e-6, figure  # tables of the peer have seven decimals


def test_no_converged_row_is_wrong(case):
    name, folder, words, rows = case
    good = rows["returnStatus"] == 2
    if "-skp" in words:  # the rows that are kept are the peer's
        good &= np.isin(table(folder / words[words.index("-pf") + 1])["returnStatus"], FAILED)
    wrong = good & (displacement_errors(folder, rows) > 0.5)
    print(f"{name}: {good.sum()} of {len(rows)} converged, {wrong.sum()} of them wrong")
    assert not wrong.any(), f"nodes {np.flatnonzero(wrong)}"
