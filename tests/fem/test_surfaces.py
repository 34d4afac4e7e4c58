"""Surfaces of a mesh: labels of nodes and of faces, degrees of freedom, and how tractions vary along a surface."""

import numpy as np
import pytest
from scipy import sparse

import hpcdvc
from hpcdvc import projection_matrices, surface_labels
from hpcdvc.errors import UserError
from hpcdvc.fem.surfaces import face_labels, outer_faces
from hpcdvc.fem.tractions import dirichlet_surfaces, laplace_beltrami

LOW, HIGH = np.array([3.0, 4, -5]), np.array([63.0, 44, 45])
SIX = ["z_start", "z_end", "y_start", "y_end", "x_start", "x_end"]
ALL = [(label, [0, 1, 2]) for label in range(1, 7)]


@pytest.fixture(scope="module")
def box():
    return hpcdvc.create_cuboid(HIGH - LOW, 9, origin=LOW)


@pytest.fixture(scope="module")
def cylinder():
    return hpcdvc.create_cylinder((-24, 27), 12.5, 97.3, 7, z_origin=-4.2)


def test_planes_and_their_order(box):
    points = box[0]
    labels = surface_labels(points, ["x_end", "z_start", "y_end"])
    x_end, z_start, y_end = points[:, 2] == HIGH[2], points[:, 0] == LOW[0], points[:, 1] == HIGH[1]
    assert np.array_equal(labels, np.select([x_end, z_start, y_end], [1, 2, 3]))
    assert not surface_labels(points).any()


@pytest.mark.parametrize("axis", range(3))
def test_cylinder_along_each_axis(cylinder, axis):
    points = cylinder[0][:, np.roll([0, 1, 2], axis)].astype("f4")  # as files keep them
    names = [f"{'zyx'[axis]}_{side}" for side in ("lateral", "start", "end")]
    labels = surface_labels(points, names)
    z, y, x = cylinder[0].T
    lateral = np.hypot(y + 24, x - 27) > 12.5 - 1e-9
    assert np.array_equal(labels, np.select([lateral, z == z.min(), z == z.max()], [1, 2, 3]))


def test_cylinder_with_nodes_at_no_extreme():
    """Seven nodes around: the box about them is not about the axis."""
    angle = 2 * np.pi * np.arange(7) / 7 + 0.3
    ring = np.column_stack([np.zeros(7), 30 + 8 * np.cos(angle), 20 + 8 * np.sin(angle)])
    points = np.concatenate([ring, ring + [5, 0, 0], ring * [0, 1, 1] + [2.5, -25, -15], [[2, 30, 20]]])
    points[14:21, 1:] = 30, 20
    assert surface_labels(points, ["z_lateral"]).tolist() == [1] * 14 + [0] * 8


def test_labels_of_the_peer(shared):
    expected = np.load(shared / "oracle/spam/gdic-regmatrix-api/out.npz")
    assert np.array_equal(surface_labels(expected["points"], ["z_start", "z_end"]), expected["labels"])


@pytest.mark.parametrize(
    ("surfaces", "message"),
    [
        (["top"], "top is no surface"),
        (["z_start", "z_start"], "twice"),
        (["z_lateral"], "z_lateral is not found: the mesh is no cylinder along z"),
    ],
)
def test_surfaces_that_are_not_there(box, surfaces, message):
    with pytest.raises(UserError, match=message):
        surface_labels(box[0], surfaces)


CORNERS = np.array([[z, y, x] for z in (0, 1) for y in (0, 1) for x in (0, 1)], float)


def test_corners_of_a_cube():
    """All of them lie in two ends, which leaves nothing for others; and on a circle, which makes no cylinder."""
    with pytest.raises(UserError, match="all nodes of x_end"):
        surface_labels(CORNERS, ["z_start", "z_end", "x_end"])
    with pytest.raises(UserError, match="no cylinder along y"):
        surface_labels(CORNERS, ["y_lateral"])
    with pytest.raises(UserError, match="no cylinder along y"):
        surface_labels(CORNERS[:2], ["y_lateral"])


def test_faces_without_nodes_inside():
    """One cube: each face has the label of its four corners, if they agree."""
    points, connectivity = hpcdvc.create_cuboid((1, 1, 1), 1)
    faces = outer_faces(points, connectivity)
    found = face_labels(faces, surface_labels(points, ["y_start", "y_end"]))
    np.testing.assert_array_equal(found, np.select([faces.normals[:, 1] < -0.5, faces.normals[:, 1] > 0.5], [1, 2]))


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5], [5, 2, 0, 4, 1, 3]])
def test_faces_of_a_box(box, order):
    """Corners included, whatever labels the edges have; and the normals point outward."""
    points, connectivity = box
    faces = outer_faces(points, connectivity)
    middles = points[faces.nodes].mean(axis=1)
    expected, outward = np.zeros(len(middles), int), np.zeros((len(middles), 3))
    for label, number in enumerate(order, 1):
        axis, end = divmod(number, 2)
        on = middles[:, axis] == (HIGH if end else LOW)[axis]
        expected[on], outward[on, axis] = label, 2 * end - 1
    assert np.array_equal(face_labels(faces, surface_labels(points, [SIX[number] for number in order])), expected)
    np.testing.assert_allclose(faces.normals, outward, atol=1e-12)
    assert faces.areas.sum() == pytest.approx(2 * (60 * 40 + 60 * 50 + 40 * 50))


def test_faces_of_a_cylinder(cylinder):
    """Where only the ends have labels, nodes on their rims do not spread them to the lateral faces."""
    points, connectivity = cylinder
    faces = outer_faces(points, connectivity)
    for surfaces in (["z_start", "z_end"], ["z_lateral", "z_start", "z_end"]):
        found = face_labels(faces, surface_labels(points, surfaces))
        flat = np.abs(faces.normals[:, 0]) > 0.99
        start = flat & (points[faces.nodes[:, 0], 0] == -4.2)
        wanted = {"z_start": start, "z_end": flat & ~start, "z_lateral": ~flat}
        for label, name in enumerate(surfaces, 1):
            assert np.array_equal(found == label, wanted[name])


def test_degrees_of_freedom(box):
    """Each belongs to the bulk or to one surface: edges to the first that has it."""
    points, connectivity = box
    labels = surface_labels(points, SIX)
    bulk, selected, varied = projection_matrices(points, connectivity, labels, ALL)
    assert np.array_equal(bulk.diagonal(), np.repeat(labels == 0, 3))
    assert len(selected) == len(varied) == 6
    for label, matrix in enumerate(selected, 1):
        assert np.array_equal(matrix.diagonal(), np.repeat(labels == label, 3))
    labels = surface_labels(points, ["z_start", "y_end"])
    bulk, (first, second), _ = projection_matrices(points, connectivity, labels, [(1, [0], 5.0), (2, [0, 2], None)])
    z_start, y_end = points[:, 0] == LOW[0], points[:, 1] == HIGH[1]
    assert np.array_equal(first.diagonal().reshape(-1, 3).T, [z_start, 0 * z_start, 0 * z_start])
    assert np.array_equal(second.diagonal().reshape(-1, 3).T, [y_end & ~z_start, 0 * y_end, y_end])
    assert abs(bulk + first + second - sparse.eye(3 * len(points))).max() == 0
    _, (again, before), _ = projection_matrices(points, connectivity, labels, [(2, [0, 2]), (1, [0])])
    assert abs(before - first).max() == abs(again - second).max() == 0


def test_laplace_beltrami_of_linear_and_quadratic_functions(box, cylinder):
    """The squared gradient along the surface, integrated: exact for linear functions, whatever the third direction."""
    points, connectivity = box
    faces = outer_faces(points, connectivity)
    top = faces.of(faces.normals[:, 0] > 0.5)
    everywhere = np.ones(len(points), bool)
    matrix = laplace_beltrami(points, top, everywhere)
    t = points @ [7.0, 0.3, -0.2]
    assert t @ matrix @ t == pytest.approx((0.3**2 + 0.2**2) * 40 * 50, rel=1e-12)
    assert np.abs(matrix @ np.ones(len(points))).max() < 1e-13
    points, connectivity = cylinder
    faces = outer_faces(points, connectivity)
    lateral = faces.of(np.abs(faces.normals[:, 0]) < 0.5)
    angle = np.arctan2(points[:, 2] - 27, points[:, 1] + 24)
    t = np.cos(angle)
    wave = t @ laplace_beltrami(points, lateral, np.ones(len(points), bool)) @ t
    assert wave == pytest.approx(np.pi * 97.3 / 12.5, rel=0.03)  # cos^2 / radius^2, integrated over the surface


def test_variation_of_tractions(box):
    """Forces of known tractions: L_S measures how the tractions vary, edges between surfaces included."""
    points, connectivity = box
    labels = surface_labels(points, SIX)
    surfaces = dirichlet_surfaces(points, connectivity, labels, ALL)
    varied = projection_matrices(points, connectivity, labels, ALL)[2]
    rng = np.random.default_rng(7)
    constant, forces = rng.normal(0, 1, (6, 3)), np.zeros((len(points), 3))
    for surface, traction in zip(surfaces, constant, strict=True):
        forces += surface.faces.masses(len(points))[:, None] * traction
    for matrix in varied:
        assert abs(matrix - matrix.T).max() < 1e-14
        at = np.flatnonzero(matrix.diagonal())
        assert abs(matrix).sum() == pytest.approx(abs(matrix[at][:, at]).sum())
        assert np.linalg.eigvalsh(matrix[at][:, at].toarray()).min() > -1e-13
        assert abs(forces.ravel() @ matrix @ forces.ravel()) < 1e-12
    inside = (labels == 3) & ~np.isclose(points, [LOW[0], np.nan, LOW[2]]).any(axis=1)
    inside &= ~np.isclose(points, [HIGH[0], np.nan, HIGH[2]]).any(axis=1)
    other = forces.copy()
    other[inside] *= 1 + 0.1 * rng.normal(0, 1, (inside.sum(), 1))
    assert other.ravel() @ varied[2] @ other.ravel() > 1e-3
    edge = (labels == 1) & (points[:, 1] == LOW[1]) & (np.abs(points[:, 2] - 20) < 10)
    other = forces.copy()
    other[edge] *= 1.1  # more than the tractions of both surfaces account for
    measured = [other.ravel() @ matrix @ other.ravel() for matrix in varied]
    gap = 0.1 * forces[edge]
    masses = [surface.faces.masses(len(points))[edge] for surface in surfaces]
    expected = (gap**2).sum(axis=1) / sum(mass**2 for mass in masses)
    assert measured[0] == pytest.approx(expected.sum(), rel=1e-9)
    assert np.abs(measured[1:]).max() < 1e-12


def test_shear_waves_on_a_surface(box):
    """The mean over waves of all directions is what the regularisation is normalised by."""
    points = box[0]
    labels = surface_labels(points, ["y_end"])
    k, mu, rng, count = 0.05, 3.0, np.random.default_rng(2), 20000
    along = rng.normal(0, 1, (count, 3))
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    motion = np.cross(along, rng.normal(0, 1, (count, 3)))
    motion /= np.linalg.norm(motion, axis=1, keepdims=True)
    # sigma n = 2 pi k mu (motion (along . n) + along (motion . n)) cos, and its gradient along the surface
    amplitudes = 2 * np.pi * k * mu * (motion * along[:, 1:2] + along * motion[:, 1:2])
    slopes = (2 * np.pi * k) ** 2 * (1 - along[:, 1] ** 2)
    means = 60 * 50 * 0.5 * (amplitudes**2 * slopes[:, None]).mean(axis=0)
    for dofs in ([0], [1], [2], [0, 1, 2]):
        (surface,) = dirichlet_surfaces(*box, labels, [(1, dofs)])
        assert surface.energy_of_waves(mu, k) == pytest.approx(means[dofs].sum(), rel=0.03)


@pytest.mark.parametrize(
    ("dirichlet", "message"),
    [
        ([(3, [0])], "3 is no label"),
        ([(0, [0])], "0 is no label"),
        ([("z_start", [0])], "z_start is no label"),
        ([(1, [0]), (1, [1])], "surface 1 is given twice"),
        ([(1, [3])], r"must be some of 0, 1, 2, not \[3\]"),
        ([(1, [])], "must be some of 0, 1, 2"),
        ([(1, [0, 0])], "must be some of 0, 1, 2"),
        ([(1, [0.5])], "must be some of 0, 1, 2"),
    ],
)
def test_bad_dirichlet(box, dirichlet, message):
    with pytest.raises(UserError, match=message):
        projection_matrices(*box, surface_labels(box[0], ["z_start", "z_end"]), dirichlet)


def test_label_of_nodes_without_faces(box):
    labels = np.zeros(len(box[0]), int)
    labels[:2] = 1
    with pytest.raises(UserError, match="surface 1 has 2 nodes, but no face"):
        projection_matrices(*box, labels, [(1, [0])])


def test_surface_without_faces(box):
    """The end of a ball is a point: named where the mesh is given, as in the example of the peer."""
    surfaces, (points, connectivity) = ["z_start", "y_end"], box
    given = surface_labels(points, surfaces=surfaces, connectivity=connectivity)
    assert np.array_equal(given, surface_labels(points, surfaces))
    points = points.copy()
    points[np.argmax(points[:, 1]), 1] += 1
    with pytest.raises(UserError, match="y_end is not found: 1 of the nodes of the mesh lie there, but none of its"):
        surface_labels(points, surfaces[1:], connectivity)


@pytest.mark.parametrize("labels", [None, [], np.zeros(5, int)])
def test_labels_for_each_node(box, labels):
    with pytest.raises(UserError, match="need a label for each of the"):
        projection_matrices(*box, labels, [(1, [0])])
