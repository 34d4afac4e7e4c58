"""What a report says in words and numbers."""

import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from hpcdvc import __version__
from hpcdvc.output.notebook import AXES
from hpcdvc.pages.result_file import ResultFile
from hpcdvc.pages.whole import whole_numbers
from hpcdvc.steps.agreement import in_words

#: Columns that come first where a report has room for some only.
FIRST = ("displacement", "displacement_std", "e", "vol", "dev", "rotation", "zncc", "error", "CC", "residual")
#: Units of lengths that are counted in voxels.
LENGTHS = ("voxel", "pixel")
#: What the record of a run says that stands elsewhere in a report.
ELSEWHERE = ("argv", "key", "hpcdvc", "parameters", "provenance", "agreement")


def facts_of(result: ResultFile) -> dict:
    """All that a report says, as JSON has it: command, versions, images, statuses, numbers, cost."""
    provenance = result.metadata.get("provenance") or {}
    return {
        "result": Path(result.path).name,
        "program": provenance.get("program", "hpcdvc"),
        "command": command_line(result),
        "version": result.record.get("hpcdvc", "not recorded"),
        "reported_by": __version__,
        "kind": result.kind,
        "shape": list(result.shape),
        "voxel_size": str(result.size) if result.size else None,
        "made_from": {name: value for name, value in provenance.items() if isinstance(value, dict)},
        "parameters": result.metadata.get("parameters") or {},
        "statuses": result.metadata.get("statuses") or {},
        "agreement": agreement_of(result),
        "numbers": numbers_of(result),
        "run": {name: value for name, value in result.record.items() if name not in ELSEWHERE},
    }


def agreement_of(result: ResultFile) -> str:
    """How many nodes disagree with their neighbours, in words; "" where the record of the run does not say it."""
    found = result.record.get("agreement")
    numbers = [found.get(name) for name in ("judged", "disagree", "percent")] if isinstance(found, dict) else []
    known = bool(numbers) and all(isinstance(number, (int, float)) for number in numbers)
    return in_words(found) if known else ""


def command_line(result: ResultFile) -> str:
    """How the command was typed; where no record tells it, its name and parameters."""
    argv = result.record.get("argv")
    if isinstance(argv, list) and argv and all(isinstance(word, str) for word in argv):
        name = Path(argv[0]).name
        return shlex.join([name, *argv[1:]] if name != "__main__.py" else ["hpcdvc", *argv[1:]])
    program = (result.metadata.get("provenance") or {}).get("program", "hpcdvc")
    chosen = {name: value for name, value in (result.metadata.get("parameters") or {}).items() if value is not None}
    return f"{program} with " + ", ".join(f"{name} = {value}" for name, value in chosen.items())


def numbers_of(result: ResultFile) -> list[dict]:
    """Least, median, mean and greatest of each number of the columns, of measured points; of large results of planes
    spread evenly."""
    found = []
    columns = ((name, result.columns[name].unit, result.sampled(name)) for name in ordered(result))
    for name, unit, values in in_both(result, (*whole_numbers(result), *columns)):
        for end, one in zip(ends_of(values.shape[1]), values.T, strict=True):
            one = one[np.isfinite(one)]
            if one.size:
                some = {"least": one.min(), "median": np.median(one), "mean": one.mean(), "greatest": one.max()}
                numbers = {key: float(f"{value:.6g}") for key, value in some.items()}
                found.append({"column": f"{name}{end}", "unit": unit, "points": int(one.size), **numbers})
    return found


def unit_of(result: ResultFile, name: str) -> str:
    """Unit of a column, for people."""
    unit, length = result.columns[name].unit, result.length_of(name)
    return f"{unit} of {length}" if length else unit


def in_both(
    result: ResultFile, columns: Iterable[tuple[str, str, np.ndarray]]
) -> Iterator[tuple[str, str, np.ndarray]]:
    """Name, unit and numbers of columns; lengths in voxels also in the unit of the size of a voxel, if there is one."""
    for name, unit, values in columns:
        yield name, unit, values
        if result.size and unit in LENGTHS and values.dtype.kind == "f":
            yield name, result.size.unit, values * result.size.number


def ordered(result: ResultFile) -> list[str]:
    """Names of the columns that a report tells numbers of: no Phi, whose parts are told, and no statuses."""
    left_out = {"Phi", "Phi_variance", "returnStatus", "measured_Phi", "measured_status", "label", "step"}
    names = [name for name in result.columns if name not in left_out]
    return sorted(names, key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST), name))


def ends_of(width: int) -> list[str]:
    """What follows the name of a column for each of its numbers, ZYX."""
    return [f" {end}" for end in AXES.get(width, ())] or [""] * width
