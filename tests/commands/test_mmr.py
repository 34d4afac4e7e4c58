"""hpcdvc-mmr as a whole: its files, the truth, and the same bytes on any number of ranks."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from killed_runs import left_in
from mmr_cases import ENDS, FIELD, FLAT_FIELD, MIDDLE, PAIR, SHAPE, flat_images, images, save_case, unrelated
from pvbatch import run_pvbatch
from reg_ends import is_one_sentence, play_command

import hpcdvc
from hpcdvc.cli import main
from hpcdvc.fields.status import Status
from hpcdvc.output.hdf5 import read_field
from hpcdvc.output.stored import opened
from hpcdvc.output.tsv import COLUMN_SETS, read_tsv
from hpcdvc.steps.modal_result import figures_of

WHOLE = (*PAIR, "-bin", "2", "-jhb", "64", "-def", "-pre", "P", "-q")
PHI, FLAT_PHI = FIELD.phi(MIDDLE[None])[0], FLAT_FIELD.phi(np.array([[35.5, 39.5]]))[0]
DEFORMED = ("P-mmr-def.tif", "P-mmr-undef.tif")


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A folder with the images, and a result of them in `done`."""
    folder = tmp_path_factory.mktemp("mmr")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        play_command(patched, "mmr")
        save_case()
        assert main("mmr", [*WHOLE, "-od", "done"]) == 0
    return folder


@pytest.fixture
def here(case, monkeypatch):
    monkeypatch.chdir(case)
    play_command(monkeypatch, "mmr")
    return case


def check(field, translation=0.03, gradient=2e-3):
    """One row that has converged on the truth."""
    assert field.return_status.tolist() == [Status.CONVERGED]
    assert np.abs(field.displacement[0] - PHI[:, 3]).max() < translation
    assert np.abs(field.phi[0, :3, :3] - PHI[:, :3]).max() < gradient


def test_files(here):
    assert {path.name for path in Path("done").iterdir()} == {*(f"P-{end}" for end in ENDS), *DEFORMED}


def test_tables(here):
    """The column set of registrations with standard deviations; each in voxels of its level."""
    header = Path("done/P-PhiMMR-bin1.tsv").read_text().split("\n")[0].split("\t")
    assert header[: len(COLUMN_SETS["T1"])] == list(COLUMN_SETS["T1"])
    assert {"Zdisp_std", "Ydisp_std", "Xdisp_std", "explained"} <= set(header)
    fine, coarse = (read_tsv(f"done/P-PhiMMR-bin{binning}.tsv") for binning in (1, 2))
    check(fine)
    assert np.array_equal(fine.positions[0], MIDDLE) and np.array_equal(coarse.positions[0], (MIDDLE - 0.5) / 2)
    assert coarse.measured.all() and np.abs(2 * coarse.displacement[0] - PHI[:, 3]).max() < 0.15
    std = np.sqrt(fine.extra["variance"][0, 3::4])
    assert ((std > 1e-4) & (std < 0.02)).all()
    assert 0.7 < fine.extra["explained"][0] < 1 and fine.extra["valid_fraction"][0] > 0.9


def test_file(here):
    """ParaView's volume of phases and residuals; Phi, its standard deviations, and all iterations beside it."""
    with h5py.File("done/P-mmr.hdf") as file:
        root, ours = file["VTKHDF"], file["hpcdvc"]
        assert root.attrs["Type"] == b"ImageData" and root["PointData"].attrs["Scalars"] == b"phase_map"
        assert root.attrs["WholeExtent"].tolist() == [0, SHAPE[2] - 1, 0, SHAPE[1] - 1, 0, SHAPE[0] - 1]
        phases, residual = root["PointData/phase_map"][:], root["PointData/residual"][:]
        history = {name: values[:] for name, values in ours["history"].items()}
        phi, std, levels = ours["Phi"][:], ours["Phi_std"][:], ours["levels/binning"][:]
    assert phases.shape == residual.shape == SHAPE and set(np.unique(phases)) <= {0, 1, 2}
    inside = tuple(slice(4, -4) for _ in SHAPE)
    one = images()[0][inside].astype(float)
    means = [one[phases[inside] == phase].mean() for phase in (1, 2)]
    assert sorted(means) == pytest.approx([50, 140], abs=12)  # the grey values of im1
    assert 0.5 < np.sqrt(np.nanmean(residual[inside] ** 2)) < 1.5
    assert np.abs(phi[:3] - PHI).max() < 0.03 and std.shape == (3, 4) and levels.tolist() == [2, 1]
    assert history["binning"].tolist() == sorted(history["binning"], reverse=True)
    assert history["returnStatus"][-1] == Status.CONVERGED and len(history["Phi"]) == len(history["log_likelihood"])
    assert np.isfinite(history["log_likelihood"]).all() and history["explained"][-1] > history["explained"][0]
    record = json.loads(Path("done/P-mmr.run.json").read_text())
    assert record["end"]["return_status"] == 2 and record["end"]["explained"] > record["end"]["explained_before"]


def test_readers(here):
    """Dense by `hpcdvc.read`; a registration for all that starts from one."""
    result = hpcdvc.read("done/P-mmr.hdf")
    assert result["phase_map"].shape == SHAPE and result["phase_map"].dtype == np.uint8
    assert result.metadata["provenance"]["program"] == "hpcdvc-mmr"
    field, table = read_field("done/P-mmr.hdf"), read_tsv("done/P-PhiMMR-bin1.tsv")
    assert np.allclose(field.phi, table.phi, rtol=1e-8, atol=1e-9) and len(field) == 1
    assert main("deformImage", ["im1.tif", "-pf", "done/P-mmr.hdf", "-od", "again", "-o", "3", "-q"]) == 0
    again, deformed = tifffile.imread("again/im1-reg-def.tif"), tifffile.imread("done/P-mmr-def.tif")
    assert np.array_equal(again, deformed)


def test_deformed_images(here):
    """Each in the frame of the other: they show the same places then, with inverted contrast."""
    im1, im2 = images()
    to2, to1 = (tifffile.imread(f"done/{name}") for name in DEFORMED)
    assert to2.dtype == np.uint8 and to1.dtype == np.uint16
    inside = tuple(slice(5, -5) for _ in SHAPE)

    def correlation(a, b):
        return np.corrcoef(a[inside].ravel().astype(float), b[inside].ravel().astype(float))[0, 1]

    before = correlation(im1, im2)
    assert max(correlation(to2, im2), correlation(im1, to1)) < min(-0.9, before - 0.05)


def test_pictures(here):
    for name in ("histogram", "phases", "checkerboard"):
        image = Path(f"done/P-mmr-{name}.png").read_bytes()
        assert image[:4] == b"\x89PNG" and len(image) > 10_000 and b"Software" not in image
    with opened("done/P-mmr.hdf") as stored:
        panels = figures_of(stored, ("im1", "im2"))["checkerboard"].axes
    places = [f"{name} = {(n - 1) // 2}" for name, n in zip("zyx", SHAPE, strict=True)]
    titles = [f"{place}, {when}" for when in ("before", "after") for place in places]
    assert [panel.get_title() for panel in panels] == titles and panels[0].get_xlabel() == "x, voxel"
    assert panels[0].get_xlim() == (-0.5, SHAPE[2] - 0.5)


def test_starts(here):
    """From a result, in a table or a file, there is nothing left to do; phases are replayed."""
    expected = read_field("done/P-mmr.hdf")
    starts = {
        "table": ("-pf", "done/P-PhiMMR-bin1.tsv"),
        "file": ("-pf", "done/P-mmr.hdf"),
        "phases": ("--phases", "done/P-mmr-phases.json"),
    }
    for name, words in starts.items():
        bins = () if name == "phases" else ("-jhb", "64")
        assert main("mmr", [*PAIR, *bins, *words, "-od", name, "-q"]) == 0
        field = read_field(f"{name}/im1-im2-mmr.hdf")
        check(field)
        assert np.abs(field.phi - expected.phi).max() < 5e-3
        assert field.iterations[0] <= expected.iterations[0], name
        if name == "phases":
            assert field.iterations[0] == 1 and np.abs(field.phi - expected.phi).max() < 2e-4  # less than -dp


def test_phases_with_a_rough_phi(here):
    """Phases of a file whose Phi is a guess lead to where Phi has settled on them, too."""
    expected, told = read_field("done/P-mmr.hdf"), json.loads(Path("done/P-mmr-phases.json").read_text())
    told["Phi"] = np.eye(4).tolist()
    Path("guess.json").write_text(json.dumps(told))
    assert main("mmr", [*PAIR, "--phases", "guess.json", "-od", "guess", "-q"]) == 0
    found = read_field("guess/im1-im2-mmr.hdf")
    assert found.iterations[0] > 3 and np.abs(found.phi - expected.phi).max() < 2e-4


def test_auto(here):
    """Far apart: rolled by a fifth of the image."""
    one, two = flat_images()
    tifffile.imwrite("one.tif", one.astype("f4"))
    tifffile.imwrite("far.tif", np.roll(two, (12, -14), axis=(0, 1)).astype("f4"))
    assert main("mmr", ["one.tif", "far.tif", "--auto", "-rig", "-ph", "3", "-jhb", "48", "-od", "auto", "-q"]) == 0
    field = read_field("auto/one-far-mmr.hdf")
    assert field.measured.all() and np.abs(field.displacement[0] - FLAT_PHI[:, 3] - [0, 12, -14]).max() < 0.1
    assert np.allclose(field.phi[0, :3, :3] @ field.phi[0, :3, :3].T, np.eye(3), atol=1e-9)


def test_mask(here, capfd):
    """What is masked does not count, and belongs to no phase; that there are fewer than were asked for is said."""
    mask = np.ones(SHAPE, "u1")
    mask[:12] = 0
    im2 = images()[1].copy()
    im2[:10] = 12345
    tifffile.imwrite("mask.tif", mask)
    tifffile.imwrite("spoiled.tif", im2)
    assert (
        main("mmr", ["im1.tif", "spoiled.tif", "-mf1", "mask.tif", "-ph", "5", "-jhb", "64", "-od", "mask", "-q"]) == 0
    )
    assert "binning 1: 2 phases found, not 5" in capfd.readouterr().err
    check(read_field("mask/im1-spoiled-mmr.hdf"), 0.05, 4e-3)
    phases = hpcdvc.read("mask/im1-spoiled-mmr.hdf")["phase_map"]
    assert not phases[:12].any() and (phases[16:-4, 4:-4, 4:-4] > 0).mean() > 0.95


def test_a_phase_that_is_missing_is_told(here, capfd):
    """With too few phases Phi is off by more than its standard deviation."""
    for number, told in (("1", True), ("2", False)):
        main("mmr", [*PAIR, "-ph", number, "-jhb", "64", "-od", f"missing{number}"])
        assert ("belong to none of the phases" in capfd.readouterr().err) == told


def test_number_of_phases(here, capfd):
    """How many have been found is said, where the number was left open."""
    assert main("mmr", [*PAIR, "-ph", "auto", "-jhb", "48", "-rig", "-it", "30", "-od", "number"]) == 0
    found = json.loads(Path("number/im1-im2-mmr.run.json").read_text())["end"]["n_phases"]
    assert f"binning 1: {found} phase" in "".join(capfd.readouterr())


def test_two_dimensions(here):
    """Three phases, as many as the histogram tells, in small numbers; pictures and a text for ParaView."""
    for name, image in zip(("a.tif", "b.tif"), flat_images(), strict=True):
        tifffile.imwrite(name, image.astype("f4"))
    assert main("mmr", ["a.tif", "b.tif", "-ph", "auto", "-jhb", "48", "-bin", "2", "-od", "flat", "-q"]) == 0
    field = read_field("flat/a-b-mmr.hdf")
    assert field.measured.all() and np.abs(field.displacement[0] - FLAT_PHI[:, 3]).max() < 0.05
    assert not field.phi[0, 0, 1:3].any() and field.displacement[0, 0] == 0
    assert json.loads(Path("flat/a-b-mmr.run.json").read_text())["end"]["n_phases"] >= 3
    assert "phase_map" in Path("flat/a-b-mmr.xdmf").read_text() and Path("flat/a-b-mmr-checkerboard.png").exists()


def test_not_converged(here, capfd):
    """All files are there and say why; exit code 1; no image is deformed by what has failed."""
    tifffile.imwrite("other.tif", unrelated())
    assert main("mmr", ["im1.tif", "other.tif", "-jhb", "64", "-def", "-od", "other", "-q", "-it", "8"]) == 1
    assert is_one_sentence(capfd.readouterr().err, "the registration has failed", "try")
    field = read_tsv("other/im1-other-PhiMMR-bin1.tsv")
    assert not field.measured.all() or field.return_status[0] < 2
    left = {path.name for path in Path("other").iterdir()}
    assert "im1-other-mmr-checkerboard.png" in left and not [name for name in left if "def" in name]
    assert main("mmr", ["im1.tif", "other.tif", "-jhb", "64", "-od", "other", "-q", "-it", "8", "--resume"]) == 1
    assert is_one_sentence(capfd.readouterr().err, "the registration has failed", "try")


def test_accepted(here, capfd):
    """Flags of the peer that are not needed are said to be so; a dry run writes nothing."""
    assert main("mmr", [*PAIR, "-int", "-gra", "-ssl", "0", "--dry-run", "-od", "dry"]) == 0
    said = "".join(capfd.readouterr())
    for words in ("-int is ignored", "-gra is ignored", "-ssl is ignored", "core time", "disk"):
        assert words in said
    assert not Path("dry").exists()


LOOK = """
import json, sys
from paraview import simple
reader = simple.OpenDataFile(sys.argv[1])
reader.UpdatePipeline()
data = simple.servermanager.Fetch(reader)
arrays = {a.Name: list(a.GetRange()) for a in reader.PointData.values()}
with open(sys.argv[2], "w") as stream:
    json.dump([data.GetClassName(), list(data.GetBounds()), arrays], stream)
"""


@pytest.mark.slow
def test_paraview_opens_it(here, tmp_path):
    """A volume with both arrays."""
    run_pvbatch(tmp_path, LOOK, [str(here / "done" / "P-mmr.hdf"), "seen.json"])
    kind, bounds, arrays = json.loads((tmp_path / "seen.json").read_text())
    assert kind in ("vtkImageData", "vtkUniformGrid")
    assert bounds == [bound for n in SHAPE[::-1] for bound in (0, n - 1)]
    assert arrays["phase_map"] == [0, 2] and set(arrays) == {"phase_map", "residual"}


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_ranks(here, run_command, ranks):
    """The same bytes, of all files."""
    done = run_command("mmr", *WHOLE, "-od", f"ranks-{ranks}", ranks=ranks)
    assert done.returncode == 0, done.stderr
    assert left_in(Path(f"ranks-{ranks}")) == left_in(Path("done"))
