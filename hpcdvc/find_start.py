"""A start for the registration of two images that lie far apart: candidates, and the one that matches best."""

import logging
from dataclasses import replace

import numpy as np

from hpcdvc.autostart import rough_starts
from hpcdvc.errors import RunError
from hpcdvc.field import STATUS_TEXT, Status
from hpcdvc.levels import Level, halved
from hpcdvc.multiscale import Journal, Registration, Task, from_level, register_levels

log = logging.getLogger("hpcdvc")

#: Most voxels per axis of the copies that the candidates are tried on, by dimensions.
LONGEST = {2: 512, 3: 128}


def find_start(level: Level, task: Task, team) -> tuple[np.ndarray, np.ndarray]:
    """Find a large rotation and displacement. Collective.

    Parameters
    ----------
    level : the coarsest level of the registration
    task : its settings
    team : hpcdvc.parallel.Team

    Returns
    -------
    phi : (4, 4) array in voxels of the images
    centre : the point it is about

    Raises
    ------
    RunError
        On every rank: no candidate matches.
    """
    while max(level.im1.shape) > LONGEST[2 if level.im1.shape[0] == 1 else 3]:
        level = halved(level, team)
    one, two = (np.asarray(image, np.float32) for image in (level.im1, level.im2))
    candidates = rough_starts(one, two, level.mask1, team)
    centre = level.first + level.step * (np.array(one.shape) - 1) / 2
    settings = replace(task.settings, order=1, rigid=True, update_gradient=False, max_iterations=50, min_delta_phi=1e-3)
    trial = Task(settings, margin=(0, 0, 0))
    tried = [
        register_levels({level.factor: level}, trial, from_level(phi[:3], level), centre, team, Journal(quiet=True))
        for phi in candidates
    ]
    best = max(tried, key=_merit, default=None)
    if best is None or _merit(best) < settings.min_zncc:
        error = RunError("--auto found no start: nowhere do the images match; give a start with -pf")
        error.agreed = True
        raise error
    log.info("--auto: %d starts tried, the best correlates with zncc %.3f", len(tried), best.zncc)
    return best.phi, centre


def _merit(tried: Registration) -> float:
    if tried.return_status in (Status.CONVERGED, Status.MAX_ITERATIONS):
        return tried.zncc
    log.debug("a start led nowhere: %s", STATUS_TEXT[tried.return_status][0])
    return -1.0
