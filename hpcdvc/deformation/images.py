"""Deformed images: the grey values of im1 where a mapping says that the voxels of the deformed image come from."""

import numpy as np

from hpcdvc.deformation.mappings import NeighbourMap, PhiMap
from hpcdvc.deformation.meshes import MeshMap
from hpcdvc.errors import UserError
from hpcdvc.kernels.deformation import PLANES, deform_layer
from hpcdvc.kernels.volume import Volume
from hpcdvc.ranks.progress import Progress
from hpcdvc.registration.filters import spline_filter

__all__ = [
    "ORDERS",
    "PLANES",
    "Deformation",
    "MeshMap",
    "NeighbourMap",
    "PhiMap",
    "apply_mesh_transformation",
    "apply_phi",
    "apply_phi_field",
]

ORDERS = (0, 1, 3, 5)
#: Voxels that the spline filter needs to forget how it began: tiles have no seams above 1e-4 of the contrast.
PADS = {1: 0, 3: 10, 5: 14}


class Deformation:
    """An image deformed by a mapping, planes at a time.

    Grey values are interpolated in float32, relative to a value of their neighbourhood: exact for 8 and 16-bit images;
    in others, what is finer than 2^-24 of the contrast in about 40 voxels gets lost.

    Parameters
    ----------
    image : (nz, ny, nx) array: u1, i1, u2, i2, u4, i4, f4 or f8, at order 0 any type; 2-D images have nz = 1
    mapping : PhiMap, NeighbourMap or MeshMap, as it is or prepared for the shape of the image
    order : of the interpolation: 0 copies the nearest voxel, 1 is trilinear, 3 and 5 are splines
    mask2 : (nz, ny, nx) uint8 or bool array in the deformed state; voxels with 0 stay 0

    Raises
    ------
    UserError
        Shapes that do not fit, a type or an order that is not known, or order 0 with grey values that change.
    """

    def __init__(self, image: np.ndarray, mapping, order: int = 1, mask2: np.ndarray | None = None) -> None:
        if order not in ORDERS:
            raise UserError(f"interpolation of order {order}: 0, 1, 3 and 5 are possible")
        if image.ndim != 3 or 0 in image.shape:
            raise UserError(f"an image of shape {image.shape} cannot be deformed: (nz, ny, nx) is needed")
        if mask2 is not None and mask2.shape != image.shape:
            raise UserError(f"the mask has shape {mask2.shape}, the image {image.shape}")
        if mask2 is not None and mask2.dtype not in (np.uint8, bool):
            raise UserError(f"the mask is of type {mask2.dtype}, uint8 is needed")
        if order == 0 and getattr(mapping, "grey_for_strain", False):
            raise UserError("interpolation of order 0 copies voxels: it cannot correct grey values for strain")
        self.dtype, self._copies = image.dtype, order == 0
        self._interpolation = None if self._copies else spline_filter(order, PADS[order])
        self._image = _volume(image, self._copies)
        self._mask2 = None if mask2 is None else np.ascontiguousarray(mask2).view(np.uint8)
        self.shape, self._layers = image.shape, mapping.prepared(image.shape).for_image(image.shape)

    def planes(self, first: int, last: int, dtype: np.dtype | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Planes [first, last) of the deformed image; a voxel is the same whatever planes are asked for.

        Parameters
        ----------
        first, last : planes; slabs that begin and end at multiples of `PLANES` waste no work
        dtype : of the values: None for that of the image; integers are rounded to the nearest and clipped

        Returns
        -------
        values : (last - first, ny, nx) array; 0 where there is no source, nan where it touches voxels that are not
            finite
        inside : (last - first, ny, nx) uint8 array, 1 where the source lies in the image
        """
        dtype = np.dtype(dtype or self.dtype)
        shape = (last - first, *self.shape[1:])
        values, inside = np.zeros(shape, self.dtype if self._copies else dtype), np.zeros(shape, np.uint8)
        stored = values.view(_carrier(values.dtype)) if self._copies else values
        at = first
        while at < last:
            layer = at // PLANES * PLANES
            end = min(layer + PLANES, last)
            part = slice(at - first, end - first)
            mapping = self._layers(layer, layer + PLANES)  # all of it: a box of the image serves a whole tile
            deform_layer(self._image, mapping, self._interpolation, self._mask2, at, stored[part], inside[part])
            at = end
        if self._copies and values.dtype.kind == "f":
            inside[~np.isfinite(values)] = 0
        return values.astype(dtype, copy=False), inside


def _carrier(dtype: np.dtype) -> np.dtype:
    """The type the kernel knows of as many bytes."""
    carriers = {1: "u1", 2: "u2", 4: "u4", 8: "f8"}
    if dtype.itemsize not in carriers:
        raise UserError(f"voxels of type {dtype} cannot be copied: 1, 2, 4 or 8 bytes are possible")
    return np.dtype(carriers[dtype.itemsize])


def _volume(image: np.ndarray, copies: bool) -> Volume:
    image = np.ascontiguousarray(image)
    try:
        return Volume(image.view(_carrier(image.dtype)) if copies else image)
    except TypeError as error:
        raise UserError(f"{error}: convert the image, or interpolate with order 0") from None


def _deform(
    im: np.ndarray, mapping, order: int, mask2: np.ndarray | None = None, verbose: bool = False, comm=None
) -> np.ndarray:
    """A whole image in memory, 3-D or 2-D; the ranks of a communicator share the work, and all get the result."""
    deformation = Deformation(_3d(im), mapping, order, None if mask2 is None else _3d(mask2) != 0)
    depth, (rank, size) = len(_3d(im)), (0, 1) if comm is None else (comm.rank, comm.size)
    result, mine = np.empty(deformation.shape, im.dtype), range(PLANES * rank, depth, PLANES * size)
    with Progress(depth, quiet=rank > 0 or not verbose, unit="planes") as progress:
        for first in mine:
            result[first : first + PLANES] = deformation.planes(first, min(first + PLANES, depth))[0]
            progress.update(min(first + PLANES * size, depth))
    if comm is not None:
        for parts in comm.allgather([(first, result[first : first + PLANES]) for first in mine]):
            for first, planes in parts:
                result[first : first + PLANES] = planes
    return result.reshape(im.shape)


def _3d(array: np.ndarray) -> np.ndarray:
    if array.ndim not in (2, 3):
        raise UserError(f"an image of shape {array.shape} cannot be deformed: 2-D and 3-D are possible")
    return array[None] if array.ndim == 2 else array


def apply_phi(
    im: np.ndarray,
    phi: np.ndarray | None = None,
    phi_centre: np.ndarray | None = None,
    order: int = 1,
    comm=None,
) -> np.ndarray:
    """Deform an image by one deformation function: out(x) = im(Phi^-1 x).

    Parameters
    ----------
    im : (nz, ny, nx) or (ny, nx) array of grey values
    phi : (4, 4) array, ZYX; None is the identity
    phi_centre : (3,) array, ZYX, voxels: the point about which Phi is given; None is the middle of the image,
        (shape - 1) / 2
    order : of the interpolation: 0 (nearest voxel), 1 (linear), 3 or 5 (splines)
    comm : mpi4py communicator whose ranks share the work, each calling this with the same arrays; None: serial

    Returns
    -------
    array
        Of the shape and type of `im`; integers are rounded and clipped; 0 where the source lies outside `im`.

    Raises
    ------
    UserError
        Phi is not a finite 4 x 4 array with an inverse, or the order is not one of the four.

    References
    ----------
    Unser 1999, doi 10.1109/79.799930; Blu, Thevenaz & Unser 2001, doi 10.1109/83.931101 (order 3: cubic o-MOMS)
    """
    im = np.asarray(im)
    centre = (np.array(_3d(im).shape) - 1) / 2 if phi_centre is None else phi_centre
    return _deform(im, PhiMap(np.eye(4) if phi is None else phi, centre), order, comm=comm)


def apply_phi_field(
    im: np.ndarray,
    field_coords_ref: np.ndarray,
    phi_field: np.ndarray,
    im_mask_def: np.ndarray | None = None,
    displacement_mode: str = "apply_phi",
    n_neighbours: int = 8,
    interpolation_order: int = 1,
    verbose: bool = False,
    comm=None,
) -> np.ndarray:
    """Deform an image by a field of deformation functions.

    Every voxel of the deformed image comes from where its nearest displaced points put it: the mean of what each
    says, weighted by 1 / (distance + 1e-6).

    Parameters
    ----------
    im : (nz, ny, nx) or (ny, nx) array of grey values
    field_coords_ref : (n, 3) array, the points of the field in `im`, ZYX, voxels
    phi_field : (n, 4, 4) array, the deformation function about each point; those that are not finite do not count
    im_mask_def : array of the shape of `im`, in the deformed state: voxels where it is 0 stay 0
    displacement_mode : "apply_phi": each neighbour applies the inverse of its Phi to the voxel; "interpolate": only
        its displacement counts
    n_neighbours : number of nearest points
    interpolation_order : 0 (nearest voxel), 1 (linear), 3 or 5 (splines)
    verbose : show progress
    comm : mpi4py communicator whose ranks share the work, each calling this with the same arrays; None: serial

    Returns
    -------
    array
        Of the shape and type of `im`; integers are rounded and clipped; 0 where the source lies outside `im`.

    Raises
    ------
    UserError
        Shapes that do not fit, no finite Phi, a mode or an order that is not known.
    """
    modes = {"apply_phi": False, "applyPhi": False, "interpolate": True}
    if displacement_mode not in modes:
        raise UserError(f'displacement_mode "{displacement_mode}" is not known: "apply_phi" or "interpolate"')
    mapping = NeighbourMap(field_coords_ref, phi_field, n_neighbours, modes[displacement_mode])
    mask2 = None if im_mask_def is None else np.asarray(im_mask_def)
    return _deform(np.asarray(im), mapping, interpolation_order, mask2, verbose, comm)


def apply_mesh_transformation(
    im: np.ndarray,
    points: np.ndarray,
    connectivity: np.ndarray,
    displacements: np.ndarray,
    im_tet_label: np.ndarray | None = None,
    comm=None,
) -> np.ndarray:
    """Deform an image by the displacements of the nodes of a mesh, linear in every tetrahedron.

    Parameters
    ----------
    im : (nz, ny, nx) array of grey values; (ny, nx) with triangles
    points : (m, 3) array, nodes in `im`, ZYX, voxels
    connectivity : (k, 4) integer array, nodes of every tetrahedron; (k, 3) triangles in 2-D
    displacements : (m, 3) array, of the nodes, ZYX, voxels
    im_tet_label : integer array of the shape of `im`, in the deformed state: the row of `connectivity` of every voxel,
        any other number in the background; None: found here
    comm : mpi4py communicator whose ranks share the work, each calling this with the same arrays; None: serial

    Returns
    -------
    array
        Of the shape and type of `im`, trilinear, integers rounded and clipped; 0 outside the mesh, in tetrahedra that
        are flat or turned inside out, and where the source lies outside `im`.

    Raises
    ------
    UserError
        Shapes that do not fit, or a connectivity that names nodes that do not exist.
    """
    labels = None if im_tet_label is None else _3d(np.asarray(im_tet_label))
    return _deform(np.asarray(im), MeshMap(points, connectivity, displacements, labels=labels), 1, comm=comm)
