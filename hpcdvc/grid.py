"""The nodes of a measurement: a regular grid in an image."""

from hpcdvc.errors import UserError
from hpcdvc.field import Grid


def make_grid(shape: tuple[int, int, int], spacing: tuple[int, int, int]) -> Grid:
    """Nodes at spacing, 2 * spacing, ... inside an image; one layer at z = 0 for a 2-D image.

    Parameters
    ----------
    shape : (nz, ny, nx) of the image, voxels; nz = 1 for 2-D
    spacing : node spacing ZYX, voxels; z is ignored in 2-D

    Returns
    -------
    Grid : its positions() are the nodes, X fastest

    Raises
    ------
    UserError
        When no node lies inside.
    """
    origin, steps, counts = [], [], []
    for name, n, step in zip("ZYX", shape, spacing, strict=True):
        if name == "Z" and n == 1:
            origin, steps, counts = [0], [1], [1]
            continue
        origin.append(step)
        steps.append(step)
        counts.append((n - 1) // step)
        if counts[-1] < 1:
            raise UserError(f"no node inside: the node spacing of {step} in {name} is not smaller than the image ({n})")
    return Grid(tuple(map(float, origin)), tuple(map(float, steps)), tuple(counts))
