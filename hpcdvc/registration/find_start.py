"""A start for the registration of two images that lie far apart: of all candidates the one that matches best.

candidates.py finds them on coarse copies; here each is registered for a few iterations, and the best ones to the end.
"""

import logging
from dataclasses import replace

import numpy as np

from hpcdvc.errors import RunError
from hpcdvc.fields.phi import at_points
from hpcdvc.fields.status import Status, reason_of
from hpcdvc.registration.candidates import rough_starts
from hpcdvc.registration.coarse_copies import as_float32, pitch_of
from hpcdvc.registration.journal import Journal
from hpcdvc.registration.levels import Level, halved
from hpcdvc.registration.multiscale import RegistrationResult, from_level, register_levels
from hpcdvc.registration.settings import Settings
from hpcdvc.registration.task import Task

log = logging.getLogger("hpcdvc")

#: Most voxels per axis of the copies that the candidates are tried on, by dimensions.
LONGEST = {2: 512, 3: 128}
#: Iterations that tell which candidates are worth more of them, and how many candidates are.
FIRST_ITERATIONS, FINALISTS = 5, 2


def find_start(
    levels: dict[int, Level], task: Task, team, turns: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, dict[int, Level]]:
    """Find a large rotation and displacement. Collective.

    Parameters
    ----------
    levels : of the registration, by binning, coarse to fine
    task : its settings
    team : hpcdvc.ranks.team.Team
    turns : (n, 3, 3) rotations to be tried; None: all by up to 50 degrees

    Returns
    -------
    phi : (4, 4) array in voxels of the images
    centre : the point it is about
    levels : those that can make the start better: not the ones that are coarser than what it was found on

    Raises
    ------
    RunError
        On every rank: no candidate matches.
    """
    level = _small(levels, team)
    pitch = level.factor * pitch_of(level.im1.shape, level.im2.shape)
    centre = level.first + level.step * (np.array(level.im1.shape) - 1) / 2
    found = [start for copy in _distinct(level, levels[max(levels)]) for start in _candidates(copy, team, turns)]
    starts = [at_points(phi, about, centre[None])[0] for phi, about in found]
    ends, interpolation = task.settings.iterations, replace(task.settings.interpolation, order=1)
    ends = replace(ends, rigid=True, update_gradient=False, max_iterations=50, min_delta_phi=1e-3)
    settings = replace(task.settings, iterations=ends, interpolation=interpolation)
    first = replace(settings, iterations=replace(ends, max_iterations=FIRST_ITERATIONS))
    tried = _try(level, first, starts, centre, team)
    finalists = [one.phi for one in sorted(tried, key=_merit, reverse=True)[:FINALISTS]]
    best = max(_try(level, settings, finalists, centre, team), key=_merit, default=None)
    if best is None or _merit(best) < ends.min_zncc:
        team.fail(RunError("--auto found no start: nowhere do the images match; give a start with -pf"))
    log.info("--auto: %d starts tried, the best correlates with zncc %.3f", len(starts), best.zncc)
    return best.phi, centre, {factor: levels[factor] for factor in levels if factor <= max(pitch, min(levels))}


def _small(levels: dict[int, Level], team) -> Level:
    """The finest level that is not too large to try many starts on; a coarser one is made where there is none."""
    most = LONGEST[2 if levels[min(levels)].im1.shape[0] == 1 else 3]
    for _, level in sorted(levels.items()):
        if max(level.im1.shape) <= most:
            return level
    while max(level.im1.shape) > most and min(level.im1.shape[1:]) > 1:  # of thin images there is no smaller copy
        level = halved(level, team)
    return level


def _distinct(fine: Level, coarse: Level) -> list[Level]:
    """The levels that candidates are looked for on: what one of them hides, the other may show."""
    return [fine] if coarse.factor <= fine.factor else [fine, coarse]


def _candidates(level: Level, team, turns: np.ndarray | None) -> list[tuple[np.ndarray, np.ndarray]]:
    """(4, 4) Phi in voxels of the images, each with the point that it is about."""
    one, two = (as_float32(image) for image in (level.im1, level.im2))
    about = level.first + level.step * (np.array(one.shape) - 1) / 2
    return [(from_level(phi[:3], level), about) for phi in rough_starts(one, two, level.mask1, team, turns=turns)]


def _try(
    level: Level, settings: Settings, starts: list[np.ndarray], centre: np.ndarray, team
) -> list[RegistrationResult]:
    """Register one level from every start."""
    trial, quiet = Task(settings, margin=(0, 0, 0)), Journal(quiet=True)
    return [register_levels({level.factor: level}, trial, phi, centre, team, quiet) for phi in starts]


def _merit(tried: RegistrationResult) -> float:
    if tried.return_status in (Status.CONVERGED, Status.MAX_ITERATIONS):
        return tried.zncc
    log.debug("a start led nowhere: %s", reason_of(tried.return_status))
    return -1.0
