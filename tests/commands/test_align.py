"""hpcdvc-align as a whole: its files, the truth, and the same bytes on any number of ranks in either mode."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from align_cases import DENSITY, balls, error, geometry, save_nxtomo, save_scan
from reg_ends import play_command

import hpcdvc
from hpcdvc.cli import main
from hpcdvc.tomography.geo import read_geo
from hpcdvc.workflows import align

VIEWS, SIZE, HEIGHT = 15, 20, 16
NAMES = ["view", "inner_angle", "outer_angle", "j_offset", "k_offset", "j_offset_free", "k_offset_free"]
#: Few iterations, each by few steps.
SHORT = ("-maxiter", "3", "-recKwargs", '{"maxiter": 5}', "-q")


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A folder with a scan and its result in `done`, and the true offsets."""
    folder = tmp_path_factory.mktemp("align")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        play_command(patched, "align")
        true = save_scan("scan.h5", VIEWS, SIZE, HEIGHT)
        assert main("align", ["scan.h5", "-od", "done", "-pre", "P", "-q"]) == 0
    return folder, true


@pytest.fixture
def here(case, monkeypatch):
    monkeypatch.chdir(case[0])
    play_command(monkeypatch, "align")
    return case[1]


def table(path):
    return np.genfromtxt(path, names=True, delimiter="\t")


def digests(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.suffix != ".json"}


def test_offsets(here):
    """A row for each view in the order of the scan, right to a few hundredths of a pixel."""
    assert Path("done/P-align.tsv").read_text().split("\n")[0].split("\t") == NAMES
    rows, scan = table("done/P-align.tsv"), geometry(VIEWS, SIZE, HEIGHT)
    assert np.array_equal(rows["view"], np.arange(VIEWS)) and not rows["outer_angle"].any()
    assert np.allclose(rows["inner_angle"], np.degrees(scan.inner))
    found = np.stack([rows["j_offset"], rows["k_offset"]])
    wrong = error(found, here, scan)
    assert (wrong < (0.03, 0.02)).all(), wrong
    free = np.stack([rows["j_offset_free"], rows["k_offset_free"]])
    directions = np.concatenate([scan.u, scan.w])
    assert np.abs(directions.T @ free.ravel()).max() < 1e-8  # no translation is left
    part = (found - free).ravel()
    assert np.allclose(directions @ np.linalg.lstsq(directions, part, rcond=None)[0], part, atol=1e-8)  # nothing else


def test_file(here):
    """What ParaView opens, ZYX, the views beside it, and the history, the start first."""
    rows = table("done/P-align.tsv")
    with h5py.File("done/P-align.hdf") as file:
        root, ours = file["VTKHDF"], file["hpcdvc"]
        assert root.attrs["Type"] == b"ImageData" and root["PointData"].attrs["Scalars"] == b"reconstruction"
        assert root.attrs["WholeExtent"].tolist() == [0, SIZE - 1, 0, SIZE - 1, 0, HEIGHT - 1]
        volume = root["PointData/reconstruction"][:]
        projections, reference = ours["projections"][:], ours["reference"][:]
        offsets, change = ours["history/offsets"][:], ours["history/change"][:]
        diode = -np.log10(np.stack([h5py.File("scan.h5")[f"projections/{i}/diode"][:].T for i in range(VIEWS)]) / 1e4)
    assert volume.shape == (HEIGHT, SIZE, SIZE) and volume.dtype == np.float32
    assert projections.shape == reference.shape == (VIEWS, HEIGHT, SIZE)
    assert np.abs(reference - diode).max() < 0.01 and np.abs(projections - reference).max() < 0.25 * diode.max()
    assert np.corrcoef(projections.ravel(), reference.ravel())[0, 1] > 0.999
    assert (projections * reference).sum() == pytest.approx((reference**2).sum(), rel=0.03)
    assert offsets.shape == (len(change), 2, VIEWS) and change[0] == 0
    moved = np.hypot(*np.diff(offsets, axis=0).transpose(1, 0, 2)).max(axis=1)
    assert np.allclose(change[1:], moved, rtol=0, atol=1e-12)
    assert np.allclose(offsets[-1], [rows["j_offset"], rows["k_offset"]], rtol=0, atol=1e-9)
    assert len(table("done/P-align-history.tsv")) == len(change)
    record = json.loads(Path("done/P-align.run.json").read_text())
    assert record["end"]["iterations"] == len(change) - 1


def test_volume(here):
    """The balls are where they are, up to the translation that no view shows."""
    volume = hpcdvc.read("done/P-align.hdf")["reconstruction"]
    middles, sigmas = balls(SIZE, HEIGHT)
    middles = middles - sigmas**3 @ middles / (sigmas**3).sum()
    x, y, z = (np.arange(n) + 0.5 - n / 2 for n in volume.shape[::-1])
    true = 0
    for (a, b, c), sigma in zip(middles, sigmas, strict=True):
        squares = ((z - c) ** 2)[:, None, None] + ((y - b) ** 2)[:, None] + (x - a) ** 2
        true = true + DENSITY / np.sqrt(2 * np.pi) * np.exp(-squares / (2 * sigma**2))
    assert np.corrcoef(volume.ravel(), true.ravel())[0, 1] > 0.97
    assert (volume * true).sum() == pytest.approx((true**2).sum(), rel=0.05)


def test_readers(here):
    """hpcdvc.read gives the volume, and the geometry has the new offsets."""
    result = hpcdvc.read("done/P-align.hdf")
    assert result["reconstruction"].shape == (HEIGHT, SIZE, SIZE) and result.measured.all()
    assert result.metadata["provenance"]["program"] == "hpcdvc-align"
    geo, rows, scan = read_geo("done/P-align.geo"), table("done/P-align.tsv"), geometry(VIEWS, SIZE, HEIGHT)
    assert np.allclose([geo.j_offsets, geo.k_offsets], [rows["j_offset"], rows["k_offset"]], rtol=0, atol=1e-9)
    assert np.allclose(geo.rotations, scan.rotations, atol=1e-12)


def test_picture(here):
    image = Path("done/P-align-sinogram.png").read_bytes()
    assert image[:4] == b"\x89PNG" and len(image) > 10_000


@pytest.mark.parametrize("mode", ["slab", "replicated"])
def test_the_same_bytes_on_any_number_of_ranks(here, mode, run_command):
    words = ("scan.h5", *SHORT, "-mode", mode, "-stack", "tif", "-sample", "0.7", "-relax", "0.1", "-nograph")
    assert main("align", [*words, "-od", f"{mode}1"]) == 0
    for ranks in (2, 3):
        done = run_command("align", *words, "-od", f"{mode}{ranks}", ranks=ranks)
        assert done.returncode == 0, done.stderr
    first, *others = (digests(f"{mode}{ranks}") for ranks in (1, 2, 3))
    assert len(first) == 5 and all(other == first for other in others)


def test_modes_agree(here):
    """To a millionth of a pixel."""
    for mode in ("slab", "replicated"):
        assert main("align", ["scan.h5", *SHORT, "-mode", mode, "-od", f"as-{mode}"]) == 0
    one, two = (table(f"as-{mode}/scan-align.tsv") for mode in ("slab", "replicated"))
    for name in ("j_offset", "k_offset"):
        assert np.abs(one[name] - two[name]).max() < 1e-6


def test_tilted_views(here):
    true = save_scan("tilted.h5", VIEWS, SIZE, HEIGHT, tilted=True)
    assert main("align", ["tilted.h5", "-od", "tilted", "-q", "-nograph", "-geo", "new.geo"]) == 0
    rows, scan = table("tilted/tilted-align.tsv"), geometry(VIEWS, SIZE, HEIGHT, tilted=True)
    assert np.allclose(rows["outer_angle"], np.degrees(scan.outer)) and rows["outer_angle"].any()
    wrong = error(np.stack([rows["j_offset"], rows["k_offset"]]), true, scan)
    assert (wrong < (0.03, 0.03)).all(), wrong
    assert (
        Path("new.geo").exists() and not list(Path("tilted").glob("*.geo")) and not list(Path("tilted").glob("*.png"))
    )


def test_aligned_stacks(here):
    """Frames whose middle of mass lies where the volume says, as TIFF and as NXtomo."""
    save_nxtomo("scan.nx", VIEWS, SIZE, HEIGHT)
    for kind in ("tif", "nxtomo"):
        assert main("align", ["scan.nx", "-od", kind, "-stack", kind, "-q", "-nograph"]) == 0
    frames = tifffile.imread("tif/scan-align-aligned.tif")
    rows, scan = table("tif/scan-align.tsv"), geometry(VIEWS, SIZE, HEIGHT)
    assert frames.shape == (VIEWS, HEIGHT, SIZE) and np.allclose(rows["inner_angle"], np.degrees(scan.inner))
    k, j = (np.arange(n) + 0.5 - n / 2 for n in (HEIGHT, SIZE))
    volume = hpcdvc.read("tif/scan-align.hdf")["reconstruction"]
    places = np.indices(volume.shape)[::-1] + 0.5 - np.array(volume.shape[::-1])[:, None, None, None] / 2
    centre = (places * volume).sum(axis=(1, 2, 3)) / volume.sum()
    for frame, u, w in zip(frames, scan.u, scan.w, strict=True):
        found = np.array([frame.sum(axis=0) @ j, frame.sum(axis=1) @ k]) / frame.sum()
        assert np.abs(found - (u @ centre, w @ centre)).max() < 0.15
    with h5py.File("nxtomo/scan-align-aligned.nxs") as file:
        entry = file["entry"]
        data, angles = entry["instrument/detector/data"], entry["sample/rotation_angle"][:]
        projections = entry["instrument/detector/image_key"][:] == 0
        assert data.shape[1:] == (HEIGHT, SIZE) and np.allclose(angles[projections], rows["inner_angle"])


def test_ended_by_maxiter(here, capfd):
    """A result, exit code 0, and said."""
    words = ["scan.h5", *SHORT, "-tol", "1e-12", "-us", "1,5", "-met", "cc,gn", "-bin", "1", "-od", "ended"]
    assert main("align", words) == 0
    assert "ended by -maxiter after 6 iterations" in capfd.readouterr().err
    with h5py.File("ended/scan-align.hdf") as file:
        history = file["hpcdvc/history"]
        assert history["offsets"].shape == (7, 2, VIEWS) and history["stage"][:].tolist() == [0, 0, 0, 0, 1, 1, 1]


def test_no_iterations(here, capfd):
    """The offsets of the start, and its volume."""
    assert main("align", ["scan.h5", "-maxiter", "0", "-start", "zero", "-od", "none", "-q", "--use-gpu"]) == 0
    assert "--use-gpu is ignored" in capfd.readouterr().err
    rows = table("none/scan-align.tsv")
    assert not rows["j_offset"].any() and hpcdvc.read("none/scan-align.hdf")["reconstruction"].max() > 0


def test_dry_run(here, capfd, monkeypatch):
    """Memory and core-hours of both modes; what does not fit the node is refused, there and in the run."""
    assert main("align", ["scan.h5", "--dry-run", "-od", "dry"]) == 0
    said = capfd.readouterr().out
    wanted = "mode slab (this run)", "mode replicated", "core-hours", "GB per rank", "assumed: all iterations", "disk"
    for words in wanted:
        assert words in said
    monkeypatch.setattr(align, "node_memory", lambda: 100_000_000)
    for words in (["--dry-run"], []):
        assert main("align", ["scan.h5", "-od", "dry", *words]) == 2
        assert "of memory on a node in the mode slab, which has 0.1 GB" in capfd.readouterr().err
    assert not Path("dry").exists()
