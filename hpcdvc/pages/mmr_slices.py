"""Slices of im1 and, brought back, of im2, with the phase and the residual of each voxel, for the page."""

from collections.abc import Iterator

import numpy as np

from hpcdvc.multimodal.greys import GreyRange
from hpcdvc.multimodal.tables import Tables
from hpcdvc.pages.ereg_images import Shown
from hpcdvc.pages.ereg_views import plane_of, slice_of
from hpcdvc.pages.mmr_state import MmrState
from hpcdvc.pages.planes import as_bytes, cut, through_phi

#: Steps of a residual of one standard deviation.
RESIDUAL = 32


def slices(
    state: MmrState,
    shown: Shown,
    phi: np.ndarray,
    phases: tuple[tuple[GreyRange, GreyRange], np.ndarray, Tables] | None,
) -> dict[str, np.ndarray]:
    """Planes for the browser, by name and view, in the frame of im1.

    Parameters
    ----------
    state : says where
    shown : levels of both images
    phi : (4, 4) about the centre of im1
    phases : ranges of grey values, diagram and tables; None: images only

    Returns
    -------
    dict : "im1 1", "im2 1", "inside 1" (int8), and where `phases` are given "phase 1" and "residual 1" (int8)
    """
    found = {}
    for view, image1, image2, inside in _cuts(state, shown, phi):
        found[f"im1 {view}"] = as_bytes(np.nan_to_num(image1), shown.windows[0])
        found[f"im2 {view}"] = as_bytes(np.nan_to_num(image2), shown.windows[1])
        found[f"inside {view}"] = inside
        if phases is not None:
            found[f"phase {view}"], found[f"residual {view}"] = phase_and_residual(image1, image2, inside, *phases)
    return found


def _cuts(state: MmrState, shown: Shown, phi: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """View, slice of im1, that of im2 brought back, and where both have a value."""
    level, back = shown.im1, np.linalg.inv(phi)
    for view, (across, down, right) in state.views.items():
        number = slice_of(state, level, view)
        image1 = np.asarray(np.take(level.array, number, axis=across), np.float32)
        shape = level.array.shape[down], level.array.shape[right]
        plane = through_phi(plane_of(state, level, view, number), back, state.centre)
        image2, covered = cut(shown.im2, plane, shape)
        inside = covered.astype(bool) & np.isfinite(image1) & np.isfinite(image2)
        yield view, image1, image2, inside.astype(np.int8)


def phase_and_residual(
    image1: np.ndarray,
    image2: np.ndarray,
    inside: np.ndarray,
    ranges: tuple[GreyRange, GreyRange],
    diagram: np.ndarray,
    tables: Tables,
) -> tuple[np.ndarray, np.ndarray]:
    """Phase (0: none) and residual (parts of a standard deviation) of pixels, int8; 0 where there is no value.

    Parameters
    ----------
    image1, image2 : grey values
    inside : where there are some
    ranges : of the first and the last bin
    diagram : (bins, bins) phase of each bin
    tables : of the mixture
    """
    bins, nodes = len(diagram), len(tables.score)
    parts = []
    for image, grey in ((image1, ranges[0]), (image2, ranges[1])):
        part = (np.where(inside, image, grey.low) - grey.low) / (grey.high - grey.low)
        parts.append(np.clip(part, 0, 1))
    at = tuple(np.rint(part * (bins - 1)).astype(int) for part in parts)
    fine = tuple(np.rint(part * (nodes - 1)).astype(int) for part in parts)
    residual = tables.score[fine] / np.sqrt(tables.weight[fine])
    phase = np.where(inside, diagram[at], 0).astype(np.int8)
    return phase, np.where(inside, np.clip(np.rint(RESIDUAL * residual), -127, 127), 0).astype(np.int8)
