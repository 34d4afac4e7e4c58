"""Options of hpcdvc-regularStrain."""

from dataclasses import dataclass
from typing import ClassVar

from hpcdvc.errors import UserError
from hpcdvc.options.common import Mask, RunControl, Slices
from hpcdvc.options.declare import OptionSet, option, option_group
from hpcdvc.options.registration import HalfWindow
from hpcdvc.options.strain import Components, Rows, StrainField
from hpcdvc.options.tables import TableOutput

DESCRIPTION = "Calculate the strain of a field that was measured on a regular grid, with its standard deviation."


@option_group
class Mode(OptionSet):
    """How the gradient of the displacement is made."""

    group: ClassVar[str] = "strain"

    geers: bool = option(False, "-g", "--geers", help="affine fit to the neighbours of each node; this is the default")
    cells: bool = option(
        False, "-cub", "--cub", "-q8", "--q8", "-Q8", help="Q8: of the cells between 8 nodes, in 2-D between 4"
    )
    raw: bool = option(False, "-raw", "--raw", help="F as the windows have measured it, without neighbours")
    polynomial: int | None = option(
        None, "-poly", "--polynomial", choices=(1, 2), help="fit of a polynomial of this order about each node"
    )
    radius: float | None = option(
        None,
        "-r",
        "--radius",
        at_least=1,
        at_most=8,
        unit="largest node spacing",
        help="-g, -poly: neighbours no further than this; default 1.5, of -poly 2 it is 2",
    )
    linear: bool = option(
        False, "-vtkln", "--vtkln", in_key=False, help="not needed: what is not known is NaN in all files",
        note="-vtkln is ignored: what is not known is NaN in all files",
    )  # fmt: skip

    def check(self) -> None:
        given = [
            flag
            for flag, value in (
                ("-g", self.geers), ("-cub", self.cells), ("-raw", self.raw), ("-poly", self.polynomial is not None)
            )
            if value
        ]  # fmt: skip
        if len(given) > 1:
            raise UserError(f"give only one of {' and '.join(given)}")
        if self.radius is not None and (self.cells or self.raw):
            raise UserError(f"-r is for -g and -poly, {given[0]} has no radius")

    @property
    def mode(self) -> str:
        """As in the names of the files: Geers, Q8, raw, poly1 or poly2; Q8 is Q4 in two dimensions."""
        if self.polynomial is not None:
            return f"poly{self.polynomial}"
        return "Q8" if self.cells else "raw" if self.raw else "Geers"

    @property
    def reach(self) -> float:
        """Radius, in units of the largest node spacing."""
        return self.radius or (2.0 if self.polynomial == 2 else 1.5)


@option_group
class Specimen(Mask, Slices):
    """Where neighbours are."""

    group: ClassVar[str] = "field"
    differently = {"mask1": {"help": "mask of the specimen: no neighbour is taken across voxels where it is 0"}}


@option_group
class Windows(HalfWindow):
    """The windows that the field was measured with."""

    group: ClassVar[str] = "field"


@dataclass(kw_only=True)
class Options(StrainField, Mode, Components, Rows, Specimen, Windows, TableOutput, RunControl):
    """Options of hpcdvc-regularStrain."""
