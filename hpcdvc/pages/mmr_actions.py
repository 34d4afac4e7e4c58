"""What mouse, keys and boxes of the page of hpcdvc-mmr-graphical do to its state, beside those of hpcdvc-ereg."""

from collections.abc import Callable

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.pages.mmr_state import BINS, MmrState, Peak, count_of, ranges_of, whole_box

#: Largest coordinate that is taken.
FARTHEST = 2**31


def act(state: MmrState, action: dict, peaks: list[Peak]) -> bool:
    """Do an action that hpcdvc-ereg does not know.

    Parameters
    ----------
    state : is changed
    action : ``{"do": name, ...}`` with one of `ACTIONS`
    peaks : as they are shown, also those found by themselves

    Returns
    -------
    Whether it is one.

    Raises
    ------
    UserError
        It cannot be done.
    """
    name = action.get("do")
    if not isinstance(name, str) or name not in ACTIONS:
        return False
    ACTIONS[name](state, action, list(peaks))
    return True


def _numbers(action: dict, name: str, shape: tuple[int, ...], most: float = FARTHEST) -> np.ndarray:
    try:
        found = np.array(action.get(name), float)
    except (TypeError, ValueError, OverflowError):
        found = np.array(np.nan)
    if found.shape != shape or not (np.abs(found) <= most).all():
        raise UserError(f"{name}: {shape or 1} numbers of at most {most:g} are needed")
    return found


def _stroke(action: dict) -> str | None:
    stroke = action.get("stroke")
    return stroke[:64] if isinstance(stroke, str) else None


def _number(action: dict, peaks: list[Peak]) -> int:
    number = action.get("number")
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < len(peaks):
        raise UserError("there is no such peak")
    return number


def _box(state: MmrState, action: dict, _: list) -> None:
    state.set_box(_numbers(action, "values", (3, 2)).tolist(), _stroke(action))


def _move_box(state: MmrState, action: dict, _: list) -> None:
    """Move ends of the box by steps of whole voxels; where both of an axis move, its length stays."""
    by = _numbers(action, "ends", (3, 2)) * max(1, round(state.step))
    box = []
    for (first, stop), (low, high), n in zip(state.picked.box, by, state.shape, strict=True):
        if low == high:
            low = high = min(max(low, -first), n - stop)
        box.append((min(first + low, stop - 1), max(stop + high, first + 1)))
    state.set_box(box)


def _set(state: MmrState, action: dict, _: list) -> None:
    """Bins, coverage, grey values, thresholds, number of phases to find."""
    if "bins" in action:
        if action["bins"] not in BINS:
            raise UserError(f"bins: one of {', '.join(map(str, BINS))}")
        state.set_bins(int(action["bins"]))
    if "coverage" in action or "more" in action:
        coverage = _numbers(action, "coverage", ()) if "coverage" in action else state.picked.coverage
        coverage = float(coverage + (_numbers(action, "more", ()) if "more" in action else 0))
        state.pick(_stroke(action), coverage=min(max(coverage, 0.01), 1.0))
    if "thresholds" in action:
        low = np.clip(_numbers(action, "thresholds", (2,)), 0, state.picked.bins - 1)
        state.pick(thresholds=tuple(low.tolist()), peaks=None)
    if "ranges" in action:
        state.pick(ranges=ranges_of(action["ranges"]), peaks=None)


def _find(state: MmrState, action: dict, _: list) -> None:
    """Let peaks be found by themselves."""
    state.pick(n_phases=count_of(action.get("count")), peaks=None)


def _add(state: MmrState, action: dict, peaks: list[Peak]) -> None:
    at = _numbers(action, "at", (2,))
    reach = peaks[-1][2] if peaks else state.picked.bins / 2
    state.set_peaks([*peaks, (*at.tolist(), reach)])


def _move(state: MmrState, action: dict, peaks: list[Peak]) -> None:
    """Move a peak to a place, or by bins."""
    number = _number(action, peaks)
    at = _numbers(action, "at", (2,)) if "at" in action else np.array(peaks[number][:2]) + _numbers(action, "by", (2,))
    peaks[number] = (*at.tolist(), peaks[number][2])
    state.set_peaks(peaks, _stroke(action))


def _reach(state: MmrState, action: dict, peaks: list[Peak]) -> None:
    """Set how far from its peak a phase is fitted, or change it by bins."""
    number = _number(action, peaks)
    f, g, reach = peaks[number]
    peaks[number] = (
        f,
        g,
        float(_numbers(action, "to", ()) if "to" in action else reach + _numbers(action, "more", ())),
    )
    state.set_peaks(peaks, _stroke(action))


def _remove(state: MmrState, action: dict, peaks: list[Peak]) -> None:
    number = _number(action, peaks)
    if len(peaks) == 1:
        raise UserError("the last peak stays: there is one phase at least")
    state.set_peaks([*peaks[:number], *peaks[number + 1 :]])


def _take_found(state: MmrState, action: dict, _: list) -> None:
    """Begin from the Phi that was found."""
    if state.found is None:
        raise UserError("nothing was found yet: Enter registers")
    state.set_phi(np.array(state.found["Phi"]))


#: What there is to do, by name.
ACTIONS: dict[str, Callable[[MmrState, dict, list[Peak]], None]] = {
    "box": _box,
    "move-box": _move_box,
    "whole-box": lambda state, action, _: state.pick(box=whole_box(state.shape)),
    "set": _set,
    "find-peaks": _find,
    "add-peak": _add,
    "move-peak": _move,
    "reach": _reach,
    "remove-peak": _remove,
    "take-found": _take_found,
}
