"""Pictures of meshes: a box, a cylinder, a mask, and one refined by sizes, cut open."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from mpl_toolkits.mplot3d.art3d import Poly3DCollection
from scipy.ndimage import gaussian_filter

from hpcdvc.fem.body import Body
from hpcdvc.fem.coarse import Coarse
from hpcdvc.fem.mesh import create_cuboid, create_cylinder
from hpcdvc.fem.quality import FACES, outside

LIGHT = np.array([0.5, -0.6, 0.62])  # ZYX


def show(axis: Axes, points: np.ndarray, cells: np.ndarray, title: str, keep: np.ndarray) -> None:
    """The surface of the tetrahedra that are kept; faces that were inside are shown in another colour."""
    whole = {*map(frozenset, _outer(cells).tolist())}
    faces = _outer(cells[keep])
    corners = points[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1)[:, None]
    shade = 0.62 + 0.38 * np.abs(normals @ LIGHT)
    skin = np.array([frozenset(face) in whole for face in faces.tolist()])
    colours = np.where(skin[:, None], (0.62, 0.74, 0.86), (0.95, 0.72, 0.42)) * shade[:, None]
    axis.add_collection3d(Poly3DCollection(corners[:, :, ::-1], facecolors=colours, edgecolors="0.25", linewidths=0.25))
    low, high = points.min(axis=0), points.max(axis=0)
    axis.set(xlim=(low[2], high[2]), ylim=(low[1], high[1]), zlim=(low[0], high[0]))
    axis.set_box_aspect((high - low)[::-1], zoom=0.95)
    axis.view_init(22, -58)
    for name in "xyz":
        axis.locator_params(axis=name, nbins=3)
        axis.tick_params(axis=name, labelsize=7, pad=-2)
    axis.set_xlabel("x, voxel", fontsize=8, labelpad=-6)
    axis.set_ylabel("y, voxel", fontsize=8, labelpad=-6)
    axis.set_zlabel("z, voxel", fontsize=8, labelpad=-6)
    axis.grid(False)
    axis.set_title(f"{title}\n{len(points)} nodes, {len(cells)} tetrahedra", fontsize=9)


def _outer(cells: np.ndarray) -> np.ndarray:
    rows, corners = np.nonzero(outside(cells))
    return cells[rows[:, None], np.array(FACES)[corners]]


def _cut(points: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """All but the tetrahedra of the quarter that is nearest to who looks at them."""
    middles = points[cells].mean(axis=1)
    half = (points.min(axis=0) + points.max(axis=0)) / 2
    return ~((middles[:, 1] < half[1]) & (middles[:, 2] > half[2]))


def _pebble() -> Coarse:
    """A mask of an uneven body with a hole through it."""
    shape = (70, 80, 80)
    z, y, x = (axis.astype(float) for axis in np.indices(shape))
    rough = gaussian_filter(np.random.default_rng(4).normal(0, 1, shape), 9)
    ball = ((z - 34) / 30) ** 2 + ((y - 40) / 34) ** 2 + ((x - 40) / 36) ** 2 + 6 * rough / rough.std() / 30 < 1
    return Coarse((ball & (np.hypot(z - 36, y - 40) > 9)).astype(np.float32), 1, shape)


def _sizes(places: np.ndarray) -> np.ndarray:
    """4 voxels about the middle plane, 16 far from it."""
    return np.clip(3 + 0.6 * np.abs(places[:, 0] - 34), 4, 16)


def draw_meshes(path: Path) -> None:
    """Four meshes."""
    mask = _pebble()
    meshes = {
        "-cube, -lc 10": create_cuboid((60, 60, 60), 10),
        "-cylinder, -lc 10": create_cylinder((0, 0), 32, 70, 10),
        "-mf1 mask, -lc 6": Body(mask, 6.0, "mask").mesh()[:2],
        "-mf1 mask, -lc 16 --size": Body(mask, 16.0, "mask", _sizes, 4.0).mesh()[:2],
    }
    figure, axes = plt.subplots(1, 4, figsize=(12, 3.6), subplot_kw={"projection": "3d"})
    for axis, (title, (points, cells)) in zip(axes, meshes.items(), strict=True):
        show(axis, points, cells, title, _cut(points, cells))
    figure.savefig(path)
    plt.close(figure)
