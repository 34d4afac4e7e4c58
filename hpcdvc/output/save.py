"""A field in memory as a file, in the format that the end of its name says."""

from pathlib import Path

from hpcdvc.errors import UserError
from hpcdvc.fields.field import Field
from hpcdvc.output.columns import columns_of
from hpcdvc.output.hdf5 import save_field
from hpcdvc.output.tsv import write_tsv
from hpcdvc.output.views import kind_of_field
from hpcdvc.output.voxel_size import FACT, of_metadata
from hpcdvc.output.vtk import write_vtk

#: What a result says about itself that is still true of a copy.
FACTS = ("parameters", "provenance", "curvature", FACT)


def save(path: str | Path, field: Field) -> None:
    """Write a field, with the columns alone that files have, and in an HDF5 file what it was made from.

    Lengths in .hdf and .vtk files are in the unit of its voxel size, where it has one.

    Parameters
    ----------
    path : `<name>.hdf`, `.tsv` or `.vtk`; an existing file is replaced
    field : the field

    Raises
    ------
    UserError : the name has another end
    RunError : no space left, or the file cannot be written
    """
    ending = Path(path).suffix.lower()
    if ending not in (".hdf", ".tsv", ".vtk"):
        raise UserError(f"{path}: a field is saved as .hdf, .tsv or .vtk")
    elements = getattr(field, "elements", None)
    known = {column.made_from for column in columns_of("mesh" if elements else kind_of_field(field))}
    extra = {name: values for name, values in (field.extra or {}).items() if name in known}
    members = ("positions", "phi", "return_status", "error", "iterations", "delta_phi_norm", "grid")
    plain = Field(*(getattr(field, name) for name in members), extra, field.family)
    told = getattr(field, "metadata", {})
    if ending == ".tsv":
        write_tsv(path, plain)
    elif ending == ".vtk":
        write_vtk(path, plain, elements=elements, size=of_metadata(told))
    else:
        save_field(path, plain, {name: told[name] for name in FACTS if name in told}, elements=elements)
