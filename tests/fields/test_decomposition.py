"""Deformation functions made of parts, and taken apart again."""

import numpy as np
import pytest
from scipy.linalg import polar

from hpcdvc.errors import UserError
from hpcdvc.fields.decomposition import StrainDecomposition, compute_phi, decompose_f, decompose_phi
from hpcdvc.fields.phi import rotation_matrix

SCALARS = ("vol", "dev", "volss", "devss")


def random_gradients(*shape: int) -> np.ndarray:
    """(*shape, 3, 3) gradients with any rotation up to 180 degrees and stretches from a half to two."""
    rng = np.random.default_rng(8)
    frame = rotation_matrix(rng.uniform(-180, 180, (*shape, 3)))
    stretch = frame @ (rng.uniform(0.5, 2, (*shape, 3, 1)) * np.swapaxes(frame, -1, -2))
    return rotation_matrix(rng.uniform(-100, 100, (*shape, 3))) @ stretch


def all_nan(parts: StrainDecomposition) -> bool:
    return all(np.isnan(values).all() for values in vars(parts).values())


# --- building


def test_nothing_asked_is_the_identity():
    assert np.array_equal(compute_phi({}), np.eye(4))


def test_translation():
    phi = compute_phi({"t": (1, -2, 3.5)})
    assert np.array_equal(phi[:3, 3], (1, -2, 3.5)) and np.array_equal(phi[:3, :3], np.eye(3))


def test_rotation_about_z():
    c, s = np.cos(np.deg2rad(30)), np.sin(np.deg2rad(30))
    assert compute_phi({"r": (30, 0, 0)})[:3, :3] == pytest.approx(np.array([[1, 0, 0], [0, c, -s], [0, s, c]]))


def test_stretch_then_rotation_then_translation():
    """F = R U: a line along x, doubled, then turned by 90 degrees about z, points to -y and is doubled still."""
    phi = compute_phi({"t": (0, 0, 5), "r": (90, 0, 0), "z": (1, 1, 2)})
    assert phi @ (0, 0, 1, 1) == pytest.approx([0, -2, 5, 1])


def test_shears_are_those_of_the_stretch():
    f = compute_phi({"z": (1.1, 1.2, 1.3), "s": (0.01, 0.02, 0.03)})[:3, :3]
    assert np.array_equal(f, [[1.1, 0.01, 0.02], [0.01, 1.2, 0.03], [0.02, 0.03, 1.3]])
    same = compute_phi({"U": f, "r": (10, 20, 30)})
    assert np.array_equal(same, compute_phi({"z": (1.1, 1.2, 1.3), "s": (0.01, 0.02, 0.03), "r": (10, 20, 30)}))


def test_translation_at_another_point():
    """A point keeps its target when the motion is written for another one."""
    transformation = {"t": (1, 2, 3), "r": (10, -20, 30), "z": (1.1, 1, 0.9)}
    centre, point = np.array([10.0, 20, 30]), np.array([15.0, 11, 34])
    about_centre, about_point = compute_phi(transformation), compute_phi(transformation, centre, point)
    x = np.array([3.0, 4, 5])
    target = centre + about_centre[:3, 3] + about_centre[:3, :3] @ (x - centre)
    assert point + about_point[:3, 3] + about_point[:3, :3] @ (x - point) == pytest.approx(target)
    assert np.array_equal(compute_phi(transformation, centre, centre), about_centre)
    assert decompose_phi(about_point, point, centre).t == pytest.approx([1, 2, 3])


@pytest.mark.parametrize(
    ("transformation", "words"),
    [
        ({"translation": (1, 2, 3)}, ("t, r, z, s, U", "translation")),
        ({"t": (1, 2)}, ("'t'", "3 numbers", "(2,)")),
        ({"t": 1}, ("'t'", "3 numbers", "()")),
        ({"r": "abc"}, ("'r'", "not made of numbers", "abc")),
        ({"r": (1, 2, np.nan)}, ("'r'", "not finite")),
        ({"t": (1, 2, np.inf)}, ("'t'", "not finite")),
        ({"z": [(1, 1, 1)]}, ("'z'", "(1, 3)")),
        ({"U": (1, 1, 1)}, ("'U'", "3 x 3", "(3,)")),
        ({"U": [[1, 0.1, 0], [0, 1, 0], [0, 0, 1]]}, ("not symmetric",)),
        ({"U": np.eye(3), "z": (1, 1, 1)}, ("either 'U' or 'z' and 's'",)),
        ({"U": np.eye(3), "s": (0, 0, 0)}, ("either 'U' or 'z' and 's'",)),
        ({"z": (1, 0, 1)}, ("flattens or mirrors",)),
        ({"s": (0, 0, 1.5)}, ("flattens or mirrors", "-0.5")),
    ],
)
def test_refused(transformation, words):
    with pytest.raises(UserError) as caught:
        compute_phi(transformation)
    assert all(word in str(caught.value) for word in words), caught.value
    assert isinstance(caught.value, ValueError)


def test_points_refused():
    for call in (lambda **p: compute_phi({}, **p), lambda **p: decompose_phi(np.eye(4), **p)):
        with pytest.raises(UserError, match="phi_centre needs 3 numbers"):
            call(phi_centre=(1, 2))
        with pytest.raises(UserError, match="phi_point is not finite"):
            call(phi_point=(1, 2, np.nan))


def test_matrices_refused():
    for f in (np.eye(2), np.ones(3), 1.0, np.ones((3, 3, 4))):
        with pytest.raises(UserError, match="F needs 3 x 3 numbers"):
            decompose_f(f)
    with pytest.raises(UserError, match="Phi needs 4 x 4 numbers"):
        decompose_phi(np.eye(3))
    with pytest.raises(UserError, match="not made of numbers"):
        decompose_f("F")


# --- taking apart


def test_identity():
    parts = decompose_phi(np.eye(4))
    assert np.array_equal(parts.U, np.eye(3)) and np.array_equal(parts.z, np.ones(3))
    for name in ("t", "r", "e", *SCALARS):
        assert not np.any(getattr(parts, name)), name
    assert all(isinstance(getattr(parts, name), float) for name in SCALARS)


def test_simple_shear():
    """F = I + g e_y e_x: known in closed form."""
    g = 0.3
    f = np.eye(3)
    f[1, 2] = g
    parts = decompose_f(f)
    angle = np.arctan(g / 2)
    assert parts.r == pytest.approx([-np.rad2deg(angle), 0, 0], abs=1e-13)
    assert parts.z == pytest.approx([1, np.cos(angle), (1 + np.sin(angle) ** 2) / np.cos(angle)])
    assert parts.U[1, 2] == pytest.approx(np.sin(angle))
    assert (parts.vol, parts.volss) == pytest.approx((0, 0), abs=1e-15)
    assert parts.e[1, 2] == parts.e[2, 1] == pytest.approx(g / 2)
    assert parts.devss == pytest.approx(g / np.sqrt(2))


def test_uniaxial():
    """One axis longer by a factor a."""
    a = 1.2
    for two_d in (False, True):
        d = 2 if two_d else 3
        parts = decompose_f(np.diag([1, a, 1]), two_d)
        assert parts.vol == pytest.approx(a - 1) and parts.volss == pytest.approx(a - 1)
        along, across = a ** (1 - 1 / d) - 1, a ** (-1 / d) - 1
        assert parts.dev == pytest.approx(np.sqrt(along**2 + (d - 1) * across**2))
        assert parts.devss == pytest.approx((a - 1) * np.sqrt(1 - 1 / d))


def test_swelling_has_no_deviator():
    parts = decompose_f(1.3 * np.eye(3))
    assert parts.vol == pytest.approx(1.3**3 - 1) and parts.volss == pytest.approx(0.9)
    assert (parts.dev, parts.devss) == pytest.approx((0, 0), abs=1e-15)
    flat = decompose_f(np.diag([1, 1.3, 1.3]), two_d=True)
    assert flat.vol == pytest.approx(1.3**2 - 1) and flat.volss == pytest.approx(0.6)
    assert (flat.dev, flat.devss) == pytest.approx((0, 0), abs=1e-15)


def test_a_rotation_is_no_strain_of_u():
    parts = decompose_f(rotation_matrix((50, -60, 70)))
    assert pytest.approx(np.eye(3), abs=1e-15) == parts.U
    assert (parts.vol, parts.dev) == pytest.approx((0, 0), abs=1e-14)
    assert parts.volss < -0.5  # the small strain is not blind to rotations


def test_against_another_polar_decomposition():
    for f in random_gradients(50):
        rotation, stretch = polar(f)
        parts = decompose_f(f)
        assert pytest.approx(stretch, abs=1e-14) == parts.U
        assert rotation_matrix(parts.r) == pytest.approx(rotation, abs=1e-13)
        assert np.array_equal(parts.U, parts.U.T) and np.array_equal(parts.z, np.diag(parts.U))


def test_round_trip():
    """Parts of a Phi make the same Phi, about any centre; so does a Phi of any parts."""
    rng = np.random.default_rng(9)
    for f in random_gradients(50):
        phi = np.eye(4)
        phi[:3, :3], phi[:3, 3] = f, rng.normal(size=3) * 10
        centre, point = rng.uniform(0, 100, (2, 3))
        parts = decompose_phi(phi, centre, point)
        again = compute_phi({"t": parts.t, "r": parts.r, "U": parts.U}, point, centre)
        assert again == pytest.approx(phi, abs=3e-12)
        again = compute_phi({"r": parts.r, "z": parts.z, "s": parts.U[[0, 0, 1], [1, 2, 2]]})
        assert again[:3, :3] == pytest.approx(f, abs=1e-13)


@pytest.mark.parametrize("angle", [1e-12, 1e-9, 1e-6, 1e-3, 1, 89, 179, 180 - 1e-9])
def test_angles(angle):
    """No angle is too small: relative precision for a rotation, that of the digits of F under a stretch."""
    axis = np.array([2.0, -1, 2]) / 3
    assert decompose_f(compute_phi({"r": angle * axis})[:3, :3]).r == pytest.approx(angle * axis, rel=1e-13)
    stretched = compute_phi({"r": angle * axis, "z": (1.02, 0.97, 1.01), "s": (0.01, 0, 0.02)})[:3, :3]
    assert decompose_f(stretched).r == pytest.approx(angle * axis, rel=1e-13, abs=2e-15)


def test_half_a_turn():
    axis = np.array([2.0, -1, 2]) / 3
    r = decompose_f(compute_phi({"r": 180 * axis, "z": (1.1, 1, 0.9)})[:3, :3]).r
    assert np.linalg.norm(r) == pytest.approx(180) and abs(r @ axis) == pytest.approx(180)


@pytest.mark.parametrize("two_d", [False, True])
def test_leading_axes(two_d):
    f = random_gradients(2, 3, 4)
    if two_d:
        f[..., 1:, 1:] = compute_phi({"r": (40, 0, 0), "z": (1, 1.1, 0.8)})[1:3, 1:3]
    f[1, 2, 3] = np.nan
    all_parts = decompose_f(f, two_d)
    assert (
        all_parts.U.shape == (2, 3, 4, 3, 3) and all_parts.r.shape == (2, 3, 4, 3) and all_parts.vol.shape == (2, 3, 4)
    )
    for place in np.ndindex(2, 3, 4):
        for name, values in vars(decompose_f(f[place], two_d)).items():
            assert getattr(all_parts, name)[place] == pytest.approx(values, abs=1e-13, nan_ok=True), name
    assert decompose_f(f[:0], two_d).e.shape == (0, 3, 4, 3, 3)


def test_fields_of_phi():
    """Each of many Phi has its own centre and point, or all have the same."""
    rng = np.random.default_rng(10)
    phi = np.tile(np.eye(4), (6, 1, 1))
    phi[:, :3, :3], phi[:, :3, 3] = random_gradients(6), rng.normal(size=(6, 3))
    centres, points = rng.uniform(0, 50, (2, 6, 3))
    for centre, point in ((centres, points), (centres, (1, 2, 3)), ((3, 4, 5), points)):
        parts = decompose_phi(phi, centre, point)
        for k in range(6):
            c, p = (np.broadcast_to(v, (6, 3))[k] for v in (centre, point))
            assert parts.t[k] == pytest.approx(phi[k, :3, 3] + (phi[k, :3, :3] - np.eye(3)) @ (p - c))
            assert parts.vol[k] == pytest.approx(decompose_phi(phi[k]).vol)


def test_in_two_dimensions_only_the_plane_counts():
    """z may hold anything, also no numbers."""
    inner = compute_phi({"t": (0, 2, 3), "r": (25, 0, 0), "z": (1, 1.2, 0.9), "s": (0, 0, 0.05)})
    wild = inner.copy()
    wild[0], wild[:3, 0] = np.nan, (0, 7, 8)
    for phi in (inner, wild):
        parts = decompose_phi(phi, (0, 5, 6), (9, 8, 7), two_d=True)
        assert parts.r == pytest.approx([25, 0, 0], abs=1e-13)
        assert parts.z == pytest.approx([1, 1.2, 0.9])
        assert parts.U[1, 2] == pytest.approx(0.05) and np.array_equal(parts.U[0], (1, 0, 0))
        assert parts.vol == pytest.approx(1.2 * 0.9 - 0.05**2 - 1)
        assert not parts.e[0].any() and parts.volss == pytest.approx(np.trace(inner[1:3, 1:3]) - 2)
        assert parts.t == pytest.approx([0, *(inner[1:3, 3] + (inner[1:3, 1:3] - np.eye(2)) @ (3, 1))])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "f",
    [
        np.full((3, 3), np.nan),
        np.diag([1, np.inf, 1]),
        np.zeros((3, 3)),
        np.ones((3, 3)),
        np.diag([1, 1, 1e-17]),
        np.diag([1, -1, 1]),
        -np.eye(3),
        np.full((3, 3), 1e308),
        np.diag([1e200, 1e200, 1e200]),
    ],
)
def test_what_is_no_motion_is_nan(f):
    """Singular, mirrored or not finite: NaN without a warning, and good neighbours keep their values."""
    assert all_nan(decompose_f(f))
    pair = decompose_f(np.stack([f, 2 * np.eye(3)]))
    for values in vars(pair).values():
        assert np.isnan(values[0]).all() and np.isfinite(values[1]).all()
    assert pair.vol[1] == pytest.approx(7)
    phi = np.eye(4)
    phi[:3, :3] = f
    assert all_nan(decompose_phi(phi))


def test_lost_translation_is_nan():
    assert all_nan(decompose_phi(compute_phi({"r": (1, 2, 3)}) + np.diag([np.nan], 3)))


def test_input_is_left_alone():
    for two_d in (False, True):
        phi = np.tile(compute_phi({"t": (1, 2, 3), "r": (4, 5, 6)}), (3, 1, 1))
        phi[1] = np.nan
        before = phi.copy()
        decompose_phi(phi, two_d=two_d)
        decompose_f(phi[:, :3, :3], two_d)
        assert np.array_equal(phi, before, equal_nan=True)
