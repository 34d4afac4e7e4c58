"""From results in files to fields that gauges are laid on, and from gauges to rows of a table."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.connection import in_specimen, nearest_voxels
from hpcdvc.fields.field import Field
from hpcdvc.fields.gauged import Gauged
from hpcdvc.fields.lines import elongation, line_places, profile
from hpcdvc.fields.overlap import WindowOverlap
from hpcdvc.fields.planes import two_planes
from hpcdvc.fields.regions import means
from hpcdvc.fields.removal import fit_removal
from hpcdvc.fields.rows import check_once, some_rows
from hpcdvc.fields.status import Family
from hpcdvc.fields.sums import Errors
from hpcdvc.options.gauge import Options
from hpcdvc.options.voxel_size import VoxelSize
from hpcdvc.output.dense_result import DenseResult
from hpcdvc.output.mesh_result import read_elements
from hpcdvc.output.read import read_result
from hpcdvc.output.voxel_size import of_metadata
from hpcdvc.ranks.team import Team
from hpcdvc.steps.selection import check_mask_fits
from hpcdvc.steps.start import is_flat
from hpcdvc.steps.strain import half_window_of

#: Most rows of a profile whose number is not given.
LONGEST_PROFILE = 10_000


@dataclass(frozen=True, eq=False)
class Region:
    """A mask or a label image, which tells the points of a region.

    Attributes
    ----------
    info : its header
    volume : its voxels; of a mask, 0 outside
    """

    info: Any
    volume: np.ndarray


@dataclass(frozen=True, eq=False)
class Step:
    """A field of a series, ready to be gauged.

    Attributes
    ----------
    path : of its file
    field : what is gauged
    labels : (n,) of its points, or None
    mesh : whether it is of a mesh
    why : why there are no standard deviations; None where there are
    why_not : why it cannot be gauged; None where it can
    voxel_size : that the file says; None
    """

    path: str
    field: Gauged
    labels: np.ndarray | None
    mesh: bool
    why: str | None
    why_not: str | None = None
    voxel_size: VoxelSize | None = None


@dataclass(frozen=True, eq=False)
class Reading:
    """What a gauge says of a step.

    Attributes
    ----------
    values : numbers, or (m,) columns of a profile; empty where nothing is measured
    why_not : why nothing is measured there; None where something is
    why_no_std : why there are no standard deviations; None where there are
    removed : what was undone first, in words; None
    voxel_size : that the file says; None
    """

    values: Mapping[str, Any]
    why_not: str | None = None
    why_no_std: str | None = None
    removed: str | None = None
    voxel_size: VoxelSize | None = None


def steps_of(path: str, options: Options) -> Iterator[Step]:
    """The fields of a file: one, or those of all steps that it holds.

    Raises
    ------
    UserError
        No such file, or no result, or not one of points.
    """
    result = read_result(path, Team())
    if isinstance(result, DenseResult):
        raise UserError(f"{path} has a value for each pixel and no points: measure it with -ns, on nodes")
    extra = result.extra or {}
    if result.grid is None:
        check_once(path, extra.get("label"), result.positions, extra.get("step"))
    mesh = result.metadata.get("kind") == "mesh"
    size = of_metadata(result.metadata)
    numbers = np.unique(extra["step"]) if "step" in extra else []
    if len(numbers) < 2:
        yield replace(_step(path, result, mesh, options), voxel_size=size)
        return
    for number in numbers:
        yield replace(_step(path, some_rows(result, extra["step"] == number), mesh, options), voxel_size=size)


def _step(path: str, result: Field, mesh: bool, options: Options) -> Step:
    phi, extra = result.phi, result.extra or {}
    finite = np.isfinite(phi).all(axis=(1, 2)) & np.isfinite(result.positions).all(axis=1)
    measured = result.measured & finite
    flat, labels = bool(is_flat(result)), extra.get("label")
    displacement = np.where(measured[:, None], phi[:, :3, 3], 0)
    f = np.where(measured[:, None, None], phi[:, :3, :3], np.eye(3))
    if flat:
        f[:, 0, :] = f[:, :, 0] = (1, 0, 0)
    variance = extra.get("variance")
    half = half_window_of(options, path, 1.0, flat) if labels is None and not mesh else None
    known = variance is not None and bool(np.isfinite(variance.reshape(-1, 12)[measured, 3::4]).any())
    field = Gauged(
        positions=np.where(np.isfinite(result.positions), result.positions, 0.0),
        displacement=displacement,
        f=f if not mesh and _has_f(result, measured) else None,
        measured=measured,
        grid=result.grid,
        cells=read_elements(path).cells if mesh else None,
        flat=flat,
    )
    why = _why_no_deviations(path, known, mesh, labels, half)
    if why is None:
        field = _with_errors(field, variance, half)
    why_not = None
    if options.remove and measured.any():
        try:
            field = without_motion(field, options.remove)
        except UserError as error:
            why_not = str(error)
    return Step(path, field, labels, mesh, why, why_not)


def _has_f(result: Field, measured: np.ndarray) -> bool:
    """Whether the F of the points was measured: that of a search is that of its start, and files without one give 1."""
    if result.family == Family.SEARCH:
        return False
    variance = (result.extra or {}).get("variance")
    if variance is not None and (variance.reshape(-1, 3, 4)[measured, :, :3] > 0).any():
        return True
    return bool((result.phi[measured, :3, :3] != np.eye(3)).any())


def _why_no_deviations(path: str, known: bool, mesh: bool, labels, half) -> str | None:
    if not known:
        return f"{path} holds none of its displacements"
    if mesh:
        return f"{path} is of a mesh, and does not say how the errors of its nodes are correlated"
    if labels is None and half is None:
        return f"errors go by the overlap of windows, and {path} does not say how large they are; -hws does"
    return None


def _with_errors(field: Gauged, variance: np.ndarray, half: tuple[int, int, int] | None) -> Gauged:
    rows = np.array(variance, float).reshape(-1, 3, 4)
    if field.flat:
        rows[:, 0] = 0
    overlap = WindowOverlap(half) if half else None
    errors = Errors(field.positions, rows[:, :, 3], overlap, field.grid)
    return replace(field, errors=errors, f_variance=rows[:, :, :3])


def without_motion(field: Gauged, kind: str) -> Gauged:
    """A field whose rigid motion or dilation is undone.

    Raises
    ------
    UserError
        Its points leave the motion open.
    """
    rows = np.flatnonzero(field.measured)
    removed = fit_removal(kind, field.positions, field.displacement, rows, field.flat)
    moved = np.zeros_like(field.displacement)
    moved[rows] = removed.undo(field.positions[rows], field.displacement[rows])
    f = None if field.f is None else removed.undo_gradient(field.f)
    return replace(field, displacement=moved, f=f, removed=removed, as_measured=field.displacement)


def reading_of(step: Step, options: Options, region: Region | None) -> Reading:
    """What the gauge of the options says of a step.

    Raises
    ------
    UserError
        The gauge does not go with this result, or lies where it has no points at all.
    """
    values, why_not = _GAUGES[options.kind](step, options, region)
    if step.why_not is not None:
        values, why_not = {}, step.why_not
    why, removed = step.why, step.field.removed
    deviations = [value for name, value in values.items() if name.endswith(("disp_std", "strain_std"))]
    if why is None and not all(np.isfinite(value).any() for value in deviations):
        why = f"{step.path} has none of some of the points there"
    return Reading(values, why_not, why, removed and str(removed), step.voxel_size)


Found = tuple[Mapping[str, Any], str | None]


def _line(step: Step, options: Options, region: None) -> Found:
    found = elongation(step.field, np.reshape(options.line, (2, 3)))
    return (found, None) if found else ({}, "an end of the line is not between measured points")


def _profile(step: Step, options: Options, region: None) -> Found:
    ends = np.reshape(options.profile, (2, 3))
    rows = min(int(np.ceil(np.linalg.norm(ends[1] - ends[0]))) + 1, LONGEST_PROFILE)
    line = line_places(ends, options.places or max(rows, 2))
    found = profile(step.field, line["places"])
    there = np.isfinite(found["Zdisp"])
    if not there.any():
        return {}, "no place of the line is between measured points"
    places = {f"{axis}pos": line["places"][:, k] for k, axis in enumerate("ZYX")}
    return {"distance": line["distance"], **places, **found}, None


def _planes(step: Step, options: Options, region: None) -> Found:
    grid, axis = step.field.grid, options.plane_axis
    if grid is None:
        raise UserError(f"{step.path} is no grid, which --planes needs: hpcdvc-passPhiField takes it to one")
    first = grid.origin[axis]
    last = first + (grid.shape[axis] - 1) * grid.spacing[axis]
    for place in options.plane_places:
        if not first <= place <= last:
            name = "zyx"[axis]
            reach = f"{first:g} to {last:g}"
            raise UserError(f"the plane {name} = {place:g} lies outside the nodes of {step.path}: {reach}")
    found = two_planes(step.field, axis, options.plane_places)
    return (found, None) if found else ({}, "nothing is measured in one of the planes")


def _region(step: Step, inside: np.ndarray, what: str) -> Found:
    if not inside.any():
        ends = step.field.positions.min(axis=0), step.field.positions.max(axis=0)
        low, high = (" ".join(f"{v:g}" for v in end) for end in ends)
        raise UserError(f"{what} holds no point of {step.path}, which reach from {low} to {high} (ZYX)")
    numbers = np.flatnonzero(inside & step.field.measured)
    if not len(numbers):
        return {}, f"none of the {inside.sum()} points in {what} is measured"
    return means(step.field, numbers), None


def _box(step: Step, options: Options, region: None) -> Found:
    low, high = np.array(options.box[::2]), np.array(options.box[1::2])
    inside = ((step.field.positions >= low) & (step.field.positions < high)).all(axis=1)
    return _region(step, inside, "the box")


def _mask(step: Step, options: Options, region: Region) -> Found:
    check_mask_fits(region.info, step.field.positions, step.path)
    return _region(step, in_specimen(region.volume, step.field.positions), f"the mask {region.info.spec}")


def _label(step: Step, options: Options, region: Region | None) -> Found:
    if region is not None:
        check_mask_fits(region.info, step.field.positions, step.path, "label image")
        values, inside = nearest_voxels(region.volume, step.field.positions)
        return _region(step, inside & (values == options.label), f"label {options.label} of {region.info.spec}")
    if step.labels is None:
        raise UserError(f"{step.path} is no result of labels: --labels names the image that --label is a label of")
    rows = np.flatnonzero(step.labels == options.label)
    if not len(rows):
        raise UserError(f"{step.path} has no label {options.label}")
    if not step.field.measured[rows[0]]:
        return {}, f"label {options.label} is not measured"
    return means(step.field, rows[:1], own=True), None


_GAUGES: Mapping[str, Callable[..., Found]] = {
    "line": _line, "planes": _planes, "box": _box, "mask": _mask, "label": _label, "profile": _profile,
}  # fmt: skip
