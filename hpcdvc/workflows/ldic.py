"""hpcdvc-ldic: local digital volume correlation, one window per node of a regular grid."""

import logging
import os
import time
from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.field import Field
from hpcdvc.fields.grid import Grid
from hpcdvc.images import VolumeInfo, check_mask, check_pair, describe, memory_text, open_mask, open_volume
from hpcdvc.options.ldic import Options
from hpcdvc.output.hdf5 import choose_transport, read_metadata, write_series
from hpcdvc.output.result import Result, check_folder, estimate_bytes, stem_of
from hpcdvc.ranks.progress import duration, status_table
from hpcdvc.registration.settings import Settings
from hpcdvc.registration.windows import WindowRegistration, seconds_per_window
from hpcdvc.runs.checkpoint import Checkpoint, key_of
from hpcdvc.runs.points import measure_points
from hpcdvc.runs.provenance import metadata_of, parameters_of
from hpcdvc.steps.settings import settings_of, window_of
from hpcdvc.steps.start import grid_for, kept_rows, read_start, start_points

log = logging.getLogger("hpcdvc")


#: Options that name files.
PATHS = ("images", "mask1", "phi_file")


@dataclass(frozen=True)
class Step:
    """One pair of images, what is measured in it, and where that goes."""

    im1: VolumeInfo
    im2: VolumeInfo
    mask: VolumeInfo | None
    grid: Grid
    settings: Settings
    parameters: dict
    result: Result
    done: bool


def run(options: Options, team) -> list[str]:
    """Measure every pair of the series; returns the paths written. Collective.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team
    """
    if options.prefix and len(options.images) > 2:
        log.warning("-pre names only the list of the steps: the files of a series are named after its images")
    transport = choose_transport(team)
    start = team.on_root(lambda: read_start(options.phi_file, options.phi_file_bin_ratio))
    steps = team.agree(lambda: plan(options, start, team))
    if options.dry_run:
        log.info(estimate(steps, team.size, team.node_size))
        return []
    volumes: dict[VolumeInfo, np.ndarray] = {}
    paths = []
    for step in steps:
        if not step.done:
            volumes = open_pair(step, volumes, team)
            measure(step, options, start, volumes, transport, team)
        paths += team.agree(lambda step=step: finish(step))
    if len(steps) > 1:
        paths += team.agree(lambda: write_steps(options, steps))
    return paths


def plan(options: Options, start: Field | None, team) -> list[Step]:
    """Check all that can be checked without reading a volume, on rank 0.

    Raises
    ------
    UserError
        With one sentence, when something is missing, does not fit or cannot be written.
    """
    infos = {spec: describe(spec) for spec in options.images}
    mask = describe(options.mask1) if options.mask1 else None
    first = infos[options.images[0]]
    for spec in options.images[1:]:
        check_pair(first, infos[spec])
    if mask:
        check_mask(first, mask)
    settings = settings_of(options, first, window_of(options, first))
    grid = grid_for(first.shape, options.spacing, start, options.phi_file)
    if options.skip and (start is None or len(start) == 1):
        raise UserError(f"-skp needs a field of {grid.size} nodes to complete, {options.phi_file} holds one row")
    steps = [_step(options, infos[a], infos[b], mask, grid, settings) for a, b in options.pairs]
    _check_places(options, steps, team)
    return steps


def _check_places(options: Options, steps: list[Step], team) -> None:
    stems = [step.result.stem for step in steps]
    for stem in stems:
        if stems.count(stem) > 1:
            raise UserError(f"two pairs would be written to {stem}.hdf: the images need different names")
    left = [step for step in steps if not step.done]
    if not options.force or options.resume:
        for step in left:
            Checkpoint(step.result.stem, step.parameters, team).check(options.resume)
    need = sum(estimate_bytes(step.grid.size, step.result.views) for step in left)
    check_folder(os.path.dirname(stems[0]), need, make=not options.dry_run)


def _step(
    options: Options, im1: VolumeInfo, im2: VolumeInfo, mask: VolumeInfo | None, grid: Grid, settings: Settings
) -> Step:
    nodes = [grid.origin, grid.spacing, grid.shape]
    parameters = parameters_of(options, PATHS, {"im1": im1, "im2": im2, "mask1": mask}, grid=nodes)
    views = [view for view in ("tsv", "vtk", "tif") if getattr(options, view)]
    prefix = options.prefix if len(options.images) == 2 else None
    result = Result(stem_of(options.out_dir, prefix or f"{im1.stem}-{im2.stem}", "ldic", im1.path), tuple(views))
    done = result.check(key_of(parameters), options.force, options.resume)
    return Step(im1, im2, mask, grid, settings, parameters, result, done)


def open_pair(step: Step, volumes: dict, team) -> dict[VolumeInfo, np.ndarray]:
    """The two volumes of a step, those of the step before being used again. Collective."""
    wanted = dict.fromkeys((step.im1, step.im2))
    kept = {info: array for info, array in volumes.items() if info in wanted}
    volumes.clear()  # frees what is not wanted before the next is read
    return {info: kept[info] if info in kept else open_volume(info, team) for info in wanted}


def measure(step: Step, options: Options, start: Field | None, volumes: dict, transport: str, team) -> None:
    """Measure one pair and write its HDF5 file. Collective."""
    began = time.time()
    checkpoint = Checkpoint(step.result.stem, step.parameters, team, options.checkpoint_interval)
    if options.force and not options.resume:
        checkpoint.remove()
    log.info("%s -> %s: %d nodes", step.im1.spec, step.im2.spec, step.grid.size)
    mask = open_mask(step.mask, team) if step.mask else None
    registration = WindowRegistration(volumes[step.im1], volumes[step.im2], step.settings, mask)
    kept = team.on_root(lambda: kept_rows(start)) if options.skip else None
    points = team.on_root(lambda: start_points(step.grid, start, options.apply_f))
    if kept is not None:
        points = np.delete(points, kept["index"])
    seconds = seconds_per_window(step.settings)
    rows = measure_points(team, points, registration, seconds, checkpoint, options.quiet)
    rows = rows if kept is None else np.concatenate([rows, kept])
    rows, first = team.collect(rows, step.grid.size, spread=transport == "parallel")
    paths = {"images": [step.im1.spec, step.im2.spec], "mask1": options.mask1, "phi_file": options.phi_file}
    metadata = metadata_of("ldic", step.parameters, paths)
    step.result.write(rows, first, step.grid, metadata, team, transport)
    record = {"seconds": round(time.time() - began, 3), "transport": transport}
    team.agree(lambda: step.result.write_record(record, team))


def finish(step: Step) -> list[str]:
    """Write the views beside the HDF5 file, say how the points ended, clear the shards; on one rank."""
    paths = [step.result.path, *step.result.write_views(step.settings.window.half_size)]
    statuses = read_metadata(step.result.path)["statuses"]
    log.info(status_table({int(code): entry["count"] for code, entry in statuses.items()}))
    Checkpoint(step.result.stem, step.parameters, team=None).clear()
    return paths


def write_steps(options: Options, steps: list[Step]) -> list[str]:
    """Write the list of the steps that ParaView plays; on one rank."""
    name = options.prefix or f"{steps[0].im1.stem}-series"
    path = stem_of(options.out_dir, name, "ldic", steps[0].im1.path) + ".hdf.series"
    write_series(path, [os.path.basename(step.result.path) for step in steps], list(range(1, len(steps) + 1)))
    return [path]


def estimate(steps: list[Step], ranks: int, ranks_per_node: int) -> str:
    """What the run will take, as text: points, memory, core time, disk."""
    step = steps[0]
    seconds = seconds_per_window(step.settings) * step.grid.size * len(steps)
    rows = estimate_bytes(step.grid.size, step.result.views) / 1e6
    return (
        f"{len(steps)} pair{'s' * (len(steps) > 1)} of {step.grid.size} nodes {step.grid.shape} (ZYX)\n"
        f"per node: {memory_text((step.im1, step.im2, step.mask))}\n"
        f"per rank: about 50 MB; rank 0 also {step.grid.size * 3 * 240 / 1e6:.1f} MB of rows\n"
        f"core time: about {duration(seconds)}; {duration(seconds / ranks)} on {ranks} ranks, "
        f"{ranks_per_node} per node\n"
        f"disk: about {rows * len(steps):.1f} MB for the results"
    )
