"""hpcdvc-ereg-discrete: a field of labels repaired by eye, on a page in the browser."""

import logging
import os
import shlex

import numpy as np

from hpcdvc.fields.field import Field
from hpcdvc.images import VolumeInfo, check_mask, check_pair
from hpcdvc.options.ddic import ParticleIterations, ParticleVoxels
from hpcdvc.options.declare import as_parameters, declarations, named_files
from hpcdvc.options.ereg_discrete import Options
from hpcdvc.options.registration import InterpolationOptions, MaskCoverage, WindowShape
from hpcdvc.output.files import sweep
from hpcdvc.output.hdf5 import read_metadata
from hpcdvc.output.kinds import is_hdf
from hpcdvc.output.places import check_folder, check_inputs_stay, check_names, stem_of
from hpcdvc.output.result import FieldFile
from hpcdvc.output.voxel_size import FACT
from hpcdvc.pages.discrete import DiscretePage
from hpcdvc.pages.discrete_images import LabelImages
from hpcdvc.pages.discrete_journal import Journal
from hpcdvc.pages.discrete_rows import MANUAL_ROW, LabelRows, is_registration
from hpcdvc.pages.show import show
from hpcdvc.registration.labels import LabelMask
from hpcdvc.registration.settings import Window
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.job import metadata_of, parameters_of
from hpcdvc.runs.lengths import voxel_size_of
from hpcdvc.runs.lock import Locks
from hpcdvc.steps.particles import check_label_type, labels_of
from hpcdvc.steps.settings import settings_of
from hpcdvc.steps.start import read_start
from hpcdvc.workflows.ddic import ADVICE

log = logging.getLogger("hpcdvc")

#: Options that decide what a refinement gives, those of hpcdvc-ddic.
DECISIVE = (ParticleVoxels, MaskCoverage, ParticleIterations, InterpolationOptions, WindowShape)


def run(options: Options, team) -> list[str]:
    """Serve the page until it is left; returns the paths written. Collective: rank 0 does it.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team
    """
    with Locks(team) as locks:
        return team.agree(lambda: repair(options, locks))


def repair(options: Options, locks: Locks) -> list[str]:
    """The same on one rank.

    Raises
    ------
    UserError
        With one sentence, when something is missing or does not fit.
    """
    inputs = Inputs.of(options)
    im1, labels, im2 = (inputs.volume(name) for name in ("im1", "labels", "im2"))
    check_mask(im1, labels, "label image")
    check_label_type(labels)
    check_pair(im1, im2)
    start = start_of(options, im1)
    journal = journal_of(options, inputs, im1, im2)
    check_names([*journal.paths, journal.file.stem + ".lock"])
    check_inputs_stay(journal.paths, inputs.paths)
    check_folder(os.path.dirname(journal.file.stem))
    locks.take(journal.file.stem, options.force)
    journal.check(options.force)
    sweep(journal.paths)
    window = Window((int(not im1.two_dimensional), 1, 1), options.mask_coverage, shape_order=options.shape_order)
    voxels = LabelMask(options.label_dilate, options.mask_others, options.label_volume_threshold)
    images = LabelImages(im1, labels, im2, settings_of(options, im1, window), voxels, options.margin)

    def rows_of(particles: np.ndarray) -> LabelRows:
        flat = im1.two_dimensional
        return LabelRows.of(particles, start, flat, options.label_dilate, options.phi_file, labels.spec)

    shown = "converged" if options.mask_converged else "none"
    page = DiscretePage(
        images, rows_of, journal, options.return_status_threshold, command_lines(options, journal), shown
    )
    show(page, options)
    if page.failure is not None:
        raise page.failure
    return [path for path in journal.paths if os.path.exists(path)]


def start_of(options: Options, im1: VolumeInfo) -> Field | None:
    """What `-pf` holds: a field of labels or a registration; a warning where hpcdvc-ddic measured it otherwise.

    Raises
    ------
    UserError
        It holds something else.
    """
    start = read_start(options.phi_file, options.phi_file_bin_ratio, im1, members=None)
    if start is None or is_registration(start):
        return start
    labels_of(start, options.phi_file)
    known = read_metadata(options.phi_file, "parameters") if is_hdf(options.phi_file) else {}
    measured = known.get("parameters") or {}
    here = as_parameters(options)
    names = [declared.name for group in DECISIVE for declared in declarations(group)]
    other = [name for name in names if name in measured and measured[name] != here[name]]
    if other:
        listed = ", ".join(f"{name} {measured[name]}" for name in other)
        log.warning("%s was measured with %s: give the same here, or refined labels differ", options.phi_file, listed)
    return start


def journal_of(options: Options, inputs: Inputs, im1: VolumeInfo, im2: VolumeInfo) -> Journal:
    """The files that are kept."""
    parameters = parameters_of(options, inputs.identities())
    metadata, size = metadata_of("ereg-discrete", parameters, named_files(options)), voxel_size_of(options, inputs)
    metadata |= {FACT: size.text} if size else {}
    stem = stem_of(options.out_dir, options.prefix or f"{im1.stem}-{im2.stem}", "ereg-discrete", im1.path)
    flat = (0, 0, 0) if im1.two_dimensional else (1, 1, 1)
    file = FieldFile(stem, 0, metadata, ("tsv",), flat, "gather", ADVICE, MANUAL_ROW)
    return Journal(file, metadata["key"])


def command_lines(options: Options, journal: Journal) -> list[str]:
    """What goes on from the field, to be copied."""
    field = journal.file.path
    again = ["hpcdvc-ddic", options.im1, options.labels, options.im2, "-pf", field, "-skp"]
    return [shlex.join(["hpcdvc-discreteStrain", "-pf", field]), shlex.join(again)]
