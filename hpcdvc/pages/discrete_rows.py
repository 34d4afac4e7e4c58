"""The rows that hpcdvc-ereg-discrete repairs: those of a field, one for each label, and what is said by eye of them."""

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.decomposition import decompose_f
from hpcdvc.fields.field import Field, row_with
from hpcdvc.fields.neighbours import affine_motion, fit_from_neighbours
from hpcdvc.fields.phi import at_points, part_of
from hpcdvc.fields.status import Family, Status, is_measured
from hpcdvc.labels.scan import PARTICLE, centres_of
from hpcdvc.steps.find_labels import mark_claimed_twice
from hpcdvc.steps.labels import LABEL_COLUMNS, LABEL_ROW, LabelPoints, rows_kept
from hpcdvc.steps.particles import labels_of, rows_of_particles

#: Rows as hpcdvc-ddic has them, and who says so (`Manual`).
MANUAL_ROW = row_with(*LABEL_COLUMNS, ("manual", "i4"))
#: What a label may start from.
GUESSES = ("own", "neighbours", "global", "identity")
#: Neighbours from which on they tell more than a registration.
ENOUGH = 4


class Manual(IntEnum):
    """Who says where a label is."""

    MEASURED = 0
    PLACED = 1
    REFINED_BY_EYE = 2
    REFINED_GUESS = 3
    SEARCHED = 4
    LOOKED_AT = 5
    REJECTED = 6


@dataclass
class LabelRows:
    """A field of labels that is repaired.

    Attributes
    ----------
    particles : (k,) labels of the label image, hpcdvc.labels.scan.PARTICLE
    rows : (n,) MANUAL_ROW by ascending labels, those that only the field has among them
    positions : (n, 3) ZYX, voxels
    place : (n,) number of the particle of a row, -1 where the label image has none
    known : (n,) bool, the field had such a row
    registration : of the whole images (one row), or None
    flat : images in two dimensions
    dilate : of the labels
    """

    particles: np.ndarray
    rows: np.ndarray
    positions: np.ndarray
    place: np.ndarray
    known: np.ndarray
    registration: Field | None
    flat: bool
    dilate: int
    before: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.before = self.rows.copy()

    @classmethod
    def of(
        cls, particles: np.ndarray, start: Field | None, flat: bool, dilate: int, path: str | None, spec: str
    ) -> "LabelRows":
        """Those of a start.

        Parameters
        ----------
        particles : of the label image
        start : a field of labels, a registration, or None
        flat, dilate : see there
        path, spec : of the start and of the label image, for messages

        Raises
        ------
        UserError
            The field is one of other labels, or of none.
        """
        registration = start if start is not None and is_registration(start) else None
        rows, positions, known = _rows_of(particles, None if registration else start, dilate, path, spec)
        place = np.searchsorted(particles["label"], rows["label"])
        there = particles["label"][np.minimum(place, len(particles) - 1)] == rows["label"]
        return cls(particles, rows, positions, np.where(there, place, -1), known, registration, flat, dilate)

    def number(self, label: int) -> int:
        """Row of a label of the label image.

        Raises
        ------
        UserError
            There is none.
        """
        row = int(np.searchsorted(self.rows["label"], label)) if 0 < label < 2**32 else len(self.rows)
        if row == len(self.rows) or self.rows["label"][row] != label:
            raise UserError(f"there is no label {label}")
        if self.place[row] < 0:
            raise UserError(f"the label image has no label {label}: its row stays as it is")
        return row

    @property
    def measured(self) -> np.ndarray:
        """(n,) bool: rows that are a result, and finite."""
        finite = np.isfinite(self.rows["Phi"]).all(axis=(1, 2))
        return is_measured(self.rows["return_status"], Family.REGISTRATION) & finite

    @property
    def field(self) -> Field:
        """All rows, to fit a motion to."""
        phi = np.tile(np.eye(4), (len(self.rows), 1, 1))
        phi[:, :3] = self.rows["Phi"]
        zeros = np.zeros(len(self.rows))
        return Field(self.positions, phi, self.rows["return_status"], zeros, zeros, zeros)

    def bad(self, threshold: int) -> np.ndarray:
        """(n,) bool: labels that are there, and whose return status is lower; not those that are too small."""
        status = self.rows["return_status"]
        return (status < threshold) & (status != Status.NO_SPECIMEN) & (self.place >= 0)

    # what a label may start from

    def guesses(self, row: int) -> list[str]:
        """Names of those that there are for a label."""
        others = self.measured
        others[row] = False
        own = self.rows["Phi"][row]
        found = {
            "own": bool(self.known[row] or self.rows["manual"][row]) and usable(own),
            "neighbours": bool(others.any()),
            "global": self.registration is not None or bool(others.any()),
            "identity": True,
        }
        return [name for name in GUESSES if found[name]]

    def first_guesses(self, some: np.ndarray) -> list[str]:
        """What labels (m,) begin with: their own Phi where it is measured, else that of those around them."""
        measured = self.measured
        count = int(measured.sum())
        if count >= (1 if self.registration is None else ENOUGH):
            other = "neighbours"
        else:
            other = "identity" if self.registration is None else "global"
        return ["own" if good else other for good in measured[some]]

    def guess(self, row: int, name: object, rigid: bool) -> np.ndarray:
        """Phi (4, 4) of a label to start from, about its centre of mass.

        Parameters
        ----------
        row : of the label
        name : one of `guesses`
        rigid : without the stretch of what is around it

        Raises
        ------
        UserError
            There is no such guess for this label.
        """
        if name not in self.guesses(row):
            raise UserError("there is no such start for this label")
        phi, point = np.eye(4), self.positions[row]
        if name == "own":
            phi[:3] = self.rows["Phi"][row]
            return phi
        others = self.measured
        others[row] = False
        if name == "neighbours":
            phi[:3] = fit_from_neighbours(self.field, others, point[None])[0]
        elif name == "global":
            one = self.registration
            phi = (
                at_points(one.phi[0], one.positions[0], point[None])[0]
                if one is not None
                else affine_motion(self.positions[others], self.field.phi[others], point)
            )
        phi = part_of(phi[None], "rigid")[0] if rigid else phi
        return phi if usable(phi) else np.eye(4)

    # what is decided

    def accepted(self, row: int, phi: np.ndarray, how: str, found: np.ndarray | None, manual: int) -> np.ndarray:
        """The row (1,) of a label whose Phi (4, 4) was accepted.

        Parameters
        ----------
        row : of the label
        phi : accepted
        how : where it comes from, "own" for the row as it is
        found : (1,) row of hpcdvc-ddic that has measured it; or None
        manual : who says so, then
        """
        if found is not None:
            return self.refined(row, found, manual)
        return self.kept(row) if how == "own" and self.measured[row] else self.placed(row, phi)

    def placed(self, row: int, phi: np.ndarray) -> np.ndarray:
        """The row (1,) of a label that was placed by eye: usable like one of a filter, its errors are not known."""
        made = self._without_errors(row)
        made["Phi"], made["return_status"], made["manual"] = phi[:3], Status.FILTERED, Manual.PLACED
        made["rotation"] = decompose_f(made["Phi"][:, :, :3]).r
        made["label_dilate"] = self.dilate
        return made

    def rejected(self, row: int) -> np.ndarray:
        """The row (1,) of a label that was rejected: its Phi is kept as the last iterate."""
        made = self._without_errors(row)
        made["return_status"], made["manual"] = Status.JUDGED_WRONG, Manual.REJECTED
        return made

    def kept(self, row: int) -> np.ndarray:
        """The row (1,) of a label that was looked at and left as it is."""
        made = self.rows[row : row + 1].copy()
        if made["manual"][0] == Manual.MEASURED:
            made["manual"] = Manual.LOOKED_AT
        return made

    def refined(self, row: int, found: np.ndarray, manual: int) -> np.ndarray:
        """The row (1,) of a label that was measured again, from its row (1,) LABEL_ROW of hpcdvc-ddic."""
        made = np.zeros(1, MANUAL_ROW)
        for name in LABEL_ROW.names:
            made[name] = found[name]
        made["index"], made["manual"] = row, manual
        return made

    def _without_errors(self, row: int) -> np.ndarray:
        made = self.rows[row : row + 1].copy()
        made["iterations"] = made["repaired"] = 0
        for name in ("error", "zncc", "valid_fraction", "variance", "rotation_std", "delta_phi_norm"):
            made[name] = np.nan
        return made

    def claimed_twice(self, row: int, found: np.ndarray) -> bool:
        """Whether another label has converged where this one (1,) LABEL_ROW has: grains look alike."""
        there = self.place >= 0
        rows = np.zeros(len(self.particles), LABEL_ROW)
        for name in ("Phi", "return_status"):
            rows[name][self.place[there]] = self.rows[name][there]
            rows[name][self.place[row]] = found[name][0]
        points = LabelPoints(self.particles, rows["Phi"], self.dilate, self.flat)
        mark_claimed_twice(rows, np.array([self.place[row]]), points)
        return bool(rows["return_status"][self.place[row]] == Status.AMBIGUOUS)


def is_registration(field: Field) -> bool:
    """Whether a field is one motion of the whole image."""
    return len(field) == 1 and "label" not in (field.extra or {})


def usable(phi: np.ndarray) -> bool:
    """Whether Phi is finite and its F neither singular nor mirrors."""
    return bool(np.isfinite(phi).all() and np.linalg.det(phi[:3, :3]) > 1e-3)


def _rows_of(
    particles: np.ndarray, start: Field | None, dilate: int, path: str | None, spec: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of all labels of the image and of the field, their positions, and which the field has."""
    there = particles["label"].astype(np.int64)
    listed = np.empty(0, np.int64)
    if start is not None:
        listed = labels_of(start, path)
        common = np.isin(listed, there)
        if not common.any():
            raise UserError(f"{path} has no label that {spec} has")
        rows_of_particles(start, common & start.measured, particles, path, spec)
    labels = np.union1d(there, listed[listed != 0])
    known, in_image = np.isin(labels, listed), np.isin(labels, there)
    rows = np.zeros(len(labels), MANUAL_ROW)
    rows["Phi"], rows["label"], rows["label_dilate"] = np.eye(4)[:3], labels, dilate
    for name in ("error", "zncc", "valid_fraction", "variance", "rotation_std"):
        rows[name] = np.nan
    positions = np.full((len(labels), 3), np.nan)
    if known.any():
        wanted = np.zeros(len(labels), PARTICLE)
        wanted["label"] = labels
        numbers = np.flatnonzero(known)
        kept = rows_kept(wanted, start, numbers)
        for name in LABEL_ROW.names:
            rows[name][numbers] = kept[name]
        order = np.argsort(listed, kind="stable")
        place = order[np.searchsorted(listed, labels[known], sorter=order)]
        positions[known] = start.positions[place]
        if "manual" in start.extra:
            rows["manual"][numbers] = start.extra["manual"][place]
    positions[in_image] = centres_of(particles)
    rows["index"] = np.arange(len(rows))
    return rows, positions, known
