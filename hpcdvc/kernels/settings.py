"""Settings of a registration, and splines, as records."""

import numpy as np

from hpcdvc.kernels.arrays import record
from hpcdvc.kernels.records import RECORDS

#: Entries of Phi, and so the most unknowns that a window can have.
ENTRIES = 12
_MADE = ("half", "unknowns", "basis")
#: Fields that are copied as they are.
NAMES = [name for name, kind, *_ in RECORDS["settings"] if kind not in RECORDS and name not in _MADE]


def settings_record(settings) -> np.ndarray:
    """What the kernels read of hpcdvc.registration.kernel_settings.KernelSettings.

    Raises
    ------
    ValueError
        A size that the kernels would run past.
    """
    unknowns = settings.basis.shape[1]
    if settings.basis.shape[0] != ENTRIES or not 0 < unknowns <= ENTRIES:
        raise ValueError(f"a basis of shape {settings.basis.shape}: ({ENTRIES}, up to {ENTRIES}) is needed")
    if len(settings.half_window_size) != 3 or min(settings.half_window_size) < 0 or settings.margin < 0:
        sizes = f"half windows of {settings.half_window_size} voxels and a margin of {settings.margin}"
        raise ValueError(f"{sizes}: three sizes are needed, none of them negative")
    result = record("settings", half=settings.half_window_size, unknowns=unknowns)
    for name in NAMES:
        result[name] = getattr(settings, name)
    for row in range(ENTRIES):
        result["basis"][ENTRIES * row : ENTRIES * row + unknowns] = settings.basis[row]
    for name in ("interpolation", "curvature_interpolation"):
        _fill_interpolation(result[name], getattr(settings, name))
    for name in ("gradient", "smooth_gradient", "true_gradient"):
        _fill_gradient(result[name], getattr(settings, name))
    return result


def interpolation_record(values) -> np.ndarray:
    """What the kernels read of a spline (hpcdvc.registration.filters.SplineFilter); None copies the nearest voxel."""
    result = record("interpolation", taps=1)
    if values is not None:
        _fill_interpolation(result, values)
    return result


def _fill_interpolation(into: np.ndarray, values) -> None:
    if values.order not in (1, 3, 5) or len(values.poles) > len(into["pole"]):
        raise ValueError(f"a spline of order {values.order} with {len(values.poles)} poles: 1, 3 and 5 are possible")
    into["taps"], into["poles"], into["pad"] = values.order + 1, len(values.poles), values.pad
    into["pole"][: len(values.poles)], into["noise"] = values.poles, values.noise
    fill_taps(into["prefilter"], values.along_x)


def _fill_gradient(into: np.ndarray, values) -> None:
    fill_taps(into["derivative"], values.derivative)
    fill_taps(into["smoothing"], values.smoothing)
    into["noise"] = values.noise


def fill_taps(into: np.ndarray, values) -> None:
    """Fill a "taps" record.

    Raises
    ------
    ValueError
        There are more than it holds, or none.
    """
    most = len(into["h"])
    if not 0 < len(values) <= most:
        raise ValueError(f"a filter of {len(values)} taps: 1 to {most} are possible")
    into["radius"], into["h"][: len(values)] = len(values) - 1, values
