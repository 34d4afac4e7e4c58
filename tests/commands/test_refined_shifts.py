"""-pm gn and gnaffine of localShifts and umpa: nearer to the truth, and the same bits in any bands on any ranks."""

import h5py
import numpy as np
import pytest
import tifffile
from speckle_cases import speckle_pair
from umpa_cases import save_scan, save_tomography, truth

import hpcdvc
from hpcdvc.options import localShifts as local_options
from hpcdvc.options import umpa as umpa_options
from hpcdvc.ranks.team import connect
from hpcdvc.workflows import localShifts, umpa


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def stretched(y, x):
    return 0.4 + 0.02 * y - 0.01 * x, -0.7 + 0.015 * x + 0.005 * y


def local(**words):
    how = {"half_window_size": 5, "search_range": (4,), "quiet": True, "force": True, "prefix": "P", **words}
    return hpcdvc.read(localShifts.run(local_options.Options(im1="a.tif", im2="b.tif", **how), connect())[0])


def scan(**words):
    how = {"search_range": (3,), "dark_field": True, "quiet": True, "force": True, "prefix": "P", **words}
    return hpcdvc.read(umpa.run(umpa_options.Options(ref="ref.tif", sam="sam.tif", **how), connect())[0])


def rms(found, expected):
    return np.sqrt(np.nanmean((found - expected) ** 2))


def save_pair():
    im1, im2, u = speckle_pair((75, 60), stretched, frames=2, noise=0.03)
    for name, image in (("a.tif", im1), ("b.tif", im2)):
        tifffile.imwrite(name, image, photometric="minisblack")
    return u


def test_local_shifts():
    u = save_pair()
    error = {}
    for method in ("taylor", "gn", "gnaffine"):
        result = local(peak_method=method, template="im2")
        error[method] = rms(result.displacement[..., 1:], u)
        assert result.measured.mean() > 0.55
    assert error["gnaffine"] < 0.01 < error["gn"] < 1.1 * error["taylor"]
    grid = local(peak_method="gnaffine", node_spacing=10, template="im2")
    y, x = grid.positions[:, 1].astype(int), grid.positions[:, 2].astype(int)
    np.testing.assert_array_equal(grid.displacement[:, 1:].astype("f4"), result.displacement[y, x, 1:])
    std = result["displacement_std"]
    assert 0.7 < np.sqrt(np.nanmean(std[..., 1:] ** 2)) / error["gnaffine"] < 1.3
    assert (np.isnan(std).any(axis=-1) == ~result.measured).all() and not std[result.measured][:, 0].any()
    np.testing.assert_allclose(grid["displacement_std"][:, 1:], std[y, x, 1:], rtol=1e-6)


def test_umpa():
    save_scan()
    taylor, refined, t = scan(), scan(peak_method="gn"), truth()
    both = taylor.measured & refined.measured
    assert both.mean() > 0.65
    for name, expected in (("transmission", t["transmission"]), ("visibility", t["visibility"])):
        assert rms(refined[name][both], expected[both]) < rms(taylor[name][both], expected[both])
    error = [rms(r.displacement[..., 1:][both], t["u"][both]) for r in (refined, taylor)]
    assert error[0] < 0.028 and error[0] < 0.75 * error[1] and error[1] < 0.04
    affine = scan(peak_method="gnaffine")
    both &= affine.measured
    assert rms(affine.displacement[..., 1:][both], t["u"][both]) < 0.9 * error[0]
    visibility = t["visibility"][both]
    assert rms(affine["visibility"][both], visibility) < 0.9 * rms(refined["visibility"][both], visibility)


def test_projections():
    """Standard deviations of a tomographic scan stand beside its displacements, under names of their own."""
    save_tomography("scan.h5", 2)
    words = {"search_range": (3,), "quiet": True, "prefix": "P", "peak_method": "gn"}
    (path,) = umpa.run(umpa_options.Options(ref="scan.h5:/ref", sam="scan.h5:/sam", **words), connect())
    with h5py.File(path) as file:
        std, shown = file["VTKHDF/CellData/displacement_std"][...], file["entry/Ydisp_std/data"][...]
    np.testing.assert_array_equal(shown, std[..., 1])
    assert np.isfinite(shown).mean() > 0.6 and shown.shape[0] == 2


def test_bits(run_command):
    save_pair()
    save_scan()
    scans = [scan(peak_method="gn", chunk=chunk) for chunk in (32, 7)]
    one = local(peak_method="gnaffine")
    done = run_command(
        "localShifts", "a.tif", "b.tif", "-hws", 5, "-sr", 4, "-pm", "gnaffine", "-chunk", 7, "-pre", "Q", ranks=2
    )
    assert done.returncode == 0, done.stderr
    for first, second in (scans, (one, hpcdvc.read("Q-localShifts.hdf"))):
        for name in first.names:
            np.testing.assert_array_equal(first[name], second[name])
