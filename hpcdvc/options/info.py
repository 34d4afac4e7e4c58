"""Options of hpcdvc-info."""

from dataclasses import dataclass

from hpcdvc.options.common import Messages, Processes

DESCRIPTION = (
    "Show versions, MPI, HDF5, instruction set, cores and memory: what a bug report needs. "
    "With -np 2, or under mpiexec, it also tests that the ranks find each other."
)


@dataclass(kw_only=True)
class Options(Processes, Messages):
    """Options of hpcdvc-info."""
