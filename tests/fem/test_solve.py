"""Solvers of the equations of a global correlation: they agree, take few iterations, and say when they cannot."""

import numpy as np
import pytest
from plain_system import PlainBox
from scipy.sparse import csr_matrix

from hpcdvc.errors import RunError, UserError
from hpcdvc.fem import multigrid, regularisation, rowblocks
from hpcdvc.fem import solve as solvers
from hpcdvc.fem.solve import Solver
from hpcdvc.fem.system import System
from hpcdvc.ranks.team import Team

TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def box():
    return PlainBox.of(5)


@pytest.fixture(scope="module")
def larger():
    return PlainBox.of(6)


@pytest.fixture
def factored(monkeypatch):
    """No M_reg is multiplied out."""
    monkeypatch.setattr(regularisation, "MOST_MULTIPLIED", 0)


def random_side(box, seed=1):
    return np.random.default_rng(seed).normal(size=box.points.size)


def solve(system, rhs, method="pcg", tolerance=1e-8, team=None):
    return Solver(system, method, team or Team()).solve(rhs, tolerance)


def product(system, x):
    """(M_c + s M_reg) x."""
    return system.matrix @ x - system.rhs_regularisation(x)


def norm(system, x):
    """In which the tolerance is meant."""
    return np.sqrt(x @ product(system, x))


@pytest.mark.parametrize(
    ("sides", "case"), [(None, "free"), (0, "free"), (1, "free"), (0.2, "ends"), (1, "ends along z"), (10, "all")]
)
def test_both_solvers_agree(box, sides, case):
    system, rhs = box.system(sides, case), random_side(box)
    direct, iterated = (solve(system, rhs, method, TOLERANCE) for method in ("direct", "pcg"))
    np.testing.assert_allclose(product(system, direct.x), rhs, atol=1e-7 * np.abs(rhs).max())
    assert norm(system, iterated.x - direct.x) < 2 * TOLERANCE * norm(system, direct.x)
    assert 1e-3 * TOLERANCE < iterated.residual <= TOLERANCE


def test_looser_tolerance_less_work(box):
    system, rhs = box.system(1.0, "ends"), random_side(box)
    solver = Solver(system, "pcg", Team())
    loose, tight = solver.solve(rhs, 1e-2), solver.solve(rhs, 1e-8)
    assert loose.iterations < tight.iterations / 2
    assert norm(system, loose.x - tight.x) < 2e-2 * norm(system, tight.x)


@pytest.mark.parametrize(("case", "most"), [("free", 45), ("ends", 45), ("ends along z", 45), ("all", 75)])
def test_few_iterations_whatever_the_length(larger, factored, case, most):
    """From next to no regularisation to lengths of ten boxes, where M_reg is 10^10 times as strong as the image."""
    found = {}
    for sides in (0.2, 1, 10):
        found[sides] = solve(larger.system(sides, case), random_side(larger), "pcg", TOLERANCE).iterations
    assert max(found.values()) < most, found


@pytest.mark.parametrize("surface_sides", [0, 0.1])
def test_surfaces_with_another_length(larger, factored, surface_sides):
    system = larger.system(3, "ends", surface_sides)
    assert solve(system, random_side(larger), "pcg", TOLERANCE).iterations < 80


def test_matrix_that_is_not_multiplied_out(box, monkeypatch):
    system, rhs = box.system(0.5, "ends"), random_side(box)
    monkeypatch.setattr(regularisation, "MOST_MULTIPLIED", 0)
    factors = box.system(0.5, "ends")
    assert not isinstance(factors.regularisation, csr_matrix)
    for method in ("direct", "pcg"):
        expected = solve(system, rhs, method, TOLERANCE).x
        np.testing.assert_allclose(solve(factors, rhs, method, TOLERANCE).x, expected, rtol=1e-6, atol=1e-9)


def test_zero_right_hand_side(box):
    for method in ("direct", "pcg"):
        found = solve(box.system(0.5), np.zeros(box.points.size), method)
        assert not found.x.any()
        assert found.residual == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_right_hand_side_that_is_not_finite(box, bad):
    rhs = random_side(box)
    rhs[7] = bad
    for method in ("direct", "pcg"):
        with pytest.raises(RunError, match="right-hand side is not finite"):
            solve(box.system(0.5), rhs, method)


def test_not_converged_says_how_far(box, monkeypatch):
    monkeypatch.setattr(solvers, "MOST", 3)
    with pytest.raises(RunError, match=r"after 3 iterations the error is about \d.*, not 1.0e-06; try"):
        solve(box.system(1.0), random_side(box), "pcg", TOLERANCE)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_overflow_is_said(box):
    with pytest.raises(RunError, match="numbers are too large"):
        solve(box.system(1.0), 1e200 * random_side(box), "pcg", TOLERANCE)


def flat_half(box):
    """Element sums without texture where z is small."""
    low = box.points[box.connectivity].mean(axis=1)[:, 0] < 25
    return PlainBox(box.points, box.connectivity, box.voxels, np.where(low[:, None], 0, box.sums))


@pytest.mark.parametrize("method", ["direct", "pcg"])
def test_singular_is_said(box, method):
    rhs = random_side(box)
    with pytest.raises(RunError, match=r"around \d+ of 341 nodes: .* singular without a mechanical regularisation"):
        solve(flat_half(box).system(None), rhs, method)
    with pytest.raises(RunError, match="singular without a mechanical regularisation"):
        solve(flat_half(box).system(0), rhs, method)
    stripes = PlainBox.of(5, gradient=lambda x: np.broadcast_to([1.0, 0, 0], x.shape))
    with pytest.raises(RunError, match="around 341 of 341 nodes"):
        solve(stripes.system(None), rhs, method)
    nothing = PlainBox(box.points, box.connectivity, box.voxels, 0 * box.sums)
    with pytest.raises(RunError, match="no texture inside the mesh"):
        solve(System(box.points, nothing.system(None).matrix, box.system(1).regularisation, 1.0), rhs, method)


@pytest.mark.parametrize("method", ["direct", "pcg"])
def test_singular_although_every_node_sees_texture(method):
    """Concentric spheres do not show a rotation about their centre."""
    spheres = PlainBox.of(4, gradient=lambda x: x / 10)
    with pytest.raises(RunError, match=r"singular \((their reciprocal condition|a direction changes nothing)"):
        solve(spheres.system(None), random_side(spheres), method)


def test_texture_in_one_half_is_enough_with_regularisation(box):
    system, rhs = flat_half(box).system(0.3, "ends"), random_side(box)
    rhs -= 0.5 * product(system, np.ones(len(rhs)))
    direct, iterated = (solve(system, rhs, method, TOLERANCE) for method in ("direct", "pcg"))
    assert norm(system, iterated.x - direct.x) < 2 * TOLERANCE * norm(system, direct.x)


def test_regularisation_of_others(box):
    system, rhs = box.system(0.5), random_side(box)
    plain = System(box.points, system.matrix, csr_matrix(system.regularisation), system.scale)
    np.testing.assert_array_equal(solve(plain, rhs, "direct").x, solve(system, rhs, "direct").x)
    with pytest.raises(UserError, match="pcg takes a regularisation that regularisation_matrix has made"):
        solve(plain, rhs, "pcg")


@pytest.mark.mpi
@pytest.mark.parametrize(("alone", "nodes"), [(0, None), (200, None), (200, 2), (multigrid.ALONE, None)])
def test_same_bits_on_any_number_of_ranks(team, box, factored, monkeypatch, alone, nodes):
    """With the equations on rank 0 alone; beside them what one process finds that deals nothing."""
    monkeypatch.setattr(multigrid, "COARSEST", 40)
    monkeypatch.setattr(rowblocks, "SUMMED", 16)
    ranks = team if nodes is None or team.size < 2 else Team(team.comm, nodes)
    for sides, case in ((None, "free"), (1, "ends"), (0.2, "free")):
        system, rhs = box.system(sides, case), random_side(box)
        monkeypatch.setattr(multigrid, "ALONE", 10**6)
        expected = solve(system, rhs, "pcg", 0.1)
        monkeypatch.setattr(multigrid, "ALONE", alone)
        given = (system, rhs) if ranks.rank == 0 else (None, None)
        found = Solver(given[0], "pcg", ranks).solve(given[1], 0.1)
        assert (found is None) == (ranks.rank > 0)
        if found is not None:
            assert found.iterations == expected.iterations
            np.testing.assert_array_equal(found.x, expected.x)


@pytest.mark.mpi
def test_failures_are_raised_on_every_rank(team, box, monkeypatch):
    monkeypatch.setattr(solvers, "MOST", 3)
    system, rhs = (box.system(1.0), random_side(box)) if team.rank == 0 else (None, None)
    solver = Solver(system, "pcg", team)
    with pytest.raises(RunError, match="after 3 iterations"):
        solver.solve(rhs, TOLERANCE)
    with pytest.raises(RunError, match="right-hand side is not finite"):
        solver.solve(None if rhs is None else np.nan * rhs, TOLERANCE)
    for method in ("direct", "pcg"):
        with pytest.raises(RunError, match="singular"):
            Solver(flat_half(box).system(None) if team.rank == 0 else None, method, team)
