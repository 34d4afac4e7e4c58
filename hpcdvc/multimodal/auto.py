"""A start for two images of different modalities that lie far apart.

Candidates are found on coarse copies (ratio_scan.py), of the images as they are and of their details. The clearest
one is registered on finer copies as images of one modality are, with im1 as im2 would show it (regression.py).
"""

import logging
from dataclasses import replace
from functools import partial

import numpy as np

from hpcdvc.fields.phi import at_points
from hpcdvc.fields.status import Status
from hpcdvc.multimodal.ratio_scan import CoarseCopies
from hpcdvc.multimodal.regression import Regression, moved
from hpcdvc.registration.candidates import dealt, distinct, rotations
from hpcdvc.registration.coarse_copies import as_float32
from hpcdvc.registration.journal import Journal
from hpcdvc.registration.levels import Level, halved
from hpcdvc.registration.multiscale import from_level, register_levels
from hpcdvc.registration.settings import Interpolation, Iterations, Settings, dimensions_of
from hpcdvc.registration.task import Task

log = logging.getLogger("hpcdvc")

# By dimensions of the images
LONGEST = {2: 512, 3: 128}  # most voxels per axis of the copies that candidates are tried on
AS_A_WHOLE, DETAILS = {2: 65, 3: 33}, {2: 97, 3: 49}  # points of the copies that are scanned, along the longest axis
REACH = {2: 50.0, 3: 35.0}  # degrees: largest rotation
STEP = {2: 2.1, 3: 3.0}  # points: how far the ends of the copies move from one rotation to the next, see `rotations`

SAMPLE = 64  # points along the longest axis that a regression is taken from there
CANDIDATES = 12  # of each scan; the one is taken whose details match most clearly
CLEAR = 8.0  # standard deviations of what correlates by chance, for a start to be one
SURE = 0.6  # correlation of the details at which none better is looked for


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
    candidates = []
    for details in (False, True):
        pitch = max(1.0, max(*level.im1.shape, *level.im2.shape) / (DETAILS if details else AS_A_WHOLE)[dimensions])
        copies = CoarseCopies.of(level, pitch)
        if copies is None:
            return None
        candidates += _candidates(copies.details() if details else copies, pitch, team)
        agreements = dealt(partial(_agreements, copies, pitch), candidates, team)
        (clearness, correlation), best = max(zip(agreements, candidates, strict=True), key=lambda match: match[0])
        if correlation > SURE:
            break
    log.info("--auto: the best of %d starts stands out by %.1f standard deviations", len(candidates), clearness)
    if clearness < CLEAR:
        return None
    return at_points(_registered(level, best, team), _middle(level), centre[None])[0]


def _candidates(copies: CoarseCopies, pitch: float, team) -> list[np.ndarray]:
    """The most significant motions, voxels of the level. Collective."""
    shape = np.array(copies.one.shape)
    dimensions = dimensions_of(shape)
    turns = rotations(dimensions, np.degrees(2 * STEP[dimensions] / shape.max()), REACH[dimensions])
    return [_scaled(motion, pitch) for motion in distinct(copies.motions(turns, team), shape)[:CANDIDATES]]


def _agreements(copies: CoarseCopies, pitch: float, motions: list[np.ndarray]) -> list[tuple[float, float]]:
    return [copies.agreement(_scaled(motion, 1 / pitch)) for motion in motions]


def _registered(level: Level, motion: np.ndarray, team) -> np.ndarray:
    """Phi about the middle: from a motion, the level registered with im1 as im2 shows it there. Collective."""
    start = _phi_of(motion, level)
    regression = team.agree(lambda: _regression(level, motion))

    def fill(first: int, last: int, planes: np.ndarray) -> None:
        planes[...] = regression(as_float32(level.im1[first:last]))

    seen = replace(level, im1=team.shared_planes(level.im1.shape, np.float32, fill))
    settings = Settings(None, dimensions_of(seen.im1.shape), Iterations(rigid=True), Interpolation(order=1))
    task = Task(settings, margin=(0, 0, 0))
    result = register_levels({level.factor: seen}, task, start, _middle(level), team, Journal(quiet=True))
    return result.phi if result.return_status == Status.CONVERGED else start


def _regression(level: Level, motion: np.ndarray) -> Regression:
    stride = max(1, max(level.im1.shape) // SAMPLE)
    sample = (slice(None, None, stride),) * 3
    one = as_float32(level.im1[sample])
    if level.mask1 is not None:
        one = np.where(level.mask1[sample] > 0, one, np.nan)
    return Regression.of(one, moved(as_float32(level.im2), motion, level.im1.shape, stride))


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
