"""--voxel-size through the commands: what measures writes it, what goes on from a result passes it on, and all numbers
that are compared, printed or gone on with are those of a run without, bit for bit."""

from pathlib import Path

import numpy as np
import pytest
import table_cases
import tifffile
from affine_field import affine_rows, field_of_rows
from gdic_cases import save_case
from reg_ends import files, is_one_sentence, play_command, run_in_process
from same_fields import same
from synthetic import lattice_texture

import hpcdvc
from hpcdvc.cli import main
from hpcdvc.output import hdf5
from hpcdvc.output.dense_result import DenseResult
from hpcdvc.output.scaled import of_result
from hpcdvc.output.tsv import write_tsv
from hpcdvc.pages.facts import facts_of, numbers_of
from hpcdvc.pages.result_file import open_result
from hpcdvc.pages.view_point import values_of

SIZE = "6.5um"
FOLDERS = ("plain", "sized")


def compare(folder: Path) -> int:
    """Compare all files of both folders; returns how many results there are."""
    plain, sized = (sorted((folder / name).glob("x*")) for name in FOLDERS)
    assert [path.name for path in plain] == [path.name for path in sized]
    for one, other in zip(plain, sized, strict=True):
        if one.suffix in (".tsv", ".tif", ".png"):
            assert one.read_bytes() == other.read_bytes(), one.name
        elif one.suffix in (".hdf", ".vtk"):
            results = hpcdvc.read(one), hpcdvc.read(other)
            assert results[1].metadata["voxel_size"] == SIZE and "voxel_size" not in results[0].metadata
            if isinstance(results[0], DenseResult):
                for name in results[0].names:
                    assert np.array_equal(results[0][name], results[1][name], equal_nan=True)
            else:
                assert same(*results), one.name
    return len([path for path in plain if path.suffix == ".hdf"])


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Fields, and the same with a voxel size, in two folders."""
    folder = tmp_path_factory.mktemp("tables")
    for name in FOLDERS:
        (folder / name).mkdir()
        with pytest.MonkeyPatch.context() as patched:
            patched.chdir(folder / name)
            table_cases.save_all()
    for path in (folder / "sized").glob("*.hdf"):
        hdf5.save_field(path, hdf5.read_field(path), {"key": path.stem, "voxel_size": SIZE})
    return folder


STRAINS = [
    ("regularStrain", "-pf grid.hdf -tif -vtk"),
    ("regularStrain", "-pf grid.hdf -Q8 -vtk"),
    ("discreteStrain", "-pf grains.hdf -vtk"),
]
CASES = [(command, words) for command, words, _ in table_cases.CASES if ".hdf" in words]


#: Those that are run each time; the others take the same ways.
QUICK = [*CASES[2::4], *STRAINS]


@pytest.mark.parametrize(
    "command, words",
    [*QUICK, *(pytest.param(*case, marks=pytest.mark.slow) for case in CASES if case not in QUICK)],
)
def test_it_is_passed_on(tables, command, words):
    for name in FOLDERS:
        run_in_process(command, *words.split(), "-pre", "x", "--force", "-q", cwd=tables / name)
    assert compare(tables) == 1
    for path in tables.glob("*/x*"):
        path.unlink()


def test_of_binned_images(tables):
    words = ["-pf", "grid.hdf", "-pfb", "2", "-ns", "20", "-im1shape", "60", "84", "64", "-nn", "4", "-pre", "x", "-q"]
    run_in_process("passPhiField", *words, "--force", cwd=tables / "sized")
    (path,) = (tables / "sized").glob("x*.hdf")
    assert hpcdvc.read(path).metadata["voxel_size"] == "3.25um"
    for other in (tables / "sized").glob("x*"):
        other.unlink()


#: Command lines of what measures; and those that take the same ways.
MEASURED = [
    "ldic im1.tif im2.tif -ns 12 -hws 5 -vtk -tif",
    "localShifts flat1.tif flat2.tif -hws 3 -sr 2 -tif -vtk",
    "deformImage im1.tif -pf table.tsv --format hdf",
]
ALIKE = [
    "reg im1.tif im2.tif",
    "pixelSearch im1.tif im2.tif -ns 14 -hws 4 -sr -3 3 -3 3 -3 3",
    "localShifts flat1.tif flat2.tif -hws 3 -sr 2 -ns 8 -vtk",
    "gdic im1.tif im2.tif box.h5 -it 8 -vtk --std 0",
]


def save_inputs() -> None:
    """Images, flat ones, a mesh and a registration, into the working folder."""
    save_case()
    flat = np.random.default_rng(3).integers(0, 255, (30, 40), np.uint8)
    tifffile.imwrite("flat1.tif", flat)
    tifffile.imwrite("flat2.tif", np.roll(flat, 1, 1))
    write_tsv("table.tsv", field_of_rows(affine_rows(np.array([[21.5, 22.5, 23.5]])), None, [[21.5, 22.5, 23.5]]))


@pytest.mark.parametrize("words", [*MEASURED, *(pytest.param(one, marks=pytest.mark.slow) for one in ALIKE)])
def test_measuring_commands(tmp_path, monkeypatch, words):
    command, *words = words.split()
    for name, more in zip(FOLDERS, ([], ["--voxel-size", "6.5 um"]), strict=True):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        save_inputs()
        run_in_process(command, *words, "-pre", "x", "-q", *more, cwd=Path())
    assert compare(tmp_path) == 1


def test_meshes_and_what_is_measured_on_them(tmp_path, monkeypatch):
    pytest.importorskip("meshio")
    for name, more in zip(FOLDERS, ([], ["--voxel-size", "6.5um"]), strict=True):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        save_inputs()
        run_in_process("mesh", "-cube", 5, 39, 6, 40, 7, 41, "-lc", 12, "-pre", "m", "-novtk", "-q", *more, cwd=Path())
        words = ("im1.tif", "im2.tif", "m-lc12.0.hdf", "-it", 6, "--std", 0, "-pre", "x", "-q")
        run_in_process("gdic", *words, cwd=Path())
    assert compare(tmp_path) == 1, "gdic has the size from the mesh"


BAD = {
    "6.5": "--voxel-size needs a unit, 6.5um, 6.5mm, 6.5nm or 6.5m, not '6.5'",
    "6.5km": "--voxel-size knows the units um, mm, nm and m, not 'km'",
    "um": "--voxel-size takes a length such as 6.5um",
    "-1um": "--voxel-size must be from 1e-09 to 1e+09 of its unit, not '-1um'",
    "0um": "--voxel-size must be from",
    "nanum": "--voxel-size takes a length such as",
    "1e400m": "--voxel-size must be from",
    "1_0um": "--voxel-size",
}


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("value", BAD)
def test_other_values_are_refused(tmp_path, monkeypatch, capsys, value, apart):
    monkeypatch.chdir(tmp_path)
    play_command(monkeypatch, "ldic")
    words = ["--voxel-size", value] if apart else [f"--voxel-size={value}"]
    assert main("ldic", ["a.tif", "b.tif", "-ns", "9", "-hws", "5", *words]) == 2
    assert is_one_sentence(capsys.readouterr().err, BAD[value])
    assert not files()


def test_where_it_says_nothing_it_is_refused(tables, capsys, monkeypatch):
    monkeypatch.chdir(tables / "sized")
    play_command(monkeypatch, "convert")
    assert main("convert", ["grid.hdf", "y.tsv", "--voxel-size", "1um"]) == 2
    assert is_one_sentence(capsys.readouterr().err, "--voxel-size is for .hdf and .vtk files, y.tsv is in voxels")
    save_inputs()
    assert main("deformImage", ["im1.tif", "-pf", "table.tsv", "--voxel-size", "1um", "-pre", "y"]) == 2
    assert is_one_sentence(capsys.readouterr().err, "--voxel-size is for --format hdf")


def test_two_sizes_are_refused(tables, capsys, monkeypatch):
    monkeypatch.chdir(tables / "sized")
    play_command(monkeypatch, "mergePhis")
    hdf5.save_field("other.hdf", hdf5.read_field("grid.hdf"), {"key": "other", "voxel_size": "3um"})
    assert main("mergePhis", ["grid.hdf", "other.hdf", "-pre", "y"]) == 2
    assert is_one_sentence(capsys.readouterr().err, "grid.hdf has voxels of 6.5 um, other.hdf of 3 um")
    assert main("mergePhis", ["grid.hdf", "other.hdf", "-pre", "y", "--voxel-size", "1um"]) == 0
    assert "grid.hdf says 6.5 um, 1 um is used" in capsys.readouterr().out
    assert of_result(next(Path().glob("y*.hdf"))).text == "1um"


def test_converted(tables):
    """Between the formats that keep it, and to one that has it again by its option."""
    for source, target, *more in (
        ("grid.hdf", "y.vtk"), ("y.vtk", "y.hdf"), ("y.hdf", "z.tsv"), ("z.tsv", "w.hdf", "--voxel-size", "6.5um"),
    ):  # fmt: skip
        run_in_process("convert", source, target, "--force", *more, cwd=tables / "sized")
        run_in_process("convert", source, target, "--force", cwd=tables / "plain")
        sized, plain = (hpcdvc.read(tables / name / target) for name in ("sized", "plain"))
        assert same(sized, plain)
        assert sized.metadata.get("voxel_size") == (None if target == "z.tsv" else SIZE)


def test_metadata_of_images_are_told_not_used(tmp_path, capsys):
    image = lattice_texture(1)(np.moveaxis(np.indices((20, 20, 20)), 0, -1)).astype("f4")
    told = {"imagej": True, "resolution": (1 / 6.5, 1 / 6.5), "metadata": {"spacing": 6.5, "unit": "um"}}
    tifffile.imwrite(tmp_path / "im1.tif", image, **told)
    tifffile.imwrite(tmp_path / "im2.tif", image, **told)
    words = ("im1.tif", "im2.tif", "-ns", 7, "-hws", 3, "-notsv")
    run_in_process("ldic", *words, cwd=tmp_path)
    said = capsys.readouterr().out
    assert "im1.tif says 6.5 um: --voxel-size 6.5um uses it" in said
    assert said.count("says") == 1, "of the first of those that say the same"
    assert of_result(tmp_path / "im1-im2-ldic.hdf") is None
    words = (*words, "--force", "--voxel-size", "6.5um")
    run_in_process("ldic", *words, cwd=tmp_path)
    assert "says" not in capsys.readouterr().out
    run_in_process("info", "im1.tif", "im1-im2-ldic.hdf", cwd=tmp_path)
    shown = capsys.readouterr().out
    assert "6.5 um: --voxel-size 6.5um uses it" in shown and shown.count("6.5 um") == 2


@pytest.mark.slow
def test_any_ranks(tmp_path, run_command):
    flat = np.random.default_rng(3).integers(0, 255, (30, 40), np.uint8)
    for k in "12":
        tifffile.imwrite(tmp_path / f"im{k}.tif", flat)
    for ranks in (1, 2):
        words = ("im1.tif", "im2.tif", "-ns", 7, "-hws", 3, "-pre", f"on{ranks}", "--voxel-size", "6.5um")
        done = run_command("ldic", *words, cwd=tmp_path, ranks=ranks)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "on1-ldic.hdf").read_bytes() == (tmp_path / "on2-ldic.hdf").read_bytes()


def test_reports_and_pages_tell_both(tables):
    with open_result(str(tables / "sized" / "grid.hdf")) as result:
        told = {(one["column"], one["unit"]): one["mean"] for one in numbers_of(result)}
        row, facts = values_of(result, 0), facts_of(result)
    assert told["displacement x", "um"] == pytest.approx(6.5 * told["displacement x", "voxel"], rel=1e-5)
    assert facts["voxel_size"] == "6.5 um"
    assert {unit for name, _, unit in row if name == "displacement"} == {"voxel", "um"}
