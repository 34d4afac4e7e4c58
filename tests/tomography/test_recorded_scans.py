"""Recorded scans: what is recovered of offsets that are added to them, beside those that they have."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import shift
from test_alignment import Memory

from hpcdvc.ranks.team import Team
from hpcdvc.tomography.align import align, free_offsets
from hpcdvc.tomography.levels import binned_geometry, binned_views
from hpcdvc.tomography.opening import describe_scan
from hpcdvc.tomography.settings import AlignSettings


def views_of(path, **parts):
    """A scan, and its views."""
    scan = describe_scan(str(path), **parts)
    return scan, np.array([scan.read(i)[0] for i in range(scan.geometry.views)])


def moved(views, offsets):
    """Views (n, J, K) with offsets (2, n) added, by cubic splines."""
    lines = zip(views, offsets.T, strict=True)
    return np.array([shift(view, -by, mode="nearest", output=np.float32) for view, by in lines])


def recovered(scan, views, added, settings):
    """Rms along j and k of what is found, less the offsets of the views as they are and those that were added."""
    before, after = (align(replace(scan, views=Memory(v)), settings, Team()) for v in (views, moved(views, added)))
    for found in (before, after):
        assert found.history[-1].residual <= found.history[0].residual
        assert not found.notes
    off = [np.array([found.j_offsets, found.k_offsets]) for found in (before, after)]
    return np.sqrt((free_offsets(off[1] - off[0] - added, scan.geometry) ** 2).mean(axis=1))


@pytest.mark.slow
def test_rod(shared):
    """An object that goes on below its views, with uneven air and rings, its axis 6.5 pixels off the middle."""
    path = shared / "data/tomo_standard_projections/projections.h5"
    scan, views = views_of(path, data="data", angles="angle_deg", flat="flat", dark="dark")
    added = np.random.default_rng(1).uniform(-3, 3, (2, len(views)))
    assert (recovered(scan, views, added, AlignSettings(bins=(4, 2))) <= (0.3, 0.15)).all()


@pytest.mark.slow
def test_tooth(shared):
    """Two rows, of which one is made; pixels are two of the detector."""
    scan, views = views_of(shared / "data/tomo_tooth/tooth.h5")
    geometry = binned_geometry(scan.geometry, 2)
    scan = replace(scan, geometry=geometry)
    views, _ = binned_views(views, np.ones_like(views), 2)
    added = np.random.default_rng(1).uniform(-1.5, 1.5, (2, len(views)))
    added[1] = 0
    assert recovered(scan, views, added, AlignSettings(bins=(4, 2), align_k=False))[0] <= 0.15
