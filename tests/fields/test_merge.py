"""Motions one after the other: how they go on, and increments as a total."""

import numpy as np
import pytest
from synthetic import Affine, DisplacementField, Sine, rotation, translation

from hpcdvc.fields.field import Field
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.merge import continued, total_rows
from hpcdvc.fields.status import Family, Status

GRID = Grid((10.0, 10.0, 10.0), (10.0, 10.0, 10.0), (7, 8, 9))
NODES = GRID.positions()


def phi_of(motion: DisplacementField, nodes: np.ndarray = NODES) -> np.ndarray:
    phi = np.tile(np.eye(4), (len(nodes), 1, 1))
    phi[:, :3] = motion.phi(nodes)
    return phi


def field_of(motion: DisplacementField, status: np.ndarray | None = None, family=Family.REGISTRATION) -> Field:
    status = np.full(GRID.size, 2) if status is None else status
    zero = np.zeros(GRID.size)
    extra = {"variance": np.full((GRID.size, 12), 0.01), "zncc": zero + 0.9, "valid_fraction": zero + 1}
    return Field(NODES, phi_of(motion), status, zero, zero + 5, zero, GRID, extra, family)


def as_field(rows: np.ndarray) -> Field:
    phi = np.tile(np.eye(4), (len(rows), 1, 1))
    phi[:, :3] = rows["Phi"]
    extra = {name: rows[name] for name in ("variance", "zncc", "valid_fraction")}
    return Field(
        NODES, phi, rows["return_status"], rows["error"], rows["iterations"], rows["delta_phi_norm"], GRID, extra,
        Family.PASSED,
    )  # fmt: skip


def screw(steps: int) -> Affine:
    """A steady screw about an axis outside the field."""
    axis = np.array([1.0, 2.0, 2.0]) / 3
    return rotation(3 * steps, (-200.0, 50.0, 0.0), axis, 7 * steps * axis)


@pytest.mark.parametrize("step", [1, 2, 5])
def test_a_steady_motion_goes_on(step):
    last, before, truth = (phi_of(screw(k)) for k in (step, step - 1, step + 1))
    assert np.abs(continued(last, before) - truth).max() < 1e-9
    # from what is turned by 3 degrees and 7 voxels, not to be found without
    assert np.abs(last - truth)[:, :3, 3].max() > 7


def test_a_strain_rate_goes_on():
    stretch = np.array([[1.02, 0.01, 0.0], [0.0, 0.97, 0.0], [0.03, 0.0, 1.0]])

    def state(k: int) -> np.ndarray:
        return phi_of(Affine(np.linalg.matrix_power(stretch, k), np.zeros(3), np.array([5.0, 60.0, -20.0])))

    assert np.abs(continued(state(2), state(1)) - state(3)).max() < 1e-9


def test_total_of_affine_increments():
    """Where the first point is by then: not the sum of what was measured at one place."""
    first, second = rotation(4, (30, 30, 30), shift=(2.0, -1.0, 3.0)), rotation(-7, (0, 60, 10), (3, 1, 1))
    one = as_field(total_rows(field_of(first), None, np.arange(GRID.size)))
    assert (one.return_status == 2).all() and (one.phi == phi_of(first)).all()
    rows = total_rows(field_of(second), one, np.arange(GRID.size))
    moved = NODES + first.displacement(NODES)
    truth = moved + second.displacement(moved) - NODES
    found = rows["return_status"] == 1
    assert found.mean() > 0.7 and ((rows["return_status"] == Status.NOT_REACHED) == ~found).all()
    assert np.abs(rows["Phi"][found, :, 3] - truth[found]).max() < 1e-9
    assert np.abs(rows["Phi"][found, :, :3] - second.F @ first.F).max() < 1e-9
    assert np.isnan(rows["Phi"][~found]).all()
    inside = ((moved >= NODES.min(axis=0)) & (moved <= NODES.max(axis=0))).all(axis=1)
    assert found[inside].all()
    deviation = np.sqrt(rows["variance"][:, 3::4])
    assert (deviation[inside] > 0.1).all() and (deviation[inside] <= np.sqrt(0.02) + 1e-12).all()
    naive = first.displacement(NODES) + second.displacement(NODES)
    assert np.abs(naive - truth)[found].max() > 0.3


def test_total_of_curved_increments():
    wave = Sine(np.array([0.0, 0.0, 1.5]), np.array([0.0, 0.0, 1 / 70]))
    drift = translation((0.0, 0.0, 4.0))
    one = as_field(total_rows(field_of(drift), None, np.arange(GRID.size)))
    rows = total_rows(field_of(wave), one, np.arange(GRID.size))
    moved = NODES + [0, 0, 4]
    inside = moved[:, 2] <= NODES[:, 2].max()
    error = (rows["Phi"][:, :, 3] - wave.displacement(moved) - [0, 0, 4])[inside]
    assert np.abs(error).max() < 0.02  # linear between nodes: 0.15
    assert np.abs(wave.displacement(moved) - wave.displacement(NODES)).max() > 0.5


def test_total_at_holes_and_at_the_edge():
    status = np.full(GRID.shape, 2)
    status[3, 3, 3] = status[5:, 5:, 5:] = Status.ERROR_GROWTH
    status[0, 0] = Status.NO_SPECIMEN
    drift = translation((0.0, 0.0, 4.0))
    one = as_field(total_rows(field_of(drift), None, np.arange(GRID.size)))
    step = field_of(drift, status.ravel())
    step.phi[status.ravel() < 0] = np.nan
    rows = total_rows(step, one, np.arange(GRID.size))
    ends = rows["return_status"].reshape(GRID.shape)
    assert ends[3, 3, 2] == ends[3, 3, 3] == 1 and ends[6, 7, 6] == Status.NOT_REACHED
    assert ends[2, 2, 8] == 1  # half a spacing outside the grid, next to measured nodes
    good = rows["return_status"] == 1
    assert np.abs(rows["Phi"][good, :, 3] - [0, 0, 8]).max() < 1e-9
    # what is lost stays lost
    last = total_rows(field_of(drift), as_field(rows), np.arange(GRID.size))["return_status"]
    assert (last[~good] == Status.NOT_REACHED).all() and (last == 1).sum() > 100
    failed = total_rows(step, None, np.arange(GRID.size))
    assert ((failed["return_status"] == 2) == step.measured).all()
    empty = failed["return_status"] == Status.NO_SPECIMEN
    assert (empty == (status.ravel() == Status.NO_SPECIMEN)).all()
    assert ((failed["return_status"] == Status.NOT_REACHED) == ~step.measured & ~empty).all()
    assert (total_rows(field_of(drift), as_field(failed), np.arange(GRID.size))["return_status"][empty] == -5).all()


def test_some_of_the_rows_are_those_of_all():
    wave = Sine(np.array([0.3, 0.0, 1.5]), np.array([0.0, 0.003, 1 / 70]))
    one = as_field(total_rows(field_of(screw(1)), None, np.arange(GRID.size)))
    rows = total_rows(field_of(wave), one, np.arange(GRID.size))
    for some in (np.arange(3), np.array([7, 100, 101, 333]), np.array([GRID.size - 1])):
        assert total_rows(field_of(wave), one, some).tobytes() == rows[some].tobytes()
