"""hpcdvc-mesh: tetrahedra of a box, a cylinder, a mask, or of a mesh that is there."""

import logging
import math
from dataclasses import asdict
from pathlib import Path

import numpy as np

from hpcdvc.fem.quality import Quality, aspect_ratios, check_mesh
from hpcdvc.images import check_mask
from hpcdvc.options.declare import named_files
from hpcdvc.options.mesh import Options
from hpcdvc.output.mesh_file import MeshFile
from hpcdvc.output.places import stem_of
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.cost import core_time
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.job import Job, carry_out, metadata_of, parameters_of
from hpcdvc.steps.meshes import MeshTask, make_mesh

log = logging.getLogger("hpcdvc")

#: Core time per tetrahedron and voxel that is looked at, s; memory of rank 0 for each tetrahedron, bytes.
SECONDS_PER_TETRAHEDRON, SECONDS_PER_VOXEL, BYTES_PER_TETRAHEDRON = 1e-5, 3e-9, 500


def run(options: Options, team) -> list[str]:
    """Make the mesh; returns the paths written. Collective.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team
    """
    return carry_out(options, team, plan, make, lambda jobs: estimate(jobs[0], team.size))


def plan(options: Options, inputs: Inputs, team) -> list[Job]:
    """The one job, on one rank.

    Raises
    ------
    UserError
        With one sentence, when something is missing or does not fit.
    """
    task = MeshTask.of(options, inputs.volume("mask1"), inputs.volume("size"))
    if task.mask and task.sizes:
        check_mask(task.mask, task.sizes, "volume of sizes")
    parameters = parameters_of(options, inputs.identities())
    metadata = metadata_of("mesh", parameters, named_files(options))
    stem = stem_of(options.out_dir or "", name_of(options, task), f"lc{options.lc}" if options.lc else "mesh", "")
    file = MeshFile(stem, metadata, options.views, task.nodes, task.tetrahedra)
    return [Job(stem=stem, parameters=parameters, files=(file,), task=task, unit="tetrahedra")]


def name_of(options: Options, task: MeshTask) -> str:
    """Beginning of the names of the files."""
    if options.prefix:
        return options.prefix
    if task.mask:
        return f"{task.mask.stem}-mesh"
    return Path(options.mesh).stem if options.mesh else "cuboid-mesh" if options.cuboid else "cylinder-mesh"


def make(job: Job, checkpoint: Checkpoint, options: Options, team) -> dict:
    """Make the mesh and write it. Collective; returns what the record of the run keeps."""
    mesh = make_mesh(job.task, options, team)  # on rank 0
    return team.agree(lambda: write(job, checkpoint, *mesh))


def write(job: Job, checkpoint: Checkpoint, points: np.ndarray, connectivity: np.ndarray) -> dict:
    """Say what the mesh is like, and write it if it can be used, on one rank; returns the same for the record.

    Raises
    ------
    UserError
        It has flat or inverted tetrahedra.
    """
    quality = Quality.of(points, connectivity)
    log.info(quality.text())
    if quality.inverted or quality.flat:
        check_mesh(points, connectivity)
    checkpoint.confirm()
    (file,) = job.files
    file.write(points, connectivity, {"aspect": aspect_ratios(points, connectivity)})
    return {"mesh": asdict(quality)}


def estimate(job: Job, ranks: int) -> str:
    """What the run will take, as text: size of the mesh, memory, core time, disk."""
    task: MeshTask = job.task
    (file,) = job.files
    copies = sum(task.copies.values())
    voxels = sum(math.prod(info.shape) for info in (task.mask, task.sizes) if info)
    reading, meshing = SECONDS_PER_VOXEL * voxels, SECONDS_PER_TETRAHEDRON * task.tetrahedra
    own = (BYTES_PER_TETRAHEDRON * task.tetrahedra + copies) / 1e6
    about = "at most" if task.mask else "about"
    finer = "; more where sizes are below -lc" if task.sizes else ""
    return (
        f"{about} {task.nodes} nodes and {task.tetrahedra} tetrahedra{finer}\n"
        f"per node: {copies / 1e6:.1f} MB of coarse copies{finer}\n"
        f"per rank: about 130 MB, and planes of the volumes; on rank 0 {about} {own:.0f} MB more\n"
        f"{core_time(reading + meshing, reading / ranks + meshing, ranks)}\n"
        f"disk: {about} {file.file_bytes / 1e6:.1f} MB for {' and '.join([file.path, *file.view_paths()])}"
    )
