"""The state of the page of hpcdvc-ereg, without a browser: keys, motion, undo, landmarks, and what is kept of it."""

import json
import os
import resource

import numpy as np
import pytest

from hpcdvc.errors import RunError, UserError
from hpcdvc.fields.phi import at_points, rotation_matrix
from hpcdvc.output.tsv import read_tsv, write_tsv
from hpcdvc.pages.ereg_actions import act
from hpcdvc.pages.ereg_files import Kept, field_of
from hpcdvc.pages.ereg_state import MODES, EregState, Outcome
from hpcdvc.pages.landmarks import motion_of_landmarks

SHAPE = (40, 51, 62)
CENTRE = (np.array(SHAPE) - 1) / 2
F = rotation_matrix([3.0, -5.0, 8.0]) @ (np.eye(3) + [[0.02, 0.01, 0], [0.01, -0.03, 0.005], [0, 0.005, 0.01]])


def keys(state: EregState, *names: str, **held: bool) -> EregState:
    """Press keys, one after the other."""
    for name in names:
        act(state, {"key": name, **held})
    return state


def moved(*names: str, **held: bool) -> np.ndarray:
    """Phi after keys."""
    return keys(EregState(SHAPE), *names, **held).matrix


@pytest.mark.parametrize("view, axes", [("1", (0, 1, 2)), ("2", (1, 0, 2)), ("3", (2, 0, 1))])
def test_arrows_and_pages_move_by_a_voxel_along_the_axes_of_the_view(view, axes):
    across, down, right = np.eye(3)[list(axes)]
    wanted = {
        "ArrowRight": right, "ArrowLeft": -right, "ArrowDown": down, "ArrowUp": -down,
        "PageUp": across, "PageDown": -across,
    }  # fmt: skip
    for key, displacement in wanted.items():
        phi = moved(view, key)
        assert phi[:3, 3].tolist() == displacement.tolist()
        assert phi[:3, :3].tolist() == np.eye(3).tolist()


def test_steps():
    found = []
    state = EregState(SHAPE)
    for name in ("[", "[", "]", "]", "]", "]"):
        keys(state, name)
        found.append(state.step)
    assert found == [0.1, 0.1, 1, 5, 20, 20]
    assert keys(state, "ArrowDown").matrix[1, 3] == 20


@pytest.mark.parametrize("view, down, right", [(1, 1, 2), (2, 0, 2), (3, 0, 1)])
def test_shift_turns_clockwise_in_the_view(view, down, right):
    phi = moved(str(view), "ArrowRight", shift=True)
    angle = np.deg2rad(1)
    # on a screen, whose rows go down, clockwise takes the right to what is below
    assert phi[down, right] == pytest.approx(np.sin(angle)) and phi[right, down] == pytest.approx(-np.sin(angle))
    assert phi[:3, 3].tolist() == [0, 0, 0] and np.linalg.det(phi) == pytest.approx(1)
    back = keys(EregState(SHAPE), str(view), "ArrowRight", "ArrowLeft", shift=True).matrix
    np.testing.assert_allclose(back, np.eye(4), atol=1e-15)


def test_alt_stretches():
    np.testing.assert_allclose(np.diag(moved("ArrowRight", alt=True))[:3], [1, 1, 1.01])
    np.testing.assert_allclose(np.diag(moved("2", "ArrowDown", alt=True))[:3], [1 / 1.01, 1, 1])


def test_undo_and_redo():
    state = keys(EregState(SHAPE), "ArrowRight", "ArrowDown")
    state.set_phi(np.diag([1.1, 1, 1, 1]), Outcome(2, 0.5, 7, 1e-5))
    keys(state, "z", ctrl=True)
    assert state.matrix[:3, 3].tolist() == [0, 1, 1] and state.outcome == Outcome()
    keys(state, "y", ctrl=True)
    assert state.matrix[0, 0] == 1.1 and state.outcome.iterations == 7
    keys(state, "z", "z", "z", "z", ctrl=True)
    assert state.phi == np.eye(4).tolist()
    keys(state, "ArrowUp")
    assert not state.future


def test_one_drag_is_taken_back_as_one():
    state = keys(EregState(SHAPE), "ArrowRight")
    for _ in range(5):
        act(state, {"do": "drag", "view": 2, "by": [1, 0.5], "stroke": "a"})
    act(state, {"do": "drag", "view": 2, "by": [1, 0], "stroke": "b"})
    assert state.matrix[:3, 3].tolist() == [6, 0, 3.5]
    state.undo()
    state.undo()
    assert state.matrix[:3, 3].tolist() == [0, 0, 1]


def test_parts_are_set_one_at_a_time():
    state = EregState(SHAPE)
    wanted = {"t": [1.5, -2, 3], "r": [4.0, 5.0, -6.0], "z": [1.02, 0.97, 1.01]}
    for name, values in wanted.items():
        act(state, {"do": name, "values": values})
    for name, values in state.parts().items():
        np.testing.assert_allclose(values, wanted[name], atol=1e-12)


def test_slices_modes_and_what_else_is_shown():
    state = EregState(SHAPE)
    act(state, {"key": "."}, pitch=3)
    assert state.point == [22.5, 25, 30.5]
    for _ in range(30):
        act(state, {"key": ","}, pitch=3)
    assert state.point[0] == 0
    assert [keys(state, "m").mode for _ in MODES] == [*MODES[1:], MODES[0]]
    keys(state, " ", "o", "r", "q", "?")
    assert state.flicker and state.swapped and state.rigid
    act(state, {"do": "show", "mode": "blend", "blend": 7, "tiles": 3.2, "view": 3, "step": 0.25, "rigid": False})
    assert (state.mode, state.blend, state.tiles, state.view, state.step) == ("blend", 1, 3, 3, 0.25)
    for asked, finest in ((2, 2), (3, 4), (0, 1), (1e5, 4)):
        act(state, {"do": "show", "finest": asked})
        assert state.finest == finest
    assert not state.rigid and state.phi == np.eye(4).tolist()


def test_what_needs_more_than_the_state():
    asked = {"a": "auto", "Enter": "refine", "Escape": "cancel", "x": None}
    assert {key: act(EregState(SHAPE), {"key": key}) for key in asked} == asked
    assert act(EregState(SHAPE), {"key": "s", "ctrl": True}) == "save" == act(EregState(SHAPE), {"do": "save"})


@pytest.mark.parametrize(
    "action",
    [
        {}, {"do": "fly"}, {"key": 3}, {"do": ["t"]},
        {"do": "t", "values": [1, 2]}, {"do": "t", "values": [1, 2, "3"]}, {"do": "t", "values": [1, 2, 10**400]},
        {"do": "t", "values": [True, 0, 0]}, {"do": "r", "values": None}, {"do": "z", "values": [0, 1, 1]},
        {"do": "z", "values": [-1, 1, 1]}, {"do": "drag", "view": 4, "by": [0, 0]}, {"do": "drag", "by": [0, 0]},
        {"do": "turn", "view": 1, "degrees": float("nan")}, {"do": "phi", "phi": [0] * 12},
        {"do": "phi", "phi": [[1]] * 12}, {"do": "show", "view": "1"}, {"do": "paste", "text": "1 2 3"},
        {"do": "paste"}, {"do": "fit-landmarks"}, {"do": "point", "values": {}},
    ],
)  # fmt: skip
def test_nonsense_is_refused_and_changes_nothing(action):
    state = EregState(SHAPE)
    with pytest.raises(UserError):
        act(state, action)
    assert state == EregState(SHAPE)


def test_a_line_of_a_table_is_taken_for_the_centre(tmp_path):
    point = np.array([3.0, 7, 40])
    phi = np.eye(4)
    phi[:3, :3], phi[:3, 3] = F, (1.0, 2, 3)
    field = field_of(EregState(SHAPE, phi.tolist()))
    field.positions[0] = point
    write_tsv(tmp_path / "a.tsv", field)
    text = (tmp_path / "a.tsv").read_text()
    for some in (text, text.splitlines()[1]):
        state = EregState(SHAPE)
        act(state, {"do": "paste", "text": some})
        np.testing.assert_allclose(state.matrix, at_points(phi, point, CENTRE[None])[0], atol=1e-7)


@pytest.mark.parametrize("count, gradient", [(1, np.eye(3)), (3, rotation_matrix([3.0, -5, 8])), (4, F), (9, F)])
def test_landmarks_give_as_much_as_they_determine(count, gradient):
    points = np.random.default_rng(1).uniform(0, SHAPE, (count, 3))
    t = np.array([2.0, -1, 0.5])
    phi, left = motion_of_landmarks(points, CENTRE + t + (points - CENTRE) @ gradient.T, CENTRE)
    np.testing.assert_allclose(phi[:3, :3], gradient, atol=1e-9)
    np.testing.assert_allclose(phi[:3, 3], t, atol=1e-9)
    assert left.shape == (count,) and left.max() < 1e-9


def test_landmarks_in_a_plane_give_a_rotation_and_tell_what_is_left():
    points = np.array([[5.0, 5, 5], [5, 40, 10], [5, 20, 50], [5, 45, 45]])
    moved = points + [0, 0, 1]
    moved[2] += [0, 0, 2]
    phi, left = motion_of_landmarks(points, moved, CENTRE)
    np.testing.assert_allclose(phi[:3, :3] @ phi[:3, :3].T, np.eye(3), atol=1e-12)
    assert left.max() > 0.5


def test_landmarks_of_images_in_two_dimensions():
    flat, gradient = np.array([0.0, 20, 30]), np.eye(3) + [[0, 0, 0], [0, 0.02, 0.1], [0, -0.1, 0.01]]
    points = np.array([[0.0, 3, 4], [0, 30, 10], [0, 20, 50]])
    phi, left = motion_of_landmarks(points, flat + [0, 2, -3] + (points - flat) @ gradient.T, flat, 2)
    np.testing.assert_allclose(phi[:3, :3], gradient, atol=1e-9)
    np.testing.assert_allclose(phi[:3, 3], [0, 2, -3], atol=1e-9)
    assert left.max() < 1e-9


def test_landmarks_are_pairs_of_what_is_seen():
    state = EregState(SHAPE)
    state.move(np.array([1.0, 2, 3]))
    act(state, {"do": "landmark", "values": [10, 10, 10]})
    assert state.pending == [9, 8, 7] and not state.landmarks
    act(state, {"do": "landmark", "values": [11, 9, 10]})
    assert state.landmarks == [[[9, 8, 7], [11, 9, 10]]] and state.pending is None
    keys(state, "f")
    assert state.matrix[:3, 3].tolist() == [2, 1, 3] and state.residuals() == [0]
    keys(state, "p", "Backspace", "Backspace")
    assert not state.landmarks and state.pending is None


def test_two_dimensions_have_one_view_and_stay_flat():
    state = keys(EregState((1, 30, 40)), "2", "PageUp", "ArrowDown")
    keys(state, "ArrowRight", shift=True)
    assert state.view == 1 and state.matrix[0].tolist() == [1, 0, 0, 0] == state.matrix[:, 0].tolist()
    assert state.matrix[1, 3] == 1 and state.matrix[1, 2] != 0


def test_files_keep_everything(tmp_path):
    state = keys(EregState(SHAPE), "ArrowRight", "2", "[", "PageUp", "m", "p", "p")
    state.set_phi(state.matrix @ np.diag([1.01, 1, 1, 1]), Outcome(2, 0.25, 5, 1e-5))
    keys(state, "ArrowLeft")
    keys(state, "z", ctrl=True)
    kept = Kept(str(tmp_path / "a"), {"im1": {"name": "x", "shape": (1, 2)}})
    kept.write(state)
    field = read_tsv(kept.table)
    np.testing.assert_allclose(field.phi[0], state.matrix, rtol=1e-8)
    assert field.positions.tolist() == [CENTRE.tolist()]
    assert (field.return_status[0], field.error[0], field.iterations[0]) == (2, 0.25, 5)
    assert kept.resumed(None) == state
    assert kept.begin(EregState(SHAPE), None, force=False) == state
    assert kept.begin(EregState(SHAPE), None, force=True) == EregState(SHAPE)
    assert Kept(kept.stem, {"im1": 3}).resumed(None) is None
    other = EregState(SHAPE, np.diag([2.0, 1, 1, 1]).tolist())
    assert kept.begin(other, kept.table, force=False) == other
    (tmp_path / "p.tsv").touch()
    with pytest.raises(UserError, match="another start"):
        kept.begin(other, str(tmp_path / "p.tsv"), False)


def test_the_table_counts_where_the_disk_has_room_for_no_more(tmp_path):
    """It is written although the rest cannot be; the next session begins with it, and can take it back."""
    kept, state = Kept(str(tmp_path / "a"), {}), keys(EregState(SHAPE), *["ArrowRight"] * 20)
    kept.write(state)
    begun = state.phi
    keys(state, *["ArrowDown"] * 3)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = (os.path.getsize(kept.table) + os.path.getsize(kept.page)) // 2
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
        with pytest.raises(RunError, match="a.json"):
            kept.write(state)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert sorted(os.listdir(tmp_path)) == ["a.json", "a.tsv"]
    found = kept.begin(EregState(SHAPE), None, force=False)
    assert found.phi == state.phi and found.phi != begun
    assert keys(found, "z", ctrl=True).phi == begun and len(found.past) == 20


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"state": 3}', '{"made_from": {}, "state": {"version": 1}}'])
def test_a_state_that_is_none_is_not_taken(tmp_path, text):
    kept = Kept(str(tmp_path / "a"), {})
    (tmp_path / "a.json").write_text(text)
    assert kept.resumed(None) is None
    kept.write(EregState(SHAPE))
    facts = json.loads((tmp_path / "a.json").read_text())
    facts["state"]["phi"][0][0] = -1
    (tmp_path / "a.json").write_text(json.dumps(facts))
    assert kept.resumed(None) is None


@pytest.mark.parametrize(
    "change",
    [
        {"view": 4}, {"view": [1]}, {"mode": "x"}, {"turning": "w"}, {"step": None}, {"step": 10**400}, {"blend": -1},
        {"shape": {}}, {"shape": [0, 5, 5]}, {"revision": "1"}, {"rigid": 1}, {"finest": 0}, {"point": [1, 2]},
        {"point": [1, 2, None]}, {"pending": []}, {"pending": 3}, {"landmarks": None}, {"landmarks": [[1, 2]]},
    ],
)  # fmt: skip
def test_a_state_that_no_page_can_show_is_not_taken(tmp_path, change):
    kept = Kept(str(tmp_path / "a"), {})
    kept.write(keys(EregState(SHAPE), "p", "p", "p"))
    assert kept.resumed(None) is not None
    facts = json.loads((tmp_path / "a.json").read_text())
    facts["state"].update(change)
    (tmp_path / "a.json").write_text(json.dumps(facts))
    assert kept.resumed(None) is None
