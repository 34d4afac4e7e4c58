"""Gauss-Newton iterations on whole images at one level: from sums over all blocks to the next phi, and when they end.

The sums come from pair.py; rank 0 makes the step, all ranks get it. The kernel of windows has a loop of its own
(docs/theory/registration.md, "One control, two loops").
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from hpcdvc.fields.phi import rotation_of
from hpcdvc.fields.status import Status
from hpcdvc.registration.control import GROWTH, LEAST_CONTRAST, LEAST_VARIANCE, NEAR, VOLUME_RATIO
from hpcdvc.registration.pair import SAMPLE, Pair, Totals
from hpcdvc.registration.settings import Iterations

#: Correlation from which on the residual is too small for a difference of float32 sums.
ALIKE = 0.9995
#: Standard deviations of the correlation of unrelated textures that a match must have, and a limit for few voxels.
CHANCE = (6.0, 0.95)
#: Part of the squared gradient of im1 that is taken for noise, at most.
MOST_NOISE = 0.75
#: Least part of the voxels of im1 that must meet im2.
MIN_OVERLAP = 0.1

#: One iteration, as the shards store it.
ITERATE = np.dtype(
    [
        ("index", "<i8"),
        ("factor", "<i4"),
        ("number", "<i4"),
        ("status", "<i4"),
        ("sampled", "<i4"),
        ("phi", "<f8", (3, 4)),
    ]
    + [
        (name, "<f8")
        for name in ("error", "zncc", "voxels", "delta_phi_norm", "contrast_loss", "gain", "shift", "chance")
    ]
    + [("step", "<f8"), ("delta", "<f8", 12), ("variance", "<f8", 12)],
    align=True,
)


@dataclass(frozen=True)
class Iterate:
    """State after one iteration.

    Attributes
    ----------
    number : of the iteration, from 1; 0 before the first
    status : 0 to go on, or why it ended
    sampled : the next iteration is on a sample of the blocks
    phi : (3, 4) array, about the centre of the pair
    error : sum of squared residuals / sum of grey values of im1, before this iteration changed phi
    zncc : zero-mean normalised correlation, likewise
    voxels : number of voxels that took part
    delta_phi_norm : norm of the change
    contrast_loss : what trilinear interpolation leaves of the standard deviation; NaN: not measured
    gain, shift : im1 is like gain im2 + shift, in units of the sums
    chance : correlation that images of unrelated textures like these may reach
    step : factor on the change that the equations ask for
    delta : (12,) that change, without the factor
    variance : (12,) variances of the entries of phi from the residual
    """

    number: int
    status: int
    sampled: bool
    phi: np.ndarray
    error: float = np.inf
    zncc: float = np.nan
    voxels: float = 0.0
    delta_phi_norm: float = np.inf
    contrast_loss: float = np.nan
    gain: float = 1.0
    shift: float = 0.0
    chance: float = 0.0
    step: float = 1.0
    delta: np.ndarray = field(default_factory=lambda: np.full(12, np.nan))
    variance: np.ndarray = field(default_factory=lambda: np.full(12, np.nan))

    def row(self, index: int, factor: int) -> np.ndarray:
        """As one record of ITERATE."""
        row = np.zeros(1, ITERATE)
        for name, value in {**vars(self), "index": index, "factor": factor}.items():
            row[name] = value
        return row

    @classmethod
    def of_row(cls, row: np.void) -> "Iterate":
        """The state that a record holds."""
        return cls(**{name: row[name].copy() if row[name].ndim else row[name].item() for name in cls.__annotations__})


def iterate(
    pair: Pair, state: Iterate, start: np.ndarray, settings: Iterations, team, valid: int, sample_suffices: bool = False
) -> Iterator[Iterate]:
    """Gauss-Newton iterations until phi has settled. Collective: every rank gets every state.

    Parameters
    ----------
    pair : images at this level
    state : to go on from
    start : (3, 4) array, phi before the first iteration
    settings : when they end
    valid : number of voxels of im1 that could take part
    sample_suffices : a phi that the sample of the blocks has settled on will do

    Yields
    ------
    Iterate : the last one has the status

    References
    ----------
    Baker & Matthews 2004, doi 10.1023/B:VISI.0000011205.11775.fd (forward compositional)
    """
    while not state.status:
        # trilinear interpolation takes contrast; how much is measured once, near the end
        due = pair.loses_contrast and np.isnan(state.contrast_loss) and state.delta_phi_norm < NEAR
        greys = (state.gain, state.shift) if state.zncc > ALIKE else None
        totals = pair.totals(state.phi, state.sampled, due, greys)

        def next_state(totals=totals, state=state, due=due, exact=greys is not None) -> Iterate:
            if totals is None:
                return replace(state, number=state.number + 1, status=int(Status.VOLUME_CHANGE))
            loss = _contrast_loss(totals) if due else state.contrast_loss
            return _step(pair, totals, replace(state, contrast_loss=loss), valid, settings, exact)

        after = team.agree(next_state)
        settled = after.status == Status.CONVERGED
        enough = (sample_suffices and settled) or after.status == Status.MAX_ITERATIONS
        if state.sampled and after.status and not enough:  # all blocks will do better, or fail for good
            phi = after.phi if settled else start
            after = replace(after, sampled=False, status=0, phi=phi, delta=np.full(12, np.nan))
        state = after
        yield state


def _contrast_loss(totals: Totals) -> float:
    """Standard deviation of the trilinearly interpolated im2 / that without interpolation."""
    m = totals.match
    if not m["contrast_n"] > 0:
        return 1.0
    of_mean = m["contrast_b"] ** 2 / m["contrast_n"]
    loss = np.sqrt(min((m["contrast_bb"] - of_mean) / (m["interpolated_bb"] - of_mean), 1.0))
    return float(loss) if loss > LEAST_CONTRAST else 1.0


@dataclass(frozen=True)
class _Match:
    """How well the images match, in units of the sums, and the right-hand side of the normal equations."""

    squares: float
    zncc: float
    gain: float
    shift: float
    right: np.ndarray


def _match(pair: Pair, totals: Totals, contrast_loss: float) -> _Match | None:
    """None where one of the images has no contrast."""
    r, m = totals.reference, totals.match
    n = r["n"]
    mean_a, mean_b = r["a"] / n, m["b"] / n
    aa, bb, ab = r["aa"] - n * mean_a**2, m["bb"] - n * mean_b**2, m["ab"] - n * mean_a * mean_b
    if not (aa > LEAST_VARIANCE * r["aa"] and bb > LEAST_VARIANCE * m["bb"]):
        return None
    gain, shift_a, shift_b = np.sqrt(aa / bb) * np.nan_to_num(contrast_loss, nan=1.0), mean_a, mean_b
    squares = aa + gain**2 * bb - 2 * gain * ab
    if not pair.znssd:
        gain, shift_a, shift_b = 1.0, 0.0, (pair.offsets[0] - pair.offsets[1]) * pair.scale
        squares = aa + bb - 2 * ab + n * (mean_a - mean_b + shift_b) ** 2
    right = r["ag"] - shift_a * r["g"] - gain * (m["bg"] - shift_b * r["g"])
    zncc, shift = float(ab / np.sqrt(aa * bb)), float(shift_a - gain * shift_b)
    return _Match(max(float(squares), 0.0), zncc, float(gain), shift, right)


def _step(pair: Pair, totals: Totals, last: Iterate, valid: int, settings: Iterations, exact: bool) -> Iterate:
    """One Gauss-Newton step from the sums; `exact`: the sum of squares is among them."""
    r, number = totals.reference, last.number + 1
    n = float(r["n"])
    failed = replace(last, number=number, voxels=n)
    if n < max(MIN_OVERLAP * valid / (SAMPLE if last.sampled else 1), 4 * pair.basis.shape[1]):
        return replace(failed, status=int(Status.LEFT_IMAGE))
    match = _match(pair, totals, last.contrast_loss)
    solved = None if match is None else solve(pair.basis, r["M"], match.right)
    if solved is None:
        return replace(failed, status=int(Status.SINGULAR))
    delta, covariance = solved
    step = _step_length(last, delta, r["M"])
    phi, status = compose(last.phi, step * delta, pair.rigid)
    squares = float(totals.match["residual"]) if exact else match.squares
    error = float(squares / pair.scale**2 / (r["a"] / pair.scale + n * pair.offsets[0]))
    spread = np.kron(phi[:, :3], np.eye(4))
    rounding = _rounding_noise(pair, match.gain * np.nan_to_num(last.contrast_loss, nan=1.0))
    variance = np.diag(spread @ covariance @ spread.T) * _scatter(pair, r["M"], n, squares, rounding)
    state = replace(
        last, number=number, phi=phi, error=error, zncc=match.zncc, voxels=n, gain=match.gain, shift=match.shift,
        delta_phi_norm=step * float(np.linalg.norm(delta)), step=step, delta=delta, variance=variance,
        chance=_chance(r, n),
    )  # fmt: skip
    return replace(state, status=int(status or _verdict(pair, state, last, settings)))


def _rounding_noise(pair: Pair, gain: float) -> float:
    """What rounding to whole grey values adds to the residual of both images, in units of the sums."""
    return pair.scale**2 * (pair.rounding[0] + gain**2 * pair.rounding[1])


def _scatter(pair: Pair, matrix: np.ndarray, n: float, squares: float, rounding: float) -> float:
    """Factor that makes the inverse normal matrix a covariance, the residual taken for white noise of both images.

    Interpolation takes noise from the residual, not from the result; noise in the gradient makes the matrix too large.
    There is never less than rounding.
    """
    noise = squares / (n - pair.basis.shape[1]) / (1 + pair.interpolation_noise)
    gradient = matrix[3, 3] + matrix[7, 7] + matrix[11, 11]
    in_gradient = min(pair.gradient_noise * noise * n / gradient, MOST_NOISE)
    return float(max(2 * noise, rounding) * (1 - in_gradient / 2) / (1 - in_gradient) ** 2)


def _step_length(last: Iterate, delta: np.ndarray, matrix: np.ndarray) -> float:
    """Factor on the change: where gradients are too short or too long, the changes of two iterations tell by how much.

    A change that is c times the error leaves 1 - step c of it, and so is the next one: Aitken's relaxation.
    """
    if not np.isfinite(last.delta).all():
        return last.step
    before = last.delta @ matrix @ last.delta
    left = (delta @ matrix @ last.delta) / before if before > 0 else 0.0
    return float(last.step / (1 - left)) if left < 0.5 else max(last.step, 1.0)


def _chance(reference: np.void, n: float) -> float:
    """Correlation that unrelated textures may reach: so many standard deviations of it, at most a value below 1.

    Two independent fields with the autocorrelation exp(-r^2 / 2 s^2) correlate with a variance of pi^(d/2) s^d / n;
    s^2 is the variance of the grey values over that of a component of their gradient.
    """
    slopes = [reference["M"][4 * i + 3, 4 * i + 3] / n for i in range(3)]
    slopes = [slope for slope in slopes if slope > 0]
    variance = reference["aa"] / n - (reference["a"] / n) ** 2
    if not slopes or not variance > 0:
        return 0.0
    speckle = np.prod([np.sqrt(np.pi * variance / slope) for slope in slopes])
    return float(min(CHANCE[0] * np.sqrt(speckle / n), CHANCE[1]))


def _verdict(pair: Pair, state: Iterate, last: Iterate, settings: Iterations) -> int:
    """Why the iterations end here; 0: they go on."""
    comparable = np.isfinite(last.delta).all()  # not with what other blocks say
    if comparable and state.number > settings.max_iterations / 2 and _has_grown(pair, state, last):
        return Status.ERROR_GROWTH
    if state.delta_phi_norm <= settings.min_delta_phi and not (pair.loses_contrast and np.isnan(state.contrast_loss)):
        return Status.CONVERGED if state.zncc >= max(settings.min_zncc, state.chance) else Status.DECORRELATED
    return Status.MAX_ITERATIONS if state.number >= settings.max_iterations else 0


def _has_grown(pair: Pair, state: Iterate, last: Iterate) -> bool:
    """Whether the images match clearly worse than before; `error` depends on the gain as well, `zncc` does not."""
    if pair.znssd:
        return GROWTH * (1 - state.zncc) > 1 - last.zncc + 1 - ALIKE
    return GROWTH * abs(state.error) > abs(last.error)


def solve(basis: np.ndarray, matrix: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Change of the 12 entries, its covariance for residuals of unit variance; None if the equations are singular.

    Parameters
    ----------
    basis : (12, unknowns) array of what may change
    matrix, right : (12, 12) and (12,) arrays, both sides of the normal equations
    """
    normal = basis.T @ matrix @ basis
    diagonal = np.diag(normal)
    if not (diagonal > 0).all() or not np.isfinite(normal).all():
        return None
    scale = 1 / np.sqrt(diagonal)
    scaled = normal * np.outer(scale, scale)
    if np.linalg.eigvalsh(scaled)[0] < 1e-7:
        return None
    inverse = np.linalg.inv(scaled) * np.outer(scale, scale)
    return basis @ (inverse @ (basis.T @ right)), basis @ inverse @ basis.T


def compose(phi: np.ndarray, delta: np.ndarray, rigid: bool) -> tuple[np.ndarray, int]:
    """phi (I + delta), all (3, 4) or 12 entries, and a status: 0, or what is wrong with the result."""
    whole, change = np.eye(4), np.eye(4)
    whole[:3], change[:3] = phi, np.eye(4)[:3] + delta.reshape(3, 4)
    result = (whole @ change)[:3]
    if not np.isfinite(result).all():
        return phi, Status.SINGULAR_PHI
    if rigid and abs(np.linalg.det(result[:, :3])) > 1e-6:
        result[:, :3] = rotation_of(result[:, :3])
    ratio = np.linalg.det(result[:, :3])
    return result, 0 if VOLUME_RATIO[0] < ratio < VOLUME_RATIO[1] else Status.VOLUME_CHANGE
