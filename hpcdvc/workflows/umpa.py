"""hpcdvc-umpa: refraction, transmission and dark field of every pixel, from stacks of speckle frames."""

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.field import row_with
from hpcdvc.fields.grid import Grid, make_grid
from hpcdvc.fields.status import Status
from hpcdvc.images import memory_text
from hpcdvc.options.declare import named_files
from hpcdvc.options.umpa import Options
from hpcdvc.output.dense import DenseFile
from hpcdvc.output.hdf5 import choose_transport
from hpcdvc.output.places import stem_of
from hpcdvc.output.projections import add_projections
from hpcdvc.output.result import FieldFile, judge_points
from hpcdvc.output.voxel_size import TWIN
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.cost import core_time
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.job import Job, carry_out, metadata_of, parameters_of
from hpcdvc.runs.points import measure_points
from hpcdvc.runs.slabs import SLAB, write_slabs
from hpcdvc.stacks.dense import DenseSettings
from hpcdvc.stacks.device import array_module
from hpcdvc.stacks.integrate import integrate
from hpcdvc.stacks.refine import KINDS
from hpcdvc.stacks.windows import window_taps
from hpcdvc.steps.bands import BAND, Bands, BandsIn, NodeRows, NothingToMeasure, check_window, maker, note_convention
from hpcdvc.steps.roi import Region, nodes_in, region_of
from hpcdvc.steps.row_measure import RowMeasure
from hpcdvc.steps.speckle import Scan, ScanFiles, check_frames, masked_windows, scan_files

log = logging.getLogger("hpcdvc")

#: Statuses that a pixel ends with, and what to try then.
ADVICE = {
    Status.CONVERGED: "",
    Status.MAX_ITERATIONS: "larger -hws, or -pm taylor",
    Status.SINGULAR: "larger -hws",
    Status.NO_SPECIMEN: "",
    Status.FEW_VALID_VOXELS: "",
    Status.DECORRELATED: "larger -hws or -sr, or more frames",
    Status.AMBIGUOUS: "larger -hws, or more frames",
    Status.BORDER_OF_RANGE: "larger -sr",
    Status.SATURATED: "a shorter exposure",
}
#: Rough core time of a pixel for each displacement and frame, s; that of the integral, and memory for it.
SECONDS, SECONDS_OF_PHASE, BYTES_OF_PHASE = 5e-11, 3e-6, 150


@dataclass(frozen=True)
class UmpaTask:
    """What is compared, and how.

    Attributes
    ----------
    files : of the scan
    settings : of the windows
    grid : nodes; None: every pixel
    region : in which pixels are measured; None: in all of it
    """

    files: ScanFiles
    settings: DenseSettings
    grid: Grid | None
    region: Region | None

    @property
    def pixels(self) -> int:
        """How many pixels or nodes are measured."""
        return self.grid.size if self.grid else math.prod(self.region.shape if self.region else self.files.shape)

    @property
    def dark_field(self) -> bool:
        """Whether the visibility is wanted, too."""
        return self.settings.metric == "umpa-dark"

    @property
    def depth(self) -> int:
        """Rows of a slab: of a tomographic scan whole projections, whose frames are looked through first."""
        projections, height, _ = self.files.shape
        return height if projections > 1 else BAND

    @property
    def seconds_per_row(self) -> float:
        """Rough cost."""
        low_y, high_y, low_x, high_x = self.settings.reach
        tried = (high_y - low_y + 1) * (high_x - low_x + 1)
        each = len(self.files.steps) + 2 * (2 * self.settings.half_window + 1)
        return SECONDS * tried * each * self.files.shape[2]


def run(options: Options, team) -> list[str]:
    """Measure the scan; returns the paths written. Collective.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team
    """
    return carry_out(options, team, plan, measure, lambda jobs: estimate(jobs[0], team.size))


judge = partial(judge_points, nothing="no pixel was measured, most end")


def plan(options: Options, inputs: Inputs, team) -> list[Job]:
    """The one job, on one rank.

    Raises
    ------
    UserError
        With one sentence, when something is missing or does not fit.
    """
    files = scan_files(options, inputs)
    check_frames(files, options.dark_field)
    check_window(options.half_window_size, options.reach, files.sam)
    array_module(options.device)  # found out before anything is read
    note_convention(options)
    step = options.node_spacing
    if step > 1 and files.shape[0] > 1:
        raise UserError(
            f"-ns {step} makes a table of nodes, and {files.sam.spec} has {files.shape[0]} projections: -ns 1"
        )
    region = region_of(options, files.shape, files.sam.spec)
    grid = nodes_in(region, make_grid((1, *files.shape[1:]), (step,) * 3)) if step > 1 else None
    task = UmpaTask(files, settings_of(options), grid, region)
    parameters = parameters_of(options, inputs.identities())
    metadata = metadata_of("umpa", parameters, named_files(options))
    stem = stem_of(options.out_dir, options.prefix or f"{files.ref.stem}-{files.sam.stem}", "umpa", files.ref.path)
    if grid:
        file = _table(options, stem, grid, metadata, choose_transport(team))
        return [Job(stem=stem, parameters=parameters, files=(file,), task=task, dtype=file.dtype)]
    file = _maps(options, stem, files, metadata)
    unit = "projections" if files.shape[0] > 1 else "bands"
    return [Job(stem=stem, parameters=parameters, files=(file,), task=task, dtype=SLAB, unit=unit)]


def _table(options: Options, stem: str, grid: Grid, metadata: dict, transport: str) -> FieldFile:
    """What is written of the nodes of a grid."""
    views = tuple(view for view in ("tsv", "vtk", "tif") if getattr(options, view))
    half = (0, options.half_window_size, options.half_window_size)
    names = ("cost", "transmission", *("visibility",) * options.dark_field)
    dtype = row_with(*((name, "f8") for name in names))
    return FieldFile(stem, grid.size, metadata, views, half, transport, ADVICE, dtype)


def _maps(options: Options, stem: str, files: ScanFiles, metadata: dict) -> DenseFile:
    """What is written of every pixel."""
    columns = ("displacement", "cost", "returnStatus", "transmission")
    columns += ("displacement_std",) * (options.peak_method in KINDS)
    columns += ("visibility",) * options.dark_field + ("phase",) * options.integrate
    return DenseFile(
        stem,
        files.shape,
        columns,
        metadata,
        tuple(view for view in ("vtk", "tif") if getattr(options, view)),
        ADVICE,
        later=("phase",) * options.integrate,
        units={"phase": "radian"} if options.energy else {},
        turned=options.turned,
        extend=add_projections if files.shape[0] > 1 else None,
    )


def settings_of(options: Options) -> DenseSettings:
    """How windows are compared."""
    lacking = options.positions is not None or options.frame_masks is not None
    # algotom, whose way "pixel" is, has the peak of the cost
    nearer = options.dark_field and options.mean != "local" and options.values_at == "subpixel"
    return DenseSettings(
        options.half_window_size,
        options.reach,
        "umpa-dark" if options.dark_field else "umpa",
        template="im2",
        taps=window_taps(options.window, options.half_window_size),
        peak="poly" if options.peak_method == "poly" else "taylor",
        peak_size=options.peak_size,
        peak_of="correlation" if nearer else "score",
        values_at=options.values_at,
        local_mean=options.mean == "local",
        partial=lacking and options.mean != "local",  # the mean of a window is that of all its frames
        step=options.node_spacing,
    )


def measure(job: Job, checkpoint: Checkpoint, options: Options, team) -> dict:
    """Measure the scan and write its file. Collective; returns what the record of the run keeps."""
    task: UmpaTask = job.task
    (file,) = job.files
    projections, height, width = task.files.shape
    each = f"{projections} x " * (projections > 1) + f"{len(task.files.steps)} frames of {height} x {width} pixels"
    log.info("%s -> %s: %s", task.files.ref.spec, task.files.sam.spec, each)
    scan = Scan(task.files, team)
    if projections == 1:
        for number, reason in team.agree(lambda: scan.pair(0).left_out):
            log.warning("frame %d of %s is left out of both stacks: %s", number, task.files.sam.spec, reason)
    if task.grid:
        nodes = NodeRows(bands_of(scan, task, options, team.rank, 0)[0], task.grid, file.dtype)
        seconds = task.seconds_per_row / width
        rows = measure_points(team, task.grid.size, nodes, seconds, checkpoint, options.quiet, chunk=nodes.chunk)
        file.write(rows, task.grid, team)
        return {"transport": file.transport, "points": team.agree(file.counts)}
    make = partial(rows_of, partial(bands_of, scan, task, options, team.rank), job)
    finish = partial(add_phase, file, options, team) if options.integrate else None
    seconds = task.seconds_per_row * task.depth
    sums = write_slabs(team, [file], task.depth, make, seconds, checkpoint, options.quiet, finish)
    lacking, left_out = map(int, sums[:2])
    if left_out and projections > 1 and team.rank == 0:
        log.warning("%d frames of %d projections tell nothing and were left out of both stacks", left_out, lacking)
    return {**file.metadata, "frames_left_out": left_out, "projections_with_frames_left_out": lacking}


def bands_of(scan: Scan, task: UmpaTask, options: Options, rank: int, projection: int) -> tuple[Bands | BandsIn, int]:
    """One projection, to be measured some rows at a time, and how many of its frames are left out."""
    settings, region = task.settings, task.region
    _, height, width = task.files.shape
    if region and not region.low[0] <= projection < region.high[0]:
        return NothingToMeasure(settings, height, width, Status.NO_SPECIMEN).bands, 0
    pair = scan.pair(projection)
    if len(pair.sam.numbers) < 1 + task.dark_field:
        return NothingToMeasure(settings, height, width, pair.status).bands, len(pair.left_out)
    mark = masked_windows(pair.sam, settings.half_window) if pair.sam.mask else None
    how = {"device": options.device, "rank": rank, "peak_method": options.peak_method}
    row_measure = RowMeasure(settings, height, pair.means, **how)
    bands = Bands(pair.bands, row_measure, mark, options.chunk)
    if region and not task.grid:
        bands = BandsIn(bands, region.low[1:], region.high[1:], width)
    return bands, len(pair.left_out)


def rows_of(bands_of_projection: Any, job: Job, first: int, last: int) -> Iterator[tuple[tuple, np.ndarray]]:
    """Rows of the file, and for each how many projections begin there that lack frames, and how many frames."""
    (file,) = job.files
    names = tuple(name for name in file.columns if name not in file.later)
    height = file.shape[1]
    for projection in range(first // height, (last - 1) // height + 1):
        bands, lacking = bands_of_projection(projection)
        begin = projection * height
        start, stop = max(first - begin, 0), min(last - begin, height)
        for row, (arrays, sums) in zip(range(start, stop), maker(bands, names)(start, stop), strict=True):
            yield arrays, sums if row or not lacking else np.array([1.0, lacking, 0.0])


def add_phase(file: DenseFile, options: Options, team, places: list[tuple[str, dict[str, int]]]) -> None:
    """Integrate the displacements that are in a file; projections are dealt out. Collective."""
    ((path, offsets),) = places
    projections, height, width = file.shape

    def mine() -> None:
        (writer,) = file.writers(places[0], later=True)
        voxels = "displacement" + TWIN * (file.size is not None)
        found = np.memmap(path, "<f4", "r", offsets[voxels], (projections, height, width, 3))
        for projection in range(team.rank, projections, team.size):
            dx, dy, _ = np.moveaxis(found[projection], -1, 0)
            phase = integrate(dy, dx, options.pixel, options.distance, options.energy)
            for row in range(height):
                writer.write(projection * height + row, phase[row])
        writer.close()

    log.info("integrating the displacements")
    team.agree_all(mine)


def estimate(job: Job, ranks: int) -> str:
    """What the run will take, as text: memory, core time, disk."""
    task: UmpaTask = job.task
    files, (file,) = task.files, job.files
    projections, height, width = files.shape
    pixels = task.pixels
    integrated = task.grid is None and bool(file.later)
    seconds = (task.seconds_per_row / width + SECONDS_OF_PHASE * integrated) * pixels
    halo = task.settings.half_window + max(map(abs, task.settings.reach[:2])) + 2
    own = 60e6 + 8 * len(files.steps) * (BAND + 2 * halo) * width + BYTES_OF_PHASE * integrated * height * width
    stacks = [files.ref, files.sam]
    for scan in [info for info in stacks if info.frames and info.offset is None]:  # decoded stack by stack
        stacks.remove(scan)
        own += scan.voxel_bytes / scan.shape[0] * scan.frames
    what = "nodes" if task.grid else "pixels"
    shares = pixels if task.grid else -(-projections * height // task.depth)
    return (
        f"{pixels} {what} ({projections} x {height} x {width}), {len(files.steps)} frames\n"
        f"per node: {memory_text((*stacks, files.masks))}\n"
        f"per rank: about {own / 1e6:.0f} MB\n"
        f"{core_time(seconds, seconds / min(ranks, shares), ranks)}\n"
        f"disk: {file.file_bytes / 1e6:.1f} MB for {file.path}"
    )
