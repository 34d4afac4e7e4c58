"""hpcdvc-guidingPoints: points of strong texture, for hpcdvc-pixelSearchPropagate to measure."""

import logging
from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import RunError, UserError
from hpcdvc.images import VolumeInfo, check_mask, memory_text, open_mask, open_volume
from hpcdvc.options.declare import named_files
from hpcdvc.options.guidingPoints import Options
from hpcdvc.output.places import stem_of
from hpcdvc.output.points import KeyedFile, points_picture, points_text
from hpcdvc.registration.levels import grey_values
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.cost import core_time
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.job import Job, carry_out, metadata_of, parameters_of
from hpcdvc.runs.points import measure_points
from hpcdvc.search.guiding_points import choose, default_spacing
from hpcdvc.search.texture import Blocks, Texture
from hpcdvc.steps.find_labels import gathered
from hpcdvc.steps.roi import Region, region_in
from hpcdvc.steps.search_settings import window_in

log = logging.getLogger("hpcdvc")

#: Core time per voxel that is looked at, s; bytes that a rank needs for each of them.
SECONDS_PER_VOXEL, BYTES_PER_VOXEL = 3e-7, 80
#: Bytes of a line of text.
LINE = 20


@dataclass(frozen=True)
class GuidingTask:
    """An image, and which of its points are wanted."""

    im1: VolumeInfo
    mask: VolumeInfo | None
    blocks: Blocks
    region: Region | None
    spacing: float

    @property
    def numbers(self) -> np.ndarray:
        """Numbers of the blocks that are looked at."""
        numbers = np.arange(self.blocks.count)
        if self.region is None:
            return numbers
        boxes = np.array([self.blocks.box(number) for number in numbers])
        return numbers[((boxes[:, 0] < self.region.high) & (boxes[:, 1] > self.region.low)).all(axis=1)]

    @property
    def seconds_per_block(self) -> float:
        """Rough cost of a block."""
        return SECONDS_PER_VOXEL * self.blocks.voxels


def run(options: Options, team) -> list[str]:
    """Find the points; returns the paths written. Collective.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team
    """
    return carry_out(options, team, plan, find, lambda jobs: estimate(jobs[0], team.size))


def plan(options: Options, inputs: Inputs, team) -> list[Job]:
    """The one job, on one rank.

    Raises
    ------
    UserError
        With one sentence, when something is missing or does not fit.
    """
    im1, mask = inputs.volume("im1"), inputs.volume("mask1")
    if mask:
        check_mask(im1, mask)
    half = window_in(options.window, im1)
    if max(half) == 0:
        raise UserError(f"{im1.spec} is a 2-D image: -hws3 {' '.join(map(str, options.window))} leaves a single pixel")
    blocks = Blocks(im1.shape, half)
    spacing = default_spacing(half) if options.minimum_spacing is None else options.minimum_spacing
    parameters = parameters_of(options, inputs.identities())
    metadata = metadata_of("guidingPoints", parameters, named_files(options))
    stem = stem_of(options.out_dir, options.prefix or im1.stem, "guidingPoints", im1.path)
    most = min(options.count or im1.voxel_bytes, int(np.prod(im1.shape) / max(spacing, 1)) + 1)
    files = KeyedFile(f"{stem}.txt", metadata, LINE * most + 1024), KeyedFile(f"{stem}.png", metadata)
    task = GuidingTask(im1, mask, blocks, region_in(options, im1), spacing)
    return [Job(stem=stem, parameters=parameters, files=files, task=task, dtype=blocks.dtype, unit="blocks")]


def find(job: Job, checkpoint: Checkpoint, options: Options, team) -> dict:
    """Find the points and write them. Collective; returns what the record of the run keeps."""
    task: GuidingTask = job.task
    im1, mask = open_volume(task.im1, team), open_mask(task.mask, team) if task.mask else None
    planes = slice(None) if task.region is None else task.region.slices[0]
    grey, numbers = grey_values(im1[planes], team), task.numbers
    if not 0 < grey.std < np.inf:
        where = f" in the planes of --roi {task.region}" if task.region else ""
        team.fail(UserError(f"{task.im1.spec} has no texture{where}: all its voxels are alike, or not finite"))
    texture = Texture(im1, mask, grey.mean, grey.std, task.blocks, options.mask_coverage)
    rows = measure_points(team, numbers, texture.candidates, task.seconds_per_block, checkpoint, options.quiet)
    rows = gathered(rows, numbers, team)
    return team.agree(lambda: _write(job, im1, rows, options))


def _write(job: Job, im1: np.ndarray, rows: np.ndarray, options: Options) -> dict:
    """The points that are wanted, as text and as a picture, on one rank.

    Raises
    ------
    RunError
        There are none.
    """
    task: GuidingTask = job.task
    if task.region:
        outside = ~task.region.holds(rows["position"].reshape(-1, 3))
        rows["strength"][outside.reshape(rows["strength"].shape)] = 0
    positions, strengths = choose(rows, task.spacing, options.least_strength, options.count)
    if not len(positions):
        job.shards.clear()  # nothing is left to go on with
        raise RunError(
            f"{task.im1.spec} has no window with texture along all axes of which enough counts"
            f"{f' in --roi {task.region}' if task.region else ''}: "
            "try another -hws, or a lower -mc"
        )
    if options.count is not None and len(positions) < options.count:
        log.warning("%d points are all there are: a smaller -ms or -ls leaves more", len(positions))
    log.info("%d points, of strength %.3g to %.3g", len(positions), strengths[0], strengths[-1])
    text, picture = job.files
    text.write(points_text(positions, job.key))
    picture.write(points_picture(im1, positions, task.spacing / 2, job.key))
    return {"points": len(positions), "strongest": float(strengths[0]), "weakest": float(strengths[-1])}


def estimate(job: Job, ranks: int) -> str:
    """What the run will take, as text: memory, core time."""
    task: GuidingTask = job.task
    count = len(task.numbers)
    seconds, busy = task.seconds_per_block * count, min(ranks, count)
    return (
        f"{count} blocks of {' x '.join(map(str, task.blocks.edges))} voxels\n"
        f"per node: {memory_text((task.im1, task.mask))}\n"
        f"per rank: about {60 + task.blocks.voxels * BYTES_PER_VOXEL / 1e6:.0f} MB\n"
        + core_time(seconds, seconds / busy, ranks)
    )
