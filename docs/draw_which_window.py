"""Which window: noise and smoothing against its size, on real CT texture."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import tifffile
from matplotlib.ticker import NullFormatter
from scipy import ndimage
from synthetic import Grey, ShearBand, image_texture, render

from hpcdvc.fields.grid import make_grid
from hpcdvc.fields.noise import errors_of_shifts
from hpcdvc.registration.settings import Settings, Window
from hpcdvc.registration.windows import register_windows
from hpcdvc.steps.noise import Resampled
from hpcdvc.steps.roi import Region
from hpcdvc.steps.self_start import no_motion

CEMENT = Path(__file__).resolve().parent.parent / "tests" / "data" / "cement.tif"
HALVES, SIZE, SPACING = (3, 5, 7, 10, 14), 84, 7


def windows(half: int) -> Settings:
    """Default settings of windows of a size."""
    return Settings(Window((half,) * 3))


def noise_of_cement() -> tuple[np.ndarray, np.ndarray]:
    """Random error and bias (voxel) of the CT scan by its resampling, largest of the components, by size."""
    image = tifffile.imread(CEMENT)
    pairs = Resampled(Region.whole(image.shape), tuple(map(windows, HALVES)), 100)
    rows = pairs.measure(image, None, pairs.noise_of(image)[0])(np.arange(len(pairs.sizes)))
    found = []
    for size, half in enumerate(HALVES):
        some = pairs.sizes == size
        good = rows["return_status"][some] == 2
        one = errors_of_shifts(half, pairs.truth[some], rows[some], good, pairs.axes)
        found.append((one.largest_random, one.largest_bias))
    return tuple(np.array(found).T)


def errors_at_band() -> np.ndarray:
    """(sizes, 2) RMS error against the truth, voxel: away from a shear band in the cement, and across it."""
    volume = ndimage.gaussian_filter(tifffile.imread(CEMENT).astype(float), 0.8)
    texture = image_texture((volume - volume.mean()) / volume.std(), 0.8, 9.6)
    normal = np.array([0.82, 0.0, 0.57])
    band = ShearBand(0.8 * np.array([-0.57, 0.0, 0.82]), normal, np.full(3, (SIZE - 1) / 2), width=4.0)
    grey = Grey(mean=25000, contrast=4000, noise=0.05)
    im1, im2 = (render(texture, (SIZE,) * 3, field, grey, seed=k) for k, field in enumerate((None, band)))
    grid = make_grid((SIZE,) * 3, (SPACING,) * 3)
    positions = grid.positions()
    inner = np.flatnonzero((np.abs(positions - (SIZE - 1) / 2) <= (SIZE - 1) / 2 - HALVES[-1] - 2).all(axis=1))
    truth, across = band.displacement(positions[inner]), np.abs(band.distance(positions[inner])) < 6
    found = []
    for half in HALVES:
        rows = register_windows(im1, im2, no_motion(inner, positions[inner]), windows(half))
        error, good = ((rows["Phi"][:, :, 3] - truth) ** 2).mean(axis=1), rows["return_status"] == 2
        away = np.abs(band.distance(positions[inner])) > 10 + half
        found.append([np.sqrt(error[some & good].mean()) if (some & good).any() else np.nan for some in (away, across)])
    return np.array(found)


def draw_which_window(path: Path) -> None:
    """What `hpcdvc-noise` says of a scan of cement, and what windows of each size make of a shear band in it."""
    edges = 2 * np.array(HALVES) + 1
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True)
    random, bias = noise_of_cement()
    left.plot(edges, random, "o-", label="random error")
    left.plot(edges, np.abs(bias), "s-", label="largest bias")
    left.axhline(0.01, color="0.3", linestyle="--", linewidth=1, label="wanted: 0.01")
    left.set_title("cement as scanned, against its resampling")
    away, across = errors_at_band().T
    right.plot(edges, away, "o-", label="away from the band")
    right.plot(edges, across, "s-", color="tab:red", label="at the band")
    right.set_title("cement with a shear band: error against the truth")
    for axis in (left, right):
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xticks(edges, [str(edge) for edge in edges])
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.set_xlabel("window, voxels along an edge")
        axis.grid(alpha=0.3)
        axis.legend()
    left.set_ylabel("voxel")
    figure.savefig(path)
