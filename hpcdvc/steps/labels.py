"""The labels of a measurement: their numbers, what they start from, and the rows they end as."""

from dataclasses import dataclass

import numpy as np

from hpcdvc.fields.decomposition import decompose_f
from hpcdvc.fields.field import ROW, Field, row_with
from hpcdvc.fields.neighbours import fit_from_neighbours
from hpcdvc.labels.scan import centres_of
from hpcdvc.registration.labels import label_points, seconds_per_label
from hpcdvc.registration.settings import Settings
from hpcdvc.steps.search_points import OfParticles, ParticlePoints, particle_starts
from hpcdvc.steps.start import kept_rows, redone, usable_as_start

#: Rows of labels in a file: their number, how they were dilated, rotation vector and its standard deviation (degrees),
#: and how one that had failed was measured after all.
LABEL_COLUMNS = (
    ("label", "u4"), ("label_dilate", "i4"), ("rotation", "f8", (3,)), ("rotation_std", "f8", (3,)), ("repaired", "i4"),
)  # fmt: skip
LABEL_ROW = row_with(*LABEL_COLUMNS)
#: Entries of F in which a small rotation about z, y and x stands.
_ROTATION = (2, 0, 1), (1, 2, 0)


@dataclass(frozen=True)
class LabelPoints(OfParticles):
    """Labels, each with the deformation function to start from; made when they are asked for.

    Attributes
    ----------
    particles : (n,) array of hpcdvc.labels.scan.PARTICLE
    phi : (n, 3, 4) to start from
    dilate : radius of the dilation, voxels
    flat : images in two dimensions
    """

    particles: np.ndarray
    phi: np.ndarray
    dilate: int
    flat: bool

    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        """Labels (m,) LABEL_POINT of some numbers."""
        return self.starting(numbers, self.phi[numbers])

    def starting(self, numbers: np.ndarray, phi: np.ndarray) -> np.ndarray:
        """The same with other starts (m, 3, 4)."""
        return label_points(self.particles[numbers], self.positions[numbers], phi, numbers)

    @property
    def searched(self) -> ParticlePoints:
        """What a search takes for them."""
        return ParticlePoints(self.particles, self.phi, self.dilate, None, self.flat)

    @property
    def sides(self) -> np.ndarray:
        """(n, 3) voxels of the boxes of the dilated labels along each axis."""
        grown = 2 * max(self.dilate, 0) * np.array([not self.flat, 1, 1])
        return self.particles["high"].astype(float) - self.particles["low"] + 1 + grown

    def seconds(self, settings: Settings) -> np.ndarray:
        """(n,) rough costs on one core."""
        return seconds_per_label(self.sides.prod(axis=1), settings)


def label_starts(
    particles: np.ndarray, start: Field | None, apply_f: str, path: str | None, spec: str, completes: bool
) -> np.ndarray:
    """What labels start from.

    Parameters
    ----------
    particles : (n,) array of PARTICLE
    start : None, a registration (one row), or a field of labels
    apply_f : part of the F of a registration
    path, spec : of the start and of the label image, for messages
    completes : rows that are not measured start from the affine fit of the measured ones around them (`-skp`)

    Returns
    -------
    (n, 3, 4) array

    Raises
    ------
    UserError
        The field is one of other labels, or of none.
    """
    phi = particle_starts(particles, start, apply_f, path, spec)
    if not completes:
        return phi
    place, known = rows_of_labels(start, particles)
    usable = usable_as_start(start)
    return filled(start, usable, centres_of(particles), phi, known & usable[place])


def from_field(particles: np.ndarray, field: Field, usable: np.ndarray) -> np.ndarray:
    """(n, 3, 4) starts of labels from the usable rows of a field of the same labels, or from those around them."""
    place, known = rows_of_labels(field, particles)
    good = known & usable[place]
    return filled(field, usable, centres_of(particles), field.phi[place, :3], good)


def filled(field: Field, usable: np.ndarray, centres: np.ndarray, phi: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Starts (n, 3, 4), those that are not good replaced by the affine fit of usable rows about the centres (n, 3)."""
    phi = phi.copy()
    fitted = fit_from_neighbours(field, usable, centres[~good])
    phi[~good] = np.where(np.isfinite(fitted), fitted, np.eye(4)[:3])
    return phi


def rows_of_labels(field: Field, particles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row (n,) of a field that is that of each label, and whether there is one (n,)."""
    labels = field.extra["label"].astype(np.int64)
    order = np.argsort(labels, kind="stable")
    place = order[np.minimum(np.searchsorted(labels, particles["label"], sorter=order), len(labels) - 1)]
    return place, labels[place] == particles["label"]


def labels_of_rows(field: Field, rows: np.ndarray, particles: np.ndarray) -> np.ndarray:
    """Numbers, ascending, of the labels that have one of some rows of a field."""
    place, known = rows_of_labels(field, particles)
    return np.flatnonzero(known & np.isin(place, rows))


def measured_again(particles: np.ndarray, start: Field, statuses: tuple[int, ...] | None) -> np.ndarray:
    """(n,) bool: labels that `-skp` measures, those without a row among them."""
    place, known = rows_of_labels(start, particles)
    return ~known | redone(start, statuses)[place]


def rows_kept(particles: np.ndarray, start: Field, numbers: np.ndarray) -> np.ndarray:
    """Rows (m,) LABEL_ROW of some labels as an earlier result has them."""
    place, _ = rows_of_labels(start, particles[numbers])
    rows = finished(kept_rows(start, place), particles["label"][numbers], 0)
    rows["index"] = numbers
    for name in ("label_dilate", "repaired"):
        if name in start.extra:
            rows[name] = start.extra[name][place]
    return rows


def finished(rows: np.ndarray, labels: np.ndarray, dilate: int) -> np.ndarray:
    """Measured rows as rows of labels.

    Parameters
    ----------
    rows : (n,) array of ROW
    labels : (n,) their numbers
    dilate : radius by which they were dilated, voxels
    """
    result = np.zeros(len(rows), LABEL_ROW)
    for name in ROW.names:
        result[name] = rows[name]
    result["label"], result["label_dilate"] = labels, dilate
    result["rotation"] = decompose_f(rows["Phi"][:, :, :3]).r
    result["rotation_std"] = np.degrees(np.sqrt(rows["variance"].reshape(-1, 3, 4)[:, *_ROTATION]))
    return result
