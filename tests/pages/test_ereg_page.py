"""The page of hpcdvc-ereg as its server sees it: answers to messages, planes, refinement, cancelling; no browser."""

from contextlib import suppress

import numpy as np
import pytest
import tifffile
from one_thread import OneThread
from reg_cases import CENTRE, FIELD, SHAPE, pair_of
from synthetic import Affine, Grey, lattice_texture, pair

from hpcdvc.errors import RunError, UserError
from hpcdvc.fields.phi import rotation_matrix
from hpcdvc.images import describe
from hpcdvc.output.tsv import read_tsv
from hpcdvc.pages.ereg import EregPage
from hpcdvc.pages.ereg_files import Kept
from hpcdvc.pages.ereg_images import PairOfImages, Shown
from hpcdvc.pages.ereg_jobs import TeamOfOne, _turns, automatic_start
from hpcdvc.pages.ereg_state import EregState
from hpcdvc.pages.ereg_views import draw, figures
from hpcdvc.pages.hub import Stopped
from hpcdvc.pages.levels import preview
from hpcdvc.pages.planes import as_bytes
from hpcdvc.registration.candidates import Scan


@pytest.fixture
def page(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return page_in(tmp_path)


def page_in(folder, factor: int | None = None, mask: np.ndarray | None = None) -> EregPage:
    """A page whose images are there."""
    for name, image in zip(("im1.tif", "im2.tif"), pair_of(), strict=True):
        tifffile.imwrite(folder / name, image, photometric="minisblack")
    header = None
    if mask is not None:
        tifffile.imwrite(folder / "mask.tif", mask, photometric="minisblack")
        header = describe(str(folder / "mask.tif"))
    images = PairOfImages(*(describe(str(folder / name)) for name in ("im1.tif", "im2.tif")), factor, header)
    made = EregPage(images, EregState(SHAPE), Kept(str(folder / "P-PhiEye"), {}), [])
    made.begin(OneThread(made))
    return made


def act(page: EregPage, *actions: dict, n: int, **more):
    """Send actions."""
    return page.answer({"type": "act", "browser": "b", "n": n, "actions": list(actions), **more})


def test_planes_are_those_of_the_images(page):
    im1, im2 = pair_of()
    answer = page.answer({"type": "look", "exact": True})
    window = answer.content["windows"][1]
    middle = [n // 2 for n in SHAPE]
    assert answer.exact and set(answer.planes) == {
        f"{what} {view}" for what in ("im1", "inside", "im2") for view in (1, 2, 3)
    }
    numbers = answer.content["slices"]
    for view, axis in ((1, 0), (2, 1), (3, 2)):
        assert abs(numbers[view] - middle[axis]) <= 1
        for name, image in (("im1", im1), ("im2", im2)):
            plane = np.take(image, numbers[view], axis=axis).astype("f4")
            assert (answer.planes[f"{name} {view}"] == as_bytes(plane, window)).all()
        assert answer.planes[f"inside {view}"].all() and answer.planes[f"inside {view}"].dtype == np.int8


def test_the_right_motion_lays_im1_over_im2(page):
    state = EregState(SHAPE)
    before = figures(draw(state, page.images.shown))
    phi = np.eye(4)
    phi[:3, :3], phi[:3, 3] = FIELD.F, FIELD.shift
    state.set_phi(phi)
    after = figures(draw(state, page.images.shown))
    assert before["match"] < 0.5 and after["match"] > 0.98 and after["rms"] < before["rms"] / 4
    assert 0.8 < after["overlap"] < 1 == before["overlap"]


def test_a_binned_page_is_about_the_same_point(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    page = page_in(tmp_path, 2)
    phi = np.eye(4)
    phi[:3, :3], phi[:3, 3] = FIELD.F, FIELD.shift
    state = EregState(SHAPE, phi.tolist())
    assert page.images.shown.im1.array.shape == (24, 25, 27)
    assert figures(draw(state, page.images.shown))["match"] > 0.97
    act(page, {"key": "."}, n=1)
    assert page.motion.point[0] == CENTRE[0] + 2


def test_after_a_first_look_all_planes_are_new(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    page = page_in(tmp_path, 2)
    whole = page.images.shown
    page.images.shown = Shown.of(*(preview(info, 2) for info in (page.images.im1, page.images.im2)))
    first = page.answer({"type": "look", "exact": True})
    page.images.shown = whole
    slices = {str(view): [number, True] for view, number in first.content["slices"].items()}
    have = {"key": first.content["key"], "exact": True, "whole": first.content["whole"], "slices": slices}
    second = page.answer({"type": "look", "exact": True, "have": have})
    plane = whole.im2.array[first.content["slices"][1]]
    assert (second.planes["im2 1"] == as_bytes(plane.astype("f4"), whole.windows[1])).all()
    assert (second.planes["im2 1"] != first.planes["im2 1"]).any()


def test_voxels_without_a_value_do_not_count(tmp_path):
    im1, im2 = (image.astype("f4") for image in pair_of())
    im1[:, :10], im2[:, :, 40:] = np.nan, np.nan
    for name, image in (("im1.tif", im1), ("im2.tif", im2)):
        tifffile.imwrite(tmp_path / name, image, photometric="minisblack")
    images = PairOfImages(*(describe(str(tmp_path / name)) for name in ("im1.tif", "im2.tif")))
    images.load(lambda text: None)
    (across, *_) = drawn = draw(EregState(SHAPE), images.shown)
    assert across.inside.sum() == (SHAPE[1] - 10) * 40
    found = figures(drawn)["views"][1]
    seen = np.s_[across.number, 10:, :40]
    assert found["match"] == pytest.approx(np.corrcoef(im1[seen].ravel(), im2[seen].ravel())[0, 1])
    assert found["rms"] == pytest.approx(np.sqrt(np.mean((im1[seen] - im2[seen]) ** 2)), rel=1e-5)
    assert found["overlap"] == pytest.approx((SHAPE[1] - 10) * 40 / (SHAPE[1] * SHAPE[2]))


def test_only_what_is_new_is_sent(page):
    first = page.answer({"type": "look"}).content
    have = {
        "key": first["key"],
        "whole": True,
        "exact": False,
        "slices": {str(v): [n, False] for v, n in first["slices"].items()},
    }
    assert not page.answer({"type": "look", "have": have}).planes
    moved = act(page, {"key": "ArrowRight"}, n=1, have=have)
    assert {name.split()[0] for name in moved.planes} == {"im1", "inside"} and not moved.exact
    sliced = act(page, {"key": "."}, n=2, have=have)
    assert [name for name in sliced.planes if name.startswith("im2")] == ["im2 1"]
    assert len(page.answer({"type": "look", "exact": True, "have": have}).planes) == 9
    assert (
        len(page.answer({"type": "look", "have": {"key": 3, "whole": True, "slices": {"1": "x", "2": [1]}}}).planes)
        == 9
    )


def test_actions_that_come_again_are_not_done_again(page):
    act(page, {"key": "ArrowRight"}, {"key": "ArrowRight"}, n=2)
    act(page, {"key": "ArrowRight"}, {"key": "ArrowRight"}, {"key": "ArrowDown"}, n=3)
    assert page.motion.matrix[:3, 3].tolist() == [0, 1, 2]
    page.answer({"type": "act", "browser": "another", "n": 1, "actions": [{"key": "ArrowDown"}]})
    assert page.motion.matrix[:3, 3].tolist() == [0, 2, 2] and page.hub.saved == 3
    assert read_tsv(page.kept.table).phi[0, :3, 3].tolist() == [0, 2, 2]


def test_one_bad_action_does_not_stop_the_others(page):
    answer = act(page, {"key": "ArrowRight"}, {"do": "fly"}, {"key": "ArrowDown"}, n=3)
    assert "no action" in answer.content["said"] and page.motion.matrix[:3, 3].tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    "message",
    [
        {"type": "act"}, {"type": "dance"}, {"type": "act", "actions": [3], "n": 1, "browser": "b"},
        {"type": "act", "actions": [], "n": "1", "browser": "b"}, {"type": "act", "actions": [], "n": 1, "browser": 5},
        {"type": "act", "actions": [{}] * 2000, "n": 1, "browser": "b"},
        {"type": "act", "actions": [], "n": 1, "browser": "b" * 99},
    ],
)  # fmt: skip
def test_messages_that_are_none_are_refused(page, message):
    with pytest.raises(UserError):
        page.answer(message)


def test_refinement_is_saved_and_taken_back(page):
    act(page, {"key": "Enter"}, n=1)
    found = read_tsv(page.kept.table)
    assert (
        np.abs(found.phi[0, :3, 3] - FIELD.shift).max() < 1e-3 and np.abs(found.phi[0, :3, :3] - FIELD.F).max() < 1e-4
    )
    assert found.return_status[0] == 2 and found.iterations[0] > 0
    progress = [message.content["job"] for message in page.hub.told if message.type == "job"]
    assert any("iteration" in job["text"] and job["running"] for job in progress) and not progress[-1]["running"]
    act(page, {"key": "z", "ctrl": True}, n=2)
    found = read_tsv(page.kept.table)
    assert (found.phi[0] == np.eye(4)).all() and found.return_status[0] == 0


def test_rigid_refinement(page):
    act(page, {"key": "r"}, {"key": "Enter"}, n=2)
    f = page.motion.matrix[:3, :3]
    np.testing.assert_allclose(f @ f.T, np.eye(3), atol=1e-12)
    assert np.abs(page.motion.matrix[:3, 3] - FIELD.shift).max() < 0.2


def test_refinement_ends_where_it_is_told(page):
    act(page, {"do": "show", "finest": 2}, {"key": "Enter"}, n=2)
    texts = " ".join(message.content["job"]["text"] for message in page.hub.told if message.type == "job")
    assert "binning 2" in texts and "binning 1" not in texts
    assert 1e-3 < np.abs(page.motion.matrix[:3, 3] - FIELD.shift).max() < 0.05


def test_refinement_keeps_to_the_mask(tmp_path):
    """The left half of im2 is of something else: without the mask that spoils the motion."""
    mask = np.zeros(SHAPE, "u1")
    mask[:, :, SHAPE[2] // 2 :] = 255
    errors = []
    for given in (None, mask):
        page = page_in(tmp_path, mask=given)
        im2 = tifffile.imread(tmp_path / "im2.tif")
        im2[:, :, : SHAPE[2] // 2 - 4] = np.random.default_rng(1).integers(0, 255, im2[:, :, : SHAPE[2] // 2 - 4].shape)
        tifffile.imwrite(tmp_path / "im2.tif", im2, photometric="minisblack")
        with suppress(RunError):
            act(page, {"key": "ArrowDown"}, {"key": "Enter"}, n=2)
        errors.append(np.abs(page.motion.matrix[:3] - FIELD.phi(CENTRE[None])[0]).max())
    assert page.state()["mask"] == str(tmp_path / "mask.tif")
    assert errors[1] < 1e-2 < 5e-2 < errors[0]


@pytest.mark.parametrize("key", ["a", "Enter"])
def test_an_empty_mask_is_told(tmp_path, key):
    page = page_in(tmp_path, mask=np.zeros(SHAPE, "u1"))
    assert "0 everywhere" in act(page, {"key": key}, n=1).content["said"]
    assert not page.job["running"]


@pytest.mark.parametrize("key", ["a", "Enter"])
@pytest.mark.parametrize("grey", [0, 7, np.nan])
def test_images_of_one_grey_value_are_told(tmp_path, key, grey):
    page = page_in(tmp_path)
    for name in ("im1.tif", "im2.tif"):
        tifffile.imwrite(tmp_path / name, np.full(SHAPE, grey, "f4"), photometric="minisblack")
    page.images = PairOfImages(*(describe(str(tmp_path / name)) for name in ("im1.tif", "im2.tif")))
    page.images.load(lambda text: None)
    assert page.answer({"type": "look"}).content["figures"]["match"] is None
    assert "nothing to register" in act(page, {"key": key}, n=1).content["said"]
    assert not page.job["running"] and page.motion.phi == np.eye(4).tolist()


@pytest.mark.parametrize("shape", [(2, 2, 2), (40, 1, 50), (1, 2, 3)])
@pytest.mark.parametrize("key", ["a", "Enter"])
def test_images_that_are_too_small_are_told(tmp_path, shape, key):
    page = thin_page(tmp_path, shape)
    assert "leaves nothing of the images" in act(page, {"key": key}, n=1).content["said"]
    assert not page.job["running"]


def test_thin_images_have_no_small_copies(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    page = thin_page(tmp_path, (1100, 4, 20))
    with pytest.raises(RunError, match="found no start"):
        act(page, {"key": "a"}, n=1)


def thin_page(folder, shape: tuple[int, int, int]) -> EregPage:
    """A page whose images have another shape, and nothing to do with each other."""
    for name, seed in (("im1.npy", 1), ("im2.npy", 2)):
        np.save(folder / name, np.random.default_rng(seed).integers(0, 255, shape, "u1"))
    images = PairOfImages(*(describe(str(folder / name)) for name in ("im1.npy", "im2.npy")))
    made = EregPage(images, EregState(shape), Kept(str(folder / "P-PhiEye"), {}), [])
    made.begin(OneThread(made))
    return made


def test_coarse_copies_are_given_up_on_the_way():
    left, made = iter([None, None, Stopped]), []

    def check():
        error = next(left)
        if error:
            raise error

    with pytest.raises(Stopped):
        TeamOfOne(check).shared_planes((64, 2), np.float32, lambda first, last, planes: made.append((first, last)))
    assert made == [(0, 16), (16, 32)]


def test_a_start_is_given_up_between_rotations(page, monkeypatch):
    scanned = []
    monkeypatch.setattr(Scan, "__call__", lambda *_: scanned.append(None) or (0.0, np.zeros(3, int)))

    def check():
        if len(scanned) > 5:
            raise Stopped

    with pytest.raises(Stopped):
        automatic_start(page.images, False, TeamOfOne(check))
    assert 5 < len(scanned) < 10


def test_automatic_start(page):
    act(page, {"key": "a"}, n=1)
    assert np.abs(page.motion.matrix[:3, 3] - FIELD.shift).max() < 0.5


def test_images_in_two_dimensions_turn_about_z_alone():
    turns = [_turns(turning, 2) for turning in ("z", "y", "x")]
    assert all((one == turns[0]).all() for one in turns) and len(turns[0]) == 90
    assert (turns[0][:, 0] == [1, 0, 0]).all() and (turns[0][:, :, 0] == [1, 0, 0]).all()


@pytest.mark.parametrize("turning, degrees", [("z", 140), ("x", -100), ("none", 0)])
def test_automatic_start_about_an_axis_all_the_way_round_or_without_turning(tmp_path, turning, degrees):
    turned = np.zeros(3)
    turned["zyx".find(turning)] = degrees
    field = Affine(rotation_matrix(turned), np.array([1.0, -3.0, 4.0]), CENTRE)
    page = page_in(tmp_path)
    for name, image in zip(("im1.tif", "im2.tif"), pair(lattice_texture(1), SHAPE, field, Grey()), strict=True):
        tifffile.imwrite(tmp_path / name, image, photometric="minisblack")
    page.images = PairOfImages(*(describe(str(tmp_path / name)) for name in ("im1.tif", "im2.tif")))
    page.images.load(lambda text: None)
    act(page, {"do": "show", "turning": "sideways"}, {"do": "show", "turning": turning}, {"key": "a"}, n=3)
    assert page.state()["turning"] == turning
    found = page.motion.matrix[:3]
    assert np.abs(found - field.phi(CENTRE[None])[0]).max() < (1 if turning == "none" else 0.5)
    assert turning != "none" or (found[:, :3] == np.eye(3)).all()


@pytest.mark.parametrize("key", ["a", "Enter"])
@pytest.mark.parametrize("checks", [0, 3, 8])
def test_cancelled_work_changes_nothing(page, key, checks):
    page.hub.checks = checks
    act(page, {"key": "ArrowRight"}, {"key": key}, n=2)
    assert page.motion.matrix[:3, 3].tolist() == [0, 0, 1] and len(page.motion.past) == 1
    assert not page.job["running"] and "nothing has changed" in page.job["text"]


def test_one_thing_after_the_other(page):
    page.hub.background = lambda work: None
    act(page, {"key": "Enter"}, n=1)
    assert page.job["running"]
    assert "one thing" in act(page, {"key": "Enter"}, n=2).content["said"]
    assert page.motion.phi == np.eye(4).tolist()


def test_what_is_asked_for_before_the_images_are_there_waits_for_them(tmp_path):
    page = page_in(tmp_path)
    shown, page.loading, page.images.shown = page.images.shown, "reading", None
    answer = act(page, {"key": "Enter"}, {"key": "ArrowRight"}, n=2)
    assert answer.content["said"] == "" and answer.planes == {}
    assert page.job["running"] and "when the images are there" in page.job["text"]
    assert page.motion.matrix[:3, 3].tolist() == [0, 0, 1]
    act(page, {"key": "Escape"}, n=3)
    assert not page.job["running"]
    act(page, {"key": "Enter"}, n=4)
    page.images.shown = shown
    page.hub.background(page._load)
    assert "refined" in page.job["text"] and np.abs(page.motion.matrix[:3, 3] - FIELD.shift).max() < 1e-3


def test_images_that_do_not_match_are_told(page, tmp_path):
    noise = np.random.default_rng(3).integers(0, 255, SHAPE, "u1")
    tifffile.imwrite(tmp_path / "im2.tif", noise, photometric="minisblack")
    page.images = PairOfImages(page.images.im1, describe(str(tmp_path / "im2.tif")))
    page.images.load(lambda text: None)
    with pytest.raises(RunError, match="not refined"):
        act(page, {"key": "Enter"}, n=1)
    assert not page.job["running"] and page.motion.phi == np.eye(4).tolist()
