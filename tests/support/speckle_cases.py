"""Stacks of frames of speckle with exact truth, for local shifts, their refinement, and UMPA."""

import numpy as np


class Speckle:
    """Sums of cosines: grey values of zero mean and unit variance at any points of K frames."""

    def __init__(self, frames: int, seed: int = 0, wavelength: float = 6.0, waves: int = 60):
        rng = np.random.default_rng(seed)
        angle = rng.uniform(0, 2 * np.pi, (frames, waves))
        number = 2 * np.pi / wavelength * np.sqrt(rng.uniform(0.05, 1, (frames, waves)))
        self.ky, self.kx = number * np.sin(angle), number * np.cos(angle)
        self.phase, self.amplitude = rng.uniform(0, 2 * np.pi, (frames, waves)), np.sqrt(2 / waves)

    def __call__(self, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """(K, H, W) grey values at points y, x (H, W)."""
        result = np.zeros((len(self.ky), *np.broadcast_shapes(np.shape(y), np.shape(x))))
        for k, of in enumerate(result):
            for ky, kx, phase in zip(self.ky[k], self.kx[k], self.phase[k], strict=True):
                of += np.cos(ky * y + kx * x + phase)
        return result * self.amplitude


def grid(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """y and x of the pixels."""
    return tuple(np.meshgrid(*(np.arange(n, dtype=float) for n in shape), indexing="ij"))


def speckle_pair(shape, field, frames=1, noise=0.0, mean=10.0, seed=0, wavelength=6.0):
    """im1, im2 (K, H, W) float32 and the displacement (H, W, 2) of the pixels of im2: im2(x) = im1(x - u(x)).

    Parameters
    ----------
    shape : (H, W)
    field : from y, x (H, W) to u_y, u_x
    noise : standard deviation of white noise in both; that of the speckle is 1
    """
    y, x = grid(shape)
    texture, rng = Speckle(frames, seed, wavelength), np.random.default_rng([seed, 1])
    uy, ux = (np.broadcast_to(u, shape) for u in field(y, x))
    images = [
        mean + image + noise * rng.standard_normal(image.shape) for image in (texture(y, x), texture(y - uy, x - ux))
    ]
    return (*(image.astype(np.float32) for image in images), np.stack([uy, ux], -1))


def found_at(displacement: np.ndarray, half: int, **values) -> dict[str, np.ndarray]:
    """What `measure_rows` would have found, windows that leave the image not measured."""
    status = np.full(displacement.shape[:2], -6, np.int8)
    status[half:-half, half:-half] = 2
    found = {"displacement": np.where(status[..., None] == 2, displacement, np.nan).astype(np.float32)}
    found["score"] = np.where(status == 2, np.float32(1), np.nan).astype(np.float32)
    return {**found, **values, "status": status}
