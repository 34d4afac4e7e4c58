"""A small text beside a dense result, by which programs find its arrays that do not read cells of VTKHDF images.

ParaView 5.11 is one of them. Everything stays in the HDF5 file.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from hpcdvc.output import files
from hpcdvc.output.columns import VECTOR, Column

#: How XDMF calls numbers.
NUMBERS = {"f4": ("Float", 4), "i4": ("Int", 4), "u1": ("UChar", 1)}


def write_xdmf(
    path: str | Path,
    result: str,
    shape: tuple[int, int, int],
    columns: Iterable[tuple[Column, str]],
    factor: float = 1.0,
) -> None:
    """Write the text.

    Parameters
    ----------
    path : of the text
    result : the HDF5 file, in the same folder
    shape : (P, H, W) pixels, which are cells about whole numbers
    columns : the columns, and where their arrays stand in the file
    factor : edge of a pixel

    Raises
    ------
    RunError : no space left, or the file cannot be written
    """
    arrays = "".join(_attribute(column, place, result, shape) for column, place in columns)
    points = " ".join(str(n + 1) for n in shape)
    corner, edge = (f"{length * factor:.17g}" for length in (-0.5, 1))
    text = f"""<?xml version="1.0"?>
<Xdmf Version="2.0"><Domain><Grid Name="image" GridType="Uniform">
<Topology TopologyType="3DCoRectMesh" Dimensions="{points}"/>
<Geometry GeometryType="ORIGIN_DXDYDZ">
<DataItem Dimensions="3" Format="XML">{corner} {corner} {corner}</DataItem>
<DataItem Dimensions="3" Format="XML">{edge} {edge} {edge}</DataItem>
</Geometry>
{arrays}</Grid></Domain></Xdmf>
"""
    with files.whole_file(path, len(text)) as temporary, files.fill(temporary, encoding="utf-8") as file:
        file.write(text)


def _attribute(column: Column, place: str, result: str, shape: tuple[int, int, int]) -> str:
    dtype = np.dtype(column.dtype)
    number, width = NUMBERS["f4" if dtype.kind == "f" else dtype.str[1:]]
    kind = "Vector" if column.components is VECTOR else "Scalar"
    size = " ".join(map(str, (*shape, *column.components.shape)))
    where = escape(f"{os.path.basename(result)}:/{place}")
    return (
        f'<Attribute Name="{column.name}" AttributeType="{kind}" Center="Cell">'
        f'<DataItem Dimensions="{size}" NumberType="{number}" Precision="{width}" Format="HDF">{where}</DataItem>'
        f"</Attribute>\n"
    )
