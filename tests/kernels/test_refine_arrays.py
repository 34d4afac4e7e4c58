"""The kernels of the refinement refuse arrays that are not what they are taken for."""

import numpy as np
import pytest
from hpcdvc.kernels.refine import MARGIN, prefilter, refine, room_for

from hpcdvc.kernels.records import dtype
from hpcdvc.registration.filters import prefilter_taps

SHAPE = (20, 24)


def points(pixel=(10, 10), start=(0.0, 0.0)):
    result = np.zeros(1, dtype("refine_point"))
    result["pixel"], result["start"] = pixel, start
    return result


def run(**other):
    rng, size = np.random.default_rng(0), (2, SHAPE[0] + 2 * MARGIN, SHAPE[1] + 2 * MARGIN)
    grey, coefficients = room_for(size), room_for(size)
    grey[:], coefficients[:] = rng.random(size), rng.random(size)
    given = {"grey": grey, "coefficients": coefficients, "missing": (None, None), "points": points()}
    given |= {"weights": np.full((7, 7), 1 / 49, "f4"), "refined": np.zeros(1, dtype("refined"))}
    settings = {"first": 0, "shape": SHAPE, "affine": True, "partial": False}
    settings |= {"most_iterations": 3, "tolerance": 1e-3, "most_moved": 1.5}
    given, settings = ({name: other.get(name, value) for name, value in of.items()} for of in (given, settings))
    refine(*given.values(), **settings)
    return given["refined"]


def test_what_fits():
    assert run()["iterations"] > 0
    missing = np.zeros((2, SHAPE[0] + 2 * MARGIN, SHAPE[1] + 2 * MARGIN), "u1")
    assert run(missing=(missing, missing)).tobytes() == run().tobytes()
    missing[1, 10 + MARGIN, 12 + MARGIN] = 1
    assert run(missing=(missing, None))["return_status"] == run(missing=(None, missing))["return_status"] == -6


@pytest.mark.parametrize(
    "given",
    [
        {"grey": np.zeros((2, 24, 28), "f4")},  # nothing behind it
        {"coefficients": np.zeros((2, 24, 28), "f4")},
        {"coefficients": room_for((2, 24, 27))},
        {"missing": (np.zeros((2, 24, 28), bool), None)},
        {"missing": (None, np.zeros((2, 24, 27), "u1"))},
        {"points": points((2, 10))},
        {"points": points((17, 10))},
        {"points": points((10, 21))},
        {"points": points(start=(np.nan, 0))},
        {"points": points(start=(0, 1e9))},
        {"weights": np.ones((7, 6), "f4")},
        {"weights": np.ones((7, 7))},
        {"weights": np.ones((1, 1), "f4")},
        {"refined": np.zeros(2, dtype("refined"))},
        {"first": 1},
        {"shape": (20, 25)},
    ],
)
def test_what_does_not_fit(given):
    with pytest.raises((TypeError, ValueError)):
        run(**given)


def test_a_start_outside_of_the_image_reads_nothing():
    for start in ((-24, -24), (24, 24), (0, 24), (-7.5, 0)):
        assert run(points=points(start=start))["return_status"] == -6


def test_prefilter():
    taps = prefilter_taps(3)
    constant = np.full((10 + 22, 9 + 22), 3, "f4")
    coefficients = np.zeros((10, 9), "f4")
    prefilter(constant, taps, coefficients)
    np.testing.assert_allclose(coefficients, 3, rtol=1e-6)
    for grey, to in ((constant, np.zeros((10, 10), "f4")), (constant.astype(float), coefficients)):
        with pytest.raises((TypeError, ValueError)):
            prefilter(grey, taps, to)
