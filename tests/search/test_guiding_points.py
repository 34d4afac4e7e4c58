"""Points of strong texture: against a slow twin, in two dimensions, with masks; their distances and their number."""

import numpy as np
import pytest
from scipy.spatial import cKDTree
from textures import lattice_texture

import hpcdvc
from hpcdvc.errors import UserError
from hpcdvc.search.guiding_points import choose
from hpcdvc.search.texture import Blocks, Texture

SHAPE = (34, 37, 41)


def texture(shape=SHAPE, seed=5):
    points = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1).astype(float)
    return lattice_texture(seed, dimensions=len(shape), size=64)(points).astype("f4")


def looked_at(image, half, mask=None, least_valid=0.5):
    image = image if image.ndim == 3 else image[None]
    return Texture(image, mask, float(image.mean()), float(image.std()), Blocks(image.shape, half), least_valid)


def twin(image, place, half):
    """Smallest eigenvalue at one place, by sums over its window and by a library."""
    offsets = np.arange(-3, 4)
    gauss = np.exp(-(offsets**2) / 2)
    gauss /= gauss.sum()
    weights = {False: gauss, True: -offsets * gauss}
    grey, gradients = (image - image.mean()) / image.std(), []
    for axis in range(image.ndim):
        along = grey.astype(float)
        for other in range(image.ndim):
            kernel = weights[other == axis]
            along = np.apply_along_axis(lambda line: np.convolve(line, kernel[::-1], "same"), other, along)  # noqa: B023
        window = tuple(slice(p - h, p + h + 1) for p, h in zip(place, half, strict=True))
        gradients.append(along[window].ravel())
    return np.linalg.eigvalsh(np.array(gradients) @ np.array(gradients).T / gradients[0].size)[0]


def test_strength():
    image, half = texture(), (3, 4, 5)
    strength = looked_at(image, half).strength(np.zeros(3, int), np.array(SHAPE))
    for place in ((12, 17, 20), (9, 26, 31), (23, 10, 12)):
        assert strength[place] == pytest.approx(twin(image, place, half), rel=1e-5)
    assert (strength[:3] == 0).all() and (strength[3, 4:-4, 5:-5] > 0).all()
    assert (strength[:, :, -5:] == 0).all() and (strength[:, -4:] == 0).all()
    flat = texture(SHAPE[1:])
    strength = looked_at(flat, (0, 4, 5)).strength(np.zeros(3, int), np.array((1, *SHAPE[1:])))
    assert strength[0, 15, 22] == pytest.approx(twin(flat, (15, 22), (4, 5)), rel=1e-5)


def test_edges_and_blank_parts_are_weak():
    """At a flat face all gradients are parallel: the window may slide along it."""
    image = np.zeros((30, 30, 30), "f4")
    image[15:] = 1
    assert looked_at(image, (4,) * 3).strength(np.zeros(3, int), np.array(image.shape)).max() < 1e-6
    image[15:, 15:, 15:] = 3  # a corner
    points = hpcdvc.guiding_points(image, 4, number=1)
    assert np.abs(points - 15).max() <= 4  # it holds the corner


def test_blocks_do_not_matter(monkeypatch):
    """Candidates near the border of two blocks are those that one block alone finds."""
    image, half = texture(), (2, 2, 2)
    found = [looked_at(image, half).candidates(np.arange(Blocks(SHAPE, half).count))]
    monkeypatch.setattr("hpcdvc.search.texture.EDGE", 12)
    parts = Blocks(SHAPE, half)
    assert len(found[0]) == 1 and parts.edges == (12, 12, 12) and parts.count == 48
    found.append(looked_at(image, half).candidates(np.arange(parts.count)))
    for one, other in zip(*(choose(rows, 5.0, 0.1, None) for rows in found), strict=True):
        assert np.allclose(one, other, rtol=1e-5)
    assert found[0]["strength"].astype(bool).sum() > 20


def test_choice():
    image = texture()
    every = hpcdvc.guiding_points(image, 3, minimum_spacing=6)
    assert len(every) > 10 and cKDTree(every).query(every, k=2)[0][:, 1].min() >= 6
    strength = looked_at(image, (3,) * 3).strength(np.zeros(3, int), np.array(SHAPE))[tuple(every.T)]
    assert (np.diff(strength) <= 0).all()
    assert (hpcdvc.guiding_points(image, 3, 6, number=4) == every[:4]).all()
    fewer = hpcdvc.guiding_points(image, 3, 6, least_strength=0.9)
    assert 0 < len(fewer) < len(every) and (fewer == every[: len(fewer)]).all()
    default = hpcdvc.guiding_points(image, (2, 3, 4))
    assert cKDTree(default).query(default, k=2)[0][:, 1].min() >= 6
    # gain and offset change nothing
    assert (hpcdvc.guiding_points((image * 900 + 20000).astype("f8"), 3, 6) == every).all()


def test_masks_and_what_is_not_finite():
    image, mask = texture(), np.ones(SHAPE, bool)
    mask[:, :, 20:] = False
    points = hpcdvc.guiding_points(image, 3, im1_mask=mask)
    assert len(points) > 3 and (points[:, 2] < 20).all()
    # the edge of what is masked is no texture
    loud = np.where(mask, image, 20).astype("f4")
    unlike = np.where(mask, image, np.nan).astype("f4")
    assert (hpcdvc.guiding_points(loud, 3, im1_mask=mask) == points).all()
    assert (hpcdvc.guiding_points(unlike, 3) == hpcdvc.guiding_points(unlike, 3, im1_mask=mask)).all()
    inside = hpcdvc.guiding_points(image, 3, im1_mask=mask, min_mask_coverage=1)
    assert len(inside) and (inside[:, 2] < 17).all()
    assert len(hpcdvc.guiding_points(image, 3, im1_mask=np.zeros(SHAPE))) == 0
    assert len(hpcdvc.guiding_points(np.full(SHAPE, 7), 3)) == 0


def test_two_dimensions():
    points = hpcdvc.guiding_points(texture((90, 80)), 5, number=9)
    assert points.shape == (9, 3) and (points[:, 0] == 0).all()


@pytest.mark.parametrize(
    "arguments",
    [
        {"half_window_size": 20},
        {"half_window_size": (1, 2)},
        {"half_window_size": (-1, 2, 2)},
        {"half_window_size": 0},
        {"im1_mask": np.ones((3, 3, 3))},
        {"number": 0},
        {"minimum_spacing": -1.0},
        {"min_mask_coverage": 1.5},
        {"least_strength": np.nan},
    ],
)
def test_refused(arguments):
    with pytest.raises(UserError):
        hpcdvc.guiding_points(texture(), **arguments)
