"""Speckle scans whose refraction, transmission and dark field are known; sums of cosines, nothing is interpolated."""

import h5py
import numpy as np
import tifffile

HEIGHT, WIDTH, FRAMES = 44, 52, 9
MEAN, NOISE = 1000.0, 3.0
Y, X = np.mgrid[:HEIGHT, :WIDTH].astype(float)


def speckle(frame: int, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Grey values about 0 of the speckle of a frame, standard deviation 0.2 of the mean, grains of about 4 pixels."""
    rng = np.random.default_rng(100 + frame)
    angle, phase = rng.uniform(0, 2 * np.pi, (2, 60))
    length = 0.22 * np.sqrt(rng.uniform(0.05, 1, 60))
    qy, qx = 2 * np.pi * length * np.sin(angle), 2 * np.pi * length * np.cos(angle)
    waves = np.cos(np.multiply.outer(qy, y) + np.multiply.outer(qx, x) + phase[:, None, None])
    return 0.2 * MEAN * np.sqrt(2 / 60) * waves.sum(0)


def truth(projection: int = 0) -> dict[str, np.ndarray]:
    """u (H, W, 2) y x, the gradient of the phase, transmission and visibility; another sample in each projection."""
    a, b = 2 * np.pi * Y / HEIGHT + projection, 2 * np.pi * X / WIDTH
    return {
        "u": np.stack([0.8 * np.cos(a) * np.sin(b), 0.8 * HEIGHT / WIDTH * np.sin(a) * np.cos(b) + 0.3], axis=-1),
        "phase": 0.8 * HEIGHT / (2 * np.pi) * np.sin(a) * np.sin(b) + 0.3 * X,
        "transmission": 0.8 + 0.1 * np.cos(a) * np.sin(b),
        "visibility": 0.75 + 0.15 * np.sin(a + b),
    }


def reference(frames: int = FRAMES) -> np.ndarray:
    """(K, H, W) grey values without the sample."""
    return np.stack([MEAN + speckle(k, Y, X) + noise(k) for k in range(frames)])


def sample(projection: int = 0, frames: int = FRAMES, visibility: float | None = None) -> np.ndarray:
    """The same with it; `visibility` instead of that of the truth."""
    t = truth(projection)
    if visibility is not None:
        t["visibility"] = np.full((HEIGHT, WIDTH), visibility)
    y, x = Y - t["u"][..., 0], X - t["u"][..., 1]
    seen = [t["transmission"] * (MEAN + t["visibility"] * speckle(k, y, x)) for k in range(frames)]
    return np.stack([light + noise(500 + 100 * projection + k) for k, light in enumerate(seen)])


def noise(seed: int) -> np.ndarray:
    """What the detector adds."""
    return np.random.default_rng(seed).normal(0, NOISE, (HEIGHT, WIDTH))


def save_scan(ref: str = "ref.tif", sam: str = "sam.tif") -> None:
    """Both stacks of one scan, uint16, into the working folder."""
    tifffile.imwrite(ref, np.rint(reference()).astype("u2"), photometric="minisblack")
    tifffile.imwrite(sam, np.rint(sample()).astype("u2"), photometric="minisblack")


def save_tomography(path: str, projections: int = 4, references: int = 1, frames: int = 5, **how) -> None:
    """A tomographic scan: /ref, (references, K, H, W) or (K, H, W), and /sam, (P, K, H, W), uint16; the beam grows from
    block to block."""
    with h5py.File(path, "w") as file:
        light = 1 + 0.2 * np.arange(references)
        ref = np.stack([np.rint(reference(frames) * beam).astype("u2") for beam in light])
        file["ref"] = ref if references > 1 else ref[0]
        of = [light[p * references // projections] for p in range(projections)]
        sam = np.stack([np.rint(sample(p, frames) * of[p]).astype("u2") for p in range(projections)])
        file.create_dataset("sam", data=sam, **how)
