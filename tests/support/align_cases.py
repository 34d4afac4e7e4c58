"""Scans of a phantom of Gaussian balls, whose projections are known exactly, displaced by known offsets."""

from pathlib import Path

import h5py
import numpy as np

from hpcdvc.tomography.geometry import Geometry

#: Light of the beam, and of the balls: absorbance of the middle of a ball over its width.
BEAM, DENSITY = 1e4, 0.02


def geometry(views: int, size: int, height: int, tilted: bool = False) -> Geometry:
    """Views over half a turn, or of two tilts."""
    angles = np.linspace(0, np.pi, views, endpoint=False) + 0.013
    tilts = np.where(np.arange(views) % 2, 0.6, 0.0) if tilted else None
    return Geometry.of_angles(angles, tilts, (size, height), (size, size, height))


def offsets(views: int, largest: float = 2.0, seed: int = 3) -> np.ndarray:
    """(2, n) offsets of j and k."""
    return np.random.default_rng(seed).uniform(-largest, largest, (2, views))


def balls(size: int, height: int, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Middles (m, 3) XYZ and standard deviations (m,) of balls that lie well inside the volume."""
    rng = np.random.default_rng(seed)
    middles = rng.uniform(-1, 1, (12, 3)) * (0.16 * size, 0.16 * size, 0.14 * height)
    return middles, rng.uniform(0.05, 0.08, 12) * size


def absorbances(scan: Geometry, shifts: np.ndarray) -> np.ndarray:
    """(n, J, K) of the balls, where the views have offsets (2, n)."""
    (width, height), (middles, sigmas) = scan.shape, balls(scan.shape[0], scan.shape[1])
    j, k = (np.arange(n) + 0.5 - n / 2 for n in (width, height))
    views = np.zeros((scan.views, width, height))
    for view in range(scan.views):
        for middle, sigma in zip(middles, sigmas, strict=True):
            along_j = np.exp(-((j + shifts[0, view] - scan.u[view] @ middle) ** 2) / (2 * sigma**2))
            along_k = np.exp(-((k + shifts[1, view] - scan.w[view] @ middle) ** 2) / (2 * sigma**2))
            views[view] += DENSITY * sigma * np.outer(along_j, along_k)
    return views


def save_scan(
    path: str | Path, views: int = 15, size: int = 20, height: int = 16, tilted: bool = False, noise: float = 0.002
) -> np.ndarray:
    """Write a scan in mumott's format; returns its true offsets (2, n)."""
    scan, shifts = geometry(views, size, height, tilted), offsets(views)
    rng = np.random.default_rng(1)
    with h5py.File(path, "w") as file:
        file["volume_shape"], file["detector_angles"] = scan.volume, np.zeros(1)
        for view, values in enumerate(absorbances(scan, shifts)):
            group = file.create_group(f"projections/{view}")
            light = BEAM * 10**-values * (1 + noise * rng.standard_normal(values.shape))
            group["diode"], group["data"] = light, values[..., None]
            group["inner_angle"], group["outer_angle"] = scan.inner[view], scan.outer[view]
            group["j_offset"] = group["k_offset"] = 0.0
    return shifts


def save_nxtomo(path: str | Path, views: int = 15, size: int = 20, height: int = 16, flats: int = 2) -> np.ndarray:
    """Write a scan of a single axis as NXtomo, with flats and darks; returns its true offsets (2, n)."""
    scan, shifts = geometry(views, size, height), offsets(views)
    light = (BEAM * 10 ** -absorbances(scan, shifts)).transpose(0, 2, 1)
    frames = np.concatenate([np.full((flats, height, size), BEAM), np.zeros((1, height, size)), light]) + 100
    keys = [1] * flats + [2] + [0] * views
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry")
        entry.attrs["NX_class"], entry["definition"] = "NXentry", "NXtomo"
        detector = entry.create_group("instrument/detector")
        detector["data"], detector["image_key"] = np.round(frames).astype(np.uint16), keys
        entry["sample/rotation_angle"] = np.degrees([0.0] * (flats + 1) + list(scan.inner))
    return shifts


def error(found: np.ndarray, true: np.ndarray, scan: Geometry) -> np.ndarray:
    """Root mean square (j, k) of what is wrong with offsets (2, n), without the translation of the volume."""
    directions = np.concatenate([scan.u, scan.w])
    wrong = (found - true).ravel()
    wrong -= directions @ np.linalg.lstsq(directions, wrong, rcond=None)[0]
    return np.sqrt((wrong.reshape(2, -1) ** 2).mean(axis=1))
