"""hpcdvc-deformImage: an image as a measured deformation leaves it, and what then differs from im2."""

import logging
import math
import os
import time
from dataclasses import dataclass

import numpy as np

from hpcdvc.deformation.images import PLANES, Deformation, MeshMap, NeighbourMap
from hpcdvc.deformation.residual import norms
from hpcdvc.images import VolumeInfo, check_mask, check_pair, describe, memory_text, open_mask, open_volume
from hpcdvc.options.deformImage import Options
from hpcdvc.output.image import ImageFile
from hpcdvc.output.result import check_folder, check_inputs_stay, is_finished, stem_of, write_record
from hpcdvc.ranks.progress import duration
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.provenance import metadata_of, parameters_of
from hpcdvc.runs.slabs import SLAB, slab_depth, write_slabs
from hpcdvc.steps.deformed import SECONDS_PER_VOXEL, slab_maker
from hpcdvc.steps.motion import KINDS, Mapping, read_motion

log = logging.getLogger("hpcdvc")

#: Core time per voxel for each neighbour of a field, in a mesh, and for the residual, s.
SECONDS_PER_NEIGHBOUR, SECONDS_IN_MESH, SECONDS_OF_RESIDUAL = 3e-9, 2e-8, 5e-9


#: Options that name files.
PATHS = ("im1", "residual", "mask2", "phi_file", "mesh")


@dataclass(frozen=True)
class Plan:
    """What is made of which images, and where that goes."""

    im1: VolumeInfo
    im2: VolumeInfo | None
    mask: VolumeInfo | None
    mapping: Mapping
    stem: str
    images: tuple[ImageFile, ...]
    parameters: dict
    done: bool

    @property
    def depth(self) -> int:
        """Planes per slab."""
        return slab_depth(self.im1.shape, PLANES)


def run(options: Options, team) -> list[str]:
    """Deform the image; returns the paths written. Collective.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team
    """
    plan = team.agree(lambda: make_plan(options, team))
    if options.dry_run:
        log.info(estimate(plan, options, team.size))
        return []
    if not plan.done:
        deform(plan, options, team)
    team.agree(lambda: clear(plan))
    return [image.path for image in plan.images]


def make_plan(options: Options, team) -> Plan:
    """Check all that can be checked without reading a volume, on rank 0.

    Raises
    ------
    UserError
        With one sentence, when something is missing, does not fit or cannot be written.
    """
    im1 = describe(options.im1)
    im2 = describe(options.residual) if options.residual else None
    mask = describe(options.mask2) if options.mask2 else None
    if im2:
        check_pair(im1, im2)
    if mask:
        check_mask(im1, mask)
    kind, mapping = read_motion(options, im1)
    parameters = parameters_of(options, PATHS, {"im1": im1, "residual": im2, "mask2": mask})
    stem = stem_of(options.out_dir, options.prefix or im1.stem, KINDS[kind], im1.path)
    metadata = metadata_of("deformImage", parameters, {name: getattr(options, name) for name in PATHS})
    images = [ImageFile(f"{stem}.{options.format}", im1.shape, im1.dtype, metadata)]
    if im2:
        path = f"{stem}-residual.{options.format}"
        images.append(ImageFile(path, im1.shape, np.dtype(np.float32), metadata))
    inputs = [im1.path, im2 and im2.path, mask and mask.path, options.phi_file, options.mesh]
    check_inputs_stay([image.path for image in images], inputs)
    done = [is_finished(image.path, image.is_ours, options.force, options.resume) for image in images]
    plan = Plan(im1, im2, mask, mapping, stem, tuple(images), parameters, all(done))
    _check_place(plan, options, team)
    return plan


def _shards(plan: Plan, options: Options, team) -> Checkpoint:
    return Checkpoint(plan.stem, plan.parameters, team, options.checkpoint_interval, SLAB, "slabs")


def _check_place(plan: Plan, options: Options, team) -> None:
    if plan.done:
        return
    if not options.force or options.resume:
        _shards(plan, options, team).check(options.resume)
    need = sum(image.file_bytes for image in plan.images if not (options.resume and image.begun()))
    check_folder(os.path.dirname(plan.stem), need, make=not options.dry_run)


def deform(plan: Plan, options: Options, team) -> None:
    """Make the images. Collective."""
    began = time.time()
    shards = _shards(plan, options, team)
    if options.force and not options.resume:
        shards.remove()
    im1 = open_volume(plan.im1, team)
    im2 = open_volume(plan.im2, team) if plan.im2 else None
    mask = open_mask(plan.mask, team) if plan.mask else None
    deformation = team.agree_all(lambda: Deformation(im1, plan.mapping, options.order, mask))
    if isinstance(plan.mapping, MeshMap) and plan.mapping.skipped:
        log.warning("%d cells of the mesh are flat or turned inside out, and left out", plan.mapping.skipped)
    seconds = seconds_per_slab(plan, options)
    sums = write_slabs(
        team, list(plan.images), plan.depth, slab_maker(deformation, im1, im2), seconds, shards, options.quiet
    )
    record = {"seconds": round(time.time() - began, 3), **plan.images[0].metadata, **_outcome(sums, plan, team)}
    team.agree(lambda: write_record(plan.stem, record, team))


def _outcome(sums: np.ndarray, plan: Plan, team) -> dict:
    """Say how much of the image has a value and, compared with im2, what is left; the same for the record."""
    count, before, after = norms(sums)
    part = count / math.prod(plan.im1.shape)
    if team.rank == 0 and not count:
        log.warning("no voxel of the deformed image comes from inside %s: it is empty", plan.im1.spec)
    log.info("%.1f %% of the voxels have a value", 100 * part)
    if plan.im2 is None or not count:
        return {"voxels": count}
    ratio = after / before if before else float("inf") if after else 1.0
    words = "residual, root mean square over these: im1 - im2 %.5g, im1(Phi) - im2 %.5g, ratio %.4f"
    log.info(words, before, after, ratio)
    return {"voxels": count, "rms_before": before, "rms_after": after}


def clear(plan: Plan) -> None:
    """Delete what a killed run may have left beside the finished images, on one rank."""
    for image in plan.images:
        image.discard()
    Checkpoint(plan.stem, plan.parameters, team=None).clear()


def seconds_per_slab(plan: Plan, options: Options) -> float:
    """Rough cost of a slab."""
    per_voxel = SECONDS_PER_VOXEL[options.order] + SECONDS_OF_RESIDUAL * bool(plan.im2)
    if isinstance(plan.mapping, NeighbourMap):
        per_voxel += SECONDS_PER_NEIGHBOUR * plan.mapping.neighbours
    elif isinstance(plan.mapping, MeshMap):
        per_voxel += SECONDS_IN_MESH
    return per_voxel * plan.depth * plan.im1.shape[1] * plan.im1.shape[2]


def estimate(plan: Plan, options: Options, ranks: int) -> str:
    """What the run will take, as text: memory, core time, disk."""
    slabs = -(-plan.im1.shape[0] // plan.depth)
    slab = min(plan.depth, plan.im1.shape[0]) * plan.im1.shape[1] * plan.im1.shape[2]
    seconds = seconds_per_slab(plan, options) * slabs
    nodes = sum(array.nbytes for array in vars(plan.mapping).values() if isinstance(array, np.ndarray))
    own = 60e6 + 2 * nodes + slab * (plan.im1.dtype.itemsize + 1)
    return (
        f"{slabs} slabs of {plan.depth} planes\n"
        f"per node: {memory_text((plan.im1, plan.im2, plan.mask))}\n"
        f"per rank: about {own / 1e6:.0f} MB\n"
        f"core time: about {duration(seconds)}; {duration(seconds / min(ranks, slabs))} on {ranks} ranks\n"
        f"disk: {sum(image.file_bytes for image in plan.images) / 1e6:.1f} MB for "
        + " and ".join(image.path for image in plan.images)
    )
