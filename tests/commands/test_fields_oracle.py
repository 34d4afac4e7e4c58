"""What spam has recorded of passed, filtered and merged fields: the same where it is right, else the truth."""

import shlex
from pathlib import Path

import numpy as np
import pytest

from hpcdvc.cli import main
from hpcdvc.fields.field import Field
from hpcdvc.fields.merge import total_rows
from hpcdvc.output.tsv import read_tsv

#: Numbers of spam's tables have seven decimals.
DIGITS = 2e-7


@pytest.fixture
def case(shared, tmp_path, monkeypatch):
    """Our and spam's field of a case, both without row 0 of label 0, and the folder of the inputs."""

    def carried_out(name: str) -> tuple[Field, Field, Path]:
        folder = shared / "oracle" / "spam" / name
        command, *words = shlex.split((folder / "cmd.txt").read_text())
        words[words.index("-od") + 1] = str(tmp_path / name)
        monkeypatch.chdir(folder)
        assert main(command.removeprefix("spam-"), [*words, "-q"]) == 0
        (theirs,) = folder.glob("*.tsv")
        return read_tsv(tmp_path / name / theirs.name), read_tsv(theirs), folder.parent / "_inputs"

    return carried_out


def difference(ours: Field, theirs: Field, rows=slice(None)) -> np.ndarray:
    return np.abs(ours.phi[rows] - theirs.phi[rows]).reshape(-1, 16).max(axis=1)


def unambiguous(positions: np.ndarray, points: np.ndarray, count: int) -> np.ndarray:
    """Points (m,) whose `count` nearest positions are no matter of choice."""
    distances = np.sort(np.linalg.norm(positions - points[:, None], axis=2), axis=1)
    return distances[:, count] - distances[:, count - 1] > 1e-6


@pytest.mark.parametrize(
    "name", ["pass-reg-grid", "pass-reg-lab", "pass-ddic-grid", "pass-grid-lab", "pass-grid-grid-nr"]
)
def test_passed(case, name):
    ours, theirs, _ = case(name)
    last = theirs.extra.get("label", np.ones(len(theirs))) != 0
    got = np.isfinite(theirs.phi[last]).all(axis=(1, 2))
    np.testing.assert_allclose(ours.positions, theirs.positions[last], atol=1e-5)
    assert difference(ours, theirs, last)[got].max() < DIGITS if last.all() else True
    rows = np.flatnonzero(last)
    assert np.abs(ours.phi[got] - theirs.phi[rows[got]]).max() < 5e-7
    # points that got nothing say so; spam calls them 1
    assert (ours.return_status == np.where(got, 1, -12)).all()


def test_passed_to_the_nearest(case, shared):
    """Where some of the eight nearest are equally far, which of them count is a matter of choice."""
    ours, theirs, _ = case("pass-grid-grid")
    source = read_tsv(shared / "oracle" / "spam" / "ldic-tex-field" / "tex1-tex2-field-ldic.tsv")
    sure = unambiguous(source.positions[source.return_status == 2], ours.positions, 8)
    assert sure.sum() > 500 and difference(ours, theirs, sure).max() < DIGITS


def test_subtracted(case):
    ours, theirs, _ = case("pass-regs")
    good = theirs.return_status == 2
    assert difference(ours, theirs, good).max() < DIGITS and (ours.return_status[good] == 2).all()
    assert not ours.measured[~good].any() and ours.grid is not None


@pytest.mark.parametrize("name", ["pass-merge", "pass-merge-mpl"])
def test_merged_with_particles(case, name):
    ours, theirs, _ = case(name)
    assert ours.measured.sum() > 100 and difference(ours, theirs, ours.measured).max() < DIGITS
    assert (ours.return_status[~ours.measured] == -12).all()
    assert (theirs.return_status[~ours.measured] < 2).all()  # nothing that was measured is lost


@pytest.mark.parametrize("name", ["filter-srs-cint-nr-no", "filter-slqc-clqf"])
def test_corrected_within_a_radius(case, name):
    ours, theirs, _ = case(name)
    some = theirs.return_status != -5
    assert difference(ours, theirs, some).max() < DIGITS
    replaced = theirs.error == 100
    assert ((ours.return_status == 3) == replaced).all() and (ours.return_status[~some] == -5).all()


def test_corrected_by_the_nearest(case):
    ours, theirs, inputs = case("filter-srs-cint")
    source = read_tsv(inputs / "polluted-ldic.tsv")
    sure = unambiguous(source.positions[source.return_status == 2], ours.positions, 12)
    replaced = theirs.error == 100
    assert ((ours.return_status == 3) == replaced).all() and (sure & replaced).any()
    assert difference(ours, theirs, sure & replaced).max() < DIGITS


def test_coherency_of_the_nearest(case):
    """27 nearest: the planted rows are found, and only where there is a choice spam takes two more."""
    ours, theirs, _ = case("filter-slqc-cint-nn")
    mine, other = ours.return_status == 3, theirs.error == 100
    assert (mine <= other).all() and (mine.sum(), other.sum()) == (51, 53)


def test_correlation(case):
    ours, theirs, _ = case("filter-scc")
    assert ((ours.return_status == 3) == (theirs.error == 100)).all() and (ours.return_status == 3).sum() == 2


@pytest.mark.parametrize(("name", "half"), [("filter-fm-all", 1), ("filter-fm-no", 2)])
def test_median(case, name, half):
    """Where the box holds measured rows only: of others spam takes what it finds."""
    ours, theirs, inputs = case(name)
    source = read_tsv(inputs / "polluted-ldic.tsv")
    bad = np.pad((source.return_status != 2).reshape(source.grid.shape), half, mode="symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(bad, (2 * half + 1,) * 3)
    clean = ~windows.any(axis=(3, 4, 5)).reshape(-1)
    assert clean.sum() > 5 and difference(ours, theirs, clean).max() < DIGITS
    assert (ours.return_status[clean] == 3).all()


def test_nothing_asked(shared, tmp_path, monkeypatch):
    monkeypatch.chdir(shared / "oracle" / "spam" / "filter-default-nothing")
    words = shlex.split(Path("cmd.txt").read_text())[1:]
    words[words.index("-od") + 1] = str(tmp_path / "out")
    assert main("filterPhiField", words) == 2 and not (tmp_path / "out").exists()


def test_registrations_merged(case):
    ours, theirs, _ = case("merge-reg")
    assert difference(ours, theirs).max() < DIGITS and ours.return_status[0] == 1


@pytest.mark.parametrize(
    ("name", "truth"),
    [("merge-grid-synth", "synth-BoA-grid.truth.tsv"), ("merge-ddic-synth", "synth-D2oD1-ddic.truth.tsv")],
)
def test_affine_motions_merged(case, name, truth):
    """Exact where spam is up to 1.7 voxels off."""
    ours, _, inputs = case(name)
    right = read_tsv(inputs / truth)
    rows = np.flatnonzero(right.extra.get("label", np.ones(len(right))) != 0)
    assert (ours.return_status == 1).all() and np.abs(ours.phi - right.phi[rows]).max() < 5e-7


def test_a_bent_field_merged_with_itself(case):
    """Nearer than spam, by far, to what is exact for quadratic increments."""
    ours, theirs, inputs = case("merge-grid")
    source = read_tsv(inputs.parent / "ldic-tex-field" / "tex1-tex2-field-ldic.tsv")
    source.extra |= {name: np.ones(len(source)) for name in ("zncc", "valid_fraction")}
    source.extra["variance"] = np.ones((len(source), 12))
    right = total_rows(source, source, np.arange(len(source)))["Phi"][:, :, 3]
    off = [np.linalg.norm(some.displacement - right, axis=1) for some in (ours, theirs)]
    off = [np.nanpercentile(some, [50, 95]) for some in off]
    assert (ours.return_status == 1).all() and (off[0] < 0.4 * off[1]).all() and off[0][0] < 0.06
