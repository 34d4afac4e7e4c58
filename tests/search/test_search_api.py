"""pixel_search and get_windows: what users of the peer know, arrays in, arrays out."""

import numpy as np
import pytest
from reference_search import all_scores, best_of
from scipy.ndimage import affine_transform

from hpcdvc import get_windows, pixel_search
from hpcdvc.errors import UserError

RNG = np.random.default_rng(4)
LARGE = RNG.integers(0, 60000, (14, 16, 18)).astype("u2")


@pytest.mark.parametrize("criterion", ["zncc", "ncc"])
def test_place_and_correlation(criterion):
    small = LARGE[4:10, 5:11, 7:14]
    noisy = (small * 0.8 + RNG.normal(0, 3000, small.shape)).clip(0).astype("u2")
    place, score, error = pixel_search(noisy, LARGE, return_error=True, criterion=criterion)
    ends = [b - a for a, b in zip(small.shape, LARGE.shape, strict=True)]
    reach = np.ravel([(0, end) for end in ends])
    scores = all_scores(
        noisy.astype(float), np.ones(noisy.shape, bool), noisy.size, LARGE, None, (0, 0, 0), reach, 0.0, criterion
    )
    where, best = best_of(scores, reach)
    assert (place == where).all() and (place == (4, 5, 7)).all() and score == pytest.approx(best, abs=1e-9)
    expected = ((noisy.astype(float) - small) ** 2).sum() / noisy.sum(dtype=float)
    assert error == pytest.approx(expected, rel=1e-9) and place.dtype == np.int64


def test_masks():
    small = LARGE[4:10, 5:11, 7:14].copy()
    small[0] = 0
    mask = np.ones(small.shape, bool)
    mask[0] = False
    assert pixel_search(small, LARGE)[1] < 0.999
    place, score = pixel_search(small, LARGE, mask)
    assert (place == (4, 5, 7)).all() and score == pytest.approx(1)
    here = np.ones(LARGE.shape, bool)
    here[4:10, 5:11, 7:14] = False
    assert pixel_search(small, LARGE, mask, here)[1] < 0.9


def test_in_two_dimensions():
    place, score = pixel_search(LARGE[3, 4:10, 5:12], LARGE[3])
    assert place.tolist() == [0, 4, 5] and score == pytest.approx(1)


def test_nothing_to_compare():
    for blank in (np.full((4, 4, 4), 7, "u1"), np.full((4, 4, 4), np.nan)):
        place, score = pixel_search(blank, LARGE)
        assert np.isnan(place).all() and np.isnan(score)
    with pytest.raises(UserError, match="smaller"):
        pixel_search(LARGE, LARGE[:5])
    with pytest.raises(UserError, match="mask"):
        pixel_search(LARGE[:5], LARGE, LARGE[:4] > 0)


def test_windows_and_search_give_the_displacement():
    im2 = np.roll(LARGE, (1, -2, 2), (0, 1, 2))
    phi = np.eye(4)
    phi[:3, 3] = 0.6, -1.2, 1.4
    cut = get_windows(LARGE, (7, 8, 9), (3, 3, 3), phi, im2, (-1, 1, -2, 1, -1, 2))
    assert (cut.imagette1 == LARGE[4:11, 5:12, 6:13]).all() and cut.imagette1_mask is None
    assert cut.imagette2.shape == (9, 10, 10) and cut.pixel_search_offset.tolist() == [0, -3, 0]
    assert (cut.imagette2 == im2[4:13, 2:12, 6:16]).all() and cut.return_status == 1
    place, _ = pixel_search(cut.imagette1, cut.imagette2, cut.imagette1_mask, cut.imagette2_mask)
    assert (place + cut.pixel_search_offset).tolist() == [1, -2, 2]


def test_window_over_the_border_is_masked_there():
    cut = get_windows(LARGE, (1, 8, 9), (3, 3, 3), np.eye(4), LARGE, (-1, 1) * 3, im2_mask=LARGE > 0)
    assert not cut.imagette1_mask[:2].any() and cut.imagette1_mask[2:].all() and (cut.imagette1[:2] == 0).all()
    assert not cut.imagette2_mask[:3].any()
    assert (
        get_windows(LARGE, (1, 8, 9), (3, 3, 3), np.eye(4), LARGE, (-1, 1) * 3, min_mask_coverage=0.9).return_status
        == -6
    )


def test_statuses_of_windows():
    def status(**how):
        given = {"im1": LARGE, "node_position": (7, 8, 9), "phi": np.eye(4), **how}
        return get_windows(half_window_size=(3, 3, 3), im2=LARGE, search_range=(-1, 1) * 3, **given).return_status

    away = np.eye(4)
    away[0, 3] = 100
    assert status() == 1 and status(im1=np.full_like(LARGE, 3)) == -2 and status(phi=away) == -8
    assert status(im1_mask=np.zeros(LARGE.shape)) == -5 and status(grey_threshold=(0, 10)) == -5
    assert status(node_position=(-20, 8, 9)) == -6 and status(phi=np.full((4, 4), np.nan)) == -7


def test_arguments_of_windows():
    def cut(**how):
        given = {"node_position": (7, 8, 9), "phi": np.eye(4), "half_window_size": 3, **how}
        return get_windows(im1=LARGE, im2=LARGE, search_range=(-1, 1) * 3, **given)

    assert cut().imagette1.shape == (7, 7, 7) and cut(node_position=(1e300, 8, 9)).return_status == -6
    for name, value in (
        ("node_position", (np.nan, 8, 9)),
        ("node_position", (7, 8)),
        ("phi", None),
        ("phi", np.eye(3)),
    ):
        with pytest.raises(UserError, match=name):
            cut(**{name: value})
    with pytest.raises(UserError, match="between 0 and 1"):
        cut(min_mask_coverage=1.5)


@pytest.mark.parametrize("apply_f", ["all", "rigid", "no"])
def test_window_is_deformed_about_its_middle(apply_f):
    im1 = RNG.integers(0, 60000, (30, 30, 30)).astype("u2")
    phi = np.eye(4)
    phi[:3, :3] = [[1.05, -0.2, 0.03], [0.2, 0.97, 0.05], [0.02, -0.06, 1.04]]
    u, _, vt = np.linalg.svd(phi[:3, :3])
    f = {"all": phi[:3, :3], "rigid": u @ vt, "no": np.eye(3)}[apply_f]
    centre, inverse = np.array([14, 15, 13]), np.linalg.inv(f)
    expected = affine_transform(im1.astype(float), inverse, centre - inverse @ centre, order=1)
    cut = get_windows(im1, centre, (4, 5, 3), phi, im1, (0, 0) * 3, apply_f=apply_f)
    assert np.abs(cut.imagette1 - expected[10:19, 10:21, 10:17]).max() < 0.02 and cut.imagette1_mask is None
