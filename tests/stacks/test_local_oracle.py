"""The recorded cases of algotom: the same answers where these are right, none where they are not, and the truth."""

import logging
from pathlib import Path

import numpy as np
import pytest

from hpcdvc import (
    find_global_shift_based_local_shifts,
    find_local_shifts,
    find_local_shifts_umpa,
    find_shift_based_correlation_map,
    generate_correlation_map,
    locate_peak,
    normalize_image,
)

#: Pixels: equal to the peer; speckle with its own cost function.
EQUAL, EQUAL_UMPA = 1e-4, 2e-3


class Case:
    """A folder of the peer's recorded inputs and outputs."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __getattr__(self, name: str) -> np.ndarray:
        return np.load(self.folder / f"{name}.npy")


@pytest.fixture
def case(shared):
    return lambda name: Case(shared / "oracle" / "seeds234" / name)


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.nanmean(np.square(values))))


def same(ours, peer, border: int, measured: float, bound: float = EQUAL) -> None:
    """Equal inside the border and 0 on it; so much of it is measured, and where not, ours is NaN."""
    ours, peer = np.array(ours), np.array(peer)
    assert ours.shape == peer.shape and ours.dtype == np.float32
    inside = np.s_[..., border:-border, border:-border]
    assert np.isfinite(ours[inside]).mean() >= measured
    assert np.nanmax(abs(ours - peer)[inside]) <= bound


def test_maps_and_normalisation(case):
    c = case("alg_map_peak")
    flat, stack = generate_correlation_map(c.in_ref, c.in_mat), generate_correlation_map(c.in_stack, c.in_mstack)
    assert flat.dtype == np.float64 and stack.dtype == np.float32
    # the peer adds up float32
    assert abs(flat - c.out_map2d).max() < 1e-6 and abs(stack - c.out_map3d).max() < 2e-6
    assert np.allclose(normalize_image(c.in_ref), c.out_norm2d, rtol=1e-12, atol=1e-12)
    assert np.allclose(normalize_image(c.in_stack), c.out_norm3d, rtol=1e-5, atol=1e-5)


def test_map_is_the_formula(case):
    c = case("alg_map_peak")
    for ref, mat in ((c.in_ref, c.in_mat), (c.in_stack.astype(float), c.in_mstack.astype(float))):
        scores = generate_correlation_map(ref, mat)
        h, w = mat.shape[-2:]
        for i, j in ((0, 0), (3, 7), (scores.shape[0] - 1, scores.shape[1] - 1)):
            pair = ref[..., i : i + h, j : j + w].ravel(), mat.ravel()
            assert scores[i, j] == pytest.approx(np.corrcoef(*pair)[0, 1], abs=1e-12)


def test_peaks(case):
    c = case("alg_map_peak")
    for source, scores in enumerate((c.out_map2d, c.out_map3d, c.in_quad)):
        for m, method in enumerate(("diff", "poly_fit")):
            for dim in (1, 2):
                for i, size in enumerate((3, 5, 7)):
                    ours = locate_peak(scores, method=method, dim=dim, size=size)
                    assert np.allclose(ours, c.out_peaks_xy[source, m, dim - 1, i], atol=1e-6)
                    lowest = locate_peak(-scores, method=method, dim=dim, size=size, max_peak=False)
                    assert np.allclose(ours, lowest, atol=1e-9)


@pytest.mark.parametrize(
    "name, options",
    [
        ("margin10", {}),
        ("margin10_poly", {"method": "poly_fit"}),
        ("margin10_poly5", {"method": "poly_fit", "size": 5}),
        ("margin10_dim1", {"dim": 1}),
        ("nosub", {"sub_pixel": False}),
    ],
)
def test_shift_by_a_map(case, name, options):
    c = case("alg_global_shift")
    ours = find_shift_based_correlation_map(c.in_ref, c.in_mat, margin=10, **options)
    assert np.allclose(ours, getattr(c, f"out_{name}"), atol=EQUAL)


def test_shift_of_a_smaller_image(case):
    c = case("alg_global_shift")
    ours = find_shift_based_correlation_map(c.in_ref, c.in_mat[8:-8, 6:-6], margin=6)
    assert np.allclose(ours, c.out_precropped, atol=EQUAL)


def test_no_number_beyond_the_range(case, caplog):
    """The peer returns 2.0 of 2.62 and 3.37, and 7.3 where the shift along the other axis is not searched."""
    c = case("alg_global_shift")
    with caplog.at_level(logging.WARNING, "hpcdvc"):
        assert np.isnan(find_shift_based_correlation_map(c.in_ref, c.in_mat, margin=2)).all()
        assert np.isnan(find_shift_based_correlation_map(c.in_ref, c.in_mat, margin=10, axis=0)).all()
        assert np.isnan(find_shift_based_correlation_map(c.in_ref, c.in_mat, margin=10, axis=1)).all()
    assert [text.split(":")[0] for text in caplog.messages] == ["the shift is not measured"] * 3
    assert "border" in caplog.messages[0] and "match" in caplog.messages[1]


def test_shift_by_points(case):
    c = case("alg_global_shift")
    points = [c.in_list_i.tolist(), c.in_list_j.tolist()]
    listed = find_global_shift_based_local_shifts(c.in_ref, c.in_mat, 25, 8, list_ij=points, return_list=True)
    assert np.allclose(listed, c.out_local_xy, atol=EQUAL)
    for value in ("median", "mean", "mixed"):
        ours = find_global_shift_based_local_shifts(c.in_ref, c.in_mat, 25, 8, list_ij=points, global_value=value)
        assert np.allclose(ours, getattr(c, f"out_global_{value}"), atol=EQUAL)
    random = find_global_shift_based_local_shifts(c.in_ref, c.in_mat, 25, 8)
    assert random == find_global_shift_based_local_shifts(c.in_ref, c.in_mat, 25, 8)
    assert np.allclose(random, c.truth_returned_xy, atol=0.02)


@pytest.mark.parametrize(
    "name, options, measured",
    [
        ("diff", {}, 1),
        ("nonorm", {"norm": False}, 1),
        # the peer has whole pixels where a polynomial has its peak outside
        ("poly5", {"method": "poly_fit", "size": 5}, 0.99),
    ],
)
def test_local_shifts_of_images(case, name, options, measured):
    c = case("alg_local_2d")
    ours = find_local_shifts(c.in_ref, c.in_mat, win_size=15, margin=5, **options)
    same(ours, getattr(c, f"out_{name}"), 12, measured)
    assert all((np.delete(np.delete(o, np.s_[12:-12], 0), np.s_[12:-12], 1) == 0).all() for o in ours)


@pytest.mark.parametrize("name, options", [("dim2", {}), ("dim2_poly", {"method": "poly_fit"})])
def test_local_shifts_of_stacks(case, name, options):
    c = case("alg_local_3d")
    ours = find_local_shifts(c.in_ref, c.in_mat, dim=2, win_size=7, margin=4, **options)
    same(ours, getattr(c, f"out_{name}"), 7, 1)
    for shift, truth in zip(ours, (c.truth_ux, c.truth_uy), strict=True):
        assert rms((shift + truth)[7:-7, 7:-7]) < 0.04


@pytest.mark.parametrize(
    "name, options", [("nonorm", {"norm": False}), ("normglobal", {"norm": False, "norm_global": True})]
)
def test_one_axis_after_the_other(case, name, options):
    """The other shift must be 0, which it is not: what that makes of no value is no number."""
    c = case("alg_local_3d")
    x, y = find_local_shifts(c.in_ref, c.in_mat, win_size=7, margin=4, **options)
    peer = getattr(c, f"out_dim1_{name}")
    same(x[None, :, 7:-7], peer[:1, :, 7:-7], 1, 0.85)
    same(y[None, 7:-7], peer[1:, 7:-7], 1, 0.93)
    assert (x[:, :7] == 0).all() and (y[:7] == 0).all() and np.isfinite(x[:7, 7:-7]).any()
    assert rms((x + c.truth_ux)[:, 7:-7]) < 0.25 < rms((peer[0] + c.truth_ux)[:, 7:-7])


def test_normalised_as_a_whole(case):
    """The peer normalises its chunks, 2 of 64 rows here: x does not depend on them, y does."""
    c = case("alg_local_3d")
    ours = find_local_shifts(c.in_ref, c.in_mat, win_size=7, margin=4)
    chunks = find_local_shifts(c.in_ref, c.in_mat, win_size=7, margin=4, chunk_size=16)
    assert np.array_equal(ours, chunks, equal_nan=True)
    same(ours[0][None, :, 7:-7], c.out_dim1[:1, :, 7:-7], 1, 0.85)
    for rows, there in ((np.s_[:39], np.s_[7:32]), (np.s_[25:], np.s_[7:32])):
        _, y = find_local_shifts(c.in_ref[:, rows], c.in_mat[:, rows], win_size=7, margin=4)
        same(y[None, there], c.out_dim1[1:, rows][:, there], 1, 0.93)


#: Part of the disk of umpa_wave in which nothing is left of the speckle
@pytest.mark.parametrize("name, measured", [("umpa_model", 1), ("umpa_wave", 0.96)])
@pytest.mark.parametrize(
    "output, options",
    [
        ("umpa", {}),
        ("umpa_dark", {"dark_signal": True}),
        ("umpa_dark_poly", {"dark_signal": True, "method": "poly_fit"}),
        ("umpa_dark_nofilter", {"dark_signal": True, "filter_name": None}),
    ],
)
def test_umpa(case, name, measured, output, options):
    c = case(name)
    ours = find_local_shifts_umpa(c.in_ref, c.in_sam, win_size=7, margin=5, gpu=False, values_at="pixel", **options)
    peer = getattr(c, f"out_{output}")
    same(ours[:2], peer[:2], 8, measured, EQUAL_UMPA)
    if len(ours) == 4:  # a place half-way between two pixels is rounded by chance
        assert np.nanpercentile(abs(np.array(ours[2:]) - peer[2:]), 99.9) < EQUAL_UMPA


def test_umpa_truth(case):
    """The figures that transmission and visibility at the sub-pixel place reach."""
    c, inside = case("umpa_model"), np.s_[8:-8, 8:-8]
    given = {"win_size": 7, "margin": 5, "gpu": False}
    for shift, truth in zip(find_local_shifts_umpa(c.in_ref, c.in_sam, **given), (c.truth_ux, c.truth_uy), strict=True):
        assert rms((shift + truth)[inside]) <= 0.035
    _, _, transmission, visibility = find_local_shifts_umpa(c.in_ref, c.in_sam, dark_signal=True, **given)
    assert rms((transmission - c.truth_T)[inside]) <= 0.003
    assert rms((visibility - c.truth_D)[inside]) <= 0.035
    _, _, _, beside = find_local_shifts_umpa(c.in_ref, c.in_sam, dark_signal=True, values_at="pixel", **given)
    assert rms((beside - c.truth_D)[inside]) > 0.06


def test_umpa_takes_whole_numbers(case):
    """Squares of uint16 overflow in the peer."""
    c = case("umpa_wave")
    assert c.in_ref.dtype == np.uint16
    given = {"win_size": 7, "margin": 5, "gpu": False, "dark_signal": True}
    whole = find_local_shifts_umpa(c.in_ref, c.in_sam, **given)
    real = find_local_shifts_umpa(c.in_ref.astype(float), c.in_sam.astype(float), **given)
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(whole, real, strict=True))
