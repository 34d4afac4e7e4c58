"""Registration of a label by sums over blocks of its box: by one rank, or by all that have nothing else to do.

What a window needs grows with its voxels; this needs one byte for each voxel of the box, once a node. The sums are as
those of whole images (pair.py), over the voxels of the label: the number of ranks changes no bit.
"""

from dataclasses import dataclass, replace

import numpy as np

from hpcdvc.fields.field import ROW
from hpcdvc.fields.phi import rotation_of
from hpcdvc.fields.status import Status
from hpcdvc.kernels.registration import label_mask
from hpcdvc.kernels.volume import Volume
from hpcdvc.registration.gauss_newton import Iterate, iterate
from hpcdvc.registration.levels import GreyValues
from hpcdvc.registration.pair import SAMPLE, Pair, Totals
from hpcdvc.registration.settings import Settings

#: Parts of a label, one behind the other, that must have moved alike; voxels that they may miss the motion of the whole
#: by, and standard deviations of the ratio of variances from which on that is not noise.
PARTS, MISSED, SURELY = 8, 0.1, 4.0
#: Iterations after which motions that nothing shows are looked for: turned at random the steps do not get smaller.
LOOK_AFTER = 3
#: Planes of the mask that are made at a time.
PLANES = 16
#: Variance beside the square of the grey values that float32 cannot tell from rounding, as in the kernel of windows.
ROUNDING = 1e-12
#: What a point may be at most to be one, likewise.
FARTHEST = 1e9
#: A direction is buried whose curvature is less than so many times what noise and edges make up ...
BURIED = 1.5
#: ... edges this part of the mean squared gradient, in each component: as voxels make of the edge of a sphere.
OF_VOXELS = 2e-4
#: Variance of an entry of F where any rotation is possible, and part of the largest change that goes along with it.
ANY_ROTATION, SLIGHTLY = 3.3, 0.3


@dataclass(frozen=True)
class LargeLabels:
    """A pair of images and the labels of im1; call it with a label.

    Attributes
    ----------
    im1, im2, labels : (nz, ny, nx) arrays
    settings : Settings, with a window, whose size does not matter
    how : "label_settings" record: which voxels of a label count
    """

    im1: np.ndarray
    im2: np.ndarray
    labels: np.ndarray
    settings: Settings
    how: np.ndarray

    def __call__(self, point: np.ndarray, team) -> np.ndarray:
        """Row (1,) of hpcdvc.fields.field.ROW of one label (LABEL_POINT record). Collective.

        Parameters
        ----------
        point : number, box, centre of mass and the Phi to start from
        team : hpcdvc.ranks.team.Team
        """
        phi, centre = point["Phi"].copy(), point["position"]
        row = _no_row(int(point["index"]))
        if not (np.abs(np.append(phi, centre)) <= FARTHEST).all():
            row["return_status"], row["valid_fraction"] = Status.BAD_START, np.nan
            return row
        own, first = self._own(point, team)
        label = _sums(self.im1, own, first, centre, team)
        whole = team.sum(int(np.count_nonzero(own[slice(*team.spans(len(own)))])))
        row["valid_fraction"] = label.count / whole if whole else np.nan
        row["return_status"] = self._unfit(label, whole)
        if row["return_status"][0] == Status.NOT_EVALUATED and self.settings.iterations.rigid:
            if not abs(np.linalg.det(phi[:, :3])) > 1e-6:
                row["return_status"] = Status.SINGULAR_PHI
            else:
                phi[:, :3] = rotation_of(phi[:, :3])
        if row["return_status"][0] == Status.NOT_EVALUATED:
            self._register(row, phi, centre, own, first, label, whole, team)
        return row

    def _own(self, point: np.ndarray, team) -> tuple[np.ndarray, np.ndarray]:
        """1 for each voxel of the label in its box, which may reach out of im1, and the first voxel of the box."""
        grown = max(int(self.how["dilate"]), 0) * np.array([len(self.im1) > 1, 1, 1])
        first, last = point["low"].astype(np.int64) - grown, point["high"].astype(np.int64) + grown
        labels, number = Volume(self.labels), int(point["label"])

        def fill(start: int, stop: int, planes: np.ndarray) -> None:
            for z in range(start, stop, PLANES):
                some = planes[z - start : min(z + PLANES, stop) - start]
                label_mask(labels, number, self.how, first + (z, 0, 0), some)

        return team.shared_planes(tuple(last - first + 1), np.uint8, fill), first

    def _unfit(self, label: "_LabelSums", whole: int) -> int:
        """Why nothing is measured, in the order in which the kernel of windows looks; NOT_EVALUATED: all is well."""
        window = self.settings.window
        if whole <= int(self.how["min_volume"]) or whole == 0:
            return Status.NO_SPECIMEN
        if label.count == 0:
            return Status.FEW_VALID_VOXELS
        if not window.grey_low < label.grey.mean < window.grey_high:
            return Status.NO_SPECIMEN
        if label.count < window.min_valid * whole:
            return Status.FEW_VALID_VOXELS
        return Status.NOT_EVALUATED if label.grey.std**2 > ROUNDING * label.grey.mean**2 else Status.SINGULAR

    def _register(
        self,
        row: np.ndarray,
        phi: np.ndarray,
        centre: np.ndarray,
        own: np.ndarray,
        first: np.ndarray,
        label: "_LabelSums",
        whole: int,
        team,
    ) -> None:
        """Iterate from phi, and fill in the row. Collective."""
        settings = replace(self.settings, window=None)
        grey2 = self._grey2(own.shape, first, phi, team) or label.grey
        rounding = tuple(1 / 12 if image.dtype.kind in "ui" else 0.0 for image in (self.im1, self.im2))
        pair = Pair(
            self.im1, self.im2, settings, label.grey, grey2, None, (0, 0, 0), centre, team, phi, rounding, (own, first)
        )
        state, unknown = self._settle(pair, phi, label, team)
        excess, missed = team.agree(lambda: _missed_by_parts(pair, state))
        row["Phi"], row["variance"], row["return_status"] = state.phi, state.variance * excess + unknown, state.status
        if state.status == Status.CONVERGED and excess > 1 and missed > MISSED:
            row["return_status"] = Status.TWO_MOTIONS
        row["zncc"], row["error"], row["delta_phi_norm"] = state.zncc, state.error, state.delta_phi_norm
        row["iterations"] = state.number
        if np.isfinite(state.zncc):
            part = SAMPLE if state.sampled else 1
            row["valid_fraction"] = min(part * state.voxels / whole, row["valid_fraction"][0])
            if state.status > 0 and not state.sampled and row["valid_fraction"][0] < self.settings.window.min_valid:
                row["return_status"] = Status.LEFT_IMAGE

    def _settle(self, pair: Pair, phi: np.ndarray, label: "_LabelSums", team) -> tuple[Iterate, np.ndarray]:
        """Last state, and what is to be added to the variances (12,) for motions that nothing shows. Collective.

        Those are not changed any more once they are known. A match that is still far hides more.
        """
        state, all_motions, ends = Iterate(0, 0, pair.has_sample, phi), pair.basis, self.settings.iterations
        unknown, hidden = np.zeros(12), -1

        def look() -> tuple[int, np.ndarray]:
            return _hide(pair, all_motions, state, label.moments)

        while not state.status:
            for after in iterate(pair, state, phi, ends, team, label.count):
                state, before = after, hidden
                if hidden < 0 and state.number >= LOOK_AFTER and not state.status:
                    hidden, unknown = team.agree(look)
            if state.status == Status.CONVERGED and hidden != 0:
                hidden, unknown = team.agree(look)
                if hidden < before:  # on, with those that show now
                    state = replace(state, status=0, delta=np.full(12, np.nan))
        return state, unknown

    def _grey2(self, shape: tuple[int, int, int], first: np.ndarray, phi: np.ndarray, team) -> GreyValues | None:
        """Grey values of im2 where the box starts; None where that is outside."""
        moved = first + np.rint(phi[:, 3]).astype(np.int64)
        low, high = np.maximum(moved, 0), np.minimum(moved + shape, self.im2.shape)
        if (high <= low).any():
            return None
        found = _sums(self.im2, np.broadcast_to(np.uint8(1), high - low), low, low, team)
        return found.grey if found.count else None


def _no_row(index: int) -> np.ndarray:
    """(1,) row of what could not be evaluated."""
    row = np.zeros(1, ROW)
    row["index"], row["Phi"][0, :, :3], row["Phi"][0, :, 3] = index, np.eye(3), np.nan
    for name in ("variance", "zncc"):
        row[name] = np.nan
    row["error"] = row["delta_phi_norm"] = np.inf
    return row


@dataclass(frozen=True)
class _LabelSums:
    """Voxels of a label in an image.

    Attributes
    ----------
    count : of those that are finite
    grey : their grey values
    moments : (3,) sums of squared distances from the centre along each axis, and the number of voxels, (4,)
    """

    count: int
    grey: GreyValues
    moments: np.ndarray


def _sums(image: np.ndarray, own: np.ndarray, first: np.ndarray, centre: np.ndarray, team) -> _LabelSums:
    """Sums over the voxels that own (mz, my, mx), the first of which lies at `first`, marks. Collective.

    Planes are summed up one by one, and then in their order: the number of ranks changes no bit.
    """
    low, high = np.maximum(first, 0), np.minimum(first + own.shape, image.shape)
    box = tuple(slice(*ends) for ends in zip(low, high, strict=True))
    y, x = ((np.arange(low[i], high[i]) - centre[i]) ** 2 for i in (1, 2))
    start, stop = team.spans(max(int(high[0] - low[0]), 0))
    rows = np.zeros((stop - start, 6))
    for row, z in zip(rows, range(int(low[0]) + start, int(low[0]) + stop), strict=True):
        plane = image[z][box[1:]]
        inside = own[z - first[0]][tuple(slice(a - f, b - f) for a, b, f in zip(low, high, first, strict=True))[1:]] > 0
        if plane.dtype.kind == "f":
            inside = inside & (np.abs(plane) <= np.finfo(np.float32).max)
        values = plane[inside].astype(float)
        in_rows, in_columns = np.count_nonzero(inside, axis=1), np.count_nonzero(inside, axis=0)
        row[:] = values.sum(), (values**2).sum(), len(values), 0, in_rows @ y, in_columns @ x
        row[3] = len(values) * (z - centre[0]) ** 2
    total = np.concatenate(team.all_gather(rows)).sum(axis=0)
    count, mean = int(total[2]), total[0] / max(total[2], 1)
    std = np.sqrt(max(total[1] / max(count, 1) - mean**2, 0.0))
    return _LabelSums(count, GreyValues(float(mean), float(std), False), np.append(total[3:], count))


def _hide(pair: Pair, basis: np.ndarray, state: Iterate, moments: np.ndarray) -> tuple[int, np.ndarray]:
    """Leave to the pair the motions that something shows; not, for one, the turn of a bare sphere. On rank 0.

    Parameters
    ----------
    pair : that the last sums were made of
    basis : (12, unknowns) of all motions
    state : the last one
    moments : (4,) sums of the squared coordinates of the voxels about the centre, and of 1

    Returns
    -------
    hidden : number of the other motions
    added : (12,) what they add to the variances
    """
    added, totals = np.zeros(12), pair.latest_parts(1)
    if not totals or not np.isfinite(state.variance).all():
        return 0, added
    matrix, n = totals[0].reference["M"].reshape(12, 12), totals[0].reference["n"]
    white = _residual_variance(pair, state, totals[0]) / (1 + pair.interpolation_noise)
    noise = white * pair.noise_of_component + OF_VOXELS * np.trace(matrix[3::4, 3::4]) / n
    root = np.sqrt(noise * n / moments[3] * basis.T**2 @ np.tile(moments, 3))
    curvatures, directions = np.linalg.eigh(basis.T @ matrix @ basis / np.outer(root, root))
    motions, shown = basis @ (directions / root[:, None]), curvatures >= BURIED
    if not shown.any():
        return 0, added
    pair.basis = basis if shown.all() else motions[:, shown]
    radius = moments[:3].sum() / moments[3]
    in_voxels, most = np.tile([*[np.sqrt(radius)] * 3, 1], 3), np.tile([*[ANY_ROTATION] * 3, radius], 3)
    for along in motions[:, ~shown].T:
        part = np.abs(along * in_voxels) / np.abs(along * in_voxels).max()
        added += np.where(part > SLIGHTLY, most * part**2, 0)
    return int(np.count_nonzero(~shown)), added


def _residual_variance(pair: Pair, state: Iterate, totals: Totals) -> float:
    """In units of the sums."""
    r, n = totals.reference, totals.reference["n"]
    return state.error * pair.scale**2 * (r["a"] / pair.scale + n * pair.offsets[0]) / (n - pair.basis.shape[1])


def _missed_by_parts(pair: Pair, state: Iterate) -> tuple[float, float]:
    """How far the motion of the whole misses that of parts of the label. On rank 0.

    An outline may match without its texture; and what it leaves is no noise that voxels average out.

    Returns
    -------
    excess : mean square beside what noise lets expect, where that is surely more; else 1
    missed : root mean square, weighted, voxels
    """
    parts, whole = pair.latest_parts(PARTS), pair.latest_parts(1)
    if not parts or not np.isfinite(state.variance).all():
        return 1.0, 0.0
    missed, spread = [], []
    for part in parts:
        r, m = part.reference, part.match
        matrix = r["M"].reshape(12, 12)[3::4, 3::4]
        axes = np.flatnonzero(np.diag(matrix) > ROUNDING * np.diag(matrix).max())
        if r["n"] < 10 * pair.basis.shape[1] or not len(axes):
            continue
        right = (r["ag"] - state.gain * m["bg"] - state.shift * r["g"])[3::4][axes]
        inverse = np.linalg.pinv(matrix[np.ix_(axes, axes)])
        missed += list(inverse @ right)
        spread += list(np.diag(inverse))
    if not missed:
        return 1.0, 0.0
    weights, variance = 1 / np.array(spread), _residual_variance(pair, state, whole[0])
    weighted = np.square(missed) * weights
    surely = weighted.mean() > variance * (1 + SURELY * np.sqrt(2 / len(weights)))
    return float(weighted.mean() / variance) if surely else 1.0, float(np.sqrt(weighted.sum() / weights.sum()))
