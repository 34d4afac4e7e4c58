"""Windows: the cases that the conditions of the kernel are there for. Each would go wrong without one of them."""

import numpy as np
import pytest
from synthetic import Affine, Grey, Sine, lattice_texture, pair, render, translation

from hpcdvc.fields.field import POINT
from hpcdvc.fields.status import Status
from hpcdvc.registration.settings import Gradient, Interpolation, Iterations, Settings, Window
from hpcdvc.registration.windows import register_windows

SHIFT = translation([0.3, 0.4])


def grey(noise: float) -> Grey:
    return Grey(100, 10, noise=noise, dtype="f4")


def images(field, shape=(200, 200), noise=0.05, spacing=2.2, seed=3) -> tuple[np.ndarray, np.ndarray]:
    """Two images of one plane."""
    one, two = pair(lattice_texture(seed, spacing, 2, 256), shape, field, grey(noise))
    return one[None], two[None]


def nodes(rows, columns) -> np.ndarray:
    """(n, 3) positions in one plane."""
    return np.stack(np.meshgrid([0.0], rows, columns, indexing="ij"), axis=-1).reshape(-1, 3)


def settings(half, order=3, gradient=None, shape_order="auto", min_valid=0.5, **iterations) -> Settings:
    """Those of windows in one plane."""
    window = Window((0, half, half), min_valid=min_valid, shape_order=shape_order)
    return Settings(window, 2, Iterations(**iterations), Interpolation(order), Gradient(gradient))


def measure(one, two, positions, half, field=None, mask=None, **options) -> np.ndarray:
    """Rows of windows of one plane that start at the truth of a field, or at rest."""
    points = np.zeros(len(positions), POINT)
    points["index"], points["position"] = np.arange(len(positions)), positions
    points["Phi"] = np.eye(3, 4) if field is None else field.phi(positions[:, 1:])
    return register_windows(one, two, points, settings(half, **options), mask)


def errors(rows, positions, field) -> np.ndarray:
    """(n, 2) of the displacement, YX."""
    return rows["Phi"][:, 1:, 3] - field.displacement(positions[:, 1:])


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def converged(*runs: np.ndarray) -> np.ndarray:
    return np.all([rows["return_status"] == Status.CONVERGED for rows in runs], axis=0)


def test_the_residual_may_grow_at_first():
    """Steps get longer when the gradient is known better; only late growth tells that a window has gone astray."""
    positions = nodes(np.arange(10, 190, 12.0), np.arange(10, 190, 12.0))
    assert converged(measure(*images(SHIFT, noise=0), positions, 5, order=1)).all()


def test_another_texture_is_no_match():
    """Windows in unrelated images that come to rest somewhere have not converged.

    Only steps of full length count as rest, and these end where the correlation is greatest nearby: half, by chance.
    """
    one, two = (render(lattice_texture(seed, 2.2, 2, 128), (200, 200), None, grey(0))[None] for seed in (1, 2))
    positions = nodes(np.arange(20, 180, 11.0), np.arange(20, 180, 11.0))
    rows = measure(one, two, positions, 12)
    at_rest = rows["delta_phi_norm"] <= 1e-3
    assert at_rest.sum() >= 10 and (rows["return_status"][at_rest] == Status.DECORRELATED).all()
    assert (rows["zncc"][at_rest] < 0.6).all() and not converged(rows).any()
    assert (measure(one, one, positions, 12)["zncc"] > 0.99).all()


def test_windows_that_have_left_the_image_for_the_most_part():
    """The rest of them may match well; it does not stand for the window."""
    field = translation([7.6, 0.3])
    rows = measure(*images(field, (80, 200)), nodes([73.0], np.arange(10, 190, 10.0)), 6, field)
    assert (rows["return_status"] == Status.LEFT_IMAGE).all()
    rows = measure(*images(field, (80, 200)), nodes([73.0], np.arange(10, 190, 10.0)), 6, field, min_valid=0.2)
    assert converged(rows).mean() > 0.8


def test_voxels_that_come_and_go():
    """At the border of im2 voxels would enter and leave a window in turn, for ever: near the end none comes back."""
    field = Affine(np.eye(2) + [[0.02, 0.03], [-0.03, 0.05]], np.array([0.3, 0.4]), np.array([80.0, 30.0]))
    positions = nodes(np.arange(3, 157, 5.0), [2.0, 4.0, 55.0, 57.0])
    rows = measure(*images(field, (160, 60)), positions, 6, field)
    assert set(rows["return_status"]) == {Status.CONVERGED, Status.LEFT_IMAGE} and converged(rows).sum() > 90
    assert rms(errors(rows, positions, field)[converged(rows)]) < 0.05


def test_curvature_that_is_noise_is_hardly_believed():
    """Where noise looks like curvature, the correction is only what exceeds that; whole, it would double the error."""
    positions = nodes(np.arange(8, 292, 10.0), np.arange(8, 292, 10.0))
    one, two = images(SHIFT, (300, 300), noise=0.2)
    rows, affine = (measure(one, two, positions, 5, shape_order=order) for order in ("auto", "1"))
    changed = converged(rows, affine) & (rows["Phi"] != affine["Phi"]).any(axis=(1, 2))
    assert 10 < changed.sum() < 0.06 * len(positions)
    assert rms(errors(rows, positions, SHIFT)[changed]) < 1.3 * rms(errors(affine, positions, SHIFT)[changed])


def test_curvature_that_is_interpolation_error_is_not_believed():
    """Without noise the error of interpolation is the residual, and follows the texture."""
    positions = nodes(np.arange(8, 192, 11.0), np.arange(8, 192, 11.0))
    one, two = images(SHIFT, noise=0)
    for order in (3, 5):
        rows, affine = (measure(one, two, positions, 5, order=order, shape_order=shape) for shape in ("auto", "1"))
        assert converged(rows, affine).all()
        assert (rows["Phi"] != affine["Phi"]).any(axis=(1, 2)).mean() < 0.1


def test_quadratic_terms_have_their_price():
    """They follow the field, and multiply the random error: the standard deviation says so."""
    field, positions = Sine(np.array([0, 2.0]), np.array([0, 1 / 60])), nodes(np.arange(12, 190, 15.0), [15.0, 45, 75])
    found = []
    for seed in range(6):
        one, two = images(field, (200, 90), seed=seed)
        rows, affine = (measure(one, two, positions, 7, field, shape_order=order) for order in ("auto", "1"))
        assert converged(rows, affine).all()
        std = np.sqrt(rows["variance"][:, [7, 11]])
        found.append([errors(rows, positions, field), errors(affine, positions, field), std])
    error, affine, std = np.concatenate(found, axis=1)
    assert rms(affine[:, 1]) > 0.15 and rms(error[:, 1]) < 0.3 * rms(affine[:, 1])
    assert 0.85 < rms(error[:, 0] / std[:, 0]) < 1.2  # nothing moves along y: all error is random


def test_curvature_in_a_few_voxels_is_not_asked_for():
    """Twelve terms in 25 voxels explain noise."""
    positions = nodes(np.arange(8, 292, 5.0), np.arange(8, 292, 5.0))
    one, two = images(SHIFT, (300, 300), noise=0.2)
    rows, affine = (measure(one, two, positions, 2, shape_order=order) for order in ("auto", "1"))
    assert converged(rows).sum() > 500 and (rows["Phi"] == affine["Phi"])[converged(rows)].all()


def test_curvature_at_the_border():
    """Where a window has lost voxels, gradients are not alike all over it: no short cut by what they would be then."""
    field = Sine(np.array([0, 0.5]), np.array([0, 1 / 24]))
    positions = nodes(np.arange(3, 157, 5.0), [2.0, 4.0, 55.0, 57.0])
    one, two = images(field, (160, 60))
    rows, affine = (measure(one, two, positions, 6, field, order=1, shape_order=shape) for shape in ("auto", "1"))
    good = converged(rows, affine)
    assert good.mean() > 0.95
    assert rms(errors(rows, positions, field)[good]) < 0.8 * rms(errors(affine, positions, field)[good])


@pytest.mark.parametrize(
    "options",
    [{"gradient": "finite_differences"}, {"gradient": "gaussian"}, {"gradient": "gaussian", "order": 5}],
    ids=str,
)
def test_windows_know_nothing_of_those_before(options):
    """The same window a thousand times in one call is the same to the last bit."""
    rows = measure(*images(SHIFT, (60, 60)), np.tile([0.0, 30, 30], (1000, 1)), 4, **options)
    rows["index"] = 0
    assert len(np.unique(rows.view(f"V{rows.itemsize}"))) == 1 and converged(rows).all()


def test_curvature_that_is_much_is_corrected():
    """A wave of 1.5 voxels, little longer than a window: most of what affine windows lose of it comes back."""
    field = Sine(np.array([0, 1.5]), np.array([0, 1 / 20]))
    positions = nodes(np.arange(15, 190, 10.0), np.arange(15, 190, 5.0))
    one, two = images(field)
    rows, affine = (measure(one, two, positions, 7, field, shape_order=so) for so in ("auto", "1"))
    good = converged(rows)  # of affine windows that lose so much the parts have not moved alike: -13
    assert good.mean() > 0.5
    assert rms(errors(rows, positions, field)[good]) < 0.5 * rms(errors(affine, positions, field)[good])
