"""Points that find their start: far motions, jumps, rotations; nothing where nothing is, and no cost for small ones."""

from functools import cache

import numpy as np
import pytest
from synthetic import Affine, lattice_texture, pair, render, rotation, translation

from hpcdvc.fields.grid import make_grid
from hpcdvc.fields.status import Status
from hpcdvc.ranks.team import Team
from hpcdvc.registration.settings import Settings, Window
from hpcdvc.registration.windows import WindowRegistration
from hpcdvc.steps import self_start
from hpcdvc.steps.nearby import FewMotions, best_of
from hpcdvc.steps.self_start import Pair, SearchingRegistration, Seen, look_around, no_motion
from hpcdvc.steps.some_points import spread_out

SHAPE, FLAT = (56, 58, 60), (250, 400)


class Counted:
    """A registration that counts its points."""

    def __init__(self, *arguments):
        self.register, self.count = WindowRegistration(*arguments), 0

    def __call__(self, points):
        self.count += len(points)
        return self.register(points)


def images_of(im1, im2, half, mask=None, team=None) -> Pair:
    im1, im2 = (image.reshape((1,) * (3 - image.ndim) + image.shape) for image in (im1, im2))
    flat = im1.shape[0] == 1
    settings = Settings(Window((0 if flat else half, half, half)), dimensions=2 if flat else 3)
    return Pair(im1, im2, mask, settings, Counted(im1, im2, settings, mask), team or Team())


def measured(images: Pair, spacing: int):
    """Positions, rows and what was seen."""
    positions = make_grid(images.im1.shape, (spacing,) * 3).positions()
    seen = look_around(lambda: positions, len(positions), images)
    return positions, SearchingRegistration(seen, images)(no_motion(np.arange(len(positions)), positions)), seen


def staying(positions, u, images: Pair) -> np.ndarray:
    """Points whose windows lie in both images."""
    half, last = np.array(images.half), np.array(images.im1.shape) - 1
    return np.all(
        [(p >= half).all(axis=1) & (p <= last - half).all(axis=1) for p in (positions, positions + u)], axis=0
    )


def check(field, shape, half, spacing, least=1.0):
    """Points that stay in the image are found, and no wrong place is."""
    images = images_of(*pair(lattice_texture(1, dimensions=len(shape)), shape, field), half)
    positions, rows, seen = measured(images, spacing)
    u = np.zeros((len(positions), 3))
    u[:, 3 - len(shape) :] = field.displacement(positions[:, 3 - len(shape) :])
    good, error = rows["return_status"] == Status.CONVERGED, np.abs(rows["Phi"][:, :, 3] - u).max(axis=1)
    inner = staying(positions, u, images)
    assert inner.sum() >= 20 and good[inner].mean() >= least and error[good].max() < 0.3
    assert seen.facts["used"] and seen.facts["largest"] == pytest.approx(np.abs(u).max(), abs=3)
    return images, positions, rows


@pytest.mark.parametrize("length", [4, 8, 12])
def test_far_in_a_volume(length):
    check(translation(length * np.array([1, -0.9, 0.8])), SHAPE, 10, 8)


def test_small_windows():
    check(translation((8.3, -7.2, 6.4)), (44, 46, 48), 4, 7)


def test_far_in_an_image():
    check(translation((12.3, 50.2)), FLAT, 10, 14, least=0.99)


@pytest.mark.parametrize(
    "field",
    [
        rotation(5, (30, 30, 30), shift=(6.0, -5, 4)),
        Affine(np.diag([1.05, 1.05, 0.97]), np.array([6.0, -5, 4]), np.full(3, 30.0)),
    ],
)
def test_rotation_and_stretch(field):
    check(field, SHAPE, 10, 8)


@cache
def torn(shape=(44, 46, 92), side=((0, 0, 0), (3, 12, 2))):
    """Two bodies, the second moved away from the first, another texture between them."""
    texture, x = lattice_texture(1), np.arange(shape[2])
    left, right = (render(texture, shape, translation(v)) for v in side)
    middle = shape[2] // 2
    gap = render(lattice_texture(9), shape)
    return render(texture, shape), np.where(x < middle, left, np.where(x < middle + side[1][2], gap, right))


def test_a_jump():
    images = images_of(*torn(), 8)
    positions, rows, seen = measured(images, 6)
    u = np.where(positions[:, 2:] < 46, (0, 0, 0), (3, 12, 2))
    clear = staying(positions, u, images) & (np.abs(positions[:, 2] - 45.5) > 9)
    good, error = rows["return_status"] == Status.CONVERGED, np.abs(rows["Phi"][:, :, 3] - u).max(axis=1)
    assert clear.sum() > 50 and good[clear].all() and error[clear].max() < 0.1
    assert seen.facts["largest"] == pytest.approx(12, abs=0.1) and 0 < seen.facts["found"] <= seen.facts["lost"]
    # of those near the jump each belongs to one side
    other = np.abs(rows["Phi"][:, None, :, 3] - np.array([(0, 0, 0), (3, 12, 2)])).max(axis=2).min(axis=1)
    assert other[good].max() < 1


def test_the_candidate_that_correlates_best():
    """Off by less than a voxel it is kept, off by one it starts from where the window was found."""
    im1, im2 = pair(lattice_texture(1), (40, 42, 44), translation((6.0, -5.0, 4.0)))
    images, position = images_of(im1, im2, 7), np.array([[15.0, 24, 18], [15, 24, 18], [16, 22, 20]])
    candidates = np.full((3, 3, 3, 4), np.nan)
    candidates[..., :3] = np.eye(3)
    candidates[..., 3] = [
        [(0, 0, 0), (6.2, -5.1, 4.1), (3, 3, 3)],
        [(3, 0, 0), (9, 9, 9), (6, -6.2, 5)],
        [(1, 1, 1)] * 3,
    ]
    candidates[2, 1:] = np.nan
    best = best_of(candidates, position, images.half, images.pixel_search())[:, :, 3]
    assert best.tolist() == [[6.2, -5.1, 4.1], [6, -5, 4], [1, 1, 1]]


def test_a_point_that_others_lead_astray_is_looked_for():
    im1, im2 = pair(lattice_texture(1), (48, 48, 48), translation((8.2, -7.1, 6.3)))
    images, few = images_of(im1, im2, 7), np.array([[12.0, 30, 12], [24, 24, 24]])
    phi = np.tile(np.eye(4)[:3], (2, 1, 1))
    phi[:, :, 3] = 0.5, 0, -2
    seen = Seen(np.zeros(0, int), np.zeros(0, self_start.ROW), FewMotions(few, phi), None)
    rows = SearchingRegistration(seen, images)(no_motion(np.arange(2), few))
    assert np.abs(rows["Phi"][:, :, 3] - (8.2, -7.1, 6.3)).max() < 0.1
    # where all near it were looked for in vain, it is not
    apart = np.array([[1000.0, 0, 0], [0, 0, 1000]])
    seen = Seen(np.zeros(0, int), np.zeros(0, self_start.ROW), FewMotions(apart, phi), np.repeat(few, 8, axis=0))
    rows = SearchingRegistration(seen, images)(no_motion(np.arange(2), few))
    assert not (rows["return_status"] == Status.CONVERGED).any()


def test_nothing_is_found_where_nothing_is():
    texture, other = (render(lattice_texture(k), SHAPE) for k in (1, 7))
    blank = np.full_like(texture, 9)
    for im2, mask in ((other, None), (blank, None), (np.roll(texture, 8, 1), np.zeros(SHAPE, "u1"))):
        _, rows, seen = measured(images_of(texture, im2, 8, mask), 14)
        assert not (rows["return_status"] == Status.CONVERGED).any() and not seen.facts["used"]


def test_masked_part_is_not_looked_for():
    field = translation((8.2, -7.1, 6.3))
    im1, im2 = pair(lattice_texture(1), SHAPE, field)
    mask = np.zeros(SHAPE, "u1")
    mask[:, :, :30] = 1
    positions, rows, _ = measured(images_of(im1, im2, 7, mask), 7)
    outside = positions[:, 2] > 38
    assert (rows["return_status"][outside] < 0).all()
    good = rows["return_status"] == Status.CONVERGED
    assert good.sum() > 20 and np.abs(rows["Phi"][good, :, 3] - (8.2, -7.1, 6.3)).max() < 0.1


def test_copies_are_made_once(monkeypatch):
    made, make = [], self_start.binned_copies
    monkeypatch.setattr(self_start, "binned_copies", lambda *given: made.append(given) or make(*given))
    _, _, seen = measured(images_of(*torn(), 8), 9)
    assert seen.facts["used"] and len(made) == 1


def test_small_motions_cost_nothing(monkeypatch):
    """No point is measured twice, nothing is looked for, and the rows are those without the search.

    Nor are companions of motions that are all small: a tree of them takes longer to load than many a run.
    """
    monkeypatch.setattr(FewMotions, "coherent", None)
    monkeypatch.setattr(self_start, "AdaptiveSearch", None)
    monkeypatch.setattr(self_start, "binned_copies", None)
    images = images_of(*pair(lattice_texture(1), SHAPE, translation((1.6, -1.4, 1.2))), 8)
    positions, rows, seen = measured(images, 6)
    assert images.registration.count == len(positions) and 64 <= len(seen.numbers) <= 0.15 * len(positions) + 64
    expected = images.registration(no_motion(np.arange(len(positions)), positions))
    assert rows.tobytes() == expected.tobytes() and not seen.facts["used"]


def test_noise_beside_a_small_motion_costs_little(monkeypatch):
    """Air that never matches: few points are looked for, however many are lost."""
    looked = []
    monkeypatch.setattr(
        self_start,
        "register_found",
        lambda points, *_: looked.append(len(points)) or np.zeros(len(points), self_start.ROW),
    )
    im1, im2 = pair(lattice_texture(1), SHAPE, translation((1.3, -0.7, 1.1)))
    noise = np.random.default_rng(0).normal(im1.mean(), 200, (2, *SHAPE)).astype(im1.dtype)
    air = np.arange(SHAPE[2]) > 24
    images = images_of(np.where(air, noise[0], im1), np.where(air, noise[1], im2), 6)
    positions, _, seen = measured(images, 4)
    assert seen.facts["lost"] > 40 and not seen.facts["used"]
    assert images.registration.count == len(positions) and 0 < sum(looked) <= 0.02 * len(positions) + 27


def test_a_motion_without_companions_does_not_count():
    positions = np.stack(np.meshgrid(*[np.arange(0.0, 40, 10)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    phi = np.tile(np.eye(4)[:3], (64, 1, 1))
    phi[20, :, 3], phi[40:, :, 3] = (9, 0, 0), (12, 1, 1)
    kept = FewMotions(positions, phi).coherent()
    assert len(kept.phi) == 63 and kept.largest == 12


def test_points_do_not_know_each_other():
    images = images_of(*torn(), 8)
    positions = make_grid(images.im1.shape, (9,) * 3).positions()
    seen = look_around(lambda: positions, len(positions), images)
    register, points = SearchingRegistration(seen, images), no_motion(np.arange(len(positions)), positions)
    together = register(points)
    for k in range(0, len(positions), 11):
        assert register(points[k : k + 1]).tobytes() == together[k : k + 1].tobytes()


@pytest.mark.mpi
def test_same_bits_on_ranks():
    from mpi4py import MPI

    _, rows, seen = measured(images_of(*torn(), 8, team=Team(MPI.COMM_WORLD)), 9)
    alone = measured(images_of(*torn(), 8, team=Team(MPI.COMM_SELF)), 9)
    assert rows.tobytes() == alone[1].tobytes() and seen.facts == alone[2].facts


def test_some_points_are_spread_out():
    positions = make_grid((100, 200, 300), (5, 5, 5)).positions()
    some = spread_out(positions, 500)
    assert 300 < len(some) <= 500 and (np.diff(some) > 0).all()
    from scipy.spatial import cKDTree

    far, _ = cKDTree(positions[some]).query(positions)
    assert far.max() < 2 * (6e6 / 500) ** (1 / 3)
    assert spread_out(positions[:7], 20).tolist() == list(range(7)) and len(spread_out(positions[:1], 1)) == 1
