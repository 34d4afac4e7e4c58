"""A start for two images of different modalities that lie far apart.

Candidates are found on coarse copies (ratio_scan.py). On finer ones they are registered as images of one modality are,
with im1 as im2 would show it (regression.py), for a few iterations, and the best ones to the end.
"""

import logging
from dataclasses import replace

import numpy as np

from hpcdvc.fields.phi import at_points
from hpcdvc.fields.status import Status
from hpcdvc.multimodal.ratio_scan import POINTS, CoarseCopies
from hpcdvc.multimodal.regression import Regression, moved
from hpcdvc.registration.candidates import distinct
from hpcdvc.registration.coarse_copies import as_float32
from hpcdvc.registration.levels import Level, halved
from hpcdvc.registration.multiscale import Journal, RegistrationResult, from_level, register_levels, to_level
from hpcdvc.registration.settings import Interpolation, Iterations, Settings, dimensions_of
from hpcdvc.registration.task import Task

log = logging.getLogger("hpcdvc")

LONGEST = {2: 512, 3: 128}  # most voxels per axis of the copies that candidates are tried on, by dimensions
SAMPLE = 64  # points along the longest axis that a regression is taken from there
TRIED, FIRST_ITERATIONS, FINALISTS = 6, 5, 2  # candidates, iterations for each, and how many of them go on to the end
CLEAR = 8.0  # standard deviations of what correlates by chance


def find_start(level: Level, centre: np.ndarray, team) -> np.ndarray | None:
    """Find a large rotation and displacement between images of two modalities. Collective.

    Parameters
    ----------
    level : the images, or binned copies of them
    centre : (3,) point of im1 that Phi is to be about, ZYX, voxels of the images
    team : hpcdvc.ranks.team.Team

    Returns
    -------
    (4, 4) array, Phi in voxels of the images, a rigid motion, the same bits on any number of ranks; None, on every
    rank, where nothing matches.
    """
    dimensions = dimensions_of(level.im1.shape)
    while max(*level.im1.shape, *level.im2.shape) > LONGEST[dimensions]:
        level = halved(level, team)
    pitch = max(1.0, max(*level.im1.shape, *level.im2.shape) / POINTS[dimensions])
    copies = CoarseCopies.of(level, pitch)
    if copies is None:
        return None
    candidates = distinct(copies.motions(team), np.array(copies.one.shape))[:TRIED]
    motions = [_scaled(motion, pitch) for motion in candidates]
    for count, number in ((FIRST_ITERATIONS, FINALISTS), (50, 1)):
        tried = [_registered(level, motion, count, team) for motion in motions]
        motions = [_motion_of(best.phi, level) for best in sorted(tried, key=_merit, reverse=True)[:number]]
    clearness = copies.clearness(_scaled(motions[0], 1 / pitch))
    log.info("--auto: the best of %d starts stands out by %.1f standard deviations", len(candidates), clearness)
    if clearness < CLEAR:
        return None
    return at_points(_phi_of(motions[0], level), _middle(level), centre[None])[0]


def _registered(level: Level, motion: np.ndarray, iterations: int, team) -> RegistrationResult:
    """Register the level, im1 as im2 shows it at a motion, from there. Collective."""
    regression = team.agree(lambda: _regression(level, motion))

    def fill(first: int, last: int, planes: np.ndarray) -> None:
        planes[...] = regression(as_float32(level.im1[first:last]))

    seen = replace(level, im1=team.shared_planes(level.im1.shape, np.float32, fill))
    ends = Iterations(iterations, 1e-3, rigid=True)
    settings = Settings(None, dimensions_of(seen.im1.shape), ends, Interpolation(order=1))
    task, start = Task(settings, margin=(0, 0, 0)), _phi_of(motion, level)
    return register_levels({level.factor: seen}, task, start, _middle(level), team, Journal(quiet=True))


def _regression(level: Level, motion: np.ndarray) -> Regression:
    stride = max(1, max(level.im1.shape) // SAMPLE)
    sample = (slice(None, None, stride),) * 3
    one = as_float32(level.im1[sample])
    if level.mask1 is not None:
        one = np.where(level.mask1[sample] > 0, one, np.nan)
    return Regression.of(one, moved(as_float32(level.im2), motion, level.im1.shape, stride))


def _merit(tried: RegistrationResult) -> float:
    """Twice what the log-likelihood of im2 gains by knowing im1, per voxel of im1."""
    if tried.return_status not in (Status.CONVERGED, Status.MAX_ITERATIONS):
        return -1.0
    return -tried.valid_fraction * np.log(max(1 - tried.zncc**2, 1e-6))


def _scaled(motion: np.ndarray, factor: float) -> np.ndarray:
    """The motion in other units of length."""
    return np.column_stack([motion[:, :3], motion[:, 3] * factor])


def _middle(level: Level) -> np.ndarray:
    return level.first + level.step * (np.array(level.im1.shape) - 1) / 2


def _between(level: Level) -> np.ndarray:
    """From the centre of im1 to that of im2 in the coordinates of their arrays, voxels of the level."""
    return (np.array(level.im2.shape) - level.im1.shape) / 2


def _phi_of(motion: np.ndarray, level: Level) -> np.ndarray:
    """Phi (4, 4) about the middle, in voxels of the images, of a motion about the centres, in voxels of the level."""
    return from_level(np.column_stack([motion[:, :3], motion[:, 3] + _between(level)]), level)


def _motion_of(phi: np.ndarray, level: Level) -> np.ndarray:
    phi = to_level(phi, level)
    return np.column_stack([phi[:, :3], phi[:, 3] - _between(level)])
