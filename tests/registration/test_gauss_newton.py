"""Gauss-Newton iterations on whole images: how fast they settle, why they end, and what noise does to the result."""

from functools import cache

import numpy as np
import pytest
from reg_cases import pair_of, worst_corner
from scipy.ndimage import map_coordinates
from synthetic import Affine, Grey, lattice_texture, pair, render

from hpcdvc.fields.phi import rotation_matrix
from hpcdvc.fields.status import Status
from hpcdvc.registration.api import register, register_multiscale
from hpcdvc.registration.gauss_newton import Iterate, compose

SHAPE = (40, 40, 40)
CENTRE = np.full(3, 19.5)
FIELD = Affine(
    np.eye(3) + [[0.01, 0.004, 0.0], [0.0, -0.008, 0.003], [0.002, 0.0, 0.006]], np.array([0.7, -0.3, 0.4]), CENTRE
)
REALISATIONS = 24


@cache
def textures() -> tuple[np.ndarray, np.ndarray]:
    """Of unit variance and zero mean, f8, moved by FIELD."""
    return pair(lattice_texture(3), SHAPE, FIELD, Grey(0, 1, dtype="f8"))


def truth() -> np.ndarray:
    phi = np.eye(4)
    phi[:3, :3], phi[:3, 3] = FIELD.F, FIELD.shift
    return phi


def images(noise: float = 0.0, seed: int = 0) -> list[np.ndarray]:
    """The textures with noise of that part of their contrast, f4."""
    rng = np.random.default_rng(seed)
    return [(100 + texture + noise * rng.standard_normal(SHAPE)).astype("f4") for texture in textures()]


@pytest.mark.parametrize("order", [1, 3, 5])
@pytest.mark.parametrize("options", [{}, {"criterion": "ssd"}, {"update_gradient": True}], ids=str)
def test_convergence(order, options):
    """Without noise each change is a small part of the one before, down to the rounding of the sums in float32."""
    found = register(*images(), margin=4, delta_phi_min=1e-6, interpolation_order=order, **options)
    changes = found.history["delta_phi_norm"]
    assert found.return_status == Status.CONVERGED and found.iterations == len(changes) <= 8
    near = np.flatnonzero(changes < (0.01 if order > 1 else 0.05))[0]
    part = (changes[near + 1 :] / changes[near:-1])[changes[near:-1] > 1e-5]
    assert len(part) and (part < (0.02 if order > 1 else 0.3)).all()
    assert worst_corner(found.phi, found.centre, FIELD, SHAPE) < {1: 0.03, 3: 0.001, 5: 0.0003}[order]


def test_the_sample_does_not_slow_down_all_blocks():
    """What a change on the sample left says nothing about the first on all blocks."""
    found = register(*pair_of("tall"), interpolation_order=1, margin=3, max_iterations=50, delta_phi_min=1e-5)
    sampled = found.history["sampled"] > 0
    assert found.return_status == Status.CONVERGED and sampled.sum() > 3 and (~sampled).sum() <= 6
    changes = found.history["delta_phi_norm"][np.flatnonzero(~sampled)[0] + 1 :]
    assert (changes[1:] < 0.2 * changes[:-1]).all()


def test_error_of_the_sample():
    """All blocks may match worse than those of the sample: that is no growth of the error."""
    one, two = (image.astype("f4") for image in pair_of("tall"))
    noise = np.random.default_rng(0).normal(scale=3000, size=one.shape)
    for first in range(3, len(one), 64):
        noise[first - 8 : first + 16] = 0
    found = register(one, two + noise.astype("f4"), interpolation_order=1, margin=3, max_iterations=20)
    errors, sampled = found.history["error"], found.history["sampled"] > 0
    assert errors[-1] > 2 * errors[np.flatnonzero(sampled)[-1]] and 10 < sampled.sum() < len(errors)
    assert found.return_status == Status.CONVERGED
    few = register(one, two, interpolation_order=1, margin=3, max_iterations=5)
    assert few.return_status == Status.MAX_ITERATIONS and few.iterations == 5


def test_a_sample_that_fails_is_no_failure():
    """The blocks of the sample have no texture; all others do."""
    one, two = pair_of("tall")
    for first in range(3, len(one), 64):
        one[first - 2 : first + 10] = 30000
    found = register(one, two, interpolation_order=1, margin=3, criterion="ssd")
    first, second = found.history[:2]
    assert found.return_status == Status.CONVERGED and first["status"] == 0
    assert first["voxels"] < 0.2 * second["voxels"] and not found.history["sampled"].any()
    assert (first["phi"] == np.eye(4)[:3]).all()


@pytest.mark.parametrize(
    ("noise", "options", "limits"),
    [
        (0.05, {}, (0.85, 1.2)),
        (0.15, {}, (0.85, 1.2)),
        (0.3, {}, (0.85, 1.2)),
        (0.3, {"criterion": "ssd"}, (0.85, 1.2)),
        (0.15, {"interpolation_order": 5}, (0.85, 1.2)),
        (0.15, {"update_gradient": True}, (0.85, 1.2)),
        (0.3, {"interpolation_order": 1}, (0.7, 1.2)),  # the error of interpolation passes for noise
        (0.3, {"gradient_method": "gaussian"}, (0.5, 1.2)),  # its gradient is too short, which is not reckoned with
    ],
)
def test_scatter_is_that_of_the_variance(noise, options, limits):
    """About 200 independent numbers of 24 pairs: the limits are three standard deviations and more of their mean."""
    runs = [
        register(*images(noise, seed), phi_init=truth(), margin=3, **options) for seed in range(2, 2 + REALISATIONS)
    ]
    assert all(run.return_status == Status.CONVERGED for run in runs)
    phi, variance = np.array([run.phi[:3].ravel() for run in runs]), np.mean([run.variance for run in runs], axis=0)
    ratio = phi.var(axis=0, ddof=1) / variance
    low, high = limits
    assert low < np.sqrt(ratio.mean()) < high
    assert (np.sqrt(ratio) > 0.7 * low).all() and (np.sqrt(ratio) < 1.4 * high).all()
    # away from the centre F counts as well
    corner = np.array([3.0, 36.0, 3.0])
    moved = phi.reshape(-1, 3, 4) @ [*(corner - CENTRE), 1]
    ratio = moved.var(axis=0, ddof=1) / np.mean([run.variance_at(corner)[3::4] for run in runs], axis=0)
    assert (0.6 * low < np.sqrt(ratio)).all() and (np.sqrt(ratio) < 1.5 * high).all()
    bias = np.abs(phi.mean(axis=0) - truth()[:3].ravel())
    if options.get("interpolation_order") != 1:
        assert (bias < 4 * np.sqrt(variance / REALISATIONS)).all()


@pytest.mark.parametrize("binning", [1, 2])
@pytest.mark.parametrize("greys", [("u1", "u1"), ("f4", "u2"), ("u2", "f4")])
def test_no_standard_deviation_below_that_of_rounding(greys, binning):
    """The same texture twice leaves no residual; whole grey values are no better than a twelfth of their square."""
    noisy = [Grey(100, 10, noise=np.sqrt(1 / 1200), dtype="f4")] * 2
    pairs = [Grey(100, 10, dtype=dtype) for dtype in greys], noisy
    stds = []
    for both in pairs:
        one, two = (render(lattice_texture(3), SHAPE, None, grey, seed) for seed, grey in enumerate(both))
        found = register_multiscale(one, two, binning, binning, margin=4)
        assert found.return_status == Status.CONVERGED
        stds.append(np.sqrt(found.variance))
    share = np.sqrt(sum(dtype != "f4" for dtype in greys) / 2)
    np.testing.assert_allclose(stds[0], share * stds[1], rtol=0.1)


@pytest.mark.parametrize("criterion", ["ssd", "znssd"])
def test_error(criterion):
    """Sum of the squared residuals over the sum of the grey values of im1."""
    one, two = images(0.1)
    two = 0.5 * two + 20 if criterion == "znssd" else two
    found = register(one, two, margin=5, criterion=criterion, interpolation_order=1, delta_phi_min=1e-6)
    x = np.indices(SHAPE)[:, 5:-5, 5:-5, 5:-5].reshape(3, -1)
    last = np.vstack([found.history["phi"][-2], [0, 0, 0, 1]])  # the error is from before the last change
    at = (last[:3, :3] @ (x - 19.5)) + 19.5 + last[:3, 3:]
    a, b = one[5:-5, 5:-5, 5:-5].ravel().astype(float), map_coordinates(two.astype(float), at, order=1)
    zncc = np.corrcoef(a, b)[0, 1]
    gain = a.std() / b.std() * found.history["contrast_loss"][-1]
    residual = (a - a.mean()) - gain * (b - b.mean()) if criterion == "znssd" else a - b
    assert found.error == pytest.approx((residual**2).sum() / a.sum(), rel=1e-4)
    assert found.zncc == pytest.approx(zncc, abs=1e-6) and found.valid_fraction == 1


def layers(grey: float = 1.0) -> np.ndarray:
    """Texture along z only."""
    line = lattice_texture(1)(np.stack([np.arange(40.0), *np.zeros((2, 40))], axis=-1))
    return (100 + grey * np.broadcast_to(line[:, None, None], SHAPE)).astype("f4")


def test_why_they_end():
    one, two = images()
    other = (100 + pair(lattice_texture(4), SHAPE, FIELD, Grey(0, 1, dtype="f8"))[0]).astype("f4")
    far = truth()
    far[:3, 3] += 45
    swollen = truth()
    swollen[:3, :3] *= 1.5
    for status, images_, options in (
        (Status.MAX_ITERATIONS, (one, two), {"max_iterations": 2, "delta_phi_min": 1e-9}),
        (Status.SINGULAR, (layers(), layers()), {}),
        (Status.LEFT_IMAGE, (one, two), {"phi_init": far}),
        (Status.VOLUME_CHANGE, (one, two), {"phi_init": swollen}),
        (Status.DECORRELATED, (one, other), {"delta_phi_min": 1}),
    ):
        assert register(*images_, **options).return_status == status


@pytest.mark.parametrize(("dimensions", "size", "spacing"), [(2, 60, 3.0), (2, 60, 6.0), (3, 24, 2.5)])
def test_correlation_by_chance(dimensions, size, spacing):
    """The limit is six standard deviations of the correlation of unrelated textures."""
    shape = (size,) * dimensions
    grey = Grey(9, 1, dtype="f4")
    parts = [render(lattice_texture(seed, spacing, dimensions, 32), shape, None, grey) for seed in range(40)]
    runs = [register(a, b, max_iterations=1, margin=0) for a, b in zip(parts[::2], parts[1::2], strict=True)]
    limits = np.array([run.history["chance"][0] for run in runs])
    scatter = np.sqrt(np.mean([run.zncc**2 for run in runs]))
    assert 0.6 < scatter / (limits.mean() / 6) < 1.4
    assert all(run.zncc < limit for run, limit in zip(runs, limits, strict=True))
    rest = [register(a, b, delta_phi_min=1, margin=0) for a, b in zip(parts[::2], parts[1::2], strict=True)]
    assert all(run.return_status == Status.DECORRELATED for run in rest)


def test_compose():
    phi, delta = truth()[:3], np.array([[0.01, 0, 0, 0.5], [0, 0, 0.02, 0], [0, 0, 0, 0]])
    expected = truth() @ (np.eye(4) + np.vstack([delta, np.zeros(4)]))
    for change in (delta, delta.ravel()):
        result, status = compose(phi, change, rigid=False)
        assert np.abs(result - expected[:3]).max() < 1e-15 and status == 0
    turned, status = compose(phi, delta, rigid=True)
    assert np.abs(turned[:, :3] @ turned[:, :3].T - np.eye(3)).max() < 1e-14 and status == 0
    assert (turned[:, 3] == expected[:3, 3]).all()
    rotation = np.eye(4)
    rotation[:3, :3] = rotation_matrix(np.array([10.0, 20, 5]))
    assert np.abs(compose(rotation[:3], np.zeros(12), rigid=True)[0] - rotation[:3]).max() < 1e-14
    for factor, status in ((0.5, Status.VOLUME_CHANGE), (-1.0, Status.VOLUME_CHANGE), (0.3, 0), (np.nan, -4)):
        assert compose(np.eye(4)[:3], np.eye(4)[:3] * factor, rigid=False)[1] == status


def test_an_iterate_survives_the_shards():
    state = Iterate(3, 1, True, truth()[:3], error=2.5, zncc=0.9, gain=1.1, variance=np.arange(12.0))
    again = Iterate.of_row(state.row(7, 4)[0])
    for name, value in vars(state).items():
        assert np.array_equal(getattr(again, name), value, equal_nan=True), name
