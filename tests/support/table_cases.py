"""Fields for the commands that make fields of fields: bent ones with rows that failed, in files, and command lines."""

from pathlib import Path

import numpy as np
import tifffile
from affine_field import field_of_rows

from hpcdvc.cli import main
from hpcdvc.fields.field import ROW, Field
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.rows import some_rows
from hpcdvc.fields.status import Status
from hpcdvc.output.hdf5 import read_field, write_field
from hpcdvc.output.tsv import write_tsv

GRID = Grid((10.0, 12.0, 8.0), (10.0, 12.0, 8.0), (5, 6, 7))
FLAT = Grid((0.0, 12.0, 8.0), (1.0, 12.0, 8.0), (1, 9, 11))
SHAPE = (60, 84, 64)
G = np.array([[0.01, 0.02, -0.03], [-0.04, 0.005, 0.06], [0.03, -0.08, 0.01]])
#: Statuses of rows that are not measured, by their number.
FAILED = {3: -1, 40: -3, 41: 1, 60: -5, 61: -5, 100: -9}


def phi_of(positions: np.ndarray, bent: float = 1.0) -> np.ndarray:
    """(n, 3, 4): an affine motion, and a sine of x on the displacement along y; no motion along or with z at z = 0."""
    gradient = np.array(G)
    if not positions[:, 0].any():
        gradient[0], gradient[:, 0] = 0, 0
    phi = np.zeros((len(positions), 3, 4))
    phi[:, :, :3] = np.eye(3) + gradient
    phi[:, :, 3] = positions @ gradient.T + (np.array([1.5, -2.5, 0.5]) if positions[:, 0].any() else 0)
    phi[:, 1, 3] += bent * np.sin(positions[:, 2] / 10)
    phi[:, 1, 2] += bent * np.cos(positions[:, 2] / 10) / 10
    return phi


def field(grid: Grid | None, positions: np.ndarray | None = None, bent: float = 1.0, failed: dict = FAILED, **extra):
    """A field of the registration family."""
    positions = grid.positions() if grid else positions
    rows = np.zeros(len(positions), ROW)
    rows["index"], rows["Phi"], rows["return_status"] = np.arange(len(rows)), phi_of(positions, bent), Status.CONVERGED
    rows["error"], rows["iterations"], rows["delta_phi_norm"] = 0.5, 4, 1e-4
    rows["zncc"], rows["valid_fraction"], rows["variance"] = 0.9, 1.0, 1e-4
    for number, status in failed.items():
        if number < len(rows):
            wrong = (30 * positions[:, 0].any(), -20, np.nan if status == Status.NO_SPECIMEN else 9)
            rows["return_status"][number], rows["Phi"][number, :, 3] = status, wrong
    return field_of_rows(rows, grid, positions, extra)


def save(name: str, some: Field) -> None:
    """As <name>.tsv and <name>.hdf."""
    rows = np.zeros(len(some), ROW)
    rows["index"], rows["Phi"] = np.arange(len(rows)), some.phi[:, :3]
    for member in ("return_status", "error", "iterations", "delta_phi_norm"):
        rows[member] = getattr(some, member)
    for member in ("zncc", "valid_fraction", "variance"):
        rows[member] = some.extra.get(member, np.nan)
    extra = {key: values for key, values in some.extra.items() if key not in ROW.names}
    write_field(f"{name}.hdf", rows, 0, some.grid, {"key": name}, None, positions=some.positions, extra=extra)
    write_tsv(f"{name}.tsv", some)


def grains() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A label image of boxes, their centres of mass, and their labels, with gaps in the numbers."""
    image = np.zeros(SHAPE, np.uint16)
    labels = np.array([2, 3, 7, 8, 20, 21, 22, 300])
    corners = np.argwhere(np.ones((2, 2, 2))) * [28, 40, 30] + [6, 6, 6]
    for label, (z, y, x) in zip(labels, corners, strict=True):
        image[z : z + 15, y : y + 21, x : x + 17] = label
    return image, corners + [7.0, 10.0, 8.0], labels


def save_all() -> None:
    """All files of `CASES` into the working folder."""
    image, centres, labels = grains()
    tifffile.imwrite("labels.tif", image)
    tifffile.imwrite("im1.tif", np.zeros(SHAPE, np.uint8))
    tifffile.imwrite("flat.tif", np.zeros(SHAPE[1:], np.uint8))
    save("grid", field(GRID))
    save("flat", field(FLAT, failed={5: -1, 30: -5}))
    save("grains", field(None, centres, failed={2: -1}, label=labels.astype(np.uint32)))
    moved = field(None, centres, label=labels.astype(np.uint32), failed={})
    save("moved", field(None, centres + moved.displacement, failed={4: -1}, label=labels.astype(np.uint32)))
    save("reg", some_rows(field(GRID, bent=0.0, failed={}), np.array([80])))


#: Command, words, and end of the names of the files.
CASES = [
    ("passPhiField", "-pf reg.tsv -ns 16 -im1 im1.tif -F rigid -tif -vtk", "passed-ns16"),
    ("passPhiField", "-pf reg.hdf -lab1 labels.tif -vtk", "passed-labelled"),
    ("passPhiField", "-pf grid.hdf -ns3 9 11 7 -im1shape 60 84 64 -nn 8", "passed-ns9-11-7"),
    ("passPhiField", "-pf grid.tsv -ns 9 -im1shape 60 84 64 -nr 14 -cps -F no", "passed-ns9"),
    ("passPhiField", "-pf grid.hdf -lab1 labels.tif", "passed-labelled"),
    ("passPhiField", "-pf grains.tsv -ns 20 -im1 im1.tif -nn 4 -F rigid", "passed-ns20"),
    ("passPhiField", "-pf grains.hdf -ns 20 -im1 im1.tif -nr 40", "passed-ns20"),
    ("passPhiField", "-pf flat.tsv -ns 7 -im1 flat.tif -tif", "passed-ns7"),
    ("passPhiField", "-pf grid.hdf -regs reg.tsv", "passed-regs-rigid"),
    ("passPhiField", "-pf grains.tsv -regs reg.hdf -regsF all -vtk", "passed-regs-all"),
    ("passPhiField", "-pf grid.tsv -pf2 grains.hdf -lab1 labels.tif", "passed-merged"),
    ("passPhiField", "-pf grid.hdf -pf2 grains.tsv grains.hdf -lab1 labels.tif labels.tif -mpl", "passed-merged"),
    ("filterPhiField", "-pf grid.hdf -srs -cint -tif -vtk", "filtered"),
    ("filterPhiField", "-pf grid.tsv -srs -slqc -clqf -nr 22 -F rigid", "filtered-LQC"),
    ("filterPhiField", "-pf grid.hdf -smed -srs -cint -nn 9 -fm -fg", "filtered"),
    ("filterPhiField", "-pf grains.hdf -srs -smed -slqc -cint -nn 6", "filtered"),
    ("filterPhiField", "-pf flat.tsv -srs -smed -slqc -clqf -fm -fmr 2 -F no", "filtered-LQC"),
    ("mergePhis", "grid.hdf grid.tsv", "grid-merge"),
    ("mergePhis", "reg.tsv reg.hdf", "reg-merge"),
    ("mergePhis", "grains.tsv moved.hdf", "moved-merge"),
    ("mergePhis", "reg.tsv grains.tsv", "grains-merge"),
    ("mergePhis", "grid.hdf moved.hdf -nn 5", "moved-merge"),
    ("mergePhis", "flat.tsv flat.hdf", "flat-merge"),
]


def filtered(*words: object, command: str = "filterPhiField", code: int = 0) -> Field:
    """The field that a command line makes, in the working folder; overwrites."""
    assert main(command, [*map(str, words), "--force", "-pre", "x"]) == code
    (path,) = Path().glob("x-*.hdf")
    result = read_field(path)
    for old in Path().glob("x-*"):
        old.unlink()
    return result
