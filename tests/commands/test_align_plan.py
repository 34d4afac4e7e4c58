"""What hpcdvc-align --dry-run says of a scan that no node holds, and of one that is still to be measured."""

import re
from collections import namedtuple

import h5py
import numpy as np
import pytest
from align_cases import save_scan
from reg_ends import check_end, files, play_command

from hpcdvc.cli import main

VIEWS, SIZE = 1500, 2048
HERE = re.compile(
    r"mode (slab|replicated)( \(this run\))?: ([\d.]+) GB per rank, ([\d.]+) GB shared .*; together ([\d.]+) GB on a "
    r"node with 1 rank; about ([\d.]+) core-hours"
)


@pytest.fixture
def case(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    play_command(monkeypatch, "align")


def save_exchange(file, **how):
    """A scan of 6 GB that was made, not written."""
    file.create_dataset("exchange/data", (VIEWS, SIZE, SIZE), "u2", **how)
    file.create_dataset("exchange/data_white", (10, SIZE, SIZE), "u2", **how)
    file.create_dataset("exchange/data_dark", (10, SIZE, SIZE), "u2", **how)
    file["exchange/theta"] = np.linspace(0, 180, VIEWS, endpoint=False)


def save_compressed(file):
    save_exchange(file, chunks=(1, SIZE, SIZE), compression="gzip")


def save_views(file):
    for view in range(3):
        file.create_dataset(f"projections/{view}/diode", (SIZE, SIZE), "f4")
        file[f"projections/{view}/inner_angle"] = 0.1 * view
    file["volume_shape"] = [4 * SIZE] * 3


@pytest.mark.parametrize("save", [save_exchange, save_compressed, save_views])
def test_a_scan_that_is_not_there_yet(case, save, capfd):
    """Memory and core-hours of both modes, then the refusal; without --dry-run that nothing was written."""
    with h5py.File("plan.h5", "w") as file:
        save(file)
    assert main("align", ["plan.h5", "--dry-run", "-od", "new"]) == 2
    out, err = capfd.readouterr()
    assert "GB of memory on a node in the mode slab" in err and files() == {"plan.h5"}
    said = {mode: (here, *map(float, numbers)) for mode, here, *numbers in HERE.findall(out)}
    assert set(said) == {"slab", "replicated"} and said["slab"][0] and not said["replicated"][0]
    voxels = SIZE**3 if save is not save_views else (4 * SIZE) ** 3
    assert all(rank > 5 * 4e-9 * voxels and rank + shared < node for _, rank, shared, node, _ in said.values())
    assert said["replicated"][2] > 4e-9 * voxels and not said["slab"][2]
    assert said["slab"][4] < said["replicated"][4]
    check_end(capfd, ["plan.h5", "-od", "new"], ("plan.h5", "not whole"), 2, "align")


def test_core_hours(case, capfd):
    """Of iterations as they are allowed: one of all, and the volume that comes out, count as two at full size."""
    with h5py.File("plan.h5", "w") as file:
        save_exchange(file)
    hours = {}
    for words in ("-maxiter 2 -bin 1 -met gn", "-maxiter 0 -bin 1", "-maxiter 1 -bin 4", "-maxiter 1 -bin 4 -met cc"):
        assert main("align", ["plan.h5", "--dry-run", *words.split()]) == 2
        hours[words] = float(HERE.search(capfd.readouterr().out)[6])
    three, one, coarse, short = hours.values()
    assert three / one == pytest.approx(3, rel=0.01)
    assert coarse / one == pytest.approx(1 + 3 / 64, rel=0.01)  # cc and gn, and the start
    assert short / one == pytest.approx(1 + 2 / 64, rel=0.01)


def test_a_disk_that_is_too_small(case, capfd, monkeypatch):
    """What it takes is said before it is refused; nothing is left by either."""
    save_scan("scan.h5", 4, 14, 12)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("hpcdvc.output.places.shutil.disk_usage", lambda path: usage(10**6, 10**6 - 1000, 1000))
    assert main("align", ["scan.h5", "--dry-run"]) == 2
    out, err = capfd.readouterr()
    assert "core-hours" in out and "disk: " in out and "no space for the results" in err
    check_end(capfd, ["scan.h5"], ("no space for the results",), 2, "align")
    assert files() == {"scan.h5"}
