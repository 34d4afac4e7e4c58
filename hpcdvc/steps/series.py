"""What a step of a series starts from: the steps before it, read when it is its turn."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hpcdvc.fields.field import Field
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.merge import continued
from hpcdvc.fields.status import Status
from hpcdvc.output.hdf5 import read_field
from hpcdvc.output.result import FieldFile
from hpcdvc.steps.start import StartPoints, usable_as_start

log = logging.getLogger("hpcdvc")

#: Nodes that tell which of several starts is the best.
TRIED = 32
#: No start is right where a smaller part of them converges from the best one.
LEADS = 0.25


@dataclass(frozen=True)
class Earlier:
    """Results of a series that a step may start from; they are there when it is its turn.

    Attributes
    ----------
    last : of the step before, or of the first one
    before : of the step before that; None: the reference itself, where nothing has moved
    alone : there is no other start than `last`
    of_one_reference : the results are motions of the same points, so two of them tell where a third leads
    """

    last: FieldFile
    before: FieldFile | None = None
    alone: bool = False
    of_one_reference: bool = True

    @property
    def identity(self) -> dict:
        """What tells this start from others (JSON-able): how the result that it comes from was made."""
        return {"step": self.last.metadata["key"], "alone": self.alone}


def earlier_steps(start_from: str, incremental: bool, results: list[FieldFile]) -> Earlier | None:
    """What the next step of a series may start from; None: what the first step starts from.

    Parameters
    ----------
    start_from : `--start-from`
    incremental : `-sei`
    results : of the steps before
    """
    if not results or start_from == "file":
        return None
    if start_from == "first":
        return Earlier(results[0], alone=True)
    return Earlier(results[-1], results[-2] if len(results) > 1 else None, of_one_reference=not incremental)


def note_masks(names: Sequence[str], incremental: bool, masks: Sequence[str | None]) -> None:
    """Say which image a mask belongs to where it is taken for several.

    Parameters
    ----------
    names : of the images of a series
    incremental : `-sei`
    masks : names of those of `-mf1` and `-mf2`, None where not given
    """
    for k, mask in enumerate(masks):
        others = names[k + 1 : len(names) - 1 + k]
        if incremental and mask is not None and others:
            words = "-mf%d: %s is the mask of %s: with -sei it is taken at the same voxels of %s, too"
            log.warning(words, k + 1, mask, names[k], ", ".join(others))


def possible_starts(grid: Grid, earlier: Earlier) -> tuple[dict[str, StartPoints], np.ndarray]:
    """The starts that earlier steps offer, on one rank.

    Parameters
    ----------
    grid : the nodes
    earlier : the results

    Returns
    -------
    starts : by what to call them, the preferred one first; none where the last step has measured nothing
    measured : numbers of the nodes that the last step has measured
    """
    found, measured = possible_fields(earlier)
    return {name: StartPoints(grid, field, usable=usable) for name, (field, usable) in found.items()}, measured


def possible_fields(earlier: Earlier) -> tuple[dict[str, tuple[Field, np.ndarray]], np.ndarray]:
    """The same as fields of the points, each with the rows (n,) bool of it that others may start from."""
    last = read_field(earlier.last.path)
    # no start needs more, and it goes to all ranks
    last = replace(last, extra={name: last.extra[name] for name in ("label",) if name in last.extra})
    usable, starts = usable_as_start(last), {}
    if not usable.any():
        return starts, np.flatnonzero(usable)
    if earlier.of_one_reference and not earlier.alone:
        both, before = usable, np.eye(4)
        if earlier.before:
            field = read_field(earlier.before.path)
            both = usable & usable_as_start(field)
            before = field.phi[both]
        if both.any():
            phi = last.phi.copy()
            phi[both] = continued(last.phi[both], before)
            starts["where the two steps before lead"] = replace(last, phi=phi), both
    starts["the first step" if earlier.alone else "the step before"] = last, usable
    return starts, np.flatnonzero(usable)


def best_start(
    starts: dict[str, StartPoints],
    nodes: np.ndarray,
    measure: Callable[[np.ndarray], np.ndarray],
    team,
    otherwise: StartPoints | None = None,
) -> StartPoints:
    """The start from which most of some nodes converge, at a tie in the fewest iterations. Collective.

    A load may go on, rest or turn around: the images know. Counts are whole numbers, so that any ranks agree.

    Parameters
    ----------
    starts : by name, the preferred one first
    nodes : numbers of nodes that a trial may use
    measure : from points to rows
    team : hpcdvc.ranks.team.Team
    otherwise : taken where no start leads anywhere; None: the best is taken all the same
    """
    if len(starts) == 1:
        return next(iter(starts.values()))
    some = nodes[np.unique(np.linspace(0, len(nodes) - 1, TRIED).astype(np.int64))]
    mine = some[slice(*team.spans(len(some)))]
    merits = team.sum(np.array([_merit(measure(start(mine))) for start in starts.values()])).tolist()
    best = merits.index(max(merits))
    if otherwise is not None and merits[best][0] < LEADS * len(some):
        log.info("start: none leads anywhere, it is looked for")
        return otherwise
    log.info("start: %s", list(starts)[best])
    return list(starts.values())[best]


def _merit(rows: np.ndarray) -> tuple[int, int]:
    return int(np.count_nonzero(rows["return_status"] == Status.CONVERGED)), -int(rows["iterations"].sum())
