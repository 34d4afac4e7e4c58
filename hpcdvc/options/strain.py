"""Options that the strain of grids and of points share."""

from typing import ClassVar

from hpcdvc.errors import UserError
from hpcdvc.options.common import PhiFile
from hpcdvc.options.declare import OptionSet, option, option_group
from hpcdvc.options.tables import Threshold

#: Components of strain, as in `hpcdvc.fields.strain.COMPONENTS`.
NAMES = (
    *("vol", "dev", "volss", "devss", "r", "z", "U", "e", "Up", "GL", "H", "ep"),
    *("Ud1", "Ud2", "Ud3", "eq", "eqss"),
)


@option_group
class StrainField(PhiFile):
    """The field whose strain is wanted."""

    group: ClassVar[str] = "field"
    differently = {"phi_file": {"flags": ("-pf", "-phiFile", "--phiFile"), "help": "the same, by a flag"}}

    field: str | None = option(
        None, nargs="?", metavar="[FIELD]", reads="table", help="field of deformation functions (.tsv or .hdf)"
    )

    def check(self) -> None:
        if self.field is not None and self.phi_file is not None:
            raise UserError("the field is given twice, as the argument and with -pf")
        if self.field is None and self.phi_file is None:
            raise UserError("the field is missing: a .tsv table or an .hdf file")
        self.field, self.phi_file = None, self.field or self.phi_file  # one name for both in key and parameters


@option_group
class Components(OptionSet):
    """What is written."""

    group: ClassVar[str] = "strain"

    components: tuple[str, ...] = option(
        ("vol", "dev"),
        "-comp",
        "--strain-components",
        choices=NAMES,
        metavar="NAME",
        help=f"components of strain, each with its standard deviation: {', '.join(NAMES)}",
    )

    def check(self) -> None:
        twice = [name for name in self.components if self.components.count(name) > 1]
        if twice or not self.components:
            raise UserError(f"-comp names {twice[0]} twice" if twice else "-comp names no component")


@option_group
class Rows(Threshold):
    """Which rows of the field count."""

    group: ClassVar[str] = "field"

    all_rows: bool = option(
        False, "-nomask", "--nomask", "-nomaskBad", "--nomaskBad", help="take all rows, whatever their return status"
    )

    def check(self) -> None:
        if self.all_rows and self.return_status_threshold is not None:
            raise UserError("give only one of -rst and -nomask")

    @property
    def lowest_status(self) -> int | None:
        """Lowest return status of the rows that count; None: those that are measured."""
        return -99 if self.all_rows else self.return_status_threshold
