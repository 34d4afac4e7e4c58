"""Points as a text file that `-gp` reads, and a picture of where they are in the image."""

import io
from dataclasses import dataclass

import numpy as np

from hpcdvc.output import files

#: Bytes in which the key of a file stands, and those that a picture takes at most.
HEAD, PICTURE = 1024, 2**22


@dataclass(frozen=True)
class KeyedFile:
    """A small file to be written by one rank, with the key of its run in its head.

    Attributes
    ----------
    path : final name
    metadata : what to remember; "key" tells this run from others
    file_bytes : about its size
    """

    path: str
    metadata: dict
    file_bytes: int = PICTURE

    def is_ours(self) -> bool:
        """Whether the file was made by a run with this key; UserError if it is none."""
        files.check_regular(self.path)
        with open(self.path, "rb") as file:
            return self.metadata["key"].encode() in file.read(HEAD)

    def stored(self) -> dict:
        """What the file says of what it was made from: nothing that can be compared."""
        return {}

    def begun(self) -> bool:
        """Whether an earlier run has reserved its disk space."""
        return False

    def remembered(self) -> dict:
        """What the record of the run that made it can say after that run."""
        return self.metadata

    def view_paths(self) -> list[str]:
        """Files beside it: none."""
        return []

    def write_views(self) -> None:
        """Nothing."""

    def summary(self) -> None:
        """Nothing to be said that the work has not said."""

    def write(self, content: bytes) -> None:
        """Write it. RunError if the disk does not take it."""
        with files.whole_file(self.path, len(content)) as temporary, files.fill(temporary, "wb") as file:
            file.write(content)


def points_text(positions: np.ndarray, key: str) -> bytes:
    """Z Y X in each line.

    Parameters
    ----------
    positions : (n, 3) integers, ZYX, voxels
    key : of the run
    """
    lines = (f"{z} {y} {x}\n" for z, y, x in positions.tolist())
    return "".join((f"# Z Y X, voxels; hpcdvc-guidingPoints {key}\n", *lines)).encode()


def points_picture(image: np.ndarray, positions: np.ndarray, near: float, key: str) -> bytes:
    """PNG of the middle slices of an image along each axis, and of the points near them.

    Parameters
    ----------
    image : (nz, ny, nx) array; nz = 1 in two dimensions
    positions : (n, 3) ZYX, voxels
    near : points no further than this from a slice are drawn with it, voxels
    key : of the run
    """
    from matplotlib.figure import Figure

    axes = (0,) if image.shape[0] == 1 else (0, 1, 2)
    figure = Figure((5 * len(axes), 5.2), layout="constrained")
    for axis, plot in zip(axes, figure.subplots(1, len(axes), squeeze=False)[0], strict=True):
        place = image.shape[axis] // 2
        step = max(max(image.shape) // 1000, 1)
        grey = np.asarray(image.take(place, axis), float)[::step, ::step]
        finite = grey[np.isfinite(grey)]
        low, high = np.percentile(finite, (1, 99)) if len(finite) else (0, 1)
        rows, columns = (k for k in range(3) if k != axis)
        extent = (-0.5, image.shape[columns] - 0.5, image.shape[rows] - 0.5, -0.5)
        plot.imshow(grey, cmap="gray", vmin=low, vmax=high, extent=extent)
        drawn = positions[np.abs(positions[:, axis] - place) <= near]
        plot.plot(drawn[:, columns], drawn[:, rows], ".", color="tab:orange", markersize=4)
        title = f"{len(drawn)} points" if len(axes) == 1 else f"{'zyx'[axis]} = {place}, {len(drawn)} points near it"
        plot.set_title(title, fontsize=10)
        unit = "pixel" if len(axes) == 1 else "voxel"
        plot.set(xlabel=f"{'zyx'[columns]}, {unit}", ylabel=f"{'zyx'[rows]}, {unit}")
    content = io.BytesIO()
    figure.savefig(content, dpi=110, format="png", metadata={"Software": None, "Comment": key})
    return content.getvalue()
