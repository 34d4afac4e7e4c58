"""Textured grains with exact rigid motions: grey values are evaluated where each grain has come from.

A grain is v = 0.5 erfc(d / (sqrt(2) 0.7)) (1 + 0.25 T(R^T (y - c - t) + o)), d = (rho - 1) mean(a), rho the radius in
units of the ellipsoid with the half axes a, T a texture of unit variance.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import erfc
from synthetic import rotation
from textures import random_rotation

#: Grey values of the ground and of a grain without texture; blur of its edge, voxels.
GROUND, GRAIN, BLUR = 8000.0, 20000.0, 0.7


@dataclass(frozen=True)
class Grains:
    """Ellipsoids and how they move.

    Attributes
    ----------
    shape : of the images
    centres, axes : (n, 3) ZYX, voxels
    frames, turns : (n, 3, 3) rotations: of the ellipsoid against the axes, and of the motion
    moves : (n, 3) displacements of the centres
    texture : function of (..., 3) points; or None
    """

    shape: tuple[int, int, int]
    centres: np.ndarray
    axes: np.ndarray
    frames: np.ndarray
    turns: np.ndarray
    moves: np.ndarray
    texture: object

    def values(self, number: int, moved: bool) -> tuple[tuple[slice, ...], np.ndarray]:
        """Box of a grain, and its grey value there, 1 in a grain without texture."""
        centre = self.centres[number] + moved * self.moves[number]
        reach = self.axes[number].max() + 4
        low = np.maximum(np.ceil(centre - reach), 0).astype(int)
        high = np.minimum(np.floor(centre + reach) + 1, self.shape).astype(int)
        points = np.stack(np.meshgrid(*map(np.arange, low, high), indexing="ij"), axis=-1) - centre
        if moved:
            points = points @ self.turns[number]  # turned back
        rho = np.linalg.norm(points @ self.frames[number] / self.axes[number], axis=-1)
        edge = 0.5 * erfc((rho - 1) * self.axes[number].mean() / (np.sqrt(2) * BLUR))
        speckle = 0 if self.texture is None else 0.25 * self.texture(points + 97.3 * number)
        return tuple(map(slice, low, high)), edge * (1 + speckle)

    def image(self, moved: bool, noise: float = 0.0, seed: int = 0) -> np.ndarray:
        """im1, or im2: uint16; where grains meet the brighter counts. `noise` in units of their texture's contrast."""
        grey = np.zeros(self.shape)
        for number in range(len(self.centres)):
            box, value = self.values(number, moved)
            grey[box] = np.maximum(grey[box], value)
        grey = GROUND + (GRAIN - GROUND) * grey
        grey += noise * 0.25 * (GRAIN - GROUND) * np.random.default_rng(seed).standard_normal(self.shape)
        return np.rint(grey).clip(0, 65535).astype("u2")

    def labels(self) -> np.ndarray:
        """Labels 1 to n of im1: what is brighter than half way, of grains that meet the nearer one."""
        labels, best = np.zeros(self.shape, "u2"), np.full(self.shape, 0.5)
        bare = Grains(self.shape, self.centres, self.axes, self.frames, self.turns, self.moves, None)
        for number in range(len(self.centres)):
            box, value = bare.values(number, False)
            better = value > best[box]
            best[box][better], labels[box][better] = value[better], number + 1
        return labels

    def truth(self, positions: np.ndarray) -> np.ndarray:
        """(n, 3, 4) Phi of the grains about some points (n, 3)."""
        away = (positions - self.centres)[..., None]
        moves = self.moves + ((self.turns - np.eye(3)) @ away)[..., 0]
        return np.concatenate([self.turns, moves[..., None]], axis=2)


def packing(texture, count: int, half: float = 8.0, seed: int = 0, gap: float = 0.0, angle: float = 3.0) -> Grains:
    """Grains of about this half axis, a cube of count^3 cells; without a gap they touch each other.

    Parameters
    ----------
    texture : function of (..., 3) points; None for grains without texture
    count : grains along each axis
    half : mean half axis, voxels
    seed : of everything random
    gap : between neighbours, voxels
    angle : largest rotation, degrees
    """
    rng = np.random.default_rng(seed)
    cell, edge, n = 2 * half + gap, 6, count**3
    place = np.stack(np.meshgrid(*[np.arange(count)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    centres = edge + cell * (place + 0.5) + rng.uniform(-0.7, 0.7, (n, 3))
    axes = half * rng.uniform(0.85, 1.0, (n, 3))
    turns = np.stack(
        [rotation(a, (0, 0, 0), v).F for a, v in zip(rng.uniform(0, angle, n), rng.normal(size=(n, 3)), strict=True)]
    )
    frames = np.stack([random_rotation(rng, 3) for _ in range(n)])
    # the whole widens a little: neighbours do not run into each other
    moves = 0.02 * (centres - centres.mean(axis=0)) + rng.uniform(-0.5, 0.5, (n, 3)) + (0.4, -1.3, 0.8)
    side = int(np.ceil(cell * count + 2 * edge))
    return Grains((side,) * 3, centres, axes, frames, turns, moves, texture)
