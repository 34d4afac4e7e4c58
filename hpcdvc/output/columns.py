"""The columns of the result files, each declared once: writers, readers, views and the documentation follow this list.

A command that has something new to say adds a line to `COLUMNS`, and nothing else.

In the file vectors are (x, y, z) and tensors row-major xx, xy, xz, yx, ... so that viewers show them as they are; in
memory (`hpcdvc.fields.field`) and in tables everything is ZYX.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np

from hpcdvc.fields.strain import COMPONENTS as STRAIN
from hpcdvc.fields.strain import MEANINGS
from hpcdvc.fields.strain_errors import WITHOUT

#: what a file holds: nodes of a grid, free points, labelled particles, one registration, nodes of a mesh, a dense image
KINDS = ("grid", "points", "labels", "registration", "mesh", "image")
_ROWS = KINDS[:5]  # those with a row of `hpcdvc.fields.field.ROW` per point
#: what a window measures, at a node or at a pixel
_WINDOWS = ("grid", "image")


@dataclass(frozen=True)
class Components:
    """The numbers that a column has at each point.

    Attributes
    ----------
    names : in the order of the file, the one in which ParaView names them by itself
    order : number k of the file is number order[k] in memory, counted in C order
    shape : of the numbers of one point in memory
    constant : how many of them, the last ones in memory, are the same everywhere and in no table
    """

    names: tuple[str, ...]
    order: tuple[int, ...]
    shape: tuple[int, ...]
    constant: int = 0


_XYZ = ("x", "y", "z")
_TENSOR = tuple(i + j for i in _XYZ for j in _XYZ)
#: F bordered by the displacement t
_PHI = (*(f"F{i}{j}" if j else f"t{i}" for i in _XYZ for j in (*_XYZ, "")), "0", "0", "0", "1")
_PHI_ORDER = tuple(4 * row + column for row in (2, 1, 0, 3) for column in (2, 1, 0, 3))

SCALAR = Components((), (0,), ())
VECTOR = Components(_XYZ, (2, 1, 0), (3,))
TENSOR = Components(_TENSOR, tuple(range(8, -1, -1)), (3, 3))
#: in memory zz, zy, zx, yy, yx, xx
SYMMETRIC = Components(("xx", "yy", "zz", "xy", "yz", "xz"), (5, 3, 0, 4, 1, 2), (6,))
PHI = Components(_PHI, _PHI_ORDER, (4, 4), constant=4)
PHI_ROWS = Components(_PHI[:12], _PHI_ORDER[:12], (12,))
#: what viewers and legacy VTK know by themselves
SHOWN = (SCALAR, VECTOR, TENSOR, SYMMETRIC)


@dataclass(frozen=True)
class Column:
    """One array of a file.

    Attributes
    ----------
    name : name of the dataset
    dtype : NumPy type; empty for grey values, which keep theirs; in images f8 stands for f4
    unit : physical unit; lengths are voxels; empty for a number without one
    meaning : one line for the documentation
    components : what stands at each point
    kinds : kinds of files that may hold it
    source : what it is made from, a member of ``ROW`` or a key of `Field.extra`, where that is not `name`
    make : makes the array (n, ...), ZYX, from the source; default the source itself
    unmake : makes the source, as far as it can be told, from a table's (n, ...)
    blank : NaN where a row is not measured (`hpcdvc.fields.status.is_measured`)
    tsv : names of its components in tables, ZYX; empty where tables do not have it
    tif : names of its components as images, ZYX; empty where it is not shown
    vtk : its name in legacy VTK files; empty where it is not shown
    """

    name: str
    dtype: str
    unit: str
    meaning: str
    components: Components = SCALAR
    kinds: tuple[str, ...] = _ROWS
    source: str = ""
    make: Callable[[np.ndarray], np.ndarray] | None = None
    unmake: Callable[[np.ndarray], np.ndarray] | None = None
    blank: bool = False
    tsv: tuple[str, ...] = ()
    tif: tuple[str, ...] = ()
    vtk: str = ""

    def __post_init__(self) -> None:
        told = prod(self.components.shape) - self.components.constant
        for names in filter(None, (self.tsv, self.tif)):
            if len(names) != told:
                raise ValueError(f"column {self.name} has {told} components, but {len(names)} names: {names}")
        if self.vtk and self.components not in SHOWN:
            raise ValueError(f"column {self.name}: legacy VTK files show scalars, vectors and tensors")
        if self.blank and np.dtype(self.dtype).kind != "f":
            raise ValueError(f"column {self.name} is {self.dtype}: NaN needs floating point")

    @property
    def made_from(self) -> str:
        """Member of ``ROW`` or key of `Field.extra`."""
        return self.source or self.name

    @property
    def derived(self) -> bool:
        """Whether it is made of another column, for viewers; a reader leaves it."""
        return self.make is not None and self.made_from != self.name

    @property
    def row_bytes(self) -> int:
        """Bytes per point."""
        return np.dtype(self.dtype).itemsize * prod(self.components.shape)

    def to_file(self, values: np.ndarray) -> np.ndarray:
        """(n, ...) of memory -> (n,) or (n, components) of the file; ValueError if these are not such numbers."""
        width = prod(self.components.shape)
        if np.size(values) != len(values) * width:
            raise ValueError(f"column {self.name} has {width} numbers at each point, not {np.shape(values)[1:]}")
        given = np.asarray(values)
        values = np.ascontiguousarray(given, self.dtype)
        if values.dtype.kind in "iu" and values.dtype != given.dtype and not np.array_equal(values, given):
            raise ValueError(f"column {self.name} holds {values.dtype}, and not all of its values are such numbers")
        return values.reshape(len(values), width).take(self.components.order, axis=1) if width > 1 else values


def to_memory(values: np.ndarray, components: Components) -> np.ndarray:
    """(n,) or (n, components) of a file -> (n, ...) of memory."""
    if not components.shape:
        return values
    return values.take(np.argsort(components.order), axis=1).reshape(-1, *components.shape)


def _bordered(phi: np.ndarray) -> np.ndarray:
    result = np.zeros((len(phi), 4, 4))
    result[:, :3] = phi
    result[:, 3, 3] = 1
    return result


def _deviations(variance: np.ndarray, part: slice | int) -> np.ndarray:
    return np.sqrt(variance.reshape(-1, 3, 4)[:, :, part])


def _variance_of(displacement_std: np.ndarray) -> np.ndarray:
    variance = np.full((len(displacement_std), 12), np.nan)
    variance[:, 3::4] = displacement_std**2
    return variance


def _strain(name: str, end: str, meaning: str) -> Column:
    """A component of strain, or its standard deviation."""
    parts = STRAIN[name]
    names = tuple(f"{name}{part}{end}" for part in parts) or (name + end,)
    shape = {0: SCALAR, 3: VECTOR, 6: SYMMETRIC}[len(parts)]
    shown = {"components": shape, "blank": True, "tsv": names, "tif": names, "vtk": name + end}
    return Column(name + end, "f8", "degree" if name == "r" else "1", meaning, **shown)


#: files of one Φ for a pair of images, or for each of several
_SHIFTS = ("registration", "points")
_DISPLACEMENTS = ("Zdisp", "Ydisp", "Xdisp")
_PHI_NAMES = tuple(f"F{i}{j}" if j else f"{i.upper()}disp" for i in "zyx" for j in (*"zyx", ""))

COLUMNS = (
    Column("displacement", "f8", "voxel", "from im1 to im2", VECTOR, KINDS, source="Phi",
           make=lambda phi: phi[:, :, 3], blank=True, tif=_DISPLACEMENTS, vtk="displacements"),
    Column("Phi", "f8", "1, voxel", "4x4 deformation function; the last iterate where not measured", PHI,
           make=_bordered, tsv=_PHI_NAMES),
    Column("F", "f8", "1", "transformation gradient", TENSOR, source="Phi", make=lambda phi: phi[:, :, :3], blank=True),
    Column("error", "f8", "grey value", "sum of squared residuals / sum of the grey values of im1",
           tsv=("error",), tif=("error",), vtk="error"),
    Column("iterations", "i4", "", "number of iterations", tsv=("iterations",), tif=("iterations",), vtk="iterations"),
    Column("returnStatus", "i4", "", "how the point ended: see statuses", kinds=KINDS, source="return_status",
           tsv=("returnStatus",), tif=("returnStatus",), vtk="returnStatus"),
    Column("deltaPhiNorm", "f8", "", "norm of the last change of Phi", source="delta_phi_norm",
           tsv=("deltaPhiNorm",), tif=("deltaPhiNorm",), vtk="deltaPhiNorm"),
    Column("displacement_std", "f8", "voxel", "standard deviation of the displacement", VECTOR, KINDS,
           source="variance", make=lambda variance: _deviations(variance, 3), unmake=_variance_of, blank=True,
           tsv=("Zdisp_std", "Ydisp_std", "Xdisp_std")),
    Column("F_std", "f8", "1", "standard deviation of F", TENSOR, source="variance",
           make=lambda variance: _deviations(variance, slice(3)), blank=True),
    Column("Phi_variance", "f8", "1, voxel^2", "variances of the first three rows of Phi", PHI_ROWS, source="variance"),
    Column("zncc", "f8", "", "zero-mean normalised correlation of the two windows", kinds=KINDS, tsv=("zncc",)),
    Column("cost", "f8", "grey value^2", "what the model of speckles leaves of the window", kinds=_WINDOWS,
           tsv=("cost",), tif=("cost",), vtk="cost"),
    Column("transmission", "f8", "", "grey values behind the sample over those without it", kinds=_WINDOWS, blank=True,
           tsv=("transmission",), tif=("transmission",), vtk="transmission"),
    Column("visibility", "f8", "", "contrast of the speckles behind the sample over that without it, 1 without "
           "scattering", kinds=_WINDOWS, blank=True, tsv=("visibility",), tif=("visibility",), vtk="visibility"),
    Column("phase", "f8", "pixel^2", "phase of which the displacements are the gradient", kinds=("image",),
           tif=("phase",)),
    Column("curvature", "f4", "voxel", "what was added to the displacement of an affine window for the curvature of "
           "the field; NaN where not known", VECTOR, kinds=("grid",)),
    Column("curvature_part", "f4", "", "part that the window itself took of the curvature that it saw; the rest is its "
           "neighbours'", kinds=("grid",)),
    Column("valid_fraction", "f8", "", "part of the window that took part", tsv=("validFraction",)),
    Column("CC", "f8", "", "normalised correlation of a whole-voxel search", tsv=("pixelSearchCC",),
           tif=("CC",), vtk="pixelSearchCC"),
    Column("second_CC", "f8", "", "best correlation of the search outside the peak", tsv=("secondCC",)),
    Column("range_low", "i4", "voxel", "least displacement that was tried, from the rounded start", VECTOR,
           tsv=("Zlow", "Ylow", "Xlow")),
    Column("range_high", "i4", "voxel", "greatest displacement that was tried, from the rounded start", VECTOR,
           tsv=("Zhigh", "Yhigh", "Xhigh")),
    Column("border", "i4", "", "1 where the best correlation lies on the border of the range", tsv=("border",)),
    Column("measured_Phi", "f8", "1, voxel", "first three rows of Phi before a filter", PHI_ROWS,
           tsv=tuple(f"{name}_measured" for name in _PHI_NAMES)),
    Column("measured_displacement", "f8", "voxel", "displacement before a filter", VECTOR, source="measured_Phi",
           make=lambda phi: phi.reshape(-1, 3, 4)[:, :, 3]),
    Column("measured_status", "i4", "", "how the point ended before a filter",
           tsv=("returnStatus_measured",)),
    Column("label", "u4", "", "label of the particle", kinds=_ROWS[:3], tsv=("Label",)),
    Column("rotation", "f8", "degree", "rotation vector of the particle", VECTOR, ("labels",),
           blank=True, tsv=("Zrot", "Yrot", "Xrot")),
    Column("rotation_std", "f8", "degree", "standard deviation of the rotation", VECTOR, ("labels",),
           blank=True, tsv=("Zrot_std", "Yrot_std", "Xrot_std")),
    Column("repaired", "i4", "", "how a particle that had failed was measured after all: 1 from what its neighbours "
           "have measured, 2 from a search; else 0", kinds=("labels",), tsv=("repaired",)),
    Column("manual", "i4", "", "who says so: 0 as it was measured; by eye 1 placed, 2 refined from there, 3 refined "
           "from a start of the page, 4 found by a search, 5 looked at and kept, 6 rejected", kinds=("labels",),
           tsv=("manual",)),
    Column("label_dilate", "i4", "voxel", "how far the label was dilated", kinds=("labels",), tsv=("LabelDilate",)),
    Column("explained", "f8", "", "part of the variance of im2 that im1 explains", kinds=("registration",),
           tsv=("explained",)),
    Column("step", "i4", "", "number of the pair of images in the series, from 1", kinds=_SHIFTS, tsv=("step",)),
    Column("world1disp", "f8", "degree", "displacement along the first world axis of im1", kinds=_SHIFTS, blank=True,
           tsv=("world1disp",)),
    Column("world2disp", "f8", "degree", "displacement along the second world axis of im1", kinds=_SHIFTS, blank=True,
           tsv=("world2disp",)),
    Column("residual", "f8", "grey value", "what is left of im1, its root mean square in a tetrahedron; across "
           "modalities how far im2 is from what im1 makes expect, in standard deviations", kinds=("mesh", "image")),
    Column("phase_map", "u1", "", "number of the phase that the grey values of both images tell; 0: none",
           kinds=("image",)),
    Column("gain", "f8", "", "what the grey values of im2 are multiplied by there to be compared", kinds=("mesh",)),
    Column("offset", "f8", "grey value", "and what is added to them", kinds=("mesh",)),
    Column("grey", "", "", "grey values", kinds=("image",)),
    Column("reconstruction", "f8", "1/voxel", "absorbance of a voxel, base 10", kinds=("image",),
           tif=("reconstruction",)),
    *(_strain(name, "", meaning) for name, meaning in MEANINGS.items()),
    *(_strain(name, "_std", f"standard deviation of {name}") for name in MEANINGS if name not in WITHOUT),
)  # fmt: skip


def columns_of(kind: str) -> tuple[Column, ...]:
    """Columns that a kind of file may hold."""
    return tuple(column for column in COLUMNS if kind in column.kinds)


def components_named(names: str) -> Components | None:
    """The components of these names, separated by spaces as in a file; None if this version knows none such."""
    return next((known for known in (*SHOWN, PHI, PHI_ROWS) if " ".join(known.names) == names), None)
