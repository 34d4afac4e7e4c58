"""Alignments of what cannot be aligned are not called converged, and those of an object are not doubted."""

from dataclasses import dataclass, replace

import align_cases
import numpy as np
import pytest
from align_cases import absorbances, error, geometry, offsets
from scipy.ndimage import gaussian_filter

from hpcdvc.ranks.team import Team
from hpcdvc.tomography.align import align
from hpcdvc.tomography.beams import forward
from hpcdvc.tomography.opening import describe_scan
from hpcdvc.tomography.scan import Scan
from hpcdvc.tomography.settings import AlignSettings

VIEWS, SIZE, HEIGHT = 15, 20, 16


@dataclass(frozen=True)
class Memory:
    """Absorbances, and what they count."""

    values: np.ndarray
    weights: np.ndarray
    files: tuple = ()

    def read(self, view):
        return self.values[view], self.weights[view]


def scan_of(views, weights=None, place=None):
    views = np.asarray(views, np.float32)
    place = geometry(len(views), *views.shape[1:]) if place is None else place
    zero = np.zeros(len(views))
    weights = np.ones_like(views) if weights is None else weights.astype(np.float32)
    return Scan("memory", place, zero, zero, Memory(views, weights), "stack")


def noise(shape, scatter=0.002, seed=0):
    return np.random.default_rng(seed).normal(0, scatter, shape)


def views_of(largest=2.0, views=VIEWS, size=SIZE, height=HEIGHT, tilted=False, scatter=0.002):
    """Absorbances of the balls with noise, and their true offsets."""
    true = offsets(views, largest)
    values = absorbances(geometry(views, size, height, tilted), true)
    return values + noise(values.shape, scatter), true


def unrelated(monkeypatch):
    """Each view shows other balls."""
    own, views = align_cases.balls, []
    for view in range(VIEWS):
        monkeypatch.setattr(align_cases, "balls", lambda size, height, view=view: own(size, height, 100 + view))
        views.append(views_of()[0][view])
    return np.array(views)


def null(kind, monkeypatch):
    values, _ = views_of()
    if kind == "unrelated":
        return unrelated(monkeypatch)
    if kind == "shuffled":
        return values[np.random.default_rng(2).permutation(VIEWS)]
    if kind == "constant":
        return np.full(values.shape, 0.3)
    rough = noise(values.shape, 0.05)
    return gaussian_filter(rough, (0, 2, 2)) if kind == "smooth noise" else rough


@pytest.mark.parametrize(
    ("kind", "status", "said"),
    [
        ("noise", -9, "not like what the other half"),
        ("smooth noise", -9, "nothing is known of their offsets"),
        ("unrelated", -9, "in their own direction no better than in others"),
        ("shuffled", -9, "in their own direction no better than in others"),
        ("constant", -2, "15 of 15 views have no texture"),
    ],
)
def test_nothing_is_known_of_any_view(kind, status, said, monkeypatch):
    found = align(scan_of(null(kind, monkeypatch)), AlignSettings(), Team())
    assert not found.converged and (found.statuses == status).all()
    assert said in found.doubts[0]


@pytest.mark.parametrize("kind", ["zero", "constant", "masked", "noise", "foreign"])
def test_one_view_is_none_of_the_others(kind, monkeypatch):
    """It is named; the others are right."""
    values, true = views_of()
    weights = np.ones_like(values)
    wrong = {"zero": 0, "constant": 0.1, "noise": noise(values.shape[1:], 0.02)}
    if kind == "masked":
        weights[4] = 0
    else:
        values[4] = unrelated(monkeypatch)[4] if kind == "foreign" else wrong[kind]
    found = align(scan_of(values, weights), AlignSettings(), Team())
    assert not found.converged and "1 of 15 views" in found.doubts[-1] and found.doubts[-1].endswith(": 4")
    assert found.statuses[4] == (-9 if kind in ("noise", "foreign") else -2)
    assert (np.delete(found.statuses, 4) == 2).all()
    rest, place = np.delete(np.arange(VIEWS), 4), geometry(VIEWS, SIZE, HEIGHT)
    place = replace(place, p=place.p[rest], u=place.u[rest], w=place.w[rest])
    assert (error(found.history[-1].offsets[:, rest], true[:, rest], place) < 0.2).all()


@pytest.mark.parametrize(("kind", "said"), [("zero", "have no texture"), ("noise", "what the other")])
def test_half_of_the_views_missing(kind, said):
    """What they leave of the volume does not tell where the others are."""
    values, _ = views_of()
    values[8:] = 0 if kind == "zero" else noise(values[8:].shape)
    found = align(scan_of(values), AlignSettings(), Team())
    assert not found.converged and (found.statuses <= 1).all()
    assert said in found.doubts[-1]


def test_object_that_moves_out_of_view():
    """Far displacements are found as long as the whole object is in view; views that have lost it are named."""
    for largest, lost in ((10, False), (20, True)):
        values, true = views_of(largest, VIEWS, 40, 32)
        found = align(scan_of(values), AlignSettings(maxiter=8), Team())
        wrong = error(found.history[-1].offsets, true, geometry(VIEWS, 40, 32))
        assert found.converged == (not lost) and (wrong > 2).all() == lost
        assert (found.statuses == 2).all() == (not lost)


def test_uneven_background_is_said():
    """A background that drifts over the views moves them, by tenths of a pixel."""
    values, _ = views_of(views=31, size=40, height=32)
    found = align(scan_of(values + np.linspace(0, 0.1, 31)[:, None, None]), AlignSettings(), Team())
    assert any("not explained by the volume" in note and "background" in note for note in found.notes)


def round_object(kind):
    """The same from all sides."""
    true = offsets(31)
    j, k = (np.arange(n)[:, None] + 0.5 - n / 2 + shift for n, shift in zip((40, 32), true, strict=True))
    j, k = j.T[:, :, None], k.T[:, None]
    if kind == "ball":
        return 0.02 * np.sqrt(np.clip(81 - j**2 - k**2, 0, None))
    return 0.02 * np.sqrt(np.clip(81 - j**2, 0, None)) * (np.abs(k) < 9) * (1 + 0.3 * np.cos(k))


@pytest.mark.parametrize(("kind", "scatter"), [("ball", 0.001), ("cylinder", 0.02)])
def test_round_objects_are_not_doubted(kind, scatter):
    values = round_object(kind)
    found = align(scan_of(values + noise(values.shape, scatter)), AlignSettings(maxiter=3), Team())
    assert not found.doubts and not found.notes


def test_few_views_of_a_sparse_object_are_not_doubted():
    """Halves of them show little of what the others see, but where it is seen from."""
    rng = np.random.default_rng(12)
    volume = gaussian_filter(rng.standard_normal((40, 40, 32)), 0.7)
    x = np.arange(40) - 19.5
    inside = (x[:, None] ** 2 + x**2 < 144)[:, :, None] & (np.abs(np.arange(32) - 15.5) < 11)
    place, true = geometry(12, 40, 32), offsets(12)
    values = forward((inside & (volume > 2.2 * volume.std())).astype(np.float32), place, *true)
    values = 0.5 * values / values.max() + noise(values.shape)
    found = align(scan_of(values), AlignSettings(maxiter=4), Team())
    assert not found.doubts and not found.notes
    assert (error(found.history[-1].offsets, true, place) < 0.05).all()
    assert found.likeness.max() < 0.9


@pytest.mark.parametrize(
    "words", [{"scatter": 0.02, "views": 31, "size": 40, "height": 32}, {"tilted": True}, {"views": 8}]
)
def test_balls_are_not_doubted(words):
    values, _ = views_of(**words)
    tilted = words.get("tilted", False)
    found = align(scan_of(values, place=geometry(len(values), *values.shape[1:], tilted)), AlignSettings(), Team())
    assert found.converged and (found.statuses == 2).all() and not found.doubts + found.notes
    assert found.likeness.min() > 0.85 and (found.residuals < 1).all()


@pytest.mark.slow
@pytest.mark.parametrize(("case", "file"), [("mumott_align_single", "data.h5"), ("align_nxtomo", "scan.nx")])
def test_recorded_scans_are_not_doubted(shared, case, file):
    scan = describe_scan(str(shared / "oracle/seeds234" / case / file))
    light = np.random.default_rng(7).normal(1, 0.05, (31, *scan.geometry.shape))
    values = np.array([scan.read(i)[0] for i in range(31)]) - np.log10(light)
    found = align(
        replace(scan, views=Memory(values.astype(np.float32), np.ones_like(light, np.float32))),
        AlignSettings(maxiter=3),
        Team(),
    )
    assert not found.doubts and not found.notes


@pytest.mark.parametrize("seed", range(3))
def test_noise_that_holds_the_views_is_said(seed):
    """Noise of 15 % of the light is two thirds of the variance: views settle, on it, half a pixel and more off."""
    place, true = geometry(31, 40, 32), offsets(31, seed=seed)
    values = absorbances(place, true)
    for scatter, sure in ((0.065, False), (0.02, True)):
        found = align(scan_of(values + noise(values.shape, scatter, seed + 50)), AlignSettings(), Team())
        assert found.converged == sure and (found.statuses == 2).all() == sure
        assert (np.hypot(*error(found.history[-1].offsets, true, place)) < 0.2) == sure
        assert sure or "known less well" in found.doubts[0]


def test_few_views_are_said_to_be_too_few():
    values, _ = views_of(views=5)
    found = align(scan_of(values), AlignSettings(), Team())
    assert found.converged and "too few to tell" in found.notes[0]


def test_views_that_are_not_moved_have_no_status():
    values, _ = views_of()
    found = align(scan_of(values), AlignSettings(ignored=(0, 3), maxiter=1), Team())
    assert found.statuses[[0, 3]].tolist() == [0, 0] and (np.delete(found.statuses, [0, 3]) == 1).all()


def test_residual_that_grows():
    values, _ = views_of()
    found = align(scan_of(values), AlignSettings(methods=("gn",), relaxation=1.0, maxiter=3, start="com"), Team())
    assert not found.converged and "the residual has grown" in found.doubts[0]


@pytest.mark.mpi
def test_ranks_judge_alike(team):
    values, _ = views_of()
    values[4] = 0
    for tilted in (False, True):
        scan = scan_of(values, place=geometry(VIEWS, SIZE, HEIGHT, tilted))
        alone, found = align(scan, AlignSettings(maxiter=1), Team()), align(scan, AlignSettings(maxiter=1), team)
        for name in ("statuses", "residuals", "likeness"):
            np.testing.assert_array_equal(getattr(found, name), getattr(alone, name), err_msg=name)
        assert found.doubts == alone.doubts and found.notes == alone.notes
