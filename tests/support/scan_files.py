"""Small scans in files of each kind: two blobs that cast shadows, turned about z."""

from pathlib import Path

import h5py
import numpy as np

#: Views, pixels j and k, light of the beam, and angles, degrees.
VIEWS, J, K, BEAM = 5, 24, 20, 1000.0
ANGLES = np.arange(VIEWS) * 36.0
#: Where the blobs are in the volume, their width and height, voxels from its centre.
BLOBS = np.array([[3.0, -1.0, 2.0], [-2.5, 2.0, -3.0]])
WIDTH, HEIGHT = 1.6, 0.8


def absorbances(angles: np.ndarray = ANGLES, shape: tuple[int, int] = (J, K)) -> np.ndarray:
    """(n, J, K) of views at some angles about (0, 0, -1), degrees."""
    j, k = (np.arange(n) + 0.5 - n / 2 for n in shape)
    turned = np.deg2rad(angles)
    u = np.stack([np.cos(turned), np.sin(turned), 0 * turned], axis=1)
    found = np.zeros((len(angles), *shape))
    for blob in BLOBS:
        near = np.exp(-((j - (u @ blob)[:, None]) ** 2) / (2 * WIDTH**2))
        found += HEIGHT * near[:, :, None] * np.exp(-((k - blob[2]) ** 2) / (2 * WIDTH**2))
    return found


def light(values: np.ndarray | None = None) -> np.ndarray:
    """(n, J, K) counts."""
    return BEAM * 10 ** -(absorbances() if values is None else values)


def write_mumott(path: Path, views: np.ndarray | None = None, angles: np.ndarray = ANGLES, change=None) -> str:
    """Views as mumott stores them; `change(file)` may spoil them."""
    with h5py.File(path, "w") as file:
        for i, view in enumerate(light() if views is None else views):
            group = file.create_group(f"projections/{i}")
            group["diode"] = view.astype("f4")
            group["data"] = np.stack([view, view / 2], axis=-1).astype("f4")
            group["inner_angle"], group["outer_angle"] = np.deg2rad(angles[i]), 0.0
            group["j_offset"], group["k_offset"] = 0.25 * i, -0.5 * i
        if change:
            change(file)
    return str(path)


def write_nxtomo(path: Path, change=None) -> str:
    """Views as raw frames of NXtomo, a dark and a flat before them, and a frame that is none at the end."""
    frames = np.full((VIEWS + 3, K, J), 100.0)
    frames[1] = 100 + BEAM
    frames[2:-1] = 100 + light().transpose(0, 2, 1)
    with h5py.File(path, "w") as file:
        file["entry/definition"] = "NXtomo"
        file["entry/instrument/detector/data"] = np.round(frames * 20).astype("u2")
        file["entry/instrument/detector/image_key"] = [2, 1] + [0] * VIEWS + [3]
        file["entry/sample/rotation_angle"] = np.r_[0, 0, ANGLES, 0]
        if change:
            change(file)
    return str(path)


def write_exchange(path: Path, change=None) -> str:
    """The same in DataExchange."""
    with h5py.File(path, "w") as file:
        file["exchange/data"] = (100 + light().transpose(0, 2, 1)).astype("f4")
        file["exchange/data_white"] = np.full((2, K, J), 100 + BEAM, "f4")
        file["exchange/data_dark"] = np.full((2, K, J), 100, "f4")
        file["exchange/theta"] = ANGLES
        if change:
            change(file)
    return str(path)


def write_plain(path: Path, change=None) -> str:
    """The same in datasets of no known name."""
    with h5py.File(path, "w") as file:
        file["raw/images"] = (100 + light().transpose(0, 2, 1)).astype("f4")
        file["raw/white"] = np.full((K, J), 100 + BEAM, "f4")
        file["raw/black"] = np.full((K, J), 100, "f4")
        file["where/degrees"] = ANGLES
        if change:
            change(file)
    return str(path)


def write_stack(folder: Path, values: np.ndarray | None = None, text: str | None = None) -> tuple[str, str]:
    """Absorbances as pages of a TIFF file, and their angles in a text."""
    import tifffile

    pages = (absorbances() if values is None else values).transpose(0, 2, 1).astype("f4")
    tifffile.imwrite(folder / "views.tif", pages, photometric="minisblack")
    (folder / "angles.txt").write_text("\n".join(map(str, ANGLES)) if text is None else text)
    return str(folder / "views.tif"), str(folder / "angles.txt")
