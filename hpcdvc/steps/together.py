"""Fields that a command is made of, read by all ranks together, before its plan is made."""

from dataclasses import dataclass

from hpcdvc.errors import RunError
from hpcdvc.fields.field import Field
from hpcdvc.output import reader, tsv
from hpcdvc.output.files import check_regular
from hpcdvc.runs.inputs import Inputs, state_of
from hpcdvc.steps.start import scaled
from hpcdvc.steps.tables import without_background


@dataclass(frozen=True)
class Tables:
    """Fields by what a command calls them, and the state of their files before they were read."""

    fields: dict[str, Field]
    states: dict[str, str]

    def __getitem__(self, name: str) -> Field:
        return self.fields[name]

    def check(self, inputs: Inputs) -> None:
        """Make sure, on one rank, that the files are those which a plan is made from.

        Raises
        ------
        RunError
            One was written in between.
        """
        for path, state in self.states.items():
            if inputs.seen[path].state != state:
                raise RunError(f"{path} changed while it was read: no result is written")


def read_together(team, **named: tuple[str, float]) -> Tables:
    """Read registrations and fields with all their columns. Collective.

    Parameters
    ----------
    team : hpcdvc.ranks.team.Team
    **named : path and factor on positions and displacements of each

    Returns
    -------
    the same on all ranks; large arrays stand once a node in memory, unless there is a factor

    Raises
    ------
    UserError
        On every rank: no such file, or no table or file of ours.
    """

    def look() -> dict[str, str]:
        for path, _ in named.values():
            check_regular(path)
        return {path: state_of(path) for path, _ in named.values()}

    states, fields = team.agree(look), {}
    for name, (path, ratio) in named.items():
        read = reader.read_together if path.endswith(".hdf") else tsv.read_together
        fields[name] = without_background(scaled(read(path, team), ratio))
    return Tables(fields, states)
