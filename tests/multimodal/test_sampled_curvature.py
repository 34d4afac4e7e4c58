"""Standard deviations from a sample of the blocks: only where it has its part of the texture."""

import numpy as np
import pytest
from modal_pairs import modal_pair, rigid

from hpcdvc.multimodal.multiscale import ranges_of
from hpcdvc.multimodal.pair import ModalPair
from hpcdvc.multimodal.registration import mixture_of, objective_of
from hpcdvc.multimodal.settings import ModalSettings
from hpcdvc.multimodal.uncertainty import sums_and_variance
from hpcdvc.ranks.team import Team
from hpcdvc.registration.kernel_settings import basis
from hpcdvc.registration.levels import Level

SHAPE = (64, 64, 64)
SETTINGS, TEAM, CENTRE = ModalSettings(bins=64), Team(), np.full(3, 31.5)
PHI, UNKNOWNS = np.eye(4)[:3], basis(3, True)


def ball() -> np.ndarray:
    """Voxels about one block of the sample: 0 to 1."""
    away = np.linalg.norm(np.indices(SHAPE) - np.array([24, 24, 16])[:, None, None, None], axis=0)
    return 1 / (1 + np.exp(2 * (away - 12)))


def deviations(one: np.ndarray, two: np.ndarray, mask: np.ndarray | None = None) -> list[np.ndarray]:
    """By a sample, where that will do, and by all blocks."""
    level = Level.of(one.astype("f4"), two.astype("f4"), mask)
    pair = ModalPair(level, ranges_of(level, SETTINGS, TEAM), SETTINGS.bins, (0, 0, 0), CENTRE, TEAM)
    assert len(pair._blocks[True]) < len(pair._blocks[False]) / 2
    objective, found = objective_of(mixture_of(pair.histogram(PHI), SETTINGS, 2), SETTINGS), []
    for _ in "12":
        found.append(np.sqrt(sums_and_variance(pair, PHI, objective, UNKNOWNS)[1]))
        pair._blocks[True] = pair._blocks[False]
    return found


def test_texture_everywhere():
    """A sample will do."""
    sampled, whole = deviations(*modal_pair(SHAPE, rigid(SHAPE, 1, 0, 0), 1))
    assert (sampled != whole).any()
    assert sampled == pytest.approx(whole, rel=0.3, abs=1e-12)


def test_texture_in_one_place():
    """As the sample has nearly all of it, the curvature would be too large by far."""
    inside, pair = ball(), modal_pair(SHAPE, rigid(SHAPE, 1, 0, 0), 1)
    one, two = (inside * image + (1 - inside) * grey for image, grey in zip(pair, (0.25, 0.7), strict=True))
    sampled, whole = deviations(one, two)
    assert (whole > 0).any()
    assert (sampled == whole).all()


def test_sample_without_voxels():
    """What counts lies between the blocks of the sample."""
    mask = np.zeros(SHAPE, "u1")
    mask[:16, :16, 32:] = 1
    sampled, whole = deviations(*modal_pair(SHAPE, rigid(SHAPE, 1, 0, 0), 1), mask)
    assert (whole > 0).any()
    assert (sampled == whole).all()
