"""Options of hpcdvc-mergePhis."""

from dataclasses import dataclass

from hpcdvc.options.common import RunControl
from hpcdvc.options.declare import REQUIRED, OptionSet, option, option_group
from hpcdvc.options.tables import Neighbourhood, TableOutput, Threshold

DESCRIPTION = "Merge two motions, one after the other, into one: registrations, fields of nodes or of particles."


@option_group
class Motions(OptionSet):
    """What is merged."""

    group = "fields"

    total: str = option(REQUIRED, reads="table", help="motion up to a state: registration or field (.tsv or .hdf)")
    increment: str = option(REQUIRED, reads="table", help="motion from that state to the next")


@option_group
class Rows(Neighbourhood, Threshold):
    """Which rows of the increment a point takes it from."""

    group = "neighbours"


@dataclass(kw_only=True)
class Options(Motions, Rows, TableOutput, RunControl):
    """Options of hpcdvc-mergePhis."""
