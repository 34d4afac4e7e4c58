"""Measures of strain and their standard deviations, against formulas written out and against many draws."""

import numpy as np
import pytest
from scipy.linalg import logm
from strain_cases import F

from hpcdvc.errors import UserError
from hpcdvc.fields.decomposition import compute_phi
from hpcdvc.fields.strain import COMPONENTS, MEANINGS, strain_components
from hpcdvc.fields.strain_errors import WITHOUT, strain_deviations
from hpcdvc.options.strain import NAMES

ROWS, COLUMNS = np.triu_indices(3)
LARGE = compute_phi({"r": (40, -20, 60), "z": (1.2, 0.9, 1.05), "s": (0.05, 0.02, -0.04)})[:3, :3]


def test_names_are_the_same_everywhere():
    assert set(NAMES) == set(COMPONENTS) == set(MEANINGS) and len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("f", [F, LARGE])
def test_measures_of_large_strain(f):
    found = {name: values[0] for name, values in strain_components(f[None], NAMES).items()}
    c = f.T @ f
    hencky, green = logm(c).real / 2, (c - np.eye(3)) / 2
    assert found["H"] == pytest.approx(hencky[ROWS, COLUMNS], abs=1e-12)
    assert found["GL"] == pytest.approx(green[ROWS, COLUMNS], abs=1e-12)
    assert found["Up"] == pytest.approx(np.sqrt(np.linalg.eigvalsh(c)) - 1, abs=1e-12)
    for k, name in enumerate(("Ud1", "Ud2", "Ud3")):
        n = found[name]
        assert c @ n == pytest.approx((1 + found["Up"][k]) ** 2 * n, abs=1e-12) and n[np.abs(n).argmax()] > 0
    mean = np.trace(hencky) / 3 * np.eye(3)
    assert found["eq"] == pytest.approx(np.sqrt(2 / 3) * np.linalg.norm(hencky - mean))
    e = (f + f.T) / 2 - np.eye(3)
    assert found["ep"] == pytest.approx(np.linalg.eigvalsh(e), abs=1e-12)
    assert found["eqss"] == pytest.approx(np.sqrt(2 / 3) * found["devss"]) and found["vol"] > -1


def test_uniaxial_tension_has_its_own_strain_as_equivalent():
    stretch = np.diag([1.2, 1.2**-0.5, 1.2**-0.5])
    found = strain_components(stretch[None], ("eq", "vol"))
    assert found["eq"][0] == pytest.approx(np.log(1.2)) and found["vol"][0] == pytest.approx(0, abs=1e-15)


def test_rotation_is_no_strain():
    turn = compute_phi({"r": (10, -30, 20)})[:3, :3]
    found = strain_components(turn[None], ("Up", "GL", "H", "eq", "dev", "vol"))
    assert max(np.abs(values).max() for values in found.values()) < 1e-13
    assert np.abs(strain_components(turn[None], ("e",))["e"]).max() > 0.1


def test_in_two_dimensions_the_axis_across_stands_apart():
    f = np.array([[1, 0, 0], [0, 0.9, 0.02], [0, 0.05, 1.2]])
    found = strain_components(f[None], ("Up", "ep", "Ud1", "Ud3"), two_d=True)
    inner = np.sqrt(np.linalg.eigvalsh(f[1:, 1:].T @ f[1:, 1:])) - 1
    assert found["Up"][0] == pytest.approx([0, *inner]) and found["ep"][0, 0] == 0
    assert found["Ud1"][0].tolist() == [1, 0, 0] and found["Ud3"][0, 0] == 0


def test_what_is_no_deformation_is_nan():
    rows = np.stack([np.full((3, 3), np.nan), np.diag([1, 1, -1.0]), np.zeros((3, 3)), F])
    found = strain_components(rows, NAMES)
    deviations = strain_deviations(rows, np.full((4, 3, 3, 3), 1e-8) * np.eye(3), NAMES)
    for values in (*found.values(), *deviations.values()):
        assert np.isnan(values[:3]).all() and np.isfinite(values[3]).all()


@pytest.mark.parametrize("names", [("vol", "what"), ("vol", "vol")])
def test_names_that_are_refused(names):
    with pytest.raises(UserError, match="^names: "):
        strain_components(F[None], names)


def draws(f: np.ndarray, two_d: bool = False):
    """Scatter of all components under noise, and the mean square of what is said of it."""
    rng, count = np.random.default_rng(0), 8000
    roots = 1e-4 * rng.standard_normal((3, 3, 3))
    covariance = roots @ np.swapaxes(roots, 1, 2)
    noisy = f + np.einsum("ika,nia->nik", roots, rng.standard_normal((count, 3, 3)))
    said = strain_deviations(noisy, np.broadcast_to(covariance, (count, 3, 3, 3)), NAMES, two_d)
    found = strain_components(noisy, NAMES, two_d)
    for name, values in said.items():
        yield name, np.sqrt((values**2).mean(axis=0)), found[name].std(axis=0)


@pytest.mark.parametrize("two_d", [False, True])
@pytest.mark.parametrize("f", [F, LARGE])
def test_deviations_are_the_scatter(f, two_d):
    seen = []
    for name, said, scatter in draws(f, two_d):
        assert said == pytest.approx(scatter, rel=0.05, abs=1e-12), name
        seen.append(name)
    assert set(seen) == set(NAMES) - set(WITHOUT)


def test_deviations_of_norms_where_there_is_no_strain():
    """A norm of noise scatters by less than the noise; principal values keep apart, and are said to scatter more."""
    most = {**dict.fromkeys(("Up", "ep"), 1.8), **dict.fromkeys(("dev", "devss", "eq", "eqss"), 1.3)}
    for name, said, scatter in draws(np.eye(3)):
        assert ((said / scatter > 0.95) & (said / scatter < most.get(name, 1.05))).all(), name


def test_no_noise_no_deviation():
    for values in strain_deviations(np.eye(3)[None], np.zeros((1, 3, 3, 3)), NAMES).values():
        assert (values == 0).all()
