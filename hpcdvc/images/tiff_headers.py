"""What headers of programs in TIFF files say, looked at before tifffile believes them.

It makes lists as long as they say, and takes planes of any file that they name.
"""

import math
import os
from xml.etree import ElementTree

import numpy as np

from hpcdvc.errors import UserError, quoted

#: Headers that say how the pages make up an image, by the name that tifffile has for them.
HEADERS = {"ome": "OME", "imagej": "ImageJ", "mmstack": "Micro-Manager"}


def check_headers(tif, spec: str) -> None:
    """Refuse a header that tells of more planes than there are, or of planes in other files; before `series` is asked.

    Parameters
    ----------
    tif : tifffile.TiffFile
    spec : the volume, for messages

    Raises
    ------
    UserError
        One sentence.
    """
    _check_micromanager(tif, spec)
    fault = _fault_of_ome(tif, spec) if tif.is_ome else None
    if fault:
        tif.is_ome = False
        if tif.series[0].kind.lower() != "mmstack":  # which has its own index and does not use what OME says
            raise UserError(fault)


def _fault_of_ome(tif, spec: str) -> str | None:
    """What is wrong with an OME header."""
    words = tif.ome_metadata
    if "<!DOCTYPE" in words or "<!ENTITY" in words:  # which can make a text of any length of a short one
        return f"{spec} is damaged: its OME header declares entities"
    try:
        root = ElementTree.fromstring(words)
    except ElementTree.ParseError:
        return None  # then tifffile does not use it
    page, pages = tif.pages.first, len(tif.pages)
    most = pages * page.imagedepth * page.samplesperpixel
    for element in root.iter():
        tag, told = element.tag.rsplit("}", 1)[-1], element.attrib
        if tag == "Pixels":
            planes = math.prod(int(told[f"Size{axis}"]) for axis in "ZCT")
            many = planes * int(told["SizeX"]) * int(told["SizeY"]) > pages * math.prod(page.shape)
        elif tag == "TiffData":
            planes = max(int(told.get(name, 0)) for name in ("PlaneCount", "NumPlanes", "FirstZ", "FirstC", "FirstT"))
            many = False
        elif tag.startswith("ModuloAlong") and "Start" in told:
            planes = (float(told["End"]) - float(told["Start"])) / float(told.get("Step", 1))
            many = not 0 <= planes
        else:
            continue
        if many or planes > most:
            return f"{spec} has {pages} pages, but its header (OME) tells of {planes}: save it anew, so that both agree"
    return _named_elsewhere(root, tif.filename, spec)


def _named_elsewhere(root: ElementTree.Element, own_name: str, spec: str) -> str | None:
    """That an OME header takes planes from other files."""
    own = root.attrib.get("UUID")
    for element in root.iter():
        if element.tag.rsplit("}", 1)[-1] != "UUID" or element.text == own:
            continue
        name = element.attrib.get("FileName", "")
        if own is None and name.lower() == own_name.lower():
            own = element.text
            continue
        return (
            f"{spec} is one part of an image in several files, its header (OME) takes planes from {quoted(name)}: "
            "give one file or a folder of slices"
        )
    return None


def _check_micromanager(tif, spec: str) -> None:
    """Refuse an index of Micro-Manager that has places for more planes than it lists, or that is another file."""
    known = (tif.micromanager_metadata or {}) if tif.is_micromanager else {}
    beside = os.path.join(os.path.dirname(tif.filehandle.path), "NDTiff.index")
    if known.get("MajorVersion", 0) >= 2 and os.path.exists(beside):
        raise UserError(f"{spec} is one part of a data set, whose order is in {beside}: convert it to one file")
    index = known.get("IndexMap")
    if index is None or not len(index):
        return
    places = np.ptp(index[:, :4].astype("i8"), axis=0) + 1
    if math.prod(places.tolist()) > len(index):
        raise UserError(f"{spec} is not whole: the index of Micro-Manager lists {len(index)} planes of {places}")


def check_parts(tif, spec: str, planned: int, taken: int) -> None:
    """Refuse a stack of Micro-Manager that goes on in files beside it.

    Parameters
    ----------
    tif, spec : see `check_headers`
    planned, taken : planes of the summary, planes in this file
    """
    folder, name = os.path.split(tif.filehandle.path)
    start = name.split("_MMStack")[0] + "_MMStack"
    if planned > taken and name.startswith(start):
        others = [other for other in os.listdir(folder) if other.startswith(start) and other.endswith(".tif")]
        if any(other != name for other in others):
            raise UserError(
                f"{spec} is one part of an image in several files (Micro-Manager): give one file or a folder of slices"
            )
