"""The size of a voxel of a run: that which is given, or that of the results that it goes on from."""

import logging
import re
from collections.abc import Iterable
from typing import Any

from hpcdvc.images.lengths import sentence
from hpcdvc.options.declare import OptionSet
from hpcdvc.options.voxel_size import VoxelSize
from hpcdvc.output.scaled import of_result
from hpcdvc.output.voxel_size import FACT, agreed
from hpcdvc.runs.inputs import Inputs

log = logging.getLogger("hpcdvc")


def keep_voxel_size(options: OptionSet, inputs: Inputs, files: Iterable[Any]) -> None:
    """Note the size of a voxel, where there is one, in the facts of the files of a run; as `voxel_size_of`."""
    size = voxel_size_of(options, inputs)
    for file in files if size else ():
        file.metadata[FACT] = size.text


def voxel_size_of(options: OptionSet, inputs: Inputs) -> VoxelSize | None:
    """The size that a command writes its results with, on one rank; None: lengths are voxels.

    What images say of themselves is told, and not used.

    Parameters
    ----------
    options : of the command
    inputs : the files that it reads

    Raises
    ------
    UserError : results that it goes on from say different sizes, and none is given
    """
    if not hasattr(options, "voxel_size"):
        return None
    said = _said_by_results(options, inputs)
    used = VoxelSize.of(options.voxel_size) if options.voxel_size else agreed(said)
    for path, size in said.items():
        if not options.voxel_size:
            log.info("%s says %s, which the result has, too", path, size)
        elif not used.equals(size):
            log.info("%s says %s, %s is used", path, size, used)
    told: dict[str, str] = {}  # what several images say alike is told of the first
    for info in inputs.infos:
        words = sentence(info, used)
        if words:
            told.setdefault(words.removeprefix(info.spec), words)
    for words in told.values():
        log.info("%s", words)
    return used


def _said_by_results(options: OptionSet, inputs: Inputs) -> dict[str, VoxelSize]:
    """The sizes of the results that options name, as voxels of this run, by path."""
    found = {}
    for name, path in inputs.tables.items():
        size = of_result(path)
        if size:
            option = re.sub("_[0-9]+$", "", name)  # of one that names several files
            found[path] = size.divided(getattr(options, f"{option}_bin_ratio", 1.0))
    return found
