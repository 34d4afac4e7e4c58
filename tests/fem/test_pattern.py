"""Matrices from the numbers of elements, against sums one by one."""

import numpy as np
import pytest

from hpcdvc.fem.mesh import create_cuboid
from hpcdvc.fem.pattern import UPPER, Pattern


@pytest.mark.parametrize("spare", [0, 3])
def test_sum_of_elements(spare):
    """Nodes of an element in any order; and nodes that no element has."""
    points, connectivity = create_cuboid((3, 2, 2), 1)
    rng = np.random.default_rng(4)
    connectivity = rng.permuted(connectivity, axis=1)
    sums, size = rng.normal(0, 1, (len(connectivity), 78)), 3 * (len(points) + spare)
    expected = np.zeros((size, size))
    for nodes, numbers in zip(connectivity, sums, strict=True):
        whole = np.zeros((12, 12))
        whole[UPPER] = whole[UPPER[::-1]] = numbers
        dofs = (3 * nodes[:, None] + np.arange(3)).ravel()
        expected[np.ix_(dofs, dofs)] += whole
    pattern = Pattern(connectivity, len(points) + spare)
    matrix = pattern.matrix(sums)
    assert matrix.blocksize == (3, 3) and matrix.has_canonical_format
    np.testing.assert_allclose(matrix.toarray(), expected, atol=1e-13)
    assert np.array_equal(matrix.toarray(), matrix.toarray().T)
    assert np.array_equal(pattern.matrix(np.asfortranarray(2 * sums)).data, 2 * matrix.data)
