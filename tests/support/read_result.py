"""What mutants of results are read by, within little CPU time: as -pf, --resume and --mesh do it."""

from hpcdvc.errors import UserError
from hpcdvc.kernels import guard
from hpcdvc.output import hdf5
from hpcdvc.output.mesh import read_mesh

guard.CPU_SECONDS = 1.0


def read(path: str) -> None:
    """Everything; what one reader refuses the others may take."""
    refused = None
    for part in (hdf5.read_field, hdf5.read_metadata, hdf5.read_statuses, iterations, read_mesh):
        try:
            part(path)
        except UserError as error:
            assert path in str(error) and "\n" not in str(error), error
            refused = error if part is hdf5.read_field else refused
    if refused:
        raise refused


def iterations(path: str) -> None:
    """The table of a registration."""
    hdf5.read_table(path, "iterations")
