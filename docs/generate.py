"""Tables of the documentation, made from the code: options, statuses, columns of the files, modules, names.

`python docs/generate.py` writes them to docs/generated/; the build of the pages does so by itself.
"""

import ast
import pkgutil
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from inspect import signature
from itertools import groupby
from pathlib import Path

import hpcdvc

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests" / "support"))

from layers import FILES, LAYERS, layer  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"

#: function of another program or of its pages -> ours; those of the package root by the module that defines them
NAMES = (
    ("image_registration.fft_tools.convolve, convolvend", "hpcdvc.fourier.convolve"),
    ("image_registration.fft_tools.correlate2d", "hpcdvc.fourier.correlate2d"),
    (
        "image_registration.fft_tools.downsample, downsample_1d, downsample_cube, downsample_axis",
        "hpcdvc.fourier.downsample",
    ),
    ("image_registration.fft_tools.fourier_interp1d, fourier_interp2d, fourier_interpnd", "hpcdvc.fourier.scale"),
    ("image_registration.fft_tools.shift2d, shiftnd", "hpcdvc.fourier.shift"),
    ("image_registration.fft_tools.smooth", "hpcdvc.fourier.smooth"),
    ("image_registration.fft_tools.dftups", "hpcdvc.fourier.upsample"),
    ("image_registration.fft_tools.zoomnd, zoom_on_pixel", "hpcdvc.fourier.zoom"),
    ("image_registration.chi2_shifts.chi2_shift", "hpcdvc.stacks.chi2_api.chi2_shift"),
    ("image_registration.chi2_shifts.chi2_shift_iterzoom", "hpcdvc.stacks.chi2_api.chi2_shift_iterzoom"),
    ("image_registration.chi2_shifts.chi2n_map", "hpcdvc.stacks.chi2_api.chi2n_map"),
    ("image_registration.cross_correlation_shifts", "hpcdvc.stacks.pair_api.cross_correlation_shifts"),
    ("image_registration.cross_correlation_shifts_FITS", "hpcdvc.stacks.wcs.cross_correlation_shifts_fits"),
    ("image_registration.iterative_zoom.iterative_zoom", "hpcdvc.stacks.pair_api.iterative_zoom"),
    ("image_registration.iterative_zoom.iterative_zoom_1d", "hpcdvc.stacks.pair_api.iterative_zoom_1d"),
    ("image_registration.register_images", "hpcdvc.stacks.pair_api.register_images"),
    ("", "hpcdvc.stacks.shift.measure_shift"),
    (
        "mumott.pipelines.run_phase_matching_alignment",
        "hpcdvc.tomography.api.phase_matching_alignment",
    ),
    ("spam.deformation.computePhi", "hpcdvc.fields.decomposition.compute_phi"),
    ("spam.deformation.decomposeF", "hpcdvc.fields.decomposition.decompose_f"),
    ("spam.deformation.decomposePhi", "hpcdvc.fields.decomposition.decompose_phi"),
    ("spam.DIC.applyMeshTransformation", "hpcdvc.deformation.images.apply_mesh_transformation"),
    ("spam.DIC.applyPhi, applyPhiPython", "hpcdvc.deformation.images.apply_phi"),
    ("spam.DIC.applyPhiField", "hpcdvc.deformation.images.apply_phi_field"),
    ("spam.DIC.applyRegistrationToPoints", "hpcdvc.steps.kinematics.apply_registration_to_points"),
    ("spam.DIC.binning", "hpcdvc.registration.levels.binning"),
    (
        "spam.DIC.estimateDisplacementFromQuadraticFit",
        "hpcdvc.steps.kinematics.estimate_displacement_from_quadratic_fit",
    ),
    ("spam.DIC.estimateLocalQuadraticCoherency", "hpcdvc.steps.kinematics.estimate_local_quadratic_coherency"),
    ("spam.DIC.getDisplacementFromNeighbours", "hpcdvc.labels.starts.get_displacement_from_neighbours"),
    ("spam.DIC.getImagettes", "hpcdvc.search.api.get_windows"),
    ("", "hpcdvc.search.guiding_points.guiding_points"),
    ("", "hpcdvc.fields.strain_api.geers_gradients"),
    ("", "hpcdvc.fields.strain_api.q8_gradients"),
    ("", "hpcdvc.fields.strain_api.polynomial_gradients"),
    ("", "hpcdvc.fields.strain_api.bagi_gradients"),
    ("", "hpcdvc.fields.strain.strain_components"),
    ("", "hpcdvc.fields.strain_errors.strain_deviations"),
    ("spam.DIC.isochoricField", "hpcdvc.fem.regularisation.isochoric_field"),
    ("spam.DIC.globalCorrelation", "hpcdvc.fem.api.global_correlation"),
    ("spam.DIC.interpolatePhiField", "hpcdvc.steps.kinematics.interpolate_phi_field"),
    ("spam.DIC.makeGrid", "hpcdvc.fields.grid.make_grid"),
    ("spam.DIC.mergeRegistrationAndDiscreteFields", "hpcdvc.labels.starts.merge_registration_and_discrete_fields"),
    ("spam.DIC.mergeRegularGridAndDiscrete", "hpcdvc.steps.kinematics.merge_regular_grid_and_discrete"),
    ("", "hpcdvc.multimodal.histogram.joint_histogram"),
    ("spam.DIC.multimodalRegistration", "hpcdvc.multimodal.api.multimodal_registration"),
    ("spam.DIC.gaussianMixtureParameters", "hpcdvc.multimodal.histogram.gaussian_mixture_parameters"),
    ("spam.DIC.phaseDiagram", "hpcdvc.multimodal.phases.phase_diagram"),
    ("spam.DIC.pixelSearch", "hpcdvc.search.api.pixel_search"),
    ("spam.DIC.register", "hpcdvc.registration.api.register"),
    ("spam.DIC.register, for each of many windows", "hpcdvc.registration.windows.register_windows"),
    ("spam.DIC.registerMultiscale", "hpcdvc.registration.api.register_multiscale"),
    ("spam.DIC.regularisationMatrix", "hpcdvc.fem.regularisation.regularisation_matrix"),
    ("spam.DIC.regularisationParameters", "hpcdvc.fem.parameters.regularisation_parameters"),
    ("spam.DIC.projectionMatrices", "hpcdvc.fem.tractions.projection_matrices"),
    ("spam.DIC.surfaceLabels", "hpcdvc.fem.surfaces.surface_labels"),
    ("spam.mesh.createCuboid", "hpcdvc.fem.mesh.create_cuboid"),
    ("spam.mesh.createCylinder", "hpcdvc.fem.mesh.create_cylinder"),
    ("spam.mesh.triangulate", "hpcdvc.fields.triangulation.triangulate"),
    ("", "hpcdvc.output.read.read"),
    ("spam.helpers.readCorrelationTSV", "hpcdvc.output.tsv.read_tsv"),
    ("spam.helpers.writeCorrelationTSV", "hpcdvc.output.tsv.write_tsv"),
    ("spam.label.boundingBoxes", "hpcdvc.labels.boxes.bounding_boxes"),
    ("spam.label.centresOfMass", "hpcdvc.labels.boxes.centres_of_mass"),
    ("spam.label.getLabel", "hpcdvc.labels.boxes.get_label"),
    ("spam.label.getNeighbours", "hpcdvc.labels.contacts.neighbours"),
    ("spam.label.volumes", "hpcdvc.labels.boxes.volumes"),
    (
        "algotom.util.correlation.find_global_shift_based_local_shifts",
        "hpcdvc.stacks.map_api.find_global_shift_based_local_shifts",
    ),
    ("algotom.util.correlation.find_local_shifts", "hpcdvc.stacks.local_api.find_local_shifts"),
    ("algotom.util.correlation.find_local_shifts_umpa", "hpcdvc.stacks.local_api.find_local_shifts_umpa"),
    (
        "algotom.util.correlation.find_shift_based_correlation_map",
        "hpcdvc.stacks.map_api.find_shift_based_correlation_map",
    ),
    ("algotom.util.correlation.generate_correlation_map", "hpcdvc.stacks.map_api.generate_correlation_map"),
    ("algotom.util.correlation.locate_peak", "hpcdvc.stacks.map_api.locate_peak"),
    ("algotom.util.correlation.normalize_image", "hpcdvc.stacks.map_api.normalize_image"),
)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; cells may hold any text."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |\n" for line in lines)


def code(text: str) -> str:
    """Text in a monospaced font, or nothing."""
    return f"`{text}`" if text else ""


def commands() -> list[str]:
    """Names of the commands, without their prefix."""
    from hpcdvc import workflows

    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(workflows.__path__))


def options(command: str) -> str:
    """All options of a command, one table per group."""
    from hpcdvc.options.declare import options_table

    module = import_module(f"hpcdvc.options.{command.replace('-', '_')}")
    parts = []
    for group, rows in groupby(options_table(module.Options), key=lambda row: row["group"]):
        cells = [
            (
                code(row["flags"]) or code(row["metavar"]),
                code(row["metavar"]) if row["flags"] else "",
                row["unit"],
                code(row["default"]),
                code(row["name"]),
                row["help"],
            )
            for row in rows
        ]
        parts.append(
            f"**{group.capitalize()}**\n\n"
            + table(("option", "value", "unit", "default", "in Python", "meaning"), cells)
        )
    return "\n".join(parts)


def statuses() -> str:
    """Statuses of the nodes of a local DVC."""
    from hpcdvc.workflows.ldic import ADVICE

    return advised(ADVICE)


def gdic_statuses() -> str:
    """How nodes of hpcdvc-gdic end, and what to try."""
    from hpcdvc.workflows.gdic import ADVICE

    return advised(ADVICE)


def mmr_statuses() -> str:
    """How registrations across modalities end, and what to try."""
    from hpcdvc.workflows.mmr import ADVICE

    return advised(ADVICE)


def ddic_statuses() -> str:
    """Statuses of the labels of a discrete DVC."""
    from hpcdvc.workflows.ddic import ADVICE

    return advised(ADVICE)


def failures() -> str:
    """What to try after a registration of whole images that has failed."""
    from hpcdvc.workflows.reg import ADVICE

    return advised(ADVICE)


def search_statuses() -> str:
    """Statuses of the points of a search."""
    from hpcdvc.fields.status import Family
    from hpcdvc.workflows.pixelSearch import ADVICE

    return advised(ADVICE, Family.SEARCH)


def shifts_statuses() -> str:
    """Statuses of the pixels of local shifts."""
    from hpcdvc.workflows.localShifts import ADVICE

    return advised(ADVICE)


def umpa_statuses() -> str:
    """Statuses of the pixels of a speckle scan."""
    from hpcdvc.workflows.umpa import ADVICE

    return advised(ADVICE)


def propagate_statuses() -> str:
    """Statuses of the points of a propagation."""
    from hpcdvc.fields.status import Family
    from hpcdvc.workflows.pixelSearchPropagate import ADVICE

    return advised(ADVICE, Family.SEARCH)


def shift_statuses() -> str:
    """Statuses of pairs of images."""
    from hpcdvc.workflows.shift import ADVICE

    return advised(ADVICE)


def advised(advice: Mapping[int, str], family: str = "registration") -> str:
    """Reasons of statuses, and what a command says that one can try."""
    from hpcdvc.fields.status import reason_of

    rows = [(f"{int(status)}", reason_of(status, family), words) for status, words in advice.items()]
    return table(("status", "reason", "what to try"), rows)


def all_statuses() -> str:
    """The one table of statuses: of all commands, also of those to come."""
    from hpcdvc.fields.status import STATUSES

    rows = []
    for status, meaning in STATUSES.items():
        how = f" ({meaning.criterion})" if meaning.criterion else ""
        reasons = [meaning.reason + how, *(f"{reason} ({family})" for family, reason in meaning.reason_in.items())]
        facts = meaning.set_by, meaning.measured_again or "(no `-skp` there)", meaning.corrected, str(meaning.for_peer)
        rows.append((f"{int(status)}", "; ".join(reasons), *facts))
    head = ("status", "reason", "set by", "`-skp` measures it again", "filters may correct it", "for spam")
    return table(head, rows)


def columns() -> str:
    """Arrays of the result file."""
    from hpcdvc.output.columns import COLUMNS

    rows = []
    for column in COLUMNS:
        meaning = f"{column.meaning}; NaN where not measured" if column.blank else column.meaning
        components, kinds = " ".join(column.components.names), ", ".join(column.kinds)
        rows.append((code(column.name), components, code(column.dtype), column.unit, meaning, kinds))
    return table(("array", "components", "type", "unit", "meaning", "kinds of files"), rows)


def shown_columns() -> str:
    """Where tables, images and legacy VTK files show the columns."""
    from hpcdvc.output.columns import COLUMNS

    rows = [
        (code(column.name), *(" ".join(map(code, names)) for names in (column.tsv, column.tif)), code(column.vtk))
        for column in COLUMNS
        if column.tsv or column.tif or column.vtk
    ]
    return table(("array", "`.tsv`", "`-<name>.tif`", "`.vtk`"), rows)


def text_columns() -> str:
    """Column sets of the tab-separated tables."""
    from hpcdvc.output.tsv import COLUMN_SETS

    return "```text\n" + "\n".join(f"{name}  {' '.join(names)}" for name, names in COLUMN_SETS.items()) + "\n```\n"


def rooms() -> str:
    """Packages from the top floor down, by what they say about themselves."""
    rows = []
    for name in (name for line in LAYERS for name in line if (ROOT / "hpcdvc" / name).is_dir()):
        what, _, rules = text_of(FILES[f"hpcdvc.{name}"]).partition("\n\n")
        may, _, begin = " ".join(rules.split("\n\n")[0].split()).partition(". Begin reading with ")
        rows.append((code(name), what, may.removeprefix("May import "), begin.split(":")[0].split(";")[0].rstrip(".")))
    return table(("package", "what lives there", "may import", "begin reading with"), rows)


def text_of(path: Path) -> str:
    """The text at the top of a module."""
    return ast.get_docstring(ast.parse(path.read_text())) or ""


def modules() -> str:
    """Modules from the top floor down, with their first sentence."""
    floors = [name for line in LAYERS for name in line]
    found = sorted(FILES.items(), key=lambda entry: floors.index(layer(entry[0])) if "." in entry[0] else -1)
    rows = [
        (code(name), " ".join(text_of(path).split("\n\n")[0].split()))
        for name, path in found
        if "." in name and path.name != "__init__.py"
    ]
    return table(("module", "what it does"), rows)


def functions() -> str:
    """Commands as functions, with what must be given."""
    from hpcdvc import commands as made

    rows = []
    for name in made.__all__:
        needed = [str(one) for one in signature(getattr(made, name)).parameters.values() if one.default is one.empty]
        shown = ", ".join(word.partition(":")[0] for word in needed)
        command = name.replace("_", "-")
        rows.append((code(f"{name}({shown}{', ' * bool(shown)}...)"), f"[hpcdvc-{command}](guide/{command}.md)"))
    return table(("`hpcdvc.commands`", "command and options"), rows)


def names() -> str:
    """Functions of other programs and ours, by the shortest name they can be imported by, with their parameters."""
    rows = []
    for theirs, ours in NAMES:
        module, _, name = ours.rpartition(".")
        short = f"hpcdvc.{name}" if name in hpcdvc.__all__ else ours
        parameters = ", ".join(signature(getattr(import_module(module), name)).parameters)
        rows.append((code(theirs), f"{{py:func}}`{short} <{ours}>`", code(parameters)))
    return table(("other programs", "hpcdvc", "parameters"), rows)


def results(pattern: str) -> str:
    """The newest file of benchmarks/results/ that matches, without its title; a sentence where there is none."""
    paths = sorted(RESULTS.glob(pattern))
    if not paths:
        return f"*This tree holds no results of it: `benchmarks/results/{pattern}` is not there.*\n"
    text = paths[-1].read_text()
    if paths[-1].suffix != ".md":
        return f"```text\n{text}```\n"
    return re.sub(r"^#", "##", figures_alone(text.partition("\n")[2]), flags=re.M)


def figures_alone(text: str) -> str:
    """A page of results with what was measured, without what its makers had wished for."""
    return re.sub(r"^## Goals\n.*?(?=^## |\Z)", lambda found: measured_alone(found[0]), text, flags=re.M | re.S)


def measured_alone(section: str) -> str:
    """The first two columns of the table of a section."""
    lines = section.replace("## Goals", "## In short").splitlines()
    kept = ["|".join(line.split("|")[:3]) + "|" if line.startswith("|") else line for line in lines]
    return "\n".join(kept) + "\n\n"


def strain_components() -> str:
    """Names for `-comp`, and the numbers behind each."""
    from hpcdvc.fields.strain import COMPONENTS, MEANINGS
    from hpcdvc.output.strain import strain_names

    rows = [(code(name), " ".join(map(code, strain_names(name))), MEANINGS[name]) for name in COMPONENTS]
    return table(("`-comp`", "columns", "meaning"), rows)


def job_file() -> str:
    """The job script of slurm/."""
    return f"```bash\n{(ROOT / 'slurm' / 'hpcdvc.sbatch').read_text()}```\n"


def fragments() -> dict[str, str]:
    """Contents of docs/generated/ by file name."""
    return {
        **{f"options-{command}.md": options(command) for command in commands()},
        "statuses.md": statuses(),
        "all-statuses.md": all_statuses(),
        "gdic-statuses.md": gdic_statuses(),
        "mmr-statuses.md": mmr_statuses(),
        "ddic-statuses.md": ddic_statuses(),
        "search-statuses.md": search_statuses(),
        "propagate-statuses.md": propagate_statuses(),
        "shift-statuses.md": shift_statuses(),
        "localShifts-statuses.md": shifts_statuses(),
        "umpa-statuses.md": umpa_statuses(),
        "failures.md": failures(),
        "columns.md": columns(),
        "shown-columns.md": shown_columns(),
        "text-columns.md": text_columns(),
        "rooms.md": rooms(),
        "modules.md": modules(),
        "functions.md": functions(),
        "names.md": names(),
        "strain-components.md": strain_components(),
        "job-file.md": job_file(),
        "speed.md": results("ldic-*.md"),
        "speed-reg.md": results("reg-*.md"),
        "speed-deform.md": results("deform-*.md"),
        "speed-search.md": results("search-*.md"),
        "speed-ddic.md": results("ddic-*.md"),
        "speed-gdic.md": results("gdic-*.md"),
        "speed-solve.md": results("solve-*.md"),
        "speed-star.md": results("star-*.md"),
        "accuracy.md": results("accuracy.md"),
        "scaling.md": results("scaling.txt"),
    }


def write_all(folder: Path) -> None:
    """Write the fragments; what has not changed is left alone, so that Sphinx does not read its page again."""
    folder.mkdir(exist_ok=True)
    for name, text in fragments().items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def describe_parameters(app, what: str, name: str, obj: object, settings: object, lines: list[str]) -> None:
    """Turn the docstrings' `names : description` into one numpydoc entry per name; types are in the signature."""
    if what in ("data", "attribute", "property"):  # napoleon takes what stands before a colon for their type
        lines[:] = [line.replace(": ", " - ") for line in lines]
        return
    for i in reversed(range(len(lines))):
        entry = re.match(r"(\*{0,2}\w+(?:, \*{0,2}\w+)*) : (.+)$", lines[i])
        if not entry:
            continue
        stop = next((k for k in range(i + 1, len(lines)) if not lines[k].startswith(" ")), len(lines))
        text, more = entry[2], " ".join(line.strip() for line in lines[i + 1 : stop])
        new_sentence = more[:1].isupper() and not text.endswith((".", ":", ","))
        text += (". " if new_sentence else " ") + more if more else ""
        lines[i:stop] = [line for word in entry[1].split(", ") for line in (word, f"    {text}")]


if __name__ == "__main__":
    write_all(ROOT / "docs" / "generated")
