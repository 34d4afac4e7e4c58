"""What the kernels of projections are handed is checked at their entry: one sentence instead of a crash."""

import numpy as np
import pytest
from tomography_cases import turned

from hpcdvc.kernels import tomography
from hpcdvc.tomography.beams import beams_of

SCAN = turned([0.3, 1.2], [0, 0], (5, 6, 7), (8, 9))


def arrays() -> dict:
    """All that fits together."""
    return {
        "beams": beams_of(SCAN),
        "grown": np.zeros((8, 9, 10), "f4"),
        "views": np.zeros((2, 8, 9), "f4"),
        "around": np.zeros((2, 14, 15), "f4"),
        "planes": np.zeros((5, 6, 7), "f4"),
        "rows": np.zeros((2, 8, 7), "f4"),
        "more_rows": np.zeros((2, 8, 8), "f4"),
    }


def call(a: dict) -> None:
    """All kernels."""
    tomography.forward(a["grown"], a["beams"], a["views"])
    tomography.adjoint(a["around"], a["beams"], a["planes"], 0, 5)
    tomography.flat_forward(a["planes"], a["beams"], a["rows"])
    tomography.flat_adjoint(a["more_rows"], a["beams"], a["planes"])


def test_what_fits():
    call(arrays())


@pytest.mark.parametrize("name", ["beams", "grown", "views", "around", "planes", "rows", "more_rows"])
def test_arrays(name):
    for spoilt in (
        arrays()[name][:1],
        arrays()[name][::-1],
        arrays()[name].tolist(),
        np.zeros(arrays()[name].shape, "i4"),
        arrays()[name][..., :0],
    ):
        if name == "planes" and np.shape(spoilt) == (1, 6, 7):
            continue  # fewer planes are planes
        with pytest.raises((TypeError, ValueError)):
            call(arrays() | {name: spoilt})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("start", np.nan),
        ("origin", np.inf),
        ("pixel", 3.0),
        ("voxel", -2.5),
        ("axis", 3),
        ("axis", -1),
        ("reach", np.nan),
    ],
)
def test_beams(field, value):
    beams = arrays()["beams"]
    beams[field][1] = value
    for kernel in (tomography.forward, tomography.flat_forward):
        with pytest.raises(ValueError, match="beam"):
            kernel(
                arrays()["grown" if kernel is tomography.forward else "planes"],
                beams,
                arrays()["views"][..., :7].copy(),
            )


def test_beams_far_off():
    """Views that see nothing of the volume, however far they are off."""
    a = arrays()
    for far in (1e3, 1e9, 1e18, 1e300):
        for offsets in ((far, 0), (0, -far), (-far, far)):
            a["beams"] = beams_of(SCAN, *(np.full(2, float(o)) for o in offsets))
            a["grown"][1:-2, 1:-2, 1:-2] = 1
            tomography.forward(a["grown"], a["beams"], a["views"])
            a["around"][:, 3:-3, 3:-3] = 1
            tomography.adjoint(a["around"], a["beams"], a["planes"], 0, 5)
            assert not a["views"].any() and not a["planes"].any()


@pytest.mark.parametrize(("first", "length"), [(-1, 5), (1, 5), (3, 2)])
def test_planes_that_are_not_there(first, length):
    a = arrays()
    with pytest.raises(ValueError, match="planes"):
        tomography.adjoint(a["around"], a["beams"], a["planes"], first, length)
