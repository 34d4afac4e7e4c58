"""A registration of the whole images first, as the start of all points."""

import logging
from collections.abc import Iterable

import numpy as np

from hpcdvc.fields.field import Field
from hpcdvc.fields.status import Status, reason_of
from hpcdvc.images import VolumeInfo
from hpcdvc.options.registration import RegistrationFirst
from hpcdvc.registration.journal import Journal
from hpcdvc.registration.levels import Level, centre_of_mass
from hpcdvc.registration.multiscale import levels_between, register_levels
from hpcdvc.registration.settings import Settings
from hpcdvc.registration.task import Task, coarsest, power_of_two
from hpcdvc.steps.settings import settings_of
from hpcdvc.steps.start import StartPoints

log = logging.getLogger("hpcdvc")


def first_task(options: RegistrationFirst, im1: VolumeInfo, im2: VolumeInfo, settings: Settings | None = None) -> Task:
    """What is to be registered.

    Parameters
    ----------
    options : with those of `RegistrationFirst`
    im1, im2 : the images
    settings : how; None: as those of `IterationOptions` and `InterpolationOptions` among the options say
    """
    most = coarsest(im1.shape)
    begin, end = (min(power_of_two(value), most) for value in (options.register_begin, options.register_end))
    return Task(settings or settings_of(options, im1), begin, end, names=(im1.spec, im2.spec))


def register_first(
    task: Task, im1: np.ndarray, im2: np.ndarray, mask: np.ndarray | None, starts: Iterable[StartPoints], team
) -> StartPoints | None:
    """Register the whole images; None, with a sentence, where that fails. Collective.

    Parameters
    ----------
    task : from `first_task`
    im1, im2, mask : (nz, ny, nx) arrays; mask uint8 (0 = left out) or None
    starts : where the registration may start, the same on all ranks: the first that leads to an end counts
    team : hpcdvc.ranks.team.Team
    """
    centre = (np.array(im1.shape) - 1) / 2 if mask is None else centre_of_mass(mask, team)
    if centre is None:
        return None
    levels = levels_between(Level.of(im1, im2, mask), task.first, task.last, team)
    for start in starts:
        phi = team.agree(lambda: start.as_one(centre))  # noqa: B023
        result = register_levels(levels, task, phi, centre, team, Journal(quiet=True))
        if result.return_status == Status.CONVERGED:
            log.info(
                "registration: %d iterations at binning %d, zncc %.3f", result.iterations, result.factor, result.zncc
            )
            found = Field(centre[None], result.phi[None], *(np.zeros(1),) * 4)
            return StartPoints(start.grid, found, start.apply_f)
    reason = reason_of(result.return_status)
    log.warning("the registration has failed at binning %d: %s; its result is not used", result.factor, reason)
    return None
