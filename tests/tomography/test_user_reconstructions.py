"""Reconstructions of users in the loop: what they get, what they return, and returns that do not fit."""

import sys
from dataclasses import dataclass, replace
from types import ModuleType, SimpleNamespace

import h5py
import numpy as np
import pytest
from tomography_cases import turned

from hpcdvc.errors import UserError
from hpcdvc.ranks.team import Team
from hpcdvc.tomography.align import align, check
from hpcdvc.tomography.beams import adjoint, forward
from hpcdvc.tomography.scan import Scan
from hpcdvc.tomography.settings import AlignSettings

SIZE, VIEWS = 12, 6


@dataclass(frozen=True)
class Memory:
    values: np.ndarray
    files: tuple = ()

    def read(self, view):
        return self.values[view], np.ones(self.values.shape[1:], np.float32)


def scan_of_a_ball(absorbances=True):
    geometry = turned(np.linspace(0.1, 3, VIEWS), np.zeros(VIEWS), (SIZE,) * 3, (SIZE, SIZE))
    x, y, z = np.indices((SIZE,) * 3) - (SIZE - 1) / 2
    volume = np.exp(-((x - 1) ** 2 + y**2 + z**2) / 6).astype("f4")
    zero = np.zeros(VIEWS)
    return Scan("ball", geometry, zero, zero, Memory(forward(volume, geometry)), "stack", absorbances=absorbances)


class Projector:
    """As mumott has them: of the channels of a volume."""

    def __init__(self, container):
        self.geometry, where = container.scan_geometry, container.geometry
        self.offsets = where.j_offsets_as_array, where.k_offsets_as_array

    def forward(self, x):
        return np.stack([forward(part, self.geometry, *self.offsets) for part in np.moveaxis(x, -1, 0)], axis=-1)

    def adjoint(self, views):
        return adjoint(views, self.geometry, *self.offsets)


class Doubled:
    """A basis set: two channels of the data, whose mean is that of the volume."""

    def forward(self, projections):
        return np.concatenate([0.5 * projections, 1.5 * projections], axis=-1)


CALLS = []


def result(data_container, **words):
    """A volume by one step, and all else of the contract."""
    CALLS.append(words)
    projector = Projector(data_container)
    lengths = projector.forward(np.ones((*data_container.scan_geometry.volume, 1), "f4"))
    x = projector.adjoint(data_container.data[..., 0] / np.maximum(lengths[..., 0], 1)) / VIEWS
    weights = data_container.weights
    return {"result": {"x": x[..., None]}, "projector": projector, "weights": weights, "basis_set": Doubled()}


def settings_of(function, **words):
    return AlignSettings(reconstruction=function, maxiter=1, methods=("gn",), bins=(1,), start="zero", **words)


@pytest.mark.parametrize("absorbances", [True, False])
def test_what_it_is_told(absorbances):
    """Whether absorbances are wanted; without them the basis set makes data of projections, which the mean is of."""
    CALLS.clear()
    scan = scan_of_a_ball(absorbances)
    found = align(scan, settings_of(result, reconstruction_kwargs={"more": 3}), Team())
    told = {"use_gpu": False, "use_absorbances": absorbances, "no_tqdm": True, "more": 3}
    assert CALLS == [told] * 2
    assert np.array_equal(found.reference, scan.views.values)
    expected = forward(found.reconstruction, scan.geometry, found.j_offsets, found.k_offsets)
    assert np.allclose(found.projections, expected, rtol=1e-5)


def test_the_keywords_of_the_user_come_first():
    """use_absorbances among them: what is compared is the mean of the data then."""
    scan = scan_of_a_ball()
    found = align(scan, settings_of(result, reconstruction_kwargs={"use_absorbances": False}), Team())
    assert np.array_equal(found.reference, scan.views.values)

    def other(**words):
        return {**result(**words), "absorbances": 2 * words["data_container"].absorbances}

    assert np.array_equal(align(scan, settings_of(other), Team()).reference, 2 * scan.views.values)


def test_a_volume_is_enough():
    """With or without a channel; the projections are ours."""
    scan = scan_of_a_ball()

    def bare(**words):
        return {"result": {"x": result(**words)["result"]["x"][..., 0]}}

    whole, found = (align(scan, settings_of(function), Team()) for function in (result, bare))
    assert np.allclose(found.j_offsets, whole.j_offsets, atol=1e-6) and found.j_offsets.any()


def changed(**parts):
    def function(**words):
        return {**result(**words), **parts}

    return function


NAN = np.full((SIZE,) * 3, np.nan)
WRONG = {
    "nothing": (lambda **words: None, "must return a dict"),
    "no volume": (changed(result={}), "must return a dict"),
    "another size": (changed(result={"x": np.zeros((2, 3, 4))}), r"shape \(2, 3, 4\)"),
    "no numbers": (changed(result={"x": "x"}), "where numbers"),
    "NaN": (changed(result={"x": NAN}), "volume that holds NaN"),
    "no projector": (changed(projector=3), "no method forward"),
    "other weights": (changed(weights=np.ones((3, 3))), r"weights of shape \(3, 3\)"),
    "other views": (changed(absorbances=np.ones((VIEWS, 4, 4, 1))), "views of shape"),
    "views of NaN": (changed(absorbances=np.full((VIEWS, SIZE, SIZE), np.nan)), "views that hold NaN"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit(name):
    function, said = WRONG[name]
    with pytest.raises(UserError, match=said) as caught:
        align(scan_of_a_ball(), settings_of(function), Team())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "said"), [("def run(:\n", "SyntaxError"), ("1 / 0\n", "division by zero")])
def test_a_module_that_cannot_be_imported(text, said, tmp_path, monkeypatch):
    name = f"module_{said.split()[0].lower()}"
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UserError, match=f"{name} .* cannot be imported: .*{said}") as caught:
        check(scan_of_a_ball().geometry, replace(AlignSettings(), reconstruction=f"{name}:run"))
    assert "\n" not in str(caught.value)


class DataContainer:
    """Stands in for mumott's, which no other container may take the place of in its own functions."""

    def __init__(self, path):
        with h5py.File(path) as file:
            views = [file[f"projections/{view}"] for view in range(len(file["projections"]))]
            read = {name: np.array([view[name][()] for view in views]) for name in ("data", "diode", "weights")}
            rotations = np.array([view["rotation_matrix"][()] for view in views])
            self.geometry = SimpleNamespace(rotations_as_array=rotations, volume_shape=file["volume_shape"][()])
            start = {name: file[f"{name}_direction_0"][()] for name in "pjk"}
        self.__dict__.update(read)
        self.looks = [np.einsum("nij,i->nj", rotations, start[name]) for name in "pjk"]
        OPENED.append(self)


OPENED: list = []


@pytest.fixture
def mumott(monkeypatch):
    """A package of this name, with a function that is its own."""

    def run(data_container, **words):
        assert isinstance(data_container, DataContainer)
        size = tuple(data_container.geometry.volume_shape)
        return {"result": {"x": np.full((*size, 1), np.mean(data_container.geometry.j_offsets), "f4")}}

    modules = {name: ModuleType(name) for name in ("mumott", "mumott.data_handling", "mumott.pipelines")}
    modules["mumott.data_handling"].DataContainer, modules["mumott.pipelines"].run = DataContainer, run
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    OPENED.clear()


@pytest.mark.parametrize("absorbances", [True, False])
def test_functions_of_mumott_get_its_container(mumott, absorbances):
    """Of a scan of any kind, once, with the volume that is asked for and the offsets of each iteration."""
    scan = scan_of_a_ball(absorbances)
    scan = replace(scan, j_offsets=np.full(VIEWS, 0.5), geometry=replace(scan.geometry, volume=(10, 11, 12)))
    settings = replace(settings_of("mumott.pipelines:run"), start="file")
    found = align(scan, settings, Team())
    (held,) = OPENED
    assert np.allclose(found.reconstruction, found.j_offsets.mean()) and found.reconstruction.shape == (10, 11, 12)
    assert np.array_equal(held.data[..., 0], scan.views.values) and (held.weights == 1).all()
    assert np.allclose(-np.log10(held.diode), scan.views.values if absorbances else 0, atol=1e-6)
    assert np.allclose(held.looks, [scan.geometry.p, scan.geometry.u, scan.geometry.w])
