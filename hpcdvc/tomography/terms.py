"""What moves views beside the comparison: chance, the mean offset, the centre of mass."""

import numpy as np

from hpcdvc.tomography.centres import centres_of_mass
from hpcdvc.tomography.joined import joined
from hpcdvc.tomography.level import Level, Seen
from hpcdvc.tomography.settings import AlignSettings


class Chance:
    """What is drawn by chance in an iteration: the same on all ranks, and as often whatever the settings are.

    Parameters
    ----------
    settings : of the run
    views : how many there are
    moving : (m,) numbers of those that are moved
    """

    def __init__(self, settings: AlignSettings, views: int, moving: np.ndarray):
        self.generator = np.random.Generator(np.random.PCG64(settings.seed))
        self.views, self.moving = views, moving
        self.count = max(1, int(np.ceil(len(moving) * settings.sample - 1e-9)))

    def sample(self) -> np.ndarray:
        """Numbers of the views that are moved in the iteration."""
        return self.generator.choice(self.moving, self.count, replace=False)

    def normal(self) -> np.ndarray:
        """(2, n) numbers of a standard normal distribution, for the relaxation of j and of k."""
        return np.array([self.generator.standard_normal(self.views) for _ in range(2)])

    def skip(self, iterations: int) -> None:
        """Draw what an earlier run has drawn."""
        for _ in range(iterations):
            self.sample()
            self.normal()


def towards_mean(offsets: np.ndarray, chance: Chance) -> np.ndarray:
    """(2, n) what is to be taken off offsets that are farther from their mean than chance allows, 1 pixel at most."""
    off = offsets - offsets.mean(axis=1, keepdims=True)
    allowed = np.abs(off.std(axis=1, keepdims=True) * chance.normal())
    return np.clip(np.sign(off) * np.maximum(0, np.abs(off) - allowed), -1, 1)


def towards_centre(level: Level, seen: Seen, offsets: np.ndarray) -> np.ndarray:
    """(2, n) steps after which the centre of mass of each view is where that of the volume is seen, 1 pixel at most.

    Collective. Both are measured from the middle of view and volume.
    """
    centre = level.centre_of_mass(seen.volume)
    own = joined(level.team, centres_of_mass(seen.views), axis=1)
    seen_at = np.array([level.geometry.u @ centre, level.geometry.w @ centre])
    return np.clip((seen_at - own - level.offsets(offsets)) * level.binning, -1, 1)
