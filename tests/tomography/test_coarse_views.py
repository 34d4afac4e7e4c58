"""Alignment where views are coarse or narrow: single rows, levels of few pixels, a last level that is binned."""

import numpy as np
import pytest
from tomography_cases import turned

from hpcdvc.ranks.team import Team
from hpcdvc.tomography.align import align
from hpcdvc.tomography.beams import forward
from hpcdvc.tomography.scan import Scan
from hpcdvc.tomography.settings import AlignSettings
from hpcdvc.tomography.shifts import step_of

SIZE, VIEWS = 18, 8


class Memory:
    """Views of a ball beside the axis."""

    files = ()

    def __init__(self, geometry, offsets):
        grid = np.indices(geometry.volume) - np.array([[[[(n - 1) / 2]]] for n in geometry.volume])
        x, y, z = grid
        self.values = forward(np.exp(-((x - 2) ** 2 + y**2 + z**2 / 9) / 8).astype("f4"), geometry, *offsets) / SIZE

    def read(self, view):
        return self.values[view], np.ones(self.values.shape[1:], np.float32)


def scan_of(height):
    """A scan of so many rows, and the true offsets of j."""
    geometry = turned(
        np.linspace(0.07, np.pi, VIEWS, endpoint=False), np.zeros(VIEWS), (SIZE, SIZE, height), (SIZE, height)
    )
    truth = np.array([np.random.default_rng(2).uniform(-1, 1, VIEWS), np.zeros(VIEWS)])
    return Scan("ball", geometry, *np.zeros((2, VIEWS)), Memory(geometry, truth), "stack"), truth


@pytest.mark.parametrize("rows", [1, 2])
@pytest.mark.parametrize(("method", "near"), [("cc", 0.05), ("phase", 1), ("masked", 0.5), ("gn", 0.2)])
def test_step_along_the_rows_that_there_are(method, near, rows):
    """A row or two tell of j as any do, and nothing of k."""
    j = np.arange(40.0)[:, None] + np.zeros(rows)
    first, second = (np.exp(-((j - 19 + at) ** 2) / 20) for at in (0, 0.8))
    found = step_of(method, first, second, np.ones(first.shape), 1 if method == "masked" else 20)
    assert abs(found[0] - 0.8) < near and found[1] == 0


def test_step_of_a_few_pixels():
    for method in ("cc", "phase", "masked", "gn"):
        assert not step_of(method, np.eye(2), np.eye(2)[::-1], np.ones((2, 2))).any()


@pytest.mark.parametrize("rows", [1, 2])
def test_a_scan_of_few_rows(rows):
    scan, truth = scan_of(rows)
    found = align(scan, AlignSettings(maxiter=5, align_k=False), Team())
    wrong = found.j_offsets - truth[0]
    wrong -= scan.geometry.u @ np.linalg.lstsq(scan.geometry.u, wrong, rcond=1e-10)[0]
    assert np.abs(wrong).max() < 0.05 and not found.k_offsets.any()


@pytest.mark.parametrize("mode", ["slab", "replicated"])
def test_what_comes_out_is_of_the_scan(mode):
    """Volume and views at full size, where the last level was coarser, and where a level has hardly a pixel."""
    scan, _ = scan_of(SIZE)
    short = {"reconstruction_kwargs": {"maxiter": 4}, "maxiter": 1, "mode": mode}
    found = align(scan, AlignSettings(bins=(16, 4, 2), **short), Team())
    assert found.reconstruction.shape == scan.geometry.volume
    assert np.array_equal(found.reference, scan.views.values)
    again = align(
        Scan("ball", scan.geometry, found.j_offsets, found.k_offsets, scan.views, "stack"),
        AlignSettings(start="file", bins=(1,), **{**short, "maxiter": 0}),
        Team(),
    )
    assert np.array_equal(found.reconstruction, again.reconstruction)
    assert np.array_equal(found.projections, again.projections)
