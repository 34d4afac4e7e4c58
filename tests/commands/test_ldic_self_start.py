"""hpcdvc-ldic that finds its start: what it says, switches, ranks, series and resumed runs."""

import json
import logging

import numpy as np
import pytest
import tifffile
from ldic_cases import digest, images, measure, run_here, same_rows, save_pair, save_registration
from synthetic import Affine, translation

from hpcdvc.errors import Unfinished
from hpcdvc.fields.status import Status
from hpcdvc.output.hdf5 import read_field
from hpcdvc.steps.self_start import SearchingRegistration

GRID = ("-ns", 7, "-hws", 6)
SHAPE = (46, 48, 50)
FAR = translation((8.4, -7.3, 6.2))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_pair(*images(FAR, SHAPE))


def record(stem: str = "im1-im2-ldic") -> dict:
    with open(f"{stem}.run.json") as file:
        return json.load(file)


def test_far_motion_and_switches():
    field = measure(*GRID)
    good = field.return_status == Status.CONVERGED
    assert good.sum() > 60 and np.abs(field.displacement - FAR.displacement(field.positions))[good].max() < 0.05
    facts = record()["start"]
    assert facts["used"] and facts["lost"] >= facts["found"] > 0 and facts["largest"] == pytest.approx(8.4, abs=0.05)
    alone = measure(*GRID, "--no-search")
    assert (alone.return_status == Status.CONVERGED).mean() < 0.1 and "start" not in record()
    save_registration("start.tsv", Affine(np.eye(3), np.array([0.2, 0.1, 0.0]), np.full(3, 20.0)))
    measure(*GRID, "-pf", "start.tsv")
    assert "start" not in record()
    # a registration that fails is no start
    field = measure(*GRID, "--register")
    assert (field.return_status == Status.CONVERGED).sum() == good.sum() and record()["start"]["used"]


def test_small_motion_has_the_bits_of_no_search():
    save_pair()
    field = measure("-ns", 6, "-hws", 5)
    assert not record()["start"]["used"] and field.measured.mean() > 0.8
    assert same_rows(measure("-ns", 6, "-hws", 5, "--no-search"), field)
    measure("-ns", 6, "-hws", 5, "--register")
    assert "start" not in record()


def test_ranks_and_dry_run(run_command):
    run_here("im1.tif", "im2.tif", *GRID, "-pre", "n1")
    for ranks in (2, 3):
        assert run_command("ldic", "im1.tif", "im2.tif", *GRID, "-q", "-pre", f"n{ranks}", ranks=ranks).returncode == 0
    assert digest("n1-ldic.hdf") == digest("n2-ldic.hdf") == digest("n3-ldic.hdf")
    assert record("n1-ldic")["start"] == record("n3-ldic")["start"]
    for words, said in (((), True), (("--no-search",), False), (("--register",), False)):
        text = run_command("ldic", "im1.tif", "im2.tif", *GRID, "--dry-run", *words).stdout
        assert ("start: " in text) == said


def test_steps_after_the_first_go_on_from_it(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("hpcdvc"), "propagate", True)
    im1, im2 = images(FAR, SHAPE)
    save_pair(im1, im2)
    _, im3 = images(translation((9.1, -8.2, 6.9)), SHAPE)
    tifffile.imwrite("im3.tif", im3)
    with caplog.at_level(logging.INFO, "hpcdvc"):
        paths = run_here("im1.tif", "im2.tif", "im3.tif", *GRID)
    assert sum("looked around" in message for message in caplog.messages) == 1
    assert [(read_field(path).return_status == Status.CONVERGED).sum() > 50 for path in paths[:1] + paths[2:3]] == [
        True
    ] * 2
    assert "start" in record() and "start" not in record("im1-im3-ldic")


def test_resumed_run_finds_the_same(monkeypatch):
    whole = run_here("im1.tif", "im2.tif", *GRID, "-od", "whole")[0]
    measured, register = [], SearchingRegistration.__call__

    def leave(self, points):
        if len(measured) == 6:
            raise Unfinished("left on request")
        measured.append(len(points))
        return register(self, points)

    with monkeypatch.context() as patch, pytest.raises(Unfinished):
        patch.setattr(SearchingRegistration, "__call__", leave)
        run_here("im1.tif", "im2.tif", *GRID, "-od", "left")
    again = run_here("im1.tif", "im2.tif", *GRID, "-od", "left", "--resume")[0]
    assert digest(again) == digest(whole)
