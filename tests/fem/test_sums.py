"""Sums over the voxels of tetrahedra, compared with a slow twin; the same bits whatever is summed up together."""

import numpy as np
import pytest
from fem_cases import box_of_tetrahedra, loose_mesh, smooth_pair
from reference_fem import Twin, shape_functions, voxels_in
from synthetic import Grey, lattice_texture, pair, translation

from hpcdvc.errors import UserError
from hpcdvc.fem.sums import Sums, matrix_sums, share_of, step_sums, sums_over_ranks
from hpcdvc.kernels import select, selected, supported

SHAPE = (37, 41, 72)  # more than one brick along each axis
SCALARS = ("n", "f", "g", "ff", "fg", "gg")


def same(one: Sums, other: Sums, which=slice(None)) -> None:
    """The sums are the same bits; `which` picks elements of the first."""
    for name, values in vars(one).items():
        np.testing.assert_array_equal(values[which], getattr(other, name), err_msg=name)


def holders_of(points, connectivity, shape) -> np.ndarray:
    """How many elements hold each voxel, by the twin."""
    count = np.zeros(shape, int)
    for cell in connectivity:
        np.add.at(count, tuple(voxels_in(points[cell], shape).T), 1)
    return count


# which voxels an element holds


@pytest.mark.parametrize("edge", [1.0, 0.4, 3.0, 7.5, 20.0])
@pytest.mark.parametrize("moved", [0.0, 0.5, 0.123])
def test_every_voxel_of_a_box_is_in_one_element(edge, moved):
    """Nodes, edges and faces on voxel centres; elements of less than a voxel and of more than a brick."""
    count = {0.4: (10, 10, 10), 1.0: (6, 6, 9), 3.0: (4, 5, 6), 7.5: (4, 5, 7), 20.0: (1, 2, 3)}[edge]
    points, connectivity = box_of_tetrahedra(count, edge)
    points = points + 2 + moved
    first, last = np.ceil(points.min(axis=0)).astype(int), np.ceil(points.max(axis=0)).clip(0, SHAPE).astype(int)
    inside = tuple(map(slice, first, last))  # faces towards larger coordinates hold no voxel
    image = np.random.default_rng(0).normal(size=SHAPE)
    sums = step_sums(image, image, points, connectivity, np.zeros_like(points), order=1)
    size = (last - first).prod()
    assert sums.n.sum() == matrix_sums(image, points, connectivity)[1].sum() == size > 20
    assert sums.f.sum() == pytest.approx(image[inside].sum(), abs=1e-4)  # not one twice and another one never
    assert sums.ff.sum() == pytest.approx((image[inside] ** 2).sum(), rel=1e-6)


def test_every_voxel_of_any_mesh_is_in_one_element():
    points, connectivity = loose_mesh(SHAPE)
    holders = holders_of(points, connectivity, SHAPE)
    assert holders.max() == 1 and (holders == 0).any()
    voxels = matrix_sums(np.zeros(SHAPE, "u1"), points, connectivity)[1]
    assert voxels.sum() == holders.sum() > 40_000
    for e in range(0, len(connectivity), 5):
        assert voxels[e] == len(voxels_in(points[connectivity[e]], SHAPE))


@pytest.mark.parametrize("turn", range(12))
def test_a_fan_about_a_line_through_voxels(turn):
    """Elements about one edge: faces in all directions, some along x, some along the diagonals of voxels."""
    axis, shift = turn % 3, turn // 3
    angles = np.arange(8) * np.pi / 4 + (0.1 * shift if shift < 3 else 0)
    rim = np.column_stack([np.cos(angles), np.sin(angles)]) * 9
    rim = np.rint(rim) if shift == 0 else rim
    points = np.zeros((10, 3))
    points[:8, [i for i in range(3) if i != axis]] = rim
    points[8:, axis] = -8, 11
    points += 15
    connectivity = np.array([[i, (i + 1) % 8, 8, 9] for i in range(8)])[:, np.random.default_rng(turn).permutation(4)]
    holders = holders_of(points, connectivity, (32, 32, 32))
    assert holders.max() == 1
    line = np.full((18, 3), 15)
    line[:, axis] = np.arange(8, 26)
    assert (holders[tuple(line.T)] == 1).all()
    voxels = matrix_sums(np.zeros((32, 32, 32), "u1"), points, connectivity)[1]
    np.testing.assert_array_equal(voxels, [len(voxels_in(points[c], (32, 32, 32))) for c in connectivity])


def test_the_order_of_the_nodes_does_not_matter():
    points, connectivity = loose_mesh(SHAPE)
    turned = connectivity[:, [2, 0, 1, 3]].copy()
    turned[::2] = turned[::2, [1, 0, 2, 3]]  # half of them inside out
    image = np.random.default_rng(0).integers(0, 255, SHAPE, "u1")
    assert (matrix_sums(image, points, connectivity)[1] == matrix_sums(image, points, turned)[1]).all()


def test_elements_without_voxels():
    """Too small, flat, or outside the image: zeros, and `voxels` says so."""
    points = np.array([[0.2, 0.2, 0.2], [0.8, 0.2, 0.2], [0.2, 0.8, 0.2], [0.2, 0.2, 0.8]])
    flat = np.array([[3.0, 3, 3], [9, 3, 3], [3, 9, 3], [9, 9, 3]])
    points = np.concatenate([points + 5, flat, points * 20 - 40, points * 20 + 500, points * 10 + [2, 60, 2]])
    image = np.random.default_rng(0).normal(size=(20, 30, 40))
    cells = np.arange(20).reshape(5, 4)
    matrix, voxels = matrix_sums(image, points, cells)
    sums = step_sums(image, image, points, cells, np.zeros_like(points))
    assert (voxels == 0).all() and (matrix == 0).all() and all((values == 0).all() for values in vars(sums).values())
    empty = matrix_sums(image, points, np.empty((0, 4), int))
    assert empty[0].shape == (0, 78) and empty[1].shape == (0,)


def test_an_element_larger_than_the_image():
    points = np.array([[-1e5, -1e5, -1e5], [9e5, 0, 0], [0, 9e5, 0], [0, 0, 9e5]])
    image = np.random.default_rng(0).integers(0, 255, (40, 40, 70), "u1")
    matrix, voxels = matrix_sums(image, points, np.array([[0, 1, 2, 3]]))
    assert voxels == image.size
    twin = Twin(image, image)
    at = np.argwhere(np.ones(image.shape))
    columns = (shape_functions(points, at)[:, :, None] * twin.gradient.reshape(-1, 1, 3)).reshape(-1, 12)
    np.testing.assert_allclose(matrix[0], (columns.T @ columns)[np.triu_indices(12)], rtol=2e-5)


# the sums


def close(found: np.ndarray, expected: np.ndarray, scale: float) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=scale)


@pytest.fixture
def use():
    """Choose an instruction set for one test."""
    before = selected()
    yield select
    select(before)


CASES = [(name, 3, "u2") for name in supported()]
CASES += [(supported()[-1], *case) for case in ((1, "u1"), (5, "f4"), (3, "i2"), (3, "i4"), (3, "f8"), (1, "f4"))]


@pytest.mark.parametrize(("name", "order", "kind"), CASES)
def test_sums_are_those_of_the_twin(name, order, kind, use):
    """With nodes outside the image, and displacements that lead out of im2."""
    use(name)
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
    im2 = im1 + np.random.default_rng(0).normal(scale=0.05, size=SHAPE)
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


# the same bits


@pytest.mark.parametrize("name", supported())
@pytest.mark.parametrize("holes", [False, True])
def test_bits_do_not_depend_on_what_is_summed_up_together(holes, name, use):
    use(name)
    im1, im2 = holed(*smooth_pair(SHAPE, "f4")) if holes else smooth_pair(SHAPE, "u2")
    points, connectivity = loose_mesh(SHAPE)
    displacements = np.random.default_rng(3).normal(scale=2, size=points.shape)
    displacements[0] = 60  # one node so far off that its elements need im2 by themselves
    for way in ("im1", "both"):
        every = step_sums(im1, im2, points, connectivity, displacements, way)
        matrix, voxels = matrix_sums(im1, points, connectivity)
        rng = np.random.default_rng(4)
        for part in (*np.array_split(rng.permutation(len(connectivity)), 5), [7], np.arange(3, 90, 11)):
            same(every, step_sums(im1, im2, points, connectivity[part], displacements, way), part)
            alone = matrix_sums(im1, points, connectivity[part])
            np.testing.assert_array_equal(alone[0], matrix[part])
            np.testing.assert_array_equal(alone[1], voxels[part])


@pytest.mark.mpi
@pytest.mark.parametrize("kind", ["u2", "f4"])
def test_ranks_change_no_bit(team, kind):
    im1, im2 = smooth_pair(SHAPE, "u2") if kind == "u2" else holed(*smooth_pair(SHAPE, kind))
    points, connectivity = loose_mesh(SHAPE)
    u = np.random.default_rng(3).normal(scale=2, size=points.shape)
    found = sums_over_ranks(team, points, connectivity, lambda own: step_sums(im1, im2, points, own, u))
    matrix = sums_over_ranks(team, points, connectivity, lambda own: matrix_sums(im1, points, own))
    assert (found is None) == (matrix is None) == (team.rank > 0)
    if team.rank == 0:
        same(step_sums(im1, im2, points, connectivity, u), found)
        for one, other in zip(matrix_sums(im1, points, connectivity), matrix, strict=True):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype
    few = sums_over_ranks(team, points, connectivity[:1], lambda own: matrix_sums(im1, points, own))
    assert team.rank > 0 or few[1].shape == (1,)


@pytest.mark.mpi
def test_an_error_of_one_rank_is_raised_on_all(team):
    points, connectivity = loose_mesh(SHAPE)

    def sums(own):
        if team.rank == team.size - 1:
            raise UserError("no such image")
        return matrix_sums(np.zeros(SHAPE, "u1"), points, own)

    with pytest.raises(UserError, match="no such image"):
        sums_over_ranks(team, points, connectivity, sums)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_shares(size):
    """Each element is one rank's, a slab of about as many voxels each; also when there are more ranks than elements."""
    points, connectivity = box_of_tetrahedra((8, 4, 4), 10.0)
    shares = [share_of(points, connectivity, rank, size) for rank in range(size)]
    np.testing.assert_array_equal(np.sort(np.concatenate(shares)), np.arange(len(connectivity)))
    assert max(map(len, shares)) - min(map(len, shares)) <= 2
    heights = [points[connectivity[share]].mean(axis=1)[:, 0] for share in shares]
    assert all(a.max() <= b.min() + 1e-9 for a, b in zip(heights, heights[1:], strict=False))
    few = [share_of(points, connectivity[:3], rank, size) for rank in range(size)]
    np.testing.assert_array_equal(np.sort(np.concatenate(few)), np.arange(3))
    assert all(len(share_of(points, connectivity[:0], rank, size)) == 0 for rank in range(size))


# voxels that do not count


def holed(im1, im2):
    im1, im2 = im1.copy(), im2.copy()
    im1[3:7, 4, 5:30], im1[20, 20, 33], im1[5, 30] = np.nan, np.inf, np.nan
    im2[10:13, 10:12, 10:40], im2[30, 3, 3] = np.nan, -np.inf
    im1[36, 40, 71] = np.nan
    return im1, im2


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


# far away


def test_an_element_spread_over_all_of_im2():
    """Sources so far apart that im2 is read in parts."""
    rng = np.random.default_rng(0)
    im1, im2 = (rng.integers(0, 200, (108, 108, 108), "u1") for _ in range(2))
    points = np.array([[40.0, 40, 40], [52, 41, 43], [42, 54, 40], [39, 42, 51]])
    u = 40 * (points - points.mean(axis=0))
    twin = Twin(im1, im2, order=1)
    sums = step_sums(im1, im2, points, np.array([[0, 1, 2, 3]]), u, order=1)
    F, G, H, scalars = twin.step(points, u)
    assert 0 < sums.n[0] == scalars[0] < twin.matrix(points)[1]
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
