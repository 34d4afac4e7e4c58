"""Windows that must not be called converged, and standard deviations that say what a window is worth."""

import numpy as np
import pytest
from synthetic import Affine, BlobTexture, Grey, lattice_texture, render, translation

from hpcdvc.fields.field import POINT
from hpcdvc.fields.status import Status
from hpcdvc.registration.api import register
from hpcdvc.registration.settings import Gradient, Interpolation, Iterations, Settings, Window
from hpcdvc.registration.windows import register_windows

GRADIENTS = (None, "finite_differences", "spline", "gaussian")
GREYS = (Grey(128, 25, dtype="u1"), Grey(30000, 5000), Grey(0, 1, dtype="f4"))


def draw_settings(rng: np.random.Generator, dimensions: int, half: int) -> Settings:
    """Any of what -gm, -o, -crit, -ug and -rig can be."""
    iterations = Iterations(rigid=bool(rng.integers(2)), update_gradient=bool(rng.integers(2)))
    interpolation = Interpolation((1, 3, 5)[rng.integers(3)], ("znssd", "ssd")[rng.integers(2)])
    window = Window((half * (dimensions == 3), half, half))
    return Settings(window, dimensions, iterations, interpolation, Gradient(GRADIENTS[rng.integers(4)]))


def draw_windows(seed: int, dimensions: int, per_setting: int, settings: int) -> np.ndarray:
    """Rows of windows in two unrelated textures, with settings drawn anew some times."""
    rng = np.random.default_rng([seed, dimensions])
    size = 160 if dimensions == 2 else 60
    spacing, noise = rng.uniform(1, 4), (0, 0.05, 0.2)[rng.integers(3)]
    textures = [lattice_texture(int(rng.integers(1 << 30)), spacing, dimensions, 64) for _ in range(2)]
    grey = GREYS[rng.integers(3)]
    grey = Grey(grey.mean, grey.contrast, noise, dtype=grey.dtype)
    one, two = (render(t, (size,) * dimensions, None, grey, seed=2 * seed + i) for i, t in enumerate(textures))
    one, two = (image.reshape((1,) * (3 - dimensions) + image.shape) for image in (one, two))
    rows = []
    for _ in range(settings):
        half = int(rng.integers(5, 21))
        points = np.zeros(per_setting, POINT)
        points["position"][:, 3 - dimensions :] = rng.integers(half, size - half, (per_setting, dimensions))
        points["Phi"] = np.eye(3, 4)
        rows.append(register_windows(one, two, points, draw_settings(rng, dimensions, half)))
    return np.concatenate(rows)


def assert_none_converged(rows: np.ndarray) -> None:
    wrong = rows[rows["return_status"] == Status.CONVERGED]
    assert len(wrong) == 0, f"zncc {wrong['zncc'].round(3)}"
    assert (rows["delta_phi_norm"] <= 1e-3).sum() > 0.05 * len(rows)  # they do come to rest


@pytest.mark.parametrize("dimensions", [2, 3])
def test_unrelated_textures(dimensions):
    assert_none_converged(np.concatenate([draw_windows(seed, dimensions, 5, 6) for seed in range(5)]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dimensions", "scenes", "settings"), [(2, range(100, 140), 25), (3, range(100, 112), 8), (3, range(112, 125), 8)]
)
def test_ten_thousand_windows_of_unrelated_textures(dimensions, scenes, settings):
    rows = [draw_windows(seed, dimensions, 8 if dimensions == 2 else 10, settings) for seed in scenes]
    assert_none_converged(np.concatenate(rows))


def measure(one, two, nodes, half, **options) -> np.ndarray:
    """Rows of windows of one plane at (n, 2) nodes that start at rest."""
    points = np.zeros(len(nodes), POINT)
    points["position"][:, 1:], points["Phi"] = nodes, np.eye(3, 4)
    return register_windows(one[None], two[None], points, Settings(Window((0, half, half)), 2, **options))


def grid(first: int, last: int, step: int) -> np.ndarray:
    axis = np.arange(first, last, float(step))
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)


def excess(rows: np.ndarray, nodes: np.ndarray, field) -> tuple[np.ndarray, np.ndarray]:
    """Largest error of a component of the displacement, and the largest standard deviation."""
    error = np.abs(rows["Phi"][:, 1:, 3] - field.displacement(nodes)).max(axis=1)
    return error, np.sqrt(rows["variance"][:, [7, 11]].max(axis=1))


def test_windows_at_the_rim_of_a_hole():
    """A plate with a hole of constant grey: where a sliver of material is all that a window has."""
    centre, radius = np.array([118.0, 121.0]), 43.0
    speckles = BlobTexture(9, 1.9, 2)

    def plate(p):
        return speckles(p) * np.clip(np.linalg.norm(p - centre, axis=-1) - radius + 0.5, 0, 1)

    field = Affine(np.array([[0.996, 0.002], [0.001, 1.012]]), np.array([-0.7, 0.4]), centre)
    one, two = (render(plate, (240, 240), f, Grey(128, 42, dtype="u1")) for f in (None, field))
    nodes = grid(12, 228, 3)
    rows = measure(one, two, nodes, 10)
    converged = rows["return_status"] == Status.CONVERGED
    error, std = excess(rows, nodes, field)
    material = np.linalg.norm(nodes - centre, axis=1) > radius  # half of the window and more
    assert converged[material].mean() > 0.99
    assert not (error[converged] > 0.1 + 5 * std[converged]).any()
    assert (error[converged] > 0.02 + 3 * std[converged]).mean() <= 0.01
    assert np.median(std[material]) < 0.01


def test_no_texture_inside_a_textured_image():
    """Windows that have nothing but noise."""
    texture = lattice_texture(4, 2.2, 2, 128)

    def patchy(p):
        return texture(p) * ((p[..., 0] % 60 < 30) | (p[..., 1] % 60 < 30))

    one, two = (render(patchy, (240, 240), translation([0.3, 0.4]) if i else None, Grey(noise=0.1), i) for i in (0, 1))
    nodes = np.concatenate([grid(45, 240, 60) + shift for shift in grid(-8, 9, 2)])
    for half in (5, 6):
        assert not (measure(one, two, nodes, half)["return_status"] == Status.CONVERGED).any()


@pytest.mark.parametrize("greys", [("u1", "u1"), ("f4", "u2"), ("u2", "f4")])
def test_no_standard_deviation_below_that_of_rounding(greys):
    """The same texture twice leaves no residual; whole grey values are no better than a twelfth of their square."""
    texture, stds = lattice_texture(3, 2.2, 2, 64), []
    images = [render(texture, (90, 90), None, Grey(100, 10, dtype=dtype)) for dtype in greys]
    noisy = [render(texture, (90, 90), None, Grey(100, 10, noise=np.sqrt(1 / 1200), dtype="f4"), i) for i in (0, 1)]
    for pair in (images, noisy):
        rows = measure(*pair, grid(20, 70, 10), 8)
        assert (rows["return_status"] == Status.CONVERGED).all()
        stds.append(np.sqrt(rows["variance"][:, [7, 11]]).mean())
    share = np.sqrt(sum(dtype != "f4" for dtype in greys) / 2)
    assert stds[0] == pytest.approx(share * stds[1], rel=0.1)


def test_noise_that_hides_the_gradient_gives_no_short_steps():
    """The input on which a step of nothing was taken for rest."""
    one, two = (render(lattice_texture(seed, 4.0, 2, 64), (200, 200), None, Grey(noise=0.05), seed) for seed in (1, 2))
    rows = measure(one, two, grid(20, 180, 8), 15)
    assert not (rows["return_status"] == Status.CONVERGED).any()
    assert rows["delta_phi_norm"].min() > 1e-9


@pytest.mark.parametrize("order", [1, 3, 5])
def test_grey_scales_far_apart(order):
    """Each image is judged on its own scale: 16 bits and attenuation per voxel."""
    field = translation([-0.3, 0.4])
    texture = lattice_texture(5, 2.2, 2, 64)
    one = render(texture, (90, 90), None, Grey(30000, 6000))
    same, other = (render(texture, (90, 90), field, g) for g in (Grey(30000, 6000), Grey(0.02, 0.005, dtype="f4")))
    nodes, options = grid(20, 70, 10), {"interpolation": Interpolation(order)}
    rows, far = (measure(one, two, nodes, 8, **options) for two in (same, other))
    assert (far["return_status"] == Status.CONVERGED).all()
    assert np.abs(far["Phi"] - rows["Phi"]).max() < 1e-3
    found = register(one, other, margin=4)
    assert found.return_status == Status.CONVERGED and np.abs(found.phi[1:3, 3] - [-0.3, 0.4]).max() < 1e-3


def test_less_contrast_than_rounding_is_no_texture():
    """Half a grey value on a million in float32, whose steps there are a sixteenth."""
    texture = lattice_texture(5, 2.2, 2, 64)
    one, two = (render(texture, (90, 90), None, Grey(*grey, dtype="f4")) for grey in ((0.02, 0.005), (1e6, 0.5)))
    assert (measure(one, two, grid(20, 70, 10), 8)["return_status"] == Status.SINGULAR).all()


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_residual_of_nothing(dimensions, order):
    """Of the same whole grey values twice: curvature and shading explain nothing of it."""
    size = 60 if dimensions == 2 else 40
    image = render(lattice_texture(5, 2.2, dimensions, 32), (size,) * dimensions, None, Grey(100, 20, dtype="u1"))
    image = image.reshape((1,) * (3 - dimensions) + image.shape)
    points = np.zeros(4, POINT)
    points["position"][:, 3 - dimensions :] = size / 2 + np.arange(4)[:, None] / 2
    points["Phi"] = np.eye(3, 4)
    settings = Settings(Window((8 * (dimensions == 3), 8, 8)), dimensions, interpolation=Interpolation(order))
    rows = register_windows(image, image, points, settings)
    assert (rows["return_status"] == Status.CONVERGED).all()
    assert np.abs(rows["Phi"] - np.eye(3, 4)).max() < 1e-5 and np.isfinite(rows["variance"][:, 7]).all()


@pytest.mark.parametrize(("noise", "order", "rigid"), [(0.0, 1, True), (0.05, 3, False), (0.0, 5, True)])
def test_a_few_speckles_match_anywhere(noise, order, rigid):
    """Windows of 1 to 8 speckles find places in other textures where they correlate by 0.98."""
    options = {"interpolation": Interpolation(order), "iterations": Iterations(rigid=rigid)}
    textures, grey = [BlobTexture(seed, 3.7, 2) for seed in (41, 42)], Grey(30000, 5000, noise)
    one, other = (render(texture, (160, 160), None, grey, i) for i, texture in enumerate(textures))
    same = render(textures[0], (160, 160), translation([0.3, -0.4]), grey, 2)
    nodes = grid(9, 151, 5)
    unrelated, related = (
        np.concatenate([measure(one, two, nodes, half, **options)["return_status"] for half in (5, 6, 7)])
        for two in (other, same)
    )
    assert (unrelated == Status.CONVERGED).mean() < 1e-3
    assert (related == Status.CONVERGED).mean() > 0.9
