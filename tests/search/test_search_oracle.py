"""The command lines of the peer's recorded searches, on images whose motion is known: at least as right as spam."""

import shlex

import numpy as np
import pytest
from reg_ends import run_in_process

CASES = ("ps-large-nopf", "ps-large-pf-all", "ps-large-pf-no", "ps-mask", "ps-2d", "ps-lab-grains", "ps-lab-spheres")
RANKS = {"ps-mask": (None, 2, 3), "ps-lab-grains": (None, 2)}


def table(path) -> np.ndarray:
    return np.genfromtxt(path, names=True)


def columns(rows, suffix) -> np.ndarray:
    return np.stack([rows[axis + suffix] for axis in "ZYX"], axis=1)


@pytest.fixture(scope="module", params=CASES)
def case(request, shared, run_command, tmp_path_factory):
    """(name, truth, rows of the peer, ours), particles without the background."""
    folder, out = shared / "oracle" / "spam" / request.param, tmp_path_factory.mktemp(request.param)
    words = shlex.split((folder / "cmd.txt").read_text())[1:]
    del words[words.index("-np") : words.index("-np") + 2]
    tables = set()
    for ranks in RANKS.get(request.param, (None,)):
        words[words.index("-od") + 1] = str(out / str(ranks))
        if ranks is None:
            run_in_process("pixelSearch", *words, cwd=folder)
        else:
            done = run_command("pixelSearch", *words, cwd=folder, ranks=ranks, timeout=100)
            assert done.returncode == 0, done.stderr
        (path,) = (out / str(ranks)).glob("*.tsv")
        tables.add(path.read_bytes())
    assert len(tables) == 1
    (peer,) = folder.glob("*-pixelSearch.tsv")
    peer = table(peer)
    return (
        request.param,
        table(folder / "truth.tsv"),
        peer[peer["Label"] > 0] if "Label" in peer.dtype.names else peer,
        table(path),
    )


def test_at_least_as_right_as_the_peer(case):
    name, truth, peer, ours = case
    assert np.allclose(columns(ours, "pos"), columns(peer, "pos"), atol=1e-5)
    right = columns(truth, "disp")
    wrong = {
        key: np.linalg.norm(columns(rows, "disp") - right, axis=1) for key, rows in (("ours", ours), ("peer", peer))
    }
    wrong = {key: error[np.isfinite(error)] for key, error in wrong.items()}
    for key, error in wrong.items():
        print(name, key, len(error), *(f"{f(error):.3f}" for f in (np.median, lambda e: np.percentile(e, 95), np.max)))
    assert len(wrong["ours"]) >= len(wrong["peer"])
    for figure in (np.median, lambda error: np.percentile(error, 95), np.max):
        assert figure(wrong["ours"]) <= figure(wrong["peer"]) + 1e-6
    # rounding leaves half a voxel on each axis; texture that is deformed inside the window a little more
    assert wrong["ours"].max() < 1


def test_same_windows_are_skipped(case):
    _, _, peer, ours = case
    assert np.array_equal(peer["returnStatus"] == -5, ours["returnStatus"] == -5)
