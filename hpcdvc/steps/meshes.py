"""From the options of hpcdvc-mesh to a mesh: coarse copies that all ranks make, and the tetrahedra that one makes."""

import logging
from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fem import gmsh
from hpcdvc.fem.body import Body, cell_factor
from hpcdvc.fem.coarse import Coarse, coarse_bytes, coarse_mask, coarse_sizes
from hpcdvc.fem.mesh import create_cuboid, create_cylinder, cubes_of, cubes_of_cylinder
from hpcdvc.fem.quality import check_mesh, edge_lengths, in_order
from hpcdvc.fem.refine import refine
from hpcdvc.images import VolumeInfo
from hpcdvc.options.mesh import Options
from hpcdvc.output.mesh import read_mesh_geometry
from hpcdvc.steps.roi import Region, region_in

log = logging.getLogger("hpcdvc")

#: Nodes that are on the circle of a cylinder, but for rounding, in parts of its radius.
ON_CIRCLE = 1e-9


@dataclass(frozen=True)
class MeshTask:
    """What is meshed.

    Attributes
    ----------
    mask, sizes : headers of the volumes that are named, or None
    region : of the mask that is meshed; None: all of it
    lc : length of edges that is aimed at, voxels; of a mesh that is there, its longest where none is asked for
    nodes, tetrahedra : about how many there will be without sizes; of a mask, where it fills its image
    """

    mask: VolumeInfo | None
    sizes: VolumeInfo | None
    lc: float
    nodes: int
    tetrahedra: int
    region: Region | None = None

    @classmethod
    def of(cls, options: Options, mask: VolumeInfo | None, sizes: VolumeInfo | None) -> "MeshTask":
        """From options and headers, on one rank.

        Raises
        ------
        UserError
            A mesh that is there is none, a mask is no volume, gmsh is not installed, or there would be too many nodes.
        """
        if options.mesher == "gmsh":
            gmsh.find_gmsh()
        for info in filter(None, (mask, sizes)):
            if info.two_dimensional:
                raise UserError(f"{info.spec} is a 2-D image: meshes of tetrahedra are made of volumes")
        if options.mesh:
            points, cells = read_checked(options.mesh)
            lc = float(edge_lengths(points, cells).max()) if options.lc is None else options.lc
            return cls(mask, sizes, lc, len(points), len(cells))
        region = region_in(options, mask) if mask else None
        if options.cylinder:
            _, _, radius, first, last = options.cylinder
            count = cubes_of_cylinder(radius, last - first, options.lc)
        else:
            box = mask and (region.shape if region else mask.shape)
            lengths = np.diff(np.reshape(options.cuboid, (3, 2)))[:, 0] if options.cuboid else np.array(box)
            count = cubes_of(lengths, options.lc) + bool(mask)  # of a mask there are cubes over its surface
        cubes = int(count.prod())
        return cls(mask, sizes, options.lc, 2 * cubes + int((count + 1).prod()) - cubes, 12 * cubes, region)

    @property
    def copies(self) -> dict[str, int]:
        """Bytes of the coarse copies, by name of the volume, where no size is below lc."""
        factor = cell_factor(self.lc)
        return {info.spec: coarse_bytes(info.shape, factor) for info in (self.mask, self.sizes) if info}


def read_checked(path: str) -> tuple[np.ndarray, np.ndarray]:
    """A mesh from a file, each tetrahedron with positive volume, without nodes of none.

    Raises
    ------
    UserError
        It is none that can be used.
    """
    points, cells = read_mesh_geometry(path)
    return in_order(points, check_mesh(points, cells, path))


def make_mesh(task: MeshTask, options: Options, team) -> tuple[np.ndarray, np.ndarray] | None:
    """The mesh, on rank 0: points (n, 3), ZYX, voxels, and tetrahedra (k, 4); None elsewhere. Collective.

    Raises
    ------
    UserError, RunError
        On every rank: a volume cannot be read, the mask is empty, or no tetrahedron fits into it.
    """
    sizes = coarse_sizes(task.sizes, cell_factor(task.lc), task.lc, team) if task.sizes else None
    finest = task.lc if sizes is None else float(sizes.values.min())
    if team.rank == 0 and sizes is not None and finest == task.lc:
        log.warning("%s has no size below %g voxels: it changes nothing", task.sizes.spec, task.lc)
    part = task.region and task.region.slices
    mask = coarse_mask(task.mask, cell_factor(finest), team, part) if task.mask else None
    if mask is not None:
        log.info(
            "coarse copy of %s: cells of %d voxels, %.1f MB", task.mask.spec, mask.factor, mask.values.nbytes / 1e6
        )
    made = []
    team.agree(lambda: made.append(_make(task, options, mask, sizes, finest)))
    return made[0] if made else None


def _make(
    task: MeshTask, options: Options, mask: Coarse | None, sizes: Coarse | None, finest: float
) -> tuple[np.ndarray, np.ndarray]:
    wanted = None if sizes is None else lambda places: sizes.at(places, mode="nearest")
    if mask is not None:
        name = task.mask.spec + (f" in --roi {task.region}" if task.region else "")
        points, cells, left_out = Body(mask, task.lc, name, wanted, finest).mesh()
        if left_out:
            log.warning("%d smaller parts of the body do not hang together with the largest: left out", left_out)
        return points, cells
    if options.mesher == "gmsh":
        return gmsh.mesh_with_gmsh(_in_words(options), task.lc, sizes)
    if options.mesh:
        points, cells, place = *read_checked(options.mesh), None
        wanted = wanted or (lambda places: np.full(len(places), task.lc)) if options.lc or sizes else None
    elif options.cuboid:
        first, last = np.reshape(options.cuboid, (3, 2)).T
        points, cells, place = *create_cuboid(last - first, task.lc, first), None
    else:
        y, x, radius, first, last = options.cylinder
        points, cells = create_cylinder((y, x), radius, last - first, task.lc, first)
        place = OnCircle(np.array([y, x]), radius)
    return (points, cells) if wanted is None else in_order(*refine(points, cells, wanted, place))


def _in_words(options: Options) -> str:
    """The body in the words of gmsh."""
    if options.cuboid:
        return gmsh.cuboid(*np.reshape(options.cuboid, (3, 2)).T)
    y, x, radius, first, last = options.cylinder
    return gmsh.cylinder(np.array([first, y, x]), radius, last - first)


@dataclass(frozen=True)
class OnCircle:
    """Where nodes are put that halve edges of a cylinder: on the circle, where both ends are.

    Attributes
    ----------
    centre : (2,) YX, voxels
    radius : voxels
    """

    centre: np.ndarray
    radius: float

    def __call__(self, ends: np.ndarray) -> np.ndarray:
        """(m, 3) places of the nodes between (m, 2, 3) ends."""
        places, away = ends.mean(axis=1), ends[..., 1:] - self.centre
        lateral = (np.abs(np.linalg.norm(away, axis=2) - self.radius) < ON_CIRCLE * self.radius).all(axis=1)
        out = places[lateral, 1:] - self.centre
        length = np.maximum(np.linalg.norm(out, axis=1), self.radius / 2)[:, None]  # of an edge across the middle
        places[lateral, 1:] = self.centre + self.radius / length * out
        return places
