"""--roi in every command that reads images: the same as without it, of what lies in the box, or a reason why not."""

import importlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from ddic_cases import NUMBERS, eight, save_eight
from mmr_cases import FIELD, MIDDLE
from mmr_cases import save_case as save_modalities
from pages import DOCS
from reg_ends import check_end, files, own_folder, play_command
from test_commands import COMMANDS
from umpa_cases import save_scan, save_tomography

import hpcdvc
from hpcdvc.cli import main
from hpcdvc.fields.grid import make_grid
from hpcdvc.options.declare import declarations
from hpcdvc.output.hdf5 import read_field
from hpcdvc.output.mesh import read_mesh_geometry

#: Images of the eight grains, of speckle, and what is made of them; the box holds some nodes and some grains.
IMAGES = {"im1.tif", "im2.tif", "im3.tif", "lab.tif", "ref.tif", "sam.tif", "mask.tif", "flat1.tif", "flat2.tif"}
PAIR = ("im1.tif", "im2.tif")
SHAPE = eight()[1].shape
BOX = (6, 30, 0, SHAPE[1], 9, 27)
FLAT_BOX = (0, 1, 10, 31, 12, 40)
TABLES = {"field.tsv", "labels.tsv", "motion.tsv"}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder with images, and fields of them."""
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(tmp_path_factory.mktemp("roi"))
        play_command(patched, "ldic")
        save_eight()
        save_scan()
        tifffile.imwrite("mask.tif", (eight()[3] > 0).astype("u1"))
        for k in "12":
            tifffile.imwrite(f"flat{k}.tif", tifffile.imread(f"{'ref sam'.split()[int(k) - 1]}.tif")[0])
        for name, line in {
            "labels": "ddic im1.tif lab.tif im2.tif -pre labels",
            "field": "pixelSearch im1.tif im2.tif -ns 6 -hws 4 -sr -3 3 -3 3 -3 3 -pre field",
            "motion": "reg im1.tif im2.tif -pre motion -m 3",
        }.items():
            assert main(line.split()[0], [*line.split()[1:], "-q"]) == 0
            end = {"labels": "ddic", "field": "pixelSearch", "motion": "registration"}[name]
            shutil.copy(f"{name}-{end}.tsv", f"{name}.tsv")
        yield Path.cwd()


@pytest.fixture(autouse=True)
def here(prepared, tmp_path, monkeypatch):
    for _ in own_folder(tmp_path, monkeypatch):
        for name in IMAGES | TABLES:
            shutil.copy(prepared / name, name)
        yield tmp_path


def roi(box):
    return ["--roi", *map(str, box)]


def run(line, box=None, name="A"):
    """Result of a command line; with a box that stands before the files, which it must not swallow."""
    command, *words = line.split()
    code = main(command, [*(roi(box) if box else ()), *words, "-pre", name, "-q", "--force"])
    assert code == 0
    found = [path for path in files() if path.startswith(name) and not path.endswith(".json")]
    return {path.removeprefix(name): path for path in found}


def inside(positions, box):
    return ((positions >= box[::2]) & (positions < box[1::2])).all(axis=1)


def check_rows(part, whole, box):
    """The part has the rows of the whole that lie in the box, and there are others."""
    chosen = inside(whole.positions, box)
    assert 0 < len(part) == chosen.sum() < len(whole)
    for name in ("positions", "phi", "return_status", "error", "iterations", "delta_phi_norm"):
        assert np.array_equal(getattr(part, name), getattr(whole, name)[chosen], equal_nan=True), name
    assert part.extra.keys() == whole.extra.keys()
    for name, values in part.extra.items():
        assert np.array_equal(values, whole.extra[name][chosen], equal_nan=True), name


#: Commands with a row for each point, whose rows depend on their own surroundings alone -> end of the result.
ROWS = {
    "ldic im1.tif im2.tif -ns 6 -hws 5 -so 1": "ldic",
    "ldic im1.tif im2.tif -ns 6 -hws 5 -so 1 -pf field.tsv": "ldic",
    "ddic im1.tif lab.tif im2.tif": "ddic",
    "pixelSearch im1.tif im2.tif -ns 5 -hws 4 -sr -2 2 -2 2 -2 2": "pixelSearch",
    "pixelSearch im1.tif im2.tif -lab1 lab.tif -sr -2 2 -2 2 -2 2": "pixelSearch",
    "passPhiField -pf field.tsv -ns 5 -im1 im1.tif": "passed-ns5",
    "passPhiField -pf field.tsv -lab1 lab.tif": "passed-labelled",
}
FLAT_ROWS = {
    "ldic flat1.tif flat2.tif -ns 7 -hws 6 -so 1": "ldic",
    "localShifts ref.tif sam.tif -ns 6 -sr 2": "localShifts",
    "umpa ref.tif sam.tif -ns 6 -sr 2": "umpa",
}
#: Commands that write images -> end of the results.
WRITTEN = {
    "deformImage im1.tif -pf motion.tsv --residual im2.tif --coverage": ["", "-residual", "-coverage"],
    "deformImage im1.tif -pf field.tsv -o 3": [""],
    "labelField lab.tif -pf labels.tsv -col Zdisp": [""],
    "moveLabels lab.tif -pf labels.tsv": [""],
}
#: The others: lines, and what is left to check of them below.
OTHERS = (
    "guidingPoints im1.tif -hws 4",
    "label im1.tif",
    "mask im1.tif",
    "mesh -mf1 mask.tif -lc 6",
    "noise im1.tif im2.tif",
    "mmr im1.tif im2.tif -ph auto",
    "mmr-graphical im1.tif im2.tif --batch",
    "pixelSearchPropagate im1.tif im2.tif -ns 6 -hws 4 -sp 18 18 18 0 0 0",
    "reg im1.tif im2.tif",
    "shift flat1.tif flat2.tif",
)
LINES = [*ROWS, *FLAT_ROWS, *WRITTEN, *OTHERS]
#: Those that take the same ways as others.
ALIKE = (
    "ldic im1.tif im2.tif -ns 6 -hws 5 -so 1 -pf",
    "pixelSearch im1.tif im2.tif -lab1",
    "passPhiField -pf field.tsv -ns",
)


def slowly(lines, prefixes=ALIKE):
    """Parameters of a test, of which those that begin so are run with the slow tests alone."""
    return [pytest.param(line, marks=pytest.mark.slow) if line.startswith(prefixes) else line for line in lines]


def options_of(command):
    return importlib.import_module(f"hpcdvc.options.{command.replace('-', '_')}").Options


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_that_reads_images_has_it_or_says_why_not(command):
    declared = declarations(options_of(command))
    has = any("--roi" in option.flags for option in declared)
    page = (DOCS / "region.md").read_text()
    with_it, without = page.split("## Commands without it")
    row = re.compile(rf"^\| \[?hpcdvc-{command}\b(\]\(guide/{command}\.md\))? \| ", re.M)
    assert [len(row.findall(part)) for part in (with_it, without)] == [has, not has]
    assert has == any(line.split()[0] == command for line in LINES), "a line of it is tested here"


@pytest.mark.parametrize("line", slowly([*ROWS, *FLAT_ROWS]))
def test_rows_are_those_of_the_whole_image(line):
    box, end = (BOX, ROWS[line]) if line in ROWS else (FLAT_BOX, FLAT_ROWS[line])
    whole, part = (read_field(run(line, *words)[f"-{end}.hdf"]) for words in ((), (box, "B")))
    check_rows(part, whole, box)
    if whole.grid:
        assert part.grid.spacing == whole.grid.spacing
        assert np.array_equal(part.grid.positions(), part.positions)


@pytest.mark.parametrize("line", WRITTEN)
@pytest.mark.parametrize("kind", slowly(["tif", "hdf", "hdf --voxel-size 6.5um"], ("hdf --voxel",)))
def test_images_are_parts_of_the_whole_one(line, kind):
    whole, part = (run(f"{line} --format {kind}", *words) for words in ((), (BOX, "B")))
    assert whole.keys() == part.keys() and len(whole) == len(WRITTEN[line])
    box = tuple(slice(a, b) for a, b in zip(BOX[::2], BOX[1::2], strict=True))
    for name, path in whole.items():
        if kind != "tif":
            assert hpcdvc.read(part[name]).first == BOX[::2]
            found, expected = (hpcdvc.read(one)["grey"] for one in (part[name], path))
        else:
            found, expected = tifffile.imread(part[name]), tifffile.imread(path)
        assert np.array_equal(found, expected[box], equal_nan=found.dtype.kind == "f")
        assert np.isfinite(found).any() and not np.array_equal(found, np.zeros_like(found))


@pytest.mark.parametrize(
    "line", slowly(["localShifts ref.tif sam.tif -sr 2 -tif", "umpa ref.tif sam.tif -sr 2 -df"], ("localShifts",))
)
def test_pixels_keep_their_places(line):
    end = line.split()[0]
    whole, part = (hpcdvc.read(run(line, *words)[f"-{end}.hdf"]) for words in ((), (FLAT_BOX, "B")))
    box, outside = np.s_[10:31, 12:40], np.ones(whole.measured.shape, bool)
    outside[box] = False
    assert part.measured[box].any() and not part.measured[outside].any()
    assert (part.return_status[outside] == -5).all() and np.isnan(part.displacement[outside]).all()
    for name in whole.names:
        assert np.array_equal(part[name][box], whole[name][box], equal_nan=whole[name].dtype.kind == "f"), name


def test_whole_image_registrations_count_the_box_alone():
    """As a mask that is 1 there; with a mask, where both are."""
    box = (5, 31, 4, 32, 6, 30)
    within = np.zeros(SHAPE, "u1")
    within[tuple(slice(a, b) for a, b in zip(box[::2], box[1::2], strict=True))] = 1
    for name, mask in (("A", within), ("B", within & (np.indices(SHAPE)[2] < 26))):
        tifffile.imwrite("box.tif", mask)
        tifffile.imwrite("other.tif", mask | (1 - within))
        a = read_field(run("reg im1.tif im2.tif -m 0 -mf1 other.tif", box, name)["-registration.hdf"])
        b = read_field(run("reg im1.tif im2.tif -m 0 -mf1 box.tif", None, "C")["-registration.hdf"])
        assert np.array_equal(a.phi, b.phi) and np.array_equal(a.positions, [(np.array(SHAPE) - 1) / 2])


@pytest.mark.slow
def test_points_of_strong_texture_lie_in_the_box():
    line = "guidingPoints im1.tif -hws 3 -ls 0.02"
    whole, part = (np.loadtxt(run(line, *words)["-guidingPoints.txt"]) for words in ((), (BOX,)))
    assert inside(part, BOX).all() and len(part) > 5 and not inside(whole, BOX).all()


@pytest.mark.slow
def test_motion_spreads_over_the_box():
    line = "pixelSearchPropagate im1.tif im2.tif -ns 6 -hws 4 -sp 18 18 18 0 0 0"
    whole, part = (read_field(run(line, *words)["-pixelSearchPropagate.hdf"]) for words in ((), (BOX, "B")))
    assert np.array_equal(part.positions, whole.positions[inside(whole.positions, BOX)]) and part.measured.mean() > 0.5
    part = read_field(run(f"{line} -lab1 lab.tif".replace("-ns 6 -hws 4 ", ""), BOX, "C")["-pixelSearchPropagate.hdf"])
    assert set(part.extra["label"]) < set(NUMBERS[1:]) and inside(part.positions, BOX).all()
    whole.grid = None
    np.savetxt("points.txt", whole.positions)
    part = read_field(run(f"{line} -gp points.txt".replace("-ns 6 ", ""), BOX, "D")["-pixelSearchPropagate.hdf"])
    assert np.array_equal(part.positions, whole.positions[inside(whole.positions, BOX)])


def test_shift_takes_it_as_crop():
    run("shift flat1.tif flat2.tif", FLAT_BOX, "A")
    run("shift flat1.tif flat2.tif -crop 10 31 12 40", None, "B")
    assert Path("A-shift.tsv").read_text() == Path("B-shift.tsv").read_text()


def test_mesh_of_a_part_of_a_mask():
    run("mesh -mf1 mask.tif -lc 6", BOX, "A")
    nodes, _ = read_mesh_geometry("A-lc6.0.hdf")
    assert ((nodes > np.array(BOX[::2]) - 2) & (nodes < np.array(BOX[1::2]) + 1)).all() and len(nodes) > 20


def test_graphical_page_knows_the_box_by_this_name():
    main("mmr-graphical", [*roi(BOX), *PAIR, "--batch", "-pre", "A", "-q"])
    kept = json.loads(Path("A-phases.json").read_text())
    assert kept["box"] == [list(BOX[k : k + 2]) for k in (0, 2, 4)]


@pytest.mark.slow
def test_projections_outside_have_no_specimen():
    """Of a tomographic scan Z is the projection."""
    save_tomography("scan.h5", projections=3)
    line = "umpa scan.h5:/ref scan.h5:/sam -sr 2"
    box = (1, 2, *FLAT_BOX[2:])
    whole, part = (hpcdvc.read(run(line, *words)["-umpa.hdf"]) for words in ((), (box, "B")))
    outside = np.ones(whole.measured.shape, bool)
    outside[1, 10:31, 12:40] = False
    assert (part.return_status[outside] == -5).all() and part.measured.any()
    assert np.array_equal(part.displacement[~outside], whole.displacement[~outside], equal_nan=True)


@pytest.mark.slow
def test_modalities():
    save_modalities()
    found = read_field(run("mmr im1.tif im2.tif", (4, 36, 4, 40, 0, 42))["-mmr.hdf"])
    assert np.array_equal(found.positions, MIDDLE[None]) and found.return_status == 2
    assert np.abs(found.displacement - FIELD.displacement(MIDDLE[None])).max() < 0.05


@pytest.mark.slow
def test_later_steps_have_the_labels_of_the_first():
    """Those that are in the box at first, wherever they go."""
    main("ddic", [*roi(BOX), "im1.tif", "lab.tif", "im2.tif", "im3.tif", "-sei", "--move-labels", "-q"])
    first, second = (read_field(f"{name}-ddic.hdf") for name in ("im1-im2", "im2-im3"))
    assert 0 < len(first) < 8 and np.array_equal(first.extra["label"], second.extra["label"])


def test_start_of_the_same_box():
    """A field of the same nodes is a start; one that lacks nodes is none."""
    run("pixelSearch im1.tif im2.tif -ns 6 -hws 4 -sr -2 2 -2 2 -2 2", BOX, "S")
    a = read_field(run("ldic im1.tif im2.tif -ns 6 -hws 5 -pf S-pixelSearch.hdf", BOX, "A")["-ldic.hdf"])
    b = read_field(run("ldic im1.tif im2.tif -hws 5 -pf S-pixelSearch.hdf", None, "B")["-ldic.hdf"])
    assert np.array_equal(a.positions, b.positions) and np.array_equal(a.phi, b.phi, equal_nan=True)


def test_start_that_lacks_nodes(capfd):
    words = [*PAIR, "-ns", 5, "-hws", 5, "-pf", "field.tsv", *roi(BOX)]
    check_end(capfd, words, ("field.tsv", "--roi", "every 5 5 5"), 2, "ldic")


@pytest.mark.slow
def test_rows_that_are_kept():
    """-skp completes what lies in the box of a result of the whole image."""
    line = "ldic im1.tif im2.tif -ns 6 -hws 5 -so 1"
    whole = read_field(run(line)["-ldic.hdf"])
    part = read_field(run(f"{line} -pf A-ldic.hdf -skp=-8", BOX, "B")["-ldic.hdf"])
    kept = whole.return_status[inside(whole.positions, BOX)] != -8
    assert 0 < kept.sum() and np.array_equal(
        part.phi[kept], whole.phi[inside(whole.positions, BOX)][kept], equal_nan=True
    )
    assert np.array_equal(part.positions, whole.positions[inside(whole.positions, BOX)])


@pytest.mark.parametrize("line", LINES)
def test_refused(line, capfd):
    """Reversed, empty, and outside of the image: one sentence with the numbers, before anything is written."""
    command, *words = line.split()
    before = files()
    flat = line in FLAT_ROWS or command == "shift"
    low, high = (FLAT_BOX if flat else BOX)[2:4]
    for y, expected in (((high, low), (low, high)), ((5, 5), (5,)), ((low, 5000), (5000,))):
        box = [*(FLAT_BOX if flat else BOX)]
        box[2:4] = y
        check_end(capfd, [*words, *roi(box)], expected, 2, command)
    check_end(capfd, [*words, "--roi", "0", "1", "2"], ("--roi" if command != "mmr-graphical" else "-box",), 2, command)
    assert files() == before


def test_box_without_points(capfd):
    check_end(capfd, [*PAIR, "-ns", 20, "-hws", 3, *roi((0, 5, 0, 5, 0, 5))], ("0 5 0 5 0 5", "20"), 2, "ldic")
    words = ["im1.tif", "lab.tif", "im2.tif", *roi((0, 1, 0, 1, 0, 1)), "-q"]
    check_end(capfd, words, ("lab.tif", "0 1 0 1 0 1"), 2, "ddic")
    check_end(capfd, ["flat1.tif", "flat2.tif", "-ns", 5, "-hws", 3, *roi(BOX)], ("2-D image Z is 0 1",), 2, "ldic")


def test_box_of_which_nothing_counts(capfd):
    check_end(capfd, [*PAIR, *roi((0, 4, 0, 9, 0, 9))], ("0 4 0 9 0 9", "margin of 5 voxels in Z", "-m"), 2, "reg")
    check_end(capfd, [*PAIR, *roi((9, 30, 42, 44, 0, 9))], ("margin of 4 voxels in Y", "-mar"), 2, "mmr")
    check_end(capfd, ["-mf1", "mask.tif", "-lc", 6, "-q", *roi((0, 1, 0, 1, 0, 1))], ("mask.tif in --roi",), 2, "mesh")
    check_end(capfd, ["im1.tif", "-q", *roi((0, 1, 0, 1, 0, 1))], ("no texture in the planes",), 2, "guidingPoints")


def test_another_box_is_another_result(capfd):
    line = [*PAIR, "-ns", "6", "-hws", "5", "-q"]
    assert main("ldic", [*line, *roi(BOX)]) == 0
    assert main("ldic", [*line, *roi(BOX), "--resume"]) == 0
    check_end(capfd, [*line, *roi((6, 29, *BOX[2:])), "--resume"], ("im1-im2-ldic.hdf", "roi"), 2, "ldic")


@pytest.mark.parametrize("line", [line for line in LINES if not line.startswith("mmr-graphical")])
def test_dry_run(line):
    command, *words = line.split()
    before = files()
    box = FLAT_BOX if line in FLAT_ROWS or command == "shift" else BOX
    place = 0 if words[0].startswith("-") else 1  # between images
    assert main(command, [*words[:place], *roi(box), *words[place:], "--dry-run", "-q"]) == 0
    assert files() == before


def test_dry_run_counts_the_nodes_of_the_box(capfd):
    assert main("ldic", [*PAIR, "-ns", "6", "-hws", "5", "--dry-run", *roi(BOX)]) == 0
    count = inside(make_grid(SHAPE, (6, 6, 6)).positions(), BOX).sum()
    assert f"{count} nodes" in capfd.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("line", [next(iter(ROWS)), next(iter(WRITTEN)), "ddic im1.tif lab.tif im2.tif"])
def test_any_number_of_ranks(run_command, line):
    run(line, BOX, "R1")
    command, *words = line.split()
    done = run_command(command, *roi(BOX), *words, "-pre", "R2", "-q", ranks=2)
    assert done.returncode == 0, done.stderr
    one = {path: Path(path).read_bytes() for path in files() if path.startswith("R1") and not path.endswith(".json")}
    assert one and all(Path(path.replace("R1", "R2", 1)).read_bytes() == data for path, data in one.items())
