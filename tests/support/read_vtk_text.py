"""What mutants of legacy VTK files are read by."""

from hpcdvc.output.vtk_reader import read_vtk


def read(path: str) -> None:
    """The field."""
    read_vtk(path)
