"""One large label among small ones: rows are the same bytes on any number of ranks, with it measured by all of them."""

from types import SimpleNamespace

import numpy as np
import pytest
from grains import packing
from synthetic import lattice_texture

from hpcdvc.labels.scan import scan_labels
from hpcdvc.ranks.team import Team
from hpcdvc.registration import labels as registration
from hpcdvc.registration.labels import LabelMask, LabelRegistration
from hpcdvc.registration.settings import Iterations, Settings, Window
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.points import measure_points
from hpcdvc.runs.shards import Shards
from hpcdvc.steps.find_labels import LabelSearch, gathered
from hpcdvc.steps.labels import LABEL_ROW, LabelPoints


@pytest.fixture
def find(monkeypatch):
    """Eight grains of which one is called large, and what finds them."""
    some = packing(lattice_texture(1), 2, 7, gap=1)
    some.axes[0] = 8
    im1, im2, labels = some.image(False, 0.1, 1), some.image(True, 0.1, 2), some.labels()
    particles = scan_labels(labels)
    boxes = (particles["high"] - particles["low"] + 1).prod(axis=1)
    monkeypatch.setattr(registration, "LARGE", np.sort(boxes)[-2])
    settings = Settings(Window((1, 1, 1)), iterations=Iterations(rigid=True))
    points = LabelPoints(particles, np.tile(np.eye(4)[:3], (len(particles), 1, 1)), 1, False)
    return LabelSearch(LabelRegistration(im1, im2, labels, settings, LabelMask()), None, points)


@pytest.mark.mpi
def test_rows_are_the_same_on_any_number_of_ranks(team, find, shared_tmp_path):
    together, numbers = find.together(team), np.arange(8)
    (large,) = together.numbers
    # so costly that all ranks measure it
    seconds = np.where(numbers == large, 100.0, 0.001)
    calls = []

    def measure(number: int) -> np.ndarray:
        calls.append(number)
        return together.measure(number)

    checkpoint = Checkpoint(Shards(shared_tmp_path / "labels", {}, LABEL_ROW, "labels"), team)
    by_all = SimpleNamespace(numbers=together.numbers, seconds=together.seconds, measure=measure)
    rows = gathered(measure_points(team, numbers, find, seconds, checkpoint, True, together=by_all), numbers, team)
    assert calls == [large]
    if team.rank == 0:
        expected = find(numbers)
        for name in LABEL_ROW.names:
            assert rows[name].tobytes() == expected[name].tobytes(), name
        assert (rows["return_status"] == 2).all()


def test_a_lost_label_is_left_to_one_rank_that_looks_for_it(find):
    points = find._points
    points.phi[:, 2, 3] = 15.0
    together = find.together(Team())
    (large,) = together.numbers
    assert together.measure(large)["return_status"][0] < 2
    find._search = lambda points: None
    assert len(together.measure(large)) == 0
