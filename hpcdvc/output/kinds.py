"""What a file of results is, by its content: whatever its name is."""

import os
import re
from pathlib import Path

#: First bytes of files, and the end of the names that such files have.
BEGINNINGS = {
    b"\x89HDF\r\n\x1a\n": ".hdf", b"# vtk DataFile": ".vtk",
    b"II*\0": ".tif", b"MM\0*": ".tif", b"II+\0": ".tif", b"MM\0+": ".tif",
}  # fmt: skip
#: Types of VTK's XML files, likewise.
TYPES = {b"ImageData": ".vti", b"UnstructuredGrid": ".vtu"}
#: Bytes that are looked at.
LOOKED_AT = 4096

_TYPE = re.compile(rb"<VTKFile\b[^>]*\btype=[\"'](\w+)[\"']")
_TABLE = re.compile(rb"[^\n]*\bZpos\b")


def ending_of(path: str | Path) -> str:
    """The end of the names of files of this kind: ``.hdf``, ``.tsv``, ``.vtk``, ``.tif``, ``.vti``, ``.vtu``.

    Parameters
    ----------
    path : the file

    Returns
    -------
    By its content; where that does not tell, or there is no such file, the end of its own name, in lower case
    """
    begin = b""
    try:
        if os.path.isfile(path):
            with open(path, "rb") as file:
                begin = file.read(LOOKED_AT)
    except (OSError, ValueError):
        pass  # who opens it next says so
    for known, ending in BEGINNINGS.items():
        if begin.startswith(known):
            return ending
    found = _TYPE.search(begin)
    if found and found[1] in TYPES:
        return TYPES[found[1]]
    return ".tsv" if _TABLE.match(begin) else Path(path).suffix.lower()


def is_hdf(path: str | Path) -> bool:
    """Whether a file is one of HDF5, or would be by its name."""
    return ending_of(path) == ".hdf"
