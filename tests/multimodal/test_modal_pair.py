"""Joint histograms and likelihoods of two images, compared with a slow twin in float64; the same bits whoever sums."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
from reference_modal import Mixture, modal, tables_of
from reg_cases import FIELD, FLAT_FIELD, pair_of
from synthetic import rotation

from hpcdvc.kernels import supported
from hpcdvc.multimodal.pair import ModalPair, _blocks, explained
from hpcdvc.ranks.team import Team
from hpcdvc.registration.levels import Level

BINS = 32
MOVES = {
    "inside": np.zeros(3),
    "partly outside": np.array([7.3, -6.1, 9.8]),
    "mostly outside": np.array([25.3, 2.1, -31.8]),
}
#: Bright becomes dark; between the two phases there is something, so that no density is nothing.
MIXTURE = Mixture(
    np.array([0.4, 0.35, 0.25]),
    np.array([[8.0, 21.0], [23.0, 9.0], [15.0, 15.0]]),
    np.array([[[9.0, -2.0], [-2.0, 6.0]], [[7.0, 1.0], [1.0, 8.0]], [[60.0, -45.0], [-45.0, 60.0]]]),
)
TABLES = tables_of(MIXTURE, BINS, 8 * (BINS - 1) + 1)


@dataclass(frozen=True)
class Range:
    low: float
    high: float


def case(dimensions: int, holes: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Two images, (nz, ny, nx), im2 inverted and of another type; with holes they are float32 and have NaN voxels."""
    one, two = pair_of("small" if dimensions == 3 else "flat")
    one, two = (image[None] if dimensions == 2 else image for image in (one, two))
    two = (70000 - two.astype("i4")) // 2
    if holes:
        one, two = one.astype("f4"), two.astype("f4")
        z = one.shape[0] // 2
        one[z, 30, 20:24] = one[0, 5, 0] = np.nan
        two[z, 22:24, 33] = two[z, 40, 10] = np.inf
    return one, two


def ranges_of(*images: np.ndarray) -> list[Range]:
    """Those of the grey values, odd enough that none lies between two bins."""
    return [Range(float(np.nanmin(v)) - 0.123, float(np.nanmax(v)) + 0.217) for v in map(finite, images)]


def finite(image: np.ndarray) -> np.ndarray:
    return image[np.isfinite(image)]


def phi_of(dimensions: int, shift: np.ndarray) -> np.ndarray:
    """(3, 4) motion that is near that of the images, and a shift more."""
    phi, field = np.eye(4)[:3], FIELD if dimensions == 3 else FLAT_FIELD
    k = 3 - dimensions
    phi[k:, k:3] = field.F + 0.02
    phi[k:, 3] = field.shift + 0.21 + shift[k:]
    return phi


def make(one, two, margin, mask=None, team=None, ranges=None) -> ModalPair:
    """A pair with a centre that is not the middle of the image."""
    level = Level.of(one, two, mask)
    return ModalPair(level, ranges or ranges_of(one, two), BINS, margin, centre_of(one), team or Team())


def centre_of(one: np.ndarray) -> np.ndarray:
    return np.array([0.0, 41.0, 38.5] if len(one) == 1 else [20.0, 27.0, 31.5])


def twin_of(one, two, phi, mask=None, ranges=None):
    ranges = [(r.low, r.high) for r in ranges or ranges_of(one, two)]
    return modal(one, two, phi, centre_of(one), ranges, BINS, mask)


def inner(shape: tuple[int, int, int], margin: tuple[int, int, int]) -> np.ndarray:
    chosen = np.zeros(shape, bool)
    chosen[tuple(slice(m, n - m) for m, n in zip(margin, shape, strict=True))] = True
    return chosen


def check(found, expected: dict, tolerance: float) -> None:
    """Each sum of products to a part of the largest that it may be (Cauchy and Schwarz)."""
    slopes = np.sqrt(np.diag(expected["matrix"]))
    assert (found.count, found.outside) == (expected["count"], expected["outside"])
    assert found.log_likelihood == pytest.approx(expected["log_likelihood"], abs=tolerance * max(found.count, 1))
    assert (np.abs(found.matrix - expected["matrix"]) <= tolerance * np.outer(slopes, slopes)).all()
    assert (np.abs(found.right - expected["right"]) <= tolerance * slopes * np.sqrt(expected["squares"])).all()
    assert (found.matrix == found.matrix.T).all()
    assert np.allclose(found.rights.sum(axis=0), found.right, rtol=1e-9, atol=1e-9 * np.abs(found.rights).sum())


def same_bins(found: np.ndarray, expected: np.ndarray, part: float) -> None:
    """All but this part of the voxels lie in the same bins: some are near the edge of one."""
    assert found.sum() == expected.sum()
    assert np.abs(found - expected).sum() <= 2 * part * expected.sum()


@pytest.mark.parametrize("how", ["plain", "masked", "holes", "masked holes", "no margin"])
@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("dimensions", [2, 3])
def test_as_the_twin(dimensions, move, how):
    one, two = case(dimensions, "holes" in how)
    margin = (0,) * 3 if how == "no margin" else (0, 5, 6) if dimensions == 2 else (5, 5, 7)
    mask = None
    if "masked" in how:
        mask = (np.random.default_rng(1).random(one.shape) < 0.99).astype("u1")
        mask[:, :15, 20:40] = 0
    phi, chosen = phi_of(dimensions, MOVES[move]), inner(one.shape, margin)
    pair, twin = make(one, two, margin, mask), twin_of(one, two, phi, mask)
    found, expected = pair.sums(phi, TABLES), twin.sums(phi, TABLES, chosen)
    counted = expected["count"] / chosen.sum()
    assert counted == 1 if (how, move) == ("plain", "inside") else 0 < counted < 1
    check(found, expected, 2e-5)
    histogram, moments = pair.histogram(phi), pair.moments(phi)
    same_bins(histogram, twin.histogram(chosen), 1e-4)
    assert (found.histogram == histogram).all()
    assert moments[:, 0] == pytest.approx(histogram.sum(axis=1))
    expected = twin.moments(chosen)
    assert np.allclose(moments.sum(axis=0), expected.sum(axis=0), rtol=1e-5)
    voxel = np.array([1, BINS, BINS**2])  # a few may be in the bin beside
    assert (np.abs(moments - expected) <= 4 * voxel + 1e-4 * expected).all()
    assert explained(moments) == pytest.approx(explained(expected), abs=1e-4)


@pytest.mark.parametrize("shift", [0.0, 0.3, 0.5, 0.7])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_holes_of_im2_at_the_ends_of_tiles(dimensions, shift):
    """What is beside one does not count, also where the hole itself belongs to the tile beside."""
    one, two = (image.astype("f4") for image in case(dimensions))
    two[np.random.default_rng(4).random(two.shape) < 0.02] = np.nan
    phi = np.eye(4)[:3]
    phi[3 - dimensions :, 3] = shift
    pair, chosen = make(one, two, (0, 0, 0)), np.ones(one.shape, bool)
    found, expected = pair.sums(phi, TABLES), twin_of(one, two, phi).sums(phi, TABLES, chosen)
    assert (found.count, found.outside) == (expected["count"], expected["outside"])
    residual, _ = pair.fields(phi, TABLES, np.ones((BINS, BINS)), 0, len(one))
    assert np.isfinite(residual).sum() == found.count


@pytest.mark.parametrize("away", [0.0, 1e-9])
def test_last_row_of_im2_at_the_first_of_a_block(away):
    """It counts, rounded or not, as in any other block."""
    one = np.random.default_rng(5).random((1, 50, 40))
    phi = np.eye(4)[:3]
    phi[1, 3] = away
    pair = make(one, one[:, :33].copy(), (0, 0, 0))
    assert any((block[0, 1], block[1, 1] > 33) == (32, True) for block in pair._blocks[False])
    assert pair.histogram(phi).sum() == 33 * 40


@pytest.mark.parametrize("dimensions", [2, 3])
def test_right_is_the_derivative_of_the_likelihood(dimensions):
    """By the entries of delta in Phi (I + delta)."""
    one, two = case(dimensions)
    margin = (0, 12, 12) if dimensions == 2 else (12, 12, 12)
    pair, phi = make(one, two, margin), phi_of(dimensions, np.zeros(3))
    found, whole = pair.sums(phi, TABLES), np.vstack([phi, [0, 0, 0, 1]])
    for row in range(3 - dimensions, 3):
        for column in [*range(3 - dimensions, 3), 3]:
            size = 2e-3 * (1 if column == 3 else 1 / 20)
            ends = []
            for sign in (1, -1):
                delta = np.eye(4)
                delta[row, column] += sign * size
                ends.append(pair.sums((whole @ delta)[:3], TABLES))
            assert ends[0].count == ends[1].count == found.count
            slope = (ends[0].log_likelihood - ends[1].log_likelihood) / (2 * size)
            scale = np.sqrt(found.matrix[4 * row + column, 4 * row + column] * found.count)
            assert slope == pytest.approx(found.right[4 * row + column], abs=5e-4 * scale)
            assert abs(slope) > 5e-3 * scale or column != 3  # there is something to be found


def test_margin_of_each_end():
    """A box anywhere in im1: what a mask of it would let count."""
    one, two = case(3)
    phi, box = phi_of(3, np.zeros(3)), ((3, 20), (9, 40), (0, 31))
    mask = np.zeros(one.shape, "u1")
    mask[tuple(slice(*ends) for ends in box)] = 1
    pair = make(one, two, tuple((first, n - stop) for (first, stop), n in zip(box, one.shape, strict=True)))
    assert (pair.histogram(phi) == make(one, two, (0, 0, 0), mask).histogram(phi)).all()
    assert 0 < pair.histogram(phi).sum() <= 17 * 31 * 31


def test_newton_step_goes_uphill():
    """A step from near the motion of the images comes nearer to it."""
    one, two = case(3)
    ranges, centre = ranges_of(one, two), centre_of(one)
    pair = make(one, two, (8, 8, 8), ranges=ranges)
    true = np.column_stack([FIELD.F, FIELD.displacement(centre)])
    joint = Mixture(np.ones(1), np.full((1, 2), (BINS - 1) / 2), np.array([[[80.0, -79.0], [-79.0, 80.0]]]))
    tables = tables_of(joint, BINS, 4 * (BINS - 1) + 1)
    start = true + 0.3 * np.eye(3, 4, 3)
    sums = pair.sums(start, tables)
    delta = np.eye(4)
    delta[:3] += np.linalg.solve(sums.matrix, sums.right).reshape(3, 4)
    after = (np.vstack([start, [0, 0, 0, 1]]) @ delta)[:3]
    assert np.abs(after - true)[:, 3].max() < 0.1 * np.abs(start - true)[:, 3].max()
    assert pair.sums(after, tables).log_likelihood > sums.log_likelihood


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"])
def test_types(dtype):
    """The same grey values of any type say the same."""
    one, two = ((image.astype(float) / 600).astype("i1") for image in case(3))
    ranges = ranges_of(one, two)
    expected = make(one.astype("f8"), two.astype("f8"), (5, 5, 5), ranges=ranges)
    pair, phi = make(one.astype(dtype), two.astype(dtype), (5, 5, 5), ranges=ranges), phi_of(3, MOVES["partly outside"])
    a, b = pair.sums(phi, TABLES), expected.sums(phi, TABLES)
    same_bins(a.histogram, b.histogram, 1e-4)
    assert np.allclose(a.matrix, b.matrix, rtol=1e-4, atol=1e-5 * np.abs(b.matrix).max())
    assert (a.count, a.outside) == (b.count, b.outside)


def test_turned_by_much_in_2d():
    one, two = case(2)
    phi = np.eye(4)[:3]
    phi[1:, 1:3] = rotation(30, np.zeros(2)).F
    expected = twin_of(one, two, phi).sums(phi, TABLES, np.ones(one.shape, bool))
    check(make(one, two, (0,) * 3).sums(phi, TABLES), expected, 2e-5)


def test_turned_by_much():
    """However much of im2 a tile would lie over; none is read as a whole then."""
    one, two = (np.tile(image, (1, 1, 5)) for image in case(3))
    phi = np.eye(4)[:3]
    phi[:, :3] = rotation(44, np.zeros(3), axis=(0.1, 1, -0.2)).F
    margin = (3, 4, 6)
    expected = twin_of(one, two, phi).sums(phi, TABLES, inner(one.shape, margin))
    assert 3e4 < expected["count"] < expected["outside"]
    check(make(one, two, margin).sums(phi, TABLES), expected, 2e-5)
    stretched = 60 * phi
    found = make(one, two, margin).sums(stretched, TABLES)
    expected = twin_of(one, two, stretched).sums(stretched, TABLES, inner(one.shape, margin))
    assert (found.count, found.outside) == (expected["count"], expected["outside"])


def test_beyond_the_ranges():
    """Grey values are clipped, and those of im2 that were say nothing of the motion."""
    one, two = case(3)
    ranges = [Range(*np.quantile(image, [0.2, 0.8])) for image in (one, two)]
    phi, chosen = phi_of(3, np.zeros(3)), inner(one.shape, (6,) * 3)
    pair, twin = make(one, two, (6,) * 3, ranges=ranges), twin_of(one, two, phi, ranges=ranges)
    found, expected = pair.sums(phi, TABLES), twin.sums(phi, TABLES, chosen)
    check(found, expected, 2e-5)
    assert found.histogram[0].sum() > 0.15 * found.count and found.histogram[:, -1].sum() > 0.15 * found.count
    same_bins(found.histogram, twin.histogram(chosen), 1e-4)


def test_nothing_counts():
    one, two = case(3)
    phi = phi_of(3, np.zeros(3))
    for pair in (make(one, two, (24, 0, 0)), make(one, two, (0,) * 3, np.zeros(one.shape, "u1"))):
        found = pair.sums(phi, TABLES)
        assert (found.count, found.outside, found.log_likelihood) == (0, 0, 0) and not found.matrix.any()
        assert not pair.histogram(phi).any() and explained(pair.moments(phi)) == 0
    away = phi + 1000 * np.eye(3, 4, 3)
    found = make(one, two, (0,) * 3).sums(away, TABLES)
    assert found.count == 0 and found.outside == one.size


def test_phi_that_is_not_finite():
    one, two = case(3)
    phi = phi_of(3, np.zeros(3))
    phi[1, 2] = np.nan
    with pytest.raises(ValueError, match="finite"):
        make(one, two, (3,) * 3).sums(phi, TABLES)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_sample_of_the_blocks(dimensions):
    """A quarter of them, spread; all of them cover what is inside the margin just once."""
    one, two = (np.tile(image, (1, 3, 3)) for image in case(dimensions))
    margin = (0, 5, 9) if dimensions == 2 else (3, 4, 5)
    pair, phi = make(one, two, margin), phi_of(dimensions, np.zeros(3))
    cover, part = np.zeros((2, *one.shape), int)
    for sampled, counts in ((False, cover), (True, part)):
        for low, high in pair._blocks[sampled]:
            counts[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] += 1
    assert (cover == inner(one.shape, margin)).all() and part.max() == 1
    assert 0.18 < part.sum() / cover.sum() < 0.32
    for axis in range(3 - dimensions, 3):  # from one end to the other
        along = part.any(axis=tuple(set(range(3)) - {axis}))[margin[axis] : -margin[axis]]
        assert along.mean() > 0.9
    expected = twin_of(one, two, phi).sums(phi, TABLES, part > 0)
    check(pair.sums(phi, TABLES, sampled=True), expected, 2e-5)
    assert (pair.sums(phi, TABLES, sampled=True).histogram == pair.histogram(phi, sampled=True)).all()
    few = make(one, two, (0, 80, 100) if dimensions == 2 else (18, 50, 60))
    assert few.sums(phi, TABLES, sampled=True).count == few.sums(phi, TABLES).count


def test_sample_of_large_images_is_thin():
    """Blocks grow with the image, those of the sample in their plane only, and lie in the middle of theirs."""
    blocks, sample = _blocks(np.zeros(3, int), np.array([257, 256, 256]))
    assert 32 <= len(blocks) <= 64
    assert np.diff(blocks, axis=1).prod(axis=2).sum() == 257 * 256**2
    depths = np.diff(sample[:, :, 0], axis=1).ravel()
    assert set(depths) == {1, 16}
    for low, high in sample[depths == 16]:
        (around,) = [b for b in blocks if (b[0] <= low).all() and (high <= b[1]).all()]
        assert (low - around[0] == around[1] - high).all()


def test_blocks_fill_images_of_whole_ones():
    """A cube of 128 voxels is 32 blocks, not hundreds because of the rounding of a root."""
    assert len(_blocks(np.zeros(3, int), np.full(3, 128))[0]) == 32


@pytest.mark.parametrize("dimensions", [2, 3])
def test_fields(dimensions):
    """Residual and phase of all voxels, also of those in the margin; not of those that are masked."""
    one, two = case(dimensions, holes=True)
    mask = np.ones(one.shape, "u1")
    mask[:, 50:, 10:20] = 0
    phi = phi_of(dimensions, MOVES["partly outside"])
    pair, twin = make(one, two, (0, 5, 5), mask), twin_of(one, two, phi, mask)
    diagram = np.random.default_rng(5).integers(1, 4, (BINS, BINS))
    residual, phase = pair.fields(phi, TABLES, diagram, 0, len(one))
    expected = twin.look_up(TABLES.score / np.sqrt(TABLES.weight), twin.ok)
    assert (np.isfinite(residual) == twin.ok).all() and ((phase > 0) == twin.ok).all()
    assert np.abs(residual[twin.ok] - expected).max() < 0.05
    assert np.sqrt(np.mean((residual[twin.ok] - expected) ** 2)) < 1e-3
    nearest = [np.floor(np.clip(v[twin.ok], 0, BINS - 1) + 0.5).astype(int) for v in (twin.f, twin.g)]
    assert (phase[twin.ok] == diagram[tuple(nearest)]).mean() > 0.998
    for first, stop in [(0, 1), (0, 7), (7, 31), (31, 48)] if dimensions == 3 else []:
        part = pair.fields(phi, TABLES, diagram, first, stop)
        assert part[0].tobytes() == residual[first:stop].tobytes() and part[1].tobytes() == phase[first:stop].tobytes()


def test_explained():
    """1 where g follows f, 0 where it does not, the part of the variance in between."""
    n, f = np.full(4, 10.0), np.arange(4.0)
    assert explained(np.column_stack([n, n * f, n * f**2])) == pytest.approx(1)
    assert explained(np.column_stack([n, n * 2, n * 7])) == pytest.approx(0)
    assert explained(np.column_stack([n, n * f, n * (f**2 + 1.25)])) == pytest.approx(0.5)
    assert explained(np.column_stack([n, n * 3, n * 9])) == explained(np.zeros((4, 3))) == 0


@pytest.mark.mpi
@pytest.mark.parametrize("dimensions", [2, 3])
def test_ranks_change_no_bit(team, dimensions):
    one, two = case(dimensions, holes=True)
    phi, margin = phi_of(dimensions, MOVES["partly outside"]), (0, 2, 3)
    pair, alone = make(one, two, margin, team=team), make(one, two, margin)
    if dimensions == 3:
        assert len(pair._blocks[False]) > 4
    a, b = pair.sums(phi, TABLES), alone.sums(phi, TABLES)
    for name in vars(b):
        assert np.asarray(getattr(a, name)).tobytes() == np.asarray(getattr(b, name)).tobytes(), name
    assert (pair.histogram(phi) == alone.histogram(phi)).all()
    assert pair.moments(phi).tobytes() == alone.moments(phi).tobytes()


SCRIPT = """
import json
from test_modal_pair import *

pair = make(*case(3, holes=True), (3, 4, 6))
sums = pair.sums(phi_of(3, MOVES["partly outside"]), TABLES)
print(json.dumps([sums.matrix.tolist(), sums.right.tolist(), sums.log_likelihood, sums.count, sums.outside]))
"""


def test_instruction_sets():
    """The kernels compiled for each of them, as far as this machine has them, give the same sums but for rounding."""
    found = []
    for name in supported():
        env = {**os.environ, "HPCDVC_ISA": name, "PYTHONPATH": os.pathsep.join([*sys.path])}
        done = subprocess.run([sys.executable, "-c", SCRIPT], env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout))
    for others in found[1:]:
        assert others[3:] == found[0][3:]
        for a, b in zip(map(np.array, found[0]), map(np.array, others), strict=True):
            assert np.allclose(a, b, rtol=1e-5, atol=1e-5 * np.abs(a).max())
