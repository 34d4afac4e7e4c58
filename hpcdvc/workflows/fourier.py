"""hpcdvc-fourier: images shifted, zoomed, resampled, binned, smoothed or correlated, frame by frame or slab by slab."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.images import VolumeInfo, memory_text, open_volume, read_planes
from hpcdvc.options.declare import named_files
from hpcdvc.options.fourier import Options
from hpcdvc.output.image import ImageFile
from hpcdvc.output.places import stem_of
from hpcdvc.output.result import judge_filled
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.cost import core_time
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.job import Job, carry_out, metadata_of, parameters_of
from hpcdvc.runs.slabs import SLAB, Maker, slab_depth, write_slabs
from hpcdvc.stacks.fourier_volumes import Planes
from hpcdvc.steps.fourier import Operation, operation_of

#: Planes of a slab of a volume.
PLANES = 8
#: Rough core time for a pixel of an image or of its result, and for one that is read along z, for each plane, s.
SECONDS_PER_PIXEL, SECONDS_ALONG_Z = 2e-7, 2e-10


@dataclass(frozen=True)
class FourierTask:
    """What is done with which images.

    Attributes
    ----------
    images : frames of a stack, 2-D or stacks themselves; or one volume
    other : second image, or kernel
    operation : on a frame, or on the volume
    shape : of the result
    """

    images: tuple[VolumeInfo, ...]
    other: VolumeInfo | None
    operation: Operation
    shape: tuple[int, int, int]

    @property
    def of_frames(self) -> bool:
        """Whether each plane is an image of its own."""
        return len(self.operation.shape) == 2

    @property
    def depth(self) -> int:
        """Planes per slab."""
        return 1 if self.of_frames else slab_depth(self.shape, PLANES)

    @property
    def seconds_per_slab(self) -> float:
        """Rough cost of a slab."""
        pixels = sum(math.prod(info.shape) for info in self.images) / self.shape[0] + math.prod(self.shape[1:])
        along_z = 0 if self.of_frames else SECONDS_ALONG_Z * self.images[0].shape[0]
        return self.depth * pixels * (SECONDS_PER_PIXEL + along_z)


def run(options: Options, team) -> list[str]:
    """Make the images; returns the paths written. Collective.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team
    """
    return carry_out(options, team, plan, transform, lambda jobs: estimate(jobs, team.size))


def plan(options: Options, inputs: Inputs, team) -> list[Job]:
    """The jobs, on one rank: one of all frames, or one for each volume.

    Raises
    ------
    UserError
        With one sentence, when something is missing or does not fit.
    """
    images, other = inputs.volumes["images"], inputs.volume("other")
    flat = [info for info in images if info.two_dimensional]
    if flat and len(flat) < len(images) and not options.stack:
        volume = next(info for info in images if not info.two_dimensional)
        raise UserError(f"{flat[0].spec} is 2-D and {volume.spec} a volume: with -stack its planes are images, too")
    if not flat and not options.stack:
        return [_job(options, inputs, (info,), operation_of(options, info.shape, other), info.shape) for info in images]
    for info in images:
        if info.shape[1:] != images[0].shape[1:]:
            raise UserError(f"frames of one stack differ in size: {images[0].spec} and {info.spec}")
    operation = operation_of(options, images[0].shape[1:], other)
    return [_job(options, inputs, images, operation, images[0].shape)]


def _job(
    options: Options, inputs: Inputs, images: tuple[VolumeInfo, ...], operation: Operation, shape: tuple[int, int, int]
) -> Job:
    """The job of some images that have one result."""
    frames = len(operation.shape) == 2
    shape = (sum(info.shape[0] for info in images), *operation.shape) if frames else operation.shape
    named = {"im1": images[0]} | {f"im{k}": info for k, info in enumerate(images[1:], 2)}
    parameters = parameters_of(options, inputs.identities(**named))
    files = named_files(options) | {"images": [info.spec for info in images]}
    metadata = metadata_of("fourier", parameters, files)
    prefix = options.prefix if frames or len(options.images) == 1 else None
    stem = stem_of(options.out_dir, prefix or images[0].stem, "fourier", images[0].path)
    ends = ("hdf", "tif") if options.tif else ("hdf",)
    results = tuple(ImageFile(f"{stem}.{end}", shape, np.dtype(np.float32), metadata) for end in ends)
    task = FourierTask(images, inputs.volume("other"), operation, shape)
    unit = "frames" if frames else "slabs"
    return Job(stem=stem, parameters=parameters, files=results, task=task, dtype=SLAB, unit=unit)


def transform(job: Job, checkpoint: Checkpoint, options: Options, team) -> dict:
    """Make the image or images of a job. Collective; returns what the record of the run keeps."""
    task: FourierTask = job.task
    other = None
    if task.other is not None:
        other = open_volume(task.other, team)
        other = other[0] if task.of_frames else other
    if options.operation == "convolve":
        team.agree(lambda: task.operation.apply(np.zeros((1,) * other.ndim), other))  # a mistake in the kernel, once
    planes = _frames(task, team, other) if task.of_frames else _of_volume(task, team, other)
    make = _maker(planes, len(job.files))
    sums = write_slabs(team, list(job.files), task.depth, make, task.seconds_per_slab, checkpoint, options.quiet)
    return {**job.files[0].metadata, "voxels": int(sums[0])}


def _frames(task: FourierTask, team, other: np.ndarray | None) -> Planes:
    """Function that makes frames of the result. Collective."""
    stacks = {info: open_volume(info, team) for info in task.images if not info.two_dimensional}
    ends = np.cumsum([info.shape[0] for info in task.images])

    def planes(first: int, last: int) -> Iterator[np.ndarray]:
        for number in range(first, last):
            k = int(np.searchsorted(ends, number, side="right"))
            info = task.images[k]
            frame = stacks[info][number - ends[k]] if info in stacks else read_planes(info, 0, 1)[0]
            yield task.operation.apply(frame, *(() if other is None else (other,)))

    return planes


def _of_volume(task: FourierTask, team, other: np.ndarray | None) -> Planes:
    """Function that makes planes of the result of a volume. Collective."""
    return task.operation.planes(team, open_volume(task.images[0], team), other)


def _maker(planes: Planes, files: int) -> Maker:
    """What `write_slabs` wants: each plane for all files, and how many of its pixels have a value."""

    def make(first: int, last: int) -> Iterator[tuple[tuple[np.ndarray, ...], np.ndarray]]:
        for plane in planes(first, last):
            yield (plane,) * files, np.array([np.count_nonzero(np.isfinite(plane)), 0.0, 0.0])

    return make


judge = partial(judge_filled, nothing="no pixel has a value, what it is made of is NaN or next to NaN everywhere")


def estimate(jobs: list[Job], ranks: int) -> str:
    """What the run will take, as text: memory, core time, disk."""
    task: FourierTask = max((job.task for job in jobs), key=lambda task: math.prod(task.shape))
    slabs = -(-task.shape[0] // task.depth)
    seconds = sum(job.task.seconds_per_slab * -(-job.task.shape[0] // job.task.depth) for job in jobs)
    paths = [image for job in jobs for image in job.files]
    return (
        f"{slabs} {jobs[0].unit} of {task.depth} planes\n"
        f"per node: {memory_text((*task.images, task.other))}, {_shared_bytes(task) / 1e6:.1f} MB shared\n"
        f"{core_time(seconds, seconds / min(ranks, slabs), ranks)}\n"
        f"disk: {sum(image.file_bytes for image in paths) / 1e6:.1f} MB for "
        + " and ".join(image.path for image in paths)
    )


def _shared_bytes(task: FourierTask) -> int:
    """Memory of a node for what the ranks make together of a volume."""
    nz, pixels = task.images[0].shape[0], math.prod(task.shape[1:])
    if not task.of_frames and task.operation.positions is not None:
        return 4 * nz * pixels
    if not task.of_frames and task.operation.correlates:
        return 3 * 8 * nz * pixels * (4 if task.operation.boundary == "fill" else 1)
    return 0
