"""hpcdvc-gauge: numbers out of fields, one row for each step of a series."""

import logging
import os
import shlex
from pathlib import Path

from hpcdvc import __version__
from hpcdvc.errors import RunError, UserError
from hpcdvc.images import open_mask, open_volume
from hpcdvc.options.declare import as_words
from hpcdvc.options.gauge import Options
from hpcdvc.output.files import sweep
from hpcdvc.output.gauge import MEANING, GaugeTable
from hpcdvc.output.places import check_folder, check_inputs_stay, check_names, stem_of
from hpcdvc.ranks.terminal import one_line
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.lock import Locks
from hpcdvc.steps.gauges import Reading, Region, reading_of, steps_of

log = logging.getLogger("hpcdvc")


def run(options: Options, team) -> list[str]:
    """Read the results, each by one rank, and write the numbers; returns the paths written. Collective.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team
    """
    with Locks(team) as locks:
        inputs, locks.held = team.agree(lambda: (_prepared(options, locks), locks.held))
        region = _region(inputs, team)
        mine = range(team.rank, len(options.results), team.size)
        found = team.agree_all(lambda: {k: _readings(options.results[k], options, region) for k in mine})
        together = {k: readings for part in team.all_gather(found) for k, readings in part.items()}
        named = [(path, one) for k, path in enumerate(options.results) for one in together[k]]
        return team.agree(lambda: _write(options, inputs, locks, named))


def _stem(options: Options) -> str:
    first = options.results[0]
    name = options.prefix or Path(first).stem
    return stem_of(options.out_dir, name, "profile" if options.kind == "profile" else "gauge", first)


def _paths(options: Options) -> list[str]:
    return [f"{_stem(options)}.csv", f"{_stem(options)}.png"]


def _prepared(options: Options, locks: Locks) -> Inputs:
    """The inputs, after a look at them and at the place of the output, on one rank.

    Raises
    ------
    UserError
        With one sentence, when something is missing, or the output may not be written.
    """
    inputs, paths = Inputs.of(options), _paths(options)
    check_names(paths)
    check_inputs_stay(paths, inputs.paths)
    for path in filter(os.path.exists, paths):
        if not options.force:
            raise UserError(f"{path} exists: -pre or -od give another name, --force overwrites it")
    check_folder(os.path.dirname(paths[0]) or ".")
    locks.take(_stem(options), options.force)
    sweep(paths)
    return inputs


def _region(inputs: Inputs, team) -> Region | None:
    """The mask or label image, one copy a node. Collective."""
    mask, labels = inputs.volume("mask"), inputs.volume("labels")
    if mask:
        return Region(mask, open_mask(mask, team))
    return Region(labels, open_volume(labels, team)) if labels else None


def _readings(path: str, options: Options, region: Region | None) -> list[Reading]:
    return [reading_of(step, options, region) for step in steps_of(path, options)]


def _write(options: Options, inputs: Inputs, locks: Locks, named: list[tuple[str, Reading]]) -> list[str]:
    """Write the table and the picture, on one rank; returns the paths.

    Raises
    ------
    RunError
        Nothing is measured there in any step.
    """
    for seen in inputs.seen.values():
        seen.check()
    locks.confirm(_stem(options))
    missing = [(k, path, one.why_not) for k, (path, one) in enumerate(named, 1) if one.why_not]
    if len(missing) == len(named):
        k, path, why = missing[0]
        raise RunError(f"{path}: {why}" + f", nor in the other {len(named) - 1} steps" * (len(named) > 1))
    for k, path, why in missing:
        log.warning("step %d, %s: %s; its row is NaN", k, path, why)
    for why in dict.fromkeys(one.why_no_std for _, one in named if one.why_no_std and not one.why_not):
        log.warning("no standard deviations: %s", why)
    table = GaugeTable.of(_head(options, named), [one.values for _, one in named], gauge_words(options), options.kind)
    csv, png = _paths(options)
    table.write(csv)
    table.draw(png)
    return [csv, png]


def gauge_words(options: Options) -> str:
    """Which gauge it is, in words."""

    def by(values: tuple) -> str:
        return " ".join(f"{value:g}" for value in values)

    kind, removed = options.kind, f"; {options.remove} motion removed" * (options.remove is not None)
    if kind in ("line", "profile"):
        ends = getattr(options, kind)
        distance = sum((a - b) ** 2 for a, b in zip(ends[:3], ends[3:], strict=True)) ** 0.5
        words = f"{kind} from {by(ends[:3])} to {by(ends[3:])}, {distance:.9g} voxels"
    elif kind == "planes":
        words = "planes " + " and ".join(f"{options.planes[0]} = {place:g}" for place in options.plane_places)
    elif kind == "box":
        ends = zip("zyx", options.box[::2], options.box[1::2], strict=True)
        words = "box " + ", ".join(f"{axis} {low:g} to below {high:g}" for axis, low, high in ends)
    elif kind == "mask":
        words = f"mask {options.mask}"
    else:
        words = f"label {options.label}" + f" of {options.labels}" * (options.labels is not None)
    return one_line(words + removed)


def _head(options: Options, named: list[tuple[str, Reading]]) -> list[str]:
    """Lines in front of the table."""
    lines = [
        f"hpcdvc-gauge {__version__}",
        f"command: {shlex.join(['hpcdvc-gauge', *as_words(options)])}",
        f"gauge: {gauge_words(options)}",
        "units: positions, lengths and displacements in voxels, strains without; e = (F + F^T) / 2 - I; "
        "_scatter: among the points; _std: standard deviation of the mean",
        MEANING,
    ]
    for k, (path, reading) in enumerate(named, 1):
        size = f", voxels of {reading.voxel_size}" * (reading.voxel_size is not None)
        lines.append(f"step {k}: {path}{size}" + f" ({reading.why_not})" * (reading.why_not is not None))
        lines += [f"step {k} removed: {reading.removed}"] * (reading.removed is not None)
    lines += [
        f"no standard deviations: {why}" for why in dict.fromkeys(one.why_no_std for _, one in named if one.why_no_std)
    ]
    return [one_line(line) for line in lines]
