"""Registration of labels: motions and their errors against exact truth, which voxels count, and what is no match."""

from dataclasses import replace

import numpy as np
import pytest
from grains import Grains, packing
from scipy import ndimage
from synthetic import lattice_texture

from hpcdvc.errors import UserError
from hpcdvc.labels.scan import centres_of, scan_labels
from hpcdvc.registration.labels import LabelMask, LabelRegistration, label_points, seconds_per_label
from hpcdvc.registration.settings import Interpolation, Iterations, Settings, Window
from hpcdvc.runs.points import chunk_bounds

IDENTITY = np.eye(4)[:3]


def register(im1, im2, labels, mask=LabelMask(), rigid=True, order=3, start=IDENTITY, **window):  # noqa: B008
    """Rows, and the labels (PARTICLE)."""
    dimensions = 2 if im1.shape[0] == 1 else 3
    window = Window((dimensions - 2, 1, 1), **window)
    settings = Settings(window, dimensions, Iterations(rigid=rigid), Interpolation(order))
    found = scan_labels(labels)
    phi = np.broadcast_to(start, (len(found), 3, 4))
    points = label_points(found, centres_of(found), phi, np.arange(len(found)))
    return LabelRegistration(im1, im2, labels, settings, mask)(points), found


def angles(f, truth):
    """Of the rotations between, degrees."""
    cosine = (np.einsum("nij,nij->n", f, truth) - 1) / 2
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


@pytest.fixture(scope="module", params=[3.0, 0.0], ids=["apart", "touching"])
def grains(request):
    """64 grains, the images, and the labels."""
    some = packing(lattice_texture(1), 4, 7, gap=request.param)
    return some, some.image(False), some.image(True), some.labels()


def test_grains(grains):
    some, im1, im2, labels = grains
    rows, found = register(im1, im2, labels)
    truth = some.truth(centres_of(found))
    wrong = np.linalg.norm(rows["Phi"][:, :, 3] - truth[:, :, 3], axis=1)
    good = rows["return_status"] == 2
    assert good.sum() >= 62 and wrong[good].max() < 0.05
    assert np.median(wrong) < 0.003 and np.median(angles(rows["Phi"][:, :, :3], truth[:, :, :3])) < 0.03
    assert np.allclose(rows["Phi"][good, :, :3] @ np.swapaxes(rows["Phi"][good, :, :3], 1, 2), np.eye(3), atol=1e-9)


@pytest.mark.parametrize("number", [47, 60])
def test_far_labels_do_not_swing(number):
    """Far from the match the residual is no noise: steps made longer for it lead from one side to the other."""
    texture, of = lattice_texture(7), slice(number, number + 1)
    packed = packing(texture, 11, 14.5, seed=1, gap=15)
    one = replace(
        packed,
        shape=(56,) * 3,
        centres=28 + packed.centres[of] % 1,
        texture=lambda points: texture(points + 97.3 * number),
        **{name: getattr(packed, name)[of] for name in ("axes", "frames", "turns", "moves")},
    )
    rows, found = register(one.image(False, 0.05, 1), one.image(True, 0.05, 2), one.labels(), order=1)
    assert rows["return_status"] == 2 and rows["iterations"] < 15
    assert np.linalg.norm(rows["Phi"][:, :, 3] - one.truth(centres_of(found))[:, :, 3]) < 0.02


def scatter_beside_said(seed: int, contrast: float) -> tuple[np.ndarray, np.ndarray]:
    """Scatter over noise in units of what is reported, of displacements and of rotations, (n, 3)."""
    some, moves, turns, said = packing(lattice_texture(seed), 2, 7, seed=seed, gap=3), [], [], []
    labels, clean = some.labels(), (some.image(False), some.image(True))
    truth, noise = some.truth(centres_of(scan_labels(labels))), contrast * 0.25 * 12000
    for repeat in range(30):
        rng = np.random.default_rng(repeat)
        pair = [np.rint(image + noise * rng.standard_normal(image.shape)).astype("u2") for image in clean]
        rows, _ = register(*pair, labels)
        assert (rows["return_status"] == 2).all()
        moves.append(rows["Phi"][:, :, 3])
        turns.append(np.swapaxes(truth[:, :, :3], 1, 2) @ rows["Phi"][:, :, :3])
        said.append(rows["variance"].reshape(-1, 3, 4))
    said = np.sqrt(np.mean(said, axis=0))
    of_turn = np.std(turns, axis=0, ddof=1)[:, (2, 0, 1), (1, 2, 0)] / said[:, (2, 0, 1), (1, 2, 0)]
    return np.std(moves, axis=0, ddof=1) / said[:, :, 3], of_turn


# noise in the gradient of the texture, on which rotations rest, is much more of it than of the gradient of the edge
@pytest.mark.parametrize("contrast", [0.1, 0.2])
def test_standard_deviations_are_the_scatter_over_noise(contrast):
    for ratios in zip(*[scatter_beside_said(seed, contrast) for seed in (2, 48)], strict=True):
        assert 0.9 < np.median(ratios) < 1.1


def test_only_the_voxels_of_the_label_count():
    some = packing(lattice_texture(3), 2, 7, gap=8)
    im1, im2, labels = some.image(False), some.image(True), some.labels()
    rows, _ = register(im1, im2, labels, order=1)
    # grey values beyond the reach of gradient and interpolation do not matter
    far = ndimage.distance_transform_edt(labels == 0) > 6
    changed = im1.copy()
    changed[far] = 60000
    again, _ = register(changed, im2, labels, order=1)
    assert np.allclose(rows["Phi"], again["Phi"], atol=1e-6) and np.allclose(rows["zncc"], again["zncc"], atol=1e-6)
    im1, im2 = some.image(False, 0.1, 1), some.image(True, 0.1, 2)
    counted = [register(im1, im2, labels, LabelMask(dilate))[0]["valid_fraction"] for dilate in (-1, 0, 2)]
    assert np.allclose(counted, 1)
    assert (register(im1, im2, labels, LabelMask(0, True, 10**6))[0]["return_status"] == -5).all()


@pytest.mark.parametrize("tilt", [0.0, 0.5])
def test_thin_and_bent_labels(tilt):
    from synthetic import pair, translation

    shift = np.array([0.3, -0.4, 0.2])
    im1, im2 = pair(lattice_texture(5), (40, 44, 48), translation(shift))
    z, y, x = np.indices(im1.shape)
    labels = (np.abs(z - 20 - tilt * (x - 24)) < 1.6).astype("u1")
    labels[:, :4], labels[:, -4:], labels[:, :, :4], labels[:, :, -4:] = 0, 0, 0, 0
    rows, _ = register(im1, im2, labels, LabelMask(0), start=np.eye(4)[:3])
    assert rows["return_status"] == 2 and np.allclose(rows["Phi"][0, :, 3], shift, atol=0.01)
    assert np.allclose(rows["Phi"][0, :, :3], np.eye(3), atol=0.003)


def test_nothing_is_measured_where_there_is_no_match(grains):
    some, im1, im2, labels = grains
    other = packing(lattice_texture(9), 4, 7, seed=5, gap=some.shape[0] / 4 - 17)
    unrelated = np.zeros_like(im2)
    side = min(other.shape[0], im2.shape[0])
    unrelated[:side, :side, :side] = other.image(True)[:side, :side, :side]
    noise = np.random.default_rng(1).integers(0, 60000, im2.shape).astype("u2")
    for wrong in (noise, np.full_like(im2, 9000), unrelated[::-1, ::-1].copy()):
        rows, _ = register(im1, wrong, labels)
        assert (rows["return_status"] < 2).all()
    rows, _ = register(im1, im2, labels, start=np.column_stack([np.eye(3), (0, 9.0, -9.0)]))
    assert (rows["return_status"] == 2).mean() < 0.1
    rows, _ = register(im1, im2, labels, start=np.column_stack([np.eye(3), (0, 0, np.nan)]))
    assert (rows["return_status"] == -7).all()


def plain_and_sharp(some: Grains, moved: bool) -> list[np.ndarray]:
    """The grains without their texture; and constant, up to an edge as sharp as voxels are."""
    bare = replace(some, texture=None)
    if moved:
        frames = np.einsum("nij,njk->nik", some.turns, some.frames)
        at = replace(bare, centres=some.centres + some.moves, frames=frames)
    else:
        at = bare
    return [bare.image(moved, 0.1, 3), np.where(at.labels() > 0, 20000, 8000).astype("u2")]


@pytest.mark.parametrize(("half", "seed"), [(5, 1), (7, 2), (10, 3)])
def test_an_outline_without_its_texture_is_no_match(half, seed):
    some = packing(lattice_texture(seed), 3, half, seed=seed, gap=3)
    labels, texture = some.labels(), [some.image(moved, 0.1, 1 + moved) for moved in (False, True)]
    truth = some.truth(centres_of(scan_labels(labels)))[:, :, 3]
    pairs = [(texture[0], other) for other in plain_and_sharp(some, True)]
    pairs += [(other, texture[1]) for other in plain_and_sharp(some, False)]
    for im1, im2 in pairs:
        rows, _ = register(im1, im2, labels)
        good = rows["return_status"] == 2
        wrong, said = rows["Phi"][good, :, 3] - truth[good], np.sqrt(rows["variance"][good, 3::4])
        assert good.mean() < 0.1 and (np.linalg.norm(wrong, axis=1) < 0.3).all() and (np.abs(wrong) < 3 * said).all()
    # what matches, or has nothing to match, is one
    for im1, im2 in (texture, (plain_and_sharp(some, False)[0], plain_and_sharp(some, True)[0])):
        rows, _ = register(im1, im2, labels)
        assert (rows["return_status"] == 2).all() and np.abs(rows["Phi"][:, :, 3] - truth).max() < 0.05


@pytest.mark.parametrize(("half", "noise"), [(5, 0.0), (7, 0.1), (10, 0.0)])
def test_edges_that_lie_between_voxels(half, noise):
    """Binary grains: voxels at the edge do not fit, and without them anything would."""
    some = packing(lattice_texture(1), 3, half, seed=1, gap=3)
    rng, labels = np.random.default_rng(7), some.labels()
    pair = [plain_and_sharp(some, moved)[1] for moved in (False, True)]
    pair = [np.rint(image + noise * 3000 * rng.standard_normal(image.shape)).astype("u2") for image in pair]
    rows, found = register(*pair, labels)
    good = rows["return_status"] == 2
    wrong = (rows["Phi"] - some.truth(centres_of(found)))[good, :, 3]
    assert good.mean() > 0.7 and np.abs(wrong).max() < 0.15
    assert (np.abs(wrong) < 4 * np.sqrt(rows["variance"][good, 3::4])).all()


@pytest.mark.parametrize("seed", [15, 16])
def test_rotation_of_hard_edges(monkeypatch, seed):
    """Cubic interpolation rings at them: a median of 1.8 degrees and more."""
    some = packing(lattice_texture(seed), 2, 12, seed=seed, gap=3)
    labels = some.labels()
    monkeypatch.setattr("grains.BLUR", 0.1)
    rows, found = register(some.image(False, 0.05, 1), some.image(True, 0.05, 2), labels)
    truth, good = some.truth(centres_of(found)), rows["return_status"] == 2
    wrong = np.linalg.norm((rows["Phi"] - truth)[good, :, 3], axis=1)
    assert good.all() and np.median(wrong) < 0.03
    assert np.median(angles(rows["Phi"][:, :, :3], truth[:, :, :3])) < 1.2


def test_rotation_without_texture_is_not_known():
    some = packing(None, 2, 8, gap=4)
    some.axes[:] = 8
    im1, im2 = some.image(False, 0.02, 1), some.image(True, 0.02, 2)
    rows, found = register(im1, im2, some.labels())
    truth = some.truth(centres_of(found))
    assert (rows["return_status"] == 2).all()
    assert np.abs(rows["Phi"][:, :, 3] - truth[:, :, 3]).max() < 0.02
    spread = np.degrees(np.sqrt(rows["variance"].reshape(-1, 3, 4)[:, (2, 0, 1), (1, 2, 0)]))
    assert (spread > 30).all()


def test_large_numbers_and_types_of_labels():
    some = packing(lattice_texture(1), 2, 6, gap=3)
    im1, im2, labels = some.image(False), some.image(True), some.labels()
    expected, _ = register(im1, im2, labels)
    for kind in ("u1", "i2", "i4", "u4"):
        numbers = labels.astype(kind)
        if kind == "u4":
            numbers[numbers == 8] = 2**32 - 1
        rows, _ = register(im1, im2, numbers)
        assert np.array_equal(rows, expected)
    with pytest.raises(UserError, match="whole numbers"):
        register(im1, im2, labels.astype("f4"))


def makespan(seconds: np.ndarray, bounds: np.ndarray, ranks: int) -> float:
    """Time until all ranks are done that pull chunk after chunk, beside that of an even share."""
    import heapq

    ends = [0.0] * ranks
    for cost in np.add.reduceat(seconds, bounds[:-1]):
        heapq.heapreplace(ends, ends[0] + cost)
    return max(ends) / (seconds.sum() / ranks)


@pytest.mark.parametrize("ranks", [16, 128])
def test_ranks_end_together(ranks):
    rng = np.random.default_rng(3)
    voxels = np.exp(rng.normal(9, 0.8, 10_000))
    settings = Settings(Window((1, 1, 1)))
    seconds = np.sort(seconds_per_label(voxels, settings))[::-1]
    bounds = chunk_bounds(seconds, ranks)
    assert bounds[0] == 0 and bounds[-1] == len(seconds) and (np.diff(bounds) > 0).all()
    # labels of one size differ in what they take, too
    assert makespan(seconds * rng.lognormal(0, 0.4, len(seconds)), bounds, ranks) < 1.15
