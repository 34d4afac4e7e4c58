"""Which labels are neighbours: those that touch, or those that an edge of a triangulation joins."""

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.triangulation import triangulate
from hpcdvc.kernels.labels import contacts
from hpcdvc.kernels.records import dtype
from hpcdvc.kernels.volume import Volume
from hpcdvc.labels.boxes import label_image
from hpcdvc.labels.scan import centres_of, scan_labels

#: Two labels that touch, and by how many faces of voxels.
CONTACT = dtype("contact")
#: Greatest circumradius of a triangulation by default, in mean diameters of the labels.
CARVED = 5.0


def neighbours(labels: np.ndarray, method: str = "contact", neighbours_range: float | None = None) -> np.ndarray:
    """Pairs of labels that are neighbours.

    Parameters
    ----------
    labels : (nz, ny, nx) or (ny, nx) array of whole numbers; 0 is the background
    method : "contact": a voxel of one has a face in common with a voxel of the other. "mesh": their centres of mass
        are joined by an edge of a Delaunay triangulation, as those of grains across a gap are
    neighbours_range : "mesh": greatest circumradius of the tetrahedra (triangles in two dimensions) that are kept,
        voxels; by default five mean diameters

    Returns
    -------
    (n, 2) int64 array, the smaller label first, ascending; each pair once

    Raises
    ------
    UserError
        They are no labels, the method is not known, or the labels are too few to be triangulated, or all in
        one plane.
    """
    if method not in ("contact", "mesh"):
        raise UserError(f'the method "{method}" is not known: "contact" or "mesh"')
    image = label_image(labels)
    particles = scan_labels(image)  # which finds out that they are labels
    if method == "contact":
        return scan_contacts(image)["labels"]
    flat = len(image) == 1
    radius = CARVED * mean_diameter(particles, flat) if neighbours_range is None else neighbours_range
    return mesh_neighbours(particles["label"], centres_of(particles), radius, flat)


def scan_contacts(labels: np.ndarray, team=None) -> np.ndarray:
    """All contacts. Collective with a team: each rank looks at its planes.

    Parameters
    ----------
    labels : (nz, ny, nx) array that `hpcdvc.labels.scan.scan_labels` has found to hold labels
    team : hpcdvc.ranks.team.Team, whose ranks have the same labels; None: this process alone

    Returns
    -------
    (n,) array of CONTACT, in ascending order of the labels, the same on all ranks
    """
    planes = (0, len(labels)) if team is None else team.spans(len(labels))
    found = contacts(Volume(labels), *planes)
    parts = found if team is None else np.concatenate(team.all_gather(found))
    pairs, place = np.unique(parts["labels"], axis=0, return_inverse=True)
    result = np.zeros(len(pairs), CONTACT)
    result["labels"] = pairs
    np.add.at(result["faces"], place.reshape(-1), parts["faces"])
    return result


def mesh_neighbours(labels: np.ndarray, centres: np.ndarray, radius: float, flat: bool) -> np.ndarray:
    """Pairs (n, 2) of labels, ascending, that a Delaunay triangulation of the centres joins.

    Parameters
    ----------
    labels : (m,) array
    centres : (m, 3) ZYX, voxels
    radius : greatest circumradius, voxels
    flat : of an image in two dimensions

    Raises
    ------
    UserError
        Too few particles, all in one plane, or none near enough.
    """
    cells = triangulate(centres[:, int(flat) :], float(radius) ** 2)
    ends = np.array(np.triu_indices(cells.shape[1], 1)).T
    pairs = np.sort(labels[cells[:, ends].reshape(-1, 2)], axis=1)
    return np.unique(pairs, axis=0)


def mean_diameter(particles: np.ndarray, flat: bool) -> float:
    """Mean diameter of the balls (discs in two dimensions) that are as large as each particle, voxels."""
    volume = particles["volume"].astype(float)
    diameters = 2 * np.sqrt(volume / np.pi) if flat else np.cbrt(6 * volume / np.pi)
    return float(diameters.mean()) if len(diameters) else 0.0
