"""From a field in a file to what its strain is made of, and from gradients to rows."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.field import Field, row_with
from hpcdvc.fields.rows import blank_rows
from hpcdvc.fields.status import Status
from hpcdvc.fields.strain import strain_components
from hpcdvc.fields.strain_errors import strain_deviations
from hpcdvc.options.registration import HalfWindow
from hpcdvc.options.strain import StrainField
from hpcdvc.output.strain import StrainFile, strain_columns
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.job import Job
from hpcdvc.steps.half_windows import scaled_half_window, stored_half_window
from hpcdvc.steps.selection import usable_rows
from hpcdvc.steps.tables import table_job, table_stem

log = logging.getLogger("hpcdvc")

#: How points end here, and what to try then.
ADVICE = {
    Status.MAX_ITERATIONS: "",
    Status.NOT_EVALUATED: "correct the field with hpcdvc-filterPhiField",
    Status.NO_SPECIMEN: "",
    Status.NOT_REACHED: "larger -r, or correct the field with hpcdvc-filterPhiField",
}


def half_window_of(options: HalfWindow, path: str, ratio: float, flat: bool) -> tuple[int, int, int] | None:
    """Half windows that a field was measured with, ZYX, voxels: by the file, else by `-hws`; None: not known.

    Parameters
    ----------
    options : with `-hws`
    path : of the field
    ratio : factor on its voxels (`-pfb`)
    flat : of images in two dimensions
    """
    given, stored = scaled_half_window(options.half_window, ratio), stored_half_window(path, ratio)
    if stored and given and stored != given:
        log.warning("-hws is ignored: %s says that its half windows are %s", path, " ".join(map(str, stored)))
    half = stored or given
    return half and ((0, *half[1:]) if flat else half)


def usable(field: Field, lowest: int | None, path: str) -> np.ndarray:
    """(n,) bool: rows whose status counts and whose numbers are finite; UserError where there are none."""
    chosen = np.zeros(len(field), bool)
    chosen[usable_rows(field, lowest, path)] = True
    log.info("%d of the %d rows of %s are used", chosen.sum(), len(field), path)
    return chosen


def variance_of(field: Field, chosen: np.ndarray) -> np.ndarray | None:
    """(n, 3, 4) variances of the first rows of Phi; None where those of no chosen row are known."""
    variance = (field.extra or {}).get("variance")
    if variance is None or not np.isfinite(variance[chosen, 3::4]).any():
        return None
    return variance.reshape(-1, 3, 4)


@dataclass(frozen=True)
class StrainRows:
    """Makes rows of gradients.

    Attributes
    ----------
    names : components that are wanted
    deviations : with standard deviations
    flat : of images in two dimensions
    labels : (n,) of the points of the field, or None
    """

    names: tuple[str, ...]
    deviations: bool
    flat: bool
    labels: np.ndarray | None = None

    @property
    def dtype(self) -> np.dtype:
        """Of the rows."""
        label = [("label", "u4")] if self.labels is not None else []
        return row_with(*strain_columns(self.names, self.deviations), *label)

    def __call__(
        self,
        numbers: np.ndarray,
        f: np.ndarray,
        displacement: np.ndarray,
        covariance: np.ndarray | None,
        otherwise: np.ndarray,
    ) -> np.ndarray:
        """Rows of some points.

        Parameters
        ----------
        numbers : (m,) of the points
        f : (m, 3, 3) array, NaN where there is none
        displacement : (m, 3) of the points, voxels
        covariance : (m, 3, 3, 3) of F, where standard deviations are wanted
        otherwise : (m,) statuses of points where `f` is NaN
        """
        rows = blank_rows(numbers, self.dtype)
        for name in ("iterations", "error", "delta_phi_norm"):
            rows[name] = 0
        if self.labels is not None:
            rows["label"] = self.labels[numbers]
        there = np.isfinite(f).all(axis=(1, 2))
        f = f.copy()
        if self.flat:
            f[there, 0, :] = f[there, :, 0] = (1, 0, 0)
        rows["Phi"][:, :, :3], rows["Phi"][:, :, 3] = f, displacement
        rows["Phi"][~there] = np.nan
        strains = strain_components(f, self.names, self.flat)
        if self.deviations:
            deviations = strain_deviations(f, covariance, self.names, self.flat)
            strains |= {f"{name}_std": values for name, values in deviations.items()}
            rows["variance"].reshape(-1, 3, 4)[:, :, :3] = np.diagonal(covariance, axis1=2, axis2=3)
        for name, values in strains.items():
            rows[name] = values
        mirrored = there & ~(np.linalg.det(np.where(there[:, None, None], f, np.eye(3))) > 0)
        rows["return_status"] = np.where(there, Status.MAX_ITERATIONS, otherwise)  # "interpolated" of fields of fields
        rows["return_status"][mirrored] = Status.SINGULAR_PHI
        return rows


def strain_job(
    command: str, options: StrainField, inputs: Inputs, mode: str, task: Any, team, advice: Mapping[int, str] = ADVICE
) -> Job:
    """The job of one strain of a field, on one rank.

    Parameters
    ----------
    command : its name
    options : of it
    inputs : its files
    mode : how the strain is made, as the name of the result says it
    task : with the `points` of the result and its `rows`
    team : hpcdvc.ranks.team.Team
    advice : statuses that a point ends with, and what to try then
    """
    stem = table_stem(options, options.phi_file, f"strain-{mode}")
    job = table_job(command, options, inputs, stem, task.points, task, team, task.rows.dtype, advice=advice)
    job.files = (StrainFile(**vars(job.files[0]), mode=mode),)
    return job


def without_strain(status: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Status of points that have no strain: their own where they were not chosen and it says why, else -12."""
    return np.where(chosen, Status.NOT_REACHED, np.minimum(status, 0))


def gauge_text(extent: np.ndarray, half: tuple[int, int, int] | None, flat: bool) -> str:
    """The virtual strain gauge: all voxels that a strain is made of, in words.

    Parameters
    ----------
    extent : (3,) distance between the outermost nodes, ZYX, voxels; 0 for single windows
    half : half windows, or None
    flat : in two dimensions
    """
    extent = extent[1:] if flat else extent
    if half is None and not extent.any():
        return "virtual strain gauge: single windows, whose size is not known"
    if half is None:
        return f"virtual strain gauge: nodes {_by(extent)} voxels apart, and the windows, whose size is not known"
    window = 2 * np.array(half)[-len(extent) :] + 1
    gauge = extent + window
    return f"virtual strain gauge: {_by(gauge)} voxels, {_by(gauge / window)} windows"


def _by(values: np.ndarray) -> str:
    return " x ".join(f"{value:.4g}" for value in values)


def check_layers(field: Field, path: str) -> bool:
    """Whether a grid is that of images in two dimensions.

    Raises
    ------
    UserError
        It has a single layer along an axis, and how the field varies along it is not known.
    """
    flat = field.grid.shape[0] == 1 and field.grid.origin[0] == 0
    for name, count in list(zip("ZYX", field.grid.shape, strict=True))[flat:]:
        if count == 1:
            raise UserError(
                f"{path} has one layer of nodes along {name}: how the displacement varies along it is not known "
                "(-raw takes the F of the windows)"
            )
    return flat
