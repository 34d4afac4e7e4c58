"""Scans of a phantom of Gaussian blobs, whose views are known exactly, each view out of its place: files of mumott."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np


@dataclass(frozen=True)
class Simulated:
    """A scan, and what is to be found.

    Attributes
    ----------
    views, width, height : how many, and their pixels along j and k
    tilted : the outer axis turns, too
    moved : offsets are drawn from +- so many pixels
    """

    views: int
    width: int
    height: int
    tilted: bool = False
    moved: float = 3.0

    @property
    def rotations(self) -> np.ndarray:
        """(n, 3, 3): a turn about -z by `inner`, then one about x by `outer`."""
        inner = np.linspace(0.013, np.pi + 0.013, self.views, endpoint=False)
        outer = np.deg2rad(30) * np.sin(3 * inner) if self.tilted else np.zeros(self.views)
        ci, si, co, so, one, none = np.cos(inner), np.sin(inner), np.cos(outer), np.sin(outer), inner**0, 0 * inner
        about_z = np.array([[ci, si, none], [-si, ci, none], [none, none, one]])
        about_x = np.array([[one, none, none], [none, co, -so], [none, so, co]])
        return about_x.transpose(2, 0, 1) @ about_z.transpose(2, 0, 1)

    @property
    def directions(self) -> tuple[np.ndarray, np.ndarray]:
        """u and w, (n, 3) each."""
        return self.rotations[:, 0], self.rotations[:, 2]

    @property
    def offsets(self) -> np.ndarray:
        """(2, n) pixels, along j and k."""
        return np.random.default_rng(3).uniform(-self.moved, self.moved, (2, self.views))

    def absorbances(self) -> np.ndarray:
        """(n, J, K) views: line integrals of the blobs."""
        rng, scale = np.random.default_rng(5), min(self.width, self.height)
        centres = rng.uniform(-0.2, 0.2, (12, 3)) * scale
        widths, amplitudes = rng.uniform(0.04, 0.1, 12) * scale, rng.uniform(0.3, 1, 12)
        (u, w), (o_j, o_k) = self.directions, self.offsets
        j, k = (np.arange(n) + 0.5 - n / 2 for n in (self.width, self.height))
        found = np.zeros((self.views, self.width, self.height))
        for centre, width, amplitude in zip(centres, widths, amplitudes, strict=True):
            along_j = np.exp(-((j + (o_j - u @ centre)[:, None]) ** 2) / (2 * width**2))
            along_k = np.exp(-((k + (o_k - w @ centre)[:, None]) ** 2) / (2 * width**2))
            found += amplitude * width / scale * along_j[:, :, None] * along_k[:, None, :]
        return found

    def write(self, path: Path) -> Path:
        """The file, with offsets that are all 0; made when it is not there."""
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            light = 10 ** -self.absorbances()
            with h5py.File(path.with_suffix(".tmp"), "w") as file:
                file["detector_angles"] = [0.0]
                file["volume_shape"] = [self.width, self.width, self.height]
                for i, (view, rotation) in enumerate(zip(light, self.rotations, strict=True)):
                    group = file.create_group(f"projections/{i}")
                    group["diode"], group["data"] = view, view[:, :, None]
                    group["rotation_matrix"], group["j_offset"], group["k_offset"] = rotation, 0.0, 0.0
            path.with_suffix(".tmp").rename(path)
        return path

    def error(self, j_offsets: np.ndarray, k_offsets: np.ndarray) -> tuple[float, float]:
        """Rms of the offsets along j and k, pixels, without the translation of the whole."""
        rest = np.array([j_offsets, k_offsets]) - self.offsets
        directions = np.concatenate(self.directions)
        moved = np.linalg.lstsq(directions, rest.ravel(), rcond=None)[0]
        left = (rest.ravel() - directions @ moved).reshape(2, -1)
        return tuple(float(x) for x in np.sqrt((left**2).mean(axis=1)))
