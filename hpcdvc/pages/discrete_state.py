"""The state of hpcdvc-ereg-discrete for one label: that of hpcdvc-ereg about its centre of mass. Knows no browser."""

from dataclasses import dataclass, field

import numpy as np

from hpcdvc.errors import RunError
from hpcdvc.fields.status import Status, reason_of
from hpcdvc.pages.discrete_rows import Manual
from hpcdvc.pages.ereg_state import EregState, Outcome

#: What is shown of im1: all, the label alone, or all but labels that have converged.
MASKS = ("none", "label", "converged")
#: What one label leaves to the next one.
LASTING = ("view", "mode", "step", "blend", "tiles", "swapped", "flicker", "mask")


@dataclass(frozen=True)
class LabelOutcome(Outcome):
    """Where a Phi has come from.

    Attributes
    ----------
    how : a start ("own", "neighbours", "global", "identity"), "by eye", "refined" or "search"
    manual : `Manual` of the row that a refinement gives from here
    row : (1,) row of hpcdvc-ddic, where it has measured this Phi
    """

    how: str = "by eye"
    manual: int = Manual.REFINED_BY_EYE
    row: np.ndarray | None = field(default=None, compare=False)

    @property
    def phi(self) -> np.ndarray:
        """(4, 4) Phi of the row."""
        return np.vstack([self.row["Phi"][0], (0, 0, 0, 1)])

    @property
    def said(self) -> str:
        """How well it fits, in words."""
        return f"zncc {self.row['zncc'][0]:.4f}, {self.iterations} iterations"


@dataclass
class LabelState(EregState):
    """The state of a label.

    Attributes
    ----------
    label : its number
    about : (3,) its centre of mass, about which Phi is
    mask : one of MASKS
    """

    label: int = 0
    about: list = field(default_factory=lambda: [0.0, 0.0, 0.0])
    mask: str = "none"
    outcome: LabelOutcome = field(default_factory=LabelOutcome)

    @property
    def centre(self) -> np.ndarray:
        """(3,) centre of mass of the label, ZYX."""
        return np.array(self.about)

    def _take(self, phi: list, outcome: Outcome) -> None:
        super()._take(phi, outcome if isinstance(outcome, LabelOutcome) else LabelOutcome())

    def set_mask(self, mask: object) -> None:
        """Show im1 with a mask; what is none of them means the next one."""
        self.mask = mask if mask in MASKS else MASKS[(MASKS.index(self.mask) + 1) % len(MASKS)]
        self.revision += 1

    def look_at_centre(self) -> None:
        """Put the cross-hair where the centre of mass is now, to the nearest voxel that there is."""
        last = np.array(self.shape) - 1
        self.point = np.clip(np.rint(self.centre + self.matrix[:3, 3]), 0, last).tolist()

    def start_from(self, phi: np.ndarray, name: str) -> None:
        """Take one of the starts that there are; the Phi before can be taken back."""
        self.set_phi(phi, LabelOutcome(how=name, manual=Manual.REFINED_GUESS))


def outcome_of(label: int, found: np.ndarray, claimed: bool, manual: int) -> LabelOutcome:
    """What a row (1,) of hpcdvc-ddic says of a label.

    Parameters
    ----------
    label : its number, for messages
    found : the row
    claimed : another label has converged at the same place
    manual : `Manual` of the row, should it be accepted

    Raises
    ------
    RunError
        It has not converged, or where another one has.
    """
    one, status = found[0], int(found["return_status"][0])
    if status != Status.CONVERGED:
        raise RunError(f"label {label} not refined: {reason_of(status)} (zncc {one['zncc']:.3f}); nothing has changed")
    if claimed:
        raise RunError(f"label {label} not refined: another label has converged there; nothing has changed")
    error, change = (float(one[name]) for name in ("error", "delta_phi_norm"))
    return LabelOutcome(status, error, int(one["iterations"]), change, "refined", manual, found)


def state_of(before: EregState, label: int, about: np.ndarray, phi: np.ndarray, name: str) -> LabelState:
    """The state of another label, which is shown as the one before was.

    Parameters
    ----------
    before : state of the label before
    label, about : number and centre of mass
    phi, name : the start, and what it is
    """
    lasting = {name: getattr(before, name) for name in LASTING if hasattr(before, name)}
    outcome = LabelOutcome(how=name, manual=Manual.REFINED_GUESS)
    kept = {"phi": phi.tolist(), "start": phi.tolist(), "outcome": outcome, "revision": before.revision + 1}
    state = LabelState(before.shape, **kept, **lasting, label=label, about=list(map(float, about)))
    state.look_at_centre()
    return state
