"""Pictures of measurements on real textures, with the images in tests/data."""

from functools import cache
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import tifffile
from draw_theory import measure
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch
from panels import ruled
from scipy import ndimage
from synthetic import Affine, Grey, ShearBand, SplineTexture, image_texture, pair

from hpcdvc import register_multiscale
from hpcdvc.fields.grid import Grid, make_grid
from hpcdvc.fields.phi import at_points
from hpcdvc.fields.status import Status, reason_of
from hpcdvc.output.graph import draw_iterations
from hpcdvc.registration.multiscale import RegistrationResult

DATA = Path(__file__).resolve().parent.parent / "tests" / "data"


def cement_texture() -> SplineTexture:
    """A CT volume of cement between its voxels, mean 0 and contrast 1."""
    volume = ndimage.gaussian_filter(tifffile.imread(DATA / "cement.tif").astype(float), 0.8)
    return image_texture((volume - volume.mean()) / volume.std(), 0.8, 9.6)


def band_sample() -> tuple[np.ndarray, np.ndarray, ShearBand, Grid, np.ndarray]:
    """Cement cut by a shear band: two images of one real texture, noisy, im2 brighter and with a spot that has changed.

    As in tests/demo, both images are the quintic spline through a CT volume, evaluated between its voxels.
    """
    texture = cement_texture()
    shape, depth = (40, 124, 124), np.array([42.0, 0, 0])
    middle = (np.array(shape) - 1) / 2
    field = ShearBand(np.array([0.0, 2.0, 1.2]), np.array([0.0, -1.2, 2.0]), middle, 9.0) + Affine(
        np.diag([1.003, 0.99, 1.003]), np.array([0.0, 0.4, 0.2]), middle
    )
    grey = {"mean": 25000, "contrast": 4000, "noise": 0.05}
    im1, im2 = pair(lambda points: texture(points + depth), shape, field, Grey(**grey), Grey(**grey, gain=1.15))
    z, y, x = np.ogrid[: shape[0], : shape[1], : shape[2]]
    spot = (z - 20) ** 2 + (y - 94) ** 2 + (x - 30) ** 2 < 12**2
    im2[spot] = np.random.default_rng(1).permutation(im2[spot])
    grid = make_grid(shape, (6, 6, 6))
    return im1, im2, field, grid, measure(im1, im2, grid.positions(), 8)


def draw_measurement(path: Path) -> None:
    """What a run reads and what it measures: a slice through images, displacement, status, error bar and error."""
    im1, im2, field, grid, rows = band_sample()
    k = grid.shape[0] // 2
    on_grid = rows.reshape(grid.shape)[k]
    bad = on_grid["return_status"] != Status.CONVERGED
    u = np.where(bad[..., None], np.nan, on_grid["Phi"][..., 3])
    positions = grid.positions().reshape(*grid.shape, 3)[k]
    truth = field.displacement(positions)
    std = np.sqrt(np.where(bad, np.nan, on_grid["variance"][..., [3, 7, 11]].sum(axis=-1)))
    z, half = int(positions[0, 0, 0]), 3
    extent = [
        positions[0, 0, 2] - half,
        positions[-1, -1, 2] + half,
        positions[-1, -1, 1] + half,
        positions[0, 0, 1] - half,
    ]

    figure, axes = plt.subplots(2, 3, figsize=(10, 6.4), sharex=True, sharey=True)
    for axis, image, title in zip(axes[0], (im1, im2), (f"im1, z = {z}", "im2"), strict=False):
        axis.imshow(image[z], cmap="gray", vmin=10000, vmax=34000)
        axis.set_title(title)
    axes[0, 2].set_title("displacement (arrows: 7 times)")
    size = np.linalg.norm(u, axis=-1)
    shown = axes[0, 2].imshow(size, extent=extent, cmap="viridis")
    some = (slice(1, None, 2),) * 2
    axes[0, 2].quiver(
        *positions[some].T[:0:-1],
        *u[some].T[:0:-1],
        angles="xy",
        scale_units="xy",
        scale=1 / 7,
        color="white",
        width=0.005,
    )
    figure.colorbar(shown, ax=axes[0, 2], label="voxel")
    draw_statuses(axes[1, 0], on_grid["return_status"], extent)
    error = np.linalg.norm(u - truth, axis=-1)
    for axis, values, title in zip(axes[1, 1:], (std, error), ("standard deviation, reported", "error"), strict=True):
        shown = axis.imshow(1000 * values, extent=extent, cmap="magma", vmin=0, vmax=100)
        axis.set_title(title)
    figure.colorbar(shown, ax=axes[1, 2], label="voxel / 1000", extend="max")
    for axis in axes.flat:
        ruled(axis, outer=True)
    figure.savefig(path)


def draw_statuses(axis, status: np.ndarray, extent: list[float]) -> None:
    """Return statuses as colours, with the words for them."""
    palette = ["#2b6f4e", "#e0a030", "#b5364f", "#6a4c93", "#3a6ea5", "#888888"]
    present = sorted(set(status.ravel()), reverse=True)
    colours = dict(zip(present, palette, strict=False))
    axis.imshow([[to_rgb(colours[s]) for s in line] for line in status], extent=extent)
    words = {1: "iterations used up", -3: "diverged", -6: "few voxels", -9: "no match", -13: "two motions"}
    marks = [Patch(color=colours[s], label=f"{s}  {words.get(s, reason_of(s))}") for s in present]
    axis.legend(handles=marks, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, fontsize=8, handlelength=1)
    axis.set_title("return status")


@cache
def tensile_test() -> tuple[list[np.ndarray], RegistrationResult]:
    """Two frames of a tensile test and their registration."""
    frames = [tifffile.imread(DATA / f"tensile_{number}.tif")[None] for number in (151, 170)]
    return frames, register_multiscale(*frames, bin_start=8)


def draw_tensile_iterations(path: Path) -> None:
    """What `-g` draws of this registration."""
    draw_iterations(str(path), tensile_test()[1].history)


def draw_tensile(path: Path) -> None:
    """Two frames of a tensile test, the axial displacement without its mean stretch, and the axial strain."""
    frames, start = tensile_test()
    grid = make_grid(frames[0].shape, (1, 10, 10))
    phi = at_points(start.phi, start.centre, grid.positions())[:, :3]
    rows = measure(*frames, grid.positions(), 20, phi).reshape(grid.shape)[0]
    bad = (rows["return_status"] != Status.CONVERGED)[..., None, None]
    measured = np.where(bad, np.nan, rows["Phi"])
    extent = [5, 10 * grid.shape[2] + 5, 10 * grid.shape[1] + 5, 5]
    figure, axes = plt.subplots(4, 1, figsize=(8.2, 6.4), sharex=True)
    for axis, frame, title in zip(axes, frames, ("im1", "im2"), strict=False):
        axis.imshow(frame[0].T, cmap="gray", aspect="auto")
        axis.set_title(title)
    fields = (
        (measured[..., 1, 3], "displacement along the bar (pixel)", "viridis"),
        (100 * (measured[..., 1, 1] - 1), "strain along the bar, F - 1 (%)", "magma"),
    )
    turned = [extent[3], extent[2], extent[1], extent[0]]
    for axis, (values, title, colours) in zip(axes[2:], fields, strict=True):
        shown = axis.imshow(values.T, extent=turned, cmap=colours, aspect="auto")
        axis.set_title(title)
        figure.colorbar(shown, ax=axis, pad=0.01)
    for axis in axes:
        ruled(axis, "pixel", "yx", outer=True)
    figure.savefig(path)
