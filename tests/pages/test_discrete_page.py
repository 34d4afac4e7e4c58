"""The page of hpcdvc-ereg-discrete as its server sees it: labels, starts, refinement, decisions; no browser."""

import errno
import json
import os

import numpy as np
import pytest
import tifffile
from discrete_cases import COUNT, SHAPE, SPOILED, save_scene, scene, spoiled, truth
from one_thread import OneThread
from scipy.ndimage import gaussian_filter

from hpcdvc.cli import main
from hpcdvc.errors import RunError, UserError
from hpcdvc.options.ereg_discrete import Options
from hpcdvc.output.hdf5 import read_field
from hpcdvc.output.tsv import read_tsv, write_tsv
from hpcdvc.pages.discrete import DiscretePage
from hpcdvc.pages.discrete_list import LISTED
from hpcdvc.ranks.team import Team
from hpcdvc.workflows import ereg_discrete

STEM = "out/P-ereg-discrete"
BAD = spoiled()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The images, and the field that is repaired."""
    made = tmp_path_factory.mktemp("discrete")
    save_scene(made)
    return made


@pytest.fixture
def here(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in os.listdir(folder):
        os.symlink(folder / name, name)
    return tmp_path


def page_of(monkeypatch, phi_file: str | None = "field.tsv", **more) -> DiscretePage:
    """The page of the command, as if it was served."""
    found = []

    def served(page, options) -> None:
        page.begin(OneThread(page))
        found.append(page)

    monkeypatch.setattr(ereg_discrete, "show", served)
    files = {"im1": "im1.tif", "labels": "lab.tif", "im2": "im2.tif"} | more
    ereg_discrete.run(Options(**files, phi_file=phi_file, out_dir="out", prefix="P"), Team())
    return found[0]


@pytest.fixture
def page(here, monkeypatch):
    return page_of(monkeypatch)


def act(page: DiscretePage, *actions: dict | str) -> dict:
    """Do actions, or press keys; the state after them, and what was said."""
    actions = [{"key": one} if isinstance(one, str) else one for one in actions]
    number = page.done.get("b", 0) + len(actions)
    content = page.answer({"type": "act", "browser": "b", "n": number, "actions": actions}).content
    return content["state"] | {"said": content["said"] or page.job["text"]}


def choose(page: DiscretePage, label: int) -> dict:
    return act(page, {"do": "label", "label": label})


def test_enter_while_a_refinement_ends_accepts_it(page):
    """What was found waits for its turn, in which the key comes first."""
    late = []
    page.hub.in_turn = late.append
    act(page, "Enter")
    assert act(page, "Enter")["label"]["number"] == BAD[0]
    for call in late:
        call()
    assert page.state()["counts"]["accept"] == 1 and page.state()["label"]["number"] == BAD[1]
    assert f"label {BAD[0]}: accepted" in page.job["text"]


def test_begins_with_the_first_bad_label_from_its_neighbours(page):
    state = page.state()
    assert (state["label"]["number"], state["label"]["how"]) == (BAD[0], "neighbours")
    assert state["counts"] == {"labels": COUNT, "left": SPOILED, "accept": 0, "skip": 0, "reject": 0, "revision": 1}
    centres, phi = truth()
    row = BAD[0] - 1
    np.testing.assert_allclose(state["label"]["about"], centres[row])
    np.testing.assert_allclose(np.array(state["phi"])[:3], phi[row], atol=1e-5)  # all turn together
    assert os.path.exists(f"{STEM}.tsv") and read_tsv(f"{STEM}.tsv").extra["manual"].tolist() == [0] * COUNT


def test_starts(page):
    state = act(page, {"do": "guess", "name": "own"})
    own = read_tsv("field.tsv").phi[BAD[0] - 1]
    np.testing.assert_allclose(state["phi"], own, atol=1e-8)
    assert act(page, "g")["label"]["how"] == "neighbours"
    for name in ("global", "identity", "own"):
        assert act(page, "g")["label"]["how"] == name
        if name == "global":
            np.testing.assert_allclose(np.array(page.motion.phi)[:3], truth()[1][BAD[0] - 1], atol=0.05)
        elif name == "identity":
            assert page.motion.phi == np.eye(4).tolist()
    assert act(page, {"key": "z", "ctrl": True})["label"]["how"] == "identity"
    assert "no such start" in act(page, {"do": "guess", "name": "elsewhere"})["said"]


def test_refined_as_ddic_does_it(page):
    """From the same start the same row, with all its columns, bit for bit."""
    good = next(label for label in range(1, COUNT) if label not in BAD)
    assert main("ddic", ["im1.tif", "lab.tif", "im2.tif", "-pf", "field.tsv", "-pre", "d", "-od", "out", "-q"]) == 0
    wanted = read_field("out/d-ddic.hdf")
    choose(page, good)
    assert act(page, "Enter")["label"]["refined"]
    assert act(page, "Enter")["label"]["number"] != good
    page.save()
    found, row = read_field(f"{STEM}.hdf"), good - 1
    assert set(found.extra) - set(wanted.extra) == {"manual"} and found.extra["manual"][row] == 3
    assert found.phi[row].tobytes() == wanted.phi[row].tobytes()
    for name in set(wanted.extra):
        np.testing.assert_array_equal(found.extra[name][row], wanted.extra[name][row], err_msg=name)
    for name in ("error", "iterations", "return_status", "delta_phi_norm"):
        assert getattr(found, name)[row] == getattr(wanted, name)[row]


@pytest.mark.parametrize(("keys", "manual"), [(["Enter"], 3), (["ArrowRight", "Enter"], 2), (["ArrowRight"], 1)])
def test_accepted_rows_say_who_says_so(page, keys, manual):
    assert act(page, *keys)["label"]["refined"] == ("Enter" in keys)
    start = np.array(page.motion.phi)
    assert act(page, "n")["label"]["number"] == BAD[1]
    page.save()
    field, row = read_tsv(f"{STEM}.tsv"), BAD[0] - 1
    assert field.extra["manual"][row] == manual
    assert np.abs(field.phi[row, :3, 3] - truth()[1][row, :, 3]).max() < (0.05 if manual > 1 else 1.1)
    if manual == 1:
        np.testing.assert_allclose(field.phi[row], start, atol=1e-8)
        assert field.return_status[row] == 3 and field.measured[row]
        assert np.isnan(field.extra["zncc"][row]) and np.isnan(field.extra["variance"][row]).all()
    else:
        assert field.return_status[row] == 2 and np.isfinite(field.extra["rotation_std"][row]).all()


def test_a_search_finds_what_is_far(page):
    act(page, {"do": "guess", "name": "identity"}, {"do": "t", "values": [1, 3, -2]})
    state = act(page, "a")
    assert state["label"]["refined"], state["said"]
    np.testing.assert_allclose(np.array(state["phi"])[:3, 3], truth()[1][BAD[0] - 1, :, 3], atol=0.05)
    act(page, "n")
    assert page.rows.rows["manual"][BAD[0] - 1] == 4


def test_skip_reject_back_restore(page):
    assert act(page, "s")["label"]["number"] == BAD[1]
    assert act(page, "x")["label"]["number"] == BAD[2]
    assert act(page, "j")["label"]["number"] == BAD[3]
    state = act(page, "b", "b")
    assert (state["label"]["number"], state["label"]["decision"], state["label"]["status"]) == (BAD[1], "reject", -14)
    assert state["counts"] | {"revision": 0} == {
        "labels": COUNT, "left": SPOILED - 2, "accept": 0, "skip": 1, "reject": 1, "revision": 0,
    }  # fmt: skip
    page.save()
    field, before = read_tsv(f"{STEM}.tsv"), read_tsv("field.tsv")
    assert field.return_status[BAD[1] - 1] == -14 and field.extra["manual"][BAD[1] - 1] == 6
    np.testing.assert_allclose(field.phi, before.phi, atol=1e-8)
    state = act(page, "u")
    assert (state["label"]["number"], state["label"]["decision"]) == (BAD[1], "")
    page.save()
    assert read_tsv(f"{STEM}.tsv").return_status.tolist() == before.return_status.tolist()


def test_a_browser_says_which_label_is_the_next(page):
    state = act(page, "Enter", {"key": "Enter", "next": BAD[7]})
    assert (state["label"]["number"], page.kept.decided) == (BAD[7], {BAD[0]: "accept"})
    assert act(page, {"do": "skip", "next": BAD[3]})["label"]["number"] == BAD[3]


def test_a_good_label_that_is_accepted_keeps_its_row(page):
    before = page.rows.rows[0].copy()
    choose(page, 1)
    act(page, "n")
    after = page.rows.rows[0]
    assert after["manual"] == 5 and all(np.array_equal(before[n], after[n], True) for n in before.dtype.names[:-1])


def test_the_journal_is_ahead_of_the_answer_and_outlives_everything(page, monkeypatch):
    act(page, "Enter", "Enter", "s", "x", "u")
    lines = [json.loads(line) for line in open(f"{STEM}.jsonl")][1:]
    assert [(one["label"], one["decision"]) for one in lines] == [
        (BAD[0], "accept"), (BAD[1], "skip"), (BAD[2], "reject"), (BAD[3], "restore"),
    ]  # fmt: skip
    before = page.rows.rows.copy()
    with open(f"{STEM}.jsonl", "a") as journal:
        journal.write('{"label": 35, "deci')  # a kill while it was written
    os.remove(f"{STEM}.hdf")
    again = page_of(monkeypatch)
    assert again.rows.rows.tobytes() == before.tobytes() and again.kept.decided == page.kept.decided
    assert again.state()["job"]["text"] == f"3 decided before, {SPOILED - 3} labels to be repaired"
    assert again.state()["label"]["number"] == BAD[3]
    act(again, "s")
    assert [json.loads(line) for line in open(f"{STEM}.jsonl")][-1]["label"] == BAD[3]


def test_a_decision_that_the_disk_has_no_room_for_leaves_no_part_of_a_line(page, monkeypatch):
    """Else the next decision would end on the same line, and the session could not be taken up again."""
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if len(data) < 50:
            raise OSError(errno.ENOSPC, "no space left")
        return write(descriptor, data[:40])

    first = choose(page, BAD[0])["label"]["number"]
    with monkeypatch.context() as patched:
        patched.setattr("os.write", full)
        with pytest.raises(RunError, match="no space left"):
            act(page, "s")
    assert act(page, "x")["said"] == f"label {first}: rejected"
    assert page_of(monkeypatch).kept.decided == {first: "reject"}


def test_other_images_are_another_session(page, monkeypatch):
    act(page, "s")
    first = open(f"{STEM}.jsonl").read()
    for more in ({"label_dilate": 2}, {"phi_file": None}, {"im2": "im1.tif"}):
        with pytest.raises(UserError, match="--force"):
            page_of(monkeypatch, **({"phi_file": "field.tsv"} | more))
    assert open(f"{STEM}.jsonl").read() == first
    assert page_of(monkeypatch, label_dilate=2, force=True).kept.decided == {}
    assert len(open(f"{STEM}.jsonl").readlines()) == 1


@pytest.mark.parametrize("kind", ["unrelated", "constant"])
def test_a_label_that_is_not_there_never_converges(here, monkeypatch, kind):
    noise = gaussian_filter(np.random.default_rng(2).normal(size=SHAPE), 1.3)
    image = 20000 + (4000 * noise / noise.std() if kind == "unrelated" else np.zeros(SHAPE))
    os.remove("im2.tif")
    tifffile.imwrite("im2.tif", image.astype("u2"), photometric="minisblack")
    page = page_of(monkeypatch)
    for label in (*BAD[:5], *range(1, COUNT, 12)):
        choose(page, label)
        act(page, "Enter")
        assert page.motion.outcome.row is None and "not refined" in page.job["text"]
    act(page, "Enter", "a")
    assert page.motion.outcome.row is None and not page.kept.decided
    assert (page.rows.rows["manual"] == 0).all()


def test_where_another_label_has_converged(page):
    """Its neighbour lies where it belongs: neither is called measured there."""
    good = next(label for label in range(2, COUNT) if not {label - 1, label} & set(BAD))
    place = truth()
    phi = np.array(page.rows.rows["Phi"][good - 1])
    phi[:, 3] += place[0][good - 1] + 0.2 - place[0][good - 2]
    page.rows.rows["Phi"][good - 2] = phi
    choose(page, good)
    assert "another label has converged there" in act(page, {"do": "refine"})["said"]
    assert page.motion.outcome.row is None


def test_neighbours_do_not_count_the_label_itself(page):
    good = next(label for label in range(2, COUNT) if label not in BAD)
    page.rows.rows["Phi"][good - 1, :, 3] += 5
    choose(page, good)
    state = act(page, {"do": "guess", "name": "neighbours"})
    np.testing.assert_allclose(np.array(state["phi"])[:3], truth()[1][good - 1], atol=1e-5)


def test_what_comes_of_a_label_that_was_left_is_dropped(page):
    late = []
    page.hub.in_turn = late.append
    act(page, "Enter", "Enter")  # accepted when it is refined
    choose(page, BAD[1])
    before = page.motion.phi
    for call in late:
        call()
    assert late and page.motion.label == BAD[1] and page.motion.phi == before and page.kept.decided == {}
    act(page, "s", "b", "b")
    assert page.motion.label == BAD[0] and page.motion.outcome.row is None


def test_masks_and_contours(page):
    answer = page.answer({"type": "look", "exact": True})
    assert {"marks 1", "marks 2", "marks 3"} < set(answer.planes)
    marks, inside = answer.planes["marks 1"], answer.planes["inside 1"]
    assert set(np.unique(marks)) == {0, 1, 2} and inside[marks != 2].any()
    for key, hidden in (("k", marks != 2), ("k", None)):
        act(page, key)
        again = page.answer({"type": "look", "exact": True})
        if hidden is not None:
            assert not again.planes["inside 1"][hidden].any() and again.planes["inside 1"][marks == 2].any()
    assert page.motion.mask == "converged" and not again.planes["inside 1"].all()
    assert act(page, "k")["label"]["mask"] == "none"


def test_the_list_has_what_has_changed(page):
    answer = page.answer({"type": "list", "since": 0})
    rows = dict(zip(LISTED, answer.planes["rows"].T, strict=True))
    assert rows["label"].tolist() == list(range(1, COUNT + 1))
    assert rows["label"][rows["bad"] == 1].tolist() == list(BAD)
    np.testing.assert_allclose(np.column_stack([rows[name] for name in "zyx"]), truth()[0])
    assert (rows["volume"] == np.bincount(scene()[2].ravel())[1:]).all()
    act(page, "x")
    again = page.answer({"type": "list", "since": answer.content["revision"]})
    assert again.planes["rows"][:, :5].tolist() == [[BAD[0] - 1, BAD[0], -14, 6, 3]]


def test_the_map_is_a_slice(page):
    answer = page.answer({"type": "map", "axis": 0, "place": 8})
    assert (answer.planes["labels"] == scene()[2][8]).all() and answer.planes["grey"].shape == SHAPE[1:]
    with pytest.raises(UserError):
        page.answer({"type": "map", "axis": 3, "place": 8})


@pytest.mark.parametrize(
    "action",
    [
        {"do": "label", "label": 0},
        {"do": "label", "label": 2**40},
        {"do": "label", "label": "a"},
        {"do": ["x"]},
        {"key": 3},
    ],
)
def test_what_makes_no_sense_changes_nothing(page, action):
    before = page.state()
    assert act(page, action)["said"]
    assert page.state() == before | {"job": page.job}


def test_without_a_field_and_with_a_registration(here, monkeypatch):
    page = page_of(monkeypatch, None)
    assert page.state()["counts"]["left"] == COUNT and page.state()["label"]["guesses"] == ["identity"]
    assert page.state()["label"]["how"] == "identity" and page.state()["label"]["status"] == 0
    act(page, {"do": "t", "values": truth()[1][0, :, 3].tolist()}, "Enter")
    state = act(page, "n")
    assert (state["label"]["number"], state["label"]["how"]) == (2, "neighbours")
    assert main("reg", ["im1.tif", "im2.tif", "-od", "out", "-q"]) == 0
    page = page_of(monkeypatch, "out/im1-im2-registration.tsv", force=True)
    assert page.state()["label"]["how"] == "global" and page.state()["label"]["guesses"] == ["global", "identity"]
    np.testing.assert_allclose(np.array(page.motion.phi)[:3, 3], truth()[1][0, :, 3], atol=0.02)


def test_labels_that_one_has_and_the_other_has_not(here, monkeypatch):
    """A label without a row is to be measured; a row without a label stays as it is."""
    labels = scene()[2].copy()
    labels[labels == 5] = 0
    os.remove("lab.tif")
    tifffile.imwrite("lab.tif", labels, photometric="minisblack")
    field = read_tsv("field.tsv")
    kept = np.flatnonzero(~np.isin(field.extra["label"], (9, 16)))
    for name in ("positions", "phi", "return_status", "error", "iterations", "delta_phi_norm"):
        setattr(field, name, getattr(field, name)[kept])
    field.extra = {name: values[kept] for name, values in field.extra.items()}
    write_tsv("some.tsv", field)
    page = page_of(monkeypatch, "some.tsv")
    assert "no label 5" in choose(page, 5)["said"]
    state = choose(page, 9)["label"]
    assert (state["status"], state["how"], state["guesses"]) == (0, "neighbours", ["neighbours", "global", "identity"])
    act(page, "Enter", "n")
    page.save()
    found = read_tsv(f"{STEM}.tsv")
    assert found.extra["label"].tolist() == list(range(1, COUNT + 1))
    assert found.return_status[[8, 15]].tolist() == [2, 0] and found.extra["manual"][8] == 3
    np.testing.assert_allclose(found.phi[4], field.phi[4], atol=1e-8)
    assert page.state()["counts"]["left"] == SPOILED


def test_what_is_wrong_with_labels_is_raised_by_the_command(here, monkeypatch):
    field = read_tsv("field.tsv")
    field.positions = field.positions + 3
    write_tsv("moved.tsv", field)
    with pytest.raises(UserError, match="more than 1 voxel"):
        page_of(monkeypatch, "moved.tsv")
    tifffile.imwrite("none.tif", np.zeros_like(scene()[2]), photometric="minisblack")
    with pytest.raises(UserError, match="holds no particle"):
        page_of(monkeypatch, labels="none.tif")
    assert os.listdir("out") == []


def test_images_in_two_dimensions(here, monkeypatch):
    for name, image in zip(("im1", "im2", "lab"), scene(), strict=True):
        os.remove(f"{name}.tif")
        tifffile.imwrite(f"{name}.tif", image[8], photometric="minisblack")
    page = page_of(monkeypatch, None, label_volume_threshold=20)
    assert len(page.state()["views"]) == 1 and page.answer({"type": "map", "axis": 0, "place": 0}).planes
    choose(page, 145)
    act(page, {"do": "t", "values": [0, -1, 1]}, "Enter")
    assert page.motion.phi[0] == [1, 0, 0, 0]
    act(page, "n")
    page.save()
    assert read_tsv(f"{STEM}.tsv").positions[:, 0].tolist() == [0] * COUNT
