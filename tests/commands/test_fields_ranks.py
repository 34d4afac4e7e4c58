"""Commands that make fields of fields: the same bytes on any number of ranks, from tables and from HDF5."""

from importlib import import_module
from pathlib import Path

import pytest
from table_cases import CASES, save_all

from hpcdvc.options.parser import parse
from hpcdvc.output import numbers
from hpcdvc.ranks.team import Team


@pytest.fixture
def folder(team, shared_tmp_path, monkeypatch):
    monkeypatch.chdir(shared_tmp_path)
    team.agree(save_all)
    monkeypatch.setattr(numbers, "READ_TOGETHER_FROM", 0)  # small tables, too, are read by all ranks
    return shared_tmp_path


def carried_out(command: str, words: list[str], team) -> None:
    options = parse(import_module(f"hpcdvc.options.{command}").Options, words, command, "")
    import_module(f"hpcdvc.workflows.{command}").run(options, team)


@pytest.mark.mpi
def test_the_same_bytes(team, folder):
    for number, (command, line, end) in enumerate(CASES):
        words = [*line.split(), "-q", "-pre", "x", "-od"]
        carried_out(command, [*words, f"ranks{number}"], team)
        team.agree(lambda: carried_out(command, [*words, f"alone{number}"], Team()))  # noqa: B023
        made, alone = (
            {path.name: path.read_bytes() for path in Path(f"{which}{number}").iterdir() if path.suffix != ".json"}
            for which in ("ranks", "alone")
        )
        suffix = "merge" if command == "mergePhis" else end
        assert {f"x-{suffix}.hdf", f"x-{suffix}.tsv"} <= set(made) and made.keys() == alone.keys()
        assert [name for name in made if made[name] != alone[name]] == []
