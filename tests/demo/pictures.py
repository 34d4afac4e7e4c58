"""Pictures of the demo's results."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import BoundaryNorm, ListedColormap

from hpcdvc.fields.status import reason_of

plt.rcParams.update({"font.size": 9, "axes.titlesize": 10, "figure.constrained_layout.use": True})
RUBY, TEAL, SAND, SLATE = "#b5304a", "#2a9d8f", "#e9c46a", "#264653"
STATUS_COLOURS = {
    2: "#d8e6e4",
    1: SAND,
    -1: "#f4a261",
    -2: "#9aa5ab",
    -5: "#c9c3b8",
    -6: "#c9c3b8",
    -8: SLATE,
    -9: RUBY,
}


def show(figure, axes, image, title, unit=None, **how):
    """An image with its own colour bar."""
    drawn = axes.imshow(image, interpolation="nearest", **how)
    axes.set(title=title, facecolor="0.7")  # grey where nothing is measured: white is an error of zero
    if unit is not None:
        bar = figure.colorbar(drawn, ax=axes, shrink=0.85, pad=0.02)
        bar.set_label(unit)
        bar.outline.set_visible(False)
    return drawn


def show_status(figure, axes, status, **how):
    """A map of return statuses; the reasons stand below the figure."""
    present = sorted(set(np.unique(status).tolist()), reverse=True)
    colours = [STATUS_COLOURS.get(s, "black") for s in present]
    index = np.searchsorted(-np.array(present), -status)
    norm = BoundaryNorm(np.arange(len(present) + 1) - 0.5, max(len(present), 2))
    axes.imshow(index, cmap=ListedColormap([*colours, "black"]), norm=norm, interpolation="nearest", **how)
    axes.set_title("return status")
    for value, colour in zip(present, colours, strict=True):
        label = f"{value}: {reason_of(value)} ({np.mean(status == value):.1%})"
        axes.plot([], [], "s", color=colour, markeredgecolor="0.5", label=label)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)


def volume(out: Path, field, truth, band, images) -> list[Path]:
    """Pictures of a measured volume: displacement and its error, then images, status and error across the band."""
    grid = field.grid
    middle = grid.shape[1] // 2
    y = int(grid.origin[1] + middle * grid.spacing[1])
    slices = [image[:, y] for image in images]
    half = np.array(grid.spacing) / 2
    last = np.array(grid.origin) + (np.array(grid.shape) - 1) * grid.spacing
    extent = (grid.origin[2] - half[2], last[2] + half[2], last[0] + half[0], grid.origin[0] - half[0])
    converged = field.measured
    measured = np.where(converged[:, None], field.displacement, np.nan)
    error = measured - truth.displacement(field.positions)
    limit = max(0.01, float(np.nanpercentile(np.abs(error), 98)))

    figure, axes = plt.subplots(2, 3, figsize=(11, 6.6), sharex=True, sharey=True)
    for column, name in enumerate("zyx"):
        u, e = (a.reshape(*grid.shape, 3)[:, middle, :, column] for a in (measured, error))
        show(figure, axes[0, column], u, f"measured displacement in {name}", "voxel", cmap="viridis", extent=extent)
        show(
            figure,
            axes[1, column],
            e,
            f"error in {name}",
            "voxel",
            cmap="RdBu_r",
            extent=extent,
            vmin=-limit,
            vmax=limit,
        )
    for axis in axes[1]:
        axis.set_xlabel("x (voxel)")
    for axis in axes[:, 0]:
        axis.set_ylabel("z (voxel)")
    figure.suptitle(f"y = {y}")
    paths = [out / "cement-displacement.png", out / "cement-quality.png"]
    figure.savefig(paths[0], dpi=130)

    figure, axes = plt.subplots(1, 4, figsize=(15, 4.4))
    titles = f"reference at y = {y}, and the band", f"deformed, y = {y}"
    for axis, image, title in zip(axes, slices, titles, strict=False):
        grey = np.percentile(image, [0.5, 99.8])
        show(figure, axis, image, title, cmap="gray", vmin=grey[0], vmax=grey[1])
    for offset in (-2 * band.width, 2 * band.width):
        x = np.array([0.0, slices[0].shape[1]])
        z = band.point[0] - (band.normal[2] * (x - band.point[2]) - offset) / band.normal[0]
        axes[0].plot(x, z, "--", color=SAND, linewidth=1)
    axes[0].set(ylabel="z (voxel)", ylim=(slices[0].shape[0], 0), xlim=(0, slices[0].shape[1]))
    show(figure, axes[2], slices[0], "", cmap="gray")
    show_status(figure, axes[2], field.return_status.reshape(grid.shape)[:, middle], extent=extent, alpha=0.75)
    for axis in axes[:3]:
        axis.set_xlabel("x (voxel)")
    scatter(axes[3], band.distance(field.positions), np.linalg.norm(error, axis=1), band)
    figure.savefig(paths[1], dpi=130)
    plt.close("all")
    return paths


def scatter(axes, distance, error, band) -> None:
    """Error of every node against its distance from the band."""
    axes.semilogy(distance, error, ".", color=TEAL, markersize=1.5, alpha=0.35, rasterized=True)
    edges = np.arange(distance.min(), distance.max() + 4, 4)
    bins = np.digitize(distance, edges)
    levels = [(np.nanmedian, "median", "-"), (lambda e: np.nanpercentile(e, 95), "95 %", "--")]
    used = [b for b in np.unique(bins) if np.isfinite(error[bins == b]).sum() > 20]
    for function, label, style in levels:
        axes.plot(
            [edges[b - 1] + 2 for b in used], [function(error[bins == b]) for b in used], style, color=RUBY, label=label
        )
    axes.axvspan(-2 * band.width, 2 * band.width, color=SAND, alpha=0.4, linewidth=0, label="band")
    axes.set(xlabel="distance from the middle of the band (voxel)", ylabel="voxel", title="error of the displacement")
    axes.set_box_aspect(1)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="upper right", fontsize=8)


def bar(out: Path, field, frames) -> list[Path]:
    """Picture of the tensile test: displacement, strain and status over the bar."""
    grid = field.grid
    half = np.array(grid.spacing) / 2
    last = np.array(grid.origin) + (np.array(grid.shape) - 1) * grid.spacing
    extent = (grid.origin[2] - half[2], last[2] + half[2], last[1] + half[1], grid.origin[1] - half[1])
    converged = field.measured.reshape(grid.shape)[0]
    u = np.where(converged, field.displacement[:, 1].reshape(grid.shape)[0], np.nan)
    strain = np.where(converged, 100 * (field.phi[:, 1, 1].reshape(grid.shape)[0] - 1), np.nan)
    figure, axes = plt.subplots(1, 5, figsize=(11.5, 8), width_ratios=(1, 1.3, 1.3, 1, 1.6))
    for axis in axes[:4]:
        axis.imshow(frames[0], cmap="gray", vmin=0, vmax=255)
        axis.set(xlim=(0, frames[0].shape[1]), ylim=(frames[0].shape[0], 0), xlabel="x (pixel)")
    axes[0].set(title="frame 151", ylabel="y (pixel)")
    show(figure, axes[1], u, "displacement in y", "pixel", cmap="viridis", extent=extent)
    low, high = np.nanpercentile(strain, [1, 99])
    show(figure, axes[2], strain, "axial strain", "%", cmap="magma", extent=extent, vmin=low, vmax=high)
    show_status(figure, axes[3], field.return_status.reshape(grid.shape)[0], extent=extent, alpha=0.75)
    some = np.isfinite(strain).any(axis=1)
    y = (grid.origin[1] + np.arange(grid.shape[1]) * grid.spacing[1])[some]
    axes[4].plot(np.nanmedian(strain[some], axis=1), y, color=RUBY, label="median")
    spread = np.nanpercentile(strain[some], [10, 90], axis=1)
    axes[4].fill_betweenx(y, *spread, color=RUBY, alpha=0.2, linewidth=0, label="10 to 90 %")
    axes[4].set(xlim=(0, None), ylim=(frames[0].shape[0], 0), xlabel="axial strain (%)", title="strain along the bar")
    axes[4].grid(alpha=0.3)
    axes[4].legend(frameon=False, loc="upper right", fontsize=8)
    path = out / "tensile.png"
    figure.savefig(path, dpi=120)
    plt.close("all")
    return [path]
