"""Sums over whole images, compared with a slow twin in float64; the same bits whoever sums, and in whatever order."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from reference_registration import coefficients, interpolate
from reference_totals import voxels
from reg_cases import FIELD, FLAT_FIELD, pair_of
from synthetic import rotation

from hpcdvc.kernels import supported
from hpcdvc.ranks.team import Team
from hpcdvc.registration.levels import grey_values
from hpcdvc.registration.pair import MATCH, REFERENCE, Pair, Totals
from hpcdvc.registration.settings import Gradient, Interpolation, Iterations, Settings

MOVES = {
    "inside": np.zeros(3),
    "partly outside": np.array([7.3, -6.1, 9.8]),
    "mostly outside": np.array([25.3, 2.1, -31.8]),
}
REFERENCES = ("n", "a", "aa", "g", "ag", "M")
MATCHES = ("b", "bb", "ab", "bg")


def case(dimensions: int, holes: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Two images, (nz, ny, nx); with holes they are float32 and have NaN voxels."""
    one, two = pair_of("small" if dimensions == 3 else "flat")
    if dimensions == 2:
        one, two = one[None], two[None]
    if holes:
        one, two = one.astype("f4"), two.astype("f4")
        z = one.shape[0] // 2
        one[z, 30, 20:24] = one[0, 5, 0] = np.nan
        two[z, 22:24, 33] = two[z, 40, 10] = np.inf
    return one, two


def phi_of(dimensions: int, shift: np.ndarray) -> np.ndarray:
    """(3, 4) motion that is near that of the images, and a shift more."""
    phi, field = np.eye(4)[:3], FIELD if dimensions == 3 else FLAT_FIELD
    k = 3 - dimensions
    phi[k:, k:3] = field.F + 0.02
    phi[k:, 3] = field.shift + 0.21 + shift[k:]
    return phi


def settings(dimensions: int, order: int = 1, **iterations: object) -> Settings:
    ends, gradient = Iterations(**iterations), Gradient("finite_differences")
    return Settings(None, dimensions, ends, Interpolation(order), gradient)


def make(one, two, dimensions, margin, mask=None, team=None, start=None, **more) -> Pair:
    """A pair with a centre that is not the middle of the image."""
    team = team or Team()
    greys = [grey_values(image, team) for image in (one, two)]
    centre = np.array([0.0, 41.0, 38.5] if dimensions == 2 else [20.0, 27.0, 31.5])
    return Pair(one, two, settings(dimensions, **more), *greys, mask, margin, centre, team, start)


def inner(shape: tuple[int, int, int], margin: tuple[int, int, int]) -> np.ndarray:
    chosen = np.zeros(shape, bool)
    chosen[tuple(slice(m, n - m) for m, n in zip(margin, shape, strict=True))] = True
    return chosen


def check(found: Totals, expected: dict, tolerance: float = 1e-6) -> None:
    """Each sum of products to a part of the largest that it may be (Cauchy and Schwarz)."""
    slopes = np.sqrt(np.diag(expected["M"]))
    lengths = {name: np.sqrt(expected[name]) for name in ("n", "aa", "bb")}
    limits = {"n": 0.0, "a": lengths["n"] * lengths["aa"], "aa": expected["aa"], "b": lengths["n"] * lengths["bb"]}
    limits |= {"bb": expected["bb"], "ab": lengths["aa"] * lengths["bb"], "M": np.outer(slopes, slopes)}
    limits |= {"g": lengths["n"] * slopes, "ag": lengths["aa"] * slopes, "bg": lengths["bb"] * slopes}
    for name, value in expected.items():
        row = found.reference if name in REFERENCES else found.match
        assert (np.abs(row[name] - value) <= tolerance * limits[name]).all(), name
    assert (found.reference["M"] == found.reference["M"].T).all()


@pytest.mark.parametrize("update_gradient", [False, True])
@pytest.mark.parametrize("how", ["plain", "masked", "holes", "masked holes", "no margin"])
@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("dimensions", [2, 3])
def test_totals(dimensions, move, how, update_gradient):
    one, two = case(dimensions, "holes" in how)
    margin = (0,) * 3 if how == "no margin" else (0, 5, 6) if dimensions == 2 else (5, 5, 7)
    mask = None
    if "masked" in how:
        mask = (np.random.default_rng(1).random(one.shape) < 0.99).astype("u1")
        mask[:, :15, 20:40] = 0
    pair = make(one, two, dimensions, margin, mask, update_gradient=update_gradient)
    phi = phi_of(dimensions, MOVES[move])
    twin = voxels(one, two, phi, pair.centre, (*pair.offsets, pair.scale), mask, update_gradient)
    chosen = inner(one.shape, margin)
    expected = twin.sums(chosen)
    counted = expected["n"] / chosen.sum()
    assert counted == 1 if (how, move) == ("plain", "inside") else 0 < counted < 1
    assert (np.isfinite(pair.offsets)).all() and expected["aa"] / expected["n"] < 3
    found = pair.totals(phi, greys=(0.9, 0.1), contrast=True)
    check(found, expected)
    assert found.match["residual"] == pytest.approx(twin.residual(chosen, 0.9, 0.1), rel=1e-5)
    if update_gradient:  # nobody asks for the rest then
        return
    # every third plane of each tile of eight
    planes = np.zeros(one.shape, bool)
    for first in range(margin[0], one.shape[0] - margin[0], 8):
        planes[first : first + 8 : 3] = True
    contrast = twin.contrast(chosen & planes)
    assert [found.match[name] for name in contrast] == pytest.approx(list(contrast.values()), rel=2e-5)
    # without these, nothing else changes
    plain = pair.totals(phi)
    for name in (*REFERENCES, *MATCHES):
        row, other = (t.reference if name in REFERENCES else t.match for t in (found, plain))
        assert np.allclose(row[name], other[name], rtol=1e-6, atol=1e-6 * np.abs(other[name]).max())


@pytest.mark.parametrize("tiles", ["long", "short"])
def test_turned_by_much(tiles):
    """However flat a tile is (the last ones have two planes), and whether its length is made for the rotation."""
    one, two = (np.tile(image, (1, 1, 3)) for image in case(3))
    phi = np.eye(4)[:3]
    phi[:, :3] = rotation(44, np.zeros(3), axis=(0.1, 1, -0.2)).F
    start = phi if tiles == "short" else None
    pair = make(one, two, 3, (3, 4, 6), start=start)
    twin = voxels(one, two, phi, pair.centre, (*pair.offsets, pair.scale))
    expected = twin.sums(inner(one.shape, (3, 4, 6)))
    assert expected["n"] > 1e5
    check(pair.totals(phi), expected)
    assert make(one, two, 3, (3, 4, 6), start=start, order=3).totals(phi).reference["n"] == expected["n"]


@pytest.mark.parametrize("order", [3, 5])
def test_splines(order):
    """Far from the borders, where the twin of the windows knows the spline."""
    one, two = case(3)
    pair, phi = make(one, two, 3, (17,) * 3, order=order), phi_of(3, np.zeros(3))
    greys, chosen = (*pair.offsets, pair.scale), inner(one.shape, (17,) * 3)
    twin = voxels(one, two, phi, pair.centre, greys)
    at = phi[:, :3] @ twin.x[:, chosen] + (pair.centre + phi[:, 3])[:, None]
    twin.b[chosen] = interpolate(coefficients((two - greys[1]) * greys[2], order), at, order)
    expected = twin.sums(chosen)
    check(pair.totals(phi), expected, 1e-4)


def tall(team, mask=None, **more) -> Pair:
    one, two = pair_of("tall")
    return make(one, two, 3, (3, 2, 4), mask, team, **more)


def test_sample_of_the_blocks():
    """Every eighth block, spread in both directions; all of them cover what is inside the margin just once."""
    pair = tall(Team())
    one, two = pair_of("tall")
    cover, part = np.zeros((2, *one.shape), int)
    for (low, high), chosen in zip(pair._blocks, pair._sampled, strict=True):
        block = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        cover[block] += 1
        part[block] += chosen
    assert (cover == inner(one.shape, (3, 2, 4))).all() and pair.has_sample
    assert 0.08 < part.sum() / cover.sum() < 0.17
    phi = phi_of(3, np.zeros(3))
    twin = voxels(one, two, phi, pair.centre, (*pair.offsets, pair.scale))
    expected = twin.sums(part > 0)
    check(pair.totals(phi, sampled=True), expected)
    assert not make(*case(3), 3, (3, 3, 3)).has_sample


def same(one: Totals | None, other: Totals | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.reference.tobytes() == other.reference.tobytes() and one.match.tobytes() == other.match.tobytes()


@pytest.mark.mpi
@pytest.mark.parametrize("what", ["plain", "masked", "update_gradient", "order 3"])
def test_ranks_and_history_change_no_bit(team, what):
    """Sums that are kept from one call to the next, and not sent again, are those of a pair made anew on one rank."""
    mask = np.ones(pair_of("tall")[0].shape, "u1")
    mask[100:120, 10:30] = 0
    more = {"mask": mask} if what == "masked" else {"update_gradient": True} if what == "update_gradient" else {}
    more |= {"order": 3} if what == "order 3" else {}
    pair = tall(team, **more)
    moves = [phi_of(3, np.array(shift)) for shift in ((0.0, 0, 0), (9.0, 0, 0), (0.3, 0.2, 0.1), (-40.0, 0, 3))]
    calls = [(moves[0], True, False, None), (moves[0], True, False, None), (moves[2], True, True, None)]
    calls += [(moves[2], False, False, None), (moves[0], False, False, (0.9, 0.01)), (moves[1], False, False, None)]
    calls += [(moves[2], True, False, None), (moves[3], False, False, None), (moves[0], False, True, (1.1, 0.0))]
    for number, call in enumerate(calls):
        found = pair.totals(*call)
        assert (found is None) == (team.rank > 0)
        if team.rank == 0:
            assert same(found, tall(Team(), **more).totals(*call)), number
        team.barrier()


@pytest.mark.mpi
def test_a_tile_spread_over_much_of_im2(team):
    """Phi that stretches a tile over much of im2 has no sums, on any rank; the pair lives on."""
    pair, phi = tall(team), phi_of(3, np.zeros(3))
    expected = pair.totals(phi)
    wild = phi.copy()
    wild[:2, :3] *= 25
    assert pair.totals(wild) is None
    assert team.broadcast(same(pair.totals(phi), expected))


SCRIPT = """
import json
from test_pair import *

found = []
for order in (1, 3, 5):
    pair = make(*case(3, holes=True), 3, (3, 4, 6), order=order)
    totals = pair.totals(phi_of(3, MOVES["partly outside"]), contrast=True, greys=(0.9, 0.1))
    rows = (totals.reference, totals.match)
    found.append({name: row[name].tolist() for row in rows for name in row.dtype.names})
print(json.dumps(found))
"""


def test_instruction_sets():
    """The kernels compiled for each of them, as far as this machine has them, give the same sums but for rounding."""
    found = []
    for name in supported():
        env = {**os.environ, "HPCDVC_ISA": name, "PYTHONPATH": os.pathsep.join([*sys.path])}
        words = [sys.executable, "-c", SCRIPT]
        done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout))
    for others in found[1:]:
        for one, other in zip(found[0], others, strict=True):
            for name in (*REFERENCE.names, *MATCH.names):
                a, b = np.array(one[name]), np.array(other[name])
                assert np.allclose(a, b, rtol=1e-5, atol=1e-6 * np.abs(a).max()), name
                assert name not in ("n", "contrast_n", "known") or (a == b).all()
