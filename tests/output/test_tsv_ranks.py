"""Large tables are read by all ranks: the same field, the same sentences, on any number of ranks and nodes."""

import numpy as np
import pytest
from affine_field import GRID, GRID_2D, affine_rows, field_of_rows

from hpcdvc.errors import RunError, UserError
from hpcdvc.output import numbers, tsv
from hpcdvc.ranks import tables
from hpcdvc.ranks.team import Team

pytestmark = pytest.mark.mpi


@pytest.fixture(params=[None, 2, 3], ids=["real", "two", "three"])
def nodes(request, team, monkeypatch):
    """The team as it is, and its ranks grouped as if they stood on 2 or 3 nodes; all tables are large."""
    if request.param is not None and (team.comm is None or request.param > team.size):
        pytest.skip("fewer ranks than nodes")
    monkeypatch.setattr(numbers, "READ_TOGETHER_FROM", 0)
    monkeypatch.setattr(numbers, "BLOCK", 2000)
    return team if request.param is None else Team(team.comm, request.param)


def labels():
    positions = np.random.default_rng(0).uniform(0, 100, (50, 3))
    return field_of_rows(affine_rows(positions, [4]), positions=positions, extra={"label": np.arange(50) + 7})


FIELDS = {
    "grid": lambda: field_of_rows(affine_rows(GRID.positions(), [3]), GRID),
    "2-D": lambda: field_of_rows(affine_rows(GRID_2D.positions()), GRID_2D),
    "labels": labels,
    "one": lambda: field_of_rows(affine_rows(GRID.positions()[:1]), positions=GRID.positions()[:1]),
}


@pytest.mark.parametrize("kind", FIELDS)
def test_same_field(nodes, shared_tmp_path, kind):
    path = shared_tmp_path / "a.tsv"
    nodes.agree(lambda: tsv.write_tsv(path, FIELDS[kind]()))
    found, expected = tsv.read_together(path, nodes), tsv.read_tsv(path)
    nodes.barrier()
    assert found.grid == expected.grid and found.family == expected.family
    members = [vars(field) | field.extra for field in (found, expected)]
    assert members[0].keys() == members[1].keys()
    for name, array in members[1].items():
        if isinstance(array, np.ndarray):
            assert members[0][name].dtype == array.dtype
            assert members[0][name].tobytes() == array.tobytes(), name


SPOILED = {
    "no number": (lambda lines: [*lines[:90], lines[90] + "x", *lines[91:]], "line 91: '0.75x' is not a number"),
    "no status": (
        lambda lines: [*lines[:90], "\t".join([*lines[90].split("\t")[:18], "0.5", *lines[90].split("\t")[19:]])],
        "row 90: returnStatus is 0.5, not a whole number",
    ),
    "no rows": (lambda lines: [*lines[:1], "", ""], "a.tsv has a header line, but no rows"),
    "a point twice": (lambda lines: [*lines[:100], lines[70]], "rows 70 and 100 are the same point"),
    "another width": (lambda lines: [*lines, "1\t2"], "line 122: 2 columns, but the header names 25"),
}


@pytest.mark.parametrize("how", SPOILED)
def test_same_sentences(nodes, shared_tmp_path, how):
    path = shared_tmp_path / "a.tsv"
    change, words = SPOILED[how]

    def spoil():
        tsv.write_tsv(path, FIELDS["grid"]())
        path.write_text("\n".join(change(path.read_text().splitlines())))

    nodes.agree(spoil)
    with pytest.raises(UserError, match=words):
        tsv.read_together(path, nodes)
    nodes.barrier()
    with pytest.raises(UserError, match=words):
        tsv.read_tsv(path)


def test_a_file_that_shrinks(nodes, shared_tmp_path, monkeypatch):
    """Between the look at it and the reading: no field of two tables."""
    path = shared_tmp_path / "a.tsv"
    nodes.agree(lambda: tsv.write_tsv(path, FIELDS["grid"]()))
    whole, share_of = path.read_bytes(), numbers.share_of

    def shrunk(head, team):
        share = share_of(head, team)
        if nodes.rank == 0:
            path.write_bytes(whole[: len(whole) // 2])
        nodes.barrier()
        return share

    monkeypatch.setattr(numbers, "share_of", shrunk)
    with pytest.raises(RunError, match=r"a\.tsv changed during the run"):
        tsv.read_together(path, nodes)


def test_tables_are_read_ahead(nodes, shared_tmp_path, monkeypatch):
    """By all ranks, for what rank 0 does alone; not where the file has changed since, or cannot be read."""
    path = shared_tmp_path / "a.tsv"
    nodes.agree(lambda: tsv.write_tsv(path, FIELDS["grid"]()))
    calls, read, share = [], tsv._read, tables._share
    monkeypatch.setattr(tsv, "_read", lambda *how: calls.append(how[2]) or read(*how))
    monkeypatch.setattr(tables, "SHARED_FROM", 1000)
    alone = nodes.agree(lambda: tsv.read_tsv(path))
    calls.clear()
    sent = []
    monkeypatch.setattr(tables, "_share", lambda *how: sent.append(how) or share(*how))
    with tsv.read_ahead([shared_tmp_path / "none.tsv", path], nodes):
        if nodes.size > 1:
            assert calls == [nodes]
            found = nodes.agree(lambda: tsv.read_tsv(path))
            assert len(calls) == 1 and not sent, "all ranks have its arrays already"
            for name, array in {**vars(alone), **alone.extra}.items():
                if isinstance(array, np.ndarray):
                    assert {**vars(found), **found.extra}[name].tobytes() == array.tobytes()
            part = nodes.agree(lambda: found.phi[5:])
            assert part.tobytes() == alone.phi[5:].tobytes() and not sent
        nodes.agree(lambda: tsv.read_tsv(path))
        assert len(calls) == (1 if nodes.size > 1 else 0) + (nodes.rank == 0), "it is given once"
    calls.clear()
    with tsv.read_ahead([path], nodes):
        nodes.agree(lambda: tsv.write_tsv(path, FIELDS["2-D"]()))
        found = nodes.agree(lambda: tsv.read_tsv(path))
        assert found.grid == GRID_2D
    nodes.agree(lambda: path.write_text("garbage\n1\n"))
    with tsv.read_ahead([path], nodes), pytest.raises(UserError, match="not a table of displacements"):
        nodes.agree(lambda: tsv.read_tsv(path))
    assert not tsv._AHEAD and not tables._KNOWN
