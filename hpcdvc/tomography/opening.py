"""The way into a scan: what its file is, is told by its content."""

import os
from dataclasses import replace

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.images import describe
from hpcdvc.images.opening import split
from hpcdvc.tomography import geo, mumott, nexus
from hpcdvc.tomography.angles import check_angles, read_angles
from hpcdvc.tomography.frames import Frames, FrameViews, check_size
from hpcdvc.tomography.geometry import Geometry
from hpcdvc.tomography.nexus import Stored
from hpcdvc.tomography.parts import opened, part
from hpcdvc.tomography.scan import Scan


def describe_scan(
    scan: str,
    *,
    data: str | None = None,
    angles: str | None = None,
    tilt: str | None = None,
    flat: str | None = None,
    dark: str | None = None,
    absorbances: bool = True,
    background: str = "bright",
    volume: tuple[int, int, int] | None = None,
) -> Scan:
    """Find out what a scan is, from headers alone.

    Parameters
    ----------
    scan
        An HDF5 file of mumott, an NXtomo or DataExchange file, any other HDF5 file, or a stack of images as
        `hpcdvc.images.describe` has them. Rows of frames are pixels k, columns are pixels j.
    data
        Dataset of an HDF5 file that holds the views, whatever the file is else.
    angles
        A text of degrees, one or two (with a tilt) in each line; a dataset of the scan; or a .geo file.
    tilt
        Degrees of all views, or a text or dataset of one for each.
    flat, dark
        Frames without sample, and without beam: datasets of the scan, or files. They go before those of the scan. A
        stack and an HDF5 file of no other kind hold absorbances where neither is given; with `dark` alone, light.
    absorbances
        Make absorbances of light; otherwise values are taken as they are stored.
    background
        The light beside the sample: see `hpcdvc.tomography.normalise.beam_of`.
    volume
        (X, Y, Z) voxels; by default those of the file, else (J, J, K).

    Raises
    ------
    UserError
        A file is missing, damaged or of another kind, something does not fit or is not there; one sentence.
    """
    path, name = split(scan)
    hdf5 = _is_hdf5(path)
    kind = _kind(path, scan) if hdf5 and data is None and name is None else "HDF5" if hdf5 else "stack"
    if kind == "mumott":
        for option, value in {"-angles": angles, "-tilt": tilt, "-flat": flat, "-dark": dark}.items():
            if value is not None:
                raise UserError(f"{scan} is a file of mumott, which holds all of a scan: leave out {option}")
        found = mumott.describe(scan, path, absorbances, background)
    else:
        if data is not None and not hdf5:
            raise UserError(f"-data names a dataset of an HDF5 file, which {scan} is not")
        stored = _stored(kind, scan, path, data)
        views = _views(stored, kind, scan, path if hdf5 else None, (flat, dark), absorbances, background)
        found = _placed(stored, views, kind, scan, path if hdf5 else None, angles, tilt)
    count = found.geometry.views
    if count < 2:
        raise UserError(f"{scan} has a single view: alignment takes two and more")
    geometry = found.geometry if volume is None else replace(found.geometry, volume=tuple(volume))
    return replace(found, geometry=geometry, absorbances=absorbances)


def _is_hdf5(path: str) -> bool:
    """Whether it is an HDF5 file, by its first bytes."""
    import h5py

    return os.path.isfile(path) and bool(h5py.is_hdf5(path))


def _kind(path: str, spec: str) -> str:
    """What an HDF5 file is."""
    with opened(path, spec) as file:
        if mumott.is_mumott(file, spec):
            return "mumott"
        if nexus.is_exchange(file, spec):
            return "DataExchange"
        return "NXtomo" if nexus.nxtomo_entry(file, spec) is not None else "HDF5"


def _stored(kind: str, spec: str, path: str, data: str | None) -> Stored:
    """What a file of frames holds."""
    if kind == "NXtomo":
        with opened(path, spec) as file:
            return nexus.read_nxtomo(nexus.nxtomo_entry(file, spec), path, spec)
    if kind == "DataExchange":
        with opened(path, spec) as file:
            return nexus.read_exchange(file, path, spec)
    return Stored(Frames.all(describe(spec if data is None else f"{path}:{data}")))


def _views(
    stored: Stored,
    kind: str,
    spec: str,
    path: str | None,
    given: tuple[str | None, str | None],
    absorbances: bool,
    background: str,
) -> FrameViews:
    """The frames of a scan, and what makes absorbances of them."""
    flat, dark = (
        own if name is None else Frames.all(describe(_place(name, path, spec)))
        for name, own in zip(given, (stored.flat, stored.dark), strict=True)
    )
    if not absorbances:
        if any(name is not None for name in given):
            raise UserError("-noabs takes the values as they are stored: leave out -flat and -dark")
        return FrameViews(stored.frames)
    if flat is None and kind in ("NXtomo", "DataExchange"):
        raise UserError(f"{spec} holds no flats, frames without sample: give them with -flat, or -noabs")
    check_size(stored.frames, flat, "flat")
    check_size(stored.frames, dark, "dark")
    light = flat is not None or dark is not None
    return FrameViews(stored.frames, flat, dark, light, background)


def _place(name: str, path: str | None, spec: str) -> str:
    """A file, or a dataset of the scan, as it is opened."""
    if path is not None:
        with opened(path, spec) as file:
            if part(file, name, spec) is not None:
                return f"{path}:{name}"
    if not os.path.exists(split(name)[0]):
        also = f", and {spec} has no such dataset" if path is not None else ""
        raise UserError(f"there is no file {name}{also}")
    return name


def _placed(
    stored: Stored, views: FrameViews, kind: str, spec: str, path: str | None, angles: str | None, tilt: str | None
) -> Scan:
    """A scan of frames, its angles found."""
    count, (rows, columns) = len(stored.frames.numbers), stored.frames.size
    if angles is not None and geo.is_geo(angles):
        if tilt is not None:
            raise UserError(f"{angles} holds all directions of views: leave out -tilt")
        known = geo.read_geo(angles)
        check_angles(known.j_offsets, count, angles, spec)
        if known.shape not in (None, (columns, rows)):
            sizes = [" x ".join(map(str, size)) for size in (known.shape, (columns, rows))]
            raise UserError(f"{angles} is of views of {sizes[0]} pixels, those of {spec} have {sizes[1]}")
        geometry = Geometry.of_rotations(
            known.rotations, (columns, rows), known.volume, known.inner, known.outer, known.goniometer
        )
        return Scan(spec, geometry, known.j_offsets, known.k_offsets, views, kind)
    found, name = (stored.angles, stored.name) if angles is None else (read_angles(angles, path, spec), angles)
    if found is None:
        raise UserError(f"{spec} holds no angles: give them with -angles")
    check_angles(found, count, name, spec)
    inner, outer = found[:, 0], found[:, 1] if found.shape[1] == 2 else None
    if tilt is not None:
        if outer is not None:
            raise UserError(f"{name} holds tilts, and -tilt others")
        outer = _tilts(tilt, count, path, spec)
    nothing = np.zeros(count)
    return Scan(spec, Geometry.of_angles(inner, outer, (columns, rows)), nothing, nothing, views, kind)


def _tilts(tilt: str, count: int, path: str | None, spec: str) -> np.ndarray:
    """(n,) radian: one number for all views, or one for each."""
    try:
        outer = np.full((count, 1), np.deg2rad(float(tilt)))
    except ValueError:
        outer = read_angles(tilt, path, spec)
    check_angles(outer, count, f"-tilt {tilt}", spec)
    if outer.shape[1] != 1:
        raise UserError(f"{tilt} has two numbers for each view, where its tilt is meant")
    return outer[:, 0]
