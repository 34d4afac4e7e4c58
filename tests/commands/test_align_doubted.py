"""hpcdvc-align says where an alignment is nothing to rely on: in words, in the file, by its exit code."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from align_cases import absorbances, geometry, offsets, save_scan
from reg_ends import play_command

from hpcdvc.cli import main

VIEWS, SIZE, HEIGHT = 15, 20, 16


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    play_command(monkeypatch, "align")
    np.savetxt("angles.txt", np.degrees(geometry(VIEWS, SIZE, HEIGHT).inner))


def save_views(path, largest=1.0, rows=slice(None)):
    """A stack of absorbances with noise, of columns `rows` of the views."""
    values = absorbances(geometry(VIEWS, SIZE, HEIGHT), offsets(VIEWS, largest))
    values += np.random.default_rng(0).normal(0, 0.001, values.shape)
    np.save(path, values[:, rows].transpose(0, 2, 1).astype("f4"))


def views_of(stem):
    with h5py.File(f"{stem}-align.hdf") as file:
        views = file["hpcdvc/views"]
        return views["returnStatus"][:], views["residual"][:], views["likeness"][:]


def end_of(stem):
    return json.loads(Path(f"{stem}-align.run.json").read_text())["end"]


def test_noise(capfd):
    """Nothing is known: exit code 1, with the files; nowhere it is called converged."""
    np.save("noise.npy", np.random.default_rng(1).normal(0, 0.02, (VIEWS, HEIGHT, SIZE)).astype("f4"))
    assert main("align", ["noise.npy", "-angles", "angles.txt", "-nograph"]) == 1
    said = capfd.readouterr()
    assert "no view is aligned" in said.err and "not like what the other half" in said.err
    assert "converged in" not in said.out + said.err
    statuses, residuals, likeness = views_of("noise")
    assert (statuses == -9).all() and likeness.max() < 0.5 and residuals.shape == (VIEWS,)
    end = end_of("noise")
    assert not end["converged"] and end["statuses"] == {"-9": VIEWS} and end["doubts"]
    assert Path("noise-align.tsv").exists()


def test_one_wrong_view(capfd):
    """It is named, and the others are a result."""
    save_views("views.npy")
    views = np.load("views.npy")
    views[4] = 0.05
    np.save("views.npy", views)
    assert main("align", ["views.npy", "-angles", "angles.txt", "-nograph"]) == 0
    said = capfd.readouterr()
    assert "not converged: 1 of 15 views have no texture" in said.err and said.err.split("offsets: ")[1][0] == "4"
    assert "converged in" not in said.out + said.err
    statuses, _, likeness = views_of("views")
    assert statuses[4] == -2 and (np.delete(statuses, 4) == 2).all() and np.isnan(likeness[4])
    assert end_of("views")["statuses"] == {"-2": 1, "2": VIEWS - 1}


def test_object_in_view(capfd):
    """Nothing to be said of it."""
    save_scan("scan.h5", VIEWS, SIZE, HEIGHT)
    assert main("align", ["scan.h5", "-nograph"]) == 0
    said = capfd.readouterr()
    assert "converged in" in said.out + said.err
    for words in ("not converged", "field of view", "not explained"):
        assert words not in said.out + said.err
    statuses, residuals, likeness = views_of("scan")
    assert (statuses == 2).all() and residuals.max() < 0.1 and likeness.min() > 0.99


def test_truncated_field_of_view(capfd):
    save_views("cut.npy", rows=slice(6, -6))
    main("align", ["cut.npy", "-angles", "angles.txt", "-nograph", "-maxiter", "2"])
    assert "the object leaves the field of view at both sides" in capfd.readouterr().err
