"""Deformation functions Phi from rotations, stretches and translations, and what a Phi or an F consists of."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from hpcdvc.errors import UserError
from hpcdvc.fields.phi import axial_vector, displacement_at, rotation_matrix, rotation_vector

_SHAPES = {"t": (3,), "r": (3,), "z": (3,), "s": (3,), "U": (3, 3)}
#: rows and columns of the components of "s": zy, zx, yx
_SHEARS = ((0, 0, 1), (1, 2, 2))


@dataclass(frozen=True)
class StrainDecomposition:
    """What a transformation gradient F = R U consists of; one value, or an array with the leading axes of F.

    All fields are NaN where F is not finite, singular, or mirrors (det F < 0): no rotation and stretch make it up.

    Attributes
    ----------
    r : (..., 3) rotation vector, ZYX, degrees: axis times angle, at most 180
    z : (..., 3) stretches along the axes ZYX: the diagonal of U
    U : (..., 3, 3) right stretch tensor, symmetric
    e : (..., 3, 3) small strain, (F + F^T) / 2 - I
    vol : (...) volumetric strain, det F - 1
    dev : (...) deviatoric strain, the norm of U / (det F)^(1/3) - I; in 2-D of the yx block, with exponent 1/2
    volss : (...) volumetric strain of e, its trace
    devss : (...) deviatoric strain of e, the norm of e - I tr(e) / 3; in 2-D of the yx block, with 2 instead of 3
    """

    r: np.ndarray
    z: np.ndarray
    U: np.ndarray
    e: np.ndarray
    vol: np.ndarray
    dev: np.ndarray
    volss: np.ndarray
    devss: np.ndarray


@dataclass(frozen=True)
class PhiDecomposition(StrainDecomposition):
    """What a deformation function consists of: the translation, and all of StrainDecomposition.

    Attributes
    ----------
    t : (..., 3) translation at the point asked for, ZYX, voxels
    """

    t: np.ndarray


def compute_phi(
    transformation: Mapping[str, object],
    phi_centre: ArrayLike = (0, 0, 0),
    phi_point: ArrayLike = (0, 0, 0),
) -> np.ndarray:
    """Build a deformation function from a translation, a rotation and a stretch: F = R U.

    Parameters
    ----------
    transformation : any of these keys; what is left out changes nothing
        "t" translation at `phi_centre` (3, ZYX, voxels);
        "r" rotation vector (3, ZYX, degrees), see `hpcdvc.fields.phi.rotation_matrix`;
        "z" stretches along the axes (3, ZYX), the diagonal of U;
        "s" shears (3: zy, zx, yx), the entries of U off its diagonal;
        "U" right stretch tensor (3, 3), symmetric, instead of "z" and "s"
    phi_centre : ZYX, voxels: the point about which rotation and stretch act
    phi_point : ZYX, voxels: the point at which the translation is wanted, t + (F - I) (phi_point - phi_centre)

    Returns
    -------
    (4, 4) array

    Raises
    ------
    UserError : unknown key, wrong number of components, a number that is not finite, "U" beside "z" or "s", or a
        stretch that is not symmetric with positive eigenvalues
    """
    unknown = sorted(map(str, set(transformation) - set(_SHAPES)))
    if unknown:
        raise UserError(f"a transformation has the keys {', '.join(_SHAPES)}, not {', '.join(unknown)}")
    parts = {
        key: _numbers(f"{key!r} of the transformation", value, (_SHAPES[key],)) for key, value in transformation.items()
    }
    phi = np.eye(4)
    phi[:3, :3] = rotation_matrix(parts.get("r", np.zeros(3))) @ _stretch(parts)
    phi[:3, 3] = parts.get("t", 0.0)
    centre, point = _numbers("phi_centre", phi_centre, ((3,),)), _numbers("phi_point", phi_point, ((3,),))
    phi[:3, 3] = displacement_at(phi, centre, point)
    return phi


def decompose_f(f: ArrayLike, two_d: bool = False) -> StrainDecomposition:
    """Rotation, stretch and strains of transformation gradients, by their polar decomposition F = R U.

    Angles are exact however small they are; nothing is rounded to zero.

    Parameters
    ----------
    f : (..., 3, 3) array, ZYX
    two_d : in-plane motion: only the yx block of F counts, and the strains are those of two dimensions

    Returns
    -------
    StrainDecomposition : with the leading axes of `f`; NaN where F is not finite, singular or mirrors

    Raises
    ------
    UserError : `f` is not an array of 3 x 3 numbers

    References
    ----------
    Higham 1986, Computing the polar decomposition, https://doi.org/10.1137/0907079
    """
    f = _matrices("F", f, 3)
    if two_d:
        f = f.copy()
        f[..., 0, :] = f[..., :, 0] = (1, 0, 0)
    bad = ~np.isfinite(f).all(axis=(-2, -1))
    f = np.where(bad[..., None, None], np.eye(3), f)
    with np.errstate(all="ignore"):  # what overflows is singular
        u, s, vt = np.linalg.svd(f)
        det = np.linalg.det(f)
        bad |= ~((s[..., -1] > 4 * np.finfo(float).eps * s[..., 0]) & (det > 0) & (det < np.inf))
        stretch = np.swapaxes(vt, -1, -2) @ (s[..., None] * vt)
        stretch = 0.5 * (stretch + np.swapaxes(stretch, -1, -2))
        parts = {
            "r": _rotation(f, u, s, vt),
            "z": np.diagonal(stretch, axis1=-2, axis2=-1),
            "U": stretch,
            **_strains(f, stretch, det, 2 if two_d else 3),
        }
    return StrainDecomposition(**{name: _masked(values, bad) for name, values in parts.items()})


def decompose_phi(
    phi: ArrayLike,
    phi_centre: ArrayLike = (0, 0, 0),
    phi_point: ArrayLike = (0, 0, 0),
    two_d: bool = False,
) -> PhiDecomposition:
    """Translation, rotation, stretch and strains of deformation functions.

    Parameters
    ----------
    phi : (..., 4, 4) array, ZYX, about `phi_centre`
    phi_centre : ZYX, voxels: one, or (..., 3) for as many as there are Phi
    phi_point : ZYX, voxels, one or (..., 3): where the translation is wanted, t + (F - I) (phi_point - phi_centre)
    two_d : in-plane motion: only the yx block of F and the translations in y and x count

    Returns
    -------
    PhiDecomposition : with the leading axes of `phi`; NaN where Phi is not finite or F is singular or mirrors

    Raises
    ------
    UserError : `phi` is not an array of 4 x 4 numbers, or the points are not those of three axes
    """
    phi = _matrices("Phi", phi, 4).copy()
    shapes = ((3,), (*phi.shape[:-2], 3))
    centre, point = _numbers("phi_centre", phi_centre, shapes), _numbers("phi_point", phi_point, shapes)
    if two_d:
        phi[..., 0, :] = phi[..., :, 0] = (1, 0, 0, 0)
    strains = decompose_f(phi[..., :3, :3], two_d)
    t = displacement_at(phi, centre, point)
    bad = np.isnan(strains.vol) | ~np.isfinite(t).all(axis=-1)
    return PhiDecomposition(t=_masked(t, bad), **{name: _masked(value, bad) for name, value in vars(strains).items()})


def _rotation(f: np.ndarray, u: np.ndarray, s: np.ndarray, vt: np.ndarray) -> np.ndarray:
    """Rotation vector of F = u s vt: that of R = u vt, with the sine of the angle to as many digits as F - I has.

    U^-1 is symmetric, so the antisymmetric parts of R = F U^-1 and of (F - I) U^-1 are the same.
    """
    inverse = np.swapaxes(vt, -1, -2) @ (vt / s[..., None])
    inverse = 0.5 * (inverse + np.swapaxes(inverse, -1, -2))
    return rotation_vector(u @ vt, axial_vector((f - np.eye(3)) @ inverse))


def _strains(f: np.ndarray, stretch: np.ndarray, det: np.ndarray, dimensions: int) -> dict[str, np.ndarray]:
    """Small strain, and the volumetric and deviatoric strains in 2 or 3 dimensions."""
    e = 0.5 * (f + np.swapaxes(f, -1, -2)) - np.eye(3)
    identity = np.eye(dimensions)
    inner = slice(3 - dimensions, None)
    shape_change = stretch[..., inner, inner] * det[..., None, None] ** (-1 / dimensions) - identity
    volss = np.trace(e, axis1=-2, axis2=-1)
    deviator = e[..., inner, inner] - volss[..., None, None] / dimensions * identity
    return {
        "e": e,
        "vol": det - 1,
        "dev": np.linalg.norm(shape_change, axis=(-2, -1)),
        "volss": volss,
        "devss": np.linalg.norm(deviator, axis=(-2, -1)),
    }


def _stretch(parts: dict[str, np.ndarray]) -> np.ndarray:
    if "U" in parts and ("z" in parts or "s" in parts):
        raise UserError("a transformation has either 'U' or 'z' and 's': both describe the stretch")
    stretch = parts.get("U")
    if stretch is None:
        stretch = np.diag(parts.get("z", np.ones(3)))
        stretch[_SHEARS] = stretch[_SHEARS[::-1]] = parts.get("s", 0.0)
    if not np.allclose(stretch, stretch.T, rtol=0, atol=1e-12 * np.abs(stretch).max()):
        raise UserError(f"'U' of the transformation is not symmetric: {stretch.tolist()}")
    least = np.linalg.eigvalsh(stretch)[0]
    if least <= 0:
        raise UserError(f"the stretch of the transformation flattens or mirrors: an eigenvalue of it is {least:.4g}")
    return stretch


def _numbers(name: str, values: object, shapes: tuple[tuple[int, ...], ...]) -> np.ndarray:
    """Finite float64 numbers in one of these shapes."""
    array = _array(name, values)
    if array.shape not in shapes:
        wanted = " or ".join(" x ".join(map(str, shape)) for shape in dict.fromkeys(shapes))
        raise UserError(f"{name} needs {wanted} numbers, not an array of shape {array.shape}")
    if not np.isfinite(array).all():
        raise UserError(f"{name} is not finite: {array.tolist()}")
    return array


def _matrices(name: str, values: object, n: int) -> np.ndarray:
    array = _array(name, values)
    if array.shape[-2:] != (n, n):
        raise UserError(f"{name} needs {n} x {n} numbers in its last axes, not an array of shape {array.shape}")
    return array


def _array(name: str, values: object) -> np.ndarray:
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise UserError(f"{name} is not made of numbers: {values!r}") from None


def _masked(values: np.ndarray, bad: np.ndarray) -> np.ndarray:
    """NaN where `bad`; a plain number where there is a single one."""
    return np.where(bad.reshape(bad.shape + (1,) * (values.ndim - bad.ndim)), np.nan, values)[()]
