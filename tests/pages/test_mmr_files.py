"""The file of the page of hpcdvc-mmr-graphical: before there are phases, of another program, damaged, of others."""

import json
from dataclasses import replace

import numpy as np
import pytest
from mmr_cases import SHAPE
from mmr_page import TRUTH, act, joint, page_in
from one_thread import OneThread

from hpcdvc.errors import UserError
from hpcdvc.multimodal.phases_file import phases_text, read_phases
from hpcdvc.pages.mmr import MmrPage
from hpcdvc.pages.mmr_files import state_of
from hpcdvc.pages.mmr_joint import Search
from hpcdvc.pages.mmr_state import MmrState


@pytest.fixture
def page(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return page_in(tmp_path)


def test_file_before_there_are_phases(page, tmp_path):
    """It goes on, too; the batch command says what is missing."""
    page.phases = None
    page.motion.move(np.array([0.0, 2, 0]))
    page.save()
    state = state_of(page.kept.earlier(), "f", MmrState(SHAPE))
    assert state.phi[1][3] == 2 and state.picked == page.motion.picked
    with pytest.raises(UserError, match="phases must be a list that is not empty"):
        read_phases(tmp_path / "P-phases.json")


#: What a registration has found, as the page keeps it.
FOUND = dict.fromkeys(("return_status", "iterations", "explained", "explained_before", "log_likelihood"), 1)
FOUND |= {"Phi": np.eye(4).tolist(), "reason": "", "of": ""}


@pytest.mark.parametrize(
    "damage",
    [
        {"peaks": 3},
        {"peaks": [[1, 2]]},
        {"ranges": [[1]]},
        {"point": ["a", 1, 2]},
        {"found": {"Phi": 1}},
        {"found": FOUND | {"std": [float("nan")] * 3}},
        {"n_phases": []},
    ],
)
def test_damaged_file(page, tmp_path, damage):
    page.save()
    values = json.loads((tmp_path / "P-phases.json").read_text())
    values["page"].update(damage)
    (tmp_path / "P-phases.json").write_text(json.dumps(values))
    with pytest.raises(UserError, match="^f: (what the page has kept there is damaged|grey values|phases)"):
        state_of(page.kept.earlier(), "f", MmrState(SHAPE))


def test_phases_of_another_program(page, tmp_path):
    """Without boundaries: the phases stay, the boundaries are fitted; until a peak is touched."""
    page.save()
    given = replace(read_phases(tmp_path / "P-phases.json"), complete=False, page=None)
    state = state_of(given, "f", MmrState(SHAPE))
    again = MmrPage(page.images, state, page.kept, [], Search(), phases=given)
    assert "background" not in json.loads(phases_text(again._phases(state)))
    again.begin(OneThread(again))
    mixture = again.phases.mixture
    assert (mixture.means[:2] == given.mixture.means[:2]).all() and len(mixture.pairs) == 1
    assert again._phases(state).complete
    act(again, {"do": "move-peak", "number": 0, "by": [2, 0]}, n=1)
    joint(again)
    assert (again.phases.mixture.means[0] != given.mixture.means[0]).all()


def test_file_of_others(page):
    page.save()
    with pytest.raises(UserError, match="of other images or another start"):
        replace(page.kept, made_from={"im1": "two"}).earlier()
    with pytest.raises(UserError, match="of other images or another start"):
        replace(page.kept, start=TRUTH.tolist()).earlier()
