"""Pictures and conclusions of the gallery: its command lines are run, what they wrote is drawn and put into words."""

import contextlib
import shlex
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import gallery
import h5py
import matplotlib.pyplot as plt
import numpy as np
import tifffile
from draw_speckle_phase import DECREMENT, LENSES, PIXEL, SIZE, WAVE_NUMBER, make_scan, sample
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pages import DOCS, measurements
from panels import ruled

import hpcdvc
from hpcdvc.cli import main


@cache
def folder() -> tempfile.TemporaryDirectory:
    """A folder with all files of the page; it goes with the program."""
    made = tempfile.TemporaryDirectory()
    save_files(Path(made.name))
    return made


def save_files(where: Path) -> None:
    """Write what the page offers for download."""
    gallery.save_downloads(where)
    gallery.save_cement(where)
    gallery.save_grains(where)
    make_scan(str(where / "glass.h5"))


@contextlib.contextmanager
def measured(word: str) -> Iterator[None]:
    """Run the lines of the page that name this sample, in a folder of their own files."""
    with contextlib.chdir(folder().name):
        for name, words in measurements(DOCS / "gallery.md"):
            if any(word in part for part in words):
                assert main(name, [*words, "-q", "--force"]) == 0, shlex.join([name, *words])
        yield


def conclude(path: Path, text: str, *images: str) -> None:
    """Write the conclusion beside the picture, and there also what was made for the page."""
    path.with_suffix(".txt").write_text(" ".join(text.split()) + "\n")
    for name in images:
        (path.parent / name).write_bytes((Path(folder().name) / name).read_bytes())


def extent_of(origin, spacing, shape) -> list[float]:
    """Edges of the cells about the nodes of a slice, as pictures want them: left, right, bottom, top."""
    low = np.array(origin) - np.array(spacing) / 2
    high = low + np.array(spacing) * shape
    return [low[1], high[1], high[0], low[0]]


def show(figure: Figure, axis: Axes, values: np.ndarray, title: str, unit: str, colours: str, **how) -> None:
    """A map with its colour bar, pointed where values lie beyond it; what has no value shows the ground."""
    shown = axis.imshow(np.ma.masked_invalid(values), cmap=colours, interpolation="nearest", **how)
    beyond = "max" if np.nanmax(values) > shown.norm.vmax else "neither"
    figure.colorbar(shown, ax=axis, label=unit, shrink=0.8, extend=beyond)
    axis.set_title(title)


def draw_gallery_cement(path: Path) -> None:
    """A slice of the scan, the displacement along the band, and its equivalent strain."""
    with measured("cement"):
        image = tifffile.imread("cement-0.tif")
        field = hpcdvc.read("out/cement-0-cement-1-ldic.hdf")
        strain = hpcdvc.read("out/cement-0-cement-1-ldic-strain-Geers.hdf")
    grid, along = field.grid, gallery.BAND.slip / gallery.SLIP
    k = grid.shape[0] // 2
    z = round(grid.origin[0] + k * grid.spacing[0])
    good, truth = field.measured, gallery.band().displacement(field.positions)
    slip = np.where(good, field.displacement @ along, np.nan).reshape(grid.shape)[k]
    shear = np.where(strain.measured, strain.extra["eq"], np.nan).reshape(grid.shape)[k]
    extent = extent_of(grid.origin[1:], grid.spacing[1:], grid.shape[1:])
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.3))
    show(figure, axes[0], image[z], f"cement-0, slice z = {z}", "grey value", "gray")
    most = np.nanmax(np.abs(slip))
    limits = {"vmin": -most, "vmax": most, "extent": extent}
    show(figure, axes[1], slip, f"displacement along the band, z = {z}", "voxel", "RdBu_r", **limits)
    show(figure, axes[2], 100 * shear, f"equivalent strain, z = {z}", "%", "magma", vmin=0, extent=extent)
    for axis in axes:
        ruled(axis)
    figure.savefig(path)
    distance = gallery.BAND.distance(field.positions)
    jump = np.median((field.displacement @ along)[good & (distance > 20)])
    jump -= np.median((field.displacement @ along)[good & (distance < -20)])
    exact = np.median((truth @ along)[good & (distance > 20)]) - np.median((truth @ along)[good & (distance < -20)])
    wrong, away = np.linalg.norm(field.displacement - truth, axis=1), np.abs(distance) > 15
    inside, outside = (np.median(wrong[good & some]) for some in (~away, away))
    conclude(
        path,
        f"""Of {len(field)} windows {_percent(good)} converge. Along the band the sides have moved by {jump:.2f} voxels
        against each other, {exact:.2f} in truth, and the strain shows where. The median error is {outside:.3f} voxel
        away from the band and {inside:.3f} inside it, where a window of 15 voxels averages over a displacement that
        is curved.""",
        "cement-0.tif",
        "cement-1.tif",
    )


def draw_gallery_bone(path: Path) -> None:
    """A slice of bone, the error along x in it, and the errors of all windows."""
    with measured("bone"):
        image = tifffile.imread("bone-0.tif")
        field = hpcdvc.read("out/bone-0-bone-1-ldic.hdf")
    grid, good = field.grid, field.measured
    k = grid.shape[0] // 2
    z = round(grid.origin[0] + k * grid.spacing[0])
    wrong = field.displacement - (0.5, 0, 0.5)
    size = np.linalg.norm(wrong, axis=1)
    extent = extent_of(grid.origin[1:], grid.spacing[1:], grid.shape[1:])
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.3))
    show(figure, axes[0], image[z], f"bone-0, slice z = {z}", "grey value", "gray")
    values = np.where(good, 1000 * size, np.nan).reshape(grid.shape)[k]
    title = f"error, z = {z}; hatched: not measured"
    show(figure, axes[1], values, title, "voxel / 1000", "magma", vmin=0, vmax=25, extent=extent)
    for axis in axes[:2]:
        ruled(axis)
    edges = np.linspace(-25, 25, 76)
    for axis, name in enumerate("zyx"):
        axes[2].hist(1000 * wrong[good, axis], edges, histtype="step", label=f"along {name}")
    axes[2].set(title="all measured windows", xlabel="error, voxel / 1000", ylabel="windows")
    axes[2].legend(frameon=False)
    figure.savefig(path)
    doubted = field.return_status == -13
    middle = _three(np.median(field.displacement[good], axis=0))
    left = np.linalg.norm(field.phi[doubted, :3, 3] - (0.5, 0, 0.5), axis=1)
    conclude(
        path,
        f"""Of {len(field)} windows {_percent(good)} converge. Their median displacement along z, y, x is {middle}
        voxel; the truth is 0.5, 0, 0.5. Half of them are right within {np.median(size[good]):.3f} voxel, 95 % within
        {np.percentile(size[good], 95):.3f}: compact bone and marrow, where hardly an edge is in a window, are worst.
        {_percent(doubted)} are doubted (status -13), and rightly so: their median error would be
        {np.median(left):.3f} voxel.""",
    )


def _percent(some: np.ndarray) -> str:
    return f"{100 * np.mean(some):.1f} %"


def _three(values: np.ndarray) -> str:
    return ", ".join(f"{value + 0.0:.3f}".replace("-0.000", "0.000") for value in values)


def draw_gallery_tensile(path: Path) -> None:
    """The second frame, the strain along the bar, and its profile with error bars."""
    with measured("tensile"):
        image = tifffile.imread("tensile_170.tif")
        start = hpcdvc.read("out/tensile_151-tensile_170-registration.hdf")
        field = hpcdvc.read("out/tensile_151-tensile_170-ldic.hdf")
    grid, good = field.grid, field.measured.reshape(field.grid.shape)[0]
    strain = np.where(good, 100 * (field.phi[:, 1, 1].reshape(grid.shape)[0] - 1), np.nan)
    mean, y = _mean_of_rows(strain, grid)
    extent = extent_of(grid.origin[1:], grid.spacing[1:], grid.shape[1:])
    figure, axes = plt.subplots(3, 1, figsize=(9, 5.4), sharex=True)
    turned = {"extent": [extent[3], extent[2], extent[1], extent[0]], "aspect": "auto"}
    whole = {"extent": [-0.5, image.shape[0] - 0.5, image.shape[1] - 0.5, -0.5], "aspect": "auto"}
    show(figure, axes[0], image.T, "tensile_170, turned by 90 degrees", "grey value", "gray", **whole)
    show(figure, axes[1], strain.T, "strain along the bar, F - 1; hatched: not measured", "%", "magma", **turned)
    for axis in axes[:2]:
        ruled(axis, "pixel", "yx", outer=True)
    axes[2].plot(y, mean)
    stretch = 100 * (start.phi[0, 1, 1] - 1)
    axes[2].axhline(stretch, color="0.4", linestyle=":", label="registration of the whole frame")
    axes[2].set(xlabel="y, pixel", ylabel="mean over x, %")
    axes[2].legend(frameon=False)
    figure.savefig(path)
    peak = int(np.nanargmax(mean))
    random = 100 * np.median(np.sqrt(field.extra["variance"][field.measured, 5]))
    conclude(
        path,
        f"""As a whole the bar is {stretch:.1f} % longer. The strain is not uniform: its mean over the width is largest,
        {mean[peak]:.1f} %, at y = {y[peak]:.0f} pixels, and falls to {np.nanmin(mean):.1f} % at the ends: one number
        for the whole bar hides that. The random error of a single value is {random:.2f} % (its standard deviation in
        the file).""",
    )


def _mean_of_rows(strain: np.ndarray, grid) -> tuple[np.ndarray, np.ndarray]:
    """Means over the width where at least half of it was measured, and their y."""
    enough = np.isfinite(strain).mean(axis=1) >= 0.5
    mean = np.full(len(strain), np.nan)
    mean[enough] = np.nanmean(strain[enough], axis=1)
    return mean, grid.origin[1] + grid.spacing[1] * np.arange(len(strain))


def draw_gallery_grains(path: Path) -> None:
    """Grains found in a slice, with their displacements, and how much each has turned."""
    with measured("grains"):
        image, labels = tifffile.imread("grains-0.tif"), tifffile.imread("out/grains-0-labels.tif")
        field = hpcdvc.read("out/grains-0-grains-1-ddic.hdf")
    good, some = field.measured, gallery.grains()
    turned = np.linalg.norm(field.extra["rotation"], axis=1)
    table = np.full(labels.max() + 1, np.nan)
    table[field.extra["label"].astype(int)[good]] = turned[good]
    z = len(image) // 2
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.8))
    show(figure, axes[0], image[z], f"grains-0, slice z = {z}: displacements, 4 times", "grey value", "gray")
    show(figure, axes[1], table[labels[z]], f"rotation, z = {z}; hatched: no grain", "degree", "viridis", vmin=0)
    for axis in axes:
        for label in np.unique(labels[z][labels[z] > 0]):
            axis.contour(labels[z] == label, [0.5], colors="tab:orange", linewidths=0.8)
    near = good & (np.abs(field.positions[:, 0] - z) < 9)
    arrows = {"angles": "xy", "scale_units": "xy", "scale": 0.25, "width": 0.008, "color": "cyan"}
    axes[0].quiver(*field.positions[near].T[:0:-1], *field.displacement[near].T[:0:-1], **arrows)
    for axis in axes:
        ruled(axis)
    figure.savefig(path)
    wrong, angle = _errors_of_grains(field, some)
    conclude(
        path,
        f"""{labels.max()} grains are found, of {len(some.centres)}, and {good.sum()} of them converge. They have turned
        by {turned[good].min():.1f} to {turned[good].max():.1f} degrees. The median error is
        {np.median(wrong[good]):.3f} voxel and {np.median(angle[good]):.2f} degrees.""",
        "grains-0.tif",
        "grains-1.tif",
    )


def _errors_of_grains(field, some) -> tuple[np.ndarray, np.ndarray]:
    """Error of each label, voxels and degrees; its grain is the one whose centre is nearest."""
    away = field.positions[:, None] - some.centres
    nearest = np.argmin(np.linalg.norm(away, axis=2), axis=1)
    offset = away[np.arange(len(field)), nearest]
    turns = some.turns[nearest]
    truth = some.moves[nearest] + ((turns - np.eye(3)) @ offset[..., None])[..., 0]
    cosine = (np.einsum("nij,nij->n", field.phi[:, :3, :3], turns) - 1) / 2
    return np.linalg.norm(field.displacement - truth, axis=1), np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def draw_gallery_speckle(path: Path) -> None:
    """A frame with the sample, the thickness of glass from the phase, and a profile with the truth."""
    with measured("glass"):
        with h5py.File("glass.h5") as file:
            frame = file["sam"][0]
        result = hpcdvc.read("out/glass-umpa.hdf")
    thickness = -1e6 * result["phase"] / (WAVE_NUMBER * DECREMENT)
    y, x = np.mgrid[:SIZE, :SIZE].astype(float)
    truth = -1e6 * sample(y, x).phase / (WAVE_NUMBER * DECREMENT)
    empty = np.hypot(*np.gradient(truth)) == 0
    thickness -= np.nanmedian(thickness[empty])  # no gradient tells the constant
    row, edge = LENSES[0][0], 1e6 * PIXEL
    size = {"extent": [0, SIZE * edge, SIZE * edge, 0]}
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.2))
    show(figure, axes[0], frame, "one of 16 frames with the sample", "photons", "gray", **size)
    most = np.nanmax(np.abs(thickness))
    title = "thickness of glass; hatched: not measured"
    show(figure, axes[1], thickness, title, "µm", "RdBu_r", vmin=-most, vmax=most, **size)
    for axis in axes[:2]:
        ruled(axis, "µm")
    axes[2].plot((np.arange(SIZE) + 0.5) * edge, thickness[row], label="measured")
    axes[2].plot((np.arange(SIZE) + 0.5) * edge, truth[row], "k--", linewidth=0.8, label="truth")
    axes[2].set(title=f"at y = {row * edge:.0f} µm", xlabel="x, µm", ylabel="thickness, µm")
    axes[2].legend(frameon=False)
    figure.savefig(path)
    y0, x0 = LENSES[0][:2]
    wrong = (thickness - truth)[np.isfinite(thickness)]
    conclude(
        path,
        f"""The thickest lens has {thickness[y0, x0]:.1f} µm, {truth[y0, x0]:.1f} in truth, and the rms error of the map
        is {np.sqrt(np.mean(wrong**2)):.2f} µm. {_percent(np.isfinite(thickness))} of the pixels are measured: a window
        at the rim of the frame has no place to go. The hollow is negative.""",
        "glass.h5",
    )
