"""One control for two loops: the kernel of the windows and the iterations on whole images obey the same numbers."""

import numpy as np
import pytest
from reg_cases import CENTRE, pair_of

from hpcdvc.fields.field import POINT
from hpcdvc.fields.status import Status
from hpcdvc.ranks.team import Team
from hpcdvc.registration import control, gauss_newton, kernel_settings
from hpcdvc.registration.levels import Level
from hpcdvc.registration.multiscale import RegistrationResult, register_levels
from hpcdvc.registration.settings import Interpolation, Iterations, Settings, Window
from hpcdvc.registration.task import Task
from hpcdvc.registration.windows import register_windows

#: Another number, and what it does to a registration that converges with those of control.py; None: other bits.
OTHERS = {
    "NEAR": (1e-5, None),
    "GROWTH": (1e9, Status.ERROR_GROWTH),
    "VOLUME_RATIO": ((0.2, 0.99), Status.VOLUME_CHANGE),
    "LEAST_VARIANCE": (10.0, Status.SINGULAR),
    "LEAST_CONTRAST": (2.0, None),
}


def window(**iterations: object) -> np.void:
    """The row of one window, trilinear interpolation."""
    point = np.zeros(1, POINT)
    point["position"], point["Phi"] = CENTRE, np.eye(4)[:3]
    settings = Settings(Window((12,) * 3), iterations=Iterations(**iterations), interpolation=Interpolation(1))
    return register_windows(*pair_of(), point, settings)[0]


def image(**iterations: object) -> RegistrationResult:
    """The same of the whole image."""
    task = Task(Settings(iterations=Iterations(**iterations), interpolation=Interpolation(1)))
    return register_levels({1: Level.of(*pair_of())}, task, np.eye(4), CENTRE, Team())


def numbers(found: np.void | RegistrationResult) -> bytes:
    return found["Phi"].tobytes() if isinstance(found, np.void) else found.phi[:3].tobytes()


def status(found: np.void | RegistrationResult) -> int:
    return found["return_status"] if isinstance(found, np.void) else found.return_status


@pytest.mark.parametrize(("loop", "module"), [(window, kernel_settings), (image, gauss_newton)])
@pytest.mark.parametrize("name", OTHERS)
def test_numbers_of_both_loops(monkeypatch, name, loop, module):
    assert getattr(module, name) is getattr(control, name)
    plain, (other, expected) = loop(max_iterations=12, min_delta_phi=1e-6), OTHERS[name]
    assert status(plain) == Status.CONVERGED
    monkeypatch.setattr(module, name, other)
    found = loop(max_iterations=12, min_delta_phi=1e-6)
    assert status(found) == (expected or Status.CONVERGED)
    assert expected or numbers(found) != numbers(plain)


@pytest.mark.parametrize("loop", [window, image])
def test_decorrelated(loop):
    assert status(loop(min_zncc=0.9)) == Status.CONVERGED
    assert status(loop(min_zncc=1.01)) == Status.DECORRELATED


def test_growth_is_judged_in_the_second_half(monkeypatch):
    """Of a window one iteration later; that one is not counted."""
    for module in (kernel_settings, gauss_newton):
        monkeypatch.setattr(module, "GROWTH", 1e9)
    for most in (6, 7):
        ends = {"max_iterations": most, "min_delta_phi": 1e-12}
        found = image(**ends)
        assert found.return_status == Status.ERROR_GROWTH and found.iterations == len(found.history) == most // 2 + 1
        row = window(**ends)
        assert row["return_status"] == Status.ERROR_GROWTH and row["iterations"] == most // 2 + 1


@pytest.mark.parametrize("volume", [0.24, 0.17, 2.7, 3.3])
def test_greatest_change_of_volume(volume):
    """A change of Phi leads to a det F outside of the limits, or it does not."""
    point, wild = np.zeros(1, POINT), np.diag([volume ** (1 / 3)] * 3 + [1.0])[:3]
    point["position"], point["Phi"] = CENTRE, wild
    row = register_windows(*pair_of(), point, Settings(Window((12,) * 3), iterations=Iterations(1)))[0]
    for phi, found in ((row["Phi"], row["return_status"]), gauss_newton.compose(wild, np.zeros(12), rigid=False)):
        low, high = control.VOLUME_RATIO
        assert (found == Status.VOLUME_CHANGE) == (not low < np.linalg.det(phi[:, :3]) < high)
    assert (found == 0) == (0.2 < volume < 3)
