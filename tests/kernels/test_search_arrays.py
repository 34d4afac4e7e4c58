"""The kernels of the search refuse arrays that are not what they are taken for: they would read or write past them."""

import numpy as np
import pytest
from hpcdvc.kernels.labels import scan
from hpcdvc.kernels.search import correlate, find, take_regions, take_windows

from hpcdvc.kernels.records import dtype
from hpcdvc.kernels.volume import Volume
from hpcdvc.search.pixels import search_points
from hpcdvc.search.settings import SearchSettings
from hpcdvc.search.sums import room_for

IMAGE = Volume(np.random.default_rng(0).integers(0, 255, (20, 20, 20), "u1"))
POINTS = search_points(np.full((2, 3), 10.0), np.tile(np.eye(4), (2, 1, 1)), (2, 2, 2), np.array([-1, 1] * 3))
SETTINGS = SearchSettings().record()


def arrays():
    found = {"a": np.zeros((2, 5, 5, 5), "f4"), "ok1": np.zeros((2, 5, 5, 5), "f4"), "b": room_for((2, 7, 7, 7))}
    found |= {"ok2": room_for((2, 7, 7, 7)), "windows": np.zeros(2, dtype("search_window"))}
    return found | {"regions": np.zeros(2, dtype("search_region")), "ab": np.zeros((2, 3, 3, 3), "f4")}


def run(points=POINTS, labels=None, sums=(), found=None, **other):
    given = {**arrays(), **other}
    a, ok1, b, ok2, windows, regions, ab = given.values()
    take_windows(IMAGE, labels, SETTINGS, points, a, ok1, windows)
    take_regions(IMAGE, points, b, ok2, regions)
    all_sums = {"ab": ab, **dict(sums)}
    correlate(a, ok1, b, ok2, all_sums)
    found = np.zeros(2, dtype("found")) if found is None else found
    find(IMAGE, SETTINGS, points, a, ok1, b, ok2, windows, regions, all_sums, found, None)


def test_what_fits():
    run()


def other_points(**changes):
    points = POINTS.copy()
    for name, value in changes.items():
        points[name][0] = value
    return points


@pytest.mark.parametrize(
    "given",
    [
        {"points": other_points(high=2)},
        {"points": other_points(box_low=-3)},
        {"points": POINTS[:1]},
        {"a": np.zeros((2, 5, 5, 5))},
        {"a": np.zeros((2, 5, 5, 4), "f4")},
        {"ok1": np.zeros((1, 5, 5, 5), "f4")},
        {"b": np.zeros((2, 7, 7, 7), "f4")},
        {"ok2": np.zeros((2, 7, 7, 7), "f4")},
        {"b": room_for((2, 7, 7, 8))},
        {"windows": np.zeros(1, dtype("search_window"))},
        {"regions": np.zeros(2, dtype("search_window"))},
        {"ab": np.zeros((2, 3, 3, 4), "f4")},
        {"found": np.zeros(1, dtype("found"))},
        {"sums": {"mb": np.zeros((2, 3, 3, 3), "f4")}},
        {"sums": {"mm": np.zeros((2, 3, 3, 3), "f4")}},
        {"labels": Volume(np.zeros((20, 20, 19), "u1"))},
    ],
    ids=lambda given: next(iter(given)),
)
def test_what_does_not(given):
    with pytest.raises((TypeError, ValueError)):
        run(**given)


def test_labels_are_whole_numbers_of_these_planes():
    with pytest.raises(TypeError):
        scan(Volume(np.zeros((3, 3, 3), "f4")), 0, 3)
    with pytest.raises(ValueError):
        scan(Volume(np.zeros((3, 3, 3), "u1")), 0, 4)
