"""hpcdvc-mask: which voxels of an image count."""

import logging
import math
from dataclasses import dataclass, replace

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.images import VolumeInfo, open_volume
from hpcdvc.options.mask import Options
from hpcdvc.options.values import plain
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.job import Job, carry_out
from hpcdvc.segmentation.components import filled, largest
from hpcdvc.segmentation.cylinder import Cylinder, find_cylinder
from hpcdvc.segmentation.morphology import ball_depth, closed, eroded, opened
from hpcdvc.segmentation.planes import block_depth, made_by_planes
from hpcdvc.steps.roi import Region, region_in
from hpcdvc.steps.segments import (
    SECONDS_OF_FILE,
    MaskFile,
    Needs,
    block_bytes,
    bright_planes,
    check_image,
    job_of,
    limits_of,
    write_planes,
)

log = logging.getLogger("hpcdvc")

#: Rough core time per voxel, s: of a ball once there and back, of parts; a threshold takes none beside the file.
SECONDS_OF_BALL, SECONDS_OF_PARTS = 4e-8, 2.5e-8
#: Bytes that the ranks of a node share for each voxel: a mask, and what is made of it.
SHARED = 2


@dataclass(frozen=True)
class MaskTask:
    """What is made of the image."""

    needs: Needs
    cylinder: Cylinder | None


def run(options: Options, team) -> list[str]:
    """Make the mask; returns the paths written. Collective.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team
    """
    return carry_out(options, team, plan, work, lambda jobs: jobs[0].task.needs.estimate(jobs[0].files[0], team.size))


def plan(options: Options, inputs: Inputs, team) -> list[Job]:
    """The one job, on one rank.

    Raises
    ------
    UserError
        With one sentence, when something is missing or does not fit, or the memory for it.
    """
    image = inputs.volume("im")
    check_image(image, options.limits)
    radii = [radius for radius in (options.open, options.close, options.erode) if radius]
    balls = 2 * bool(options.open) + 2 * bool(options.close) + bool(options.erode)
    seconds = SECONDS_OF_FILE + balls * SECONDS_OF_BALL / 2 + (options.largest + options.fill) * SECONDS_OF_PARTS
    region = region_in(options, image) or Region.whole(image.shape)
    planes = max((ball_depth(region.shape, r) + 2 * r for r in radii), default=block_depth(region.shape))
    needs = Needs(image, region, SHARED, block_bytes(region.shape, planes), seconds)
    job = job_of("mask", "mask", MaskFile, np.uint8, needs, options, inputs, team)
    return [replace(job, task=MaskTask(needs, given_cylinder(options, image, region)))]


def given_cylinder(options: Options, image: VolumeInfo, region: Region) -> Cylinder | None:
    """The cylinder, in voxels of the region, that the options give; None where there is none, or it is to be found.

    Raises
    ------
    UserError
        It leaves the image, or holds none of it.
    """
    if options.cylinder is None or options.finds_cylinder:
        return None
    y, x, r, z0, z1 = (*options.cylinder, 0, image.shape[0])[:5]
    if z1 > image.shape[0]:
        raise UserError(f"-cyl: {image.spec} has planes 0 to {image.shape[0] - 1}, none before {z1:g}")
    cylinder = Cylinder(y, x, r, int(z0), int(z1)).moved([-low for low in region.low])
    if cylinder.holds_none_of(region.shape):
        inside = image.spec if options.roi is None else f"--roi {region} of {image.spec}"
        raise UserError(f"-cyl: the cylinder about Y {y:g}, X {x:g} of radius {r:g} holds no voxel of {inside}")
    return cylinder


def work(job: Job, checkpoint: Checkpoint, options: Options, team) -> dict:
    """Make the mask. Collective; returns what the record of the run keeps.

    Raises
    ------
    UserError
        It is empty; nothing is written.
    """
    image = job.task.needs.image
    mask, facts = first_mask(job.task, options, team)
    check_filled(mask, image.spec, facts["what"], team)
    steps = (
        (options.open, f"--open {options.open}", lambda m: opened(m, options.open, team)),
        (options.close, f"--close {options.close}", lambda m: closed(m, options.close, team)),
        (options.largest, "--largest", lambda m: largest(m, team)),
        (options.fill, "--fill", lambda m: filled(m, team)),
        (options.erode, f"--erode {options.erode}", lambda m: eroded(m, options.erode, team)),
    )
    for wanted, flag, step in steps:
        if wanted:
            mask = step(mask)
            check_filled(mask, image.spec, f"nothing is left after {flag}", team)
    file, region = job.files[0], job.task.needs.region
    voxels = write_planes(lambda first, last: mask[first:last], region, file, checkpoint, options, team)
    log.info("%d voxels are in the mask, %.1f %%", voxels, 100 * voxels / math.prod(image.shape))
    return {**file.metadata, **facts, "voxels": voxels}


def first_mask(task: MaskTask, options: Options, team) -> tuple[np.ndarray, dict]:
    """The mask before anything is done to it, once a node, and how it was found. Collective."""
    image, region, cylinder, facts = task.needs.image, task.needs.region, task.cylinder, {}
    depth = block_depth(region.shape)
    if cylinder is None:
        volume = open_volume(image, team)[region.slices]
        low, high = limits = options.limits or limits_of(volume, image.spec, team)
        if options.threshold is None:
            log.info("threshold of Otsu: %.6g", low)
        mask = made_by_planes(team, region.shape, np.uint8, bright_planes(volume, limits), depth)
        facts["threshold"] = plain((low, high))
        facts["what"] = f"no voxel is above {low:g}" + (f" and below {high:g}" if high is not None else "")
        if not options.finds_cylinder:
            return mask, facts
        check_filled(mask, image.spec, facts["what"], team)
        cylinder = find_cylinder(mask, team, image.spec)
        del mask
        found = (f"{value:.10g}" for value in cylinder.moved(region.low).numbers)
        log.info("found: -cyl %s", " ".join(found))
    facts["cylinder"] = list(cylinder.moved(region.low).numbers)
    facts["what"] = "the cylinder holds no voxel"

    def make(first: int, last: int) -> np.ndarray:
        return cylinder.planes(first, last, region.shape)

    return made_by_planes(team, region.shape, np.uint8, make, depth), facts


def check_filled(mask: np.ndarray, spec: str, why: str, team) -> None:
    """Make sure that a mask is not empty. Collective.

    Raises
    ------
    UserError
        It is.
    """
    start, stop = team.spans(len(mask))
    if not team.any(any(plane.any() for plane in mask[start:stop])):
        team.fail(UserError(f"the mask of {spec} is empty: {why}"))
