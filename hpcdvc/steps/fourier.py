"""From the options of hpcdvc-fourier to one operation on images of one shape, checked before an image is read."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.images import VolumeInfo
from hpcdvc.options.fourier import Options
from hpcdvc.stacks import filters, fourier
from hpcdvc.stacks.fourier_volumes import Planes, planes_around, planes_correlated, planes_read


@dataclass(frozen=True)
class Operation:
    """One operation with its numbers.

    Attributes
    ----------
    shape : of the result
    apply : from an array to the result; of two images, from both
    positions : places along each axis, of those that read a Fourier series
    halo : planes on either side that count, of those that take means of neighbours
    factor : planes of a block
    boundary : what is outside
    """

    shape: tuple[int, ...]
    apply: Callable[..., np.ndarray]
    positions: tuple[np.ndarray, ...] | None = None
    halo: int = 0
    factor: int = 1
    boundary: str = ""

    @property
    def correlates(self) -> bool:
        """Whether all of both images counts for each pixel."""
        return self.apply.func is fourier.correlate2d

    def planes(self, team, volume: np.ndarray, other: np.ndarray | None) -> Planes:
        """Function that makes planes of the result of a volume. Collective."""
        if self.positions is not None:
            return planes_read(team, volume, self.positions)
        if self.correlates:
            return planes_correlated(team, volume, other, self.boundary)
        apply = self.apply if other is None else lambda a: self.apply(a, other)
        return planes_around(volume, self.halo, self.boundary == "wrap", apply, self.factor)


def operation_of(options: Options, shape: tuple[int, ...], other: VolumeInfo | None) -> Operation:
    """The operation on images of a shape.

    Parameters
    ----------
    options : of the command
    shape : (ny, nx) or (nz, ny, nx)
    other : header of the second image or the kernel

    Raises
    ------
    UserError
        Numbers do not fit the images, or the other image does not.
    """
    if other is not None:
        return _with_another(options, shape, other.shape[3 - len(shape) :], other)
    return _ALONE[options.operation](options, shape)


def _check_axes(flag: str, given: tuple[float, ...] | None, shape: tuple[int, ...]) -> None:
    if given is not None and len(given) != len(shape):
        raise UserError(f"{flag} takes {len(shape)} numbers for images of {len(shape)} axes, not {len(given)}")


def _shift(options: Options, shape: tuple[int, ...]) -> Operation:
    _check_axes("-by", options.by, shape)
    places = tuple(np.arange(n) - d for n, d in zip(shape, options.by, strict=True))
    return Operation(shape, partial(fourier.shift, displacement=options.by), places)


def _read(places: list[np.ndarray]) -> Operation:
    return Operation(tuple(map(len, places)), partial(fourier.scale, positions=places), tuple(places))


def _zoom(options: Options, shape: tuple[int, ...]) -> Operation:
    _check_axes("-offset", options.offset, shape)
    _check_axes("-at", options.at, shape)
    finer = filters.per_axis(options.finer, len(shape), "-us")
    counts = filters.whole_per_axis(options.out_shape or shape, len(shape), "-shape")
    return _read(fourier.zoom_positions(shape, finer, counts, options.offset or 0.0, options.at))


def _upsample(options: Options, shape: tuple[int, ...]) -> Operation:
    finer = filters.per_axis(options.finer, len(shape), "-us")
    return _read([np.arange(max(int(n * f), 1)) / f for n, f in zip(shape, finer, strict=True)])


def _scale(options: Options, shape: tuple[int, ...]) -> Operation:
    first = filters.per_axis(options.first or 0.0, len(shape), "-first")
    spacing = filters.per_axis(options.spacing, len(shape), "-spacing")
    counts = filters.whole_per_axis(options.out_shape, len(shape), "-shape")
    return _read([a + d * np.arange(m) for a, d, m in zip(first, spacing, counts, strict=True)])


def _downsample(options: Options, shape: tuple[int, ...]) -> Operation:
    sizes = filters.block_sizes(shape, options.factor, options.axis)
    counts = tuple(n // size for n, size in zip(shape, sizes, strict=True))
    return Operation(counts, partial(filters.downsample, factor=sizes), factor=sizes[0])


def _smooth(options: Options, shape: tuple[int, ...]) -> Operation:
    boundary = options.boundary or "ignore"
    apply = partial(filters.smooth, width=options.width, kernel=options.kernel, boundary=boundary)
    apply(np.zeros((1,) * len(shape)))  # its mistakes now
    return Operation(shape, apply, halo=filters.reach(options.kernel, options.width), boundary=boundary)


def _with_another(options: Options, shape: tuple[int, ...], size: tuple[int, ...], other: VolumeInfo) -> Operation:
    if len(shape) == 2 and not other.two_dimensional:
        raise UserError(f"-with {other.spec} is a volume, and the images are 2-D")
    if options.operation == "convolve":
        boundary = options.boundary or "fill"
        apply = partial(filters.convolve, boundary=boundary)
        return Operation(shape, apply, halo=size[0] // 2, boundary=boundary)
    boundary = options.boundary or "wrap"
    fourier.correlation_size(shape, boundary)
    if size != shape:
        raise UserError(f"-with {other.spec} has the shape {size}, and the images {shape}")
    return Operation(shape, partial(fourier.correlate2d, boundary=boundary), boundary=boundary)


_ALONE = {
    "shift": _shift,
    "zoom": _zoom,
    "upsample": _upsample,
    "scale": _scale,
    "downsample": _downsample,
    "smooth": _smooth,
}
