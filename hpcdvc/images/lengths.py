"""How large a voxel is by what a file says about itself: told to the user, never used unasked.

`READERS` has one entry for each kind of file that may say it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np

from hpcdvc.errors import RunError
from hpcdvc.images import fits, metaimage, nifti
from hpcdvc.images.files import LoneFile
from hpcdvc.images.volume import VolumeInfo, header_seconds, reading
from hpcdvc.options.voxel_size import VoxelSize

#: Units as programs write them -> ours, and the factor on the number.
NAMES = {
    **dict.fromkeys(
        ("um", "\u00b5m", "\u03bcm", "\\u00b5m", "micron", "microns", "micrometer", "micrometre"), ("um", 1)
    ),
    **dict.fromkeys(("mm", "millimeter", "millimetre"), ("mm", 1)),
    **dict.fromkeys(("nm", "nanometer", "nanometre"), ("nm", 1)),
    **dict.fromkeys(("m", "meter", "metre"), ("m", 1)),
    **dict.fromkeys(("cm", "centimeter", "centimetre"), ("mm", 10)),
    **dict.fromkeys(("\u00c5", "angstrom"), ("nm", 0.1)),
}
#: Resolutions of screens and printers, dots per inch, which programs write where they know none.
OF_SCREENS = (72, 96, 100, 150, 200, 300, 600, 1200)
#: Edges that differ by less than this part are those of a cube.
CUBE = 1e-4
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 282, 283, 296
UM_PER_INCH = 25400.0


@dataclass(frozen=True)
class Said:
    """The edges of a voxel.

    Attributes
    ----------
    edges : along z, y, x, or y, x where no more is said
    unit : um, mm, nm or m
    """

    edges: tuple[float, ...]
    unit: str

    @property
    def size(self) -> VoxelSize | None:
        """The one edge of a cube; None where voxels are none, or cannot be."""
        if max(self.edges) - min(self.edges) > CUBE * max(self.edges):
            return None
        try:
            return VoxelSize.of(f"{self.edges[-1]:.6g}{self.unit}")
        except ValueError:
            return None

    def __str__(self) -> str:
        if self.size:
            return str(self.size)
        names = " ".join("ZYX"[-len(self.edges) :])
        return f"{' x '.join(f'{edge:.6g}' for edge in self.edges)} {self.unit} ({names})"


def said_by(info: VolumeInfo) -> Said | None:
    """What a volume says of its voxels; None where it says nothing, or nothing that makes sense."""
    reader = READERS.get(info.kind)
    if reader is None:
        return None
    try:
        with reading(info.spec, header_seconds(info.files[0])):
            return reader(info)
    except RunError:
        raise
    except Exception:  # the voxels have been found; what cannot be read of this is not said
        return None


def sentence(info: VolumeInfo, given: VoxelSize | None) -> str | None:
    """What is to be told of it beside the size that is used; None where that is all the same.

    Parameters
    ----------
    info : the volume
    given : the size of a voxel that is used, if there is one
    """
    said = said_by(info)
    if said is None or (given and said.size and given.equals(said.size)):
        return None
    if given:
        return f"{info.spec} says {said}, {given} is used"
    if said.size is None:
        return f"{info.spec} says {said}: voxels that are no cubes have no --voxel-size, lengths are voxels"
    return f"{info.spec} says {said}: --voxel-size {said.size.text} uses it"


def _said(edges: tuple, unit: str) -> Said | None:
    """Edges in a unit as a program calls it; None where they are none."""
    name, factor = NAMES.get(unit.strip(), NAMES.get(unit.strip().lower(), (None, 0)))
    lengths = tuple(float(edge) * factor for edge in edges)
    if name is None or not all(math.isfinite(length) and length > 0 for length in lengths):
        return None
    return Said(lengths, name)


def _of_tiff(info: VolumeInfo) -> Said | None:
    """By an OME header, by that of ImageJ, or by the tags of the first page."""
    import tifffile

    with LoneFile(info.files[0]) as file, tifffile.TiffFile(file) as tif:
        if tif.is_ome:
            return _of_ome(tif.ome_metadata)
        tags = tif.pages.first.tags
        per = [_ratio(tags.valueof(code)) for code in (Y_RESOLUTION, X_RESOLUTION)]
        if min(per) <= 0:
            return None
        edges = tuple(1 / resolution for resolution in per)
        if tif.is_imagej:
            facts = tif.imagej_metadata or {}
            depth = (facts["spacing"],) if "spacing" in facts and not info.two_dimensional else ()
            return _said((*depth, *edges), str(facts.get("unit", "")))
        inches = {2: 1.0, 3: 1 / 2.54}.get(int(tags.valueof(RESOLUTION_UNIT, 2)))
        if inches is None:
            return None
        dots = [resolution / inches for resolution in per]
        if any(one <= 3 or any(math.isclose(one, dpi, rel_tol=0.01) for dpi in OF_SCREENS) for one in dots):
            return None
        return _said(tuple(UM_PER_INCH / one for one in dots), "um")


def _ratio(value: object) -> float:
    """A resolution, which is stored as two whole numbers; 0 for none."""
    if not isinstance(value, tuple) or len(value) != 2 or not value[1]:
        return 0.0
    return value[0] / value[1]


def _of_ome(words: str) -> Said | None:
    """The first image of an OME header; lengths without a unit are micrometres there."""
    if "<!DOCTYPE" in words or "<!ENTITY" in words:
        return None
    for element in ElementTree.fromstring(words).iter():
        if element.tag.rsplit("}", 1)[-1] == "Pixels":
            told = element.attrib
            axes = [axis for axis in "ZYX" if f"PhysicalSize{axis}" in told]
            units = {told.get(f"PhysicalSize{axis}Unit", "um") for axis in axes}
            if not {"Y", "X"} <= set(axes) or len(units) > 1:
                return None
            axes = axes if int(told.get("SizeZ", 1)) > 1 else ["Y", "X"]
            return _said(tuple(told[f"PhysicalSize{axis}"] for axis in axes), units.pop())
    return None


def _of_hdf5(info: VolumeInfo) -> Said | None:
    """By the attribute `element_size_um` (ZYX) of a dataset, or by a result of ours."""
    import h5py

    with h5py.File(info.files[0], "r", locking=False) as file:
        data = file[info.dataset]
        if "element_size_um" in data.attrs:
            edges = np.asarray(data.attrs["element_size_um"], float).ravel()
            return _said(tuple(edges[-2:] if info.two_dimensional else edges), "um") if edges.size == 3 else None
        ours = file.get("hpcdvc")
        text = None if ours is None else ours.attrs.get("voxel_size")
        if text is None:
            return None
        size = VoxelSize.of(bytes(text).decode().strip('"'))
        return Said((size.number,) * (3 - info.two_dimensional), size.unit)


def _of_fits(info: VolumeInfo) -> Said | None:
    """By CDELT1, CDELT2, ... where CUNIT1, CUNIT2, ... are lengths."""
    cards = fits.cards_of(info)
    axes = ("2", "1") if info.two_dimensional else ("3", "2", "1")
    units = {cards.get(f"CUNIT{axis}", "").strip() for axis in axes}
    if len(units) > 1 or not all(f"CDELT{axis}" in cards for axis in axes):
        return None
    return _said(tuple(abs(float(cards[f"CDELT{axis}"].upper().replace("D", "E"))) for axis in axes), units.pop())


def _of_nifti(info: VolumeInfo) -> Said | None:
    """By pixdim, where xyzt_units says in which unit."""
    edges, unit = nifti.edges_of(info)
    return _said(edges[-2:] if info.two_dimensional else edges, unit)


def _of_metaimage(info: VolumeInfo) -> Said | None:
    """By ElementSpacing, else ElementSize, where DistanceUnits says in which unit; ITK's own is the millimetre."""
    edges, unit = metaimage.edges_of(info)
    return _said(edges[-2:] if info.two_dimensional else edges, unit or "mm") if edges else None


READERS: dict[str, Callable[[VolumeInfo], Said | None]] = {
    "tiff": _of_tiff,
    "slices": _of_tiff,
    "hdf5": _of_hdf5,
    "fits": _of_fits,
    "nifti": _of_nifti,
    "metaimage": _of_metaimage,
}
