"""Sums over the voxels of tetrahedra, compared with a slow twin in float64."""

import numpy as np
import pytest
from fem_cases import SHAPE, box_of_tetrahedra, holed, loose_mesh, same, smooth_pair
from reference_fem import Twin
from synthetic import Grey, lattice_texture, pair, translation

from hpcdvc import kernels
from hpcdvc.errors import UserError
from hpcdvc.fem.pattern import PLACE
from hpcdvc.fem.sums import matrix_sums, step_sums

SCALARS = ("n", "f", "g", "ff", "fg", "gg")


def close(found: np.ndarray, expected: np.ndarray, scale: float) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=scale)


CASES = [(name, 3, "u2") for name in kernels.supported()]
CASES += [
    (kernels.supported()[-1], *case) for case in ((1, "u1"), (5, "f4"), (3, "i2"), (3, "i4"), (3, "f8"), (1, "f4"))
]


@pytest.mark.parametrize(("name", "order", "kind"), CASES)
def test_sums_are_those_of_the_twin(name, order, kind, monkeypatch):
    """With nodes outside the image, and displacements that lead out of im2."""
    monkeypatch.setattr(kernels, "_selected", name)
    if kind in ("i2", "i4", "f8") and order != 3:
        pytest.skip("types are read alike whatever the order")
    im1, im2 = smooth_pair(SHAPE, kind)
    points, connectivity = loose_mesh(SHAPE, count=30)
    displacements = np.random.default_rng(3).normal(scale=2, size=points.shape)
    twin = Twin(im1, im2, order)
    matrix, voxels = matrix_sums(im1, points, connectivity, order)
    sums = {way: step_sums(im1, im2, points, connectivity, displacements, way, order) for way in ("im1", "both")}
    steepest, contrast = np.abs(twin.gradient).max(), float(np.ptp(im1.astype(float)))
    most = max(np.abs(im.astype(float)).max() for im in (im1, im2))
    left = 0
    for e in range(0, len(connectivity), 6):
        corners, u = points[connectivity[e]], displacements[connectivity[e]]
        expected, count = twin.matrix(corners)
        assert voxels[e] == count
        close(matrix[e], expected, 1e-6 * count * steepest**2)
        for way in ("im1", "both"):
            F, G, H, scalars = twin.step(corners, u, way == "both")
            found, n = sums[way], scalars[0]
            assert found.n[e] == n <= count
            left += n < count
            error = 1e-6 if way == "im1" else 1e-4  # the twin's slopes of im2 are differences
            close(found.H[e], H, error * n * steepest)
            close(found.F[e] - found.G[e], F - G, error * n * steepest * contrast)
            close(found.F[e], F, error * n * steepest * most)
            for quantity, value in zip(SCALARS, scalars, strict=True):
                size = n * most ** len(quantity) if quantity != "n" else 0
                assert getattr(found, quantity)[e] == pytest.approx(value, rel=0, abs=1e-6 * size), quantity
            squares = scalars[3] - 2 * scalars[4] + scalars[5]
            assert found.ff[e] - 2 * found.fg[e] + found.gg[e] == pytest.approx(squares, rel=1e-4, abs=1e-6 * n)
    assert left > 5


def test_small_differences_of_bright_images():
    """Of grey values about 40 000 that differ by less than one, the sum of squares is known to a thousandth."""
    im1, _ = smooth_pair(SHAPE, "f8")
    im1 = (im1 - im1.mean()) + 40_000
    im2 = im1 + np.random.default_rng(0).normal(scale=0.01, size=SHAPE)
    points, connectivity = box_of_tetrahedra((1, 1, 2), 30.0)
    points += 2.5
    s = step_sums(im1.astype("f8"), im2, points, connectivity, np.zeros_like(points), order=1)
    for gain, offset in ((1.0, 0.0), (1.1, -4000.0)):
        squares = s.ff + gain**2 * s.gg + s.n * offset**2 - 2 * gain * s.fg - 2 * offset * s.f + 2 * gain * offset * s.g
        inside = tuple(slice(3, 3 + n) for n in (30, 30, 60))
        expected = ((im1 - gain * im2 - offset)[inside] ** 2).sum()
        assert squares.sum() == pytest.approx(expected, rel=1e-3)


def test_the_step_leads_to_the_displacement():
    """Newton's step from rest: M du = F - G finds a small translation."""
    im1, im2 = pair(lattice_texture(1), (40, 42, 44), translation([0.05, -0.035, 0.025]), Grey(0, 1000, dtype="f8"))
    points, connectivity = box_of_tetrahedra((2, 2, 2), 14.0)
    points = points + 5.3
    upper, _ = matrix_sums(im1, points, connectivity)
    s = step_sums(im1, im2, points, connectivity, np.zeros_like(points))
    system, rhs, i = np.zeros((len(points) * 3,) * 2), np.zeros(len(points) * 3), np.triu_indices(12)
    for cell, row, F, G in zip(connectivity, upper, s.F, s.G, strict=True):
        dofs, M = (3 * cell[:, None] + np.arange(3)).ravel(), np.zeros((12, 12))
        M[i] = M.T[i] = row
        system[np.ix_(dofs, dofs)] += M
        rhs[dofs] += F - G
    found = np.linalg.solve(system, rhs).reshape(-1, 3)
    np.testing.assert_allclose(found, np.tile([0.05, -0.035, 0.025], (len(points), 1)), atol=3e-3)


# voxels that do not count


def test_voxels_that_are_not_finite():
    """At order 1 those that count see none of the others: the sums are those without holes, over fewer voxels."""
    whole = smooth_pair(SHAPE, "f4")
    one, two = holed(*whole)
    points, connectivity = loose_mesh(SHAPE, count=30)
    u = np.random.default_rng(3).normal(scale=2, size=points.shape)
    twin = Twin(*whole, order=1)
    twin.leave_out(one, two)
    sums, (matrix, voxels) = (
        step_sums(one, two, points, connectivity, u, order=1),
        matrix_sums(one, points, connectivity, 1),
    )
    steepest = np.abs(twin.gradient).max()
    fewer = 0
    for e in range(0, len(connectivity), 3):
        cell = connectivity[e]
        expected, count = twin.matrix(points[cell])
        assert voxels[e] == count
        close(matrix[e], expected, 1e-6 * count * steepest**2)
        F, G, H, scalars = twin.step(points[cell], u[cell])
        assert sums.n[e] == scalars[0]
        close(sums.F[e] - sums.G[e], F - G, 1e-6 * scalars[0] * steepest * np.ptp(whole[0]))
        fewer += scalars[0] < count
    assert fewer > 8
    sums = step_sums(one, two, points, connectivity, u)
    assert all(np.isfinite(values).all() for values in vars(sums).values())


def test_an_image_of_nothing_but_nan():
    points, connectivity = box_of_tetrahedra((1, 1, 1), 20.0)
    blank, image = np.full((30, 30, 30), np.nan), np.random.default_rng(0).normal(size=(30, 30, 30))
    for images in ((blank, image), (image, blank), (blank, blank)):
        sums = step_sums(*images, points, connectivity, np.zeros_like(points))
        assert all((values == 0).all() for values in vars(sums).values())
    assert (matrix_sums(blank, points, connectivity)[1] == 0).all()


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("begin", [33, 34, 35])
def test_beside_masked_planes(axis, begin):
    """What takes the place of voxels that do not count is near along all axes: slopes of a ramp stay what they are."""
    points, connectivity = box_of_tetrahedra((3, 3, 3), 12.0)
    ramp = np.broadcast_to(np.moveaxis(1000 + 7.0 * np.arange(44)[:, None, None], 0, axis), (44,) * 3).astype("f4")
    masked = ramp.copy()
    masked[(slice(None),) * axis + (slice(begin, None),)] = np.nan
    sums, voxels = matrix_sums(masked, points, connectivity)
    squares = sum(sums[:, PLACE[tuple(sorted((3 * a + axis, 3 * b + axis)))]] for a in range(4) for b in range(4))
    some = voxels > 0
    assert some.sum() > 60 and abs(squares[some] / voxels[some] / 49 - 1).max() < 0.35
    sums = step_sums(ramp, masked, points, connectivity, np.full_like(points, 0.3))
    some = sums.n > 0
    assert some.sum() > 60 and abs((sums.g - sums.f)[some] / sums.n[some] - 2.1).max() < 0.21


# far away


def test_an_element_spread_over_all_of_im2():
    """Sources so far apart that im2 is read in parts."""
    rng = np.random.default_rng(0)
    im1, im2 = (rng.integers(0, 200, (112, 112, 112), "u1") for _ in range(2))
    points = np.array([[40.0, 40, 40], [52, 41, 43], [42, 54, 40], [39, 42, 51]])
    u = 10 * (points - points.mean(axis=0))
    twin = Twin(im1, im2, order=1)
    sums = step_sums(im1, im2, points, np.array([[0, 1, 2, 3]]), u, order=1)
    F, G, H, scalars = twin.step(points, u)
    assert 100 < sums.n[0] == scalars[0] < twin.matrix(points)[1]
    close(sums.G[0], G, 1e-5 * np.abs(G).max())
    assert sums.gg[0] == pytest.approx(scalars[5], rel=1e-6)
    others = box_of_tetrahedra((1, 1, 1), 20.0)
    more = (
        np.concatenate([points, others[0] + 35]),
        np.concatenate([others[1] + 4, [[0, 1, 2, 3]], others[1][::-1] + 4]),
    )
    together = step_sums(im1, im2, *more, np.concatenate([u, np.full((8, 3), 0.3)]), order=1)
    same(together, sums, slice(6, 7))
    np.testing.assert_array_equal(together.F[:6], together.F[:6:-1])
    assert (together.n[:6] > 1000).all()


@pytest.mark.parametrize("far", [1e4, -1e9, 1e300])
def test_sources_far_outside(far):
    points, connectivity = box_of_tetrahedra((2, 2, 2), 12.0)
    image = np.random.default_rng(0).normal(size=(30, 30, 30))
    u = np.zeros_like(points)
    u[13] = far, -far, far / 3
    sums = step_sums(image, image, points, connectivity, u)
    still = ~(connectivity == 13).any(axis=1)
    assert all(np.isfinite(values).all() for values in vars(sums).values())
    same(sums, step_sums(image, image, points, connectivity[still], np.zeros_like(points)), still)
    assert (step_sums(image, image, points, connectivity, u + far).n[still] == 0).all()


# mistakes


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"points": np.zeros((8, 2))}, r"\(n, 3\) is needed"),
        ({"points": np.full((8, 3), np.nan)}, "not finite"),
        ({"points": np.full((8, 3), 2e6)}, "farther away"),
        ({"connectivity": np.zeros((2, 3), int)}, r"\(k, 4\) are needed"),
        ({"connectivity": np.zeros((2, 4))}, "type float64"),
        ({"connectivity": np.array([[0, 1, 2, 8]])}, "0 to 8, there are 8"),
        ({"connectivity": np.array([[0, 1, 2, -1]])}, "-1 to 2"),
        ({"displacements": np.zeros((7, 3))}, r"displacements of shape \(7, 3\)"),
        ({"displacements": np.full((8, 3), np.inf)}, "finite displacement"),
        ({"gradient": "im2"}, 'no gradient "im2"'),
        ({"order": 2}, "no spline of order 2"),
        ({"f_volume": np.zeros((1, 30, 30))}, "3-D image"),
        ({"g_volume": np.zeros((30, 30))}, "3-D image"),
    ],
)
def test_mistakes_are_told(change, words):
    points, connectivity = box_of_tetrahedra((1, 1, 1), 10.0)
    image = np.random.default_rng(0).normal(size=(20, 20, 20))
    given = {"f_volume": image, "g_volume": image, "points": points, "connectivity": connectivity}
    given |= {"displacements": np.zeros_like(points), **change}
    with pytest.raises(UserError, match=words):
        step_sums(**given)
