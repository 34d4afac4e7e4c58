"""hpcdvc-umpa against another program, algotom 1.7.0, and against the truth, on scans that were made for that."""

import numpy as np
import pytest

import hpcdvc
from hpcdvc.options.umpa import Options
from hpcdvc.ranks.team import connect
from hpcdvc.workflows import umpa

INSIDE = np.s_[8:-8, 8:-8]


@pytest.fixture
def measured(shared, tmp_path):
    """measured(case, **words): the result, and what stands beside the case."""

    def measure(case, **words):
        folder = shared / "oracle" / "seeds234" / case
        files = {"ref": folder / "in_ref.npy", "sam": folder / "in_sam.npy", "out_dir": tmp_path}
        paths = umpa.run(Options(**files, search_range=(5,), quiet=True, force=True, **words), connect())
        return hpcdvc.read(paths[0]), lambda name: np.load(folder / f"{name}.npy")

    return measure


def rms(values):
    return float(np.sqrt(np.nanmean(np.square(values))))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("umpa", {}),
        ("umpa_dark", {"dark_field": True, "values_at": "pixel"}),
        ("umpa_dark_poly", {"dark_field": True, "values_at": "pixel", "peak_method": "poly"}),
        ("umpa_dark_nofilter", {"dark_field": True, "values_at": "pixel", "window": "none"}),
    ],
)
def test_same_as_the_peer(measured, name, words):
    """Where it has no fault: inside, with its values of the rounded pixel."""
    result, beside = measured("umpa_model", **words)
    theirs = beside(f"out_{name}")
    assert result.measured[INSIDE].mean() > 0.99
    ours = -result.displacement[..., :0:-1]
    assert np.nanmax(np.abs(ours - np.moveaxis(theirs[:2], 0, -1))[INSIDE]) < 2e-3
    for column, values in zip(("transmission", "visibility"), theirs[2:], strict=False):
        assert np.nanmax(np.abs(result[column] - values)[INSIDE]) < 2e-3


def test_truth_of_the_model(measured):
    """Refraction, transmission and visibility, at the fraction of the pixel."""
    result, beside = measured("umpa_model")
    u = np.stack([beside("truth_uy"), beside("truth_ux")], axis=-1)
    errors = [rms((result.displacement[..., 1:] - u)[INSIDE][..., k]) for k in (0, 1)]
    result, _ = measured("umpa_model", dark_field=True)
    assert result.measured[INSIDE].mean() > 0.99
    assert max(rms((result.displacement[..., 1:] - u)[INSIDE][..., k]) for k in (0, 1)) <= 0.035
    errors += [
        rms((result[c] - beside(t))[INSIDE]) for c, t in (("transmission", "truth_T"), ("visibility", "truth_D"))
    ]
    print(errors)
    assert errors[0] <= 0.035 and errors[1] <= 0.035 and errors[2] <= 0.003 and errors[3] <= 0.035


@pytest.mark.parametrize("dark_field", [False, True])
def test_wave_optics(measured, dark_field):
    """16-bit frames of a simulated beamline: no worse than the peer against the truth, and hardly a pixel lost."""
    result, beside = measured("umpa_wave", dark_field=dark_field)
    u = np.stack([beside("truth_uy"), beside("truth_ux")], axis=-1)
    theirs = -np.moveaxis(beside("out_umpa_dark" if dark_field else "out_umpa")[1::-1], 0, -1)
    ours = result.displacement[..., 1:]
    both = result.measured[INSIDE]
    errors = [rms((found - u)[INSIDE][both]) for found in (ours, theirs)]
    print(both.mean(), errors)
    assert both.mean() > 0.95 and errors[0] < 1.01 * errors[1] < 0.15
