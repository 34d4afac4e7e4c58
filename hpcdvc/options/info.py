"""Options of hpcdvc-info."""

from dataclasses import dataclass
from typing import ClassVar

from hpcdvc.options.common import Messages, Processes, Slices
from hpcdvc.options.declare import option, option_group

DESCRIPTION = (
    "Show versions, MPI, HDF5, instruction set, cores and memory: what a bug report needs. "
    "With -np 2, or under mpiexec, it also tests that the ranks find each other. With files, what these are."
)


@option_group
class Files(Slices):
    """What is looked at."""

    group: ClassVar[str] = "files"

    files: tuple[str, ...] = option(
        (),
        nargs="*",
        metavar="[FILE ...]",
        help="images and results: what they hold, and how large a voxel is by what they say, are shown instead",
    )


@dataclass(kw_only=True)
class Options(Files, Processes, Messages):
    """Options of hpcdvc-info."""
