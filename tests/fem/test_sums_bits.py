"""The same bits of the sums over tetrahedra, whatever is summed up together and on however many ranks."""

import numpy as np
import pytest
from fem_cases import SHAPE, box_of_tetrahedra, holed, loose_mesh, same, smooth_pair

from hpcdvc import kernels
from hpcdvc.errors import UserError
from hpcdvc.fem.sums import matrix_sums, pieces_of, share_of, step_sums, sums_over_ranks


@pytest.mark.parametrize("name", kernels.supported())
@pytest.mark.parametrize("holes", [False, True])
def test_bits_do_not_depend_on_what_is_summed_up_together(holes, name, monkeypatch):
    monkeypatch.setattr(kernels, "_selected", name)
    im1, im2 = holed(*smooth_pair(SHAPE, "f4")) if holes else smooth_pair(SHAPE, "u2")
    points, connectivity = loose_mesh(SHAPE)
    displacements = np.random.default_rng(3).normal(scale=2, size=points.shape)
    displacements[0] = 60  # one node so far off that its elements need im2 by themselves
    for way in ("im1", "both"):
        every = step_sums(im1, im2, points, connectivity, displacements, way)
        matrix, voxels = matrix_sums(im1, points, connectivity)
        parts = np.array_split(np.random.default_rng(4).permutation(len(connectivity)), 5)
        for part in (*parts, [7], np.arange(3, 90, 11)):
            pieces = pieces_of(points, connectivity[part], SHAPE)
            same(every, step_sums(im1, im2, points, connectivity[part], displacements, way, pieces=pieces), part)
            alone = matrix_sums(im1, points, connectivity[part], pieces=pieces)
            np.testing.assert_array_equal(alone[0], matrix[part])
            np.testing.assert_array_equal(alone[1], voxels[part])


def test_bits_beside_holes():
    """What is read for one element begins in the midst of voxels that are not finite; for all it begins before them."""
    im1, im2 = holed(*smooth_pair(SHAPE, "f4"))
    points, connectivity = box_of_tetrahedra((4, 4, 9), 4.0)
    points = points + [3.3, 2.2, 4.1]
    every = step_sums(im1, im2, points, connectivity, np.zeros_like(points))
    matrix, _ = matrix_sums(im1, points, connectivity)
    for e in range(0, len(connectivity), 5):
        one = connectivity[e : e + 1]
        same(every, step_sums(im1, im2, points, one, np.zeros_like(points)), slice(e, e + 1))
        np.testing.assert_array_equal(matrix_sums(im1, points, one)[0][0], matrix[e])


@pytest.mark.mpi
@pytest.mark.parametrize("kind", ["u2", "f4"])
def test_ranks_change_no_bit(team, kind):
    im1, im2 = smooth_pair(SHAPE, "u2") if kind == "u2" else holed(*smooth_pair(SHAPE, kind))
    points, connectivity = loose_mesh(SHAPE)
    u = np.random.default_rng(3).normal(scale=2, size=points.shape)
    found = sums_over_ranks(team, points, connectivity, lambda own: step_sums(im1, im2, points, own, u))
    share = share_of(points, connectivity, team.rank, team.size)
    matrix = sums_over_ranks(team, points, connectivity, lambda own: matrix_sums(im1, points, own), share)
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
