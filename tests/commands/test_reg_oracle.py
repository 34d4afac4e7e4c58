"""The registrations that the peer has recorded, with its command lines: at least as right as spam, on any ranks."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import tifffile
from ldic_cases import digest
from reg_cases import corners, displacements
from reg_ends import run_in_process

from hpcdvc.fields.field import Field
from hpcdvc.output.tsv import read_tsv

CASES = ("reg-2d", "reg-mask", "reg-snow", "reg-tex-affine", "reg-tex-rigid")
RANKS = (2, 3)


def arguments(words: list[str], out: Path) -> list[str]:
    """The peer's arguments with another output folder."""
    words = words[1:]
    words[words.index("-od") + 1] = str(out)
    return words


@pytest.fixture(scope="module", params=CASES)
def case(request, shared, run_command, tmp_path_factory):
    """(folder, words of the command, the folders of our results) of a case."""
    folder, outs = shared / "oracle" / "spam" / request.param, []
    words = shlex.split((folder / "cmd.txt").read_text())
    outs.append(tmp_path_factory.mktemp(f"{request.param}-alone"))
    run_in_process("reg", *arguments(words, outs[-1]), cwd=folder)
    for ranks in RANKS:
        outs.append(tmp_path_factory.mktemp(f"{request.param}-{ranks}"))
        done = run_command("reg", *arguments(words, outs[-1]), cwd=folder, ranks=ranks)
        assert done.returncode == 0, done.stderr
    return folder, words, outs


def read(folder: Path) -> Field:
    (path,) = folder.glob("*-registration.tsv")
    return read_tsv(path)


def errors(found: Field, folder: Path, shape: tuple[int, ...]) -> dict[str, float]:
    """Length of the error of the displacement at the centre of the truth, and at the worst corner; voxels."""
    truth = json.loads((folder / "truth.json").read_text())
    d, centre = len(shape), np.array(truth["centreZYX"], float)
    points = np.vstack([centre[3 - d :], corners(shape)])
    both = [
        displacements(phi, at, points)
        for phi, at in ((found.phi[0], found.positions[0]), (np.array(truth["Phi"]), centre))
    ]
    error = np.linalg.norm(both[0] - both[1], axis=1)
    return {"centre": error[0], "worst corner": error[1:].max()}


def test_at_least_as_right_as_the_peer(case):
    folder, words, (out, *_) = case
    shape = tifffile.imread(folder / words[1]).shape
    ours, peer = (errors(read(where), folder, shape) for where in (out, folder))
    print(f"{folder.name}:", *(f"{name} {ours[name]:.5f} (peer {peer[name]:.5f})" for name in ours))
    for name in ours:
        assert ours[name] <= peer[name], name
    assert read(out).positions == pytest.approx(read(folder).positions, abs=1e-6)


def test_same_names_and_columns(case):
    folder, _, (out, *_) = case
    wanted = {path.name for path in folder.glob("*-*") if path.suffix in (".tsv", ".tif")}
    assert wanted <= {path.name for path in out.iterdir()}
    names = [next(where.glob("*-registration.tsv")).read_text().split("\n")[0].split("\t") for where in (folder, out)]
    assert names[1][: len(names[0])] == names[0]


def test_same_bytes_on_any_number_of_ranks(case):
    _, _, outs = case
    found = [{path.name: digest(path) for path in out.iterdir() if path.suffix != ".json"} for out in outs]
    assert found[0] == found[1] == found[2] and len(found[0]) >= 2


def test_deformed_image(case):
    """What is left between the deformed im1 and im2, far from the borders."""
    folder, words, (out, *_) = case
    if "-def" not in words:
        pytest.skip("the peer has no deformed image of this case")
    im2 = tifffile.imread(folder / words[2]).astype(float)
    part = tuple(slice(n // 8, n - n // 8) for n in im2.shape)
    (name,) = (path.name for path in folder.glob("*-reg-def.tif"))
    ours, peer = (tifffile.imread(where / name) for where in (out, folder))
    assert ours.dtype == peer.dtype and ours.shape == peer.shape
    left = [np.sqrt(np.mean((image.astype(float) - im2)[part] ** 2)) for image in (ours, peer)]
    print(f"{folder.name}: residual {left[0]:.1f} (peer {left[1]:.1f}) of {im2[part].std():.0f}")
    assert left[0] <= left[1]
