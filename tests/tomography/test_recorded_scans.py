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


def views_of(path, binning, **parts):
    """A scan, and its views, whose pixels are some of the detector: it takes less time."""
    scan = describe_scan(str(path), **parts)
    views = np.array([scan.read(i)[0] for i in range(scan.geometry.views)])
    geometry = binned_geometry(scan.geometry, binning)
    return replace(scan, geometry=geometry), binned_views(views, np.ones_like(views), binning)[0]


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
    """An object that goes on below its views, with uneven air and rings, its axis 3.25 pixels off the middle."""
    parts = {"data": "data", "angles": "angle_deg", "flat": "flat", "dark": "dark"}
    scan, views = views_of(shared / "data/tomo_standard_projections/projections.h5", 2, **parts)
    added = np.random.default_rng(1).uniform(-1.5, 1.5, (2, len(views)))
    assert (recovered(scan, views, added, AlignSettings()) <= (0.05, 0.05)).all()


@pytest.mark.slow
def test_tooth(shared):
    """A single row of two."""
    scan, views = views_of(shared / "data/tomo_tooth/tooth.h5", 4)
    added = np.random.default_rng(1).uniform(-0.75, 0.75, (2, len(views)))
    added[1] = 0
    assert recovered(scan, views, added, AlignSettings(align_k=False))[0] <= 0.05
