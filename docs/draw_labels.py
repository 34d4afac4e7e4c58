"""Pictures of label images: grains that have moved, a column over them, and which label gets a voxel."""

from functools import cache
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from hpcdvc.kernels.labels import paint
from panels import ruled

from hpcdvc.fields.phi import rotation_matrix
from hpcdvc.kernels.volume import Volume
from hpcdvc.labels.boxes import centres_of_mass
from hpcdvc.labels.moved import MovedLabels, moved_labels
from hpcdvc.labels.scan import centres_of, scan_labels

SHAPE = (180, 260)


@cache
def grains() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A packing of grains in a shear band: label image (1, ny, nx), their Phi and whether they were measured."""
    rng = np.random.default_rng(12)
    y, x = np.indices(SHAPE)
    image, number = np.zeros(SHAPE, "u2"), 0
    for place in rng.uniform((22, 22), np.array(SHAPE) - 22, (4000, 2)):
        a, b, turn = rng.uniform(11, 17), rng.uniform(8, 11), rng.uniform(0, np.pi)
        u = (y - place[0]) * np.cos(turn) + (x - place[1]) * np.sin(turn)
        v = (x - place[1]) * np.cos(turn) - (y - place[0]) * np.sin(turn)
        if not image[(u / (a + 1.5)) ** 2 + (v / (b + 1.5)) ** 2 <= 1].any():
            number += 1
            image[(u / a) ** 2 + (v / b) ** 2 <= 1] = number
    centres = centres_of_mass(image, compact=True)[0]
    slide = 1 / (1 + np.exp(-(centres[:, 1] - SHAPE[0] / 2) / 12))
    phi = np.tile(np.eye(4), (len(centres), 1, 1))
    turns = np.zeros((len(centres), 3))
    turns[:, 0] = 60 * slide * (1 - slide) * rng.uniform(-0.6, 2, len(centres))
    phi[:, :3, :3] = rotation_matrix(turns)
    phi[:, 2, 3], phi[:, 1, 3] = 16 * (slide - 0.5), rng.normal(0, 0.8, len(centres))
    return image[None], phi, rng.random(len(centres)) > 0.07


def colours(labels: np.ndarray) -> np.ndarray:
    """Labels as colours that tell neighbours apart, white where there is none."""
    palette = np.random.default_rng(3).permutation(plt.get_cmap("nipy_spectral")(np.linspace(0.08, 0.92, 256))[:, :3])
    colours = 0.35 + 0.65 * palette[labels % 256]
    colours[labels == 0] = 1
    return colours


def _moved(image: np.ndarray, phi: np.ndarray) -> np.ndarray:
    particles = scan_labels(image)
    where = moved_labels(particles, phi, centres_of(particles), 0, image.shape)
    return MovedLabels(image, where).planes(0, len(image))[0]


def draw_moved(path: Path) -> None:
    """Grains, and where their motions take them."""
    image, phi, _ = grains()
    centres = centres_of_mass(image, compact=True)[0]
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.3), sharex=True, sharey=True)
    titles = "lab, and displacements, 1.4 times", "moved"
    for axis, labels, title in zip(axes, (image, _moved(image, phi)), titles, strict=True):
        axis.imshow(colours(labels[0]))
        axis.set_title(title)
        ruled(axis, outer=True)
    arrows = {"angles": "xy", "scale_units": "xy", "scale": 0.7, "width": 0.004}
    axes[0].quiver(*centres.T[:0:-1], phi[:, 2, 3], phi[:, 1, 3], **arrows)
    figure.savefig(path)


def draw_label_field(path: Path) -> None:
    """Grains, and a column over them: white where there is no grain, or none that was measured."""
    image, phi, measured = grains()
    labels = np.unique(image[image > 0]).astype(np.int64)
    values = np.where(measured, np.degrees(np.arctan2(phi[:, 2, 1], phi[:, 1, 1])), np.nan).astype("f4")
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.1), sharex=True, sharey=True)
    axes[0].imshow(colours(image[0]))
    axes[0].set_title("lab")
    most = np.nanmax(np.abs(values))
    shown = axes[1].imshow(paint(Volume(image), labels, values, 0, 1)[0], cmap="RdBu_r", vmin=-most, vmax=most)
    axes[1].contour(image[0] > 0, [0.5], colors="0.6", linewidths=0.4)
    axes[1].set_title("a column of its field")
    figure.colorbar(shown, ax=axes[1], label="rotation, degrees")
    for axis in axes:
        ruled(axis, outer=True)
    figure.savefig(path)


def draw_claims(path: Path) -> None:
    """Masks of two labels that have moved into each other, and the label that each pixel gets."""
    image = np.zeros((1, 26, 40), "u1")
    y, x = np.indices(image.shape[1:])
    image[0, (y - 13) ** 2 + (x - 11) ** 2 <= 49], image[0, (y - 13) ** 2 + (x - 28) ** 2 <= 49] = 1, 2
    phi = np.tile(np.eye(4), (2, 1, 1))
    phi[:, :3, :3] = rotation_matrix(np.array([[25.0, 0, 0], [-10.0, 0, 0]]))
    phi[:, 1, 3], phi[:, 2, 3] = (-0.4, 0.7), (2.6, -3.2)
    steps = np.linspace(0, 1, 201)[1:-1]
    masks = np.zeros((2, *image.shape[1:]))
    for label in (1, 2):
        only, motion = (image == label).astype("u1"), phi[label - 1 : label]
        where = moved_labels(scan_labels(only), motion, centres_of(scan_labels(only)), 0, image.shape)
        for threshold in steps:  # above how many thresholds the mask is
            masks[label - 1] += MovedLabels(only, where, 0, threshold).planes(0, 1)[0][0] / len(steps)
    figure, axes = plt.subplots(1, 3, figsize=(9, 2.2), sharex=True, sharey=True)
    for axis, mask, title in zip(axes, masks, ("mask of label 1, moved", "mask of label 2, moved"), strict=False):
        axis.imshow(mask, cmap="gray_r", vmin=0, vmax=1)
        axis.contour(mask, [0.5], colors="tab:orange", linewidths=1)
        axis.set_title(title)
    axes[2].imshow(colours(_moved(image, phi)[0].astype(int) * 40))
    for mask in masks:
        axes[2].contour(mask, [0.5], colors="black", linewidths=0.8)
    axes[2].set_title("the labels of the pixels")
    for axis in axes:
        ruled(axis, outer=True)
    figure.savefig(path)
