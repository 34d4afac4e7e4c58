"""Pictures and files of the iterations of a registration."""

import builtins

import numpy as np
import pytest

from hpcdvc.errors import UserError
from hpcdvc.output import graph
from hpcdvc.registration.gauss_newton import ITERATE, Iterate

pytestmark = pytest.mark.filterwarnings("error")


def history(levels: dict[int, int]) -> np.ndarray:
    """So many iterations at each binning, towards a displacement of 3 voxels."""
    rows = []
    for factor, count in levels.items():
        for number in range(1, count + 1):
            phi = np.eye(4)[:3]
            phi[:, 3] = 3 / factor * (1 - 0.5**number)
            state = Iterate(number, 2 * (number == count), False, phi, 0.5**number, 0.9, 1e4, 0.5**number)
            rows.append(state.row(len(rows), factor))
    return np.concatenate(rows)


def failed() -> np.ndarray:
    """One that had nothing to sum up: no error, no correlation."""
    return Iterate(1, -8, False, np.eye(4)[:3]).row(0, 1)


HISTORIES = {
    "three levels": history({4: 9, 2: 5, 1: 3}),
    "one iteration": history({1: 1}),
    "failed at once": failed(),
    "failed later": np.concatenate([history({2: 3}), failed()]),
    "negative error": history({1: 3}),
    "no change": history({1: 3}),
}
HISTORIES["negative error"]["error"] *= -1
HISTORIES["no change"]["delta_phi_norm"] = HISTORIES["no change"]["error"] = 0


@pytest.mark.parametrize("what", HISTORIES)
def test_picture(what, tmp_path):
    image = pytest.importorskip("matplotlib.image")
    path = tmp_path / "a [name] é.png"
    path.write_text("an older one")
    graph.draw_iterations(str(path), HISTORIES[what])
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" and [p.name for p in tmp_path.iterdir()] == [path.name]
    assert image.imread(path).shape[:2] == (880, 990) and path.stat().st_size < graph.PICTURE


def test_displacement_is_in_voxels_of_the_images(tmp_path, monkeypatch):
    """Whatever the binning: the curves of the levels meet."""
    figure = pytest.importorskip("matplotlib.figure")
    drawn = []
    monkeypatch.setattr(figure.Figure, "savefig", lambda self, *words, **more: drawn.append(self))
    graph.draw_iterations(str(tmp_path / "x.png"), HISTORIES["three levels"])
    (axis,) = (axis for axis in drawn[0].axes if axis.get_title() == "displacement, voxel")
    curves = [line for line in axis.lines if line.get_label() in "zyx"]
    assert len(curves) == 3
    for line in curves:
        values = line.get_ydata()
        assert [values[k] for k in (8, 13, 16)] == pytest.approx([3, 3, 3], rel=0.15)


@pytest.mark.parametrize("what", HISTORIES)
def test_file(what, tmp_path):
    path = tmp_path / "iterations.npy"
    graph.save_iterations(str(path), HISTORIES[what])
    found = np.load(path)
    assert found.dtype == ITERATE and found.tobytes() == HISTORIES[what].tobytes()


def test_without_matplotlib(monkeypatch):
    """One sentence, before anything is registered."""
    real = builtins.__import__

    def without(name, *words):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *words)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match="pip install matplotlib"):
        graph.check()
