"""Rotations and displacements by which im1 explains im2, on coarse copies: those of a scan, and of registrations."""

from dataclasses import dataclass

import numpy as np

from hpcdvc.multimodal.regression import Regression, class_edges, moved, ranked
from hpcdvc.registration.candidates import Scan, matches, polish
from hpcdvc.registration.coarse_copies import block_means, coarse, flattened
from hpcdvc.registration.levels import Level

CLASSES = 4  # of grey values of im1
NOISE = 0.02  # part of the variance of im2 that nothing explains
ROUNDS = 3  # registrations, each with the regression at the end of the one before
DETAIL = 0.8  # points: standard deviation of the smoothing that gives local mean and contrast


class RatioScan(Scan):
    """By how much classes of grey values of im1, turned by any rotation, explain im2, at all displacements.

    The significance is -n log(1 - eta^2) with the correlation ratio eta^2, the part of the variance of im2 that lies
    between the classes, and the overlap n: twice what the log-likelihood of im2 gains by knowing im1.

    Parameters
    ----------
    one, two : copies, see `CoarseCopies`
    """

    largest_shift = 0.25

    def maps_of_one(self, one: np.ndarray) -> np.ndarray:
        """Which points are of which class."""
        number = np.where(np.isfinite(one), np.searchsorted(class_edges(one, CLASSES), one, side="right"), -1)
        return (number == np.arange(number.max() + 1)[:, None, None, None]).astype(np.float32)

    def measured(self, spectra: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Significance at all displacements, and the overlap."""
        two, two_squared, counts2 = self.two
        squares = self.sums((spectra.sum(axis=0) * two_squared)[None])[0]
        counts, sums = (self.sums(spectra * of_two) for of_two in (counts2, two))
        overlap = np.maximum(counts.sum(axis=0), 1e-3)
        by_mean = sums.sum(axis=0) ** 2 / overlap
        by_classes = np.where(counts > 0.5, sums**2 / np.maximum(counts, 0.5), 0).sum(axis=0)
        floor = NOISE * overlap / 12  # 1 / 12 is the variance of ranks
        whole, within = (np.maximum(squares - explained, 0) + floor for explained in (by_mean, by_classes))
        return overlap * np.log(whole / within), overlap


@dataclass(frozen=True)
class CoarseCopies:
    """Copies of two images at one pitch; motions are about their centres, (3, 4), in points.

    Attributes
    ----------
    one : (nz, ny, nx) float32 array, odd sizes; NaN = does not count
    two : the same of im2, its grey values by their rank
    """

    one: np.ndarray
    two: np.ndarray

    @classmethod
    def of(cls, level: Level, pitch: float) -> "CoarseCopies | None":
        """Those at a pitch in voxels of the level; None where one of them has no contrast."""
        both = []
        for image, mask in ((level.im1, level.mask1), (level.im2, None)):
            blocks = block_means(image, mask, max(1, round(pitch / 2)))
            values, counts, largest = coarse(blocks, blocks.valid, pitch)
            if not counts.any() or np.ptp(values[counts > 0]) <= 1e-6 * largest:
                return None
            both.append(np.where(counts > 0, values, np.nan).astype(np.float32))
        return cls(both[0], ranked(both[1]))

    def details(self) -> "CoarseCopies":
        """The copies without local mean and contrast: outlines count no more than what is inside."""
        return CoarseCopies(_details(self.one), ranked(_details(self.two)))

    def motions(self, turns: np.ndarray, team) -> list[np.ndarray]:
        """Motions by which im1 explains im2, near some of the rotations, the most significant first. Collective."""
        return matches(RatioScan(self.one, self.two), turns, self._polished, team)

    def _polished(self, motions: list[np.ndarray]) -> list[tuple[float, np.ndarray]]:
        polished = []
        for motion in motions:
            significance = 0.0
            for _ in range(ROUNDS):
                regression = Regression.of(self.one, moved(self.two, motion, self.one.shape))
                if regression is not None:
                    ((significance, motion),) = polish(regression(self.one), self.two, [motion])  # noqa: PLW2901
            polished.append((significance, motion))
        return polished

    def agreement(self, motion: np.ndarray) -> tuple[float, float]:
        """How well details match at a motion, im1 seen as im2 would show it.

        Returns
        -------
        clearness : their correlation in units of what it is at other displacements, where it is by chance
        correlation : normalised
        """
        back = moved(self.two, motion, self.one.shape)
        regression = Regression.of(self.one, back)
        if regression is None:
            return 0.0, 0.0
        scan = Scan(_details(regression(self.one)), _details(back))
        significance, overlap = scan.significance(np.eye(3)), (np.isfinite(self.one) & np.isfinite(back)).sum()
        there = significance[tuple(scan.limit)]
        if there == 0:
            return 0.0, 0.0
        chance = np.median(np.abs(significance[significance != 0])) / 0.6745  # the standard deviation, by the median
        return float(there / chance), float(there / np.sqrt(overlap))


def _details(copy: np.ndarray) -> np.ndarray:
    counts = np.isfinite(copy)
    return flattened(np.nan_to_num(copy), counts.astype(np.float32), 1.0, DETAIL)
