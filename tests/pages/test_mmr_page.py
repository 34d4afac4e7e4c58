"""The page of hpcdvc-mmr-graphical as its server sees it: box, joint histogram, peaks, phases; no browser."""

from dataclasses import replace

import numpy as np
import pytest
import tifffile
from mmr_cases import MIDDLE, SHAPE, images
from mmr_page import BOX, TRUTH, act, joint, new_state, page_in
from one_thread import OneThread
from reg_ends import play_command

from hpcdvc.cli import main
from hpcdvc.errors import UserError
from hpcdvc.images import describe
from hpcdvc.multimodal.greys import GreyRange
from hpcdvc.multimodal.pair import ModalPair
from hpcdvc.multimodal.phases_file import phases_text, read_phases
from hpcdvc.output.hdf5 import read_field
from hpcdvc.pages import mmr_joint
from hpcdvc.pages.ereg_images import PairOfImages
from hpcdvc.pages.mmr import MmrPage, ratio
from hpcdvc.pages.mmr_files import state_of
from hpcdvc.pages.mmr_joint import Joint, Search
from hpcdvc.pages.mmr_slices import RESIDUAL, phase_and_residual
from hpcdvc.pages.mmr_state import MmrState, inside_box, whole_box
from hpcdvc.ranks.team import Team
from hpcdvc.registration.levels import Level


@pytest.fixture
def page(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return page_in(tmp_path)


def test_histogram_is_that_of_the_registration(page, monkeypatch):
    """In the box, under Phi; also when it is counted in many parts."""
    page.motion.set_phi(TRUTH)
    monkeypatch.setattr(mmr_joint, "AT_A_TIME", 5000)
    assert not joint(page)["fresh"] and joint(page)["fresh"]
    level = Level.of(*images())
    ranges = [
        GreyRange(float(image[4:36, 4:40, 4:38].min()), float(image[4:36, 4:40, 4:38].max())) for image in images()
    ]
    margin = tuple((first, n - stop) for (first, stop), n in zip(BOX, SHAPE, strict=True))
    expected = ModalPair(level, ranges, 64, margin, MIDDLE, Team()).histogram(TRUTH[:3])
    assert list(page.joint.ranges) == ranges
    assert (page.joint.histogram == expected).all() and expected.sum() > 40_000
    assert (page.joint.grey > 0).sum() == (expected > 0).sum() and page.joint.grey.max() == 255


def test_peaks(page):
    """Found by themselves, added, moved, removed; each change fits anew and is taken back by undo."""
    first = joint(page)
    assert first["fresh"] and len(first["peaks"]) == len(first["phases"]) == 2
    weights = [phase["weight"] for phase in first["phases"]]
    assert sum(weights) + first["between"] + first["background"] == pytest.approx(1)
    act(page, {"do": "move-peak", "number": 0, "by": [1, 0]}, {"do": "reach", "number": 0, "to": 9}, n=2)
    moved = joint(page)
    assert moved["peaks"][0] == pytest.approx((first["peaks"][0][0] + 1, first["peaks"][0][1], 9))
    assert np.trace(moved["phases"][0]["covariance"]) < np.trace(first["phases"][0]["covariance"])
    act(page, {"do": "add-peak", "at": list(first["peaks"][1][:2])}, n=3)
    merged = joint(page)
    assert len(merged["peaks"]) == 3 and len(merged["phases"]) == len(merged["kept"]) == 2 and 0 in merged["kept"]
    act(page, {"do": "remove-peak", "number": 0}, {"do": "remove-peak", "number": 1}, n=5)
    assert len(joint(page)["phases"]) == 1
    assert "last peak" in act(page, {"do": "remove-peak", "number": 0}, n=6).content["said"]
    for n in range(5):
        act(page, {"do": "undo"}, n=7 + n)
    assert page.motion.picked == new_state().picked and joint(page)["peaks"] == first["peaks"]
    act(page, {"do": "find-peaks", "count": 1}, n=12)
    assert len(joint(page)["phases"]) == 1


def test_a_peak_where_nothing_is(page):
    joint(page)
    act(page, {"do": "add-peak", "at": [63, 63]}, {"do": "reach", "number": 2, "to": 1}, n=2)
    assert "no voxel has grey values near the peak at bins 63 and 63" in joint(page)["said"]
    assert len(joint(page)["phases"]) == 2


def test_a_peak_that_is_not_there_but_not_far():
    """Phases without weights would be none that can be kept: what was picked could not be saved any more."""
    histogram = np.zeros((64, 64), np.int64)
    histogram[20, 20] = 1000
    state = new_state()
    state.set_peaks([(28.0, 20.0, 1.0)])
    with pytest.raises(UserError, match="too few voxels"):
        mmr_joint.fit(Joint((), (), histogram), state, Search())


def test_undo_goes_through_all_in_turn():
    state = new_state()
    state.move(np.array([1.0, 0, 0]))
    state.pick(coverage=0.5)
    state.set_box([(1, 30), (2, 30), (3, 30)], "a stroke")
    state.set_box([(2, 30), (2, 30), (3, 30)], "a stroke")
    state.undo()
    assert state.picked == replace(new_state().picked, coverage=0.5) and state.phi[0][3] == 1
    state.undo()
    state.undo()
    assert state.picked == new_state().picked and state.phi == np.eye(4).tolist() and not state.past
    for _ in range(3):
        state.redo()
    assert state.picked.box == ((2, 30), (2, 30), (3, 30)) and state.phi[0][3] == 1


def test_box_stays_in_the_image(page):
    assert inside_box([(-5, 50), (40, 41), (3.4, 20.6)], SHAPE) == ((0, 40), (36, 44), (3, 21))
    assert inside_box([(0, 1), (3, 9), (0, 30)], (1, 5, 30)) == ((0, 1), (0, 5), (0, 30))
    act(page, {"do": "move-box", "ends": [[9, 9], [0, 2], [-2, 0]]}, n=1)
    assert page.motion.picked.box == ((8, 40), (5, 43), (1, 39))  # moved as far as there is room; two ends moved
    act(page, {"do": "whole-box"}, n=2)
    assert page.motion.picked.box == whole_box(SHAPE) == tuple((0, n) for n in SHAPE)


def test_other_bins_keep_the_grey_values(page):
    joint(page)
    act(page, {"do": "move-peak", "number": 0, "by": [0, 0]}, {"do": "set", "bins": 128}, n=2)
    means = page.phases.mixture.means[:2].copy()
    assert page.motion.picked.peaks[0][2] == pytest.approx(32 * 127 / 63)
    joint(page)
    joint(page)
    assert page.joint.histogram.shape == (128, 128)
    np.testing.assert_allclose(page.phases.mixture.means[:2], means * 127 / 63, atol=0.6)


def test_ranges_and_coverage(page):
    act(page, {"do": "set", "ranges": [[30, 150], [None, 20000]]}, {"do": "set", "coverage": 0.6}, n=2)
    joint(page)
    told = page.answer({"type": "joint"})
    assert told.content["ranges"][0] == [30, 150] and told.content["ranges"][1][1] == 20000
    diagram, histogram = told.planes["diagram"], page.joint.histogram
    assert 0.5 < histogram[diagram > 0].sum() / histogram.sum() <= 0.6


@pytest.mark.parametrize(
    "action",
    [
        {"do": "box", "values": [[0, 5], [0, 5]]},
        {"do": "box", "values": [[0, "x"], [0, 5], [0, 5]]},
        {"do": "box"},
        {"do": "move-box", "ends": [[0, 1e300]] * 3},
        {"do": "set", "bins": 100},
        {"do": "set", "bins": [64]},
        {"do": "set", "coverage": None},
        {"do": "set", "ranges": [[5, 1], [0, 9]]},
        {"do": "set", "ranges": [[True, 9], [0, 9]]},
        {"do": "set", "thresholds": [1]},
        {"do": "find-peaks", "count": 17},
        {"do": "find-peaks", "count": True},
        {"do": "add-peak", "at": [1, 2, 3]},
        {"do": "add-peak"},
        {"do": "move-peak", "number": 9, "by": [1, 1]},
        {"do": "move-peak", "number": "0", "by": [1, 1]},
        {"do": "reach", "number": 0},
        {"do": "remove-peak", "number": -1},
        {"do": "take-found"},
        {"do": "nothing of the kind"},
    ],
)
def test_what_cannot_be_done_is_told(page, action):
    before = page.motion.picked
    assert act(page, action, n=1).content["said"]
    assert page.motion.picked == before


def test_phases_and_residual_of_slices(page):
    """Those of the bins of im1 and of im2 brought back; where im2 has no voxel there is nothing."""
    act(page, {"do": "t", "values": [0, 0, 30]}, n=1)
    joint(page)
    assert not page.answer({"type": "slices", "phases": True}).planes["inside 1"][:, 12:].any()
    act(page, {"do": "undo"}, n=2)
    joint(page)
    joint(page)
    answer = page.answer({"type": "slices", "phases": True, "exact": True})
    z = int(page.motion.point[0] + 0.5)
    one, two = (image[z].astype(float) for image in images())
    bins = [
        np.clip((image - grey.low) / (grey.high - grey.low), 0, 1) * 63
        for image, grey in zip((one, two), page.joint.ranges, strict=True)
    ]
    diagram = page.phases.diagram(page.joint.histogram, 1.0)
    expected = diagram[tuple(np.rint(part).astype(int) for part in bins)]
    assert (answer.planes["phase 1"] == expected).mean() > 0.999 and set(np.unique(expected)) == {1, 2}
    # a pixel in the middle of a phase has no residual, one beyond it a positive one
    mixture, ranges = page.phases.mixture, page.joint.ranges
    grey = [r.low + (r.high - r.low) * mean / 63 for r, mean in zip(ranges, mixture.means[0], strict=True)]
    wide = np.sqrt(mixture.covariances[0, 1, 1]) * (ranges[1].high - ranges[1].low) / 63
    pixels = np.array([[grey[1], grey[1] + 2 * wide]])
    _, residual = phase_and_residual(
        np.full((1, 2), grey[0]), pixels, np.ones((1, 2), bool), ranges, diagram, page.phases.tables
    )
    assert abs(residual[0, 0]) < 0.2 * RESIDUAL and residual[0, 1] == pytest.approx(2 * RESIDUAL, rel=0.15)


def test_measure_of_other_modalities():
    rng = np.random.default_rng(0)
    one = rng.integers(0, 50, 20_000).astype(float)
    assert ratio(one, 100 - one) > 0.99 and ratio(one, (one - 25) ** 2) > 0.99
    assert ratio(one, rng.normal(size=len(one))) < 0.02
    assert ratio(one, np.ones_like(one)) is None and ratio(one[:1], one[:1]) is None


def test_run_and_file(page, tmp_path):
    """What is found is kept; a session that goes on from the file is where it was, to the bit."""
    joint(page)
    act(page, {"do": "run"}, n=1)
    found = page.state()["found"]
    assert found["return_status"] == 2 and found["now"]
    assert np.abs(np.array(found["Phi"])[:3] - TRUTH[:3]).max() < 0.05
    kept = read_phases(tmp_path / "P-phases.json")
    assert kept.box == BOX and (kept.phi == np.eye(4)).all() and kept.complete
    when = (tmp_path / "P-phases.json").stat().st_mtime_ns
    page.save()
    assert (tmp_path / "P-phases.json").stat().st_mtime_ns == when  # a batch run may just read it
    earlier = page.kept.earlier()
    again = MmrPage(page.images, state_of(earlier, "f", MmrState(SHAPE)), page.kept, [], Search(), phases=earlier)
    assert again.state()["found"] == found and again.motion.picked == page.motion.picked
    assert phases_text(again._phases(again.motion)) == phases_text(page._phases(page.motion))
    again.begin(OneThread(again))
    act(again, {"do": "run"}, n=1)
    assert again.motion.found == page.motion.found
    act(page, {"do": "take-found"}, n=2)
    assert page.motion.phi == found["Phi"] and not page.state()["found"]["now"]
    act(page, {"do": "undo"}, n=3)
    assert page.state()["found"]["now"]
    act(page, {"do": "move-peak", "number": 0, "by": [3, 0]}, n=4)
    assert not joint(page)["found"]["now"], "told with the phases that it is not of"


def test_with_a_mask(page, tmp_path, monkeypatch):
    """Counted and registered as the batch command does with it, about the centre of the mask."""
    mask = np.ones(SHAPE, "u1")
    mask[:, :, :16] = 0
    tifffile.imwrite(tmp_path / "mask.tif", mask, photometric="minisblack")
    pair = PairOfImages(page.images.im1, page.images.im2, mask=describe(str(tmp_path / "mask.tif")), alike=False)
    masked = MmrPage(pair, new_state(), page.kept, [], Search())
    masked.motion.turn(1, -1.0)
    masked.begin(OneThread(masked))
    assert masked.joint.histogram.sum() < 0.7 * page.joint.histogram.sum()
    act(masked, {"do": "run"}, n=1)
    monkeypatch.chdir(tmp_path)
    play_command(monkeypatch, "mmr")
    assert main("mmr", ["im1.tif", "im2.tif", "-mf1", "mask.tif", "--phases", "P-phases.json", "-od", "out", "-q"]) == 0
    found = read_field("out/im1-im2-mmr.hdf")
    assert (found.phi[0] == np.array(masked.motion.found["Phi"])).all()
    assert found.error[0] == masked.motion.found["log_likelihood"]


def test_refine_and_cancel(page):
    act(page, {"do": "set", "thresholds": [0.5, 1]}, {"do": "show", "rigid": True}, {"key": "Enter"}, n=3)
    assert np.abs(page.motion.matrix[:3] - TRUTH[:3]).max() < 0.05
    assert page.motion.outcome.return_status == 2
    act(page, {"do": "undo"}, n=4)
    page.hub.checks = 3
    act(page, {"do": "run"}, n=5)
    assert page.motion.found is None and page.job["text"] == "registration: ended, nothing has changed"
