"""How large the windows were that a field was measured with."""

from hpcdvc.output.hdf5 import read_metadata
from hpcdvc.output.kinds import is_hdf


def stored_half_window(path: str, ratio: float = 1.0) -> tuple[int, int, int] | None:
    """Half windows that the points of a field were measured with, as its file says it, ZYX, voxels; None: it does not.

    Parameters
    ----------
    path : of the field
    ratio : factor on its voxels (`-pfb`)
    """
    if not is_hdf(path):
        return None
    parameters = read_metadata(path, "parameters").get("parameters", {})
    return scaled_half_window(
        _three(parameters.get("half_window_size3")) or _three(parameters.get("half_window_size")), ratio
    )


def scaled_half_window(half: tuple[int, int, int] | None, ratio: float) -> tuple[int, int, int] | None:
    """The same windows in voxels of another binning."""
    return half and tuple(round(((2 * n + 1) * ratio - 1) / 2) if n else 0 for n in half)


def _three(value: object) -> tuple[int, int, int] | None:
    """One whole number for all axes, or three; None for anything else, as a file may hold."""
    values = value if isinstance(value, list) else [value] * 3
    whole = len(values) == 3 and all(type(entry) is int and 0 <= entry < 2**15 for entry in values)
    return tuple(values) if whole and any(values) else None
