"""Mappings of deformed images as the kernel sees them; hpcdvc.deformation.mappings makes their tables."""

import numpy as np

from hpcdvc.kernels.arrays import address, record
from hpcdvc.kernels.records import CHOICES, dtype

#: How the source of a voxel is found, by its place in mapping.kind.
KINDS = CHOICES["BY"]


class Mapping:
    """Tables of a mapping for images of one shape.

    Parameters
    ----------
    shape : (nz, ny, nx) of the image
    affine : (3, 4) array: source = affine (p, 1)
    nodes, starts : (n, 15) and (cells + 1,) tables of displaced nodes, with `cells`, `low`, `cell`, `neighbours` and
        `displacement_only` as in the record "mapping"
    tetrahedra : (n, 31) table
    labels : (nz, ny, nx) int32 array, the tetrahedron of every voxel; any other number for none

    Attributes
    ----------
    record : what the kernel reads

    Raises
    ------
    TypeError, ValueError
        Tables of another type or shape, or with cells that do not hold all nodes.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        *,
        affine: np.ndarray | None = None,
        nodes: np.ndarray | None = None,
        starts: np.ndarray | None = None,
        cells=None,
        low=None,
        cell: float = 0,
        neighbours: int = 0,
        displacement_only: bool = False,
        tetrahedra: np.ndarray | None = None,
        labels: np.ndarray | None = None,
    ):
        self.shape, self._keep = shape, (nodes, starts, tetrahedra, labels)
        if affine is not None:
            address(affine, "f8", (3, 4), "the affine mapping")
            self.record = record("mapping", kind=KINDS.index("phi"), affine=affine.ravel())
        elif nodes is not None:
            places = {"cells": cells, "low": low, "cell": cell, "neighbours": neighbours}
            self.record = _by_nodes(nodes, starts, displacement_only=displacement_only, **places)
        else:
            kind, of_labels = KINDS.index("mesh"), 0
            if labels is not None:
                kind, of_labels = KINDS.index("labels"), address(labels, "i4", shape, "the labels")
            table, count = _table(tetrahedra, "tetrahedron", "the tetrahedra"), len(tetrahedra)
            self.record = record("mapping", kind=kind, tetrahedra=table, tetrahedra_count=count, labels=of_labels)


def _by_nodes(nodes: np.ndarray, starts: np.ndarray, **values) -> np.ndarray:
    count = len(nodes)
    table, of_starts = _table(nodes, "node", "the nodes"), address(starts, "i8", (None,), "the first nodes of cells")
    cells = np.asarray(values["cells"])
    if count == 0 or values["neighbours"] < 1 or not values["cell"] > 0 or cells.shape != (3,) or cells.min() < 1:
        raise ValueError("nodes, neighbours and cells are needed, at least one of each")
    if len(starts) != cells.prod() + 1 or starts[0] != 0 or starts[-1] != count or (np.diff(starts) < 0).any():
        raise ValueError(f"the first nodes of {cells.prod()} cells do not lead through {count} nodes")
    return record("mapping", kind=KINDS.index("nodes"), nodes=table, starts=of_starts, count=count, **values)


def _table(table: np.ndarray, kind: str, what: str) -> int:
    return address(table, "f8", (None, dtype(kind).itemsize // 8), what)
