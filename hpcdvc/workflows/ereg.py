"""hpcdvc-ereg: two images brought together by eye, on a page in the browser."""

import logging
import os
import shlex

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.phi import at_points
from hpcdvc.fields.status import Family
from hpcdvc.images import VolumeInfo, check_mask, check_pair
from hpcdvc.options.common import Slices
from hpcdvc.options.declare import declarations
from hpcdvc.options.ereg import Options
from hpcdvc.output.files import sweep
from hpcdvc.output.places import check_folder, check_inputs_stay, check_names, stem_of
from hpcdvc.pages.ereg_files import Kept
from hpcdvc.pages.ereg_state import EregState, Outcome, checked_phi
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.lock import Locks
from hpcdvc.steps.start import read_start

log = logging.getLogger("hpcdvc")


def run(options: Options, team) -> list[str]:
    """Serve the page until it is left; returns the paths written. Collective: rank 0 does it, all deform the image.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team
    """
    with Locks(team) as locks:
        kept, paths = team.agree(lambda: look(options, locks))
        return paths + (deform(options, kept, team) if options.deformed else [])


def deform(options: Options, kept: Kept, team) -> list[str]:
    """Write im1 deformed by Phi; returns the paths. Collective."""
    from hpcdvc.options.deformImage import Options as DeformImageOptions  # what is not needed delays the start
    from hpcdvc.workflows import deformImage

    folder, name = os.path.split(kept.stem)
    named = [declared.name for declared in declarations(Slices)]
    plain = {name: getattr(options, name) for name in ("im1", *named, "quiet", "verbose")}
    asked = DeformImageOptions(**plain, phi_file=kept.table, out_dir=folder, prefix=name, force=True)
    return deformImage.run(asked, team)


def look(options: Options, locks: Locks) -> tuple[Kept, list[str]]:
    """Everything but the deformed image, on one rank; its files, and the paths written."""
    inputs = Inputs.of(options)
    im1, im2, mask = (inputs.volume(name) for name in ("im1", "im2", "mask1"))
    check_pair(im1, im2)
    if mask:
        check_mask(im1, mask)
    kept, state = prepare(options, inputs, im1, im2, locks)
    from hpcdvc.pages.ereg import EregPage
    from hpcdvc.pages.ereg_images import PairOfImages

    images = PairOfImages(im1, im2, None if options.bin == "auto" else int(options.bin), mask)
    if not options.batch:
        from hpcdvc.pages.show import show

        show(EregPage(images, state, kept, command_lines(options, kept), options.auto), options)
    else:
        if options.auto:
            from hpcdvc.pages.ereg_jobs import TeamOfOne, automatic_start

            state.set_phi(automatic_start(images, state.rigid, TeamOfOne()))
        kept.write(state)
    return kept, [kept.table]


def prepare(options: Options, inputs: Inputs, im1: VolumeInfo, im2: VolumeInfo, locks: Locks) -> tuple[Kept, EregState]:
    """The files that are kept, which are those of this session from now on, and the state to begin with.

    Raises
    ------
    UserError
        With one sentence, when something does not fit.
    """
    path, new = options.start_file, EregState(shape=im1.shape)
    if path is not None:
        new = start_of(path, options.phi_file_bin_ratio, im1)
    stem = stem_of(options.out_dir, options.prefix or f"{im1.stem}-{im2.stem}", "PhiEye", im1.path)
    identities = {name: identity for name, identity in inputs.identities().items() if name in ("im1", "im2")}
    kept = Kept(stem, identities)
    check_names([kept.table, kept.page])
    check_folder(os.path.dirname(stem))
    others = [name for name in inputs.paths if name and name != path]
    check_inputs_stay([kept.table, kept.page], others)
    locks.take(stem, options.force)
    state = kept.begin(new, path, options.force)
    sweep([kept.table, kept.page])
    return kept, state


def start_of(path: str, bin_ratio: float, im1: VolumeInfo) -> EregState:
    """The state of a file: its Phi about the centre of im1, and how it was found where that is the same."""
    field = read_start(path, bin_ratio, im1)
    if len(field) != 1:
        raise UserError(f"{path} holds a field of {len(field)} rows: one registration (one row) is needed")
    centre, outcome = (np.array(im1.shape) - 1) / 2, Outcome()
    phi = at_points(field.phi[0], field.positions[0], centre[None])[0]
    if (phi == field.phi[0]).all() and field.family == Family.REGISTRATION:
        outcome = Outcome.of(field)
    try:
        phi = checked_phi(phi, 2 if im1.two_dimensional else 3).tolist()
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return EregState(im1.shape, phi, phi, outcome)


def command_lines(options: Options, kept: Kept) -> list[str]:
    """What goes on from the table, to be copied."""
    images, place = [options.im1, options.im2], ["-pf", kept.table]
    mask = ["-mf1", options.mask1] if options.mask1 else []
    return [
        shlex.join(["hpcdvc-reg", *images, *place, *mask]),
        shlex.join(["hpcdvc-deformImage", options.im1, *place]),
    ]
