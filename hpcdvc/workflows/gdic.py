"""hpcdvc-gdic: global digital volume correlation, all nodes of a mesh at once."""

import logging
from dataclasses import dataclass
from functools import partial

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fem.api import check_inside, regularisation_of
from hpcdvc.fem.correlation import MeshPair, correlate
from hpcdvc.fem.iterates import HISTORY, Control, Journal, Result, State, iterate_type
from hpcdvc.fem.parameters import RegularisationParameters, regularisation_parameters
from hpcdvc.fem.quality import corner_determinants
from hpcdvc.fem.surfaces import surface_labels
from hpcdvc.fields.field import Field
from hpcdvc.fields.status import Status, reason_of
from hpcdvc.images import VolumeInfo, check_pair, memory_text, open_volume
from hpcdvc.options.declare import named_files
from hpcdvc.options.gdic import Options
from hpcdvc.output.mesh_result import MeshFieldFile
from hpcdvc.output.places import stem_of
from hpcdvc.output.result import judge_points
from hpcdvc.registration.settings import Settings
from hpcdvc.registration.task import Task
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.cost import core_time
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.job import Job, carry_out, metadata_of, parameters_of
from hpcdvc.steps.mesh_nodes import displacements_at, element_columns, node_rows
from hpcdvc.steps.meshes import read_checked
from hpcdvc.steps.register_first import first_task, register_first
from hpcdvc.steps.start import StartPoints, read_start

log = logging.getLogger("hpcdvc")

#: Unknowns up to which standard deviations are estimated without being asked for, and with how many random vectors.
FEW_UNKNOWNS, PROBES = 100_000, 32
#: Unknowns up to which the equations are factorised, without and with regularisation.
MOST_DIRECT = (20_000, 3_000)
#: Core time of a voxel in an iteration, s, and iterations of a usual run.
SECONDS_PER_VOXEL, ITERATIONS = 6e-8, 8
#: Core time of an unknown in an iteration, s, without and with regularisation, which couples more of them; and bytes.
SECONDS_PER_UNKNOWN, BYTES_PER_UNKNOWN = (3e-6, 2e-5), 3000
#: Core time, s, and bytes of the factors of 10^4 unknowns, without and with it; they grow by the powers 2 and 4/3.
FACTORS = ((1.2, 1.5e8), (60.0, 8e8))
_NEARER = "a start with --register, -pf or --coarse-mesh"
#: What to try when a run, or a node, has failed.
ADVICE = {
    Status.CONVERGED: "",
    Status.MAX_ITERATIONS: f"a higher -it, {_NEARER}, or regularisation with -r",
    Status.ERROR_GROWTH: f"{_NEARER}, or a longer xi in -r",
    Status.SINGULAR: "a coarser mesh or regularisation with -r: the tetrahedra around the node hold too little texture",
    Status.VOLUME_CHANGE: f"{_NEARER}, a coarser mesh, or a longer xi in -r",
    Status.LEFT_IMAGE: f"a smaller mesh, or {_NEARER}",
    Status.DECORRELATED: f"{_NEARER}, a coarser mesh, a longer xi in -r, or -crit znssd or map as grey values change",
}

judge = partial(judge_points, nothing="no node is measured, most ended")


@dataclass(frozen=True, eq=False)
class Tetrahedra:
    """A mesh in im1.

    Attributes
    ----------
    path : of its file
    points : (n, 3) nodes, ZYX, voxels
    connectivity : (k, 4) tetrahedra of positive volume
    """

    path: str
    points: np.ndarray
    connectivity: np.ndarray


@dataclass(frozen=True, eq=False)
class GdicTask:
    """What is measured.

    Attributes
    ----------
    im1, im2 : headers of the images
    body : the mesh
    coarse : a coarser one that is measured first, without regularisation, or None
    regularisation : its parameters, or None
    start : (n, 3) displacements of the nodes of both to start from
    registration : of the whole images, from which they start, or None
    control : how it iterates
    """

    im1: VolumeInfo
    im2: VolumeInfo
    body: Tetrahedra
    coarse: Tetrahedra | None
    regularisation: RegularisationParameters | None
    start: Field | None
    registration: Task | None
    control: Control


def run(options: Options, team) -> list[str]:
    """Measure the displacements of the nodes; returns the paths written. Collective.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team
    """
    return carry_out(options, team, plan, measure, lambda jobs: estimate(jobs[0], team.size))


def plan(options: Options, inputs: Inputs, team) -> list[Job]:
    """The one job, on one rank.

    Raises
    ------
    UserError
        With one sentence, when something is missing or does not fit.
    """
    im1, im2 = inputs.volume("im1"), inputs.volume("im2")
    check_pair(im1, im2)
    if im1.two_dimensional:
        raise UserError(f"{im1.spec} is a 2-D image: a mesh of tetrahedra needs volumes")
    body = read_body(options.mesh, im1)
    coarse = read_body(options.coarse_mesh, im1) if options.coarse_mesh else None
    regularisation = regularisation_parameters(options.regularisation) if options.regularisation else None
    if regularisation:
        _check_surfaces(options.regularisation, regularisation, body)
    start = read_start(options.phi_file, options.phi_file_bin_ratio, im1)
    displacements_at(body.points[:1], start, options.phi_file)  # whether there is any
    registration = first_task(options, im1, im2, Settings()) if options.register else None
    control = control_of(options, body)
    task = GdicTask(im1, im2, body, coarse, regularisation, start, registration, control)
    parameters = parameters_of(options, inputs.identities())
    metadata = metadata_of("gdic", parameters, named_files(options))
    views = tuple(view for view in ("tsv", "vtk") if getattr(options, view))
    stem = stem_of(options.out_dir, options.prefix or f"{im1.stem}-{im2.stem}", "GDIC", im1.path)
    rows = iterate_type(len(body.points))
    sizes = {"elements": len(body.connectivity), "iteration_bytes": (control.max_iterations + 1) * rows.itemsize}
    file = MeshFieldFile(stem, len(body.points), metadata, views, advice=ADVICE, **sizes)
    return [Job(stem=stem, parameters=parameters, files=(file,), task=task, dtype=rows, unit="iterations")]


def _check_surfaces(path: str, regularisation: RegularisationParameters, body: Tetrahedra) -> None:
    try:
        surface_labels(body.points, regularisation.surfaces, body.connectivity)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def read_body(path: str, image: VolumeInfo) -> Tetrahedra:
    """Read a mesh; UserError when it is none, damaged, or not inside the image."""
    points, connectivity = read_checked(path)
    check_inside(points, image.shape, path)
    return Tetrahedra(path, points, connectivity)


def control_of(options: Options, body: Tetrahedra) -> Control:
    """How it iterates, from options and the size of the mesh."""
    probes, unknowns = options.probes, body.points.size
    if probes is None:
        probes = PROBES if unknowns <= FEW_UNKNOWNS else 0
        if not probes:
            log.info("no standard deviations: --std %d estimates them for %d unknowns, too", PROBES, unknowns)
    o = options
    solver = o.solver or ("pcg" if unknowns > MOST_DIRECT[o.regularisation is not None] else "direct")
    return Control(o.max_iterations, o.convergence, o.criterion, o.median, solver, o.gradient, probes)


def measure(job: Job, checkpoint: Checkpoint, options: Options, team) -> dict:
    """Measure and write the HDF5 file. Collective; returns what the record of the run keeps."""
    task: GdicTask = job.task
    (file,) = job.files
    body = task.body
    log.info(
        "%s -> %s: %d nodes, %d tetrahedra", task.im1.spec, task.im2.spec, len(body.points), len(body.connectivity)
    )
    im1, im2 = open_volume(task.im1, team), open_volume(task.im2, team)
    found = checkpoint.load()
    earlier = team.agree(lambda: found)
    start = np.zeros_like(body.points)
    if not len(earlier):
        start = start_of(task, options, im1, im2, team)
    journal = Journal(lambda state: _keep(state, checkpoint, team), earlier, log.info)
    regularisation = None
    if task.regularisation:
        regularisation = team.on_root(lambda: regularisation_of(body.points, body.connectivity, task.regularisation))
    pair = MeshPair(im1, im2, body.points, body.connectivity, regularisation)
    result = correlate(pair, start, task.control, team, journal)
    checkpoint.close()
    team.agree(checkpoint.confirm)
    mesh, by_place = (body.points, body.connectivity), task.control.criterion == "map"
    rows, columns = team.agree(
        lambda: (node_rows(result, *mesh), element_columns(result, *mesh, options.strain, by_place))
    )
    file.write_nodes(rows, body.points, body.connectivity, columns, result.history, team)
    report(result)
    end = dict(zip(HISTORY.names, result.history[-1].item(), strict=True))
    return {"points": team.agree(file.counts), "end": end}


def start_of(task: GdicTask, options: Options, im1: np.ndarray, im2: np.ndarray, team) -> np.ndarray:
    """(n, 3) displacements of the nodes to start from. Collective."""
    field, path = task.start, options.phi_file
    if task.registration:
        found = register_first(task.registration, im1, im2, None, [StartPoints(None, None)], team)
        field = found.start if found else None
    if task.coarse:
        body = task.coarse
        log.info("coarse mesh: %d nodes, %d tetrahedra", len(body.points), len(body.connectivity))
        start = team.agree(lambda: displacements_at(body.points, field, path))
        control = Control(task.control.max_iterations, task.control.convergence, task.control.criterion)
        pair = MeshPair(im1, im2, body.points, body.connectivity)
        result = correlate(pair, start, control, team, Journal(say=log.info))
        if result.return_status == Status.CONVERGED:
            path, rows = body.path, node_rows(result, body.points, body.connectivity)
            phi = np.tile(np.eye(4), (len(rows), 1, 1))
            phi[:, :3] = rows["Phi"]
            field = Field(body.points, phi, rows["return_status"], *(np.zeros(len(rows)),) * 3)
        else:
            log.warning("the coarse mesh: %s; its result is not used", reason_of(result.return_status))
    return team.agree(lambda: displacements_at(task.body.points, field, path))


def _keep(state: State, checkpoint: Checkpoint, team) -> None:
    """Bring an iteration to the disk; leave if that was asked for. Collective."""
    checkpoint.keep_iteration(state.row)


def report(result: Result) -> None:
    """Say how it ended and what is left, and where most."""
    residual = result.elements.get("residual")
    if residual is None or not np.isfinite(residual).any():
        return
    worst = int(np.nanargmax(residual))
    log.info(
        "residual of tetrahedra: median %.4g, largest %.4g in number %d", np.nanmedian(residual), residual[worst], worst
    )
    if result.displacement_std is not None:
        z, y, x = np.sqrt(np.nanmean(result.displacement_std**2, axis=0))
        log.info("standard deviation of the displacements: %.3g %.3g %.3g voxel (ZYX)", z, y, x)


def estimate(job: Job, ranks: int) -> str:
    """What the run will take, as text: memory and core time."""
    task: GdicTask = job.task
    body = task.body
    unknowns, elements = body.points.size, len(body.connectivity)
    voxels = float(corner_determinants(body.points, body.connectivity).sum()) / 6
    sums, (solving, solver) = ITERATIONS * SECONDS_PER_VOXEL * voxels, solver_needs(task)
    root = solver + elements * 8 * (78 + 42) + 15 * unknowns * 3 * 12  # the equations and their sums
    return (
        f"{len(body.points)} nodes, {unknowns} unknowns, {elements} tetrahedra of {voxels / elements:.0f} voxels\n"
        f"per node: {memory_text((task.im1, task.im2))}\n"
        f"rank 0: about {root / 1e6:.0f} MB with the solver ({task.control.solver})\n"
        f"{core_time(sums + solving, sums / ranks + solving, ranks)}; {ITERATIONS} iterations\n"
        f"disk: {file_megabytes(job)} MB for {job.files[0].path}"
    )


def solver_needs(task: GdicTask) -> tuple[float, float]:
    """Core time, s, and bytes that the solver takes on rank 0."""
    unknowns, control, regularised = task.body.points.size, task.control, task.regularisation is not None
    seconds = SECONDS_PER_UNKNOWN[regularised] * unknowns * (ITERATIONS + control.probes)
    if control.solver == "pcg":
        return seconds, BYTES_PER_UNKNOWN * unknowns
    many, (factorised, factors) = unknowns / 1e4, FACTORS[regularised]
    return seconds + factorised * many**2, factors * many ** (4 / 3)


def file_megabytes(job: Job) -> str:
    """Size of the result, as text."""
    return f"{job.files[0].file_bytes / 1e6:.1f}"
