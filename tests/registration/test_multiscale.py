"""From coarse copies to the images: which levels there are, what passes from one to the next, and what does not."""

import logging

import numpy as np
import pytest
from reg_cases import CENTRE, FIELD, SHAPE, pair_of, worst_corner
from synthetic import Affine, Grey, lattice_texture, pair

from hpcdvc.errors import UserError
from hpcdvc.fields.status import Status
from hpcdvc.ranks.team import Team
from hpcdvc.registration.api import register_multiscale
from hpcdvc.registration.gauss_newton import ITERATE
from hpcdvc.registration.journal import Journal
from hpcdvc.registration.levels import Level
from hpcdvc.registration.multiscale import from_level, levels_between, register_levels
from hpcdvc.registration.settings import Iterations, Settings
from hpcdvc.registration.task import Task, coarsest, default_margin, power_of_two

SETTINGS = Settings(iterations=Iterations(min_delta_phi=1e-4))


def test_power_of_two():
    """The nearest by ratio: 3 is as far from 2 as from 4.5, hence nearer to 4."""
    assert [power_of_two(k) for k in (1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 63, 100)] == [
        1,
        2,
        4,
        4,
        4,
        8,
        8,
        8,
        8,
        16,
        64,
        128,
    ]


@pytest.mark.parametrize(
    ("shape", "binning"),
    [((8, 8, 8), 1), ((15, 99, 99), 1), ((16, 16, 16), 2), ((31, 64, 64), 2), ((500, 500, 500), 32), ((1, 40, 64), 4)],
)
def test_coarsest(shape, binning):
    assert coarsest(shape) == binning
    assert min(n // binning for n in shape if n > 1) >= 8 or binning == 1


def test_margins():
    assert default_margin((100, 120, 99)) == (10, 10, 10)
    assert default_margin((100, 120, 101)) == (11, 11, 11)
    assert default_margin((1, 60, 44)) == (0, 5, 5)
    level, half, flat = ((40, 60, 80), 1), ((20, 30, 40), 2), ((1, 60, 80), 1)
    plain, task = Task(SETTINGS), Task(SETTINGS, margin=(3.9, 0, 8))
    assert plain.level_margin(*level) == (5, 5, 5) and plain.level_margin(*half) == (3, 3, 3)
    assert task.level_margin(*level) == (3, 0, 8) and task.level_margin(*half) == (1, 0, 4)
    assert task.level_margin(*flat) == (0, 0, 8)


@pytest.mark.parametrize(("first", "last", "factors"), [(1, 1, [1]), (4, 1, [4, 2, 1]), (8, 2, [8, 4, 2]), (2, 2, [2])])
def test_levels(first, last, factors):
    levels = levels_between(Level.of(*pair_of()), first, last, Team())
    assert list(levels) == factors == [level.factor for level in levels.values()]
    assert [level.im1.shape for level in levels.values()] == [tuple(np.array(SHAPE) // f) for f in factors]


@pytest.mark.parametrize("shape2", [(48, 51, 54), (53, 60, 54)])
def test_phi_of_a_level(shape2):
    """The same motion in the voxels of both binned images, which need not begin at the same place."""
    level = levels_between(Level.of(np.zeros(SHAPE, "u1"), np.zeros(shape2, "u1")), 4, 4, Team())[4]
    x1 = np.random.default_rng(0).uniform(0, 40, (9, 3))
    x2 = x1 + FIELD.displacement(x1)
    binned1, binned2 = (x1 - level.first) / 4, (x2 - level.first2) / 4
    centre = (CENTRE - level.first) / 4
    phi = np.empty((3, 4))  # in voxels of the level, by its own definition
    phi[:, :3] = FIELD.F
    phi[:, 3] = (binned2 - centre - (binned1 - centre) @ FIELD.F.T)[0]
    found = from_level(phi, level)
    assert np.abs(found[:3, 3] - FIELD.shift).max() < 1e-12 and (found[:3, :3] == FIELD.F).all()


def run(first: int, last: int = 1, **task: object):
    level, journal = Level.of(*pair_of()), task.pop("journal", None)
    levels = levels_between(level, first, last, Team())
    return register_levels(levels, Task(SETTINGS, first, last, **task), np.eye(4), CENTRE, Team(), journal)


def test_history():
    found = run(4)
    rows = found.history
    assert rows.dtype == ITERATE and (rows["index"] == np.arange(len(rows))).all()
    assert found.factor == 1 and found.return_status == Status.CONVERGED
    assert found.iterations == rows["number"][-1] and (found.phi[:3] == rows["phi"][-1]).all()
    # a coarse level is not brought to an end that the next one does not need
    ends = rows[[*np.flatnonzero(np.diff(rows["factor"])), len(rows) - 1]]
    assert ends["factor"].tolist() == [4, 2, 1] and (ends["status"] == Status.CONVERGED).all()
    assert 1e-4 < ends["delta_phi_norm"][0] <= 1e-3 and ends["delta_phi_norm"][-1] <= 1e-4


def test_what_was_done_is_not_done_again():
    """Iterations of an earlier run, up to anywhere, lead to the same end without another look at those levels."""
    whole = run(4)
    for count in range(len(whole.history) + 1):
        kept = []
        again = run(4, journal=Journal(kept.append, whole.history[:count].copy()))
        assert len(kept) == len(whole.history) - count
        assert again.history.tobytes() == whole.history.tobytes() and (again.phi == whole.phi).all()
        assert again.iterations == whole.iterations and (again.variance == whole.variance).all()


def test_variance_is_in_voxels_of_the_images():
    """On images binned by 2 noise is that of the mean of 8 voxels: the variance of a displacement is nearly kept."""
    im1, im2 = (image + 4000 * np.random.default_rng(k).standard_normal(SHAPE) for k, image in enumerate(pair_of()))
    fine, coarse = (register_multiscale(im1, im2, 2, last, margin=8) for last in (1, 2))
    assert fine.factor == 1 and coarse.factor == 2
    ratio = np.sqrt(coarse.variance / fine.variance)
    assert ((ratio > 0.7) & (ratio < 2)).all()
    at = np.array([0.0, 10.0, 20.0])
    away = (at - CENTRE) ** 2
    expected = fine.variance.reshape(3, 4)[:, 3] + fine.variance.reshape(3, 4)[:, :3] @ away
    assert np.allclose(fine.variance_at(at)[3::4], expected) and (fine.variance_at(CENTRE) == fine.variance).all()


def misleading() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images whose fine texture moves by the (4, 4) Phi, the third, while what survives binning is unrelated."""
    field = Affine(FIELD.F, np.array([0.3, -0.2, 0.1]), CENTRE)
    fine = pair(lattice_texture(1, 1.4), SHAPE, field, Grey(0, 1, dtype="f8"))
    coarse = [pair(lattice_texture(k, 8.0), SHAPE, field, Grey(0, 0.6, dtype="f8"))[0] for k in (5, 6)]
    phi = np.eye(4)
    phi[:3, :3], phi[:3, 3] = field.F, field.shift
    return *((a + b).astype("f4") for a, b in zip(fine, coarse, strict=True)), phi


def test_a_coarse_level_that_fails_is_passed_over(caplog):
    one, two, phi = misleading()
    field = Affine(phi[:3, :3], phi[:3, 3], CENTRE)
    with caplog.at_level(logging.INFO, "hpcdvc"):
        found = register_multiscale(one, two, 4, phi_init=phi, verbose=True)
    assert found.return_status == Status.CONVERGED and worst_corner(found.phi, CENTRE, field, SHAPE) < 0.3
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(said) == 1 and said[0].startswith("binning 4:") and "its result is not used" in said[0]
    # unless that is what was asked for
    assert register_multiscale(one, two, 4, phi_init=phi, force_change_scale=True).return_status != Status.CONVERGED


@pytest.mark.parametrize("level", ["fine", "coarse"])
def test_images_without_contrast(level):
    one, two = pair_of()
    binning = 1 if level == "fine" else 2
    for images, words in (
        ((np.full(SHAPE, 77, "u2"), two), "im1 has the same grey value 77 everywhere"),
        ((one, np.zeros(SHAPE)), "im2 has the same grey value 0 everywhere"),
        ((np.full(SHAPE, np.nan), two), "im1 has no finite value"),
    ):
        with pytest.raises(UserError, match=words):
            register_multiscale(*images, binning, binning)
