"""hpcdvc-gauge as a whole: exact on affine motions, honest about what is not measured and how certain it is."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from affine_field import affine_rows
from gauge_cases import Again, ratios, save
from reg_ends import is_one_sentence, own_folder, play_command
from strain_cases import FLAT_F, F, affine_field
from strain_cases import save as save_table

from hpcdvc.cli import main
from hpcdvc.fields.field import Field
from hpcdvc.fields.lines import elongation
from hpcdvc.fields.phi import rotation_matrix
from hpcdvc.fields.planes import two_planes
from hpcdvc.fields.regions import means
from hpcdvc.fields.triangulation import triangulate
from hpcdvc.options.gauge import Options
from hpcdvc.options.parser import parse
from hpcdvc.output.contents import Elements
from hpcdvc.output.gauge import GaugeTable
from hpcdvc.output.hdf5 import save_field, write_field
from hpcdvc.steps.gauges import without_motion
from hpcdvc.workflows.gauge import run

PAIRS = ("zz", "zy", "zx", "yy", "yx", "xx")
LINE = "40 12.5 10 95 35 68"
BOX = "0 90 15 60 0 65"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder, and no pictures: they take most of the time."""
    monkeypatch.setattr(GaugeTable, "draw", lambda table, path: None)
    for _ in own_folder(tmp_path, monkeypatch):
        yield tmp_path


def gauge(words: str, results: str = "a.hdf", code: int = 0, kind: str = "gauge") -> np.ndarray | None:
    """Rows of the table."""
    line = [*results.split(), *words.split(), "--force", "-pre", "p"]
    assert main("gauge", line) == code
    return table(f"p-{kind}.csv") if code == 0 else None


def table(path: str) -> np.ndarray:
    lines = [line for line in Path(path).read_text().splitlines() if not line.startswith("#")]
    return np.atleast_1d(np.genfromtxt(lines, names=True, delimiter=","))


def small(f: np.ndarray) -> dict[str, float]:
    e = 0.5 * (f + f.T) - np.eye(3)
    return {f"e{pair}": value for pair, value in zip(PAIRS, e[np.triu_indices(3)], strict=True)}


def check_strain(row: np.ndarray, f: np.ndarray = F) -> None:
    for name, value in small(f).items():
        assert row[name] == pytest.approx(value, abs=1e-9), name


def moved(points: np.ndarray, f: np.ndarray = F, shift=(3, -2, 1)) -> np.ndarray:
    """Displacement of `affine_field`."""
    return points @ (f - np.eye(3)).T + shift


def stretched(ends: str) -> float:
    first, last = np.reshape(ends.split(), (2, 3)).astype(float)
    return np.linalg.norm(F @ (last - first)) / np.linalg.norm(last - first) - 1


@pytest.fixture
def holes(here) -> Field:
    """An affine field of which some nodes are not measured: those hold nonsense."""
    status = np.full(210, 2)
    status[[0, 55, 100, 101]] = -5, -3, 1, -9
    field = affine_field(variance=1e-6, status=status)
    field.phi[status != 2, :3, 3] = 77
    save("a.hdf", field)
    return field


def test_affine_field_is_exact(holes):
    (row,) = gauge(f"--line {LINE}")
    assert row["strain"] == pytest.approx(stretched(LINE), abs=1e-12) and row["status"] == 2
    first, last = np.reshape(LINE.split(), (2, 3)).astype(float)
    assert row["length"] == pytest.approx(np.linalg.norm(last - first) * (1 + row["strain"]), abs=1e-9)
    (row,) = gauge("--planes z 31 90")
    measured = holes.measured.reshape(5, 6, 7)
    for name, place, layers in (("A", 31.0, measured[0] & measured[1]), ("B", 90.0, measured[3] & measured[4])):
        there = holes.positions.reshape(5, 6, 7, 3)[0][layers].copy()
        there[:, 0] = place
        found = [row[f"{name}_{axis}disp"] for axis in "ZYX"]
        assert found == pytest.approx(moved(there).mean(axis=0), abs=1e-9)
    assert row["strain"] == pytest.approx(F[0, 0] - 1, abs=1e-9)
    (row,) = gauge(f"--box {BOX}")
    low, high = np.reshape(BOX.split(), (3, 2)).astype(float).T
    inside = ((holes.positions >= low) & (holes.positions < high)).all(axis=1) & holes.measured
    assert row["points"] == inside.sum() == row["strain_places"]
    expected = moved(holes.positions[inside])
    assert [row[f"{axis}disp"] for axis in "ZYX"] == pytest.approx(expected.mean(axis=0), abs=1e-9)
    assert [row[f"{axis}disp_scatter"] for axis in "ZYX"] == pytest.approx(expected.std(axis=0, ddof=1), abs=1e-9)
    check_strain(row)
    assert row["ezz_scatter"] < 1e-9
    ends = "80 12.5 10 95 35 68"
    rows = gauge(f"--profile {ends} --places 9", kind="profile")
    places = np.stack([rows[f"{axis}pos"] for axis in "ZYX"], axis=1)
    assert np.stack([rows[f"{axis}disp"] for axis in "ZYX"], axis=1) == pytest.approx(moved(places), abs=1e-9)
    assert places[[0, -1]].ravel().tolist() == [float(word) for word in ends.split()]
    for row in rows:
        check_strain(row)


def test_masks_and_labels_of_images(holes):
    volume = np.zeros((101, 62, 71), "u2")
    volume[35:, :, 25:] = 7
    volume[:35] = 3
    tifffile.imwrite("m.tif", volume, photometric="minisblack")
    (row,) = gauge("--mask m.tif")
    voxels = volume[tuple(holes.positions.astype(int).T)]
    assert row["points"] == ((voxels != 0) & holes.measured).sum()
    check_strain(row)
    (row,) = gauge("--label 7 --labels m.tif")
    assert row["points"] == ((voxels == 7) & holes.measured).sum()
    check_strain(row)
    gauge("--label 5 --labels m.tif", code=2)
    tifffile.imwrite("small.tif", volume[:50], photometric="minisblack")
    gauge("--mask small.tif", code=2)


def test_tables_need_the_size_of_the_windows(here, capfd):
    field = affine_field(variance=1e-6)
    save("a.hdf", field)
    save_table("a.tsv", field)
    (said,) = gauge(f"--box {BOX}")
    capfd.readouterr()
    (unsaid,) = gauge(f"--box {BOX}", "a.tsv")
    assert "no standard deviations: errors go by the overlap of windows, and a.tsv does not" in capfd.readouterr().err
    assert np.isnan(unsaid["Zdisp_std"]) and unsaid["exx"] == pytest.approx(said["exx"], abs=1e-9)
    (given,) = gauge(f"--box {BOX} -hws 5", "a.tsv")
    assert [given[name] for name in ("Zdisp_std", "exx_std")] == pytest.approx(
        [said[name] for name in ("Zdisp_std", "exx_std")], rel=1e-6
    )
    # spacing 20 10 10, windows of 11: neighbours along y and x share a part, those along z nothing
    (row,) = gauge("--box 20 21 10 11 10 30")
    assert row["Zdisp_std"] == pytest.approx(1e-3 * np.sqrt((2 + 2 * (1 - 10 / 11)) / 4), rel=1e-9)


def test_labels(here):
    """Own F of a particle; elsewhere the tetrahedra between particles, with independent errors."""
    rng = np.random.default_rng(3)
    field = affine_field(variance=1e-6)
    positions = field.positions + rng.uniform(-3, 3, field.positions.shape)
    phi = np.tile(np.eye(4), (210, 1, 1))
    phi[:, :3, :3], phi[:, :3, 3] = F, moved(positions)
    status = np.full(210, 2)
    status[5] = -5
    labels = np.arange(10, 220)
    extra = {**field.extra, "label": labels}
    save("a.hdf", replace(field, positions=positions, phi=phi, return_status=status, grid=None, extra=extra))
    (row,) = gauge("--label 100")
    assert [row[f"{axis}disp"] for axis in "ZYX"] == pytest.approx(phi[90, :3, 3], abs=1e-12)
    check_strain(row)
    assert row["Zdisp_std"] == row["ezz_std"] == pytest.approx(1e-3) and np.isnan(row["Zdisp_scatter"])
    assert row["ezy_std"] == pytest.approx(1e-3 / np.sqrt(2))
    gauge("--label 15", code=1)
    gauge("--label 5", code=2)
    (row,) = gauge("--box 30 90 15 45 15 55")
    assert row["Ydisp_std"] == pytest.approx(1e-3 / np.sqrt(row["points"])) and row["strain_places"] > row["points"]
    check_strain(row)
    (row,) = gauge(f"--line {LINE}")
    assert row["strain"] == pytest.approx(stretched(LINE), abs=1e-9) and row["strain_std"] > 0
    gauge("--planes z 30 90", code=2)


def test_meshes(here, capfd):
    corners = 10.0 * np.stack(np.meshgrid(*[range(4)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    corners[:, 1:] += np.random.default_rng(0).uniform(0, 1e-2, (64, 2))
    rows = affine_rows(corners)
    rows["Phi"][:, :, :3], rows["Phi"][:, :, 3] = np.eye(3), moved(corners)
    rows["return_status"][0] = -2
    cells = triangulate(corners)
    about = {"positions": corners, "elements": Elements(cells, {"return_status": np.full(len(cells), 2, "i4")})}
    write_field("a.hdf", rows, 0, None, {"key": "k"}, **about)
    (row,) = gauge("--line 15 5 5 21 28 27")
    assert row["strain"] == pytest.approx(stretched("15 5 5 21 28 27"), abs=1e-9) and np.isnan(row["strain_std"])
    assert "is of a mesh, and does not say how the errors of its nodes" in capfd.readouterr().err
    (row,) = gauge("--box 0 40 0 40 0 40")
    assert row["points"] == 63
    check_strain(row)
    assert np.isnan(gauge("--box 30 40 0 40 0 40")[0]["exx"])  # one plane of nodes


def test_two_dimensions(here):
    save("a.hdf", affine_field((1, 8, 9), (1.0, 15.0, 10.0), FLAT_F, 1e-4, flat=True))
    (row,) = gauge("--line 0 20 15 0 90 70")
    away = np.array([0, 70, 55.0])
    assert row["strain"] == pytest.approx(np.linalg.norm(FLAT_F @ away) / np.linalg.norm(away) - 1, abs=1e-9)
    (row,) = gauge("--box 0 1 0 200 0 200 --remove rigid")
    assert row["ezz"] == row["ezz_std"] == row["Zdisp_std"] == 0 and row["eyy_std"] > 0
    gauge("--line 1 20 15 1 90 70", code=1)  # nothing is measured beside the image
    (row,) = gauge("--planes x 15 70")
    assert row["strain"] == pytest.approx(FLAT_F[2, 2] - 1, abs=1e-9)


@pytest.mark.parametrize("kind", ["rigid", "dilation"])
def test_steps_too_few_points_of_which_leave_the_motion_open(kind, here, capfd):
    save("0.hdf", affine_field())
    save("1.hdf", affine_field(status=np.where(np.arange(210) == 100, 2, -9)))
    for words in ("--box 0 200 0 200 0 200", "--planes z 30 90", f"--line {LINE}"):
        capfd.readouterr()
        rows = gauge(f"{words} --remove {kind}", "0.hdf 1.hdf 0.hdf")
        assert rows["status"].tolist() == [2, -12, 2]
        names = [name for name in rows.dtype.names if name.endswith(("disp", "strain"))]
        assert names and all(np.isnan(rows[name][1]) and np.isfinite(rows[name][[0, 2]]).all() for name in names)
        assert f"step 2, 1.hdf: --remove {kind} needs" in capfd.readouterr().err
    gauge(f"--box 0 200 0 200 0 200 --remove {kind}", "1.hdf", code=1)
    assert is_one_sentence(capfd.readouterr().err, f"1.hdf: --remove {kind} needs")


@pytest.mark.parametrize("kind", ["rigid", "dilation"])
def test_what_is_removed(kind, here):
    """Nothing is left of a motion of the stage; of a strain on top of it what it was; F turns back too."""
    field = affine_field(variance=1e-8)
    turn, factor = rotation_matrix(np.array([2.0, -1.0, 3.0])), 1.004
    f = turn if kind == "rigid" else factor * np.eye(3)
    field.phi[:, :3, :3], field.phi[:, :3, 3] = f, moved(field.positions, f)
    save("a.hdf", field)
    (row,) = gauge(f"--box {BOX} --remove {kind}")
    names = [f"{axis}disp" for axis in "ZYX"] + [f"e{pair}" for pair in PAIRS]
    assert np.abs([row[name] for name in names]).max() < 1e-9
    head = [line for line in Path("p-gauge.csv").read_text().splitlines() if line.startswith("# step 1 removed: ")]
    words = "rotation 2 -1 3 degree" if kind == "rigid" else "factor 1.004,"
    assert len(head) == 1 and words in head[0] and "fitted to 210 points" in head[0]
    assert np.abs(gauge(f"--line {LINE} --remove {kind}")["strain"]).max() < 1e-9
    (row,) = gauge(f"--box 20 30 15 60 0 65 --remove {kind}")  # a single layer: the F of the nodes
    assert abs(row["exx"]) < 1e-12 and abs(row["ezy"]) < 1e-12


def test_removal_leaves_the_error_that_is_left(here):
    """The mean over all points is zero once a rigid motion is removed, and has no error."""
    save("a.hdf", affine_field(variance=1e-6))
    (row,) = gauge("--box 0 200 0 200 0 200 --remove rigid")
    assert abs(row["Zdisp"]) < 1e-9 and row["Zdisp_std"] < 1e-12 and row["ezz_std"] > 0


def test_series(tmp_path, monkeypatch, capfd):
    """A row for each step in the given order; one that is not measured is NaN, with a warning. With pictures."""
    monkeypatch.chdir(tmp_path)
    play_command(monkeypatch, "gauge")
    for number, factor in enumerate((0.0, 1.0, 2.0)):
        f = np.eye(3) + factor * (F - np.eye(3))
        save(f"{number}.hdf", affine_field(f=f, variance=1e-6, status=np.full(210, -9 if number == 1 else 2)))
    rows = gauge(f"--line {LINE}", "2.hdf 1.hdf 0.hdf")
    assert rows["step"].tolist() == [1, 2, 3] and rows["status"].tolist() == [2, -12, 2]
    assert np.isnan(rows["strain"][1]) and rows["strain"][2] == 0 and rows["strain"][0] > 0.04
    told = capfd.readouterr().err
    assert "step 2, 1.hdf: an end of the line is not between measured points; its row is NaN" in told
    head = Path("p-gauge.csv").read_text()
    assert "# step 1: 2.hdf\n# step 2: 1.hdf (" in head and "# hpcdvc-gauge " in head
    assert f"# command: hpcdvc-gauge 2.hdf 1.hdf 0.hdf --line {LINE}\n" in head
    assert Path("p-gauge.png").read_bytes()[:4] == b"\x89PNG"
    rows = gauge("--box 0 90 0 60 0 65", "0.hdf 1.hdf")
    assert rows["points"].tolist() == [120, 0]
    rows = gauge(f"--profile {LINE}", "0.hdf 1.hdf 2.hdf", kind="profile")
    assert set(rows["step"]) == {1, 2, 3} and np.isnan(rows["Zdisp"][rows["step"] == 2]).all()


def test_a_voxel_size_is_said_and_numbers_stay_in_voxels(here):
    facts = {"key": "k", "parameters": {}, "provenance": {}}
    save_field("a.hdf", affine_field(), facts)
    save_field("b.hdf", affine_field(), facts | {"voxel_size": "6.5um"})
    first, second = gauge(f"--line {LINE}", "a.hdf b.hdf")
    assert first["length"] == second["length"]
    assert "# step 1: a.hdf\n# step 2: b.hdf, voxels of 6.5 um\n" in Path("p-gauge.csv").read_text()


def test_steps_of_one_file(here):
    field = affine_field((2, 1, 1), variance=1e-6)
    field = replace(field, grid=None, extra={**field.extra, "step": np.array([1, 2], "i4")})
    save("a.hdf", field)
    rows = gauge("--box 0 200 0 200 0 200")
    assert rows["step"].tolist() == [1, 2]
    assert rows["Zdisp"] == pytest.approx(field.displacement[:, 0], abs=1e-12)


def test_nothing_measured_constants_and_one_node(here, capfd):
    save("a.hdf", affine_field(status=np.full(210, -9)))
    for words in (
        f"--line {LINE}",
        "--planes z 30 90",
        f"--box {BOX}",
        f"--profile {LINE}",
        f"--box {BOX} --remove rigid",
    ):
        capfd.readouterr()
        gauge(words, code=1)
        assert is_one_sentence(capfd.readouterr().err, "a.hdf")
        assert not list(Path().glob("p-*"))
    save("a.hdf", affine_field(f=np.eye(3), variance=0.0))
    (row,) = gauge(f"--box {BOX}")
    assert [row[f"{axis}disp"] for axis in "ZYX"] == [3, -2, 1] and row["Xdisp_std"] == row["exx"] == row[
        "eyx_std"
    ] == 0
    assert gauge(f"--line {LINE}")[0]["strain"] == 0
    save("a.hdf", affine_field((1, 1, 1), variance=1e-6))
    (row,) = gauge("--box 0 100 0 100 0 100")
    assert row["points"] == 1 and row["Zdisp_std"] == pytest.approx(1e-3) and np.isnan(row["Zdisp_scatter"])
    gauge("--line 20 10 10 21 10 10", code=1)
    one = affine_field((1, 1, 1))
    one.phi[0, 0, 0] = 1.01
    save("a.hdf", one)
    for kind in ("tsv", "vtk"):  # the strain of one node is that of its F, which the latter does not hold
        assert main("convert", ["a.hdf", f"a.{kind}", "--force"]) == 0
        (row,) = gauge("--box 0 100 0 100 0 100", f"a.{kind}")
        assert np.isnan(row["ezz"]) == (kind == "vtk") and np.isfinite(row["Zdisp"])
    gauge("--box 0 100 0 100 0 100 --remove rigid", code=1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "--line, --planes, --box, --mask, --label or --profile is missing"),
        (f"--line {LINE} --box {BOX}", "give only one of --line, --planes, --box"),
        ("--line 1 2 3 1 2 3", "has no length"),
        ("--line 1 2 3 4 5 nan", "--line"),
        ("--box 5 5 0 10 0 10", "--box is empty along Z"),
        ("--box 0 10 0 10 9 3", "--box is empty along X"),
        ("--box 0 10 0 5 0 10", "holds no point of a.hdf"),
        ("--planes q 1 2", "z, y or x"),
        ("--planes z 30 30", "two different numbers"),
        ("--planes z 30 b", "two numbers, not 30 and b"),
        ("--planes z 30 inf", "two numbers"),
        ("--planes z 30 130", "the plane z = 130 lies outside the nodes of a.hdf: 20 to 100"),
        ("--label 3", "a.hdf is no result of labels"),
        ("--mask gone.tif", "gone.tif"),
        (f"--line {LINE} --places 4", "--places is for --profile"),
        (f"--line {LINE} --labels m.tif", "--labels needs --label"),
        (f"--line {LINE} --remove all", "--remove"),
    ],
)
def test_refused(words, said, here, capfd):
    save("a.hdf", affine_field())
    gauge(words, code=2)
    assert is_one_sentence(capfd.readouterr().err, said)
    assert not list(Path().glob("p-*"))


def test_files_that_are_there(here, capfd):
    save("a.hdf", affine_field())
    words = ["a.hdf", *f"--line {LINE}".split()]
    assert main("gauge", words) == 0 and main("gauge", words) == 2
    assert "a-gauge.csv exists" in capfd.readouterr().err
    assert main("gauge", ["gone.hdf", *words[1:]]) == 2
    tifffile.imwrite("a-Zdisp.tif", np.zeros((5, 6, 7), np.float32))
    capfd.readouterr()
    assert main("gauge", ["a-Zdisp.tif", *words[1:]]) == 2 and "of one column" in capfd.readouterr().err
    Path("a.hdf").rename("b.tif")  # its content counts
    assert main("gauge", ["b.tif", *words[1:]]) == 0


def test_reported_deviation_is_the_scatter():
    """A few pairs: no term is forgotten."""
    fields = Again((26, 26, 26), 4, 4).fields(24)
    check_ratios(fields, 0.7, 1.35)


@pytest.mark.slow
@pytest.mark.parametrize(("spacing", "half", "edge"), [(5, 5, 40), (8, 5, 48), (3, 6, 36)])
def test_reported_deviation_is_the_scatter_over_100_pairs(spacing, half, edge):
    """Windows that just touch, that lie apart, that overlap by three quarters."""
    check_ratios(Again((edge, edge, edge), half, spacing).fields(100), 0.85, 1.15)


def check_ratios(fields: list, least: float, most: float) -> None:
    grid = fields[0].grid
    low = np.array(grid.origin)
    high = low + (np.array(grid.shape) - 1) * np.array(grid.spacing)
    positions, middle = fields[0].positions, (low + high) / 2
    ball = np.flatnonzero(((positions - middle) ** 2).sum(axis=1) < (0.45 * (high - low)[0]) ** 2)
    box = np.flatnonzero(positions[:, 0] < high[0])
    ends = np.stack([low + 1.3, high - [0.7, 2.2, 5.0]])
    gauges = {
        "line": lambda field: elongation(field, ends),
        "planes": lambda field: two_planes(field, 0, (low[0] + 1, high[0])),
        "box": lambda field: means(field, box),
        "mask": lambda field: means(field, ball),
        "box without dilation": lambda field: means(without_motion(field, "dilation"), box),
        "mask without rigid motion": lambda field: means(without_motion(field, "rigid"), ball),
        "own": lambda field: means(field, ball, own=True),
    }
    for name, read in gauges.items():
        found = ratios([read(field) for field in fields])
        for what in ("disp", "strain" if "strain" in found else "e"):  # the mean of three or six numbers scatters less
            some = [ratio for key, ratio in found.items() if (what in key if what != "e" else key.startswith("e"))]
            assert not some or least < np.mean(some) < most, (name, what, found)


@pytest.mark.mpi
def test_the_same_bytes(team, shared_tmp_path, monkeypatch):
    monkeypatch.chdir(shared_tmp_path)
    team.agree(lambda: [save(f"{k}.hdf", affine_field(variance=1e-6 * (k + 1))) for k in range(3)] and None)
    team.agree(lambda: tifffile.imwrite("m.tif", np.ones((110, 70, 80), "u1"), photometric="minisblack"))
    from hpcdvc.ranks.team import Team

    for number, words in enumerate((f"--line {LINE}", "--mask m.tif --remove rigid")):
        line = ["0.hdf", "1.hdf", "2.hdf", *words.split(), "-q", "-od"]
        run(parse(Options, [*line, f"ranks{number}"], "gauge", ""), team)
        team.agree(lambda: run(parse(Options, [*line, f"alone{number}"], "gauge", ""), Team()))  # noqa: B023
        for path in Path(f"alone{number}").iterdir():
            assert path.read_bytes() == Path(f"ranks{number}", path.name).read_bytes()
        assert len(list(Path(f"alone{number}").iterdir())) == 2
