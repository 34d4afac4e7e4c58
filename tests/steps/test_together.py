"""Fields read before a plan is made: the plan must be of those files."""

from pathlib import Path

import pytest
from reg_ends import check_end
from table_cases import GRID, field, grains, save

from hpcdvc.output.tsv import write_tsv
from hpcdvc.ranks.team import Team
from hpcdvc.steps.together import Tables, read_together


def test_a_table_that_changes_while_it_is_read(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    save("grid", field(GRID))
    check = Tables.check

    def changing(tables, inputs):
        Path("grid.tsv").write_text(Path("grid.tsv").read_text() + "\n")
        inputs.seen.clear()
        inputs.identities()
        check(tables, inputs)

    monkeypatch.setattr(Tables, "check", changing)
    check_end(capfd, ["-pf", "grid.tsv", "-srs", "-q"], ["grid.tsv changed while it was read"], 1, "filterPhiField")
    assert not Path("grid-filtered.hdf").exists()


@pytest.mark.parametrize("ratio", [1.0, 2.0])
def test_factor_and_background(tmp_path, ratio):
    some = field(None, grains()[1], label=grains()[2], failed={})
    some.extra["label"][0] = 0
    write_tsv(tmp_path / "t.tsv", some)
    found = read_together(Team(), one=(str(tmp_path / "t.tsv"), ratio))["one"]
    assert (found.extra["label"] == grains()[2][1:]).all() and (found.positions == ratio * grains()[1][1:]).all()
    assert abs(found.displacement - ratio * some.displacement[1:]).max() < 1e-6
    assert abs(found.phi[:, :3, :3] - some.phi[1:, :3, :3]).max() < 1e-6
