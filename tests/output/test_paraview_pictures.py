"""The screenshots of the documentation can be made again, and show something."""

import importlib
import shutil
import sys

import numpy as np
import pytest
from matplotlib.image import imread, imsave
from pages import DOCS

KEPT = ("paraview-ldic.png", "paraview-gdic.png")


def shows_something(path) -> bool:
    """Whether a screenshot has many colours, on much more than the axes and their names."""
    colours = np.rint(255 * imread(path)[..., :3]).astype(int)
    white = (colours > 250).all(axis=2)
    lively = np.ptp(colours, axis=2) > 40
    return 0.05 < lively.mean() < 0.8 and white.mean() > 0.1 and len(np.unique(colours[lively], axis=0)) > 20


@pytest.mark.parametrize("name", KEPT)
def test_kept_screenshots_are_not_blank(name):
    assert shows_something(DOCS / name)


def test_a_blank_view_is_noticed(tmp_path):
    """White, and white with black axes."""
    picture = np.ones((620, 940, 3))
    imsave(tmp_path / "a.png", picture)
    picture[100:110] = 0
    imsave(tmp_path / "b.png", picture)
    assert not shows_something(tmp_path / "a.png") and not shows_something(tmp_path / "b.png")


@pytest.mark.paraview
def test_paraview_makes_the_screenshots_again(tmp_path, monkeypatch):
    if not shutil.which("pvbatch"):
        pytest.skip("pvbatch is not on PATH: apt-get install paraview python3-paraview xvfb")
    monkeypatch.syspath_prepend(str(DOCS))
    monkeypatch.setattr(sys, "path", [*sys.path])
    pictures = importlib.import_module("paraview_pictures").draw(tmp_path)
    assert [path.name for path in pictures] == list(KEPT)
    assert all(map(shows_something, pictures))
