"""What the page of hpcdvc-ereg is in: Phi, what is shown, landmarks, and what can be taken back. Knows no browser."""

import json
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.decomposition import compute_phi, decompose_phi
from hpcdvc.fields.phi import rotation_matrix, rotation_of
from hpcdvc.pages.landmarks import motion_of_landmarks

if TYPE_CHECKING:
    from hpcdvc.fields.field import Field
    from hpcdvc.registration.multiscale import RegistrationResult

#: Changes that can be taken back.
MOST_UNDO = 500
STEPS = (0.1, 1.0, 5.0, 20.0)
MODES = ("colours", "blend", "checkerboard", "difference", "absolute", "im1", "im2")
#: About which axis an automatic start may turn im1.
TURNINGS = ("any", "z", "y", "x", "none")
#: Axes ZYX of each view: across it, down its rows, along its columns.
VIEWS = {1: (0, 1, 2), 2: (1, 0, 2), 3: (2, 0, 1)}
#: Sign of the rotation vector that turns a view clockwise.
CLOCKWISE = {1: -1, 2: 1, 3: -1}
#: Largest displacement (voxels), stretch and determinant that are taken for a motion.
FARTHEST, LEAST_DETERMINANT = 1e6, 1e-3
#: Layout of the file that keeps the state.
VERSION = 1


@dataclass(frozen=True)
class Outcome:
    """How a registration ended; zeros for a Phi that was set by hand."""

    return_status: int = 0
    error: float = 0.0
    iterations: int = 0
    delta_phi_norm: float = 0.0

    @classmethod
    def of(cls, found: "Field | RegistrationResult") -> "Outcome":
        """What a registration, or a table of one row, says; what is not finite says nothing."""
        values = [np.ravel(getattr(found, one.name))[0] for one in fields(cls)]
        status, error, iterations, norm = (value if np.isfinite(value) else 0 for value in values)
        return cls(int(status), float(error), int(iterations), float(norm))


@dataclass
class EregState:
    """The state of the page.

    Attributes
    ----------
    shape : (nz, ny, nx) of both images
    phi : (4, 4) list of rows about the centre of im1, (n - 1) / 2, full-resolution voxels, ZYX
    start : the Phi that it began with
    outcome : of the registration that gave `phi`
    past, future : (Phi, outcome) to go back to, and forward to
    point : cross-hair, ZYX, voxels; the views go through it
    view, mode, step, blend, tiles, swapped, flicker : what is shown, and how far a key goes
    rigid : refine displacement and rotation only
    finest : binning that a refinement ends with
    turning : one of `TURNINGS`
    landmarks : pairs [point in im1, point in im2]
    pending : a point of im1 that waits for its partner
    stroke : of the last change; those of one stroke are taken back as one
    revision : grows with each change of Phi
    """

    shape: tuple[int, int, int]
    phi: list = field(default_factory=lambda: np.eye(4).tolist())
    start: list = field(default_factory=lambda: np.eye(4).tolist())
    outcome: Outcome = field(default_factory=Outcome)
    past: list = field(default_factory=list)
    future: list = field(default_factory=list)
    point: list = field(default_factory=list)
    view: int = 1
    mode: str = "colours"
    step: float = 1.0
    blend: float = 0.5
    tiles: int = 8
    swapped: bool = False
    flicker: bool = False
    rigid: bool = False
    finest: int = 1
    turning: str = "any"
    landmarks: list = field(default_factory=list)
    pending: list | None = None
    stroke: str | None = None
    revision: int = 0

    def __post_init__(self) -> None:
        self.point = self.point or self.centre.tolist()

    @property
    def centre(self) -> np.ndarray:
        """(3,) centre of im1, ZYX."""
        return (np.array(self.shape) - 1) / 2

    @property
    def dimensions(self) -> int:
        """2 for images of one plane."""
        return 2 if self.shape[0] == 1 else 3

    @property
    def views(self) -> dict[int, tuple[int, int, int]]:
        """The views that there are; an image in two dimensions has one."""
        return VIEWS if self.dimensions == 3 else {1: VIEWS[1]}

    @property
    def matrix(self) -> np.ndarray:
        """Phi as an array."""
        return np.array(self.phi)

    # changes of Phi

    def set_phi(self, phi: np.ndarray, outcome: Outcome | None = None, stroke: str | None = None) -> None:
        """Take another Phi; the one before can be taken back.

        Raises
        ------
        UserError
            It is not finite, singular or mirrors, or is of no motion in the plane of images in two dimensions.
        """
        phi = checked_phi(phi, self.dimensions)
        self._remember(stroke)
        self._take(phi.tolist(), outcome or Outcome())

    def _remember(self, stroke: str | None = None) -> None:
        """Let what is now be what a change can be taken back to, but for a change of the same stroke."""
        if stroke is None or stroke != self.stroke:
            self.past = [*self.past[1 - MOST_UNDO :], self._now()]
        self.future, self.stroke = [], stroke

    def _now(self) -> tuple:
        """What can be taken back, as `_take` takes it."""
        return self.phi, self.outcome

    def _take(self, phi: list, outcome: Outcome) -> None:
        self.phi, self.outcome, self.revision = phi, outcome, self.revision + 1

    def undo(self) -> None:
        """Take the last change of Phi back."""
        if self.past:
            self.future.append(self._now())
            self._take(*self.past.pop())
            self.stroke = None

    def redo(self) -> None:
        """Make the change that was taken back again."""
        if self.future:
            self.past.append(self._now())
            self._take(*self.future.pop())
            self.stroke = None

    def move(self, displacement: np.ndarray, stroke: str | None = None) -> None:
        """Move im1 by (3,) voxels, ZYX."""
        phi = self.matrix
        phi[:3, 3] += displacement
        self.set_phi(phi, stroke=stroke)

    def turn(self, view: int, degrees: float, stroke: str | None = None) -> None:
        """Turn im1 clockwise in a view, about the centre of im1 where it is now."""
        vector = np.zeros(3)
        vector[VIEWS[view][0]] = CLOCKWISE[view] * degrees
        self._apply(rotation_matrix(vector), stroke)

    def stretch(self, axis: int, factor: float, stroke: str | None = None) -> None:
        """Stretch im1 along an axis as it stands now."""
        self._apply(np.diag([factor if k == axis else 1.0 for k in range(3)]), stroke)

    def _apply(self, matrix: np.ndarray, stroke: str | None) -> None:
        phi = self.matrix
        phi[:3, :3] = matrix @ phi[:3, :3]
        self.set_phi(phi, stroke=stroke)

    def set_part(self, name: str, values: list, stroke: str | None = None) -> None:
        """Set the displacement "t" (voxels), the rotation vector "r" (degrees) or the stretches "z", ZYX."""
        parts = self.parts()
        if name == "z":
            rotation = rotation_of(self.matrix[:3, :3])
            u = rotation.T @ self.matrix[:3, :3]
            u[np.diag_indices(3)] = values
            phi = np.eye(4)
            phi[:3, :3], phi[:3, 3] = rotation @ u, parts["t"]
        else:
            u = rotation_of(self.matrix[:3, :3]).T @ self.matrix[:3, :3]
            phi = compute_phi({"t": parts["t"], "r": parts["r"], "U": (u + u.T) / 2, name: values})
        self.set_phi(phi, stroke=stroke)

    def parts(self) -> dict[str, list]:
        """Displacement (voxels), rotation vector (degrees) and stretches of Phi, ZYX."""
        found = decompose_phi(self.matrix)
        return {name: np.asarray(getattr(found, name)).tolist() for name in "trz"}

    # landmarks

    def add_landmark(self, point: np.ndarray, image: int | None = None) -> None:
        """Take a point of what is seen: of im1 as Phi has moved it first, then of im2.

        Parameters
        ----------
        point : (3,) ZYX, voxels of im2
        image : 1 or 2; None: the one whose turn it is
        """
        if image == 1 or (image is None and self.pending is None):
            inverse = np.linalg.inv(self.matrix[:3, :3])
            self.pending = (self.centre + inverse @ (point - self.centre - self.matrix[:3, 3])).tolist()
        elif self.pending is None:
            raise UserError("a pair begins with its point in im1")
        else:
            self.landmarks, self.pending = [*self.landmarks, [self.pending, list(map(float, point))]], None

    def remove_landmark(self, number: int | None = None) -> None:
        """Remove a pair, by default what was taken last."""
        if number is None and self.pending is not None:
            self.pending = None
        elif self.landmarks and (number is None or 0 <= number < len(self.landmarks)):
            self.landmarks.pop(-1 if number is None else number)

    def fit_landmarks(self) -> None:
        """Take the motion of the landmarks for Phi."""
        if not self.landmarks:
            raise UserError("no landmarks yet: a pair is a point in im1 and the same one in im2")
        self.set_phi(self._landmark_motion()[0])

    def residuals(self) -> list[float]:
        """Distances that are left of the landmarks after their own motion, voxels."""
        return self._landmark_motion()[1].tolist() if self.landmarks else []

    def _landmark_motion(self) -> tuple[np.ndarray, np.ndarray]:
        pairs = np.array(self.landmarks)
        return motion_of_landmarks(pairs[:, 0], pairs[:, 1], self.centre, self.dimensions)

    # to and from the file

    def as_json(self) -> dict:
        """Everything, for strict JSON."""
        return {"version": VERSION, **asdict(self), "stroke": None}

    @classmethod
    def of_json(cls, kept: dict) -> "EregState":
        """The state that a file has kept; KeyError, TypeError, ValueError or OverflowError where it is none."""
        if kept.pop("version") != VERSION:
            raise ValueError("another version")
        for name in ("past", "future"):
            kept[name] = [(phi, Outcome(**outcome)) for phi, outcome in kept[name]]
        kept["outcome"], kept["shape"] = Outcome(**kept["outcome"]), tuple(kept["shape"])
        state = cls(**kept)
        for phi in (state.phi, *(phi for phi, _ in (*state.past, *state.future))):
            checked_phi(phi, state.dimensions)
        state._check_shown()
        json.dumps(state.as_json(), allow_nan=False)
        return state

    def _check_shown(self) -> None:
        """Make sure that what a file says is shown can be; ValueError, TypeError or OverflowError where not."""
        whole = [*self.shape, self.view, self.tiles, self.finest, self.revision]
        flags = [self.swapped, self.flicker, self.rigid]
        if len(self.shape) != 3 or any(type(n) is not int or not 0 <= n < 2**53 for n in whole) or min(self.shape) < 1:
            raise ValueError("whole numbers")
        if self.view not in self.views or self.mode not in MODES or self.turning not in TURNINGS or self.finest < 1:
            raise ValueError("what is shown")
        if any(type(flag) is not bool for flag in flags) or not (0 <= self.blend <= 1 and 1e-3 <= self.step <= 1e3):
            raise ValueError("how it is shown")
        waiting = [] if self.pending is None else [self.pending]
        for points, shape in ((self.landmarks, (2, 3)), (waiting, (3,)), ([self.point], (3,))):
            array = np.array(points, float) if points else np.empty((0, *shape))
            if type(points) is not list or array.shape[1:] != shape or not (np.abs(array) <= 10 * FARTHEST).all():
                raise ValueError("points")


def checked_phi(phi: np.ndarray | list, dimensions: int) -> np.ndarray:
    """Phi (4, 4) as an array; UserError where it is no motion."""
    phi = np.array(phi, float)
    if phi.shape != (4, 4) or not np.isfinite(phi).all() or np.abs(phi).max() > FARTHEST:
        raise UserError("Phi must be 4 x 4 finite numbers")
    if not np.linalg.det(phi[:3, :3]) > LEAST_DETERMINANT:
        raise UserError("this Phi is singular or mirrors")
    phi[3] = (0, 0, 0, 1)
    if dimensions == 2:
        phi[0], phi[:, 0] = (1, 0, 0, 0), (1, 0, 0, 0)
    return phi
