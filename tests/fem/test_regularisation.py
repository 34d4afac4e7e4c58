"""Regularisation of a global correlation: what it punishes, what it leaves alone, and how much."""

import re

import numpy as np
import pytest
from ideal_texture import SIX, IdealBox
from pages import DOCS
from scipy import sparse
from scipy.sparse.linalg import LinearOperator

import hpcdvc
from hpcdvc import isochoric_field, regularisation_matrix, surface_labels
from hpcdvc.errors import UserError
from hpcdvc.fem import regularisation
from hpcdvc.fem.tractions import dirichlet_surfaces

#: name -> surfaces, degrees of freedom
CASES = {
    "free": ([], []),
    "two ends": (["z_start", "z_end"], [[0], [0, 1, 2]]),
    "mixed": (["x_end", "z_start", "y_start"], [[2, 0], [0, 1], [1, 2]]),
    "all": (SIX, [[0, 1, 2]] * 6),
}


@pytest.fixture(scope="module")
def box():
    """Irregular: its inner nodes are moved."""
    points, connectivity = hpcdvc.create_cuboid((60, 40, 50), 13, origin=(5, -3, 2))
    inside = surface_labels(points, SIX) == 0
    points[inside] += np.random.default_rng(1).uniform(-1.5, 1.5, (inside.sum(), 3))
    return points, connectivity


def regularised(mesh, case: str, xi: float = 20.0, **more):
    surfaces, dofs = CASES[case]
    labels = surface_labels(mesh[0], surfaces)
    dirichlet = [(label, dof, xi / 2) for label, dof in enumerate(dofs, 1)]
    return regularisation_matrix(*mesh, xi_bulk=xi, dirichlet=dirichlet, labels=labels, **more)


def test_test_field():
    points = np.array([[1.0, 2, 3], [4, 2, 8], [11, 5, 9]])
    k, v = isochoric_field(points, periods=2)
    assert k == 0.2
    np.testing.assert_allclose(v[:, 1:], np.sqrt(0.5) * np.sin(0.4 * np.pi * points[:, [0, 0]]))
    assert not v[:, 0].any()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("periods", [3, 2.5])
def test_weight_of_the_test_field(box, case, periods):
    """(xi k)^4 for the bulk; forces on free faces count there."""
    matrix, v = regularised(box, case, xi=17.0, periods=periods)
    if matrix.L is not None:
        matrix = matrix - matrix.K @ matrix.L @ matrix.K
    assert v.ravel() @ matrix @ v.ravel() == pytest.approx((17 * periods / 60) ** 4, rel=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_symmetric_positive_and_without_rigid_motions(box, case):
    matrix, _ = regularised(box, case)
    largest = abs(matrix).max()
    assert abs(matrix - matrix.T).max() < 1e-12 * largest
    assert np.linalg.eigvalsh(matrix.toarray()).min() > -1e-12 * largest
    points = box[0]
    for rigid in (np.ones_like(points), np.cross([[0.2, -0.5, 1.0]], points - 3)):
        assert np.abs(matrix @ rigid.ravel()).max() < 1e-12 * largest * np.abs(rigid).max()


@pytest.mark.parametrize("xi", [0.0, 6.0, 600.0])
def test_uniform_strain(box, xi):
    """It costs nothing where forces act on all faces; on free faces it does, but for uniaxial stress between ends."""
    gradient = np.random.default_rng(3).normal(0, 0.01, (3, 3))
    u = box[0] @ gradient.T
    uniaxial = box[0] * [0.02, -0.005, -0.005]  # poisson 0.25
    noise = np.random.default_rng(4).normal(0, 0.1, u.shape)

    def costs(case: str, *fields: np.ndarray) -> list[float]:
        matrix, _ = regularised(box, case, xi)
        return [abs(field.ravel() @ matrix @ field.ravel()) for field in fields]

    of_strain, of_noise = costs("all", u, noise)
    assert of_strain <= 1e-12 * of_noise
    of_strain, of_noise = costs("two ends", uniaxial, noise)
    assert of_strain <= 1e-12 * of_noise
    of_strain, of_noise = costs("free", u, noise)
    assert of_strain >= 1e-3 * of_noise
    assert (of_noise > 0) == (xi > 0)


def test_uniform_strain_of_a_thin_plate():
    """Its narrow sides have no node that is theirs alone: nobody knows the tractions there, and nothing is punished."""
    mesh = hpcdvc.create_cuboid((1.1, 3.3, 3.3), 1)
    labels = surface_labels(mesh[0], ["y_start", "y_end", "x_start", "x_end", "z_start", "z_end"])
    dirichlet = [(label, [0, 1, 2], 5.0) for label in range(1, 7)]
    matrix, _ = regularisation_matrix(*mesh, dirichlet=dirichlet, labels=labels, periods=0.7)
    u, noise = mesh[0] @ np.diag([0.1, 0.2, -0.3]), np.random.default_rng(4).normal(0, 0.1, mesh[0].shape)
    assert abs(u.ravel() @ matrix @ u.ravel()) <= 1e-12 * (noise.ravel() @ matrix @ noise.ravel())


@pytest.mark.parametrize("case", CASES)
def test_large_meshes_are_applied_factor_by_factor(box, case, monkeypatch):
    matrix, v = regularised(box, case)
    assert isinstance(matrix, sparse.csr_matrix)
    monkeypatch.setattr(regularisation, "MOST_MULTIPLIED", matrix.shape[0] - 1)
    operator, same = regularised(box, case)
    assert isinstance(operator, LinearOperator) and np.array_equal(v, same)
    u = np.random.default_rng(6).normal(0, 1, (matrix.shape[0], 2))
    expected = matrix @ u
    np.testing.assert_allclose(operator @ u, expected, atol=1e-13 * np.abs(expected).max())
    np.testing.assert_allclose(operator.T @ u[:, 0], expected[:, 0], atol=1e-13 * np.abs(expected).max())
    for form in (matrix, operator):
        bulk = form.weight * sparse.diags(form.D)
        between = bulk if form.L is None else bulk + form.L
        np.testing.assert_allclose(form.K @ (between @ (form.K @ u)), expected, atol=1e-13 * np.abs(expected).max())


def test_units_change_nothing(box):
    difference = regularised(box, "mixed")[0] - regularised(box, "mixed", young=3e10, voxel_size=2e-6)[0]
    assert abs(difference).max() < 1e-12 * abs(regularised(box, "mixed")[0]).max()


def test_lengths_that_are_not_given(box):
    """The mean length of the edges of all tetrahedra."""
    points, connectivity = box
    pairs = [(a, b) for a in range(4) for b in range(a)]
    edge = np.mean([np.linalg.norm(points[connectivity[:, a]] - points[connectivity[:, b]], axis=1) for a, b in pairs])
    labels = surface_labels(points, ["z_end"])
    one, other = (
        regularisation_matrix(*box, xi_bulk=xi, dirichlet=[(1, [0], xi)], labels=labels)[0] for xi in (None, edge)
    )
    assert abs(one - other).max() < 1e-12 * abs(one).max()


def test_surface_weighs_what_its_length_says(box):
    """The variation of tractions of shear waves, divided by their mean, times (xi k)^4."""
    points, connectivity = box
    labels = surface_labels(points, ["y_end"])
    matrix, _ = regularisation_matrix(*box, young=5, dirichlet=[(1, [1, 2], 30.0)], labels=labels, periods=2)
    (surface,) = dirichlet_surfaces(*box, labels, [(1, [1, 2])])
    _, _, (varied,) = hpcdvc.projection_matrices(*box, labels, [(1, [1, 2])])
    expected = (30 * 2 / 60) ** 4 / surface.energy_of_waves(2.0, 2 / 60) * varied
    assert abs(matrix.L - expected).max() < 1e-12 * abs(expected).max()


def test_peer(shared):
    """Its bulk term. Without Dirichlet surfaces, with the length that the mesh gives."""
    expected = np.load(shared / "oracle/spam/gdic-regmatrix-api/out.npz")
    matrix, v = regularisation_matrix(expected["points"], expected["connectivity"], young=10, poisson=0.25)
    np.testing.assert_allclose(v, expected["v"], atol=1e-12)
    np.testing.assert_allclose(matrix.K.diagonal(), expected["K_diag"], rtol=1e-12)
    assert np.abs(matrix.toarray() - expected["Mreg_bulk"]).max() < 1e-13 * np.abs(expected["Mreg_bulk"]).max()


def test_sines_are_damped():
    """1 / (1 + (xi / wavelength)^4) for shear waves; compression is (lambda + 2 mu) / mu = 3 times as stiff."""
    box = IdealBox(*hpcdvc.create_cuboid((96, 40, 40), 6))
    inside = (np.abs(box.points - [48, 20, 20]) < [30, 10, 10]).all(axis=1)
    xi, wavelengths = 16.0, np.array([24, 32, 40, 48])
    waves = np.zeros((len(box.points), 3, 8))
    waves[:, 1, :4] = waves[:, 0, 4:] = np.sin(2 * np.pi * (box.points[:, :1] / wavelengths + 0.1))
    kept, ratios = box.kept(xi, waves, inside), (xi / wavelengths) ** 4
    np.testing.assert_allclose(kept, 1 / (1 + np.concatenate([ratios, 9 * ratios])), atol=0.05)


def test_noise_falls():
    """In a box as in a mesh without end, where it comes to 1.6 / xi^(3/2)."""
    box = IdealBox(*hpcdvc.create_cuboid((56, 56, 56), 7), periods=1)
    for xi in (0.0, 7.0, 14.0, 21.0):
        assert box.deviation(xi) == pytest.approx(box.deviation_in_a_lattice(xi), rel=0.02)
    assert box.deviation_in_a_lattice(56.0) == pytest.approx(1.597 / 56**1.5, rel=0.03)


def test_example_of_the_docs():
    """The cylinder that the texts of spam show, as the page tells it to be typed."""
    blocks = re.findall(r"^```python\n(.*?)^```", (DOCS / "api.md").read_text(), re.M | re.S)
    (code,) = (block for block in blocks if "regularisation_parameters" in block)
    space = {}
    exec(code, space)
    points, labels, matrix = space["points"], space["labels"], space["matrix"]
    assert np.array_equal(labels, np.select([points[:, 0] == -4.2, np.isclose(points[:, 0], 93.1)], [1, 2]))
    assert matrix.shape == (points.size, points.size) and space["field"].shape == points.shape
    assert np.array_equal(matrix.D.reshape(-1, 3), np.stack([labels == 0, *[labels >= 0] * 2], axis=1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"periods": 0}, "periods"),
        ({"periods": np.nan}, "periods"),
        ({"xi_bulk": -1.0}, "regularisation length of the bulk"),
        ({"xi_bulk": np.inf}, "regularisation length of the bulk"),
        ({"young": 0}, "Young"),
        ({"poisson": 0.5}, "Poisson"),
        ({"voxel_size": 0}, "voxel"),
        ({"dirichlet": [(1, [0], -2.0)]}, "regularisation length of surface 1"),
        ({"dirichlet": [(1, [5], None)]}, "degrees of freedom"),
        ({"dirichlet": [(2, [0], None)]}, "2 is no label"),
        ({"labels": None, "dirichlet": [(1, [0], None)]}, "label for each"),
    ],
)
def test_bad_input(box, arguments, message):
    with pytest.raises(UserError, match=message):
        regularisation_matrix(*box, **{"labels": surface_labels(box[0], ["z_start"])} | arguments)


def test_mesh_too_coarse_for_the_test_field():
    points, connectivity = hpcdvc.create_cuboid((48, 40, 40), 8)
    layers = len(np.unique(points[:, 0])) - 1
    with pytest.raises(UserError, match="too coarse"):
        regularisation_matrix(points, connectivity, periods=layers / 2)


def test_nothing_left_of_the_bulk():
    points, connectivity = np.array([[0.0, 0, 0], [9, 0, 0], [0, 5, 0], [0, 0, 5]]), np.array([[0, 1, 2, 3]])
    labels = np.array([1, 1, 1, 1])
    with pytest.raises(UserError, match="all nodes"):
        regularisation_matrix(points, connectivity, dirichlet=[(1, [0, 1, 2], 3.0)], labels=labels, periods=0.8)
