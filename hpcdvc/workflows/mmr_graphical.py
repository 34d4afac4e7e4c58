"""hpcdvc-mmr-graphical: phases of two modalities picked on a page in the browser."""

import logging
import os
import shlex

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.images import VolumeInfo, check_mask, check_pair, open_volume, read_planes
from hpcdvc.multimodal.greys import grey_range
from hpcdvc.multimodal.phases_file import PhasesFile, read_phases
from hpcdvc.options.mmr_graphical import Options
from hpcdvc.output.files import sweep
from hpcdvc.output.places import check_folder, check_inputs_stay, check_names, stem_of
from hpcdvc.pages.ereg_images import PairOfImages
from hpcdvc.pages.ereg_jobs import TeamOfOne
from hpcdvc.pages.mmr_files import MmrKept, state_of
from hpcdvc.pages.mmr_joint import Fit, Search, count, fit, phases_of
from hpcdvc.pages.mmr_state import MmrState, Picked, inside_box, whole_box
from hpcdvc.ranks.team import Team
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.lock import Locks
from hpcdvc.workflows.ereg import start_of

log = logging.getLogger("hpcdvc")

#: Part of each side of im1 that is left out at first, as by -mar of hpcdvc-mmr.
MARGIN = 0.1


def run(options: Options, team) -> list[str]:
    """Serve the page until it is left; returns the paths written. Collective: rank 0 does it.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team
    """
    with Locks(team) as locks:
        return team.agree(lambda: look(options, locks))


def look(options: Options, locks: Locks) -> list[str]:
    """All of it, on one rank; the paths written."""
    inputs = Inputs.of(options)
    im1, im2, mask = (inputs.volume(name) for name in ("im1", "im2", "mask1"))
    check_pair(im1, im2)
    if mask:
        check_mask(im1, mask)
    kept, state, phases = prepare(options, inputs, im1, locks)
    for info in (im1, im2):
        check_contrast(info, options.crop)
    images = PairOfImages(im1, im2, None if options.bin == "auto" else int(options.bin), mask, alike=False)
    search = Search(options.crop if phases is None else phases.crop, options.distance, options.fit_distance)
    if options.batch:
        write(images, kept, state, phases, search, options.auto)
    else:
        from hpcdvc.pages.mmr import MmrPage
        from hpcdvc.pages.show import show

        auto = options.auto and phases is None
        show(MmrPage(images, state, kept, [command_line(options, kept)], search, auto, phases), options)
    return [kept.table]


def prepare(
    options: Options, inputs: Inputs, im1: VolumeInfo, locks: Locks
) -> tuple[MmrKept, MmrState, PhasesFile | None]:
    """The file that is kept, which is that of this session from now on, the state to begin with, and its phases.

    Raises
    ------
    UserError
        With one sentence, when something does not fit.
    """
    state, given = new_state(options, im1), options.phases_file
    phases, path = (read_phases(given), given) if given else (None, "")
    if phases is not None:
        state = state_of(phases, path, state)
    stem = stem_of(options.out_dir, options.prefix or f"{im1.stem}-{inputs.volume('im2').stem}", "phases", im1.path)
    names = ("im1", "im2", "mask1")
    identities = {name: identity for name, identity in inputs.identities().items() if name in names}
    begun = state.phi if given or options.start_file else None
    kept = MmrKept(stem, identities, begun)
    check_names([kept.table])
    check_folder(os.path.dirname(stem))
    own = given and os.path.exists(kept.table) and os.path.samefile(given, kept.table)
    check_inputs_stay([kept.table], [name for name in inputs.paths if name and not (own and name == given)])
    locks.take(stem, options.force)
    earlier = None if options.force or own else kept.earlier()
    if earlier is not None:
        phases, state = earlier, state_of(earlier, kept.table, new_state(options, im1))
        log.info("%s: the session goes on", kept.table)
    sweep([kept.table])
    return kept, state, phases


def new_state(options: Options, im1: VolumeInfo) -> MmrState:
    """The state that options say."""
    box = options.box and list(zip(options.box[::2], options.box[1::2], strict=True))
    if box and any(stop > n for (_, stop), n in zip(box, im1.shape, strict=True)):
        numbers, size = " ".join(map(str, options.box)), " x ".join(map(str, im1.shape))
        raise UserError(f"-box {numbers} does not lie in {im1.spec}, {size} voxels")
    picked = Picked(
        box=inside_box(box, im1.shape) if box else whole_box(im1.shape, max(options.crop, MARGIN)),
        bins=options.bins,
        ranges=((options.im1_min, options.im1_max), (options.im2_min, options.im2_max)),
        thresholds=(float(options.im1_threshold), float(options.im2_threshold)),
        n_phases=options.n_phases[0],
        coverage=options.coverage,
    )
    state = MmrState(im1.shape, picked=picked, rigid=options.rigid)
    if options.start_file:
        state.phi = start_of(options.start_file, options.phi_file_bin_ratio, im1).phi
    return state


def check_contrast(info: VolumeInfo, crop: float) -> None:
    """Make sure that an image has more than one grey value; of most images a single plane tells.

    Raises
    ------
    UserError
        It has not.
    """
    middle = info.shape[0] // 2
    plane = np.asarray(read_planes(info, middle, middle + 1)[0])
    inner = plane[tuple(slice(int(crop * n), n - int(crop * n)) for n in plane.shape)]
    grey = inner[np.isfinite(inner)]
    if not grey.size or grey.min() == grey.max():
        grey_range(open_volume(info), crop, Team(), name=info.spec)


def write(
    images: PairOfImages, kept: MmrKept, state: MmrState, phases: PhasesFile | None, search: Search, auto: bool
) -> None:
    """Find the phases, where they are not there, and write them."""
    team = TeamOfOne()
    if auto and phases is None:
        from hpcdvc.pages.mmr_jobs import automatic_start

        state.set_phi(automatic_start(images, team))
    fitted, ranges = None, phases and phases.ranges
    if phases is not None and phases.mixture.n_phases:
        fitted = Fit.of_file(state, phases)
    if fitted is None or fitted.partial or ranges is None:
        joint = count(images, state, search, team, log.info)
        fitted, ranges = fit(joint, state, search, fitted), joint.ranges
    kept.write(state, phases_of(state, ranges, fitted, search))


def command_line(options: Options, kept: MmrKept) -> str:
    """What replays the file, to be copied."""
    mask = ["-mf1", options.mask1] if options.mask1 else []
    return shlex.join(["hpcdvc-mmr", options.im1, options.im2, "--phases", kept.table, *mask])
