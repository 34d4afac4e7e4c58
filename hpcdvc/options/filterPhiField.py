"""Options of hpcdvc-filterPhiField."""

from dataclasses import dataclass

from hpcdvc.errors import UserError
from hpcdvc.options.common import PartOfF, RunControl
from hpcdvc.options.declare import OptionSet, option, option_group
from hpcdvc.options.tables import Neighbourhood, TableFile, TableOutput

DESCRIPTION = "Find wrong rows of a field, replace them by what their neighbours say, and smooth the field."


@option_group
class Selection(OptionSet):
    """Which rows are wrong; several are united."""

    group = "selection"

    by_status: bool = option(
        False, "-srs", "--select-return-status", help="select rows by their return status; those of status -5 never"
    )
    status_threshold: int | None = option(
        None,
        "-srst",
        "--select-return-status-threshold",
        at_least=-99,
        at_most=99,
        help="-srs: at or below this one; default those that are not measured: 1, of a search 0",
    )
    by_correlation: bool = option(
        False, "-scc", "--select-correlation-coefficient", help="select rows of a search by their correlation"
    )
    correlation_threshold: float | None = option(
        None,
        "-scct",
        "--select-correlation-coefficient-threshold",
        at_least=-1,
        at_most=1,
        help="-scc: at or below this; default 0.99, of a zncc 0.6",
    )
    by_coherency: bool = option(
        False,
        "-slqc",
        "--select-local-quadratic-coherency",
        help="select rows that are far from the quadratic through their neighbours and themselves",
    )
    coherency_threshold: float = option(
        0.1,
        "-slqct",
        "--select-local-quadratic-coherency-threshold",
        above=0,
        at_most=1e9,
        help="-slqc: at or above this local quadratic coherency",
    )
    by_misfit: bool = option(
        False,
        "-smed",
        "--select-median",
        help="select rows that are far from the fit of their neighbours, by how much these differ from it",
    )
    misfit_threshold: float = option(
        2.5, "-smedt", "--select-median-threshold", above=0, at_most=1e9, help="-smed: above this ratio"
    )
    no_mask: bool = option(False, "-nomask", "--nomask", help="take rows of status -5, without specimen, as others")


@option_group
class Correction(PartOfF):
    """What becomes of them."""

    group = "correction"
    differently = {
        "apply_f": {
            "flags": ("-F", "-filterF", "--apply-F"),
            "help": "part of the new F that changed rows get; the displacement is always replaced",
        }
    }

    interpolate: bool = option(
        False, "-cint", "--correct-by-interpolation", help="the mean of good neighbours, by the inverse of the distance"
    )
    fit: bool = option(
        False, "-clqf", "--correct-by-local-quadratic-fit", help="the quadratic that fits the good neighbours best"
    )

    def check(self) -> None:
        if self.interpolate and self.fit:
            raise UserError("give only one of -cint and -clqf")


@option_group
class Smoothing(OptionSet):
    """Filters of the whole field."""

    group = "filters"

    median: bool = option(False, "-fm", "--filter-median", help="median of the nodes around each, of a grid")
    median_radius: int = option(
        1, "-fmr", "--filter-median-radius", at_least=1, at_most=50, help="-fm: so many nodes on each side"
    )
    gaussian: bool = option(
        False, "-fg", "--filter-gaussian", help="Gaussian mean of the nodes around each, of a grid, after -fm"
    )
    gaussian_sigma: float = option(
        1.0,
        "-fgs",
        "--filter-gaussian-sigma",
        above=0,
        at_most=16,
        help="-fg: its standard deviation, in node spacings",
    )


@dataclass(kw_only=True)
class Options(TableFile, Selection, Neighbourhood, Correction, Smoothing, TableOutput, RunControl):
    """Options of hpcdvc-filterPhiField."""

    @property
    def selects(self) -> bool:
        """Whether rows are judged."""
        return self.by_status or self.by_correlation or self.by_coherency or self.by_misfit

    @property
    def corrects(self) -> bool:
        """Whether wrong rows are replaced."""
        return self.interpolate or self.fit

    def check(self) -> None:
        if not (self.selects or self.median or self.gaussian):
            if self.corrects:
                raise UserError("-cint and -clqf need a selection: -srs, -scc, -slqc or -smed")
            raise UserError("nothing to do: give a selection (-srs, -scc, -slqc, -smed) or a filter (-fm, -fg)")
