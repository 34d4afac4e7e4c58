"""Gauss-Newton iterations of displacements alone, between images or stacks of frames that share one.

The gradient is that of im1: that of im2 would take its noise, interpolated, for motion.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hpcdvc.ranks.team import Team
from hpcdvc.registration.gauss_newton import Iterate, iterate
from hpcdvc.registration.levels import GreyValues
from hpcdvc.registration.pair import Pair, Totals
from hpcdvc.registration.settings import Gradient, Iterations, Settings
from hpcdvc.stacks.errors import MOST_FOLLOWED
from hpcdvc.stacks.images import Images

ITERATIONS = Iterations(min_delta_phi=1e-4, min_zncc=0.0)
#: Pixels at each side of im1 that do not count: their gradients and the interpolation next to them are poorer.
MARGIN = 2
#: Widths of the Gaussian derivatives that are tried where the gradient of im1 is noisy, pixels; None: a spline's.
GRADIENTS = (None, 1.0, 2.0, 4.0)
#: Part of the squared gradient that is noise from which on a smoother one is tried, and what it may leave of it.
NOISY, BETTER = 0.4, 0.8
#: Pixels on each side of a displacement where it is looked at how much of them the gradient sees.
BESIDE = 0.25
#: Blocks per axis whose pulls are compared.
BLOCKS = 4


class Frames:
    """Pairs of frames that share one motion, as the iterations see them: as one pair."""

    def __init__(self, pairs: list[Pair], shape: tuple[int, ...]):
        self.pairs, self.shape, self.axes = pairs, shape, len(shape)
        self.basis = pairs[0].basis[:, : self.axes]  # displacements alone

    def __getattr__(self, name: str):
        return getattr(self.pairs[0], name)

    def totals(self, *arguments) -> Totals | None:
        """Sums over the blocks of all frames; see `Pair.totals`."""
        parts = [pair.totals(*arguments) for pair in self.pairs]
        if any(part is None for part in parts):
            return None
        return Totals(*(_sum([getattr(part, name) for part in parts]) for name in ("reference", "match")))

    def iterates(self, place: np.ndarray, sampled: bool) -> Iterator[Iterate]:
        """Iterations from a displacement; the first may be on a sample of the blocks."""
        phi = _phi_of(place)
        yield from iterate(self, Iterate(0, 0, sampled, phi), phi, ITERATIONS, Team(), 0)

    def of_displacement(self, entries: np.ndarray) -> np.ndarray:
        """(axes,) entries of the displacement among 12 of Phi."""
        return entries.reshape(3, 4)[3 - self.axes :, 3]

    def pulls(self, place: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What boxes of im1 pull at a displacement, and how firmly they hold it.

        Parameters
        ----------
        place : (axes,) displacement, pixels
        boxes : (n, 2, 3) first and last + 1 pixel, ZYX

        Returns
        -------
        (n, axes) right-hand sides of the normal equations and (n, axes, axes) normal matrices, of all frames
        """
        parts = [pair.sums_of(_phi_of(place), boxes) for pair in self.pairs]
        r, m = ([_sum(rows) for rows in zip(*(part[i] for part in parts), strict=True)] for i in range(2))
        r, m = np.array(r), np.array(m)
        n = r["n"].sum()
        a, b = r["a"].sum() / n, m["b"].sum() / n
        gain = np.sqrt((r["aa"].sum() / n - a**2) / (m["bb"].sum() / n - b**2))
        right = r["ag"] - a * r["g"] - gain * (m["bg"] - b * r["g"])
        return right @ self.basis, self.basis.T @ r["M"] @ self.basis

    def noise(self, zncc: float) -> tuple[float, float, np.ndarray]:
        """Variance of the noise of an image, part of the squared gradient that is noise, normal matrix (axes, axes).

        What does not correlate is taken for noise of both images alike.
        """
        r = _sum([pair.latest_parts(1)[0].reference for pair in self.pairs])
        matrix = self.basis.T @ r["M"] @ self.basis
        noise = (
            2 * (r["aa"] - r["a"] ** 2 / r["n"]) * (1 - zncc) / (r["n"] - self.axes) / (1 + self.interpolation_noise)
        )
        return float(noise), float(min(self.gradient_noise * noise * r["n"] / np.trace(matrix), 1)), matrix


def _phi_of(place: np.ndarray) -> np.ndarray:
    """(3, 4) Phi of a displacement."""
    phi = np.eye(4)[:3]
    phi[3 - len(place) :, 3] = place
    return phi


def _sum(records: Sequence[np.void]) -> np.void:
    rows = np.array(records)
    return rows.view("f8").reshape(len(rows), -1).sum(axis=0).view(rows.dtype)[0]


@dataclass(frozen=True)
class Settled:
    """Where iterations have ended.

    Attributes
    ----------
    status : 2 converged; others see hpcdvc.fields.status
    place : (axes,) displacement, pixels
    zncc : zero-mean normalised correlation there
    width : of the Gaussian derivative of im1, pixels; None: a spline's
    frames : with that derivative; None where there was no step
    """

    status: int
    place: np.ndarray
    zncc: float = np.nan
    width: float | None = None
    frames: Frames | None = None

    @cached_property
    def std(self) -> np.ndarray:
        """(axes,) standard deviations of the displacement, pixels."""
        return np.full(len(self.place), np.nan) if self.frames is None else _deviations(self)


def gauss_newton(images: Images, start: np.ndarray) -> Settled:
    """Iterations from a displacement until it has settled; nothing else moves.

    Parameters
    ----------
    images : that are compared
    start : (axes,) displacement, pixels
    """
    best, least = None, np.inf
    for width in GRADIENTS:
        frames = _frames(images, start, width)
        *_, state = frames.iterates(start, frames.has_sample)
        if not state.voxels > 0 or not np.isfinite(state.zncc):
            return Settled(state.status, np.asarray(start, float))
        part = frames.noise(state.zncc)[1]
        if best is not None and not part < BETTER * least:
            break
        best, least = (frames, state, width), part
        if not part > NOISY:
            break
    frames, state, width = best
    return Settled(state.status, frames.of_displacement(state.phi), state.zncc, width, frames)


def _deviations(settled: Settled) -> np.ndarray:
    """(axes,) standard deviations of a displacement: of white noise or, if that is more, from what blocks disagree on.

    The steps that are asked for on both sides tell how much of a displacement the gradient sees: less where it is
    smooth, or where most of it is noise of im1.
    """
    frames, place = settled.frames, settled.place
    seen = np.empty((len(place),) * 2)
    for axis, side in enumerate(BESIDE * np.eye(len(place))):
        ahead, behind = (
            frames.of_displacement(next(frames.iterates(at, False)).delta) for at in (place + side, place - side)
        )
        seen[:, axis] = (behind - ahead) / (2 * BESIDE)
    noise, part, matrix = frames.noise(settled.zncc)
    variance = max(2 * noise * (1 - part / 2), frames.scale**2 * sum(frames.rounding))
    if not np.isfinite(seen).all() or np.linalg.cond(seen) > 1e6:
        return np.full(len(place), np.inf)
    moved = np.linalg.inv(seen) @ np.linalg.inv(matrix)  # by a pull
    white, blocks = variance * matrix, _disagreement(frames, place)
    return np.sqrt(np.max([np.diag(moved @ pulls @ moved.T) for pulls in (white, blocks)], axis=0))


def _disagreement(frames: Frames, place: np.ndarray) -> np.ndarray:
    """(axes, axes) covariance of the sum of the pulls of blocks of what overlaps.

    Those of a misfit that is alike in a block, as where images are turned or strained, do not average out there. What
    the place has followed of a pull is made up for, as in `hpcdvc.stacks.errors.measured_covariance`.
    """
    edges = [
        np.linspace(np.floor(max(MARGIN, -at)), np.ceil(n - max(MARGIN, at)), BLOCKS + 1).round().astype(int)
        for n, at in zip(frames.shape, place, strict=True)
    ]
    flat = [np.array([0, 1])] * (3 - len(place))
    corners = [np.stack([edge[:-1], edge[1:]], axis=-1) for edge in (*flat, *edges)]
    boxes = np.array(list(itertools.product(*corners)), np.int64).transpose(0, 2, 1)
    pulls, matrices = frames.pulls(place, np.ascontiguousarray(boxes))
    held = np.einsum("nij,ji->n", matrices, np.linalg.inv(matrices.sum(axis=0))) / len(place)
    return np.einsum("ni,nj,n->ij", pulls, pulls, 1 / (1 - np.clip(held, 0, MOST_FOLLOWED)))


def _frames(images: Images, start: np.ndarray, width: float | None) -> Frames:
    """The frames of two images, with the gradient of a spline, or a Gaussian one."""
    axes = len(start)
    shape = (1,) * (3 - axes) + images.shape
    gradient = Gradient() if width is None else Gradient("gaussian", width)
    settings = Settings(dimensions=axes, iterations=ITERATIONS, gradient=gradient)
    phi = _phi_of(start)
    margin = tuple(0 if n == 1 else MARGIN for n in shape)
    unit, rounding = float(images.im1.std()), (images.rounding / 2,) * 2
    pairs = []
    for k, (one, two) in enumerate(zip(images.im1, images.im2, strict=True)):
        mask = None if images.there1 is None else images.there1[k].astype(np.uint8).reshape(shape)
        holes = two if images.there2 is None else np.where(images.there2[k], two, np.nan)
        grey1 = GreyValues(float(one.mean()), unit, True)
        grey2 = GreyValues(float(two.mean()), unit, images.there2 is None)
        one, holes = (np.ascontiguousarray(image.reshape(shape)) for image in (one, holes))
        pairs.append(Pair(one, holes, settings, grey1, grey2, mask, margin, np.zeros(3), Team(), phi, rounding))
    return Frames(pairs, images.shape)
