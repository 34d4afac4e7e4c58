"""Neighbours of labels against a search by scipy, of all types, in two dimensions, on any number of ranks."""

import itertools

import numpy as np
import pytest
from label_cases import labelled
from scipy import ndimage

from hpcdvc import neighbours
from hpcdvc.errors import UserError
from hpcdvc.labels.contacts import scan_contacts


def by_scipy(image):
    """Pair of labels -> faces between them."""
    cross = ndimage.generate_binary_structure(3, 1)
    return {
        (int(a), int(b))
        for a in np.unique(image[image > 0])
        for b in np.unique(image[ndimage.binary_dilation(image == a, cross)])
        if a < b
    }


def faces_of(image, a, b):
    count = 0
    for axis in range(3):
        one, other = (np.take(image, range(k, image.shape[axis] - 1 + k), axis) for k in (0, 1))
        count += ((one == a) & (other == b)).sum() + ((one == b) & (other == a)).sum()
    return count


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4"])
@pytest.mark.parametrize("shape", [(13, 14, 17), (1, 20, 23), (1, 1, 1)])
def test_contacts_as_by_scipy(dtype, shape):
    image = labelled(dtype, shape)
    found = scan_contacts(image)
    assert [tuple(pair) for pair in found["labels"].tolist()] == sorted(by_scipy(image))
    for (a, b), faces in zip(found["labels"], found["faces"], strict=True):
        assert faces == faces_of(image, a, b)
    assert (neighbours(image) == found["labels"]).all()


def test_many_and_large_numbers():
    image = np.arange(2**32 - 30 * 31 * 32, 2**32, dtype=np.uint64).reshape(30, 31, 32)
    pairs = neighbours(image)
    assert len(pairs) == 29 * 31 * 32 + 30 * 30 * 32 + 30 * 31 * 31
    assert (pairs[:, 0] < pairs[:, 1]).all() and set(np.diff(pairs, axis=1)[:, 0]) == {1, 32, 31 * 32}


@pytest.mark.mpi
def test_the_same_on_all_ranks(team):
    image = labelled(shape=(23, 14, 17))
    assert scan_contacts(image, team).tobytes() == scan_contacts(image).tobytes()


def dots(places, shape=(20, 20, 20)):
    image = np.zeros(shape, "u2")
    for number, place in enumerate(places, start=1):
        image[tuple(slice(k, k + 2) if n > 1 else 0 for k, n in zip(place, shape, strict=True))] = 10 * number
    return image


def test_neighbours_in_a_mesh():
    corners = list(itertools.product((2, 12), repeat=3))
    pairs = neighbours(dots([*corners, (7, 7, 7)]), "mesh", 20).tolist()
    assert all([10 * k, 90] in pairs for k in range(1, 9)) and [10, 80] not in pairs
    assert neighbours(dots([*corners, (7, 7, 7)])).size == 0
    with pytest.raises(UserError, match="removes all"):
        neighbours(dots([*corners, (7, 7, 7)]), "mesh", 3)


def test_neighbours_in_a_plane_mesh():
    flat = dots([(0, 2, 2), (0, 2, 12), (0, 12, 2), (0, 12, 12), (0, 7, 7)], (1, 20, 20))
    expected = [[10, 20], [10, 30], [10, 50], [20, 40], [20, 50], [30, 40], [30, 50], [40, 50]]
    assert neighbours(flat, "mesh", 20).tolist() == expected == neighbours(flat[0], "mesh", 20).tolist()


@pytest.mark.parametrize(
    ("image", "method", "message"),
    [
        (np.zeros((3, 3, 3), "u1"), "mesh", "only 0"),
        (np.ones((3, 3, 3)), "contact", "labels are whole numbers"),
        (np.ones((3, 3, 3), "u1"), "box", '"box" is not known'),
    ],
)
def test_refused(image, method, message):
    with pytest.raises(UserError, match=message):
        neighbours(image, method)
