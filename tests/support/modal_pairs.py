"""Pairs of images of two modalities: phases of a body, with other grey values in each."""

import numpy as np
from synthetic import Affine
from textures import lattice_texture

from hpcdvc.fields.phi import rotation_matrix

#: Grey values of two and of three phases in both images, as parts of the range; the first with inverted contrast.
TWO = ((0.25, 0.7), (0.65, 0.35))
THREE = ((0.15, 0.45, 0.8), (0.55, 0.2, 0.85))


def rigid(shape: tuple[int, ...], seed: int, angle: float, part: float) -> Affine:
    """A rotation by at most an angle (degrees) about any axis, and a shift by at most that part of the image."""
    rng = np.random.default_rng(seed)
    d = len(shape)
    axis = rng.standard_normal(3) if d == 3 else np.array([rng.choice([-1.0, 1.0]), 0, 0])
    turn = rotation_matrix(rng.uniform(0, angle) * axis / np.linalg.norm(axis))[3 - d :, 3 - d :]
    return Affine(turn, rng.uniform(-part, part, d) * shape, (np.array(shape) - 1) / 2)


def modal_pair(
    shape: tuple[int, ...], field, seed: int, greys=TWO, feature: float = 4.0, noise: float = 0.03
) -> tuple[np.ndarray, np.ndarray]:
    """im1 and im2 (float32, 0 to about 1) of a body of phases, layered as the level sets of a texture.

    Parameters
    ----------
    shape : of both images
    field : synthetic.DisplacementField
    seed : of the body and of the noise
    greys : of the phases in im1 and in im2
    feature : size of the phases, voxels
    noise : standard deviation
    """
    texture = lattice_texture(seed, feature, len(shape), size={2: 256, 3: 64}[len(shape)])
    rng = np.random.default_rng(seed)
    points = np.moveaxis(np.indices(shape), 0, -1).astype(float)
    images = []
    for of_phase, at in zip(greys, (points, field.reference(points)), strict=True):
        body, image = texture(at), np.full(shape, of_phase[0])
        levels = [0.0] if len(of_phase) == 2 else [-0.45, 0.45]  # of the texture, of unit variance, between phases
        for level, below, above in zip(levels, of_phase[:-1], of_phase[1:], strict=True):
            image += (above - below) / (1 + np.exp(-8 * (body - level)))
        images.append((image + noise * rng.standard_normal(shape)).astype(np.float32))
    return images[0], images[1]
