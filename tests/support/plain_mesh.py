"""A small mesh with displacements, and the plain HDF5 file that holds it."""

import h5py
import numpy as np

RNG = np.random.default_rng(8)
POINTS = RNG.uniform(0, 30, (7, 3))
CELLS = np.array([[0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 6]])
DISPLACEMENTS = RNG.normal(0, 1, (7, 3))


def write_plain(path, **replaced) -> None:
    values = {"mesh-points": POINTS.astype("f4"), "mesh-connectivity": CELLS.astype("u4")}
    values |= {"mesh-displacements": DISPLACEMENTS} | {name.replace("_", "-"): v for name, v in replaced.items()}
    with h5py.File(path, "w") as file:
        for name, value in values.items():
            if value is not None:
                file[name] = value
