"""Options of hpcdvc-discreteStrain."""

from dataclasses import dataclass
from typing import ClassVar

from hpcdvc.options.common import RunControl
from hpcdvc.options.declare import OptionSet, option, option_group
from hpcdvc.options.registration import HalfWindow, NodeSpacing
from hpcdvc.options.strain import Components, Rows, StrainField
from hpcdvc.options.tables import TableOutput

DESCRIPTION = "Calculate the strain between scattered points, such as particles, in the tetrahedra that they form."


@option_group
class Cells(OptionSet):
    """The tetrahedra."""

    group: ClassVar[str] = "strain"

    alpha: float = option(
        -1.0,
        "-a",
        "--alpha",
        "--triangulation-alpha-value",
        at_least=-1e12,
        at_most=1e12,
        unit="voxel^2",
        help="remove tetrahedra with a squared circumradius above this; 0 keeps all, negative finds a value",
    )


@option_group
class OnGrid(NodeSpacing):
    """A grid that the strain is projected to."""

    differently = {
        "node_spacing": {
            "help": "write the strain on a regular grid as well: each node has that of the tetrahedron it lies in"
        }
    }


@option_group
class Windows(HalfWindow):
    """The windows that the field was measured with, where they overlap."""

    group: ClassVar[str] = "field"


@dataclass(kw_only=True)
class Options(StrainField, Components, Cells, Rows, OnGrid, Windows, TableOutput, RunControl):
    """Options of hpcdvc-discreteStrain."""
