"""Large labels, summed up by blocks: what a window would say of them, and the same bits whoever sums."""

from dataclasses import replace

import numpy as np
import pytest
from grains import packing
from synthetic import lattice_texture

from hpcdvc.labels.scan import centres_of, scan_labels
from hpcdvc.ranks.team import Team
from hpcdvc.registration import labels as registration
from hpcdvc.registration.labels import LabelMask, LabelRegistration, label_points
from hpcdvc.registration.settings import Interpolation, Iterations, Settings, Window

IDENTITY = np.eye(4)[:3]
ROTATION = (2, 0, 1), (1, 2, 0)


def prepared(images, mask=LabelMask(), order=3, criterion="znssd", start=IDENTITY, **iterations):  # noqa: B008
    """What registers the labels of (im1, im2, labels), and its labels."""
    dimensions = 2 if images[0].shape[0] == 1 else 3
    settings = Settings(
        Window((dimensions - 2, 1, 1)), dimensions, Iterations(**iterations), Interpolation(order, criterion)
    )
    found = scan_labels(images[2])
    phi = np.broadcast_to(start, (len(found), 3, 4))
    points = label_points(found, centres_of(found), phi, np.arange(len(found)))
    return LabelRegistration(*images, settings, mask), points


def both(monkeypatch, images, *args, **options) -> list[np.ndarray]:
    """Rows by windows, and by blocks."""
    register, points = prepared(images, *args, **options)
    rows = []
    for most in (2**40, 0):
        monkeypatch.setattr(registration, "LARGE", most)
        rows.append(register(points))
    return rows


@pytest.fixture(scope="module")
def grains():
    """Eight grains with noise: im1, im2, labels; and the truth."""
    some = packing(lattice_texture(1), 2, 14, gap=1)
    images = some.image(False, 0.1, 1), some.image(True, 0.1, 2), some.labels()
    return images, some.truth(centres_of(scan_labels(images[2])))


@pytest.mark.parametrize(
    "how",
    [
        {"rigid": True},
        {"rigid": True, "mask": LabelMask(-1, True, 0), "order": 5},
        {"rigid": True, "mask": LabelMask(2, False)},
        {"rigid": False, "order": 1},
        {"rigid": True, "criterion": "ssd"},
        {"rigid": True, "update_gradient": True},
    ],
    ids=["rigid", "eroded", "dilated", "deformed", "ssd", "update_gradient"],
)
def test_blocks_say_what_a_window_says(monkeypatch, grains, how):
    images, truth = grains
    window, blocks = both(monkeypatch, images, **how)
    assert (blocks["return_status"] == 2).all() and (window["return_status"] == 2).all()
    spread = np.sqrt(blocks["variance"])[:, 3::4]
    between = np.abs(window["Phi"] - blocks["Phi"])[:, :, 3]
    assert np.median(between / spread) < 0.3 or np.median(np.abs(blocks["Phi"] - truth)[:, :, 3]) < 0.004
    for name, by in (("zncc", 2e-3), ("valid_fraction", 0.1)):
        assert np.allclose(window[name], blocks[name], atol=by), name
    if "order" not in how and len(how) == 1:
        assert between.max() < 0.1 * spread.min()
        assert np.allclose(window["variance"][:, 3::4], blocks["variance"][:, 3::4], rtol=0.1)
        assert np.allclose(window["error"], blocks["error"], rtol=0.01)
        assert np.array_equal(window["valid_fraction"], blocks["valid_fraction"])


def test_why_a_large_label_is_not_measured(monkeypatch, grains):
    (im1, im2, labels), _ = grains
    noise = np.random.default_rng(1).integers(0, 60000, im2.shape).astype("u2")
    other = packing(lattice_texture(9), 2, 14, seed=5, gap=1).image(True)[::-1, ::-1].copy()
    lost = np.full(im1.shape, np.nan, "f4")
    # more blocks, as large labels have
    monkeypatch.setattr("hpcdvc.registration.pair.TILES", {3: (4, 8, 512)})
    cases = [
        ((im1, noise, labels), {}, None),
        ((im1, other, labels), {}, None),
        ((im1, np.full_like(im2, 9000), labels), {}, -2),
        ((np.full_like(im1, 9000), im2, labels), {}, -2),
        ((im1, im2, labels), {"mask": LabelMask(0, True, 10**6)}, -5),
        ((lost, im2, labels), {}, -6),
        ((im1, im2, labels), {"start": np.column_stack([np.eye(3), (0, 0, np.nan)])}, -7),
        ((im1, im2, labels), {"start": np.column_stack([np.eye(3), (0, 0, 500.0)])}, -8),
        ((im1, im2, labels), {"start": np.zeros((3, 4))}, -4),
    ]
    for images, how, status in cases:
        window, blocks = both(monkeypatch, images, rigid=True, **how)
        assert (blocks["return_status"] < 2).all()
        if status is not None:
            assert (blocks["return_status"] == status).all() and (window["return_status"] == status).all(), status
            assert np.array_equal(window["valid_fraction"], blocks["valid_fraction"], equal_nan=True)
            assert np.isnan(blocks["zncc"]).all() and np.isnan(blocks["variance"]).all()


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_rotation_without_texture_is_not_known(monkeypatch, noise):
    some = packing(None, 2, 14, gap=3)
    some.axes[:] = 14
    _, blocks = both(monkeypatch, (some.image(False, noise, 1), some.image(True, noise, 2), some.labels()), rigid=True)
    assert (blocks["return_status"] == 2).all() and blocks["iterations"].max() < 10
    assert (np.degrees(np.sqrt(blocks["variance"].reshape(-1, 3, 4)[:, *ROTATION])) > 30).all()
    truth = some.truth(centres_of(scan_labels(some.labels())))
    assert np.abs(blocks["Phi"] - truth)[:, :, 3].max() < 0.01


@pytest.mark.parametrize("seed", [3, 4])
def test_standard_deviation_of_edges_between_voxels(monkeypatch, seed):
    """What binary grains leave is no noise that voxels average out."""
    some = packing(None, 2, 18, seed=seed, gap=3)
    moved = replace(some, centres=some.centres + some.moves, frames=np.einsum("nij,njk->nik", some.turns, some.frames))
    images = [np.where(grains.labels() > 0, 20000, 8000).astype("u2") for grains in (some, moved)]
    monkeypatch.setattr("hpcdvc.registration.pair.TILES", {3: (4, 8, 512)})
    monkeypatch.setattr(registration, "LARGE", 0)
    register, points = prepared((*images, some.labels()), rigid=True)
    rows = register(points)
    good = rows["return_status"] == 2
    wrong, said = (rows["Phi"] - some.truth(points["position"]))[good, :, 3], np.sqrt(rows["variance"])[good, 3::4]
    assert good.mean() > 0.5 and (np.abs(wrong) < 3.5 * said).all() and (np.abs(wrong) < 0.1).all()


def test_flat_images(monkeypatch):
    z, y, x = np.indices((1, 120, 130))
    texture = np.random.default_rng(0).standard_normal((1, 160, 160))
    from scipy import ndimage

    texture = 20000 + 20000 * ndimage.gaussian_filter(texture, (0, 2, 2))
    im1, im2 = (texture[:, a : a + 120, b : b + 130].astype("f4") for a, b in ((10, 10), (9, 12)))
    labels = (((y - 60) ** 2 + (x - 65) ** 2 < 40**2) + 2 * (x > 115)).astype("u1")
    window, blocks = both(monkeypatch, (im1, im2, labels), rigid=True)
    assert (blocks["return_status"] == 2).all() and np.allclose(blocks["Phi"][:, :, 3], (0, 1, -2), atol=1e-3)
    assert np.allclose(blocks["Phi"], window["Phi"], atol=1e-3)
    assert np.array_equal(blocks["valid_fraction"], window["valid_fraction"])


@pytest.mark.mpi
@pytest.mark.parametrize("nodes", [None, 1, 2])
def test_ranks_change_no_bit(team, monkeypatch, nodes):
    """One large label among small ones: by blocks if one rank does it, or all."""
    if nodes is not None:
        if team.comm is None or nodes > team.size:
            pytest.skip("fewer ranks than nodes")
        team = Team(team.comm, nodes)
    some = packing(lattice_texture(1), 2, 7, gap=1)
    some.axes[0] = 8
    images = some.image(False, 0.1, 1), some.image(True, 0.1, 2), some.labels()
    register, points = prepared(images, rigid=True)
    window = register(points)
    boxes = (points["high"] - points["low"] + 1).prod(axis=1)
    monkeypatch.setattr(registration, "LARGE", np.sort(boxes)[-2])
    monkeypatch.setattr("hpcdvc.registration.pair.TILES", {3: (2, 8, 512)})  # more blocks than ranks, and a sample
    register, _ = prepared(images, rigid=True)
    large = int(np.flatnonzero(registration.is_large(points))[0])
    alone, together = register(points), register.together(points[[large]], team)
    small = np.arange(len(points)) != large
    assert alone[small].tobytes() == window[small].tobytes() and alone["return_status"][large] == 2
    assert together.tobytes() == alone[[large]].tobytes() != window[[large]].tobytes()
    assert len(set(team.all_gather(together.tobytes()))) == 1
