import json
import os
import resource
from pathlib import Path

import numpy as np
import pytest

from hpcdvc.errors import RunError, UserError
from hpcdvc.fields.field import ROW
from hpcdvc.ranks.team import Team
from hpcdvc.runs import checkpoint
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.shards import Shards, key_of

PARAMETERS = {"options": {"half_window_size": [8, 8, 8], "order": 3}, "im1": {"path": "a.tif", "bytes": 12}}
mpi = pytest.mark.mpi


def make_rows(index):
    rows = np.zeros(len(index), ROW)
    rows["index"] = index
    rows["error"] = np.sqrt(rows["index"])
    return rows


@pytest.fixture
def stem(tmp_path):
    return tmp_path / "field [1]*"  # a name that glob would take for a pattern


def write(stem, *batches, parameters=PARAMETERS, team=None):
    """A run that appends some batches of rows and closes its shard."""
    shards = Shards(stem, parameters)
    run = Checkpoint(shards, team or Team())
    run.open()
    for index in batches:
        run.append(make_rows(index))
    run.close()
    return shards


def shard_files(stem):
    return sorted(Path(f"{stem}.parts").rglob("*.rec"))


def test_key_depends_on_values_not_on_order():
    assert key_of({"a": 1, "b": [2]}) == key_of({"b": [2], "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 2})
    assert len(key_of({})) == 64


def test_rows_come_back_in_order(stem):
    shards = write(stem, [5, 1], [], [3])
    assert shards.load().tobytes() == make_rows([1, 3, 5]).tobytes()
    assert shards.existing()


def test_nothing_there(stem):
    shards = Shards(stem, PARAMETERS)
    assert not shards.existing()
    shards.check(resume=False)
    shards.check(resume=True)
    assert len(shards.load()) == 0
    assert shards.instruction_set() is None
    shards.clear()


def test_every_run_starts_a_new_file(stem):
    write(stem, [0, 1])
    before = shard_files(stem)[0].read_bytes()
    shards = write(stem, [2, 1])
    assert len(shard_files(stem)) == 2
    assert shard_files(stem)[0].read_bytes() == before
    assert shards.load()["index"].tolist() == [0, 1, 2]


def test_the_first_measurement_of_a_point_counts(stem):
    for error in (1.0, 2.0):
        run = Checkpoint(Shards(stem, PARAMETERS), Team())
        run.open()
        rows = make_rows([7])
        rows["error"] = error
        run.append(rows)
        run.close()
    assert run.shards.load()["error"].tolist() == [1.0]


@pytest.mark.parametrize("lost", [1, 7, 256, 263, 532, 775, 778, 783, 784])
def test_a_torn_tail_is_dropped(stem, lost):
    """Frames are 16 bytes and 256 a row; the last one (3 rows) is cut at many places."""
    shards = write(stem, [0, 1], [2, 3, 4])
    path = shard_files(stem)[0]
    path.write_bytes(path.read_bytes()[:-lost])
    assert shards.load().tobytes() == make_rows([0, 1]).tobytes()


@pytest.mark.parametrize("place", [0, 9, 13, 100, 527])
def test_a_damaged_frame_is_not_believed(stem, place):
    shards = write(stem, [0, 1], [2])
    path = shard_files(stem)[0]
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    assert len(shards.load()) == 0
    data[place] ^= 1
    data[528 + place % 272] ^= 1
    path.write_bytes(data)
    assert shards.load()["index"].tolist() == [0, 1]


def test_rows_of_another_layout_are_not_believed(stem):
    write(stem, [0, 1])
    swapped = np.dtype([*ROW.descr[:3], *ROW.descr[4:5], *ROW.descr[3:4], *ROW.descr[5:]])
    assert swapped.itemsize == ROW.itemsize
    assert len(Shards(stem, PARAMETERS, swapped).load()) == 0


def test_other_rows(stem):
    """A run may keep what it likes, as long as each row has an index."""
    dtype = np.dtype([("index", "<i8"), ("sums", "<f8", (3,))])
    shards = Shards(stem, PARAMETERS, dtype, "slabs")
    rows = np.array([(3, (1, 2, 3)), (1, (4, 5, 6))], dtype)
    run = Checkpoint(shards, Team())
    run.open()
    run.append(rows)
    run.close()
    assert shards.load().tobytes() == rows[::-1].tobytes()
    with pytest.raises(UserError, match=r"\.parts holds 2 slabs of an unfinished run"):
        shards.check(resume=False)


def test_garbage_in_the_folder_is_ignored(stem):
    shards = write(stem, [4])
    folder = Path(f"{stem}.parts")
    (folder / "0000.rec").write_bytes(b"")
    (folder / "0001.rec").write_text("garbage " * 100)
    (folder / "notes.txt").write_text("mine")
    assert shards.load()["index"].tolist() == [4]


def test_shards_without_resume_are_refused(stem):
    shards = write(stem, [4, 5])
    with pytest.raises(UserError, match=r"parts holds 2 points .* --resume .* --force"):
        shards.check(resume=False)
    shards.check(resume=True)


def test_other_parameters_are_named(stem):
    write(stem, [4])
    changed = json.loads(json.dumps(PARAMETERS))
    changed["options"]["half_window_size"] = [10, 10, 10]
    changed["im1"] = {"path": "b.tif", "bytes": 12}
    changed["mask"] = None
    with pytest.raises(UserError) as caught:
        Shards(stem, changed).check(resume=True)
    text = str(caught.value)
    assert "options.half_window_size was [8, 8, 8], is [10, 10, 10]" in text
    assert 'im1.path was "a.tif", is "b.tif"' in text
    assert "order" not in text
    assert "bytes" not in text


def test_tuples_and_lists_are_the_same_parameters(stem):
    write(stem, [4], parameters={"spacing": (5, 5, 5)})
    Shards(stem, {"spacing": [5, 5, 5]}).check(resume=True)


@pytest.mark.parametrize("content", [None, "", "{", "[]", "{}", '{"parameters": 3}'])
def test_an_unreadable_key_is_one_sentence(stem, content):
    shards = write(stem, [4])
    key = Path(f"{stem}.parts/key.json")
    key.unlink() if content is None else key.write_text(content)
    with pytest.raises(UserError, match=r"key.json|other parameters"):
        shards.check(resume=True)


def test_clear_takes_everything(stem):
    shards = write(stem, [4])
    shards.clear()
    assert not os.path.exists(f"{stem}.parts")
    assert not shards.existing()
    shards.clear()


def test_the_instruction_set_is_remembered(stem):
    run = Checkpoint(Shards(stem, PARAMETERS), Team(), instruction_set="v3")
    run.open()
    run.close()
    assert Shards(stem, PARAMETERS).instruction_set() == "v3"


@pytest.mark.parametrize(("interval", "syncs"), [(0.0, 3), (1000.0, 0)])
def test_written_through_every_interval(stem, monkeypatch, interval, syncs):
    calls = []
    run = Checkpoint(Shards(stem, PARAMETERS), Team(), interval)
    run.open()
    monkeypatch.setattr(os, "fsync", calls.append)
    for k in range(3):
        run.append(make_rows([k]))
    assert len(calls) == syncs
    run.close()
    assert len(calls) == syncs + 1


def test_one_write_per_chunk(stem, monkeypatch):
    sizes = []
    real = os.write
    run = Checkpoint(Shards(stem, PARAMETERS), Team())
    run.open()
    monkeypatch.setattr(os, "write", lambda file, data: sizes.append(len(data)) or real(file, data))
    run.append(make_rows(range(100)))
    assert sizes == [16 + 100 * ROW.itemsize]
    run.close()


def test_a_write_taken_in_parts_is_completed(stem, monkeypatch):
    real = os.write
    run = Checkpoint(Shards(stem, PARAMETERS), Team())
    run.open()
    monkeypatch.setattr(os, "write", lambda file, data: real(file, data[:100]))
    run.append(make_rows(range(3)))
    monkeypatch.undo()
    run.close()
    assert run.shards.load().tobytes() == make_rows(range(3)).tobytes()


def test_a_full_disk_is_one_sentence_and_loses_nothing(stem):
    run = Checkpoint(Shards(stem, PARAMETERS), Team())
    run.open()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
        with pytest.raises(RunError, match=r"\.parts: File too large; .* --resume"):
            for k in range(10):
                run.append(make_rows(range(3 * k, 3 * k + 3)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    run.close()
    assert shard_files(stem)[0].stat().st_size == 5000
    assert run.shards.load().tobytes() == make_rows(range(18)).tobytes()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(RunError, match="was not written: Permission denied"):
        Checkpoint(Shards(tmp_path / "x", PARAMETERS), Team()).open()


def test_a_file_in_the_way(stem):
    Path(f"{stem}.parts").write_text("mine")
    with pytest.raises(UserError, match=r"\.parts is no folder: remove it"):
        Shards(stem, PARAMETERS).check_folder()
    with pytest.raises(RunError, match=r"\.parts/key\.json was not written: Not a directory"):
        Checkpoint(Shards(stem, PARAMETERS), Team()).open()


# with any number of ranks


@mpi
def test_ranks_write_their_own_files(team, shared_tmp_path):
    shards = write(shared_tmp_path / "field", [team.rank, team.rank + 100], team=team)
    team.barrier()
    rows = Checkpoint(shards, team).load()
    expected = sorted([*range(team.size), *range(100, 100 + team.size)])
    assert rows["index"].tolist() == (expected if team.rank == 0 else [])
    assert len(shard_files(shared_tmp_path / "field")) == team.size
    team.barrier()
    team.agree(shards.clear)
    assert not os.path.exists(f"{shared_tmp_path}/field.parts")


@mpi
def test_errors_are_the_same_on_all_ranks(team, shared_tmp_path):
    shards = write(shared_tmp_path / "field", [team.rank], team=team)
    team.barrier()
    for other, resume in ((shards, False), (Shards(shared_tmp_path / "field", {}), True)):
        with pytest.raises(UserError) as caught:
            team.agree(lambda other=other, resume=resume: other.check(resume))
        assert caught.value.agreed
        assert len(set(team.all_gather(str(caught.value)))) == 1


@mpi
def test_a_rank_that_cannot_open_its_file_stops_all(team, shared_tmp_path, monkeypatch):
    if team.rank == team.size - 1:
        monkeypatch.setattr(checkpoint, "_create", lambda path: _refuse(path))
    with pytest.raises(UserError, match=f"{team.size - 1:05d}.rec"):
        Checkpoint(Shards(shared_tmp_path / "field", PARAMETERS), team).open()


def _refuse(path):
    raise UserError(f"cannot write {path}: Disk quota exceeded")
