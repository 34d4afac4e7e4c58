"""Small results of each kind in which every status occurs, with their images, for tests of hpcdvc-view."""

from pathlib import Path

import numpy as np
import tifffile
from ldic_cases import FIELD, FLAT_FIELD, FLAT_SHAPE, SHAPE, images

from hpcdvc.fem.mesh import create_cuboid
from hpcdvc.fields.field import ROW, Field
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.status import Family, Status
from hpcdvc.images import describe, identity
from hpcdvc.output import hdf5
from hpcdvc.output.contents import Elements
from hpcdvc.output.schema import members_of_rows
from hpcdvc.output.vtk import write_vtk
from hpcdvc.runs.shards import Shards
from hpcdvc.steps.labels import LABEL_ROW

GRID = Grid((7.0, 8.0, 9.0), (6.0, 6.0, 6.0), (5, 5, 6))
FLAT_GRID = Grid((0.0, 9.0, 10.0), (1.0, 7.0, 7.0), (1, 7, 8))
CODES = np.array([int(code) for code in Status])
#: Names of the results by kind.
RESULTS = {"grid": "g-ldic.hdf", "flat": "f-ldic.hdf", "labels": "l-ddic.hdf", "mesh": "m-GDIC.hdf"}
ADVICE = {Status.ERROR_GROWTH: "larger -hws"}


def statuses(count: int) -> np.ndarray:
    """Every status, the rare ones once, the rest converged."""
    found = np.full(count, 2)
    if count > 2 * len(CODES):
        found[: 2 * len(CODES) : 2] = CODES
    return found


def rows_at(positions: np.ndarray, field, dtype=ROW) -> np.ndarray:
    """Rows that a field has at positions, one with each status."""
    rows, d = np.zeros(len(positions), dtype), len(field.centre)
    rows["index"], rows["return_status"] = np.arange(len(rows)), statuses(len(rows))
    rows["Phi"] = field.phi(positions[:, 3 - d :])
    rows["variance"], rows["zncc"], rows["error"], rows["iterations"] = 1e-4, 0.99, 0.5, 3
    return rows


def metadata(folder: Path, names: dict[str, str], **parameters) -> dict:
    """As commands write it."""
    known = {name: identity(describe(str(folder / path))) for name, path in names.items()}
    return {"key": "0" * 64, "parameters": {"half_window_size": 5, **names, **parameters}, "provenance": known}


def save_images(folder: Path) -> None:
    """im1, im2, the same of an image, and labels: boxes."""
    pairs = {"im": images(), "flat": images(FLAT_FIELD, FLAT_SHAPE)}
    for name, pair in pairs.items():
        for k, image in enumerate(pair, 1):
            tifffile.imwrite(folder / f"{name}{k}.tif", image, photometric="minisblack")
    tifffile.imwrite(folder / "labels.tif", label_image(), photometric="minisblack")


def label_image() -> np.ndarray:
    """(z, y, x) labels 1 to 48: boxes side by side."""
    z, y, x = (np.arange(n) // step for n, step in zip(SHAPE, (10, 10, 12), strict=True))
    blocks = 1 + (z[:, None, None] * 4 + y[:, None]) * 4 + x
    inside = (z < 3)[:, None, None] & (y < 4)[:, None] & (x < 4)
    return np.where(inside, blocks, 0).astype("u2")


def centres() -> np.ndarray:
    """(48, 3) of the labels."""
    labels = label_image()
    return np.array([np.argwhere(labels == k).mean(axis=0) for k in range(1, labels.max() + 1)])


def save_results(folder: Path) -> None:
    """One of each kind."""
    of_pair, path = {"im1": "im1.tif", "im2": "im2.tif"}, {kind: folder / name for kind, name in RESULTS.items()}
    hdf5.write_field(path["grid"], rows_at(GRID.positions(), FIELD), 0, GRID, metadata(folder, of_pair), advice=ADVICE)
    flat = metadata(folder, {"im1": "flat1.tif", "im2": "flat2.tif"})
    hdf5.write_field(path["flat"], rows_at(FLAT_GRID.positions(), FLAT_FIELD), 0, FLAT_GRID, flat)
    labels = rows_at(centres(), FIELD, LABEL_ROW)
    labels["label"] = np.arange(1, len(labels) + 1)
    extra = {name: labels[name] for name in ("label", "label_dilate", "rotation", "rotation_std", "repaired")}
    known = metadata(folder, {**of_pair, "labels": "labels.tif"})
    hdf5.write_field(path["labels"], labels, 0, None, known, positions=centres(), extra=extra)
    points, cells = create_cuboid((24.0, 24.0, 32.0), 9.0, (7.0, 8.0, 8.0))
    rows = rows_at(points, FIELD)
    of_cells = {"residual": np.arange(len(cells), dtype=float), "return_status": np.full(len(cells), 2)}
    more = {"positions": points, "elements": Elements(cells, of_cells)}
    hdf5.write_field(path["mesh"], rows, 0, None, metadata(folder, of_pair), **more)


def shards_of(folder: Path) -> Shards:
    """Those of a run that goes on, `r-ldic`."""
    made_from = metadata(folder, {"im1": "im1.tif", "im2": "im2.tif"})["provenance"]
    made_from["grid"] = [GRID.origin, GRID.spacing, GRID.shape]
    return Shards(str(folder / "r-ldic"), {"options": {"half_window_size": 5}, "made_from": made_from})


def add_rows(shards: Shards, rows: np.ndarray) -> None:
    """A rank has measured them."""
    name = f"{shards.begin()}.00000.rec"
    Path(shards.folder, name).write_bytes(shards.frame(rows))


def counts_of(path: Path) -> dict[int, int]:
    """How many rows ended how, by the file alone."""
    codes, counts = np.unique(hdf5.read_field(path).return_status, return_counts=True)
    return dict(zip(codes.tolist(), counts.tolist(), strict=True))


def save_vtk(path: Path) -> Field:
    """The grid as legacy VTK."""
    members = members_of_rows(rows_at(GRID.positions(), FIELD), {})
    phi = np.tile(np.eye(4), (GRID.size, 1, 1))
    phi[:, :3] = members["Phi"]
    field = Field(GRID.positions(), phi, members["return_status"], members["error"], members["iterations"],
                  members["delta_phi_norm"], GRID, {}, Family.REGISTRATION)  # fmt: skip
    write_vtk(path, field)
    return field
