"""Whether images hold each other: a sample of the blocks decides where it is clear, else all of them."""

from types import SimpleNamespace

import numpy as np
import pytest

from hpcdvc.multimodal.uncertainty import is_held

PHI, UNKNOWNS = np.eye(4)[:3], np.eye(12)
PART = 1 / 8


class Images:
    """That pull back what is displaced by so many standard deviations, all and a sample with a part of the texture;
    keeps what was asked for."""

    shape = (40, 40, 40)

    def __init__(self, whole: float, sample: float, part: float = PART):
        self.pulls, self.parts, self.asked = {False: whole, True: sample}, {False: 1.0, True: part}, []

    def sums(self, phi, objective, sampled=False):
        self.asked.append(sampled)
        way, part = np.sign(phi[:, 3] - PHI[:, 3]) * (np.abs(phi[:, 3]) > 1e-9), self.parts[sampled]
        right = np.zeros(12)
        right[3::4] = -way * self.pulls[sampled] * np.sqrt(2 * part * 100) / 2  # by both ways
        return SimpleNamespace(right=right, matrix=part * 100 * np.eye(12), count=8000 * (PART if sampled else 1))


def sums_of() -> SimpleNamespace:
    """Of blocks that scatter as the normal matrix, 100 times the unit matrix, says."""
    rights = np.concatenate([np.eye(12), -np.eye(12)])
    rights *= np.sqrt(100 * 12 / ((rights**2).sum() * 24 / 23))
    return SimpleNamespace(matrix=100.0 * np.eye(12), rights=rights, count=8000)


@pytest.mark.parametrize(
    ("whole", "sample", "held", "asked"),
    [
        (40.0, 20.0, True, {True}),  # clear at sight
        (5.5, 7.0, True, {True, False}),  # the sample alone would not do
        (5.5, -1.0, True, {True, False}),
        (4.5, 7.0, False, {True, False}),  # too little at the lesser displacement
        (-1.0, -1.0, False, {True, False}),
    ],
)
def test_by_the_sample_or_by_all(whole, sample, held, asked):
    images = Images(whole, sample)
    assert is_held(images, PHI, None, sums_of(), UNKNOWNS) == held
    assert set(images.asked) == asked


@pytest.mark.parametrize(("pull", "held"), [(4.5, False), (5.5, True)])
def test_texture_in_the_sample_only(pull, held):
    """An eighth of the voxels, but all of the texture, so all of the scatter of what pulls, too."""
    images = Images(pull, pull, part=1.0)
    assert is_held(images, PHI, None, sums_of(), UNKNOWNS) == held


def test_no_texture_in_the_sample():
    images = Images(5.5, 0.0, part=0.0)
    assert is_held(images, PHI, None, sums_of(), UNKNOWNS)
