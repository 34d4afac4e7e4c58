"""Whole images: the cases that the conditions in the iterations, between the levels and in `--auto` are there for."""

import numpy as np
import pytest
from reg_cases import worst_corner
from synthetic import Affine, Grey, lattice_texture, pair, render, translation
from test_pair import MOVES, case, make, phi_of, same

from hpcdvc.fields.status import Status
from hpcdvc.ranks.team import Team
from hpcdvc.registration.api import register, register_multiscale
from hpcdvc.registration.find_start import find_start
from hpcdvc.registration.levels import Level
from hpcdvc.registration.multiscale import Task, settings_for

GREY = Grey(100, 10, dtype="f4")


def few_speckles(seed: int) -> np.ndarray:
    """A volume of about a hundred speckles."""
    return render(lattice_texture(seed, 5.0, 3, 16), (24, 24, 24), None, GREY)


@pytest.mark.parametrize("seed", [3, 8, 15, 20, 22])
def test_few_speckles_match_by_chance(seed):
    """Unrelated textures of few speckles find a place where they correlate by far more than 0.3: that is no match."""
    found = register(few_speckles(seed), few_speckles(seed + 1), phi_rigid=True, margin=2, max_iterations=200)
    assert found.delta_phi_norm <= 1e-3 and 0.7 < found.zncc < found.history["chance"][-1]
    assert found.return_status == Status.DECORRELATED


def test_few_speckles_that_do_match():
    """However few they are, chance is not asked for more than a correlation of 0.95."""
    for seed in range(4):
        image = few_speckles(seed)
        found = register(image, image, phi_rigid=True, margin=2)
        assert found.return_status == Status.CONVERGED and found.history["chance"][-1] == 0.95


@pytest.mark.parametrize("criterion", ["znssd", "ssd"])
def test_steps_that_are_too_long_at_first(criterion):
    """A gradient that is too short makes the first step too long: the match gets worse before the steps are adapted."""
    field = translation([0.3, 0.4])
    one, two = pair(lattice_texture(1, 1.4, 2, 64), (60, 60), field, GREY)
    found = register(one, two, gradient_method="gaussian", gaussian_sigma=2.0, criterion=criterion)
    zncc = found.history["zncc"]
    assert 1 - zncc[1] > 2 * (1 - zncc[0])
    assert found.return_status == Status.CONVERGED and worst_corner(found.phi, found.centre, field, (60, 60)) < 0.01


def test_steps_as_short_as_a_smooth_gradient_wants_them():
    """A gradient of a fifth of its length needs steps of a fifth."""
    field = translation([0.3, 0.4, 0.2])
    one, two = pair(lattice_texture(1, 2.2, 3, 32), (24, 24, 24), field, GREY)
    found = register(one, two, gradient_method="gaussian", gaussian_sigma=4.0)
    assert found.return_status == Status.CONVERGED and found.history["step"].min() < 0.25
    assert worst_corner(found.phi, found.centre, field, one.shape) < 0.05


@pytest.mark.parametrize("spacing", [3.0, 4.0])
def test_coarse_levels_without_correlation_make_no_start(spacing):
    """What survives binning moved in no common way: where a coarse level rests uncorrelated is wrong."""
    shape = (96, 100)
    field = Affine(np.eye(2), np.array([0.3, -0.2]), (np.array(shape) - 1) / 2)
    grey = Grey(0, 1, dtype="f8")
    fine = pair(lattice_texture(1, 1.3, 2, 128), shape, field, grey)
    other = [render(lattice_texture(seed, spacing, 2, 64), shape, None, grey) for seed in (7, 52)]
    one, two = ((a + b).astype("f4") for a, b in zip(fine, other, strict=True))
    found = register_multiscale(one, two, 4)
    coarsest = found.history[found.history["factor"] == 4][-1]
    assert coarsest["status"] == Status.DECORRELATED and coarsest["zncc"] < 0.3
    assert found.return_status == Status.CONVERGED and worst_corner(found.phi, found.centre, field, shape) < 0.3
    # what such a level leaves leads astray
    forced = register_multiscale(one, two, 4, force_change_scale=True)
    assert forced.return_status != Status.CONVERGED


@pytest.mark.parametrize(
    ("seed", "size", "spacing", "gradient", "shift"),
    [
        (87, 90, 3.0, [[0.87, 0.33], [-0.35, 1.05]], (-3, -13)),
        (560, 80, 4.0, [[0.92, 0.51], [-0.45, 0.96]], (-10, -13)),
    ],
)
def test_the_second_of_the_best_starts_wins(seed, size, spacing, gradient, shift):
    """After a few iterations a wrong start matches better than the right one."""
    shape = (size, size)
    field = Affine(np.array(gradient), np.array(shift, float), (np.array(shape) - 1) / 2)
    one, two = pair(lattice_texture(seed, spacing, 2, 128), shape, field, Grey(noise=0.05, dtype="f4"), seed=seed)
    one, two = one[None], two[None]
    start, centre, _ = find_start({1: Level.of(one, two)}, Task(settings_for(one.shape)), Team())
    assert worst_corner(start, centre, field, shape) < 10  # it is rigid and the field is not


@pytest.mark.parametrize("how", ["moved out", "holes", "update_gradient"])
def test_sums_of_im1_are_made_anew_where_other_voxels_count(how):
    """They are kept from one Phi to the next only while no voxel can drop out or come back."""
    one, two = case(3)
    if how == "holes":
        two = two.astype("f4")
        two[np.random.default_rng(0).random(two.shape) < 0.002] = np.nan
    more = {"update_gradient": True} if how == "update_gradient" else {}
    kept, near = make(one, two, 3, (14, 14, 14), **more), phi_of(3, np.array([0.6, -0.7, 0.8]))
    for phi in (phi_of(3, MOVES["inside"]), near, phi_of(3, MOVES["mostly outside"]), near):
        assert same(kept.totals(phi), make(one, two, 3, (14, 14, 14), **more).totals(phi))
