"""hpcdvc-deformImage: an image as a measured deformation leaves it, and what then differs from im2."""

import logging
import math
from dataclasses import dataclass

import numpy as np

from hpcdvc.deformation.images import PLANES, Deformation
from hpcdvc.deformation.mappings import NodeTables, PhiMap
from hpcdvc.deformation.meshes import MeshLayers
from hpcdvc.deformation.residual import AS_THEY_ARE, GreyFit, norms
from hpcdvc.images import VolumeInfo, check_mask, check_pair, memory_text, open_mask, open_volume
from hpcdvc.options.declare import named_files
from hpcdvc.options.deformImage import Options
from hpcdvc.output.image import ImageFile
from hpcdvc.output.places import stem_of
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.cost import core_time
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.job import Job, carry_out, metadata_of, parameters_of
from hpcdvc.runs.slabs import SLAB, slab_depth, write_slabs
from hpcdvc.steps.deformed import SECONDS_PER_VOXEL, fit_grey, slab_maker
from hpcdvc.steps.motion import KINDS, read_motion
from hpcdvc.steps.roi import Region, region_in

log = logging.getLogger("hpcdvc")

#: Core time per voxel for each neighbour of a field, in a mesh, and for the residual, s.
SECONDS_PER_NEIGHBOUR, SECONDS_IN_MESH, SECONDS_OF_RESIDUAL = 3e-9, 2e-8, 5e-9


@dataclass(frozen=True)
class DeformImageTask:
    """What is made of which images, and which part of it is written."""

    im1: VolumeInfo
    im2: VolumeInfo | None
    mask: VolumeInfo | None
    mapping: PhiMap | NodeTables | MeshLayers
    order: int
    region: Region

    @property
    def depth(self) -> int:
        """Planes per slab."""
        return slab_depth(self.im1.shape, PLANES)

    @property
    def slabs(self) -> int:
        """How many there are."""
        return -(-self.region.shape[0] // self.depth)

    @property
    def seconds_per_slab(self) -> float:
        """Rough cost of a slab."""
        per_voxel = SECONDS_PER_VOXEL[self.order] + SECONDS_OF_RESIDUAL * bool(self.im2)
        if isinstance(self.mapping, NodeTables):
            per_voxel += SECONDS_PER_NEIGHBOUR * self.mapping.neighbours
        elif isinstance(self.mapping, MeshLayers):
            per_voxel += SECONDS_IN_MESH
        return per_voxel * self.depth * self.im1.shape[1] * self.im1.shape[2]


def run(options: Options, team) -> list[str]:
    """Deform the image; returns the paths written. Collective.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team
    """
    return carry_out(options, team, plan, deform, lambda jobs: estimate(jobs[0], team.size))


def plan(options: Options, inputs: Inputs, team) -> list[Job]:
    """The one job, on one rank.

    Raises
    ------
    UserError
        With one sentence, when something is missing or does not fit.
    """
    im1, im2, mask = (inputs.volume(name) for name in ("im1", "residual", "mask2"))
    if im2:
        check_pair(im1, im2)
    if mask:
        check_mask(im1, mask)
    kind, mapping = read_motion(options, im1)
    parameters = parameters_of(options, inputs.identities())
    metadata = metadata_of("deformImage", parameters, named_files(options))
    stem = stem_of(options.out_dir, options.prefix or im1.stem, KINDS[kind], im1.path)
    region = region_in(options, im1) or Region.whole(im1.shape)
    kinds = [("", im1.dtype), *[("-residual", np.float32)] * bool(im2), *[("-coverage", np.uint8)] * options.coverage]
    files = [
        ImageFile(f"{stem}{name}.{options.format}", region.shape, np.dtype(dtype), metadata, first=region.low)
        for name, dtype in kinds
    ]
    task = DeformImageTask(im1, im2, mask, mapping.prepared(im1.shape), options.order, region)
    return [Job(stem=stem, parameters=parameters, files=tuple(files), task=task, dtype=SLAB, unit="slabs")]


def deform(job: Job, checkpoint: Checkpoint, options: Options, team) -> dict:
    """Make the images. Collective; returns what the record of the run keeps."""
    task: DeformImageTask = job.task
    im1 = open_volume(task.im1, team)
    im2 = open_volume(task.im2, team) if task.im2 else None
    mask = open_mask(task.mask, team) if task.mask else None
    deformation = team.agree_all(lambda: Deformation(im1, task.mapping, task.order, mask))
    if isinstance(task.mapping, MeshLayers) and task.mapping.mesh.skipped:
        log.warning("%d cells of the mesh are flat or turned inside out, and left out", task.mapping.mesh.skipped)
    fitted = im2 is not None and options.criterion == "znssd"
    fits = fit_grey(team, deformation, im1, im2) if fitted else AS_THEY_ARE
    make = slab_maker(deformation, im1, im2, fits, options.coverage, task.region)
    sums = write_slabs(team, list(job.files), task.depth, make, task.seconds_per_slab, checkpoint, options.quiet)
    return {**job.files[0].metadata, **_outcome(sums, task, fits[1], team)}


def _outcome(sums: np.ndarray, task: DeformImageTask, fit: GreyFit, team) -> dict:
    """Say how much of the image has a value and, compared with im2, what is left; the same for the record."""
    count, before, after = norms(sums)
    part = count / math.prod(task.region.shape)
    if team.rank == 0 and not count:
        log.warning("no voxel of the deformed image comes from inside %s: it is empty", task.im1.spec)
    log.info("%.1f %% of the voxels have a value", 100 * part)
    if task.im2 is None or not count:
        return {"voxels": count}
    ratio = after / before if before else float("inf") if after else 1.0
    words = "residual, root mean square over these: im1 - im2 %.5g, im1(Phi) - im2 %.5g, ratio %.4f"
    if fit != GreyFit():
        log.info(
            "grey values of im1(Phi) are taken times %.5g plus %.5g; -crit ssd compares them as they are",
            fit.gain,
            fit.offset,
        )
    log.info(words, before, after, ratio)
    return {"voxels": count, "gain": fit.gain, "offset": fit.offset, "rms_before": before, "rms_after": after}


def estimate(job: Job, ranks: int) -> str:
    """What the run will take, as text: memory, core time, disk."""
    task: DeformImageTask = job.task
    slabs = task.slabs
    slab = min(task.depth, task.im1.shape[0]) * task.im1.shape[1] * task.im1.shape[2]
    seconds = task.seconds_per_slab * slabs
    own = 60e6 + slab * (task.im1.dtype.itemsize + 1)
    return (
        f"{slabs} slabs of {task.depth} planes\n"
        f"per node: {memory_text((task.im1, task.im2, task.mask))}, {_table_bytes(task) / 1e6:.1f} MB of nodes\n"
        f"per rank: about {own / 1e6:.0f} MB\n"
        f"{core_time(seconds, seconds / min(ranks, slabs), ranks)}\n"
        f"disk: {sum(image.file_bytes for image in job.files) / 1e6:.1f} MB for "
        + " and ".join(image.path for image in job.files)
    )


def _table_bytes(task: DeformImageTask) -> int:
    """Memory of the nodes or the mesh."""
    holder = task.mapping.mesh if isinstance(task.mapping, MeshLayers) else task.mapping
    return sum(array.nbytes for array in vars(holder).values() if isinstance(array, np.ndarray))
