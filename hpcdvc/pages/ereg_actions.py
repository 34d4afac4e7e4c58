"""What keys, mouse and boxes of the page of hpcdvc-ereg do to its state."""

import math
from collections.abc import Callable

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.output.tsv import COLUMN_SETS
from hpcdvc.pages.ereg_state import FARTHEST, MODES, STEPS, TURNINGS, VIEWS, EregState
from hpcdvc.registration.task import coarsest

#: Degrees, and relative stretch, of a step of one voxel.
DEGREES, STRETCH = 1.0, 0.01
#: Keys that ask for more than a change of the state.
COMMANDS = {"a": "auto", "Enter": "refine", "Escape": "cancel"}
WITH_CONTROL = {"z": "undo", "y": "redo", "s": "save"}
ARROWS = {"ArrowUp": (1, -1), "ArrowDown": (1, 1), "ArrowLeft": (2, -1), "ArrowRight": (2, 1)}
PAGES = {"PageUp": (0, 1), "PageDown": (0, -1)}
JOBS = ("auto", "refine", "cancel", "save")


def act(state: EregState, action: dict, pitch: float = 1.0) -> str | None:
    """Do one action.

    Parameters
    ----------
    state : is changed
    action : ``{"key": ..., "shift", "alt", "ctrl"}``, or ``{"do": name, ...}`` with one of `ACTIONS` or `JOBS`
    pitch : voxels from one slice to the next

    Returns
    -------
    One of `JOBS` when that is asked for

    Raises
    ------
    UserError
        It is no action, or cannot be done.
    """
    if "key" in action:
        return _key(state, action, pitch)
    name = action.get("do")
    if name in JOBS:
        return name
    if not isinstance(name, str) or name not in ACTIONS:
        raise UserError("this is no action of the page")
    ACTIONS[name](state, action)
    return None


def _key(state: EregState, action: dict, pitch: float) -> str | None:
    key = action["key"]
    if not isinstance(key, str):
        raise UserError("a key has a name")
    shift, alt, control = (bool(action.get(name)) for name in ("shift", "alt", "ctrl"))
    if control:
        name = WITH_CONTROL.get(key.lower())
        if name == "undo":
            state.redo() if shift else state.undo()
        elif name == "redo":
            state.redo()
        return name if name == "save" else None
    if key in ARROWS or key in PAGES:
        _arrow(state, key, shift, alt)
    elif key in ("1", "2", "3") and int(key) in state.views:
        state.view = int(key)
    elif key in (",", "."):
        axis = VIEWS[state.view][0]
        point = list(state.point)
        point[axis] += pitch if key == "." else -pitch
        _set_point(state, point)
    elif key in KEYS:
        KEYS[key](state)
    return COMMANDS.get(key)


def _arrow(state: EregState, key: str, shift: bool, alt: bool) -> None:
    """Move, turn (shift) or stretch (alt) im1 in the view."""
    which, sign = {**ARROWS, **PAGES}[key]
    axis = VIEWS[state.view][which]
    if state.dimensions == 2 and axis == 0:
        return
    if shift and key in ARROWS:
        state.turn(state.view, sign * state.step * DEGREES)
    elif alt and key in ARROWS:
        grow = 1 if key in ("ArrowRight", "ArrowUp") else -1
        state.stretch(axis, (1 + state.step * STRETCH) ** grow)
    else:
        displacement = np.zeros(3)
        displacement[axis] = sign * state.step
        state.move(displacement)


def _step(state: EregState, change: int) -> None:
    nearest = int(np.argmin([abs(step - state.step) for step in STEPS]))
    state.step = STEPS[min(max(nearest + change, 0), len(STEPS) - 1)]


def _next_mode(state: EregState) -> None:
    state.mode = MODES[(MODES.index(state.mode) + 1) % len(MODES)]


def _toggle(name: str) -> Callable[[EregState], None]:
    return lambda state: setattr(state, name, not getattr(state, name))


#: Keys that change what is shown, and landmarks at the cross-hair.
KEYS: dict[str, Callable[[EregState], None]] = {
    "[": lambda state: _step(state, -1),
    "]": lambda state: _step(state, 1),
    "m": _next_mode,
    " ": _toggle("flicker"),
    "o": _toggle("swapped"),
    "r": _toggle("rigid"),
    "p": lambda state: state.add_landmark(np.array(state.point)),
    "Backspace": lambda state: state.remove_landmark(),
    "f": lambda state: state.fit_landmarks(),
}


def _numbers(action: dict, name: str, count: int, most: float = FARTHEST) -> list[float]:
    values = action.get(name)
    values = values if isinstance(values, list) else [values]
    plain = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool) and abs(v) <= most]
    if len(plain) != count or len(values) != count:
        raise UserError(f"{name} must be {count} number{'s' * (count > 1)} of at most {most:g}")
    return [float(v) for v in plain]


def _stroke(action: dict) -> str | None:
    stroke = action.get("stroke")
    return stroke[:64] if isinstance(stroke, str) else None


def _view(state: EregState, action: dict) -> int:
    view = action.get("view")
    if not isinstance(view, int) or view not in state.views:
        raise UserError("there is no such view")
    return view


def _set_point(state: EregState, point: list[float]) -> None:
    state.point = [float(min(max(v, 0), n - 1)) for v, n in zip(point, state.shape, strict=True)]


def _drag(state: EregState, action: dict) -> None:
    """Move im1 in a view by voxels (down, right)."""
    view, by = _view(state, action), _numbers(action, "by", 2)
    displacement = np.zeros(3)
    displacement[list(VIEWS[view][1:])] = by
    state.move(displacement, _stroke(action))


def _set_shown(state: EregState, action: dict) -> None:
    """Mode, blend, size of tiles, step, view, how to refine."""
    if action.get("mode") in MODES:
        state.mode = action["mode"]
    if action.get("turning") in TURNINGS:
        state.turning = action["turning"]
    if "view" in action:
        state.view = _view(state, action)
    if "blend" in action:
        state.blend = min(max(_numbers(action, "blend", 1)[0], 0.0), 1.0)
    if "tiles" in action:
        state.tiles = round(min(max(_numbers(action, "tiles", 1)[0], 2), 20))
    if "step" in action:
        state.step = min(max(_numbers(action, "step", 1)[0], 1e-3), 1e3)
    if "finest" in action:
        state.finest = 2 ** round(math.log2(min(max(_numbers(action, "finest", 1)[0], 1), coarsest(state.shape))))
    for name in ("rigid", "swapped", "flicker"):
        if isinstance(action.get(name), bool):
            setattr(state, name, action[name])


def _phi(state: EregState, action: dict) -> None:
    """Twelve numbers of Phi, row by row."""
    rows = np.eye(4)
    rows[:3] = np.reshape(_numbers(action, "phi", 12), (3, 4))
    state.set_phi(rows)


def _paste(state: EregState, action: dict) -> None:
    """Take a line of a table (columns T1, of the centre of im1), with or without its header."""
    text = action.get("text")
    lines = [line.split() for line in text.splitlines() if line.strip()] if isinstance(text, str) else []
    names, values = (lines[0], lines[1]) if len(lines) > 1 else (list(COLUMN_SETS["T1"]), lines[0] if lines else [])
    try:
        found = {name: float(value) for name, value in zip(names, values, strict=False)}
        row = [found[name] for name in COLUMN_SETS["T1"][1:16]]
    except (ValueError, KeyError):
        raise UserError("this is no line of a table of deformation functions") from None
    rows = np.eye(4)
    rows[:3] = np.reshape(row[3:], (3, 4))
    rows[:3, 3] += (rows[:3, :3] - np.eye(3)) @ (state.centre - row[:3])
    state.set_phi(rows)


#: What else there is to do, by name.
ACTIONS: dict[str, Callable[[EregState, dict], None]] = {
    "drag": _drag,
    "turn": lambda s, a: s.turn(_view(s, a), _numbers(a, "degrees", 1)[0], _stroke(a)),
    "t": lambda s, a: s.set_part("t", _numbers(a, "values", 3), _stroke(a)),
    "r": lambda s, a: s.set_part("r", _numbers(a, "values", 3, 180), _stroke(a)),
    "z": lambda s, a: s.set_part("z", _numbers(a, "values", 3, 100), _stroke(a)),
    "phi": _phi,
    "paste": _paste,
    "point": lambda s, a: _set_point(s, _numbers(a, "values", 3)),
    "show": _set_shown,
    "undo": lambda s, a: s.undo(),
    "redo": lambda s, a: s.redo(),
    "landmark": lambda s, a: s.add_landmark(np.array(_numbers(a, "values", 3))),
    "remove-landmark": lambda s, a: s.remove_landmark(int(_numbers(a, "number", 1)[0])),
    "fit-landmarks": lambda s, a: s.fit_landmarks(),
    "nothing": lambda s, a: None,
}
