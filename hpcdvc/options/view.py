"""Options of hpcdvc-view."""

from dataclasses import dataclass
from typing import ClassVar

from hpcdvc.options.common import Messages, Processes, Slices
from hpcdvc.options.declare import REQUIRED, option, option_group
from hpcdvc.options.pages import Served

DESCRIPTION = (
    "Look at results in a browser: fields over the grey images, how each point ended, single points with their "
    "windows. Nothing is changed; a run that has not ended is followed."
)


@option_group
class Files(Slices):
    """What is looked at."""

    group: ClassVar[str] = "files"

    results: tuple[str, ...] = option(
        REQUIRED,
        metavar="RESULT [RESULT ...]",
        help="results of measuring commands, .hdf (of a run that has not ended: the name that it will have), "
        ".hdf.series, .tsv, .vtk, .vtu, .vti; several are steps",
    )
    images: tuple[str, ...] = option(
        (),
        "--images",
        metavar="IMAGE",
        help="im1 and im2, or im1 and the image of each step; default those that the result names, where they are "
        "there",
    )
    labels: str | None = option(
        None, "--labels", metavar="IMAGE", help="image of the labels; default the one that the result names"
    )


@dataclass(kw_only=True)
class Options(Files, Served, Processes, Messages):
    """Options of hpcdvc-view."""
