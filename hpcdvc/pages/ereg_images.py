"""The images of hpcdvc-ereg: small copies of both to look at, and the images themselves to register."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.images import VolumeInfo, open_mask, open_volume
from hpcdvc.pages.levels import Level, factor_of, kept_level, level_of, preview
from hpcdvc.pages.planes import grey_window
from hpcdvc.ranks.team import Team
from hpcdvc.registration import levels as registration
from hpcdvc.registration.multiscale import levels_between

#: Voxels of an image that its histogram is taken from, about; classes of the histogram.
SAMPLE, CLASSES = 500_000, 64


@dataclass(frozen=True)
class Shown:
    """What is looked at.

    Attributes
    ----------
    im1, im2 : levels of one factor
    windows : grey values that become black and white, of im1 and of im2
    histograms : how often each image has which grey values between these
    number : tells it from what was looked at before
    """

    im1: Level
    im2: Level
    windows: tuple[tuple[float, float], tuple[float, float]]
    histograms: list[list[int]]
    number: int = 0

    @classmethod
    def of(cls, im1: Level, im2: Level, number: int = 0, alike: bool = True) -> "Shown":
        """Two levels, with the grey window that suits both, or where they are not `alike`, each of them."""
        samples = [_sample(level.array) for level in (im1, im2)]
        windows = (grey_window(samples),) * 2 if alike else tuple(grey_window([sample]) for sample in samples)
        found = zip(samples, windows, strict=True)
        counts = [np.histogram(sample, CLASSES, window)[0].tolist() for sample, window in found]
        return cls(im1, im2, windows, counts, number)


def _sample(array: np.ndarray) -> np.ndarray:
    every = max(1, round((array.size / SAMPLE) ** (1 / 3)))
    values = np.asarray(array[::every, ::every, ::every], np.float32).ravel()
    return values[np.isfinite(values)]


class PairOfImages:
    """Both images.

    Parameters
    ----------
    im1, im2 : headers, of one shape
    factor : binning of what is looked at; None: as much as memory and a quick answer ask for
    mask : header of a mask of im1, which registrations keep to
    alike : the same means the same in both: they have one grey window

    Attributes
    ----------
    shown : what is looked at; None until something is there
    """

    def __init__(
        self,
        im1: VolumeInfo,
        im2: VolumeInfo,
        factor: int | None = None,
        mask: VolumeInfo | None = None,
        alike: bool = True,
    ) -> None:
        self.im1, self.im2, self.mask, self.alike = im1, im2, mask, alike
        self.factor = factor or factor_of(im1.shape)
        self.shown: Shown | None = None

    def load(self, tell: Callable[[str], None]) -> None:
        """Make what is looked at, at first of few planes; `tell` says how far it is, "" when something new is there."""
        levels = [self._first_look(info, tell) for info in (self.im1, self.im2)]
        if all(levels):
            self._show(levels)
            tell("")
        for k, info in enumerate((self.im1, self.im2)):
            if levels[k] is None or not levels[k].exact:
                levels[k] = self._read(info, levels[k], tell)
        if self.shown is None or self.shown.number == 0:
            self._show(levels)
        tell("")

    def _first_look(self, info: VolumeInfo, tell: Callable[[str], None]) -> Level | None:
        """What there is at once of an image: the level that is kept, or a preview; None where it is shown as it is."""
        if self.factor == 1:
            return None
        kept = kept_level(info, self.factor)
        if kept is None:
            tell(f"a first look at {info.spec}")
        return kept or preview(info, self.factor)

    def _read(self, info: VolumeInfo, before: Level | None, tell: Callable[[str], None]) -> Level:
        """The level of an image, in the place of its preview."""
        tell(f"reading {info.spec}")
        return level_of(
            info, self.factor, progress=lambda part: tell(f"{info.spec}: {100 * part:.0f} %"), before=before
        )

    def _show(self, levels: list[Level]) -> None:
        exact = all(level.exact for level in levels)
        self.shown = Shown.of(*levels, number=int(exact), alike=self.alike)

    @property
    def middle(self) -> np.ndarray:
        """(3,) centre of im1, ZYX: the point that Phi of the page is about."""
        return (np.array(self.im1.shape) - 1) / 2

    @cached_property
    def whole(self) -> registration.Level:
        """The images themselves, mapped into memory where their files allow it, and the mask.

        Raises
        ------
        UserError
            The mask is empty.
        """
        im1, im2 = (open_volume(info, Team()) for info in (self.im1, self.im2))
        mask = open_mask(self.mask, Team()) if self.mask else None
        if mask is not None and not mask.any():
            raise UserError(f"the mask {self.mask.spec} is 0 everywhere: no voxel is left to register")
        return registration.Level.of(im1, im2, mask)

    @cached_property
    def turned_about(self) -> np.ndarray:
        """(3,) point of im1, ZYX, that registrations turn it about: the centre of the mask, as for hpcdvc-reg."""
        mask = self.whole.mask1
        return self.middle if mask is None else registration.centre_of_mass(mask, Team())

    def levels(self, first: int, last: int, team: Team) -> dict[int, registration.Level]:
        """Levels to register, by binning, coarse to fine."""
        return levels_between(self.whole, first, last, team)
