"""The command lines of the peer's recorded runs on labels of known motion: at least as right, at the centre of mass."""

import shlex

import numpy as np
import pytest
from reg_ends import run_in_process

from hpcdvc.output.tsv import read_tsv

#: Ranks on which each case runs; the files must be the same, byte for byte.
RANKS = {
    "ddic-grains": (None, 2, 3),
    "ddic-grains-pf": (None,),
    "ddic-grains-msb2": (None,),
    "ddic-grains-nr-ug": (None, 2),
    "ddic-spheres": (None,),
}


@pytest.fixture(scope="module", params=RANKS)
def case(request, shared, run_command, tmp_path_factory):
    """(name, truth, field of the peer, ours, files): fields without the background, rows ascending."""
    folder, out = shared / "oracle" / "spam" / request.param, tmp_path_factory.mktemp(request.param)
    words = shlex.split((folder / "cmd.txt").read_text())[1:]
    del words[words.index("-np") : words.index("-np") + 2]
    files = set()
    for ranks in RANKS[request.param]:
        words[words.index("-od") + 1] = str(out / str(ranks))
        if ranks is None:
            run_in_process("ddic", *words, cwd=folder)
        else:
            done = run_command("ddic", *words, cwd=folder, ranks=ranks, timeout=100)
            assert done.returncode == 0, done.stderr
        (path,), (hdf,) = (tuple((out / str(ranks)).glob(f"*.{end}")) for end in ("tsv", "hdf"))
        files.add((path.read_bytes(), hdf.read_bytes()))
    assert len(files) == 1
    (peer,) = folder.glob("*-ddic.tsv")
    return request.param, read_tsv(folder / "truth.tsv"), _without_background(read_tsv(peer)), read_tsv(path), out


def _without_background(field):
    rows = field.extra["label"] > 0
    for name in ("positions", "phi", "return_status"):
        setattr(field, name, getattr(field, name)[rows])
    field.extra["label"] = field.extra["label"][rows]
    return field


def _errors(field, truth):
    """Of displacements (voxel) and rotations (degrees) of what converged."""
    good = field.return_status == 2
    wrong = np.linalg.norm(field.displacement - truth.displacement, axis=1)
    u, _, vt = np.linalg.svd(field.phi[good, :3, :3])
    turned = (u @ vt) @ np.swapaxes(truth.phi[good, :3, :3], 1, 2)
    cosine = (np.trace(turned, axis1=1, axis2=2) - 1) / 2
    return wrong[good], np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def test_at_least_as_right_as_the_peer(case):
    name, truth, peer, ours, _ = case
    assert np.array_equal(ours.extra["label"], truth.extra["label"])
    assert np.allclose(ours.positions, truth.positions, atol=1e-5)
    (wrong, turned), (theirs, their_turns) = _errors(ours, truth), _errors(peer, truth)
    percent = (50, 95, 100)
    print(name, len(wrong), len(theirs), *(np.percentile(e, percent).round(4) for e in (wrong, theirs, turned)))
    assert len(wrong) >= len(theirs)
    assert (np.percentile(wrong, percent) <= np.percentile(theirs, percent)).all()
    if name != "ddic-spheres":
        assert np.median(turned) <= np.median(their_turns)
