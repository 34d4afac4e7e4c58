"""Rows freed of the curvature that neighbours show: what windows have done themselves is not done twice."""

from dataclasses import replace

import numpy as np
import pytest

from hpcdvc.fields.field import ROW
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.status import Status
from hpcdvc.ranks.team import Team
from hpcdvc.registration.settings import Iterations, Settings, Window
from hpcdvc.steps.curvature import corrected_by_neighbours, corrections, neighbourhood_of

pytestmark = pytest.mark.filterwarnings("error")
GRID = Grid((0.0, 5.0, 5.0), (1.0, 5.0, 5.0), (1, 30, 32))
SETTINGS = Settings(Window((0, 7, 7)), dimensions=2)
#: A wave of four windows in the last component, as windows see it.
WAVE = 2 * np.pi / 60
MEAN = np.sin(WAVE * 7.5) / (15 * np.sin(WAVE / 2))
AMPLITUDE = 0.3


def rows_of_wave() -> np.ndarray:
    """Rows of affine windows in a wave, without noise but with the variances of some."""
    rows, x = np.zeros(GRID.size, ROW), GRID.positions()[:, 2]
    rows["index"], rows["return_status"], rows["valid_fraction"] = np.arange(GRID.size), Status.CONVERGED, 1
    rows["Phi"], rows["variance"] = np.eye(3, 4), 1e-6
    rows["Phi"][:, 2, 3] = MEAN * AMPLITUDE * np.sin(WAVE * x)
    rows["Phi"][:, 2, 2] += MEAN * AMPLITUDE * WAVE * np.cos(WAVE * x)
    return rows


def corrected(rows: np.ndarray, team: Team | None = None, spread: bool = False) -> np.ndarray:
    return corrected_by_neighbours(rows.copy(), GRID, neighbourhood_of(GRID, SETTINGS), team or Team(), spread)


@pytest.fixture(scope="module")
def affine() -> np.ndarray:
    """Rows of the wave, corrected; no window has seen anything."""
    return corrected(rows_of_wave())


def test_what_is_lost_comes_back(affine):
    before, (y, x) = rows_of_wave(), GRID.positions()[:, 1:].T
    inside = (x > 20) & (x < 135) & (y > 20) & (y < 125)
    error = [rows["Phi"][:, 2, 3] - AMPLITUDE * np.sin(WAVE * x) for rows in (before, affine)]
    assert np.abs(error[1][inside]).max() < 0.15 * np.abs(error[0][inside]).max()
    added = affine["Phi"][:, :, 3] - before["Phi"][:, :, 3]
    assert np.abs(affine["curvature"] - added).max() < 1e-8 and not added[:, :2].any()
    assert (affine["variance"][inside, 11] > 1.1 * before["variance"][inside, 11]).all()
    rest = [name for name in ROW.names if name not in ("Phi", "variance", "curvature")]
    assert all((affine[name] == before[name]).all() for name in rest)
    assert (affine["Phi"][:, :, :3] == before["Phi"][:, :, :3]).all()
    assert (np.delete(affine["variance"], 11, axis=1) == np.delete(before["variance"], 11, axis=1)).all()


def test_a_window_that_has_corrected_itself_is_not_corrected_twice(affine):
    """It gets the part that it left, and its neighbours see what it was before."""
    rows = rows_of_wave()
    rows["curvature_part"][200:500] = np.linspace(0, 1, 300)
    rows["curvature"][200:500, 2] = 0.07
    rows["Phi"][:, :, 3] += rows["curvature"]
    after = corrected(rows)
    by_neighbours = affine["Phi"][:, 2, 3] - rows_of_wave()["Phi"][:, 2, 3]
    added = after["Phi"][:, 2, 3] - rows["Phi"][:, 2, 3]
    assert np.abs(added - (1 - rows["curvature_part"]) * by_neighbours).max() < 1e-6
    assert np.abs(by_neighbours).max() > 0.02
    assert np.abs(after["curvature"][:, 2] - rows["curvature"][:, 2] - added).max() < 1e-8


def test_nodes_that_get_nothing(affine):
    """Those that failed stay as they are to the last bit; windows that have lost voxels miss something else."""
    rows = rows_of_wave()
    rows["return_status"][[300, 400]] = Status.DECORRELATED
    rows["Phi"][300] = 77
    rows["Phi"][400] = np.nan
    rows["Phi"][420], rows["return_status"][420] = 1e200, Status.ERROR_GROWTH
    rows["variance"][420] = np.inf
    rows["valid_fraction"][410] = 0.7
    after = corrected(rows)
    assert after[[300, 400, 410, 420]].tobytes() == rows[[300, 400, 410, 420]].tobytes()
    assert affine["curvature"][[300, 400, 410, 420], 2].all()
    others = np.setdiff1d(np.arange(GRID.size), [300, 400, 410, 420])
    assert np.abs(after["Phi"][others] - affine["Phi"][others]).max() < 0.01


def test_who_wants_it():
    near = neighbourhood_of(GRID, SETTINGS)
    assert near.axes == (1, 2) and corrections(SETTINGS, near) == {"windows": True, "neighbours_along": "yx"}
    off = replace(SETTINGS, window=replace(SETTINGS.window, shape_order="1"))
    rigid = replace(SETTINGS, iterations=Iterations(rigid=True))
    for settings in (off, rigid):
        assert neighbourhood_of(GRID, settings) is None
        assert corrections(settings, None) == {"windows": False, "neighbours_along": ""}
    coarse = Grid(GRID.origin, (1.0, 8.0, 8.0), GRID.shape)
    assert neighbourhood_of(coarse, SETTINGS) is None
    assert corrections(SETTINGS, None) == {"windows": True, "neighbours_along": ""}


def test_planes_by_planes(monkeypatch):
    """The same bits as of all at once."""
    grid, settings = Grid((4.0,) * 3, (4.0,) * 3, (80, 9, 10)), Settings(Window((5, 5, 5)))
    rng, rows, z = np.random.default_rng(3), np.zeros(grid.size, ROW), grid.positions()[:, 0]
    rows["index"], rows["return_status"], rows["valid_fraction"] = np.arange(grid.size), Status.CONVERGED, 1
    rows["Phi"], rows["variance"] = np.eye(3, 4), 1e-4
    rows["Phi"][:, :, 3] = 0.2 * np.sin(2 * np.pi / 40 * z)[:, None] + rng.normal(0, 0.01, (grid.size, 3))
    rows["Phi"][:, :, 0] += 0.2 * 2 * np.pi / 40 * np.cos(2 * np.pi / 40 * z)[:, None]
    rows["return_status"][rng.random(grid.size) < 0.02] = Status.DECORRELATED
    near, found = neighbourhood_of(grid, settings), []
    for together in (10**6, 1):
        monkeypatch.setattr("hpcdvc.steps.curvature.TOGETHER", together)
        found.append(corrected_by_neighbours(rows.copy(), grid, near, Team(), False))
    assert near.depth(0) < 35 and (found[0]["curvature"] != 0).any(axis=1).mean() > 0.1
    assert found[0].tobytes() == found[1].tobytes()


@pytest.mark.mpi
@pytest.mark.parametrize("spread", [False, True])
def test_any_ranks_give_the_same_bits(team, spread):
    """Whoever has measured what: here all but rank 0, and the last of them nothing where there are three."""
    expected = corrected(rows_of_wave())
    owner = np.random.default_rng(1).integers(0, max(1, team.size - 1), GRID.size)
    mine = np.random.default_rng(2).permutation(np.flatnonzero(owner == (team.rank - 1) % team.size))
    rows = corrected(rows_of_wave()[mine], team, spread)
    start, stop = team.spans(GRID.size) if spread else (0, GRID.size if team.rank == 0 else 0)
    assert rows.tobytes() == expected[start:stop].tobytes()
