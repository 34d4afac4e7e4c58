"""A field whose every value is known: u(x) = G x + T, with some points that failed."""

import numpy as np

from hpcdvc.fields.field import ROW
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.status import Status
from hpcdvc.output.schema import field_of_members

#: gradient and offset of the displacement, ZYX
G = np.array([[0.01, 0.02, 0.03], [-0.04, 0.05, 0.06], [0.07, -0.08, 0.09]])
T = np.array([1.5, -2.5, 3.5])

GRID = Grid(origin=(100.0, 50.0, 30.0), spacing=(20.0, 10.0, 5.0), shape=(4, 5, 6))
GRID_2D = Grid(origin=(0.0, 50.0, 30.0), spacing=(1.0, 10.0, 5.0), shape=(1, 5, 6))

METADATA = {
    "parameters": {"hws": [5, 5, 5], "glt": float("-inf"), "mask": None},
    "provenance": {"argv": ["hpcdvc-ldic", "im1.tif", "im2.tif"], "units": "voxel"},
}


def displacement(positions):
    """Displacement at positions, both ZYX."""
    return np.asarray(positions) @ G.T + T


def affine_rows(positions, failed=()):
    """ROW records of the field at positions (n, 3) ZYX; the points numbered in `failed` ran out of iterations."""
    rows = np.zeros(len(positions), ROW)
    rows["index"] = np.arange(len(positions))
    rows["Phi"][:, :, :3] = np.eye(3) + G
    rows["Phi"][:, :, 3] = displacement(positions)
    rows["variance"] = 1e-6 * np.arange(1, 13)
    rows["error"] = 1 + 0.5 * rows["index"]
    rows["delta_phi_norm"] = 1e-7 * (1 + rows["index"])
    rows["zncc"] = 0.99
    rows["valid_fraction"] = 0.75
    rows["return_status"] = Status.CONVERGED
    rows["iterations"] = 3 + rows["index"] % 5
    rows["return_status"][list(failed)] = Status.MAX_ITERATIONS
    return rows


def field_of_rows(rows, grid=None, positions=None, extra=None):
    """Field of ROW records ordered by index, on a grid or at positions (n, 3) ZYX, with further columns by name."""
    members = {name: rows[name].copy() for name in ROW.names if name != "index"}
    phi = np.tile(np.eye(4), (len(rows), 1, 1))
    phi[:, :3] = rows["Phi"]
    return field_of_members(members | {"Phi": phi} | dict(extra or {}), grid, positions)
