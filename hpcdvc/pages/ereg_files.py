"""What hpcdvc-ereg keeps: the table with Phi that other commands take, and the state of the page to go on from."""

import json
import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from hpcdvc.errors import UserError
from hpcdvc.fields.field import Field
from hpcdvc.output import files
from hpcdvc.output.tsv import read_tsv, write_tsv
from hpcdvc.pages.ereg_state import EregState, Outcome


@dataclass(frozen=True)
class Kept:
    """The files.

    Attributes
    ----------
    stem : path without extension
    made_from : identities of the images
    """

    stem: str
    made_from: dict

    @property
    def table(self) -> str:
        """Path of the table."""
        return f"{self.stem}.tsv"

    @property
    def page(self) -> str:
        """Path of the state."""
        return f"{self.stem}.json"

    def write(self, state: EregState) -> None:
        """Write both, each whole at every moment; the table first: it counts where there is no room for the other."""
        write_tsv(self.table, field_of(state), "T1")
        facts = {"made_from": self.made_from, "state": state.as_json()}
        with files.whole_file(self.page) as temporary, files.fill(temporary) as stream:
            json.dump(facts, stream, allow_nan=False)

    def resumed(self, start: np.ndarray | None) -> EregState | None:
        """The state of an earlier session with these images and this start (None: any); None where there is none."""
        try:
            with open(self.page, encoding="utf-8") as stream:
                facts = json.load(stream)
            state = EregState.of_json(facts["state"])
            same = facts["made_from"] == json.loads(json.dumps(self.made_from))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError):
            return None
        return state if same and (start is None or alike(start, state.start)) else None

    def begin(self, state: EregState, start_path: str | None, force: bool) -> EregState:
        """The state to begin with: that of an earlier session where these files are of one.

        Parameters
        ----------
        state : of a new session
        start_path : the file that it starts from, if there is one
        force : begin anew, whatever is there

        Raises
        ------
        UserError
            There is a table that is not of such a session, or that cannot be read.
        """
        if force or not os.path.exists(self.table):
            return state
        if start_path is not None and os.path.samefile(start_path, self.table):
            return self._with_phi(state)
        earlier = self.resumed(None if start_path is None else state.matrix)
        if earlier is None:
            raise UserError(
                f"{self.table} exists, of other images or another start: -pf goes on from it, -pre or -od give another "
                "name, --force overwrites it"
            )
        table = read_tsv(self.table)
        if not alike(table.phi[0], earlier.matrix):  # it was written, and the state no more
            earlier.set_phi(table.phi[0], Outcome.of(table))
        return earlier

    def _with_phi(self, state: EregState) -> EregState:
        """The earlier session of which the table is where the state says the same; else a new one from the table."""
        earlier = self.resumed(None)
        return earlier if earlier is not None and alike(earlier.matrix, state.matrix) else state


def alike(one: ArrayLike, other: ArrayLike) -> bool:
    """Whether two Phi, of files, are the same to the digits of a table."""
    try:
        return np.allclose(np.array(one, float), other, rtol=1e-8, atol=1e-9)
    except (TypeError, ValueError):
        return False


def field_of(state: EregState) -> Field:
    """Phi as a registration: one row, at the centre of im1."""
    outcome = state.outcome
    return Field(
        positions=state.centre[None],
        phi=state.matrix[None],
        return_status=np.array([outcome.return_status], np.int32),
        error=np.array([outcome.error]),
        iterations=np.array([outcome.iterations], np.int32),
        delta_phi_norm=np.array([outcome.delta_phi_norm]),
    )
