"""hpcdvc-ereg: two images brought together by eye, on a page in the browser."""

import logging
import os
import shlex

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.phi import at_points
from hpcdvc.images import VolumeInfo, check_pair
from hpcdvc.options.ereg import Options
from hpcdvc.output.files import sweep
from hpcdvc.output.places import check_folder, check_inputs_stay, check_names, stem_of
from hpcdvc.pages.ereg_files import Kept
from hpcdvc.pages.ereg_state import EregState, checked_phi
from hpcdvc.runs.inputs import Inputs
from hpcdvc.steps.start import read_start

log = logging.getLogger("hpcdvc")


def run(options: Options, team) -> list[str]:
    """Serve the page until it is left; returns the paths written. Collective: rank 0 does it, all deform the image.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team
    """
    kept, paths = team.agree(lambda: look(options))
    return paths + (deform(options, kept, team) if options.deformed else [])


def deform(options: Options, kept: Kept, team) -> list[str]:
    """Write im1 deformed by Phi; returns the paths. Collective."""
    from hpcdvc.options.deformImage import Options as DeformImageOptions  # what is not needed delays the start
    from hpcdvc.workflows import deformImage

    folder, name = os.path.split(kept.stem)
    plain = {name: getattr(options, name) for name in ("im1", "every_slice", "quiet", "verbose")}
    asked = DeformImageOptions(**plain, phi_file=kept.table, out_dir=folder, prefix=name, force=True)
    return deformImage.run(asked, team)


def look(options: Options) -> tuple[Kept, list[str]]:
    """Everything but the deformed image, on one rank; its files, and the paths written."""
    inputs = Inputs.of(options)
    im1, im2 = inputs.volume("im1"), inputs.volume("im2")
    check_pair(im1, im2)
    kept, state = prepare(options, inputs, im1, im2)
    from hpcdvc.pages.ereg import EregPage
    from hpcdvc.pages.ereg_images import PairOfImages

    images = PairOfImages(im1, im2, None if options.bin == "auto" else int(options.bin))
    if not options.batch:
        from hpcdvc.pages.show import show

        show(EregPage(images, state, kept, command_lines(options, kept), options.auto), options)
    else:
        if options.auto:
            from hpcdvc.pages.ereg_jobs import TeamOfOne, automatic_start

            state.set_phi(automatic_start(images, state.rigid, TeamOfOne()))
        kept.write(state)
    return kept, [kept.table]


def prepare(options: Options, inputs: Inputs, im1: VolumeInfo, im2: VolumeInfo) -> tuple[Kept, EregState]:
    """The files that are kept, and the state to begin with.

    Raises
    ------
    UserError
        With one sentence, when something does not fit.
    """
    path = options.start_file
    phi = None if path is None else start_phi(path, options.phi_file_bin_ratio, im1)
    stem = stem_of(options.out_dir, options.prefix or f"{im1.stem}-{im2.stem}", "PhiEye", im1.path)
    identities = {name: identity for name, identity in inputs.identities().items() if name in ("im1", "im2")}
    kept = Kept(stem, identities)
    check_names([kept.table, kept.page])
    check_folder(os.path.dirname(stem))
    others = [name for name in inputs.paths if name and name != path]
    check_inputs_stay([kept.table, kept.page], others)
    new = EregState(shape=im1.shape) if phi is None else EregState(im1.shape, phi.tolist(), phi.tolist())
    state = kept.begin(new, path, phi, options.force)
    sweep([kept.table, kept.page])
    return kept, state


def start_phi(path: str, bin_ratio: float, im1: VolumeInfo) -> np.ndarray:
    """(4, 4) Phi of a file about the centre of im1."""
    field = read_start(path, bin_ratio, im1)
    if len(field) != 1:
        raise UserError(f"{path} holds a field of {len(field)} rows: one registration (one row) is needed")
    centre = (np.array(im1.shape) - 1) / 2
    phi = at_points(field.phi[0], field.positions[0], centre[None])[0]
    try:
        return checked_phi(phi, 2 if im1.two_dimensional else 3)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def command_lines(options: Options, kept: Kept) -> list[str]:
    """What goes on from the table, to be copied."""
    images = [options.im1, options.im2]
    place = ["-pf", kept.table]
    return [
        shlex.join(["hpcdvc-reg", *images, *place]),
        shlex.join(["hpcdvc-deformImage", options.im1, *place]),
    ]
