"""The peer's recorded cases of registration across modalities: the truth where it is known, and a real pair."""

import json
import shlex

import numpy as np
import pytest
from reg_ends import play_command

from hpcdvc.cli import main
from hpcdvc.fields.status import Status
from hpcdvc.output.tsv import read_tsv

#: Part of im2 that im1 must explain on the real pair, the square of the correlation ratio 0.78.
EXPLAINED = 0.78**2


def run(shared, tmp_path, monkeypatch, case, *more):
    """The recorded command line, with some words more; the table of its result."""
    folder = shared / "oracle" / "spam" / case
    monkeypatch.chdir(folder)
    play_command(monkeypatch, "mmr")
    words = shlex.split((folder / "cmd.txt").read_text())[1:]
    words[words.index("-od") + 1] = str(tmp_path)
    assert main("mmr", [*words, *more, "-pre", "P", "-q"]) == 0
    return read_tsv(str(tmp_path / "P-PhiMMR-bin1.tsv"))


@pytest.mark.parametrize("more", [(), ("-rig",)])
def test_synth(shared, tmp_path, monkeypatch, more):
    """Three phases, a rigid motion; the peer is 0.023 voxel and 0.0037 off."""
    field = run(shared, tmp_path, monkeypatch, "mmr-synth", *more)
    truth = np.array(json.loads((shared / "oracle/spam/_inputs/mm2.truth.json").read_text())["Phi"])
    wrong = np.abs(field.phi[0] - truth)
    assert field.return_status[0] == Status.CONVERGED and np.allclose(field.positions[0], 39.5)
    assert wrong[:3, 3].max() <= 0.008 and wrong[:3, :3].max() <= 5e-4
    std = np.sqrt(field.extra["variance"][0, 3::4])
    assert wrong[:3, 3].max() < 4 * std.max() and std.max() < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("more", [("-rig",), ()])
def test_concrete(shared, tmp_path, monkeypatch, more):
    """x-rays and neutrons, about 20 degrees apart about z."""
    field = run(shared, tmp_path, monkeypatch, "mmr-concrete", "--auto", *more)
    assert field.return_status[0] == Status.CONVERGED and field.extra["explained"][0] > EXPLAINED
    angle = np.rad2deg(np.arctan2(field.phi[0, 2, 1], field.phi[0, 1, 1]))
    assert 18 < abs(angle) < 22 and abs(np.linalg.det(field.phi[0, :3, :3]) - 1) < 0.06
