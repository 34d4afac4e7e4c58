"""Images made slab by slab on any number of ranks: the same bytes and sums, also after a stop and after lost pages."""

import errno
import os
import re
from pathlib import Path

import numpy as np
import pytest

from hpcdvc.errors import RunError, Unfinished, UserError
from hpcdvc.images import describe, open_volume
from hpcdvc.output import files
from hpcdvc.output.image import ImageFile
from hpcdvc.ranks.team import Team
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.shards import Shards
from hpcdvc.runs.slabs import SLAB, VOXELS, slab_depth, write_slabs

mpi = pytest.mark.mpi
SHAPE = (45, 11, 13)
DEPTH = 4
SLABS = 12
PARAMETERS = {"what": "planes"}
VALUES = np.random.default_rng(6).normal(100, 30, SHAPE)


class Maker:
    """Planes of VALUES, as u2 and as f4; counts the slabs, and asks its rank to leave after some of them."""

    def __init__(self, team=None, stop_after: int = 10**9):
        self.team, self.stop_after, self.made = team, stop_after, []

    def __call__(self, first, last):
        self.made.append(first // DEPTH)
        if len(self.made) >= self.stop_after:
            self.team.stop_requested = True
        for z in range(first, last):
            yield (VALUES[z].astype("u2"), VALUES[z].astype("f4")), np.array([1, VALUES[z].sum(), VALUES[z].std()])


@pytest.fixture
def run(team, shared_tmp_path):
    """run(maker): one run of a program that writes two images; returns the sums (on rank 0)."""
    team.stop_requested = False

    def go(make: Maker, resume: bool = True, finish=None) -> np.ndarray:
        shards = Shards(str(shared_tmp_path / "a"), PARAMETERS, SLAB, "slabs")
        team.agree(lambda: shards.check(resume))
        kinds = {"a.tif": np.dtype("u2"), "a-second.tif": np.dtype("f4")}
        images = [ImageFile(str(shared_tmp_path / name), SHAPE, t, {"key": "k"}) for name, t in kinds.items()]
        sums = write_slabs(team, images, DEPTH, make, 0.001, Checkpoint(shards, team), quiet=True, finish=finish)
        team.agree(shards.clear)
        return sums

    yield go
    team.stop_requested = False


def check(team, folder: Path, sums: np.ndarray) -> None:
    """The two images and the sums, to the last bit."""
    if team.rank:
        return
    assert sorted(os.listdir(folder)) == ["a-second.tif", "a.tif"]
    for name, dtype in (("a.tif", "u2"), ("a-second.tif", "f4")):
        np.testing.assert_array_equal(open_volume(describe(str(folder / name))), VALUES.astype(dtype))
    expected = np.zeros((SLABS, 3))
    for z in range(SHAPE[0]):
        expected[z // DEPTH] += 1, VALUES[z].sum(), VALUES[z].std()
    assert sums.tobytes() == expected.sum(axis=0).tobytes()


@mpi
def test_in_one_go(team, run, shared_tmp_path):
    make = Maker()
    check(team, shared_tmp_path, run(make))
    assert sorted(sum(team.all_gather(make.made), [])) == list(range(SLABS)), "every slab once"


@mpi
@pytest.mark.parametrize("nodes", [1, 2])
def test_on_several_nodes(team, shared_tmp_path, nodes):
    """The ranks of a node share their slabs, not those of another."""
    parted = Team(team.comm, min(nodes, team.size)) if team.comm is not None else team
    image = ImageFile(str(shared_tmp_path / "a.tif"), SHAPE, np.dtype("u2"), {"key": "k"})
    shards = Shards(str(shared_tmp_path / "a"), PARAMETERS, SLAB, "slabs")

    def make(first, last):
        return ((planes[:1], sums) for planes, sums in Maker()(first, last))

    sums = write_slabs(parted, [image], DEPTH, make, 0.001, Checkpoint(shards, parted), quiet=True)
    team.agree(shards.clear)
    if team.rank == 0:
        assert sums[0] == SHAPE[0]
        np.testing.assert_array_equal(open_volume(describe(image.path)), VALUES.astype("u2"))


@mpi
def test_stopped_and_gone_on_with(team, run, shared_tmp_path):
    first = Maker(team, stop_after=2)
    with pytest.raises(Unfinished, match="of 12 slabs to do; the others are safe, run again with --resume"):
        run(first)
    team.stop_requested = False
    team.agree(lambda: names_while_unfinished(shared_tmp_path))
    with pytest.raises(UserError, match=r"a\.parts holds \d+ slabs of an unfinished run: type --resume"):
        run(Maker(), resume=False)
    second = Maker()
    check(team, shared_tmp_path, run(second))
    made = sum(team.all_gather(first.made + second.made), [])
    assert sorted(made) == list(range(SLABS)), "nothing is made twice"


def names_while_unfinished(folder: Path) -> None:
    names = sorted(re.sub("[0-9a-f]{16}", "*", name) for name in os.listdir(folder))
    assert names == ["a-second.tif.*.tmp", "a.parts", "a.tif.*.tmp"]


@mpi
@pytest.mark.parametrize("damage", ["a page of the first", "a page of the second", "the end", "a whole file"])
def test_what_is_lost_is_made_again(team, run, shared_tmp_path, damage):
    """Rows say that slabs are done which are not in the files: as after a crash of the machine."""
    with pytest.raises(Unfinished):
        run(Maker(team, stop_after=max(1, 6 // team.size)))
    team.stop_requested = False

    def harm():
        (first,), (second,) = shared_tmp_path.glob("a.tif.*.tmp"), shared_tmp_path.glob("a-second.tif.*.tmp")
        if damage == "a whole file":
            second.unlink()
        elif damage == "the end":
            os.truncate(second, 1000)
        else:
            with open(first if "first" in damage else second, "r+b") as file:
                file.seek(600)
                file.write(bytes(1200))

    team.agree(harm)
    check(team, shared_tmp_path, run(Maker()))


@mpi
def test_killed_between_the_renames(team, run, shared_tmp_path, monkeypatch):
    settle = ImageFile.settle

    def once(self, path):
        if "second" in self.path:
            raise RunError("killed here")
        settle(self, path)

    monkeypatch.setattr(ImageFile, "settle", once)
    with pytest.raises(RunError, match="killed here"):
        run(Maker())
    monkeypatch.setattr(ImageFile, "settle", settle)
    make = Maker()
    check(team, shared_tmp_path, run(make))
    assert not make.made, "all slabs were there"


@mpi
def test_what_is_made_of_all_planes(team, run, shared_tmp_path):
    """On every rank when all planes are there, and before the files have their names."""
    seen = []

    def finish(places):
        (path, offset), _ = places
        assert not (shared_tmp_path / "a.tif").exists()
        seen.append(np.fromfile(path, "u2", VALUES.size, offset=offset))

    run(Maker(), finish=finish)
    np.testing.assert_array_equal(seen, [VALUES.astype("u2").ravel()])


@mpi
def test_file_that_cannot_be_created(team, run, monkeypatch):
    create = files.create

    def refuse(path, *flags):
        if "a-second" in str(path):
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))
        return create(path, *flags)

    monkeypatch.setattr(files, "create", refuse)
    make = Maker()
    with pytest.raises(RunError, match="a-second.tif was not written"):
        run(make)
    assert not make.made


def test_depth_of_slabs():
    assert slab_depth((500, 300, 300), 16) == slab_depth((5, 3, 3), 16) == 16
    for side in (2000, 4000, 8000):
        depth = slab_depth((9, side, side), 16)
        assert depth in (1, 2, 4, 8, 16) and (depth == 1 or depth * side * side <= VOXELS < 2 * depth * side * side)
