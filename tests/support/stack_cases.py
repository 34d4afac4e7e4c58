"""Stacks of speckle whose truth is known: sums of waves, evaluated exactly at moved points."""

import numpy as np
import tifffile

import hpcdvc
from hpcdvc.cli import main

#: (K, H, W), and the displacement of most of what is tested, y, x.
SHAPE, MOVED = (4, 44, 52), (1.3, -0.6)


def speckle(shape: tuple[int, int, int] = SHAPE, moved=(0.0, 0.0), seed: int = 5) -> np.ndarray:
    """Frames (K, H, W), float64, grey values about 1000 to 60000, of a texture that has moved by (y, x)."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape[1:]).astype(float)
    frames = np.empty(shape)
    for frame in frames:
        waves, phases = rng.normal(0, 0.75, (60, 2)), rng.uniform(0, 2 * np.pi, 60)
        angles = waves[:, :1, None] * (y - moved[0]) + waves[:, 1:, None] * (x - moved[1]) + phases[:, None, None]
        frame[:] = np.cos(angles).sum(axis=0)
    return 30000 + 5000 * np.clip(frames / np.sqrt(30), -5.5, 5.5)


def pair(shape: tuple[int, int, int] = SHAPE, moved=MOVED) -> tuple[np.ndarray, np.ndarray]:
    """Two stacks, uint16: what lies at x in the first lies at x + moved in the second."""
    return tuple(np.rint(speckle(shape, by)).astype("u2") for by in ((0.0, 0.0), moved))


#: The window and range of most tests, and the result.
WINDOW, RESULT = ("-hws", "3", "-sr", "3"), "P-localShifts"
#: Pixels whose windows and candidates all lie inside.
INSIDE = np.s_[8:-8, 8:-8]


def save_pair(stacks: tuple[np.ndarray, np.ndarray]) -> None:
    """Write im1.tif and im2.tif."""
    for name, stack in zip(("im1.tif", "im2.tif"), stacks, strict=True):
        tifffile.imwrite(name, stack, photometric="minisblack")


def measure(*words, im1="im1.tif", im2="im2.tif", window=WINDOW, code=0):
    """The result of two stacks; overwrites."""
    line = [im1, im2, *window, "-pre", "P", "-q", "--force", *map(str, words)]
    assert main("localShifts", line) == code
    return hpcdvc.read(f"{RESULT}.hdf")


def check_whole(result) -> None:
    """Only what is measured has a number, and all of it that lies inside is."""
    assert result.displacement.shape == (*SHAPE[1:], 3) and result["zncc"].shape == SHAPE[1:]
    lost = ~result.measured
    assert np.isnan(result.displacement[lost]).all() and np.isnan(result["zncc"][lost]).all()
    assert np.isfinite(result.displacement[~lost]).all() and (result.displacement[~lost, 0] == 0).all()
    assert (result.return_status[~lost] == 2).all() and (result.return_status[lost] < 0).all()
