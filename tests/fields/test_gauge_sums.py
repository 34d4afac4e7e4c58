"""Sums over many points of a grid: what they cost, and that they are those over all pairs."""

import numpy as np
import pytest

from hpcdvc.fields.gauged import Gauged
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.overlap import WindowOverlap
from hpcdvc.fields.phi import rotation_matrix
from hpcdvc.fields.regions import BLOCK, mean_strain, means
from hpcdvc.fields.removal import Removal, fit_removal
from hpcdvc.fields.strain import PAIRS
from hpcdvc.fields.sums import FEW, Errors

SLOPES = np.array([[0.01, 0.002, 0], [0.003, -0.004, 0.001], [0, 0.005, 0.002]])


def gauged(shape=(48, 12, 12), flat=False, removed: str | None = None) -> Gauged:
    """An affine field, windows of 11 voxels every 5."""
    grid = Grid((0.0 if flat else 5.0, 5.0, 5.0), (5.0, 5.0, 5.0), shape)
    positions = grid.positions()
    moved, rows = positions @ SLOPES.T, np.arange(len(positions))
    variance = np.broadcast_to([0.0 if flat else 1e-6, 1e-6, 1e-6], positions.shape)
    errors = Errors(positions, variance, WindowOverlap((0 if flat else 5, 5, 5)), grid)
    removal = fit_removal(removed, positions, moved, rows, flat) if removed else None
    measured = np.ones(len(positions), bool)
    return Gauged(positions, moved, None, measured, grid, None, flat, errors, removed=removal, as_measured=moved)


def test_no_block_of_a_region_takes_an_array_of_the_whole_grid(monkeypatch):
    """The time of a strain grows as its nodes do, not as their square."""
    field, lengths, count = gauged(), [], np.bincount

    def counted(*arguments):
        lengths.append(len(count(*arguments)))
        return count(*arguments)

    monkeypatch.setattr(np, "bincount", counted)
    found = mean_strain(field, np.flatnonzero(field.measured))
    assert len(field.positions) > 6 * BLOCK and len(lengths) == 21
    assert max(lengths) <= BLOCK + 2 * (144 + 12 + 1) + 1
    assert found["strain_places"] == len(field.positions)
    assert [found["ezz"], found["ezy"], found["eyx"]] == pytest.approx([0.01, 0.0025, 0.003], abs=1e-12)


def test_modes_of_a_motion_are_made_once_for_all_sums(monkeypatch):
    field, sizes, modes = gauged((8, 8, 8), removed="rigid"), [], Removal.modes

    def counted(removal, positions, displacement):
        sizes.append(len(positions))
        return modes(removal, positions, displacement)

    monkeypatch.setattr(Removal, "modes", counted)
    means(field, np.arange(128))
    assert sizes.count(512) == 1 and sizes.count(128) == 9


@pytest.mark.parametrize("removed", [None, "rigid", "dilation"])
def test_a_sum_on_a_grid_is_that_over_all_pairs(removed):
    field = gauged((8, 8, 8), removed=removed)
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(512, 3)) * [0, 1, 1]
    found = field.deviation(np.arange(512), weights)
    if removed:
        modes = field._fitted.reshape(1536, -1)
        turned = (weights @ field.removed.back).ravel()
        weights = (turned - modes @ np.linalg.lstsq(modes, turned, rcond=None)[0]).reshape(-1, 3)
    correlation = field.errors.overlap.correlation(field.positions[:, None] - field.positions)
    assert found == pytest.approx(1e-3 * np.sqrt(np.einsum("ai,ab,bi->", weights, correlation, weights)), rel=1e-9)


def test_across_an_image_there_is_no_error():
    field = gauged((1, 21, 21), flat=True)
    found = means(field, np.arange(FEW + 1))
    assert found["Zdisp_std"] == found["ezz_std"] == 0 < found["ezy_std"] + found["eyx_std"]


@pytest.mark.parametrize("turn", [(0.0, 0.0, 0.0), (20.0, -35.0, 10.0)])
def test_a_particle_that_was_turned_only_strains_as_little_as_its_rotation_errs(turn):
    """Found by new errors again and again: of a small rotation nothing is left."""
    rotation, place = rotation_matrix(np.array(turn)), np.zeros((1, 3))
    deviations = np.array([[0, 3, 1], [3, 0, 2], [1, 2, 0]]) * 1e-4
    field = Gauged(
        place, place, rotation[None], np.ones(1, bool), None, None, False,
        errors=Errors(place, np.full((1, 3), 1e-6)), f_variance=deviations[None] ** 2,
    )  # fmt: skip
    found = means(field, np.array([0]), own=True)
    errors = np.triu(deviations) * np.random.default_rng(2).normal(size=(4000, 3, 3))
    f = rotation @ (np.eye(3) + errors - np.swapaxes(errors, 1, 2))
    scatter = (0.5 * (f + np.swapaxes(f, 1, 2))).std(axis=0)[np.triu_indices(3)]
    said = np.array([found[f"e{pair}_std"] for pair in PAIRS])
    assert said == pytest.approx(scatter, rel=0.05, abs=1e-12)
    assert any(turn) == (said > 1e-6).any()
