"""Outlying voxels (zingers, salt and pepper) are left out of a window; bright speckles on a dark ground are not."""

from functools import cache

import numpy as np
import pytest
from synthetic import Grey, lattice_texture, render, translation

from hpcdvc.fields.field import POINT
from hpcdvc.fields.status import Status
from hpcdvc.registration.settings import Gradient, Interpolation, Iterations, Settings, Window
from hpcdvc.registration.windows import register_windows

CONTRAST = 5000.0
SHIFT = {2: np.array([0.3, -0.4]), 3: np.array([0.3, 0.5, -0.2])}
SIZE = {2: 200, 3: 75}


@cache
def pair(dimensions: int, dtype: str = "f4", noise: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """Two images with noise, without outliers; (1, ny, nx) in two dimensions."""
    texture, shape = lattice_texture(7, 2.2, dimensions, 64), (SIZE[dimensions],) * dimensions
    grey = Grey(128, 25, noise, dtype="u1") if dtype == "u1" else Grey(30000, CONTRAST, noise, dtype=dtype)
    images = (render(texture, shape, f, grey, i) for i, f in enumerate((None, translation(SHIFT[dimensions]))))
    return tuple(image.reshape((1,) * (3 - dimensions) + image.shape) for image in images)


def with_outliers(image, part=0.01, seed=0, least=3, most=50, contrast=CONTRAST, sign=0) -> np.ndarray:
    """Part of the voxels off by `least` to `most` contrasts, brighter, darker (sign 1, -1) or either."""
    rng = np.random.default_rng(seed)
    chosen = rng.random(image.shape) < part
    by = np.exp(rng.uniform(np.log(least), np.log(most), chosen.sum()))
    result = image.astype(float)
    result[chosen] += contrast * by * (sign or rng.choice([-1, 1], chosen.sum()))
    if image.dtype.kind == "u":
        result = np.rint(result).clip(0, np.iinfo(image.dtype).max)
    return result.astype(image.dtype)


def grid(image, half: int, edge: int = 4) -> np.ndarray:
    """(n, 3) nodes of windows side by side."""
    axes = [np.arange(half + edge, n - half - edge, 2.0 * half + 1) if n > 1 else [0.0] for n in image.shape]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def measure(one, two, half=10, nodes=None, **options) -> np.ndarray:
    nodes = grid(one, half) if nodes is None else np.asarray(nodes, float)
    points = np.zeros(len(nodes), POINT)
    points["position"], points["Phi"] = nodes, np.eye(3, 4)
    dimensions = 2 if len(one) == 1 else 3
    window = Window((half * (dimensions == 3), half, half))
    return register_windows(one, two, points, Settings(window, dimensions, **options))


def errors(rows, dimensions: int) -> np.ndarray:
    """Errors of the displacement; all windows have converged."""
    assert (rows["return_status"] == Status.CONVERGED).mean() >= 0.99
    rows = rows[rows["return_status"] == Status.CONVERGED]
    return rows["Phi"][:, 3 - dimensions :, 3] - SHIFT[dimensions]


def rms(values) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


@pytest.mark.parametrize(("part", "most"), [(0.001, 50), (0.01, 3.5), (0.01, 50), (0.03, 20)])
def test_volumes(part, most):
    one, two = (with_outliers(image, part, i, most=most) for i, image in enumerate(pair(3)))
    assert rms(errors(measure(one, two), 3)) <= 0.0025


@pytest.mark.parametrize(
    "options",
    [
        {"interpolation": Interpolation(1)},
        {"interpolation": Interpolation(1, "ssd"), "gradient": Gradient("finite_differences")},
        {"interpolation": Interpolation(3, "ssd")},
        {"interpolation": Interpolation(5)},
        {"gradient": Gradient("gaussian")},
        {"gradient": Gradient("spline")},
        {"iterations": Iterations(update_gradient=True)},
        {"iterations": Iterations(rigid=True)},
    ],
    ids=str,
)
def test_whatever_the_settings_are(options):
    clean = pair(2)
    dirty = [with_outliers(image, seed=i) for i, image in enumerate(clean, 10)]
    without, found = (rms(errors(measure(*images, **options), 2)) for images in (clean, dirty))
    print(f"rms {found:.5f}, without outliers {without:.5f}")
    assert found <= 1.1 * without


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("which", [0, 1])
def test_outliers_of_one_image(dtype, sign, which):
    images, contrast = list(pair(2, dtype)), 25 if dtype == "u1" else CONTRAST
    images[which] = with_outliers(images[which], 0.01, 2, contrast=contrast, sign=sign)
    assert rms(errors(measure(*images), 2)) <= 0.01


def test_salt_and_pepper():
    def salted(image, seed):
        rng, result = np.random.default_rng(seed), image.copy()
        chosen = rng.random(image.shape) < 0.01
        result[chosen] = rng.choice([0, 255], chosen.sum())
        return result

    one, two = (salted(image, i) for i, image in enumerate(pair(3, "u1")))
    assert rms(errors(measure(one, two), 3)) <= 0.0025


def test_standard_deviations_are_those_of_the_scatter():
    clean, found, predicted = pair(2, noise=0.0), [], []
    for repeat in range(12):
        images = []
        for i, image in enumerate(clean):
            rng = np.random.default_rng([repeat, i])
            noisy = image + np.float32(0.1 * CONTRAST) * rng.standard_normal(image.shape, np.float32)
            images.append(with_outliers(noisy, 0.01, [repeat, i]))
        rows = measure(*images)
        assert (rows["return_status"] == Status.CONVERGED).all()
        found.append(rows["Phi"].reshape(-1, 12)[:, [5, 6, 7, 9, 10, 11]])
        predicted.append(rows["variance"][:, [5, 6, 7, 9, 10, 11]])
    ratio = np.sqrt(np.var(found, axis=0, ddof=1).mean(axis=0) / np.mean(predicted, axis=(0, 1)))
    print("scatter / predicted", ratio.round(3))
    assert 0.9 < ratio.min() and ratio.max() < 1.1


def test_an_outlier_that_only_the_gradient_sees():
    """One voxel beside the window of im1: no residual tells of it."""
    one, two = pair(2)
    dirty = one.copy()
    dirty[0, 100, 111] += 50 * CONTRAST
    node = [[0, 100, 100]]
    clean, found = (measure(im1, two, nodes=node)["Phi"][0, :, 3] for im1 in (one, dirty))
    assert np.abs(found - clean).max() < 2e-3


@pytest.mark.parametrize("which", [0, 1])
def test_an_outlier_at_the_border_of_an_image(which):
    """What continues the image past its border must not continue the outlier."""
    images, node = list(pair(2)), [[0, 100, 9]]
    clean = measure(*images, nodes=node)["Phi"][0, :, 3]
    images[which] = images[which].copy()
    images[which][0, [93, 101, 105], [0, 0, 1]] += 30 * CONTRAST
    assert np.abs(measure(*images, nodes=node)["Phi"][0, :, 3] - clean).max() < 5e-3


def test_outliers_of_both_images_close_to_each_other():
    """They pull a window to where they match, off by half a voxel; others tell that something is wrong."""
    one, two = (image.copy() for image in pair(2))
    nodes, last = grid(one, 10), len(one[0]) - 1
    for y, x in nodes[:, 1:].astype(int):
        one[0, [y + 1, y - 1, y], [x + 4, x + 8, x - 2]] += CONTRAST * np.array([6, -6, -6])
        two[0, y + 1, min(x + 5, last)] += CONTRAST * 6
    assert rms(errors(measure(one, two, nodes=nodes), 2)) <= 0.01


def test_small_windows_with_few_outliers():
    """One in a window is worth a trial without it, however much more of the image is read."""
    one, two = (with_outliers(image, 0.001, i, 6, 6.01) for i, image in enumerate(pair(2)))
    assert rms(errors(measure(one, two, 5), 2)) <= 0.025


def test_unrelated_textures_do_not_match_without_their_outliers():
    images = [
        with_outliers(render(lattice_texture(seed, 2.2, 2, 64), (200, 200), None, Grey(30000, CONTRAST), seed)[None])
        for seed in (1, 2)
    ]
    for half in (5, 10, 15):
        rows = measure(*images, half)
        assert not (rows["return_status"] == Status.CONVERGED).any()


def beads(sigma: float, density: float, size: int = 200) -> list[np.ndarray]:
    """Two images of bright Gaussian beads on a ground without anything, as sharp as voxels can show."""
    rng = np.random.default_rng(5)
    centres, brightness = (
        rng.uniform(0, size, (int(density * size**2), 2)),
        rng.uniform(0.5, 1.5, int(density * size**2)),
    )
    images, axis = [], np.arange(size)
    for shift in (0, SHIFT[2]):
        rows, columns = (np.exp(-0.5 * ((axis - c[:, None]) / sigma) ** 2) for c in (centres + shift).T)
        images.append((100 + 200 * np.einsum("b,by,bx->yx", brightness, rows, columns)).astype("f4")[None])
    return images


@pytest.mark.parametrize(("sigma", "bound"), [(0.9, 0.006), (1.3, 0.001)])
def test_beads_on_a_dark_ground_are_no_outliers(sigma, bound):
    """As voxels they stand out by all of their brightness; both images show them."""
    assert rms(errors(measure(*beads(sigma, 0.03)), 2)) <= bound


def test_outliers_among_beads():
    one, two = (with_outliers(image, 0.005, i, 1, 5, 100) for i, image in enumerate(beads(1.3, 0.03)))
    assert rms(errors(measure(one, two), 2)) <= 0.02
