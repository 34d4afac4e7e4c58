"""Many small balls of texture that turn together, a field of their motions, and rows of it that are spoiled."""

from functools import cache
from pathlib import Path

import numpy as np
import tifffile
from scipy import ndimage
from synthetic import rotation

from hpcdvc.fields.decomposition import decompose_f
from hpcdvc.fields.field import Field
from hpcdvc.labels.scan import centres_of, scan_labels
from hpcdvc.output.tsv import write_tsv

#: Balls along y and x, their radius and distance; labels, and how many of them are spoiled.
ALONG, RADIUS, PITCH = 17, 4, 10
COUNT, SPOILED = ALONG**2, 20
SHAPE = (19, ALONG * PITCH + 6, ALONG * PITCH + 6)
MIDDLE = (np.array(SHAPE) - 1) / 2
TURN = rotation(2.0, (0, 0, 0), (1, 0.1, -0.1))
MOVE = np.array([0.4, -1.3, 0.8])


@cache
def scene() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """im1, im2 and the labels 1 to COUNT of im1."""
    noise = ndimage.gaussian_filter(np.random.default_rng(5).normal(size=SHAPE), 1.3)
    im1 = 20000 + 4000 * noise / noise.std()
    back = TURN.F.T
    im2 = ndimage.affine_transform(im1, back, MIDDLE - back @ (MIDDLE + MOVE), order=3, mode="reflect")
    labels, grid = np.zeros(SHAPE, "u2"), np.indices(SHAPE)
    y, x = ((grid[k] - 3) // PITCH for k in (1, 2))
    centre = np.stack([7.5 + 3 * ((y + x) % 2), 3 + PITCH * (y + 0.5) - 0.5, 3 + PITCH * (x + 0.5) - 0.5])
    ball = ((grid - centre) ** 2).sum(axis=0) <= (RADIUS + 0.3) ** 2
    ball &= (np.minimum(y, x) >= 0) & (np.maximum(y, x) < ALONG)
    labels[ball] = (y * ALONG + x + 1)[ball]
    return tuple(np.rint(image).clip(0, 65535).astype("u2") for image in (im1, im2)) + (labels,)


@cache
def spoiled() -> tuple[int, ...]:
    """The labels that are spoiled, ascending."""
    return tuple(np.sort(np.random.default_rng(7).choice(np.arange(1, COUNT + 1), SPOILED, replace=False)).tolist())


def truth() -> tuple[np.ndarray, np.ndarray]:
    """Centres of mass (n, 3) of the labels, and Phi (n, 3, 4) about them."""
    centres = centres_of(scan_labels(scene()[2]))
    phi = np.zeros((COUNT, 3, 4))
    phi[:, :, :3] = TURN.F
    phi[:, :, 3] = MOVE + (centres - MIDDLE) @ (TURN.F - np.eye(3)).T
    return centres, phi


def field_of_labels() -> Field:
    """What hpcdvc-ddic might have measured: the truth, but for the spoiled rows."""
    centres, motions = truth()
    phi = np.tile(np.eye(4), (COUNT, 1, 1))
    phi[:, :3] = motions
    status = np.full(COUNT, 2, "i4")
    rng, rows = np.random.default_rng(8), np.array(spoiled()) - 1
    phi[rows, :3, 3] += rng.uniform(4, 9, (SPOILED, 3)) * rng.choice([-1, 1], (SPOILED, 3))
    status[rows] = rng.choice([1, -1, -9, -10], SPOILED)
    extra = {
        "label": np.arange(1, COUNT + 1, dtype="u4"),
        "label_dilate": np.ones(COUNT, "i4"),
        "zncc": np.where(status == 2, 0.999, 0.2),
        "rotation": decompose_f(phi[:, :3, :3]).r,
        "repaired": np.zeros(COUNT, "i4"),
    }
    numbers = np.full(COUNT, 0.5), np.full(COUNT, 9, "i4"), np.full(COUNT, 1e-4)
    return Field(centres, phi, status, *numbers, extra=extra)


def save_scene(folder: str | Path = ".") -> None:
    """im1.tif, lab.tif, im2.tif and field.tsv."""
    im1, im2, labels = scene()
    for name, image in (("im1", im1), ("lab", labels), ("im2", im2)):
        tifffile.imwrite(Path(folder, f"{name}.tif"), image, photometric="minisblack")
    write_tsv(Path(folder, "field.tsv"), field_of_labels())
