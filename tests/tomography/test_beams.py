"""Projections and their transpose: the formula, the peer's pieces, edges, all directions of the beam."""

import numpy as np
import pytest
import reference_projector
from tomography_cases import peer_pieces, turned

from hpcdvc import kernels
from hpcdvc.tomography.beams import adjoint, forward

VOLUME, VIEW = (13, 11, 18), (16, 21)
#: Rotations about z, about y and x after it (beams along all three axes), and exact angles, where axes tie.
SCANS = {
    "single": turned(np.linspace(0.1, 3.0, 7), np.zeros(7), VOLUME, VIEW),
    "dual": turned(np.linspace(0.1, 6.1, 9), np.linspace(-0.7, 0.75, 9), VOLUME, VIEW),
    "steep": turned(np.linspace(0.1, 6.1, 9), np.linspace(0.9, 1.5, 9), VOLUME, VIEW),
    "exact": turned(np.arange(8) * np.pi / 4, np.tile([0, np.pi / 4], 4), VOLUME, VIEW),
}


def offsets(count: int):
    """Offsets along j and k that are no whole pixels, and one that moves the views half out of sight."""
    j, k = np.random.default_rng(1).uniform(-3, 3, (2, count))
    j[-1], k[-2] = 9.3, -12.7
    return j, k


@pytest.fixture(params=kernels.supported())
def isa(request, monkeypatch):
    monkeypatch.setattr(kernels, "_selected", request.param)


@pytest.mark.parametrize("name", SCANS)
def test_forward_is_the_formula(name, isa):
    scan = SCANS[name]
    o = offsets(len(scan.p))
    x = np.random.default_rng(0).random(VOLUME)
    expected = reference_projector.forward(x, scan, *o)
    np.testing.assert_allclose(forward(x, scan, *o), expected, atol=1e-12)
    single = forward(x.astype("f4"), scan, *o)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, atol=3e-5)


@pytest.mark.parametrize("name", SCANS)
def test_adjoint_is_the_transpose(name, isa):
    """<A x, y> = <x, A'y>, for what lies at the edges, too."""
    scan = SCANS[name]
    o = offsets(len(scan.p))
    rng = np.random.default_rng(0)
    x, y = rng.random(VOLUME), rng.random((len(scan.p), *VIEW))
    for kind, within in (("f8", 1e-13), ("f4", 1e-6)):
        a, b = x.astype(kind), y.astype(kind)
        left = (forward(a, scan, *o).astype(float) * b).sum()
        right = (a * adjoint(b, scan, *o).astype(float)).sum()
        assert abs(left - right) <= within * left


def test_adjoint_voxel_by_voxel(isa):
    """Columns of the matrix: no weight is in the place of another."""
    scan = SCANS["dual"]
    o = offsets(len(scan.p))
    y = np.random.default_rng(2).random((len(scan.p), *VIEW))
    back = adjoint(y, scan, *o)
    for voxel in ((0, 0, 0), (12, 10, 17), (6, 0, 17), (5, 6, 7), (0, 10, 9)):
        x = np.zeros(VOLUME)
        x[voxel] = 1
        assert np.isclose((forward(x, scan, *o) * y).sum(), back[voxel], rtol=1e-12)


def test_peer(shared):
    """The peer's projections, but for its edge: with its edge the formula gives them, and ours inside."""
    scan, o, x, y, out = peer_pieces(shared)
    emulated = reference_projector.forward(x, scan, *o, peer_edge=True)
    np.testing.assert_allclose(emulated, out["forward_x"], atol=1e-10)
    np.testing.assert_allclose(
        reference_projector.interpolated(y, scan, *o, peer_edge=True), out["adjoint_y"], atol=1e-10
    )
    # rays that touch no edge of the volume are the peer's: those of a volume whose rim is empty
    inner = np.zeros_like(x)
    inner[2:, 2:, 2:] = x[2:, 2:, 2:]
    np.testing.assert_allclose(
        forward(inner, scan, *o), reference_projector.forward(inner, scan, *o, peer_edge=True), atol=1e-10
    )
