"""What a mixture is made of: Gaussians of the phases, and those of the boundaries between them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

#: Most phases: with all boundaries between them they are 856 components.
MOST_PHASES = 16
#: Components of a boundary.
SEGMENT = 7
#: How far along it each of them reaches (standard deviation), parts of the distance to the next.
REACH = 0.5
#: How far a component is followed, standard deviations: farther out the background is more.
FAR = 6.5


@dataclass(frozen=True, eq=False)
class Mixture:
    """p(f, g) = sum of weights[k] N(means[k], covariances[k]) + background / bins^2; f of im1, g of im2, in bins.

    Attributes
    ----------
    weights : (n,) parts of all voxels; with the background they are 1
    means : (n, 2) array, f and g
    covariances : (n, 2, 2) array
    n_phases : the first components, the highest peak first; the others are boundaries, SEGMENT for each of `pairs`
    pairs : (m, 2) integer array, the phases that a boundary lies between, from 0
    background : part of the voxels that belongs to nothing
    """

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    n_phases: int
    pairs: np.ndarray
    background: float

    @classmethod
    def of(
        cls, weights: np.ndarray, means: np.ndarray, covariances: np.ndarray, pairs: np.ndarray, background: float
    ) -> "Mixture":
        """With the components of the boundaries where those of the phases say.

        Parameters
        ----------
        weights : (n,) of all components
        means, covariances : (n_phases, 2) and (n_phases, 2, 2) arrays of the phases
        pairs : (m, 2), as above
        background : as above
        """
        pairs = np.asarray(pairs, int).reshape(-1, 2)
        part = (np.arange(SEGMENT) + 1) / (SEGMENT + 1)
        one, two = pairs.T
        way = means[two] - means[one]
        centres = means[one][:, None] + part[:, None] * way[:, None]
        along = (REACH / (SEGMENT + 1)) ** 2 * way[:, :, None] * way[:, None, :]
        part = part[:, None, None]
        widths = (1 - part) * covariances[one][:, None] + part * covariances[two][:, None] + along[:, None]
        return cls(
            np.asarray(weights, float),
            np.concatenate([means, centres.reshape(-1, 2)]),
            np.concatenate([covariances, widths.reshape(-1, 2, 2)]),
            len(means),
            pairs,
            float(background),
        )

    def precisions(self) -> np.ndarray:
        """(n, 2, 2) array: inverses of the covariances."""
        return np.linalg.inv(self.covariances)

    def heights(self) -> np.ndarray:
        """(n,) densities at the means of the components, with their weights."""
        return self.weights / (2 * np.pi * np.sqrt(np.linalg.det(self.covariances)))

    def reaches(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n, 2) first nodes and last + 1, along f and g, that the components reach; see `patches`."""
        reach = FAR * np.sqrt(self.covariances[:, [0, 1], [0, 1]])
        first = np.searchsorted(at, self.means - reach)
        return first, np.searchsorted(at, self.means + reach, side="right")

    def patches(self, at: np.ndarray) -> Iterator["Patch"]:
        """The components on a grid, each as far as it reaches.

        Parameters
        ----------
        at : (n,) nodes of the grid along f and along g, bins, evenly spaced
        """
        first, stop = self.reaches(at)
        for k, (height, precision) in enumerate(zip(self.heights(), self.precisions(), strict=True)):
            box = tuple(slice(i, j) for i, j in zip(first[k], stop[k], strict=True))
            d1, d2 = at[box[0], None] - self.means[k, 0], at[box[1]] - self.means[k, 1]
            slope = precision[1, 0] * d1 + precision[1, 1] * d2
            density = height * np.exp(-0.5 * (precision[0, 0] * d1**2 + (slope + precision[1, 0] * d1) * d2))
            yield Patch(box, density, slope, float(precision[1, 1]))


@dataclass(frozen=True, eq=False)
class Patch:
    """A component on a part of a grid.

    Attributes
    ----------
    box : the part of the grid
    density : of the component, with its weight
    slope : - d log density / d g
    curvature : its derivative along g
    """

    box: tuple[slice, slice]
    density: np.ndarray
    slope: np.ndarray
    curvature: float
