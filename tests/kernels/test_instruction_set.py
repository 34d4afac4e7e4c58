"""One place chooses the instruction set of all kernels."""

import os
import subprocess
import sys

import numpy as np
import pytest

from hpcdvc import kernels
from hpcdvc.errors import UserError
from hpcdvc.fields.field import POINT
from hpcdvc.registration.settings import Settings, Window
from hpcdvc.registration.windows import WindowRegistration


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    monkeypatch.setattr(kernels, "_selected", None)
    monkeypatch.delenv("HPCDVC_ISA", raising=False)


def test_the_least_comes_first_and_the_best_is_taken():
    able = kernels.supported()
    assert able[0] == "v1" and list(able) == sorted(able)
    assert kernels.selected() == able[-1]


def test_environment_narrows(monkeypatch):
    monkeypatch.setenv("HPCDVC_ISA", "v1")
    assert kernels.supported() == ("v1",) and kernels.selected() == "v1"
    with pytest.raises(UserError, match="v3.*not supported"):
        kernels.select("v3")


@pytest.mark.parametrize("name", ["v2", "avx2", "3"])
def test_unknown_names(monkeypatch, name):
    with pytest.raises(UserError, match=name):
        kernels.select(name)
    monkeypatch.setenv("HPCDVC_ISA", name)
    with pytest.raises(UserError, match=f"HPCDVC_ISA={name} .*v1"):
        kernels.supported()


def test_all_extensions_obey():
    """Rows of windows differ in their last bits between "v1" and the others; what is selected later counts at once."""
    rng = np.random.default_rng(0)
    image = rng.normal(100, 20, (30, 30, 30)).astype("f4")
    points = np.zeros(1, POINT)
    points["position"], points["Phi"][:, :, :3] = 15, np.eye(3)
    points["Phi"][:, :, 3] = 0.3
    registration = WindowRegistration(image, np.roll(image, 1, 2), Settings(Window((6, 6, 6))))
    rows = {}
    for name in (*kernels.supported(), "v1"):
        kernels.select(name)
        assert kernels.selected() == name
        row = registration(points).tobytes()
        assert rows.setdefault(name, row) == row
    if "v3" in rows:
        assert rows["v1"] != rows["v3"]


def test_import_costs_neither_numpy_nor_an_extension():
    script = "import sys, hpcdvc.kernels; print([m for m in sys.modules if 'numpy' in m or 'kernels.' in m])"
    path = os.pathsep.join(sys.path)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env={"PYTHONPATH": path})
    assert done.stdout.strip() == "[]", done.stderr
