"""Two images of other modalities under a Phi: joint histogram, log-likelihood of a mixture, and its derivatives.

The image is cut into blocks that do not depend on the ranks; every rank sums over some of them, and the totals are made
of all blocks in their order. So the number of ranks changes no bit. Far from the solution a sample of the blocks shows
the way as well.
"""

from dataclasses import dataclass

import numpy as np

from hpcdvc.kernels.multimodal import Images
from hpcdvc.kernels.records import dtype
from hpcdvc.kernels.volume import Volume
from hpcdvc.multimodal.settings import Margin
from hpcdvc.registration.levels import Level
from hpcdvc.registration.pair import total_of

SUMS = dtype("modal_sums")
#: Blocks that there are about, and the least and the largest length of one along z and y; along x it is twice as long.
BLOCKS, SHORTEST, LONGEST = 64, 16, 64
#: One block of so many, no thicker than the least length, stands for all, where that will do and there are enough.
SAMPLE, LEAST_BLOCKS = 4, 32


@dataclass(frozen=True)
class ModalSums:
    """Sums over all voxels that count, for one Phi and one mixture; they make a step of Newton's method.

    With J = (gradient of im2 brought back) x (x - centre, 1), (12,), s = - d log p / d g and v > 0 the curvature of
    - log p along g:

    Attributes
    ----------
    matrix : (12, 12) array, sum of v J J^T
    right : (12,) array, - sum of s J: the derivative of the log-likelihood by the entries of delta, Phi (I + delta)
    rights : (n, 12) array, the same of each block of the image
    log_likelihood : sum of log p(f, g)
    count : voxels that count
    outside : voxels of im1 that would count, but whose place in im2 is outside or beside voxels that are not finite
    histogram : (bins, bins) int64 array, that of `ModalPair.histogram`
    """

    matrix: np.ndarray
    right: np.ndarray
    rights: np.ndarray
    log_likelihood: float
    count: int
    outside: int
    histogram: np.ndarray


class ModalPair:
    """Two images of other modalities, to be looked at under any Phi.

    im1(x) shows what im2(F (x - centre) + centre + t) shows. Grey values are taken as bins: 0 is the lowest of the
    range of an image, bins - 1 the highest; f is im1, g is im2 there. Both are smoothed a little, so that sharp edges
    do not bias Phi: g is the quadratic B-spline whose coefficients are the grey values, f is im1 filtered by
    [1 6 1] / 8 along each axis, which is the same at whole voxels. What lies beyond the ranges is clipped; beyond that
    of im2 it says nothing of the motion. Voxels of im1 count inside the margin, where its mask is not 0, where it and
    its direct neighbours are finite, and where im2 has grey values.

    Parameters
    ----------
    level : both images and the mask
    ranges : of the grey values (low, high) of im1 and im2
    bins : of the joint histogram, along each of its axes
    margin : voxels (ZYX) of im1 left out, at both ends of a side alike or (low, high) each
    centre : point of im1 (ZYX) that Phi is about
    team : hpcdvc.ranks.team.Team

    Raises
    ------
    ValueError
        Ranges without values, or a number of bins that is not possible.
    """

    def __init__(self, level: Level, ranges: tuple, bins: int, margin: Margin, centre: np.ndarray, team):
        low, high = np.array([ends if isinstance(ends, tuple) else (ends, ends) for ends in margin]).T
        blocks, sample = _blocks(low, level.im1.shape - high)
        self._blocks = {
            chosen: some[slice(*team.spans(len(some)))] for chosen, some in ((False, blocks), (True, sample))
        }
        self.bins, self.shape = bins, level.im1.shape
        self.centre, self._team, self._tables = np.asarray(centre, float), team, None
        greys = [[getattr(grey, name) for grey in ranges] for name in ("low", "high")]
        self._images = Images(Volume(level.im1, level.mask1), Volume(level.im2), *greys, bins, self.centre)

    def histogram(self, phi: np.ndarray, sampled: bool = False) -> np.ndarray:
        """Joint histogram: (bins, bins) int64, im1 by im2, voxels of the nearest bins. Collective; on all ranks.

        Parameters
        ----------
        phi : (3, 4) array, about the centre
        sampled : a sample of the blocks will do
        """
        found = np.zeros((self.bins, self.bins), np.int64)
        self._images.count(phi, self._blocks[sampled], found)
        return self._team.sum(found)

    def moments(self, phi: np.ndarray) -> np.ndarray:
        """Number of voxels, sum of g and of g^2, by bins of im1: (bins, 3) array. Collective; on all ranks.

        Parameters
        ----------
        phi : (3, 4) array, about the centre
        """
        found = np.zeros((len(self._blocks[False]), self.bins, 3))
        self._images.moments(phi, self._blocks[False], found)
        parts = self._team.gather(found)
        return self._team.broadcast(None if parts is None else np.concatenate(parts).sum(axis=0))

    def sums(self, phi: np.ndarray, tables, sampled: bool = False) -> ModalSums:
        """Log-likelihood under a mixture and what a change of Phi makes of it. Collective; on all ranks.

        Parameters
        ----------
        phi : (3, 4) array, about the centre
        tables : hpcdvc.multimodal.tables.Tables of the mixture
        sampled : a sample of the blocks will do, where there are enough of them
        """
        self._use(tables)
        blocks = self._blocks[sampled]
        found, histogram = np.zeros(len(blocks), SUMS), np.zeros((self.bins, self.bins), np.int64)
        self._images.sums(phi, blocks, found, histogram)
        found = np.concatenate(self._team.all_gather(found))
        total = total_of(found)
        # the kernel's gradients are those of im2: along the axes of im1 they are F^T times these
        turn = np.kron(np.asarray(phi)[:, :3].T, np.eye(4))
        matrix, right, rights = turn @ total["matrix"] @ turn.T, turn @ total["right"], found["right"] @ turn.T
        numbers = float(total["log_likelihood"]), int(total["count"]), int(total["outside"])
        return ModalSums((matrix + matrix.T) / 2, right, rights, *numbers, self._team.sum(histogram))

    def fields(
        self, phi: np.ndarray, tables, diagram: np.ndarray, first: int, stop: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Residual and phase of the voxels of planes of im1, in the margin too; the same however planes are dealt out.

        The residual is s / sqrt(v): g less what the mixture expects it to be beside f, in standard deviations. The
        iterations make the sum of its squares small; where phases overlap it needs no choice between them.

        Parameters
        ----------
        phi : (3, 4) array, about the centre
        tables : hpcdvc.multimodal.tables.Tables of the mixture
        diagram : (bins, bins) integer array, the phase of each bin, 0 to 255
        first, stop : first plane and last + 1

        Returns
        -------
        (stop - first, ny, nx) float32 array : residual, NaN where a voxel does not count
        (stop - first, ny, nx) uint8 array : phase, 0 where a voxel does not count
        """
        self._use(tables)
        shape = (stop - first, *self.shape[1:])
        residual, phase = np.empty(shape, np.float32), np.empty(shape, np.uint8)
        self._images.fields(phi, np.ascontiguousarray(diagram, np.uint8), first, residual, phase)
        return -residual, phase

    def _use(self, tables) -> None:
        """Let the kernel take these tables."""
        if tables is self._tables:
            return
        root = np.sqrt(tables.weight)
        values = np.stack([tables.log_density, -tables.score / root, root, np.zeros_like(root)], axis=-1)
        self._images.use(np.pad(values.astype(np.float32), [(0, 1), (0, 1), (0, 0)], mode="edge"))
        self._tables = tables


def _blocks(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, 2, 3) first and last + 1 voxel of the blocks between two corners, Z slowest; those of the sample, or all."""
    sides = np.maximum(high - low, 0)
    length = (sides.prod() / BLOCKS) ** (1 / max(np.count_nonzero(sides > 1), 1))
    length = int(np.clip(np.round(length) // SHORTEST, 1, LONGEST // SHORTEST)) * SHORTEST
    sizes = np.array((length, length, 2 * length))
    places = np.moveaxis(np.indices(-(-sides // sizes)), 0, -1).reshape(-1, 3)
    firsts = low + places * sizes
    blocks = np.ascontiguousarray(np.stack([firsts, np.minimum(firsts + sizes, high)], axis=1))
    if len(blocks) < LEAST_BLOCKS:
        return blocks, blocks
    sample = blocks[places @ (1, 3, 1) % SAMPLE == 0]  # spread in all directions
    surplus = np.maximum(sample[:, 1, 0] - sample[:, 0, 0] - SHORTEST, 0)
    sample[:, 0, 0] += surplus // 2
    sample[:, 1, 0] -= surplus - surplus // 2
    return blocks, sample


def explained(moments: np.ndarray) -> float:
    """Part of the variance of im2 that im1 explains: 1 - variance about its mean at equal im1 / variance (Roche et al.
    1998, doi 10.1007/BFb0056301: the correlation ratio).

    Parameters
    ----------
    moments : (bins, 3) array of `ModalPair.moments`

    Returns
    -------
    0 to 1; 0 where im2 has no variance, or nothing counts
    """
    n, g, gg = moments[moments[:, 0] > 0].T
    if not n.sum() > 0:
        return 0.0
    within = (gg - g**2 / n).sum()
    whole = gg.sum() - g.sum() ** 2 / n.sum()
    return float(np.clip(1 - within / whole, 0, 1)) if whole > 1e-12 * gg.sum() else 0.0
