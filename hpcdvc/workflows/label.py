"""hpcdvc-label: the grains of an image or of a mask, numbered."""

import logging
import math
from dataclasses import replace

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.images import open_volume
from hpcdvc.labels.scan import merged, scan_labels
from hpcdvc.options.label import Options
from hpcdvc.options.values import plain
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.job import Job, carry_out
from hpcdvc.segmentation.basins import basins_of, distances
from hpcdvc.segmentation.components import filled
from hpcdvc.segmentation.planes import block_depth, made_by_planes
from hpcdvc.steps.roi import Region, region_in
from hpcdvc.steps.segments import (
    LabelsFile,
    Needs,
    block_bytes,
    bright_planes,
    check_image,
    job_of,
    limits_of,
    write_planes,
)

log = logging.getLogger("hpcdvc")

#: Rough core time per voxel, s.
SECONDS = 1.2e-7
#: Bytes that the ranks of a node share for each voxel: mask, distance, way up and basin.
SHARED = 10
#: Depth, voxels, up to which what stands alone is noise and no grain: it is nowhere three voxels thick.
SPECK = 1.0
#: Voxels of a hole along an axis, up to which it is noise: distances are measured as though it were not there.
HOLE = 2


def run(options: Options, team) -> list[str]:
    """Number the grains; returns the paths written. Collective.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team
    """
    return carry_out(options, team, plan, work, lambda jobs: jobs[0].task.estimate(jobs[0].files[0], team.size))


def plan(options: Options, inputs: Inputs, team) -> list[Job]:
    """The one job, on one rank.

    Raises
    ------
    UserError
        With one sentence, when something is missing or does not fit, or the memory for it.
    """
    image = inputs.volume("im")
    check_image(image, options.limits)
    region = region_in(options, image) or Region.whole(image.shape)
    needs = Needs(image, region, SHARED, block_bytes(region.shape, block_depth(region.shape)), SECONDS)
    # how many there are, and so their type, is known when they are found
    return [job_of("label", "labels", LabelsFile, np.uint32, needs, options, inputs, team)]


def work(job: Job, checkpoint: Checkpoint, options: Options, team) -> dict:
    """Number the grains. Collective; returns what the record of the run keeps.

    Raises
    ------
    UserError
        There is none; nothing is written.
    """
    basins, numbers, facts = find_grains(job.task, options, team)
    file = replace(job.files[0], dtype=numbers.dtype)
    region = job.task.region
    voxels = write_planes(lambda first, last: numbers[basins[first:last]], region, file, checkpoint, options, team)
    plural = "" if facts["labels"] == 1 else "s"
    log.info("%d label%s, %.1f %% of the voxels", facts["labels"], plural, 100 * voxels / math.prod(file.shape))
    return {**file.metadata, **facts, "voxels": voxels}


def find_grains(needs: Needs, options: Options, team) -> tuple[np.ndarray, np.ndarray, dict]:
    """Basins of the image, the label of each, and how many there are. Collective."""
    image, region = needs.image, needs.region
    volume = open_volume(image, team)[region.slices]
    low, high = limits = options.limits or limits_of(volume, image.spec, team, mask_too=True)
    log.info("grains are above %.6g%s", low, f" and below {high:.6g}" if high is not None else "")
    mask = made_by_planes(team, region.shape, np.uint8, bright_planes(volume, limits), block_depth(region.shape))
    del volume
    distance = distances(filled(mask, team, HOLE ** sum(n > 1 for n in region.shape)), team)
    basins, first_of, depths = basins_of(distance, options.h_maxima, team)
    del distance
    for z in range(*team.node_span(len(mask))):
        basins[z][mask[z] == 0] = 0  # the holes
    team.node_barrier()
    del mask
    found = scan_labels(basins, team, image.spec)
    if not len(found):
        team.fail(UserError(f"{image.spec} holds no grain: no voxel is above {low:g}"))
    numbers, counts = team.agree(lambda: numbered(found, first_of, depths, options, region.shape))
    left_out = {
        "that are nowhere more than a voxel deep": counts["specks"],
        "of fewer voxels than --min-volume": counts["small"],
        "at the border": counts["at_border"],
    }
    if any(left_out.values()):
        log.info("left out: %s", said(left_out))
    if not counts["labels"]:
        team.fail(UserError(f"no grain of {image.spec} is left: {said(left_out)}"))
    return basins, numbers, {"threshold": plain((low, high)), **counts}


def numbered(
    found: np.ndarray, first_of: np.ndarray, depths: np.ndarray, options: Options, shape: tuple[int, int, int]
) -> tuple[np.ndarray, dict[str, int]]:
    """Labels 1 to n of the grains that are kept, in the order of their first maxima, on one rank.

    Parameters
    ----------
    found : records of all basins (hpcdvc.labels.scan.PARTICLE), ascending
    first_of, depths : (m + 1,) of hpcdvc.segmentation.basins.basins_of
    options : which grains are kept
    shape : of the image

    Returns
    -------
    numbers : (m + 1,) array of the smallest type that holds them: the label of each basin, 0 where it is left out
    counts : of grains by what became of them
    """
    grains = found.copy()
    grains["label"] = first_of[found["label"]]
    grains = merged(grains)
    deepest = np.zeros(len(first_of), np.float32)
    np.maximum.at(deepest, first_of, depths)
    specks = (deepest[grains["label"]] <= SPECK) & (options.h_maxima >= SPECK)
    small = (grains["volume"] < options.min_volume) & ~specks
    ends = [axis for axis in range(3) if shape[axis] > 1]  # a 2-D image has no border along Z
    at_border = (grains["low"][:, ends] == 0).any(axis=1)
    at_border |= (grains["high"][:, ends] == np.array(shape)[ends] - 1).any(axis=1)
    at_border &= (options.border == "drop") & ~small & ~specks
    kept = grains["label"][~specks & ~small & ~at_border]
    dtype = next(np.dtype(kind) for kind in ("u1", "u2", "u4") if len(kept) <= np.iinfo(kind).max)
    table = np.zeros(len(first_of), dtype)
    table[kept] = np.arange(1, len(kept) + 1)
    left_out = {"specks": specks, "small": small, "at_border": at_border}
    return table[first_of], {"labels": len(kept), **{name: int(some.sum()) for name, some in left_out.items()}}


def said(left_out: dict[str, int]) -> str:
    """What is left out, as text."""
    return ", ".join(f"{count} {which}" for which, count in left_out.items() if count)
