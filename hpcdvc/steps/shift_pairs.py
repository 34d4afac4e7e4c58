"""Pairs of whole images made ready to be compared: read by the rank that measures them, brought together, cut."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.images import VolumeInfo, check_mask, check_pair, open_mask, open_volume, read_planes
from hpcdvc.options.shift import FOR_VOLUMES, Options
from hpcdvc.options.values import number
from hpcdvc.runs.inputs import Inputs
from hpcdvc.stacks.wcs import Sky, bright_only
from hpcdvc.steps.roi import region_of

#: Least pixels along an axis.
SMALLEST = 3


@dataclass(frozen=True)
class ShiftPairs:
    """What is compared with what.

    Attributes
    ----------
    images : headers, in order; the one file of all frames
    mask1, mask2 : masks of the first and of the second image of each pair
    noise : of the second image of each pair: grey values, or the header of an image of it
    pairs : numbers of the two images of each pair
    frames : the images are the planes of one file
    stack : each image is a stack of frames
    crop : rows and columns (and planes) that are compared
    sigma_cut : see `hpcdvc.stacks.wcs.bright_only`
    wcs : the second image is brought onto the pixels of the first by their world coordinates
    """

    images: tuple[VolumeInfo, ...]
    mask1: VolumeInfo | None
    mask2: VolumeInfo | None
    noise: VolumeInfo | float | None
    pairs: tuple[tuple[int, int], ...]
    frames: bool
    stack: bool
    crop: tuple[slice, ...]
    sigma_cut: float | None
    wcs: bool

    @property
    def flat(self) -> bool:
        """Whether the images, or the frames of stacks, have two dimensions."""
        return self.frames or self.stack or self.images[0].two_dimensional

    @property
    def shape(self) -> tuple[int, ...]:
        """Of an image: (ny, nx), (nz, ny, nx), or of a stack (K, ny, nx)."""
        shape = self.images[0].shape
        return shape if self.stack or not self.flat else shape[1:]

    @property
    def centre(self) -> np.ndarray:
        """(3,) middle of an image, ZYX, where its Φ is given."""
        shape = np.array(self.images[0].shape)
        return (np.array([1 if self.flat else shape[0], *shape[1:]]) - 1) / 2

    @property
    def volumes(self) -> list[VolumeInfo]:
        """All headers."""
        others = (self.mask1, self.mask2, self.noise)
        return [*self.images, *(info for info in others if isinstance(info, VolumeInfo))]

    @property
    def compared(self) -> tuple[int, ...]:
        """Shape of what is compared of an image or a frame: (ny, nx) or (nz, ny, nx)."""
        shape = self.images[0].shape[1:] if self.flat else self.images[0].shape
        parts = self.crop[1:]
        cut = [part.stop - part.start for part in parts]
        return (*shape[: len(shape) - len(cut)], *cut)

    def name(self, k: int) -> str:
        """Of an image, for messages."""
        return f"{self.images[0].spec} frame {k}" if self.frames else self.images[k].spec


def pairs_of(options: Options, inputs: Inputs) -> ShiftPairs:
    """The pairs that options ask for, on one rank, from headers alone.

    Raises
    ------
    UserError
        They do not fit each other, or what is to be done with them.
    """
    images = inputs.volume("images")
    noise = inputs.volume("noise") or (None if options.noise is None else number(options.noise))
    count = images[0].shape[0] if options.frames else len(images)
    pairs = tuple(zip(_firsts(options, count), range(1, count), strict=True))
    found = ShiftPairs(
        images, inputs.volume("mask1"), inputs.volume("mask2"), noise, pairs, options.frames, options.stack,
        _cut(options, images[0]), options.sigma_cut, options.wcs,
    )  # fmt: skip
    if options.frames and count < 2:
        raise UserError(f"{images[0].spec} is a 2-D image: --frames needs a file of two frames or more")
    if options.stack and images[0].two_dimensional:
        raise UserError(f"{images[0].spec} is a 2-D image: -stack needs stacks of frames")
    if not found.flat and options.method not in FOR_VOLUMES:
        raise UserError(
            f"{images[0].spec} is a volume, which -met {options.method} does not take: {', '.join(FOR_VOLUMES)} do; "
            "-stack takes it for a stack of frames, --frames for a series"
        )
    _check_sizes(found)
    if min(found.compared) < SMALLEST:
        raise UserError(f"{SMALLEST} pixels along each axis are needed, {images[0].spec}, -crop or --roi leaves fewer")
    if options.wcs:
        for info in images:
            Sky.of(info)
    return found


def _firsts(options: Options, count: int) -> list[int]:
    return list(range(count - 1)) if options.series_incremental else [0] * (count - 1)


def _cut(options: Options, image: VolumeInfo) -> tuple[slice, ...]:
    """What is compared, by -crop or --roi; UserError where it is not in the image."""
    flat = options.frames or options.stack or image.two_dimensional
    region = region_of(options, (1, *image.shape[1:]) if flat else image.shape, image.spec)
    if region is not None:
        return (..., *region.slices[flat:])
    return _crop(options.crop, image, flat)


def _crop(given: tuple[int, ...] | None, image: VolumeInfo, flat: bool) -> tuple[slice, ...]:
    """What is compared; UserError where it is not in the image."""
    if given is None:
        return (slice(None),)
    parts = [slice(low, high) for low, high in zip(given[::2], given[1::2], strict=True)]
    if flat and len(parts) == 3:
        raise UserError(f"-crop takes four numbers here: {image.spec} holds images in two dimensions")
    for name, part, size in zip("XYZ", parts[::-1], image.shape[::-1], strict=False):
        if part.stop > size:
            raise UserError(f"-crop: {name} ends with {part.stop}, {image.spec} with {size}")
    return (..., *parts)


def _check_sizes(found: ShiftPairs) -> None:
    first = found.images[0]
    for other in found.images[1:]:
        if not found.wcs:
            check_pair(first, other)
        elif not other.two_dimensional:
            raise UserError(f"{other.spec} is a volume: -wcs is for images in two dimensions")
    noise = found.noise if isinstance(found.noise, VolumeInfo) else None
    for info, what in ((found.mask1, "mask"), (found.mask2, "mask"), (noise, "noise")):
        for image in (first,) if info is found.mask1 else found.images[1:] or found.images:
            if info is not None:
                _check_beside(image, info, what, found.flat)


def _check_beside(image: VolumeInfo, info: VolumeInfo, what: str, flat: bool) -> None:
    """A mask or noise fits an image; that of one frame fits all."""
    if not (flat and info.two_dimensional and info.shape[1:] == image.shape[1:]):
        check_mask(image, info, what)


class PairReader:
    """The two images of each pair. Made by all ranks together, then each reads what it measures.

    Parameters
    ----------
    pairs : ShiftPairs
    team : hpcdvc.ranks.team.Team
    """

    def __init__(self, pairs: ShiftPairs, team) -> None:
        self._pairs = pairs
        masks = [open_mask(info, team) if info else None for info in (pairs.mask1, pairs.mask2)]
        noise = pairs.noise
        if isinstance(noise, VolumeInfo):
            noise = open_volume(noise, team)
        self._masks, self._noise = [self._frame(mask) for mask in masks], self._frame(noise)
        # one that all are compared with is there once a machine
        alone = not pairs.frames and {first for first, _ in pairs.pairs} == {0}
        self._kept = {0: self._frame(open_volume(pairs.images[0], team))} if alone else {}

    def _frame(self, array: np.ndarray | float | None) -> np.ndarray | float | None:
        """An image as it is compared: without the z of two dimensions."""
        return array[0] if isinstance(array, np.ndarray) and self._pairs.flat and len(array) == 1 else array

    @cached_property
    def _skies(self) -> list[Sky]:
        return [Sky.of(info) for info in self._pairs.images]

    def image(self, k: int) -> np.ndarray:
        """Grey values of an image as they are stored, masked pixels too: (ny, nx), (nz, ny, nx) or (K, ny, nx)."""
        if k in self._kept:
            return self._kept[k]
        if self._pairs.frames:
            return read_planes(self._pairs.images[0], k, k + 1)[0]
        info = self._pairs.images[k]
        return self._frame(read_planes(info, 0, info.shape[0]))

    def on_first(self, first: int, second: int) -> np.ndarray:
        """The second image on the pixels of the first: float64 and NaN outside where it had to be brought there."""
        image = self.image(second)
        return self._skies[first].bring(image, self._skies[second]) if self._pairs.wcs else image

    def degrees(self, first: int, displacement: np.ndarray) -> np.ndarray:
        """(2,) displacement (ZYX) along the world axes of an image, degrees."""
        return self._skies[first].degrees(displacement)

    def __call__(self, number: int) -> tuple:
        """im1, im2, noise, mask1, mask2 of a pair, as `hpcdvc.stacks.shift.measure_shift` takes them."""
        first, second = self._pairs.pairs[number]
        im1, im2, noise, (mask1, mask2) = self.image(first), self.image(second), self._noise, self._masks
        if self._pairs.wcs:
            sky, other = self._skies[first], self._skies[second]
            im2 = sky.bring(_masked(im2, mask2), other)
            noise = sky.bring(noise, other) if isinstance(noise, np.ndarray) else noise
            mask2 = None
        if self._pairs.sigma_cut is not None:
            im1, im2 = (bright_only(image, self._pairs.sigma_cut) for image in (im1, im2))
        crop = self._pairs.crop
        return tuple(
            array[crop] if isinstance(array, np.ndarray) else array for array in (im1, im2, noise, mask1, mask2)
        )


def _masked(image: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """float64, NaN where the mask is 0."""
    image = np.array(image, np.float64)
    if mask is not None:
        image[mask == 0] = np.nan
    return image
