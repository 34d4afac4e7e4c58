"""What tests of meshes share: faces and edges counted one by one, and a mask with a hole."""

import numpy as np

FACES = [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]
EDGES = [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
#: A mask, and the ball that is cut out of its cylinder along z.
SHAPE, CENTRE, RADIUS, BALL, BALL_RADIUS = (40, 60, 62), (30.0, 31.0), 22.0, (20.0, 30.0, 12.0), 9.0


def surface(connectivity: np.ndarray) -> np.ndarray:
    """Faces of one tetrahedron alone; the others belong to two."""
    faces, count = np.unique(np.sort(connectivity[:, FACES].reshape(-1, 3), axis=1), axis=0, return_counts=True)
    assert count.max() <= 2
    return faces[count == 1]


def edges(connectivity: np.ndarray) -> np.ndarray:
    """(m, 2) edges, each once."""
    return np.unique(np.sort(connectivity[:, EDGES].reshape(-1, 2), axis=1), axis=0)


def mean_edge(points: np.ndarray, connectivity: np.ndarray) -> float:
    first, second = points[edges(connectivity).T]
    return np.linalg.norm(first - second, axis=1).mean()


def determinants(points: np.ndarray, connectivity: np.ndarray) -> np.ndarray:
    corners = points[connectivity]
    return np.linalg.det(corners[:, 1:] - corners[:, :1])


def mask() -> np.ndarray:
    """A cylinder from the first plane to the last, with a bite; uint8."""
    z, y, x = np.indices(SHAPE)
    body = (y - CENTRE[0]) ** 2 + (x - CENTRE[1]) ** 2 < RADIUS**2
    ball = sum((a - c) ** 2 for a, c in zip((z, y, x), BALL, strict=True)) < BALL_RADIUS**2
    return (body & ~ball).astype(np.uint8)


def depth_in_mask(places: np.ndarray) -> np.ndarray:
    """How far inside of the body places are, voxels; negative outside."""
    radial = RADIUS - np.hypot(places[:, 1] - CENTRE[0], places[:, 2] - CENTRE[1])
    return np.minimum(radial, np.linalg.norm(places - BALL, axis=1) - BALL_RADIUS)
