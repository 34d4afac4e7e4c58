"""What hpcdvc-ldic says at its end of nodes that disagree with their neighbours: the same on any number of ranks."""

import numpy as np
import pytest
from planted_field import planted_field

from hpcdvc.fields.field import ROW
from hpcdvc.ranks.team import Team
from hpcdvc.steps import agreement as step
from hpcdvc.steps.agreement import agreement, in_words


def rows_of(u: np.ndarray) -> np.ndarray:
    rows = np.zeros(len(u), ROW)
    rows["index"], rows["return_status"], rows["variance"] = np.arange(len(u)), 2, 0.02**2
    rows["Phi"][:, :, 3] = u
    return rows


def test_wrong_nodes_are_counted(monkeypatch):
    grid, u, wrong = planted_field(part=0.03)
    rows = rows_of(u)
    found = agreement(rows, grid, 3, Team())
    assert found["judged"] == grid.size and abs(found["disagree"] - wrong.sum()) <= 0.1 * wrong.sum()
    words = in_words(found)
    assert words.startswith(f"{found['percent']:.2f} % of the converged nodes") and "5 standard deviations" in words
    # what has not converged neither counts nor is it a neighbour
    rows["return_status"][wrong] = -1
    rows["Phi"][wrong, :, 3] = np.nan
    assert agreement(rows, grid, 3, Team()) == {"judged": grid.size - wrong.sum(), "disagree": 0, "percent": 0.0}
    monkeypatch.setattr(step, "MOST", 500)
    assert 300 < agreement(rows, grid, 3, Team())["judged"] < 500


def test_nothing_to_be_judged():
    grid, u, _ = planted_field(part=0)
    rows = rows_of(u)
    rows["return_status"] = -2
    found = agreement(rows, grid, 3, Team())
    assert found == {"judged": 0, "disagree": 0, "percent": None} and in_words(found) == ""


@pytest.mark.mpi
def test_the_same_on_any_number_of_ranks(team):
    grid, u, _ = planted_field(part=0.03)
    rows = rows_of(u)
    alone, mine = agreement(rows, grid, 3, Team()), rows[team.rank :: team.size]
    assert agreement(mine, grid, 3, team) == alone
