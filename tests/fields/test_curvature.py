"""What windows lose of a curved field, found from their neighbours.

The fields are means over windows, exactly; the noise is that of windows which share voxels.
"""

from itertools import product

import numpy as np
import pytest
from scipy.ndimage import uniform_filter1d

from hpcdvc.fields.curvature import Neighbourhood, curvature_lost

#: Spacing and half window: of much overlap, of little, and of voxels enough for three dimensions.
SIZES = {"2-D": ((40, 44), 5, 10), "2-D, little overlap": ((30, 34), 7, 7), "3-D": ((14, 15, 16), 4, 5)}
STD = 0.01


class Windows:
    """A grid of windows with a margin, as in an image: their voxels, their means and their noise."""

    def __init__(self, shape, spacing, half):
        self.dimensions, self.shape, self.spacing, self.half = len(shape), shape, spacing, half
        flat = 3 - self.dimensions
        self.near = Neighbourhood.of(
            (1,) * flat + shape,
            (1.0,) * flat + (float(spacing),) * self.dimensions,
            (0,) * flat + (half,) * self.dimensions,
        )
        self.nodes = np.stack(np.meshgrid(*(spacing * np.arange(n) for n in shape), indexing="ij"), axis=-1)

    @property
    def window(self) -> int:
        return 2 * self.half + 1

    def means(self, values) -> np.ndarray:
        """Of a function of positions (..., dimensions) over the voxels of each window."""
        offsets = range(-self.half, self.half + 1)
        return (
            sum(values(self.nodes + o) for o in product(offsets, repeat=self.dimensions)) / self.window**self.dimensions
        )

    def noise(self, seed: int) -> np.ndarray:
        """Of standard deviation STD."""
        voxels = np.random.default_rng(seed).standard_normal([n * self.spacing for n in self.shape])
        for axis in range(self.dimensions):
            voxels = uniform_filter1d(voxels, self.window, axis=axis, mode="wrap")
        return STD * self.window ** (self.dimensions / 2) * voxels[(slice(None, None, self.spacing),) * self.dimensions]

    def slopes(self, measured) -> np.ndarray:
        """(..., dimensions) by differences of neighbours."""
        return np.moveaxis(np.array(np.gradient(measured, self.spacing)), 0, -1)

    def lost(self, measured, gradient=None, usable=None, variance=STD**2) -> tuple[np.ndarray, np.ndarray]:
        """Correction, and its price."""
        block = (1,) * (3 - self.dimensions) + self.shape
        usable = np.ones(self.shape, bool) if usable is None else usable
        slopes = np.zeros((*block, 3))
        slopes[..., 3 - self.dimensions :] = self.slopes(measured) if gradient is None else gradient
        variance = np.broadcast_to(np.reshape(variance, np.shape(variance) and block), block)
        results = curvature_lost(measured.reshape(block), slopes, variance, usable.reshape(block), self.near)
        return tuple(result.reshape(self.shape) for result in results)


@pytest.fixture(scope="module", params=SIZES)
def windows(request):
    return Windows(*SIZES[request.param])


def sine(windows: Windows, length: float, amplitude: float = 0.3):
    """A wave along an oblique direction; length in windows."""
    direction = np.array([0.6, 0.8]) if windows.dimensions == 2 else np.array([0.48, 0.64, 0.6])
    return lambda x: amplitude * np.sin(2 * np.pi * (x @ direction) / (length * windows.window) + 0.4)


def inside(windows: Windows) -> tuple[slice, ...]:
    """Nodes that are farther than half a window from the edges of the grid."""
    n = int(np.ceil(windows.window / 2 / windows.spacing))
    return (slice(n, -n),) * windows.dimensions


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


@pytest.mark.parametrize(("length", "part"), [(2.5, 0.6), (3, 0.45), (4, 0.4)])
def test_most_of_a_wave_that_windows_lose_comes_back(windows, length, part):
    wave = sine(windows, length)
    measured = windows.means(wave)
    lost = wave(windows.nodes) - measured
    found, _ = windows.lost(measured + windows.noise(1))
    assert rms((found - lost)[inside(windows)]) < part * rms(lost[inside(windows)])


def test_short_waves_are_left(windows):
    """There is no telling them from jumps."""
    found, _ = windows.lost(windows.means(sine(windows, 1.6)))
    assert np.abs(found).max() < 0.003


def test_nothing_is_found_in_noise(windows):
    """And an affine field is left as it is, whatever its slope."""
    slope = np.linspace(0.1, -0.2, windows.dimensions)
    for seed in range(5):
        noise = windows.noise(seed)
        found, _ = windows.lost(noise + windows.nodes @ slope, slope)
        assert rms(noise + found) < 1.01 * rms(noise)


def test_scatter_is_what_the_price_says(windows):
    wave = windows.means(sine(windows, 4))
    found, price = zip(*(windows.lost(wave + windows.noise(seed)) for seed in range(40)), strict=True)
    values = np.array([wave + windows.noise(seed) for seed in range(40)]) + found
    scatter = np.var(values, axis=0, ddof=1).mean() / STD**2
    assert scatter > 1.04
    assert 0.97 < np.sqrt(scatter / (1 + np.mean(price))) < 1.03


@pytest.mark.parametrize("size", [0.05, 0.2, 2.0])
def test_a_jump_is_not_smeared(windows, size):
    """Windows beside it are right, and stay so; those on it are not made worse."""
    middle = windows.nodes[..., -1].mean() + 1.3
    truth = np.where(windows.nodes[..., -1] > middle, size, 0.0)
    noise = windows.noise(2)
    measured = windows.means(lambda x: np.where(x[..., -1] > middle, size, 0.0)) + noise
    found, _ = windows.lost(measured)
    on = np.abs(windows.nodes[..., -1] - middle) <= windows.half
    before, after = measured - truth, measured + found - truth
    assert rms(after[~on]) < 1.2 * rms(before[~on]) and rms(after[on]) < 1.02 * rms(before[on])
    assert np.abs(found).max() < max(0.025 * size, 2 * STD)


def test_a_jump_with_windows_that_say_so(windows):
    """Variances that are large on it do not excuse it."""
    middle = windows.nodes[..., -1].mean() + 1.3
    measured = windows.means(lambda x: np.where(x[..., -1] > middle, 2.0, 0.0)) + windows.noise(3)
    on = np.abs(windows.nodes[..., -1] - middle) <= windows.half
    found, _ = windows.lost(measured, variance=np.where(on, 100, 1) * STD**2)
    assert np.abs(found).max() < 0.04


def test_nodes_that_failed_are_left_out(windows):
    """Nothing is taken of their values, nothing added to them; others find nearly what they would with all."""
    wave = sine(windows, 4)
    measured = windows.means(wave) + windows.noise(4)
    slopes = windows.slopes(measured)
    usable = np.random.default_rng(5).random(windows.shape) > 0.03
    holes = np.where(usable, measured, np.nan)
    found, price = windows.lost(
        holes, np.where(usable[..., None], slopes, np.nan), usable, np.where(usable, STD**2, np.nan)
    )
    assert np.isfinite(found).all() and not found[~usable].any() and not price[~usable].any()
    lost = wave(windows.nodes) - windows.means(wave)
    there = usable[inside(windows)]
    assert rms((found - lost)[inside(windows)][there]) < 0.45 * rms(lost[inside(windows)][there])


def test_nothing_is_invented_at_a_large_hole(windows):
    """Nodes at its rim have neighbours on one side: the field beyond is not known, and its slope must not matter."""
    slope = np.linspace(0.3, -0.2, windows.dimensions)
    usable = np.linalg.norm(windows.nodes - windows.nodes.reshape(-1, windows.dimensions).mean(axis=0), axis=-1) > (
        1.2 * windows.window
    )
    noise = windows.noise(6)
    found, _ = windows.lost(np.where(usable, noise + windows.nodes @ slope, 99.0), slope, usable)
    assert rms((noise + found)[usable]) < 1.01 * rms(noise[usable])


def test_axes_along_which_neighbours_tell():
    assert Neighbourhood.of((1, 9, 9), (1, 5, 5), (0, 7, 7)).axes == (1, 2)
    assert Neighbourhood.of((9, 9, 9), (20, 7, 8), (7, 7, 7)).axes == (1,)
    assert Neighbourhood.of((9, 2, 3), (5, 5, 5), (7, 7, 7)).axes == (0, 2)


def test_along_one_axis_alone():
    """Where the other nodes are too far apart they stay out of it."""
    near = Neighbourhood.of((20, 3, 4), (5.0, 50.0, 50.0), (7, 7, 7))
    z, wave_number = 5.0 * np.arange(20)[:, None], 2 * np.pi / 60
    voxels = wave_number * (z + np.arange(-7, 8))
    values = (0.3 * np.sin(wave_number * z[:, 0]), 0.3 * np.sin(voxels).mean(axis=1), 0.3 * np.cos(voxels).mean(axis=1))
    wave, measured, slope = (np.tile(value[:, None, None], (1, 3, 4)) for value in values)
    gradient = np.stack([wave_number * slope, 0 * slope, 0 * slope], axis=-1)
    usable, variance = np.ones(wave.shape, bool), np.full(wave.shape, 1e-6)
    found, _ = curvature_lost(measured, gradient, variance, usable, near)
    assert rms((measured + found - wave)[3:-3]) < 0.2 * rms((measured - wave)[3:-3])
    usable[:, 1] = False
    again, _ = curvature_lost(np.where(usable, measured, 7.0), gradient, variance, usable, near)
    assert (again[:, [0, 2]] == found[:, [0, 2]]).all() and not again[:, 1].any()
