"""Standard deviations of nodes that are reported, against the scatter of solutions over noise."""

import numpy as np
import pytest
from fem_cases import box_of_tetrahedra, smooth_pair
from plain_system import PlainBox

from hpcdvc.fem import errors, multigrid
from hpcdvc.fem.errors import noise_of_equations, standard_deviations
from hpcdvc.fem.pattern import Pattern
from hpcdvc.fem.solve import Factors, Solver
from hpcdvc.fem.sums import matrix_sums
from hpcdvc.ranks.team import Team

NOISE = 0.3


@pytest.fixture(scope="module")
def box():
    return PlainBox.of(4, voxels=12)


def scatter(box, system, repeats=200):
    """Standard deviation of the solutions for right-hand sides made of white noise in the voxels."""
    rng = np.random.default_rng(5)
    sides = [box.right_hand_side(rng.normal(scale=NOISE, size=box.voxels.shape[:2])) for _ in range(repeats)]
    return np.sqrt((Factors(system).applied(np.transpose(sides)) ** 2).mean(axis=1)).reshape(-1, 3)


@pytest.mark.parametrize(
    ("sides", "case", "method"), [(None, "free", "pcg"), (0.3, "free", "direct"), (0.5, "ends", "pcg")]
)
def test_reported_is_the_scatter(box, monkeypatch, sides, case, method):
    system = box.system(sides, case)
    truth, solver = scatter(box, system), Solver(system, method, Team())
    arguments = solver, system, box.sums, box.connectivity, NOISE**2
    exact = standard_deviations(*arguments)
    np.testing.assert_allclose(exact, truth, rtol=0.2)
    assert abs(np.median(exact / truth) - 1) < 0.02
    monkeypatch.setattr(errors, "EXACT", 0)
    estimated = standard_deviations(*arguments, probes=32)
    ratios = estimated / exact
    assert 0.9 < np.median(ratios) < 1.1
    assert 0.9 < np.sqrt(np.mean(ratios**2)) < 1.1
    assert ratios.min() > 0.5
    assert ratios.max() < 1.7


def test_noise_of_equations_has_the_covariance_of_the_image():
    small = PlainBox.of(1, voxels=6)
    found = noise_of_equations(small.sums, small.connectivity, len(small.points), 20_000)
    expected = small.system(None).matrix.toarray()
    np.testing.assert_allclose(found.T @ found / len(found), expected, atol=0.04 * expected.max())


def test_elements_without_texture_have_no_noise():
    small = PlainBox.of(1)
    assert np.abs(noise_of_equations(0 * small.sums, small.connectivity, len(small.points), 2)).max() < 1e-100


def test_elements_of_few_voxels():
    """Less than twelve of them leave the sums of an element singular, which single precision makes indefinite."""
    points, connectivity = box_of_tetrahedra((6, 6, 6), 2.5)
    sums = matrix_sums(smooth_pair((20, 20, 20), "f4")[0], points + 2, connectivity)[0]
    found = noise_of_equations(sums, connectivity, len(points), 20_000)
    expected = Pattern(connectivity, len(points)).matrix(sums).toarray()
    np.testing.assert_allclose((found**2).mean(axis=0), expected.diagonal(), rtol=0.06)


@pytest.mark.mpi
@pytest.mark.parametrize("exact", [0, errors.EXACT])
def test_same_bits_on_any_number_of_ranks(team, monkeypatch, exact):
    box = PlainBox.of(3)
    monkeypatch.setattr(errors, "EXACT", exact)
    monkeypatch.setattr(multigrid, "ALONE", 0)
    system = box.system(None)
    arguments = box.sums, box.connectivity, NOISE**2, 3
    expected = standard_deviations(Solver(system, "pcg", Team()), system, *arguments)
    given = (system, *arguments[:2]) if team.rank == 0 else (None, None, None)
    found = standard_deviations(Solver(given[0], "pcg", team), *given, *arguments[2:])
    assert (found is None) == (team.rank > 0)
    if found is not None:
        np.testing.assert_array_equal(found, expected)
