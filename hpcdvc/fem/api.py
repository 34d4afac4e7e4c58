"""Global correlation for Python users: arrays in, displacements out."""

import logging
from dataclasses import asdict

import numpy as np
from scipy import sparse

from hpcdvc.errors import UserError
from hpcdvc.fem.correlation import MeshPair, correlate
from hpcdvc.fem.iterates import Control, Journal, Result
from hpcdvc.fem.parameters import RegularisationParameters
from hpcdvc.fem.quality import check_mesh
from hpcdvc.fem.regularisation import RegularisationOperator
from hpcdvc.fem.regularisation import regularisation_matrix as matrix_of
from hpcdvc.fem.surfaces import surface_labels
from hpcdvc.fields.status import Status, reason_of
from hpcdvc.ranks.team import Team
from hpcdvc.registration.levels import as_volume

log = logging.getLogger("hpcdvc")

#: How far a node may lie outside the voxel centres of an image, voxels.
OUTSIDE = 1.0


def global_correlation(
    im1: np.ndarray,
    im2: np.ndarray,
    points: np.ndarray,
    connectivity: np.ndarray,
    regularisation_matrix: object | None = None,
    regularisation_field: np.ndarray | None = None,
    initial_displacements: np.ndarray | None = None,
    convergence_criterion: float = 0.01,
    max_iterations: int = 20,
    median_filter_each_iteration: bool = False,
    criterion: str = "znssd",
    solver: str = "direct",
    gradient: str = "im1",
    probes: int = 0,
    verbose: bool = False,
    return_result: bool = False,
    comm=None,
) -> np.ndarray | Result:
    """Measure the displacements of all nodes of a mesh at once, with or without mechanical regularisation.

    Parameters
    ----------
    im1 : (nz, ny, nx) array of grey values, the reference in which the mesh is defined
    im2 : array of the same shape; NaN voxels of either do not count
    points : (n, 3) nodes, ZYX, voxels
    connectivity : (k, 4) nodes of the tetrahedra
    regularisation_matrix : M_reg from `regularisation_matrix`, or another sparse matrix; None: none
    regularisation_field : (n, 3) test field from there, which must come with it
    initial_displacements : (n, 3) to start from, ZYX, voxels; default no motion
    convergence_criterion : voxels; converged when no node moves by more, and the residual changes by less than 0.1 %
    max_iterations : most iterations
    median_filter_each_iteration : take the median of each node and its neighbours after each iteration
    criterion : "znssd" (gain and offset of the whole image), "map" (a map of them that changes slowly), "ssd" (none)
    solver : "direct" or "pcg"
    gradient : "im1", or "both" for the mean of the gradients of both images
    probes : random vectors for the standard deviations of the nodes; 0: none are estimated
    verbose : show the iterations (logger "hpcdvc")
    return_result : return the status, standard deviations, residuals and the history as well
    comm : mpi4py communicator whose ranks share the work, each calling this with the same arrays; None: serial

    Returns
    -------
    (n, 3) displacements, ZYX, voxels; the last iterate, with a warning, where it has not converged. With
    `return_result` hpcdvc.fem.iterates.Result

    Raises
    ------
    UserError
        The arrays do not fit each other, the mesh is damaged or not inside im1, or an argument is out of range.
    RunError
        The equations cannot be solved.

    Notes
    -----
    Forces on Neumann surfaces are not implemented.

    References
    ----------
    Mendoza, Neggers, Hild, Roux 2019, doi 10.1016/j.cma.2019.06.005
    """
    one, two = as_volume(im1), as_volume(im2)
    if one.shape != two.shape or one.shape[0] == 1:
        raise UserError(f"two volumes of one shape are needed, not {np.shape(im1)} and {np.shape(im2)}")
    points, connectivity = _mesh_inside(points, connectivity, one.shape)
    start = np.zeros_like(points) if initial_displacements is None else np.asarray(initial_displacements, float)
    if start.shape != points.shape or not np.isfinite(start).all():
        raise UserError(f"initial displacements must be finite and of shape {points.shape}, not {start.shape}")
    regularisation = _checked(regularisation_matrix, regularisation_field, points.shape)
    control = Control(
        max_iterations, convergence_criterion, criterion, median_filter_each_iteration, solver, gradient, probes
    )
    journal = Journal(say=log.info if verbose else lambda text: None)
    result = correlate(MeshPair(one, two, points, connectivity, regularisation), start, control, Team(comm), journal)
    if result.return_status != Status.CONVERGED:
        log.warning("the global correlation has not converged: %s", reason_of(result.return_status))
    return result if return_result else result.displacements


def _mesh_inside(
    points: np.ndarray, connectivity: np.ndarray, shape: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """The mesh as `correlate` takes it; UserError when it is damaged, has idle nodes, or leaves the image."""
    points = np.ascontiguousarray(points, float)
    if points.ndim != 2 or points.shape[1] != 3 or np.shape(connectivity)[1:] != (4,):
        raise UserError(
            f"points of shape {points.shape} and a connectivity of shape {np.shape(connectivity)}: (n, 3) and (k, 4) "
            "are needed"
        )
    connectivity = check_mesh(points, np.asarray(connectivity), "the mesh")
    alone = len(points) - len(np.unique(connectivity))
    if alone:
        raise UserError(f"{alone} of {len(points)} nodes belong to no tetrahedron: nothing tells their displacements")
    check_inside(points, shape, "the mesh")
    return points, connectivity


def _checked(matrix: object | None, field: np.ndarray | None, shape: tuple[int, int]) -> tuple | None:
    """The regularisation as a pair; UserError when its parts do not fit the mesh or each other."""
    if (matrix is None) != (field is None):
        raise UserError("regularisation_matrix and regularisation_field belong together: only one is given")
    if matrix is None:
        return None
    if not (sparse.issparse(matrix) or isinstance(matrix, RegularisationOperator)):
        raise UserError(
            f"the regularisation matrix is a {type(matrix).__name__}: what regularisation_matrix returns, or another "
            "sparse matrix, is needed"
        )
    unknowns = shape[0] * shape[1]
    if matrix.shape != (unknowns, unknowns) or np.shape(field) != shape:
        raise UserError(
            f"a regularisation matrix of shape {matrix.shape} and a field of shape {np.shape(field)} do not fit "
            f"{shape[0]} nodes"
        )
    return matrix, np.asarray(field, float)


def check_inside(points: np.ndarray, shape: tuple[int, int, int], name: str) -> None:
    """Make sure that a mesh lies in an image.

    Parameters
    ----------
    points : (n, 3) nodes, ZYX, voxels
    shape : of the image
    name : of the mesh, for messages

    Raises
    ------
    UserError
        A node lies more than a voxel outside the centres of its voxels.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    if (low < -OUTSIDE).any() or (high > np.array(shape) - 1 + OUTSIDE).any():
        extent = ", ".join(f"{a:g} to {b:g}" for a, b in zip(low, high, strict=True))
        raise UserError(
            f"{name} does not lie in the image: its nodes reach from {extent} (ZYX), the image has "
            f"{' x '.join(map(str, shape))} voxels"
        )


def regularisation_of(points: np.ndarray, connectivity: np.ndarray, parameters: RegularisationParameters) -> tuple:
    """M_reg and the test field v of a mesh, from the parameters of a file.

    Raises
    ------
    UserError
        A surface of the parameters is not found.
    """
    known = asdict(parameters)
    labels = surface_labels(points, known.pop("surfaces"))
    return matrix_of(points, connectivity, labels=labels, **known)
