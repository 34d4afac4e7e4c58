"""`phase_matching_alignment` of the package root: alignment with the arguments that users of mumott know."""

import logging
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.ranks.team import Team
from hpcdvc.tomography.align import align
from hpcdvc.tomography.container import scan_of_container
from hpcdvc.tomography.opening import describe_scan
from hpcdvc.tomography.scan import Scan
from hpcdvc.tomography.settings import AlignSettings

log = logging.getLogger("hpcdvc")


@dataclass(frozen=True, eq=False)
class PhaseMatching:
    """Aligned views.

    Attributes
    ----------
    reconstruction : (X, Y, Z) float32, with the last offsets; on rank 0, None elsewhere
    projections, reference : (n, J, K) float32, of the reconstruction, and what they are compared with; on rank 0
    j_offsets, k_offsets : (n,) float64, pixels: pixel j looks at (j + 0.5 - J / 2 + offset) u
    j_offsets_free, k_offsets_free : the same without the translation of the whole volume
    history : (iterations + 1, 2, n) offsets of j and k, the start first
    residuals : (iterations + 1,) root mean square of reprojection minus views, as part of the views
    return_statuses : (n,) how each view ended, see hpcdvc.fields.status: 2 is measured
    view_residuals : (n,) of each view at the end, as part of it
    likeness : (n,) correlation of each view with what the other half of the views shows; NaN without texture
    converged : whether views no longer moved, and nothing is to be doubted
    doubts : why offsets are nothing to rely on, a sentence each
    notes : what the user has to know
    """

    reconstruction: np.ndarray | None
    projections: np.ndarray | None
    reference: np.ndarray | None
    j_offsets: np.ndarray
    k_offsets: np.ndarray
    j_offsets_free: np.ndarray
    k_offsets_free: np.ndarray
    history: np.ndarray
    residuals: np.ndarray
    return_statuses: np.ndarray
    view_residuals: np.ndarray
    likeness: np.ndarray
    converged: bool
    doubts: tuple[str, ...]
    notes: tuple[str, ...]


def phase_matching_alignment(
    data: Any,
    ignored_subset: set[int] | None = None,
    projection_cropping: tuple[slice, slice] = np.s_[:, :],
    reconstruction: str | Callable = "mitra",
    reconstruction_kwargs: dict | None = None,
    use_gpu: bool = False,
    use_absorbances: bool = True,
    maxiter: int = 20,
    upsampling: int | Sequence[int] = 1,
    shift_tolerance: float | None = None,
    shift_cutoff: float | None = None,
    relative_sample_size: float = 1.0,
    relaxation_weight: float = 0.0,
    center_of_mass_shift_weight: float = 0.0,
    align_j: bool = True,
    align_k: bool = True,
    comm=None,
    seed: int = 0,
    method: str | Sequence[str] | None = None,
    *,
    reconstruction_pipeline: str | Callable | None = None,
    reconstruction_pipeline_kwargs: dict | None = None,
    start: str | None = None,
    bins: Sequence[int] = (),
) -> PhaseMatching:
    """Align the views of a tomographic scan: each is moved until it fits the projection of the volume.

    Parameters
    ----------
    data : path of a scan that needs no more options, a Scan of `hpcdvc.tomography.opening.describe_scan`, or a
        DataContainer of mumott, whose offsets are changed
    ignored_subset : numbers of views that are not moved
    projection_cropping : what of the views is compared, slices along j and k
    reconstruction, reconstruction_kwargs : "mitra", "sirt", "cgls", "fbp", "module:function", or a function with the
        contract of `hpcdvc.tomography.adapter`; and its keywords
    use_gpu : accepted and ignored, with a note
    use_absorbances : of light; otherwise values are taken as they are stored
    maxiter : iterations of each stage at most
    upsampling : of the stages, one or several
    shift_tolerance, shift_cutoff : pixels, see `hpcdvc.tomography.settings.AlignSettings`
    relative_sample_size : part of the views that are moved in an iteration
    relaxation_weight, center_of_mass_shift_weight : of steps towards the mean offset, and towards the centre of mass
    align_j, align_k : directions in which views are moved
    comm : mpi4py communicator whose ranks share the work; None: serial
    seed : of what is drawn by chance
    method : "masked", "cc", "phase" or "gn", one for all or one for each stage; None: cc, then gn
    reconstruction_pipeline, reconstruction_pipeline_kwargs : other names of `reconstruction` and its keywords
    start : "zero", "com" or "file"; None: offsets of the scan where it has some, else centres of mass
    bins : levels, coarse ones first; empty: as the size of the views asks

    Returns
    -------
    PhaseMatching

    Raises
    ------
    TypeError
        `ignored_subset` is no set.
    UserError
        A word is not known, a number is out of range, or the scan cannot be used.
    """
    if ignored_subset is not None and not isinstance(ignored_subset, set | frozenset):
        raise TypeError(f"ignored_subset must be a set, not a {type(ignored_subset).__name__}")
    if use_gpu:
        log.warning("use_gpu: accepted and ignored, all is computed on the processor")
    team = Team(comm)
    scan = team.agree(lambda: _scan_of(data, use_absorbances)) if _is_path(data) else _scan_of(data, use_absorbances)
    kwargs = reconstruction_kwargs if reconstruction_pipeline_kwargs is None else reconstruction_pipeline_kwargs
    settings = AlignSettings(
        reconstruction=reconstruction if reconstruction_pipeline is None else reconstruction_pipeline,
        reconstruction_kwargs=dict(kwargs or {}),
        maxiter=maxiter,
        upsampling=(upsampling,) if np.ndim(upsampling) == 0 else tuple(upsampling),
        methods=() if method is None else (method,) if isinstance(method, str) else tuple(method),
        bins=tuple(bins),
        tolerance=shift_tolerance,
        cutoff=shift_cutoff,
        sample=relative_sample_size,
        relaxation=relaxation_weight,
        centre_of_mass=center_of_mass_shift_weight,
        align_j=align_j,
        align_k=align_k,
        ignored=tuple(sorted(ignored_subset or ())),
        crop=_crop_of(projection_cropping, scan.geometry.shape),
        start=start,
        seed=seed,
    )
    found = align(scan, settings, team)
    if not (_is_path(data) or isinstance(data, Scan)):
        data.geometry.j_offsets, data.geometry.k_offsets = list(found.j_offsets), list(found.k_offsets)
    return PhaseMatching(
        *(found.reconstruction, found.projections, found.reference, found.j_offsets, found.k_offsets, *found.free),
        history=np.array([state.offsets for state in found.history]),
        residuals=np.array([state.residual for state in found.history]),
        return_statuses=found.statuses,
        view_residuals=found.residuals,
        likeness=found.likeness,
        converged=found.converged,
        doubts=found.doubts,
        notes=found.notes,
    )


def _is_path(data: Any) -> bool:
    return isinstance(data, str | os.PathLike)


def _scan_of(data: Any, use_absorbances: bool) -> Scan:
    if isinstance(data, Scan):
        return data
    if _is_path(data):
        try:
            return describe_scan(os.fspath(data), absorbances=use_absorbances)
        except UserError as error:  # what a command may be given beside the scan
            instead = {
                "-noabs": "use_absorbances=False",
                "-flat": "describe_scan(flat=)",
                "-angles": "describe_scan(angles=)",
            }
            raise UserError(re.sub("-(noabs|flat|angles)", lambda word: instead[word[0]], str(error))) from None
    if not (hasattr(data, "geometry") and hasattr(data, "diode")):
        raise UserError(f"data must be a path, a Scan or a DataContainer, not a {type(data).__name__}")
    return scan_of_container(data, use_absorbances)


def _crop_of(cropping: tuple[slice, slice], shape: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """(j0, j1, k0, k1) of slices."""
    parts = cropping if isinstance(cropping, tuple | list) else (cropping,)
    if len(parts) != 2 or any(not isinstance(part, slice) or part.step not in (None, 1) for part in parts):
        raise UserError("projection_cropping must be two slices, of steps of 1")
    (j0, j1, _), (k0, k1, _) = (part.indices(size) for part, size in zip(parts, shape, strict=True))
    return None if (j0, j1, k0, k1) == (0, shape[0], 0, shape[1]) else (j0, j1, k0, k1)
