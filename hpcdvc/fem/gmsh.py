"""Meshes made by the program gmsh, where it is installed: it is started, never imported."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from hpcdvc.errors import RunError, UserError, shortened
from hpcdvc.fem.coarse import Coarse
from hpcdvc.fem.quality import in_order, orient
from hpcdvc.output.mesh import read_mesh_geometry

PROGRAM = "gmsh"
BODY, SIZES, MESH = "body.geo", "sizes.txt", "mesh.msh"


def find_gmsh() -> str:
    """Path of the program; UserError where there is none."""
    found = shutil.which(PROGRAM)
    if not found:
        raise UserError(
            "--mesher gmsh needs the program gmsh, which is not found on the PATH; --mesher hpcdvc needs none"
        )
    return found


def cuboid(first: np.ndarray, last: np.ndarray) -> str:
    """A box in the words of gmsh, from (z, y, x) to (z, y, x)."""
    return f"Box(1) = {{{_xyz(first)}, {_xyz(last - first)}}};"


def cylinder(centre: np.ndarray, radius: float, height: float) -> str:
    """A cylinder along z in the words of gmsh; `centre` (z, y, x) of its lower end."""
    return f"Cylinder(1) = {{{_xyz(centre)}, 0, 0, {float(height)!r}, {float(radius)!r}}};"


def mesh_with_gmsh(body: str, lc: float, sizes: Coarse | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Mesh a body.

    Parameters
    ----------
    body : from `cuboid` or `cylinder`
    lc : length of edges, voxels
    sizes : lengths of edges, where they are to be shorter

    Returns
    -------
    points : (n, 3) float64 array, ZYX, voxels
    connectivity : (k, 4) int64 array, tetrahedra with positive volume

    Raises
    ------
    UserError
        gmsh is not there.
    RunError
        It fails.
    """
    program = find_gmsh()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, BODY).write_text("\n".join(_lines(body, lc, sizes is not None)))
        if sizes is not None:
            _write_sizes(Path(folder, SIZES), sizes)
        words = [program, BODY, "-3", "-format", "msh22", "-nt", "1", "-o", MESH]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode or not os.path.exists(os.path.join(folder, MESH)):
            said = " ".join((done.stderr or done.stdout).split()[-20:]) or "it says nothing"
            raise RunError(f"gmsh has made no mesh, exit code {done.returncode}: {shortened(said, 160)}")
        points, connectivity = read_mesh_geometry(os.path.join(folder, MESH))
    points, connectivity = in_order(points, connectivity)
    return points, orient(points, connectivity)


def _xyz(place: np.ndarray) -> str:
    return ", ".join(repr(float(value)) for value in place[::-1])


def _lines(body: str, lc: float, sized: bool) -> list[str]:
    """The file that gmsh is given: lengths of edges are those of `lc`, or of a field of sizes."""
    lines = ['SetFactory("OpenCASCADE");', body, f"Mesh.MeshSizeMax = {float(lc)!r};"]
    if not sized:
        return [*lines, f"Mesh.MeshSizeMin = {float(lc)!r};", ""]
    field = ["Field[1] = Structured;", f'Field[1].FileName = "{SIZES}";', "Field[1].TextFormat = 1;"]
    only = ["Mesh.MeshSizeExtendFromBoundary = 0;", "Mesh.MeshSizeFromPoints = 0;"]
    return [*lines, *field, f"Field[1].OutsideValue = {float(lc)!r};", "Background Field = 1;", *only, ""]


def _write_sizes(path: Path, sizes: Coarse) -> None:
    """The grid of a Structured field of gmsh: origin, steps, counts, then values, z fastest."""
    values = np.ascontiguousarray(sizes.values.transpose(2, 1, 0))
    origin, step = (sizes.factor - 1) / 2, sizes.factor
    with path.open("w") as file:
        file.write(f"{origin} {origin} {origin}\n{step} {step} {step}\n{' '.join(map(str, values.shape))}\n")
        np.savetxt(file, values.reshape(-1), fmt="%.6g")
