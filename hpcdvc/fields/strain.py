"""Measures of strain from transformation gradients F, of small and of large deformations, by their names in `-comp`.

Components of vectors are z, y, x, those of symmetric tensors zz, zy, zx, yy, yx, xx. `strain_errors` has their standard
deviations.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from hpcdvc.errors import UserError, quoted
from hpcdvc.fields.decomposition import StrainDecomposition, decompose_f

AXES, PAIRS = ("z", "y", "x"), ("zz", "zy", "zx", "yy", "yx", "xx")
#: Name -> ends of the names of its components; nothing for a number.
COMPONENTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **dict.fromkeys(("vol", "dev", "volss", "devss"), ()),
        **dict.fromkeys(("r", "z"), AXES),
        **dict.fromkeys(("U", "e"), PAIRS),
        "Up": AXES,
        **dict.fromkeys(("GL", "H"), PAIRS),
        "ep": AXES,
        **dict.fromkeys(("Ud1", "Ud2", "Ud3"), AXES),
        **dict.fromkeys(("eq", "eqss"), ()),
    }
)
#: What each is, for the documentation.
MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "vol": "volumetric strain, det F - 1",
        "dev": "deviatoric strain, norm of U / (det F)^(1/3) - I",
        "volss": "volumetric strain of e, its trace",
        "devss": "deviatoric strain of e, norm of e - I tr(e) / 3",
        "r": "rotation vector, degrees",
        "z": "stretches along the axes, the diagonal of U",
        "U": "right stretch tensor of F = R U",
        "e": "small strain, (F + F^T) / 2 - I",
        "Up": "principal stretches less 1, ascending",
        "GL": "Green-Lagrange strain, (F^T F - I) / 2",
        "H": "Hencky strain, ln U",
        "ep": "principal small strains, ascending",
        **{f"Ud{k}": f"direction of principal stretch {k} of Up, a unit vector" for k in (1, 2, 3)},
        "eq": "equivalent strain of H, sqrt(2/3) times the norm of its deviator",
        "eqss": "equivalent strain of e, sqrt(2/3) times the norm of its deviator",
    }
)
_ROWS, _COLUMNS = np.triu_indices(3)


def check_names(names: Sequence[str]) -> None:
    """Make sure that these are components, each named once.

    Raises
    ------
    UserError
        One is none, or is named twice.
    """
    for name in names:
        if name not in COMPONENTS:
            raise UserError(f"names: {quoted(name)} is no component of strain: {', '.join(COMPONENTS)} are")
        if list(names).count(name) > 1:
            raise UserError(f"names: {name} stands there twice")


def strain_components(f: ArrayLike, names: Sequence[str], two_d: bool = False) -> dict[str, np.ndarray]:
    """Components of strain of transformation gradients.

    Parameters
    ----------
    f : (n, 3, 3) array, ZYX
    names : of `COMPONENTS`
    two_d : in-plane motion: only the yx block of F counts. vol, dev, volss and devss are those of two dimensions; eq
        and eqss take the strain across the plane as 0, which stands first in Up and ep

    Returns
    -------
    dict of (n,), (n, 3) or (n, 6) arrays by name; NaN where F is not finite, singular or mirrors

    Raises
    ------
    UserError : an unknown name, or `f` is not an array of 3 x 3 numbers
    """
    check_names(names)
    parts = decompose_f(f, two_d)
    return {name: _component(name, parts, two_d) for name in names}


def principal(tensors: np.ndarray, two_d: bool) -> tuple[np.ndarray, np.ndarray]:
    """Principal values and directions of symmetric tensors.

    Parameters
    ----------
    tensors : (n, 3, 3) array
    two_d : the first axis stands alone, and its value comes first

    Returns
    -------
    values : (n, 3) array, ascending; NaN where a tensor is
    directions : (n, 3, 3) array, [:, :, k] is the unit vector of value k; its largest component is positive
    """
    good = np.isfinite(tensors).all(axis=(1, 2))
    given = np.where(good[:, None, None], tensors, np.eye(3))
    values, directions = np.empty((len(given), 3)), np.zeros((len(given), 3, 3))
    inner = slice(1 if two_d else 0, 3)
    values[:, 0], directions[:, 0, 0] = given[:, 0, 0], 1
    values[:, inner], directions[:, inner, inner] = np.linalg.eigh(given[:, inner, inner])
    largest = np.abs(directions).argmax(axis=1)[:, None]
    directions *= np.sign(np.take_along_axis(directions, largest, axis=1))
    values[~good], directions[~good] = np.nan, np.nan
    return values, directions


def _component(name: str, parts: StrainDecomposition, two_d: bool) -> np.ndarray:
    if name in ("U", "e"):
        return six(getattr(parts, name))
    if hasattr(parts, name):
        return getattr(parts, name)
    if name == "GL":
        return six(0.5 * (parts.U @ parts.U - np.eye(3)))
    if name in ("ep", "eqss"):
        return principal(parts.e, two_d)[0] if name == "ep" else _equivalent(parts.e)
    stretches, directions = principal(parts.U, two_d)
    if name == "Up":
        return stretches - 1
    if name.startswith("Ud"):
        return directions[:, :, int(name[2]) - 1]
    hencky = (directions * np.log(stretches)[:, None]) @ np.swapaxes(directions, 1, 2)
    return six(hencky) if name == "H" else _equivalent(hencky)


def six(tensors: np.ndarray) -> np.ndarray:
    """(n, 3, 3) symmetric -> (n, 6), in the order of `PAIRS`."""
    return tensors[:, _ROWS, _COLUMNS]


def deviator(tensors: np.ndarray, dimensions: int) -> np.ndarray:
    """Tensors (..., 3, 3) less the mean of their diagonal; in two dimensions their yx block, (..., 2, 2)."""
    inner = tensors[..., 3 - dimensions :, 3 - dimensions :]
    mean = np.trace(inner, axis1=-2, axis2=-1) / dimensions
    return inner - mean[..., None, None] * np.eye(dimensions)


def _equivalent(tensors: np.ndarray) -> np.ndarray:
    return np.sqrt(2 / 3) * np.linalg.norm(deviator(tensors, 3), axis=(-2, -1))
