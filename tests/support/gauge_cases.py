"""Fields for gauges: affine ones in files, and those that are measured again and again with new noise."""

from dataclasses import dataclass

import numpy as np
from synthetic import Affine, DisplacementField, Grey, lattice_texture, pair

from hpcdvc.fields.field import POINT, Field
from hpcdvc.fields.gauged import Gauged
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.overlap import WindowOverlap
from hpcdvc.fields.sums import Errors
from hpcdvc.output.hdf5 import save_field
from hpcdvc.ranks.team import Team
from hpcdvc.registration.settings import Settings, Window
from hpcdvc.registration.windows import register_windows

#: Contrast of the images, and what the noise has of it.
CONTRAST, NOISE = 5000, 0.05


def save(path: str, field: Field, half: int | None = 5) -> None:
    """A field as a file of ours, which says how large its windows are."""
    parameters = {} if half is None else {"half_window_size": half}
    save_field(path, field, {"key": "k", "parameters": parameters, "provenance": {}}, Team(), "gather")


@dataclass(frozen=True)
class Again:
    """The same pair of images with new noise each time.

    Attributes
    ----------
    shape : of the images
    half : half window
    spacing : of the nodes
    field : the motion
    longer : factors by which the texture is stretched along z, y and x
    """

    shape: tuple[int, int, int] = (40, 40, 40)
    half: int = 5
    spacing: int = 5
    field: DisplacementField = Affine(
        np.eye(3) + [[0.004, 0.002, 0], [0, -0.003, 0.001], [0.002, 0, 0.002]], np.array([0.3, -0.4, 0.2]),
        np.array([19.5, 19.5, 19.5]),
    )  # fmt: skip
    longer: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def fields(self, count: int, seed: int = 0) -> list[Gauged]:
        """What is measured, so many times."""
        still = Grey(noise=0)
        texture = lattice_texture(7)

        def stretched(points: np.ndarray) -> np.ndarray:
            return texture(points / np.array(self.longer))

        im1, im2 = (image.astype(float) for image in pair(stretched, self.shape, self.field, still, still))
        away = self.half + 1
        counts = [(n - 1 - 2 * away) // self.spacing + 1 for n in self.shape]
        grid = Grid((float(away),) * 3, (float(self.spacing),) * 3, tuple(counts))
        points = np.zeros(grid.size, POINT)
        points["index"], points["position"] = np.arange(grid.size), grid.positions()
        points["Phi"] = self.field.phi(grid.positions())
        settings = Settings(Window((self.half,) * 3), 3)
        rng = np.random.default_rng(seed)

        def noisy(image: np.ndarray) -> np.ndarray:
            noise = rng.normal(scale=NOISE * CONTRAST, size=image.shape)
            return np.clip(np.rint(image + noise), 0, 65535).astype("u2")

        found = []
        for _ in range(count):
            rows = register_windows(noisy(im1), noisy(im2), points, settings)
            variance = rows["variance"].reshape(-1, 3, 4)
            overlap = WindowOverlap((self.half,) * 3)
            errors = Errors(grid.positions(), variance[:, :, 3], overlap, grid)
            measured = rows["return_status"] == 2
            moved = np.where(measured[:, None], rows["Phi"][:, :, 3], 0)
            f = np.where(measured[:, None, None], rows["Phi"][:, :, :3], np.eye(3))
            found.append(Gauged(grid.positions(), moved, f, measured, grid, None, False, errors, variance[:, :, :3]))
        return found


def ratios(readings: list[dict[str, float]]) -> dict[str, float]:
    """Of each number with a standard deviation: what is reported, in the mean of squares, over its scatter."""
    found = {}
    for name in readings[0]:
        if name.endswith("_std"):
            said = np.array([one[name] for one in readings])
            values = np.array([one[name.removesuffix("_std")] for one in readings])
            found[name.removesuffix("_std")] = float(np.sqrt(np.mean(said**2)) / values.std(ddof=1))
    return found
