"""Windows whose residual is more than white noise: shading, rings, blur, Poisson noise, outliers."""

from functools import cache

import numpy as np
import pytest
from structured import GREY, SCENES, noisy, ramp
from synthetic import Sine, lattice_texture, render, translation

from hpcdvc.fields.field import POINT
from hpcdvc.fields.status import Status
from hpcdvc.registration.settings import Gradient, Settings, Window
from hpcdvc.registration.windows import register_windows

HALF = 10
SIZES = {3: 61, 2: 260}
SHIFTS = {3: translation([0.3, 0.5, 0.2]), 2: translation([0.5, 0.2])}
#: a wave of four windows
WAVE = Sine(np.array([0.0, 0.0, 0.4]), np.array([0.0, 0.0, 1 / (4 * (2 * HALF + 1))]), 0.3)


@cache
def clean(dimensions: int, moved: str = "") -> np.ndarray:
    """An image without noise: the reference, or moved by a "shift" or a "wave"."""
    texture = lattice_texture(11, 2.2, dimensions, 32 if dimensions == 3 else 64)
    field = {"": None, "shift": SHIFTS[dimensions], "wave": WAVE}[moved]
    return render(texture, (SIZES[dimensions],) * dimensions, field, GREY)


def measured(im1: np.ndarray, im2: np.ndarray, field, so="auto", gradient=None) -> tuple:
    """Errors (n, d) of the displacement and their standard deviations, at nodes inside."""
    d = im1.ndim
    axis = np.arange(HALF + 4, im1.shape[-1] - HALF - 4, 9.0)
    nodes = np.stack(np.meshgrid(*[axis] * d, indexing="ij"), axis=-1).reshape(-1, d)
    points = np.zeros(len(nodes), POINT)
    points["position"][:, 3 - d :], points["Phi"] = nodes, np.eye(3, 4)
    window = Window((HALF if d == 3 else 0, HALF, HALF), shape_order=so)
    flat = (im.reshape((1,) * (3 - d) + im.shape) for im in (im1, im2))
    rows = register_windows(*flat, points, Settings(window, d, gradient=Gradient(gradient)))
    good = rows["return_status"] == Status.CONVERGED
    assert good.mean() > 0.98
    error = rows["Phi"][:, 3 - d :, 3] - field.displacement(nodes)
    std = np.sqrt(rows["variance"].reshape(-1, 3, 4)[:, 3 - d :, 3])
    return error[good], std[good]


def scene(name: str, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    images = clean(dimensions), clean(dimensions, "shift")
    return SCENES[name](*images, np.random.default_rng(3))


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("name", SCENES)
def test_the_default_is_not_worse_than_affine_windows(name, dimensions):
    images, field = scene(name, dimensions), SHIFTS[dimensions]
    ours, affine = (rms(measured(*images, field, so)[0]) for so in ("auto", "1"))
    print(f"{dimensions}-D, {name}: {ours:.5f}, affine {affine:.5f} voxel")
    assert ours <= 1.02 * affine


@pytest.mark.parametrize(("name", "bound", "least"), [("ramp", 0.002, 0.7), ("cupping", 0.006, 0.35)])
def test_shading_is_taken_out(name, bound, least):
    """Of curved shading, gain still has slopes inside the parts of a window, that look like parts which move."""
    images, field = scene(name, 3), SHIFTS[3]
    error, std = measured(*images, field)
    print(f"{name}: {rms(error):.5f} voxel, over standard deviation {rms(error / std):.2f}")
    assert rms(error) < min(bound, 0.5 * rms(measured(*images, field, "1")[0]))
    assert least < rms(error / std) < 1.6


def test_a_smooth_gradient_where_rings_are_finer_than_the_texture():
    images, field = scene("rings", 3), SHIFTS[3]
    error, std = measured(*images, field)
    spline, gaussian = (rms(measured(*images, field, gradient=method)[0]) for method in ("spline", "gaussian"))
    print(f"rings: {rms(error):.4f}, spline {spline:.4f}, Gaussian {gaussian:.4f}; {rms(error / std):.1f} std")
    assert rms(error) < 1.03 * gaussian < 0.8 * spline
    assert rms(error / std) < 6  # by white noise it would be 15 to 20


def test_a_sharp_gradient_where_the_residual_is_smooth():
    """Blur and shading leave much of a residual, but none that a smoother gradient averages."""
    for name in ("blur", "cupping"):
        images = scene(name, 3)
        ours, smooth = (rms(measured(*images, SHIFTS[3], "1", gm)[0]) for gm in (None, "gaussian"))
        assert ours < 0.9 * smooth


@pytest.mark.parametrize("shaded", [False, True])
def test_curvature_with_and_without_shading(shaded):
    """Of this wave affine windows lose 10 %, up to 0.04 voxel."""
    images = (ramp if shaded else noisy)(clean(3), clean(3, "wave"), np.random.default_rng(4))
    error, std = measured(*images, WAVE)
    print(f"{rms(error):.4f} voxel, over standard deviation {rms(error / std):.2f}")
    assert rms(error) < 0.006
    assert rms(error / std) < 2
