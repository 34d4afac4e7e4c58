"""Fields at points for Python users: what is given back, on any number of ranks, and what is refused."""

import numpy as np
import pytest
from table_cases import GRID, SHAPE, field, grains, phi_of

import hpcdvc
from hpcdvc.errors import UserError
from hpcdvc.fields.phi import at_points

POSITIONS = GRID.positions()
PHI = at_points(np.eye(4), np.zeros(3), POSITIONS)
PHI[:, :3] = phi_of(POSITIONS)
POINTS = np.random.default_rng(0).uniform(5, 60, (1500, 3))


def test_registration_at_points():
    phi = np.eye(4)
    phi[:3] = phi_of(np.array([[30.0, 40, 50]]), 0.0)[0]
    for part in ("all", "rigid", "no"):
        found = hpcdvc.apply_registration_to_points(phi, [30, 40, 50], POINTS, part)
        np.testing.assert_allclose(found[:, :3, 3], phi_of(POINTS, 0.0)[:, :, 3], atol=1e-12)
        assert (found[:, :3, :3] == found[0, :3, :3]).all() and (found[:, 3] == [0, 0, 0, 1]).all()
    assert (found[:, :3, :3] == np.eye(3)).all()


def test_interpolated():
    for weight in ("inverse", "gaussian", "mean", "median"):
        found = hpcdvc.interpolate_phi_field(
            POSITIONS, PHI, POSITIONS, n_neighbours=1, neighbour_distance_weight=weight
        )
        np.testing.assert_allclose(found, PHI, atol=1e-12)
    found = hpcdvc.interpolate_phi_field(POSITIONS, PHI, POINTS, neighbour_radius=1.0)
    none = np.isnan(found[:, :3]).all(axis=(1, 2))
    assert none.mean() > 0.9
    rigid = hpcdvc.interpolate_phi_field(POSITIONS, PHI, POINTS, 8, interpolate_f="rigid")[:, :3, :3]
    np.testing.assert_allclose(np.swapaxes(rigid, 1, 2) @ rigid, np.tile(np.eye(3), (len(POINTS), 1, 1)), atol=1e-9)
    inside = hpcdvc.interpolate_phi_field(POSITIONS, PHI, POINTS, 8, check_point_surrounded=True)
    beyond = (POINTS > POSITIONS.max(axis=0)).any(axis=1) | (POINTS < POSITIONS.min(axis=0)).any(axis=1)
    assert np.isnan(inside[beyond, :3]).all() and np.isfinite(inside).all(axis=(1, 2)).any()


def test_coherency_and_fit():
    u = PHI[:, :3, 3].copy()
    u[33] += 5
    u[50] = np.nan
    coherency = hpcdvc.estimate_local_quadratic_coherency(POSITIONS, u, neighbour_radius=20.0)
    assert np.nanargmax(coherency) == 33 and np.isnan(coherency[50]) and (coherency >= 0.1).sum() == 1
    fitted = hpcdvc.estimate_displacement_from_quadratic_fit(
        np.delete(POSITIONS, 33, 0), np.delete(u, 33, 0), POSITIONS[[33, 50]], neighbour_radius=20.0
    )
    assert np.abs(fitted - PHI[[33, 50], :3, 3]).max() < 0.3  # of a quadratic to a sine


def test_grid_with_particles():
    image, centres, labels = grains()
    particles = field(None, centres, failed={2: -1}, label=labels)
    found = hpcdvc.merge_regular_grid_and_discrete(field(GRID), particles, image)
    lies_in = image[tuple(POSITIONS.astype(int).T)]
    assert (found.return_status[np.isin(lies_in, np.delete(labels, 2))] == 1).all() and found.grid == GRID
    other = hpcdvc.merge_regular_grid_and_discrete(field(GRID), [particles], [image], always_label=False)
    assert (other.return_status[field(GRID).measured] == 2).all()
    half = field(None, centres / 2, label=labels, failed={2: -1})
    half.phi[:, :3] = particles.phi[:, :3] * [1, 1, 1, 0.5]
    binned = hpcdvc.merge_regular_grid_and_discrete(field(GRID), half, image[::2, ::2, ::2], binning_labelled=2)
    both = binned.measured & found.measured & (binned.return_status == 1) & (found.return_status == 1)
    assert both.sum() > 30 and image.shape == SHAPE
    np.testing.assert_allclose(binned.displacement[both], found.displacement[both], atol=1e-9)


@pytest.mark.mpi
def test_ranks_share_the_work(team):
    calls = (
        (hpcdvc.interpolate_phi_field, (POSITIONS, PHI, np.tile(POINTS, (2, 1)), 8)),
        (hpcdvc.estimate_displacement_from_quadratic_fit, (POSITIONS, PHI[:, :3, 3], POINTS, None, 30)),
        (hpcdvc.estimate_local_quadratic_coherency, (POSITIONS, PHI[:, :3, 3], 25.0)),
    )
    for function, arguments in calls:
        np.testing.assert_array_equal(function(*arguments, comm=team.comm), function(*arguments))


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: hpcdvc.interpolate_phi_field(POSITIONS, PHI, POINTS), "one of neighbour_radius"),
        (lambda: hpcdvc.interpolate_phi_field(POSITIONS, PHI, POINTS, 3, 4.0), "one of neighbour_radius"),
        (lambda: hpcdvc.interpolate_phi_field(POSITIONS, PHI[:5], POINTS, 3), "shape"),
        (lambda: hpcdvc.interpolate_phi_field(POSITIONS, PHI, POINTS[:, :2], 3), "shape"),
        (lambda: hpcdvc.interpolate_phi_field(POSITIONS, PHI, POINTS, 3, interpolate_f="some"), "interpolate_f"),
        (lambda: hpcdvc.interpolate_phi_field(POSITIONS, PHI, POINTS, 0), "above 0"),
        (lambda: hpcdvc.estimate_local_quadratic_coherency(POSITIONS, POINTS, 9.0), "do not fit"),
        (lambda: hpcdvc.apply_registration_to_points(np.eye(3), [0, 0, 0], POINTS), "4 x 4"),
        (lambda: hpcdvc.merge_regular_grid_and_discrete(field(GRID), field(GRID), np.ones((2, 2, 2), int)), "label"),
    ],
)
def test_refused(call, told):
    with pytest.raises(UserError, match=told):
        call()
