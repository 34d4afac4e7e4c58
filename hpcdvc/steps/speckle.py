"""Scans of speckle: which frames of which projection are compared with which, from options and files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import ndimage

from hpcdvc.errors import UserError
from hpcdvc.fields.status import Status
from hpcdvc.images import VolumeInfo
from hpcdvc.images.stack import Stack, frames_of, open_stack
from hpcdvc.options.umpa import Options
from hpcdvc.runs.inputs import Inputs
from hpcdvc.stacks.frames import FACTS, Detector, FramePair, Frames, Rows, frame_facts, pair_of

#: Part of a window that the masks must leave.
ENOUGH = 0.5


@dataclass(frozen=True)
class ScanFiles:
    """The files of a scan, and how its frames belong together.

    Attributes
    ----------
    ref, sam : headers; those of several stacks are a reference for each block, and a tomographic scan
    flats, darks, masks : headers, None where not given
    steps : frames of `sam` that are compared
    positions : of the sample in these, (dy, dx) each; empty where it has not moved
    blocks : first projection of each block
    by_frame : frames are divided by their own means
    """

    ref: VolumeInfo
    sam: VolumeInfo
    flats: VolumeInfo | None
    darks: VolumeInfo | None
    masks: VolumeInfo | None
    steps: tuple[int, ...]
    positions: tuple[tuple[int, int], ...]
    blocks: tuple[int, ...]
    by_frame: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        """Projections, rows, columns."""
        return self.sam.shape[0] // frames_of(self.sam), *self.sam.shape[1:]

    @property
    def repeated(self) -> bool:
        """Whether the one frame of `ref` goes with all of `sam`."""
        return frames_of(self.ref) == 1 < frames_of(self.sam)

    def block_of(self, projection: int) -> int:
        """Number of the reference of a projection."""
        return int(np.searchsorted(self.blocks, projection, side="right")) - 1


def scan_files(options: Options, inputs: Inputs) -> ScanFiles:
    """The files of a scan, from options and headers, on one rank; see `check_frames`.

    Raises
    ------
    UserError
        The text of the positions is none, or blocks cannot be of one length.
    """
    ref, sam = inputs.volumes["ref"], inputs.volumes["sam"]
    steps = tuple(range(frames_of(sam))) if options.steps is None else options.steps
    positions = read_positions(options.positions, frames_of(sam)) if options.positions else ()
    blocks = options.blocks
    if blocks is None:
        references, projections = (info.shape[0] // frames_of(info) for info in (ref, sam))
        if projections % references and references < projections:
            raise UserError(
                f"{ref.spec} has {references} stacks, and {sam.spec} {projections} projections, which make no blocks "
                "of one length: -blocks says where each begins"
            )
        blocks = tuple(range(0, projections, max(projections // references, 1)))[:references]
    chosen = tuple(positions[step] for step in steps if step < len(positions))
    others = [inputs.volume(name) for name in ("flats", "darks", "frame_masks")]
    return ScanFiles(ref, sam, *others, steps, chosen, blocks, options.mean == "frame")


def read_positions(path: str, frames: int) -> tuple[tuple[int, int], ...]:
    """Positions of the sample in each frame, from a text with a line `dy dx` for each.

    Raises
    ------
    UserError
        It has other lines, or not as many as there are frames.
    """
    try:
        with open(path, encoding="utf-8") as file:
            lines = [line.split("#")[0].split() for line in file]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}") from error
    positions = []
    for number, words in enumerate(lines, 1):
        if not words:
            continue
        try:
            dy, dx = map(float, words)
        except ValueError:
            raise UserError(f"{path}, line {number}: two whole numbers are needed, dy and dx in pixels") from None
        if not (dy.is_integer() and dx.is_integer() and max(abs(dy), abs(dx)) < 2**31):
            raise UserError(f"{path}, line {number}: positions are whole numbers of pixels, not {' '.join(words)}")
        positions.append((int(dy), int(dx)))
    if len(positions) != frames:
        raise UserError(f"{path} has {len(positions)} positions, and there are {frames} frames")
    return tuple(positions)


def check_frames(files: ScanFiles, dark_field: bool) -> None:
    """Check that the files of a scan fit together, from their headers.

    Raises
    ------
    UserError
        With one sentence that names the files and the numbers that disagree.
    """
    sam, projections = files.sam, files.shape[0]
    for other in filter(None, (files.ref, files.flats, files.darks, files.masks)):
        if other.shape[1:] != sam.shape[1:]:
            sizes = [" x ".join(map(str, info.shape[1:])) for info in (other, sam)]
            raise UserError(
                f"the frames differ in size (YX): {other.spec} has {sizes[0]} pixels, {sam.spec} {sizes[1]}"
            )
    frames = [frames_of(info) for info in (files.ref, sam)]
    if frames[0] != frames[1] and not (files.repeated and files.positions):
        raise UserError(f"the stacks differ in their frames: {files.ref.spec} has {frames[0]}, {sam.spec} {frames[1]}")
    if files.masks and files.masks.shape[0] not in (1, frames[1]):
        raise UserError(
            f"{files.masks.spec} has {files.masks.shape[0]} masks: one is needed, or one for each of {frames[1]} frames"
        )
    wrong = [step for step in files.steps if step >= frames[1]]
    if wrong:
        raise UserError(f"-steps: there is no frame {wrong[0]}, {sam.spec} has 0 to {frames[1] - 1}")
    if len(set(files.steps)) < len(files.steps):
        raise UserError("-steps: a frame stands there twice")
    if dark_field and len(files.steps) < 2:
        raise UserError("-df needs at least two frames: one tells too little of the dark field")
    _check_blocks(files, projections)


def _check_blocks(files: ScanFiles, projections: int) -> None:
    references = files.ref.shape[0] // frames_of(files.ref)
    if references > projections:
        raise UserError(f"{files.ref.spec} has {references} stacks, and {files.sam.spec} {projections} to go with them")
    if len(files.blocks) != references:
        raise UserError(f"-blocks has {len(files.blocks)} numbers, and {files.ref.spec} {references} stacks")
    rising = all(a < b for a, b in zip(files.blocks, files.blocks[1:], strict=False))
    if files.blocks[0] != 0 or not rising or files.blocks[-1] >= projections:
        raise UserError(f"-blocks are rising numbers of projections that begin with 0 and end below {projections}")


class Scan:
    """A scan whose files are open. All ranks make it together.

    Parameters
    ----------
    files : see `ScanFiles`, checked
    team : the ranks of this run
    """

    def __init__(self, files: ScanFiles, team) -> None:
        self.files = files
        self._ref, self._sam = open_stack(files.ref, team), open_stack(files.sam, team)
        self._masks = open_stack(files.masks, team) if files.masks else None
        self._detector = team.agree_all(lambda: _detector(files))
        references = range(self._ref.projections)
        known = _shared_facts(team, [self._reference(block) for block in references])
        self._of_references = dict(zip(references, known, strict=True))
        self._of_samples: dict[int, np.ndarray] = {}
        if self._sam.projections == 1:
            self._of_samples = {0: _shared_facts(team, [self._sample(0)])[0]}
        self._pair: tuple[int, FramePair] | None = None

    def pair(self, projection: int) -> FramePair:
        """What is compared for a projection, by one rank."""
        if self._pair is None or self._pair[0] != projection:
            block = self.files.block_of(projection)
            ref, sam = self._reference(block), self._sample(projection)
            facts = self._of_samples.get(projection)
            if facts is None:
                facts = np.array([_facts(sam, number) for number in sam.numbers], FACTS)
            self._pair = projection, pair_of(ref, sam, (self._of_references[block], facts), self.files.by_frame)
        return self._pair[1]

    def _reference(self, block: int) -> Frames:
        numbers = (0,) * len(self.files.steps) if self.files.repeated else self.files.steps
        return self._frames(_rows(self._ref, block), numbers)

    def _sample(self, projection: int) -> Frames:
        mask = None
        if self._masks is not None:
            one = self._masks.frames == 1
            mask = partial(_mask_rows, self._masks, one)
        return self._frames(_rows(self._sam, projection), self.files.steps, mask)

    def _frames(self, rows: Rows, numbers: Sequence[int], mask: Rows | None = None) -> Frames:
        return Frames(rows, tuple(numbers), self.files.shape[1:], self._detector, self.files.positions, mask)


def masked_windows(sam: Frames, half: int) -> Callable[[range, dict[str, np.ndarray]], None]:
    """Marks pixels that are not there as without a specimen where it is the masks that take most of their windows.

    Parameters
    ----------
    sam : the frames with the sample and their masks
    half : half window
    """
    side = 2 * half + 1

    def mark(rows: range, found: dict[str, np.ndarray]) -> None:
        first, stop = max(rows[0] - half, 0), min(rows[-1] + half + 1, sam.shape[0])
        left = np.pad(sam.unmasked(first, stop), half, constant_values=1)
        share = ndimage.uniform_filter(left.astype(np.float64), side)[half:-half, half:-half]
        lost = share[np.asarray(rows) - first][:, :: rows.step] < ENOUGH - 1e-6
        found["status"][lost & (found["status"] == Status.FEW_VALID_VOXELS)] = Status.NO_SPECIMEN

    return mark


def _rows(stack: Stack, projection: int) -> Rows:
    return lambda frame, first, stop: stack.rows(first, stop, slice(frame, frame + 1), projection)[0]


def _mask_rows(masks: Stack, one: bool, frame: int, first: int, stop: int) -> np.ndarray:
    number = 0 if one else frame
    return masks.rows(first, stop, slice(number, number + 1))[0]


def _detector(files: ScanFiles) -> Detector:
    """From all frames of the flats and darks, by every rank for itself: they are few."""
    stacks = [open_stack(info) if info else None for info in (files.flats, files.darks)]
    read = [stack and stack.rows(0, stack.height) for stack in stacks]
    return Detector.of(*read, tuple(info.spec if info else "" for info in (files.flats, files.darks)))


def _facts(frames: Frames, number: int) -> np.void:
    return frame_facts(frames.rows, number, frames.shape[0], frames.detector, frames.mask)


def _shared_facts(team, stacks: list[Frames]) -> list[np.ndarray]:
    """What is known of the frames of each stack, which the ranks look at by turns. Collective."""
    wanted = sorted({(s, number) for s, stack in enumerate(stacks) for number in stack.numbers})
    mine = team.agree_all(
        lambda: {(s, number): _facts(stacks[s], number) for s, number in wanted[team.rank :: team.size]}
    )
    found = {place: facts for some in team.all_gather(mine) for place, facts in some.items()}
    return [np.array([found[s, number] for number in stack.numbers], FACTS) for s, stack in enumerate(stacks)]
