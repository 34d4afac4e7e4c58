"""The projector over ranks: both modes give what the plain functions give, and the same bits on any number of ranks."""

import numpy as np
import pytest
from tomography_cases import turned

from hpcdvc.errors import UserError
from hpcdvc.ranks.team import Team
from hpcdvc.tomography.beams import adjoint, forward
from hpcdvc.tomography.geometry import Geometry
from hpcdvc.tomography.projector import make_projector

VOLUME, VIEW = (13, 11, 22), (16, 21)
N = 7
SINGLE = turned(np.linspace(0.1, 3.0, N), np.zeros(N), VOLUME, VIEW)
UPSIDE_DOWN = Geometry(SINGLE.p, SINGLE.u, -SINGLE.w, VIEW, VOLUME, SINGLE.inner, SINGLE.outer)
DUAL = turned(np.linspace(0.1, 6.1, N), np.linspace(-0.7, 0.9, N), VOLUME, VIEW)
J_OFFSETS, K_OFFSETS = np.random.default_rng(1).uniform(-3, 3, (2, N))
K_OFFSETS[2], J_OFFSETS[4], K_OFFSETS[5] = -12.6, 9.1, 14.2
CASES = {"slab": (SINGLE, "slab"), "slab upside down": (UPSIDE_DOWN, "slab"), "replicated": (DUAL, "replicated")}
CASES["replicated single"] = (SINGLE, "replicated")


def pieces(team, scan: Geometry, mode: str, exact: bool = True) -> dict:
    """All that a projector gives, put together on rank 0, beside what the plain functions give."""
    rng = np.random.default_rng(0)
    x, y = rng.random(VOLUME, dtype="f4"), rng.random((N, *VIEW), dtype="f4")
    projector = make_projector(scan, team, mode, exact).moved(J_OFFSETS, K_OFFSETS)
    own = slice(projector.own_views.start, projector.own_views.stop)
    part = np.ascontiguousarray(x[projector.volume_slices])
    assert part.shape == projector.part_shape == projector.ones().shape
    measured = projector.measured(y[own])
    assert measured.shape == projector.measured_shape
    projections = projector.forward(part)
    back = projector.adjoint(measured)
    whole = np.concatenate(team.all_gather(projector.views(projections)))
    there = np.concatenate(team.all_gather(projector.views(measured)))
    weights = np.concatenate(team.all_gather(projector.views(projector.weights())))
    return {
        "projections": whole,
        "back": team.broadcast(projector.gather(back)),
        "there": there,
        "weights": weights,
        "preconditioner": team.broadcast(projector.gather(projector.preconditioner())),
        "sums": [projector.sum_volume(part), projector.sum_measured(projections), projector.sum_measured(measured)],
    }


@pytest.mark.mpi
@pytest.mark.parametrize("name", CASES)
def test_ranks_change_no_bit(name, team):
    """On any number of ranks, and of nodes, what one rank gives; which is what the plain functions give."""
    scan, mode = CASES[name]
    alone = pieces(Team(), scan, mode)
    for nodes in range(1, team.size + 1):
        teams = team if nodes == 1 else Team(team.comm, nodes)
        for key, values in pieces(teams, scan, mode).items():
            np.testing.assert_array_equal(values, alone[key], err_msg=key)
    rng = np.random.default_rng(0)
    x, y = rng.random(VOLUME, dtype="f4"), rng.random((N, *VIEW), dtype="f4")
    offsets = (J_OFFSETS, K_OFFSETS)
    expected = forward(x, scan, *offsets)
    np.testing.assert_allclose(alone["projections"], expected, atol=1e-5)
    np.testing.assert_allclose(alone["back"], adjoint(y, scan, *offsets), atol=1e-5)
    seen = forward(np.ones(VOLUME, "f4"), scan, *offsets)
    np.testing.assert_array_equal(alone["there"][seen > 0], y[seen > 0])
    inverse = np.where(seen > 0.1, 1 / np.maximum(seen, 0.1), 0)
    np.testing.assert_allclose(alone["weights"], inverse, rtol=1e-4)
    backed = adjoint(np.ones((N, *VIEW), "f4"), scan, *offsets)
    np.testing.assert_allclose(
        alone["preconditioner"], np.where(backed > 0.1, 1 / np.maximum(backed, 0.1), 0), rtol=1e-5
    )
    np.testing.assert_allclose(alone["sums"][:2], [x.sum(dtype=float), expected.sum(dtype=float)], rtol=1e-6)


@pytest.mark.mpi
def test_more_ranks_than_planes(team):
    """Two planes, two views: some ranks have none."""
    scan = turned([0.3, 1.4], [0, 0], (9, 8, 2), (10, 4))
    x, y = np.random.default_rng(3).random((9, 8, 2), "f4"), np.random.default_rng(4).random((2, 10, 4), "f4")
    for mode in ("slab", "replicated"):
        projector = make_projector(scan, team, mode)
        own = slice(projector.own_views.start, projector.own_views.stop)
        views = projector.views(projector.forward(x[projector.volume_slices]))
        np.testing.assert_allclose(np.concatenate(team.all_gather(views)), forward(x, scan), atol=1e-5)
        whole = projector.gather(projector.adjoint(projector.measured(y[own])))
        if team.rank == 0:
            np.testing.assert_allclose(whole, adjoint(y, scan), atol=1e-5)


def test_interpolating_adjoint():
    from reference_projector import interpolated

    for scan, mode in CASES.values():
        y = np.random.default_rng(0).random((N, *VIEW), "f4")
        projector = make_projector(scan, Team(), mode, exact=False).moved(J_OFFSETS, K_OFFSETS)
        expected = interpolated(y, scan, J_OFFSETS, K_OFFSETS)
        np.testing.assert_allclose(projector.adjoint(projector.measured(y)), expected, atol=1e-5)


def test_auto_mode_and_tilted_slabs():
    assert type(make_projector(SINGLE, Team())).__name__ == "Slab"
    assert type(make_projector(DUAL, Team())).__name__ == "Replicated"
    with pytest.raises(UserError, match="replicated"):
        make_projector(DUAL, Team(), "slab")
