"""How good the tetrahedra of a mesh are: their volumes, their shapes, and what makes a mesh useless."""

from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import UserError

#: Ends of the six edges of a tetrahedron; its faces, each opposite to the corner of its number, and all turned alike as
#: seen from outside; the edges of each face.
EDGES = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
FACES = ((1, 2, 3), (0, 3, 2), (0, 1, 3), (0, 2, 1))
OF_FACE = np.array([[k for k, edge in enumerate(EDGES) if not {*edge} - {*face}] for face in FACES])
#: A tetrahedron is flat whose volume is below this part of that of a regular one with its mean edge: what the
#: 32 bits of the numbers of a file leave of one with all its corners in a plane.
FLAT = 1e-4


def corner_determinants(points: np.ndarray, connectivity: np.ndarray) -> np.ndarray:
    """det[p1 - p0, p2 - p0, p3 - p0] of each tetrahedron: six times its volume, negative where it is inverted.

    Parameters
    ----------
    points : (n, 3) float64 array, ZYX, voxels
    connectivity : (k, 4) integer array

    Returns
    -------
    (k,) float64 array, voxels^3
    """
    first, second, third = (points[connectivity[:, c]] - points[connectivity[:, 0]] for c in (1, 2, 3))
    return np.einsum("ki,ki->k", first, np.cross(second, third))


def orient(points: np.ndarray, connectivity: np.ndarray) -> np.ndarray:
    """Tetrahedra with positive volume in the ZYX frame: the last two nodes of the others are exchanged.

    Parameters
    ----------
    points : (n, 3) float64 array, ZYX, voxels
    connectivity : (k, 4) integer array

    Returns
    -------
    (k, 4) int64 array
    """
    oriented = np.array(connectivity, np.int64)
    inverted = corner_determinants(points, oriented) < 0
    oriented[inverted, 2:] = oriented[inverted, :1:-1]
    return oriented


def in_order(points: np.ndarray, connectivity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same mesh without nodes of no tetrahedron; nodes in the order of z, y, x, tetrahedra in that of nodes."""
    used = np.unique(connectivity)
    used = used[np.lexsort(points[used].T[::-1])]
    number = np.empty(len(points), np.int64)
    number[used] = np.arange(len(used))
    renamed = number[connectivity]
    return points[used], renamed[np.lexsort(np.sort(renamed, axis=1).T[::-1])]


def with_volume(points: np.ndarray, moved: np.ndarray, connectivity: np.ndarray, part: float) -> np.ndarray:
    """Nodes where they are moved to, but for those of tetrahedra that would keep less than a part of their volume.

    Parameters
    ----------
    points, moved : (n, 3) arrays, nodes before and after
    connectivity : (k, 4) integer array
    part : of the volume

    Returns
    -------
    (n, 3) array, each node from one of the two
    """
    changed = (moved != points).any(axis=1)
    touched = connectivity[changed[connectivity].any(axis=1)]
    before, moved = corner_determinants(points, touched), moved.copy()
    while True:
        lost = corner_determinants(moved, touched) * np.sign(before) < part * np.abs(before)
        back = np.unique(touched[lost])
        back = back[(moved[back] != points[back]).any(axis=1)]
        if not len(back):
            return moved
        moved[back] = points[back]


def edge_lengths(points: np.ndarray, connectivity: np.ndarray) -> np.ndarray:
    """(k, 6) lengths of the edges of each tetrahedron, voxels, in the order of EDGES."""
    return np.stack(
        [np.linalg.norm(points[connectivity[:, a]] - points[connectivity[:, b]], axis=1) for a, b in EDGES], 1
    )


def aspect_ratios(points: np.ndarray, connectivity: np.ndarray) -> np.ndarray:
    """Longest edge over the radius of the inscribed sphere, 1 for a regular tetrahedron; inf for one without volume.

    Parameters
    ----------
    points : (n, 3) float64 array, ZYX, voxels
    connectivity : (k, 4) integer array

    Returns
    -------
    (k,) float64 array, at least 1
    """
    corners = [points[connectivity[:, c]] for c in range(4)]
    areas = sum(
        np.linalg.norm(np.cross(corners[b] - corners[a], corners[c] - corners[a]), axis=1) / 2 for a, b, c in FACES
    )
    volumes = np.abs(corner_determinants(points, connectivity)) / 6
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = edge_lengths(points, connectivity).max(axis=1) * areas / (3 * volumes) / np.sqrt(24)
    return np.where(volumes > 0, ratios, np.inf)


def edges_of(connectivity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(m, 2) edges of a mesh, and the numbers (k, 6) of those of each tetrahedron, in the order of EDGES."""
    keys, base = _edge_keys(connectivity)
    first, numbers = _numbered(keys)
    keys = keys[first]
    return np.stack([keys // base, keys % base], axis=1), numbers.reshape(-1, 6)


def _edge_keys(connectivity: np.ndarray) -> tuple[np.ndarray, int]:
    """(6 k,) first node times a base plus second node of each edge of each tetrahedron, and the base."""
    one, other = (connectivity[:, ends] for ends in np.transpose(EDGES))
    base = int(connectivity.max(initial=0)) + 1
    return (np.minimum(one, other) * base + np.maximum(one, other)).ravel(), base


def _numbered(*keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where different keys, each of one or several numbers, stand first, in their order; the numbers (m,) of all keys.

    Neighbours in a mesh stand near each other: what is nearly sorted the stable sort sorts in less than half the time.
    """
    order = np.argsort(keys[0], kind="stable") if len(keys) == 1 else np.lexsort(keys[::-1])
    new = np.ones(len(order), bool)
    new[1:] = np.any([np.diff(key[order]) != 0 for key in keys], axis=0)
    numbers = np.empty(len(order), np.int64)
    numbers[order] = np.cumsum(new) - 1
    return order[new], numbers


def _faces(connectivity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The number (4 k) of each face of each tetrahedron, and which have it in an odd order of nodes."""
    corners = connectivity[:, FACES].reshape(-1, 3)
    odd = ((corners > np.roll(corners, -1, axis=1)) ^ [False, False, True]).sum(axis=1) % 2 == 1
    first, second, third = np.sort(corners, axis=1).T
    base = int(connectivity.max(initial=0)) + 1
    keys = (first * base + second, third)
    if base < 2**21:  # all three in one number of 63 bits, which is sorted far faster
        keys = (keys[0] * base + third,)
    return _numbered(*keys)[1], odd


def outside(connectivity: np.ndarray) -> np.ndarray:
    """(k, 4) whether a face, opposite to the corner of its number, belongs to that tetrahedron alone."""
    numbers, _ = _faces(connectivity)
    return (np.bincount(numbers) == 1)[numbers].reshape(-1, 4)


def folded(connectivity: np.ndarray) -> np.ndarray:
    """(k,) which of tetrahedra with positive volume share a face with another one on the same side, or with several.

    Of two neighbours one is inside out then: they overlap.
    """
    numbers, odd = _faces(connectivity)
    count, odds = np.bincount(numbers), np.bincount(numbers, odd)
    wrong = (count > 2) | ((count == 2) & (odds != 1))
    return wrong[numbers].reshape(-1, 4).any(axis=1)


def flat(points: np.ndarray, connectivity: np.ndarray) -> np.ndarray:
    """(k,) which tetrahedra have no volume, but for what the rounding of their nodes makes."""
    mean = edge_lengths(points, connectivity).mean(axis=1)
    return np.abs(corner_determinants(points, connectivity)) <= FLAT * mean**3 / np.sqrt(2)


def bodies(connectivity: np.ndarray) -> np.ndarray:
    """(k,) the number of the part of the mesh that each tetrahedron belongs to: those of one hang together by faces."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    numbers, _ = _faces(connectivity)
    order = np.argsort(numbers)
    same = np.flatnonzero(numbers[order][1:] == numbers[order][:-1])
    pairs, count = (order[same] // 4, order[same + 1] // 4), len(connectivity)
    return connected_components(coo_array((np.ones(len(same), bool), pairs), (count, count)), directed=False)[1]


@dataclass(frozen=True)
class Quality:
    """What a mesh is like.

    Attributes
    ----------
    nodes, tetrahedra, bodies : how many; nodes are those that tetrahedra have, bodies hang together by faces
    volume : of all, voxels^3
    edges : shortest, mean and longest edge, voxels
    aspect : mean and largest ratio of the longest edge to the radius of the inscribed sphere, 1 for a regular one
    inverted : tetrahedra that overlap a neighbour, see `folded`
    flat : those without volume
    """

    nodes: int
    tetrahedra: int
    bodies: int
    volume: float
    edges: tuple[float, float, float]
    aspect: tuple[float, float]
    inverted: int
    flat: int

    @classmethod
    def of(cls, points: np.ndarray, connectivity: np.ndarray) -> "Quality":
        """Of a mesh: points (n, 3), ZYX, voxels; connectivity (k, 4) from `orient`, at least one tetrahedron."""
        keys, base = _edge_keys(connectivity)
        keys.sort()  # a quarter of the time of np.unique
        keys = keys[np.append(True, np.diff(keys) != 0)]
        lengths = np.linalg.norm(points[keys // base] - points[keys % base], axis=1)
        aspect = aspect_ratios(points, connectivity)
        return cls(
            nodes=int(np.count_nonzero(np.bincount(connectivity.ravel()))),
            tetrahedra=len(connectivity),
            bodies=int(bodies(connectivity).max()) + 1,
            volume=float(corner_determinants(points, connectivity).sum() / 6),
            edges=(float(lengths.min()), float(lengths.mean()), float(lengths.max())),
            aspect=(float(aspect.mean()), float(aspect.max())),
            inverted=int(folded(connectivity).sum()),
            flat=int(flat(points, connectivity).sum()),
        )

    def text(self) -> str:
        """As a table."""
        rows = {
            "nodes": f"{self.nodes}",
            "tetrahedra": f"{self.tetrahedra}",
            "parts joined by faces": f"{self.bodies}",
            "volume": f"{self.volume:.6g} voxels^3",
            "edges: shortest, mean, longest": "{:.4g}, {:.4g}, {:.4g} voxels".format(*self.edges),
            "aspect ratio: mean, worst": "{:.3g}, {:.3g} (regular: 1)".format(*self.aspect),
            "inverted": f"{self.inverted}",
            "flat": f"{self.flat}",
        }
        width = max(map(len, rows))
        return "\n".join(f"{name:{width}}  {value}" for name, value in rows.items())


def check_mesh(points: np.ndarray, connectivity: np.ndarray, name: str = "the mesh") -> np.ndarray:
    """Make sure that something can be solved on a mesh.

    Parameters
    ----------
    points : (n, 3) array, ZYX, voxels
    connectivity : (k, 4) integer array, in either orientation
    name : of the mesh or its file, for messages

    Returns
    -------
    (k, 4) int64 array, from `orient`

    Raises
    ------
    UserError
        An array has another shape or type, there are no tetrahedra, they name nodes that do not exist or are not
        finite, or are inverted or flat.
    """
    if points.ndim != 2 or points.shape[1] != 3:
        raise UserError(f"{name} has points of shape {points.shape}: (nodes, 3) are needed")
    if connectivity.dtype.kind not in "iu":
        raise UserError(f"{name} has a connectivity of {connectivity.dtype}: it must hold whole numbers")
    if connectivity.ndim != 2 or connectivity.shape[1] != 4 or not len(connectivity):
        raise UserError(f"{name} has no tetrahedra: its connectivity has shape {connectivity.shape}")
    if not (connectivity.min() >= 0 and connectivity.max() < len(points)):
        found = f"from {connectivity.min()} to {connectivity.max()}"
        raise UserError(f"{name} has tetrahedra of nodes {found}, there are {len(points)}")
    if not np.isfinite(points[np.unique(connectivity)]).all():
        raise UserError(f"{name} has nodes whose positions are not finite")
    oriented = orient(points, connectivity)
    for bad, what in ((flat(points, oriented), "flat"), (folded(oriented), "inverted: they overlap their neighbours")):
        if bad.any():
            raise UserError(
                f"{name}: {bad.sum()} of {len(bad)} tetrahedra are {what}, the first is number {np.flatnonzero(bad)[0]}"
            )
    return oriented
