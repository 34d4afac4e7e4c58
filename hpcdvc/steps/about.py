"""What an image or a result is, in a few words."""

from hpcdvc.errors import UserError
from hpcdvc.images import RawLayout, describe
from hpcdvc.images.lengths import said_by
from hpcdvc.output.kinds import ending_of
from hpcdvc.output.read import read_result
from hpcdvc.output.scaled import of_result
from hpcdvc.output.stored import opened
from hpcdvc.ranks.team import Team

#: Ends of the names of tables and meshes, which are no images.
RESULTS = (".tsv", ".vtk")


def about(path: str, every_slice: bool = False, raw_layout: RawLayout | None = None) -> dict[str, str]:
    """What a file holds, by name of the fact.

    Parameters
    ----------
    path : the file
    every_slice, raw_layout : see `hpcdvc.images.describe`

    Raises
    ------
    UserError : no such file, or neither an image nor a result
    """
    kind = _kind_of_result(path)
    if kind:
        size = of_result(path)
        return {"file": path, "holds": kind, "voxel": str(size) if size else "not said: lengths are voxels"}
    info = describe(path, every_slice, raw_layout=raw_layout)
    said = said_by(info)
    how = {"voxel": "not said"}
    if said and said.size:
        how = {"voxel": f"{said}: --voxel-size {said.size.text} uses it"}
    elif said:
        how = {"voxel": f"{said}, no cube"}
    shape = " x ".join(map(str, info.shape[info.two_dimensional :]))
    return {"file": path, "holds": f"{shape} voxels, {info.dtype}, {info.kind}", **how}


def _kind_of_result(path: str) -> str | None:
    """What a result holds; None of what is an image."""
    ending = ending_of(path)
    if ending in RESULTS:
        return repr(read_result(path, Team())).strip("<>")
    if ending != ".hdf":
        return None
    with opened(path) as stored:
        if stored.find("hpcdvc") is None:
            if not path.lower().endswith(".hdf"):
                return None
            raise UserError(f"{path} is an HDF5 file, but not a result of hpcdvc")
        kind, program = stored.text("hpcdvc", "kind"), (stored.json("hpcdvc", "provenance") or {}).get("program")
    return ", ".join(filter(None, (kind or "image", program)))
