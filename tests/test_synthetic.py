"""The generator of image pairs: is its truth true?"""

import numpy as np
import pytest
from crlb import phi_std_bound
from synthetic import (
    Affine,
    BlobTexture,
    CosineTexture,
    Grey,
    ShearBand,
    Sine,
    image_texture,
    lattice_texture,
    pair,
    render,
    rotation,
    translation,
)

TEXTURES = {
    "lattice": lambda d: lattice_texture(5, dimensions=d),
    "blobs": lambda d: BlobTexture(5, dimensions=d),
    "cosines": lambda d: CosineTexture(5, dimensions=d),
}
CENTRE = np.array([11.0, 12.0, 13.0])
FIELDS = {
    "translation": translation([0.3, -1.7, 2.2]),
    "affine": Affine(np.eye(3) + [[0.02, 0.01, 0], [-0.03, 0.01, 0.02], [0, 0.01, -0.05]], np.ones(3), CENTRE),
    "rotation": rotation(10, CENTRE, shift=np.array([0.2, 0.4, -0.3])),
    "sine": Sine(np.array([0.1, -0.4, 0.5]), np.array([0.02, 0.01, 0.03]), 0.4),
    "shear band": ShearBand(np.array([0.0, 1.5, 2.0]), np.array([1.0, 0.5, 0.2]), CENTRE, 3.0),
    "affine + band": rotation(2, CENTRE) + ShearBand(np.array([0, 1.5, 0]), np.array([1.0, 0, 0.3]), CENTRE, 3.0),
}


def points(count, dimensions=3, extent=24.0, seed=0):
    return np.random.default_rng(seed).uniform(0, extent, (count, dimensions))


def central_differences(function, at, step=1e-4):
    steps = np.eye(at.shape[-1]) * step
    return np.stack([(function(at + s) - function(at - s)) / (2 * step) for s in steps], axis=-1)


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("name", TEXTURES)
def test_textures_have_zero_mean_and_unit_variance(name, dimensions):
    """Over many correlation lengths; the tolerance is three standard errors of about 1500 independent cells."""
    values = TEXTURES[name](dimensions)(points(8000, dimensions, extent=140.0 if dimensions == 3 else 280.0))
    assert abs(values.mean()) < 0.08
    assert abs(values.std() - 1) < 0.06


@pytest.mark.parametrize("dimensions", [2, 3])
def test_spline_gradient_agrees_with_differences(dimensions):
    texture, at = lattice_texture(7, dimensions=dimensions), points(500, dimensions, extent=400)
    assert np.abs(central_differences(texture, at) - texture.gradient(at)).max() < 1e-7


@pytest.mark.parametrize("dimensions", [2, 3])
def test_spline_values_agree_with_the_plain_sum(dimensions):
    """Inside, and where the lattice repeats itself."""
    texture = lattice_texture(7, dimensions=dimensions, size=16)
    at = points(2000, dimensions, extent=100)
    assert np.abs(texture(at) - texture.terms(at)[0]).max() < 1e-12


def test_lattice_texture_is_smooth():
    """Four continuous derivatives: third differences across the knots shrink as the cube of the step."""
    texture, start, direction = lattice_texture(2), CENTRE, np.array([0.6, 0.0, 0.8])
    largest = []
    for step in (0.2, 0.1):
        line = texture(start + np.arange(0, 40, step)[:, None] * direction)
        largest.append(np.abs(np.diff(line, 3)).max())
    assert 7 < largest[0] / largest[1] < 9


def test_gradient_of_the_lattice_texture_is_0_44_per_voxel():
    gradient = lattice_texture(3).gradient(points(60_000, extent=280))
    assert np.abs(np.sqrt((gradient**2).mean(axis=0)) - 0.443).max() < 0.01


@pytest.mark.parametrize("name", FIELDS)
def test_fields_are_inverted_to_1e_11(name):
    at = points(300)
    x = FIELDS[name].reference(at)
    assert np.abs(x + FIELDS[name].displacement(x) - at).max() < 2e-11


@pytest.mark.parametrize("name", FIELDS)
def test_displacement_gradients_agree_with_differences(name):
    field, at = FIELDS[name], points(200)
    expected = central_differences(field.displacement, at)
    assert np.abs(expected - field.displacement_gradient(at)).max() < 1e-7
    phi = field.phi(at)
    assert np.allclose(phi[:, :, :3], np.eye(3) + expected, atol=1e-7)
    assert np.array_equal(phi[:, :, 3], field.displacement(at))


def test_a_field_that_folds_is_refused():
    with pytest.raises(RuntimeError, match="too large"):
        Sine(np.array([20.0, 0, 0]), np.array([0.05, 0, 0])).reference(points(50))


@pytest.mark.parametrize("name", TEXTURES)
def test_images_are_related_by_the_field(name):
    """im1(X) = im2(X + u(X)): at the voxels y of im2 its grey value is the texture at X(y)."""
    texture, field, grey = TEXTURES[name](3), FIELDS["affine + band"], Grey(dtype="f8")
    im1, im2 = pair(texture, (9, 10, 11), field, grey)
    y = np.argwhere(np.ones(im2.shape)).astype(float)
    x = field.reference(y)
    assert np.abs(x + field.displacement(x) - y).max() < 2e-11
    expected = 30000 + 5000 * texture(x)
    assert np.abs(im2.ravel() - expected).max() < 1e-6
    assert np.abs(im1.ravel() - (30000 + 5000 * texture(y))).max() < 1e-6
    assert np.abs(im1 - im2).max() > 1000


def test_whole_voxel_translation_is_a_crop():
    im1, im2 = pair(lattice_texture(4), (12, 13, 14), translation([2, -1, 3]))
    assert np.array_equal(im1[:-2, 1:, :-3], im2[2:, :-1, 3:])


def test_a_plane_of_a_volume_is_a_two_dimensional_image():
    texture, field = lattice_texture(4, dimensions=2), rotation(5, [20, 20])
    image = render(texture, (40, 41), field, Grey(dtype="f8"))
    y = np.argwhere(np.ones((40, 41))).astype(float)
    assert np.abs(image.ravel() - 30000 - 5000 * texture(field.reference(y))).max() < 1e-6


def test_noise_gain_offset_and_type():
    texture, shape = lattice_texture(4), (30, 31, 32)
    clean = render(texture, shape, None, Grey(dtype="f8"))
    noisy = render(texture, shape, None, Grey(noise=0.1, gain=0.9, offset=0.2, dtype="f8"), seed=3)
    noise = (noisy - 0.2 * 5000) / 0.9 - clean
    assert abs(noise.std() / 500 - 1) < 0.02
    assert abs(noise.mean()) < 10
    assert np.abs(np.corrcoef(noise[1:].ravel(), noise[:-1].ravel())[0, 1]) < 0.02
    rounded = render(texture, shape, None, Grey(noise=0.1, gain=0.9, offset=0.2), seed=3)
    assert rounded.dtype == np.uint16
    assert np.abs(rounded - noisy).max() <= 0.5
    dark = render(texture, shape, None, Grey(mean=100, contrast=100, dtype="u1"))
    assert dark.min() == 0 and dark.max() == 255


def test_images_do_not_depend_on_threads_or_on_the_array_filled(tmp_path):
    texture, grey = lattice_texture(4), Grey(noise=0.05)
    expected = render(texture, (7, 20, 21), FIELDS["sine"], grey, seed=1, threads=1)
    out = np.lib.format.open_memmap(tmp_path / "im.npy", "w+", np.uint16, (7, 20, 21))
    render(texture, (7, 20, 21), FIELDS["sine"], grey, seed=1, out=out, threads=3)
    assert np.array_equal(out, expected)
    assert not np.array_equal(render(texture, (7, 20, 21), FIELDS["sine"], grey, seed=2), expected)


def test_texture_of_an_image_passes_through_its_voxels():
    image = np.random.default_rng(0).uniform(0, 200, (10, 11, 12))
    at = np.argwhere(np.ones(image.shape)).astype(float)
    assert np.abs(image_texture(image)(at) - image.ravel()).max() < 1e-9
    fine = image_texture(image, pitch=0.5, origin=2.0)
    assert np.abs(fine(2 * at - 4.0) - image.ravel()).max() < 1e-9


def test_bound_of_the_default_texture():
    """0.0017 voxel for windows of 21^3 voxels and 5 % noise; the homogeneous estimate to 5 %; F from u."""
    positions = 40 + points(12, extent=160)
    std = phi_std_bound(lattice_texture(3), positions, 10, 0.05)
    u, F = np.sqrt((std[:, :, 3] ** 2).mean()), np.sqrt((std[:, :, :3] ** 2).mean())
    assert abs(u / 0.0017 - 1) < 0.05
    assert abs(u / (np.sqrt(2) * 0.05 / (0.443 * 21**1.5)) - 1) < 0.07
    assert abs(F / 2.8e-4 - 1) < 0.05


def test_bound_by_an_ideal_estimator():
    """Least squares on exact gradients with repeated noise scatters by the bound."""
    texture, rng = lattice_texture(3), np.random.default_rng(1)
    position, half = np.array([[30.0, 31.0, 32.0]]), 4
    std = phi_std_bound(texture, position, half, 0.1, 0.2)[0]
    axis = np.arange(-half, half + 1)
    offsets = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    basis = np.c_[offsets, np.ones(len(offsets))]
    jacobian = (texture.gradient(position + offsets)[:, :, None] * basis[:, None]).reshape(len(offsets), -1)
    noise = rng.normal(0, np.hypot(0.1, 0.2), (len(offsets), 3000))
    estimates = np.linalg.lstsq(jacobian, noise, rcond=None)[0]
    assert np.abs(estimates.std(axis=1).reshape(3, 4) / std - 1).max() < 0.06
