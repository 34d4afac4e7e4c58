"""Volumes in TIFF files, whatever their inner organisation.

tifffile groups the pages of a file to series. One series is the volume; so are several series of one slice each, as
programs leave them that append slice after slice.
"""

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from hpcdvc.errors import UserError, shortened
from hpcdvc.images.files import LoneFile, read_block
from hpcdvc.images.numbers import colour_notes, floating, luminance
from hpcdvc.images.tiff_headers import HEADERS, check_headers, check_parts
from hpcdvc.images.volume import VolumeInfo, make_info, part_of

#: Photometric interpretations whose numbers are no grey values from black to white, and how they are taken.
SHADES = {
    0: "white is stored as 0, its grey values are taken as they are stored, not inverted",
    3: "it has a palette, the numbers of the colours are taken as grey values",
}
PHOTOMETRIC, ORIENTATION = 262, 274
#: Formats of slide scanners, which tifffile knows and which hold no volume.
SLIDES = ("svs", "scn", "qpi", "ndpi", "bif", "avs", "eer", "philips", "indica")


@dataclass(frozen=True)
class _Layout:
    """Where the voxels of a TIFF file are: in one block from `offset` on, else in `pages` one after the other.

    A voxel of colour has several `samples`, along this axis of a page.
    """

    shape: tuple[int, ...]
    stored: np.dtype
    offset: int | None
    pages: list
    samples: int = 1
    axis: int = -1


@contextmanager
def _open(path: str, ome: bool) -> Iterator:
    import tifffile

    # what it logs about broken files is said in a sentence of our own
    logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)
    other = {f"is_{kind}": False for kind in SLIDES if kind in tifffile.TIFF.FILE_FLAGS}
    with LoneFile(path) as file, tifffile.TiffFile(file, is_ome=None if ome else False, **other) as tif:
        yield tif


def _check_page_chain(tif, spec: str) -> None:
    """Refuse a file whose chain of pages breaks off: its last slices are lost."""
    if not tif.pages:
        raise UserError(f"{spec} is a damaged TIFF file: there is no image in it")
    tif.filehandle.seek(tif.pages.next_page_offset)
    link = tif.filehandle.read(tif.tiff.offsetsize)
    if len(link) < tif.tiff.offsetsize or any(link):
        raise UserError(f"{spec} is truncated: the file breaks off after page {len(tif.pages)}")


def _header(series) -> str:
    """What says how the pages make up an image."""
    return HEADERS.get(series.kind.lower(), series.kind)


def _check_one_image(tif, spec: str) -> None:
    """Refuse a file that is not one volume or one image of grey values."""
    first, *others = tif.series
    shape = first.get_shape(squeeze=True)
    if tif.is_imagej and first.kind.lower() not in HEADERS:
        raise UserError(f"{spec} is truncated or damaged: it has fewer slices than its ImageJ header says")
    axes, samples = first.get_axes(squeeze=True), first.keyframe.samplesperpixel
    if "S" in axes and not (axes.endswith(("YXS", "SYX")) and samples in (3, 4) and _is_red_green_blue(first.keyframe)):
        raise UserError(f"{spec} is a colour image of shape {shape} ({first.dtype}): convert it to grey values")
    if first.keyframe.dtype is None:
        raise UserError(f"{spec} holds {first.keyframe.bitspersample}-bit voxels of a type that cannot be read")
    for other in others:
        alike = other.get_shape(squeeze=True) == shape and other.dtype == first.dtype
        # each image of an OME file is one of its own, at another position
        if not alike or len(shape) != 2 or len(first) != 1 or len(other) != 1 or _header(first) == "OME":
            raise UserError(
                f"{spec} holds several images, {shape} ({first.dtype}) and {other.get_shape(squeeze=True)} "
                f"({other.dtype}): one volume is needed"
            )


def _is_red_green_blue(page) -> bool:
    """Whether the numbers of a page, decoded, are red, green and blue; JPEG's are made so."""
    return page.photometric == 2 or page.photometric == 6 and page.compression in (6, 7)


def _layout(tif) -> _Layout:
    """Where and how the voxels are stored."""
    first, *others = tif.series
    shape = first.get_shape(squeeze=True)
    stored = first.dtype.newbyteorder(tif.byteorder)
    axes = first.get_axes(squeeze=True)
    if "S" in axes:
        place = axes.index("S")
        grey = shape[:place] + shape[place + 1 :]
        pages = [page for series in tif.series for page in series]
        size = (len(pages), *grey) if others else grey
        return _Layout(size, stored, None, pages, shape[place], place - len(axes))
    if not others and first.dataoffset is not None:
        return _Layout(shape, stored, first.dataoffset, [])
    pages = [page for series in tif.series for page in series]
    return _Layout((len(pages), *shape) if others else shape, stored, None, pages)


def _slots(tif, layout: _Layout) -> int:
    """How many pages the voxels fill."""
    return math.prod(layout.shape) * layout.samples // math.prod(tif.series[0].keyframe.shape)


def _check_all_pages(tif, layout: _Layout, spec: str) -> None:
    """Refuse a file with pages that would not be read, or with fewer than its header says."""
    first, there = tif.series[0], len(tif.pages)
    taken = len(layout.pages) or _slots(tif, layout)
    if there != taken and (layout.pages or there > 1):  # one page may be followed by the voxels of all
        raise UserError(
            f"{spec} has {there} pages, but its header ({_header(first)}) tells of {taken}: save it anew, so that both "
            "agree"
        )
    if first.kind.lower() == "mmstack" and layout.pages:
        places = [{None if page is None else page.dataoffsets for page in pages} for pages in (layout.pages, tif.pages)]
        if places[0] != places[1]:
            raise UserError(f"{spec} is damaged: the index of Micro-Manager leads elsewhere than its pages")


def _notes(tif, taken: int, spec: str) -> Iterator[str]:
    """What the user has to know of how the voxels are taken."""
    for shade in dict.fromkeys(SHADES.get(series.keyframe.tags.valueof(PHOTOMETRIC)) for series in tif.series):
        if shade:
            yield shade
    orientation = tif.series[0].keyframe.tags.valueof(ORIENTATION, 1)
    if orientation != 1:
        yield f"its orientation tag ({int(orientation)}) is not applied, rows and columns are taken as they are stored"
    if tif.series[0].kind.lower() == "mmstack":
        summary = tif.micromanager_metadata["Summary"]
        planned = math.prod(int(summary.get(name, 1)) for name in ("Slices", "Frames", "Channels", "Positions"))
        check_parts(tif, spec, planned, taken)
        if planned > taken:
            yield f"{planned} slices were to be acquired, {taken} are there and taken"


def _check_voxels_present(tif, layout: _Layout, spec: str) -> None:
    """Refuse a file that is shorter than its header says, or has slices missing, or voxels where there can be none."""
    header, size = tif.tiff.offsetsize * 2, tif.filehandle.size
    starts = [layout.offset] if layout.offset is not None else []
    ends = [layout.offset + math.prod(layout.shape) * layout.stored.itemsize] if layout.offset is not None else []
    for number, page in enumerate(layout.pages):
        if page is None or not page.dataoffsets or 0 in page.databytecounts:
            raise UserError(f"{spec} is damaged: slice {number} has no voxels")
        if tif.series[0].kind.lower() == "uniform" and page.aspage().hash != tif.series[0].keyframe.hash:
            raise UserError(f"{spec} holds images of different sizes or types: slice {number} is not like the first")
        starts.append(min(page.dataoffsets))
        ends.append(max(map(sum, zip(page.dataoffsets, page.databytecounts, strict=True))))
        frame = page.keyframe
        if frame.compression == 1 and sum(page.databytecounts) * 8 < math.prod(frame.shape) * frame.bitspersample:
            raise UserError(f"{spec} is damaged: slice {number} has fewer bytes than its header asks for")
    if min(starts) < header:
        raise UserError(f"{spec} is damaged: voxels are said to begin at byte {min(starts)}, within its header")
    if max(ends) > size:
        raise UserError(f"{spec} is truncated: it has {size} bytes, its header asks for {max(ends)}")
    if layout.pages and sum(math.prod(page.shape) for page in layout.pages) != math.prod(layout.shape) * layout.samples:
        raise UserError(f"{spec} is damaged: its {len(layout.pages)} pages do not make up a shape of {layout.shape}")
    frame = tif.series[0].keyframe
    if frame.compression == 1 and math.prod(layout.shape) * frame.bitspersample > size * 8:
        raise UserError(f"{spec} is damaged: it has {size} bytes, fewer than the voxels that its header tells of")


def _check_decoder(tif, spec: str) -> None:
    """Refuse a compression that this installation cannot undo, before anything is computed."""
    from tifffile import TIFF

    page = tif.series[0].keyframe
    try:
        if page.compression != 1:
            TIFF.DECOMPRESSORS[page.compression]
        if page.predictor != 1:
            TIFF.UNPREDICTORS[page.predictor]
    except KeyError as error:
        raise UserError(
            f"{spec} cannot be decompressed here, try `pip install imagecodecs` ({shortened(str(error.args[0]))})"
        ) from error


def describe(spec: str, path: str, ome: bool = True, index: tuple[int, ...] = ()) -> VolumeInfo:
    """Header of a TIFF file; see `hpcdvc.images.describe`. With ome=False OME metadata are not looked at."""
    with _open(path, ome) as tif:
        _check_page_chain(tif, spec)
        check_headers(tif, spec)
        _check_one_image(tif, spec)
        layout = _layout(tif)
        _check_all_pages(tif, layout, spec)
        _check_voxels_present(tif, layout, spec)
        _check_decoder(tif, spec)
        notes = (*_notes(tif, _slots(tif, layout), spec), *colour_notes(layout.samples))
        rest = _of_index(layout, index, spec)
        depth = rest.shape[0] // len(rest.pages) if rest.pages and len(rest.shape) == 3 else 1
        stored = floating(layout.stored) if layout.samples > 1 else layout.stored
        return make_info(
            spec, path, layout.shape, stored, "tiff", layout.offset, notes=notes, depth=depth, index=index
        )  # fmt: skip


def _of_index(layout: _Layout, index: tuple[int, ...], spec: str) -> _Layout:
    """The part of a file that numbers along its first axes lead to."""
    before, shape = part_of(spec, layout.shape, index)
    if not layout.pages:
        offset = layout.offset + before * math.prod(shape) * layout.stored.itemsize
        return replace(layout, shape=shape, offset=offset)
    parts = math.prod(layout.shape[: len(index)])
    count, left = divmod(len(layout.pages), parts)
    if left:
        raise UserError(f"{spec}: its pages hold several of what is asked for: give the file without an index")
    return replace(layout, shape=shape, pages=layout.pages[before * count : (before + 1) * count])


def read_slices(
    path: str, volume: np.ndarray, start: int, stop: int, ome: bool = True, index: tuple[int, ...] = ()
) -> None:
    """Read slices start to stop of a TIFF file into volume (nz, ny, nx).

    Of pages that hold several slices: those pages that begin there.
    """
    with _open(path, ome) as tif:
        layout = _of_index(_layout(tif), index, path)
        if layout.offset is not None:
            with LoneFile(path) as file:
                read_block(file, layout.offset + start * volume[:1].nbytes, layout.stored, volume[start:stop])
            return
        depth = len(volume) // len(layout.pages)
        values = volume.view(layout.stored) if layout.stored == np.dtype(bool) else volume
        for number in range(-(-start // depth), -(-stop // depth)):
            page = values[number * depth : (number + 1) * depth]
            if layout.samples > 1:
                page[:] = luminance(np.moveaxis(layout.pages[number].asarray(maxworkers=1), layout.axis, -1))
            else:
                layout.pages[number].asarray(out=page, maxworkers=1)


def fill(info: VolumeInfo, volume: np.ndarray, start: int, stop: int) -> None:
    """Read slices start to stop into volume (nz, ny, nx)."""
    read_slices(info.path, volume, start, stop, index=info.index)
