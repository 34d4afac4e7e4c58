"""How views of an alignment ended, and what is to be doubted of them.

The statuses are those of hpcdvc.fields.status: 2 only where views no longer moved and show what the others show.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from hpcdvc.fields.status import Status
from hpcdvc.tomography.doubt import FEWEST, Held
from hpcdvc.tomography.settings import Stage, State

#: Standard deviations by which the mean view fits its own direction better than others, below which it is chance; and
#: standard deviations of one view above which the volume is theirs, however much of them it leaves unexplained.
BY_CHANCE, CLEAR = 3.5, 3.0
#: Part of the variance of views that the other half of them does not show, noise apart. Below the first, or the second
#: times the noise, directions need not tell anything: an object may be the same from all sides. The last is too much.
ROUND, ROUND_IN_NOISE, UNLIKE = 0.02, 0.4, 0.2
#: Part of what is not noise that a volume shows at least, and the least part that is taken not to be noise.
LEAST_SHOWN, LEAST_SIGNAL = 0.25, 0.04
#: Correlation by which a view that is one of them fits its own direction better than others, whatever it shows.
OWN = 0.25
#: What is left of a view, as such a part and in units of that of the others, where it is none of theirs.
STRANGE, STRANGER = 0.05, 8
#: Part of the variance of a typical view from which on noise may be what holds it, and pixels by which the other half
#: of the views would move it, from which on it does: offsets are wrong by more than that.
NOISY, LOOSE = 0.5, 0.12
#: Part of the views that may be none of the others before they disturb the volume of all.
MOST_STRANGE = 0.25
#: Part of the views that a volume may leave unexplained, and how many times their noise, before it is said.
UNEXPLAINED, ABOVE_NOISE = 0.15, 2.0
#: Part by which the residual may end above the least that it had.
GROWN = 0.02
#: Numbers of views that a sentence names.
NAMED = 10


@dataclass(frozen=True, eq=False)
class Judged:
    """What is said of the views.

    Attributes
    ----------
    statuses : (n,) int8
    doubts : why offsets are nothing to rely on, a sentence each
    notes : what the user has to know beside
    """

    statuses: np.ndarray
    doubts: tuple[str, ...]
    notes: tuple[str, ...]


def judge(held: Held, moving: np.ndarray, settled: bool, grown: str | None) -> Judged:
    """How views ended.

    Parameters
    ----------
    held : from `hpcdvc.tomography.doubt.hold_out`
    moving : numbers of the views that were to be moved
    settled : whether they no longer moved at the end
    grown : from `growth`
    """
    count, textured = len(held.likeness), np.isfinite(held.likeness)
    enough = textured.sum() >= FEWEST
    unlike = unlikeness(held, settled) if enough else None
    by_chance = unlike is not None and unlike.by_chance
    strange = strangers(held) & textured if enough and not by_chance else np.zeros(count, bool)
    doubts = [unlike.sentence] if unlike else []
    doubts += [said for said in (grown, looseness(held) if enough and not by_chance else None) if said]
    sure = settled and not doubts and (strange | ~textured).sum() <= MOST_STRANGE * count
    statuses = np.full(count, Status.CONVERGED if sure else Status.MAX_ITERATIONS, np.int8)
    if settled:
        statuses[strange | by_chance] = Status.DECORRELATED
    statuses[~textured] = Status.SINGULAR
    statuses[np.setdiff1d(np.arange(count), moving)] = Status.NOT_EVALUATED
    for which, said in (
        (~textured, "have no texture: nothing is known of their offsets"),
        (strange, "do not show what the others show there, or have been moved to a wrong place"),
    ):
        if which[moving].any():
            doubts.append(f"{which.sum()} of {count} views {said}: {named(which)}")
    few = f"{textured.sum()} views are too few to tell by halves of them whether their offsets are right"
    return Judged(statuses, tuple(doubts), () if enough or not textured.any() else (few,))


def named(which: np.ndarray) -> str:
    """Numbers of views (n,) bool, the first of them."""
    numbers = np.flatnonzero(which)
    return ", ".join(map(str, numbers[:NAMED])) + (", ..." if len(numbers) > NAMED else "")


@dataclass(frozen=True)
class Unlike:
    """Why views are not like what the others show; `by_chance`: no more than chance makes them."""

    sentence: str
    by_chance: bool


def unlikeness(held: Held, settled: bool) -> Unlike | None:
    """Why views as a whole are not like what the other half of them shows; None: they are.

    Directions say nothing before views have `settled`.
    """
    textured = np.isfinite(held.likeness)
    likeness, noise = held.likeness[textured], held.noise[textured]
    left = float(np.median(1 - likeness**2 - noise))
    mean, typical, better = likeness.mean(), float(np.median(noise)), in_own_direction(held)
    if better > CLEAR * np.sqrt(len(likeness)):
        return None
    if max(mean, 0) ** 2 < LEAST_SHOWN * max(1 - typical, LEAST_SIGNAL):
        return Unlike(
            f"views are not like what the other half of them shows (correlation {mean:.2f}): nothing is known of their "
            "offsets",
            True,
        )
    if settled and left > max(ROUND, ROUND_IN_NOISE * typical) and better < BY_CHANCE:
        return Unlike(
            "views fit what the other half of them shows in their own direction no better than in others: angles, or "
            "the order of the views, are wrong, or they do not show one object; nothing is known of their offsets",
            True,
        )
    if left > UNLIKE:
        return Unlike(
            f"{100 * left:.0f} % of what a typical view shows is not what the other half of the views shows there: "
            "offsets are wrong, or the object does not stay the same",
            False,
        )
    return None


def looseness(held: Held) -> str | None:
    """What is to be said of views whose own noise holds them where they are: it is part of the volume of all."""
    textured = np.isfinite(held.likeness)
    noise, step = (float(np.median(values[textured])) for values in (held.noise, held.steps))
    if noise < NOISY or step < LOOSE:
        return None
    return (
        f"{100 * noise:.0f} % of what a typical view shows is noise, and the other half of the views would move it by "
        f"{step:.2g} pixel: offsets are known less well than that"
    )


def in_own_direction(held: Held) -> float:
    """By how many standard deviations the mean view fits its own direction better than others; 0 of few views."""
    textured = np.isfinite(held.likeness)
    if textured.sum() < FEWEST:
        return 0.0
    z = np.arctanh(np.clip(np.vstack([held.likeness, held.elsewhere])[:, textured], -0.999999, 0.999999))
    better = z[0] - z[1:].mean(axis=0)
    scatter = better.std(ddof=1)
    return float(better.mean() / scatter * np.sqrt(len(better))) if scatter > 0 else 0.0


def strangers(held: Held) -> np.ndarray:
    """(n,) bool, views that show nothing of what the others show, or what these show elsewhere as well."""
    with np.errstate(invalid="ignore"):
        left = 1 - held.likeness**2 - held.noise
        nothing = np.maximum(held.likeness, 0) ** 2 < LEAST_SHOWN * np.maximum(1 - held.noise, LEAST_SIGNAL)
        nothing &= held.likeness < held.elsewhere.mean(axis=0) + OWN
        elsewhere = held.likeness < held.elsewhere.max(axis=0)
        return nothing | (elsewhere & (left > max(STRANGE, STRANGER * np.nanmedian(left))))


def growth(history: list[State], stages: tuple[Stage, ...]) -> str | None:
    """What is to be said of an alignment whose residual has grown on its last level."""
    last_level = [stages[min(state.stage, len(stages) - 1)].binning == stages[-1].binning for state in history[1:]]
    of_level = [history[0], *itertools.compress(history[1:], last_level)]  # the start is always told on the last level
    least, last = min(of_level, key=lambda state: state.residual), history[-1]
    if not last.residual > (1 + GROWN) * least.residual:
        return None
    return (
        f"the residual has grown from {100 * least.residual:.3g} % after iteration {least.iteration} "
        f"to {100 * last.residual:.3g} %: views were moved away from where they fit"
    )


def unexplained(held: Held, residual: float, noise: float) -> tuple[str, ...]:
    """What the user has to know of a volume that does not explain the views.

    Parameters
    ----------
    held : from `hpcdvc.tomography.doubt.hold_out`
    residual, noise : root mean squares, as parts of the views
    """
    clear = in_own_direction(held) > CLEAR * np.sqrt(np.isfinite(held.likeness).sum())
    if clear or not residual > max(UNEXPLAINED, ABOVE_NOISE * noise):
        return ()
    return (
        f"{100 * residual:.3g} % of what the views show is not explained by the volume, and their noise is "
        f"{100 * noise:.3g} %: angles, the order of the views, or some of the views may be wrong, or their background",
    )
