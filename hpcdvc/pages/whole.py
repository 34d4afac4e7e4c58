"""What results of hpcdvc-mmr and hpcdvc-align hold beside values of voxels: a registration, the offsets of views."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from hpcdvc.output.sinogram import alignment_figure
from hpcdvc.pages.result_file import ResultFile
from hpcdvc.steps.modal_result import MIXTURE, figures_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OFFSETS = "hpcdvc/history/offsets"
CAPTIONS = {
    "histogram": "Joint histogram of both images, and the phases that were found.",
    "phases": "Which phase each pair of grey values belongs to.",
    "checkerboard": "Squares of im1 and im2 in turn, before and after: what is right goes on across their sides.",
}


def whole_numbers(result: ResultFile) -> Iterator[tuple[str, str, np.ndarray]]:
    """Name, unit and (n, numbers) of each: of the one registration, or of all views."""
    stored = result.stored
    if stored.find(MIXTURE) is not None:
        phi, std = stored.array("hpcdvc/Phi", (4, 4))[:3], stored.array("hpcdvc/Phi_std", (3, 4))
        yield "displacement", "voxel", phi[None, :, 3]
        yield "displacement_std", "voxel", std[None, :, 3]
        yield "F", "1", phi[:, :3].reshape(1, 9)
        yield "F_std", "1", std[:, :3].reshape(1, 9)
    if stored.find(OFFSETS) is not None:
        for number, axis in enumerate("jk"):
            yield f"offset {axis}", "pixel", stored.dataset(OFFSETS, (None, 2, None))[-1, number][:, None]
        for name in ("residual", "likeness"):
            yield f"{name} of views", "", stored.array(f"hpcdvc/views/{name}", (None,))[:, None]


def whole_figures(result: ResultFile) -> Iterator[tuple[str, str, "Figure"]]:
    """Name, caption and figure of each."""
    stored = result.stored
    if stored.find(MIXTURE) is not None:
        told = result.metadata.get("provenance") or {}
        names = tuple(str((told.get(name) or {}).get("name", name)) for name in ("im1", "im2"))
        for name, figure in figures_of(stored, names).items():
            yield name, CAPTIONS[name], figure
    if stored.find(OFFSETS) is not None:
        offsets, views = stored.array(OFFSETS, (None, 2, None)), stored.dataset("hpcdvc/reference", (None,) * 3)
        changes = stored.array("hpcdvc/history/change", (len(offsets),))
        angles = stored.array("hpcdvc/angles", (len(views), None))[:, 0]
        caption = "The middle row of all views before and after, offsets, and how far views moved in each iteration."
        yield "alignment", caption, alignment_figure(views, offsets, changes, angles)
