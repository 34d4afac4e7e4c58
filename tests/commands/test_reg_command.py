"""The files that hpcdvc-reg writes, what it says, and the same bytes on any number of ranks."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from ldic_cases import digest
from reg_cases import FIELD, RESULT, SHAPE, error_of, pair_of, run_here, save_motion
from reg_ends import PAIR, files, is_one_sentence, own_folder

from hpcdvc.cli import main
from hpcdvc.fields.status import Status
from hpcdvc.output.hdf5 import read_field, read_metadata
from hpcdvc.output.tsv import read_tsv

#: The columns of spam's table of a registration, in its order.
COLUMNS = (
    "NodeNumber Zpos Ypos Xpos Fzz Fzy Fzx Zdisp Fyz Fyy Fyx Ydisp Fxz Fxy Fxx Xdisp "
    "error iterations returnStatus deltaPhiNorm"
).split()
STEM = "im1-im2-registration"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    yield from own_folder(tmp_path, monkeypatch)


@pytest.fixture(autouse=True)
def images(here):
    save_motion("small")


def new_files() -> set[str]:
    return files() - set(PAIR)


def test_table():
    """One row, in the columns of spam, with those of ours behind them."""
    run_here(*PAIR)
    assert new_files() == RESULT
    header, row = (line.split("\t") for line in Path(f"{STEM}.tsv").read_text().splitlines())
    assert header[: len(COLUMNS)] == COLUMNS and len(row) == len(header)
    assert (row[0], row[header.index("returnStatus")]) == ("1", "2")
    table, result = read_tsv(f"{STEM}.tsv"), read_field(f"{STEM}.hdf")
    assert len(table) == len(result) == 1
    assert np.allclose(table.phi, result.phi, rtol=1e-8, atol=1e-9)
    assert np.allclose(table.positions, result.positions)
    as_spam_reads = np.genfromtxt(f"{STEM}.tsv", delimiter="\t", names=True)
    u = FIELD.displacement(result.positions[0])
    assert [as_spam_reads[f"{axis}disp"].item() for axis in "ZYX"] == pytest.approx(u, abs=1e-3)
    assert as_spam_reads["Fzy"] == pytest.approx(FIELD.F[0, 1], abs=1e-4)


def test_hdf5():
    """A single vertex for ParaView, X Y Z; our own arrays ZYX; what the run was made from."""
    run_here(*PAIR)
    with h5py.File(f"{STEM}.hdf") as file:
        root = file["VTKHDF"]
        assert root.attrs["Type"] == b"UnstructuredGrid" and root["NumberOfPoints"][:].tolist() == [1]
        assert root["Types"][:].tolist() == [1] and root["Connectivity"][:].tolist() == [0]
        assert root["Points"][:].tolist() == [[(n - 1) / 2 for n in SHAPE[::-1]]]
    known = read_metadata(f"{STEM}.hdf")
    assert known["parameters"]["interpolation_order"] == 3 and known["parameters"]["im1"] == "im1.tif"
    assert known["provenance"]["program"] == "hpcdvc-reg"
    record = json.loads(Path(f"{STEM}.run.json").read_text())
    assert record["ranks"] == 1 and record["seconds"] >= 0


@pytest.mark.parametrize("order", [1, 3])
def test_deformed_image(order):
    """im1 as Phi deforms it is like im2, in the type of im1."""
    paths = run_here(*PAIR, "-def", "-o", order)
    assert paths[-1] == "im1-reg-def.tif" and new_files() == {*RESULT, "im1-reg-def.tif"}
    im1, im2 = pair_of()
    deformed = tifffile.imread("im1-reg-def.tif")
    assert deformed.shape == SHAPE and deformed.dtype == im1.dtype
    inner = np.s_[6:-6, 6:-6, 6:-6]
    residual = (deformed.astype(float) - im2)[inner].std()
    assert residual < {1: 0.15, 3: 0.01}[order] * im2.std()
    assert (im1.astype(float) - im2)[inner].std() > im2.std()


def test_prefix_and_folder():
    paths = run_here(*PAIR, "-pre", "mine", "-od", "new/folder", "-def", "-g", "-j")
    assert {Path(path).name for path in paths} == {
        *("mine-registration.hdf", "mine-registration.tsv", "mine-reg-def.tif"),
        *("mine-registration-iterations.png", "mine-registration-iterations.npy"),
    }
    assert {path.name for path in Path("new/folder").iterdir()} == {
        *(f"mine-registration{ending}" for ending in (".hdf", ".tsv", ".run.json")),
        *("mine-registration-iterations.png", "mine-registration-iterations.npy", "mine-reg-def.tif"),
    }


def test_iterations():
    """-j has them all, -g draws them."""
    image = pytest.importorskip("matplotlib.image")
    run_here(*PAIR, "-g", "-j")
    rows = np.load(f"{STEM}-iterations.npy")
    assert rows["index"].tolist() == list(range(len(rows)))
    assert sorted(set(rows["factor"].tolist()), reverse=True) == [4, 2, 1] and (np.diff(rows["factor"]) <= 0).all()
    for factor in (4, 2, 1):
        assert (rows["number"][rows["factor"] == factor] == 1 + np.arange((rows["factor"] == factor).sum())).all()
        assert rows["status"][rows["factor"] == factor].tolist()[-1] == Status.CONVERGED
    found = read_field(f"{STEM}.hdf")
    assert rows["phi"][-1].tolist() == found.phi[0, :3].tolist() and rows["number"][-1] == found.iterations[0]
    assert rows["error"][-1] == found.error[0] and rows["delta_phi_norm"][-1] == found.delta_phi_norm[0]
    picture = image.imread(f"{STEM}-iterations.png")
    assert min(picture.shape[:2]) > 500 and 0.02 < (picture[..., :3].min(axis=2) < 0.5).mean() < 0.5


def test_levels_are_powers_of_two(capfd):
    """Others are rounded, and that is said."""
    assert main("reg", [*PAIR, "-bb", "3", "-j", "-q"]) == 0
    assert is_one_sentence(capfd.readouterr().err, "-bb 3", "4 is used")
    assert sorted(set(np.load(f"{STEM}-iterations.npy")["factor"])) == [1, 2, 4]


def test_what_it_says(run_command):
    result = run_command("reg", *PAIR)
    assert (result.returncode, result.stderr) == (0, "") and new_files() == RESULT
    lines = result.stdout.splitlines()
    wrote = [f"wrote {STEM}.hdf", f"wrote {STEM}.tsv"]
    assert lines[-3:] == [*wrote, f"look at it: hpcdvc-report {STEM}.hdf"]
    levels = [line.split(":")[0] for line in lines if line.startswith("binning")]
    assert levels == ["binning 4", "binning 2", "binning 1"]
    for ranks in (None, 2):
        result = run_command("reg", *PAIR, "-q", "--force", "-def", ranks=ranks)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize("ranks", [None, 2])
def test_dry_run_writes_nothing(ranks, run_command):
    result = run_command("reg", *PAIR, "-od", "new/folder", "-def", "-g", "--dry-run", ranks=ranks)
    assert (result.returncode, result.stderr) == (0, "") and new_files() == set()
    megabytes = 2 * np.prod(SHAPE) * 2 / 1e6
    for words in (
        f"images {megabytes:.1f} MB mapped",
        "binning 4 to 1",
        "per rank",
        f"on {ranks} ranks" if ranks else "on 1 rank,",
    ):
        assert words in result.stdout


def test_existing_result(capfd):
    assert main("reg", [*PAIR, "-q"]) == 0
    first = digest(f"{STEM}.hdf")
    assert main("reg", [*PAIR, "-q", "-o", "1"]) == 2
    assert is_one_sentence(capfd.readouterr().err, f"{STEM}.hdf exists", "--force") and digest(f"{STEM}.hdf") == first
    assert main("reg", [*PAIR, "-q", "-o", "1", "--force"]) == 0
    assert digest(f"{STEM}.hdf") != first and new_files() == RESULT
    # a finished result is not measured again; what is missing beside it is written
    Path(f"{STEM}.tsv").unlink()
    second = digest(f"{STEM}.hdf")
    assert main("reg", [*PAIR, "-q", "-o", "1", "--resume", "-def"]) == 0
    assert digest(f"{STEM}.hdf") == second and new_files() == {*RESULT, "im1-reg-def.tif"}


def test_existing_deformed_image(capfd):
    """That of another registration is not lost without a word, an input never."""
    assert main("reg", [*PAIR, "-q", "-def", "-pre", "mine"]) == 0
    assert main("reg", [*PAIR[::-1], "-q", "-def", "-pre", "other"]) == 0
    first = digest("mine-reg-def.tif")
    Path("other-reg-def.tif").rename("im2-reg-def.tif")
    assert main("reg", ["im2.tif", "im1.tif", "-q", "-def"]) == 2
    assert is_one_sentence(capfd.readouterr().err, "im2-reg-def.tif exists", "--force")
    for more in ((), ("--force",)):
        assert main("reg", ["im2.tif", "mine-reg-def.tif", "-q", "-def", "-pre", "mine", *more]) == 2
        assert is_one_sentence(capfd.readouterr().err, "would replace mine-reg-def.tif")
    assert digest("mine-reg-def.tif") == first
    assert main("reg", ["im2.tif", "im1.tif", "-q", "-def", "--force"]) == 0


def test_same_bytes_on_any_number_of_ranks(run_command):
    """Also of what may differ between them: a sample of the blocks, NaN, a mask, an update of the gradient."""
    mask = np.zeros(SHAPE, "u1")
    mask[:, :40, 5:] = 1
    holes = [image.astype("f4") for image in pair_of()]
    holes[0][10:14, 8:12, 20:24] = holes[1][30, 20:25, 30] = np.nan
    tifffile.imwrite("mask.tif", mask)
    for name, image in zip(("f1.tif", "f2.tif", "t1.tif", "t2.tif"), (*holes, *pair_of("tall")), strict=True):
        tifffile.imwrite(name, image, compression="zlib")  # decoded into shared memory
    for prefix, others, words in (
        ("plain", (2, 3), (*PAIR, "-def", "-j")),
        ("tall", (3,), ("t1.tif", "t2.tif", "-o", 1, "-j")),
        ("holes", (3,), ("f1.tif", "f2.tif", "-mf1", "mask.tif", "-ug", "-o", 1, "-bb", 2, "-j")),
    ):
        found = []
        for ranks in (None, *others):
            words = (*words, "-pre", prefix, "-q", "--force")
            result = run_command("reg", *words, ranks=ranks)
            assert (result.returncode, result.stderr) == (0, "")
            endings = ("registration.hdf", "registration.tsv", "registration-iterations.npy", "reg-def.tif")
            found.append([digest(name) for e in endings if Path(name := f"{prefix}-{e}").exists()])
        assert all(one == found[0] for one in found) and len(found[0]) >= 3
    assert np.load("tall-registration-iterations.npy")["sampled"].any()
    assert error_of(read_field("plain-registration.hdf")) < 0.001
    assert error_of(read_field("holes-registration.hdf")) < 0.03


def test_starts_itself_on_several_ranks(run_command):
    assert run_command("reg", *PAIR, "-np", 2, "-q").returncode == 0
    assert json.loads(Path(f"{STEM}.run.json").read_text())["ranks"] == 2
