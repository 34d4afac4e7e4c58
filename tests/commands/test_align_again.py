"""What hpcdvc-align has written, in other hands: stacks and geometry in the command itself, the volume in others."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from align_cases import geometry, save_nxtomo, save_scan
from reg_ends import check_end, files, play_command

import hpcdvc
from hpcdvc.cli import main
from hpcdvc.images import describe
from hpcdvc.tomography.opening import describe_scan

VIEWS, SIZE, HEIGHT = 9, 16, 14
QUICK = ["-q", "-nograph", "-recKwargs", '{"maxiter": 10}']


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A folder with a scan of a single axis, a tilted one, and their stacks."""
    folder = tmp_path_factory.mktemp("again")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        play_command(patched, "align")
        save_nxtomo("scan.nx", VIEWS, SIZE, HEIGHT)
        save_scan("tilted.h5", VIEWS, SIZE, HEIGHT, tilted=True)
        assert main("align", ["scan.nx", "-stack", "nxtomo", *QUICK]) == 0
        assert main("align", ["tilted.h5", "-stack", "tif", *QUICK]) == 0
    return folder


@pytest.fixture
def here(case, monkeypatch):
    monkeypatch.chdir(case)
    play_command(monkeypatch, "align")


def table(path):
    return np.genfromtxt(path, names=True, delimiter="\t")


def test_aligned_stacks_are_aligned(here):
    """Read again, nothing is left to be moved; angles from the table, or the geometry."""
    angles = table("tilted-align.tsv")
    np.savetxt("angles.txt", np.stack([angles["inner_angle"], angles["outer_angle"]], axis=1))
    tif = ["tilted-align-aligned.tif", "-angles"]
    for words in (["scan-align-aligned.nxs"], [*tif, "angles.txt"], [*tif, "tilted-align.geo"]):
        assert main("align", [*words, "-start", "zero", "-od", "again", "--force", *QUICK]) == 0
        found = table(f"again/{words[0][:-4]}-align.tsv")
        free = np.stack([found["j_offset_free"], found["k_offset_free"]])
        assert np.sqrt((free**2).mean(axis=1)).max() < 0.06


@pytest.mark.parametrize("how", ["matrices", "another axis"])
def test_angles_of_a_stack_in_nxtomo(here, how):
    """They are of the views, however the scan says where these look from."""
    save_scan("other.h5", VIEWS, SIZE, HEIGHT)
    scan = geometry(VIEWS, SIZE, HEIGHT)
    with h5py.File("other.h5", "r+") as file:
        if how == "another axis":
            file["inner_axis"] = [0.0, 0, 1]
        for view in range(VIEWS):
            group = file[f"projections/{view}"]
            if how == "another axis":
                group["inner_angle"][...] *= -1
            else:
                del group["inner_angle"], group["outer_angle"]
                group["rotation_matrix"] = scan.rotations[view]
    words = ["other.h5", "-stack", "nxtomo", "-maxiter", "0", "--force", *QUICK]
    assert main("align", words) == 0
    again = describe_scan("other-align-aligned.nxs").geometry
    assert np.allclose([again.u, again.w], [scan.u, scan.w], atol=1e-9)


def test_views_that_nxtomo_cannot_hold(here, capfd):
    before = files()
    check_end(capfd, ["tilted.h5", "-stack", "nxtomo", "-pre", "t", "-q"], ("-stack nxtomo", "tif"), 2, "align")
    assert files() == before


def test_geometry_of_other_views(here, capfd):
    np.save("small.npy", np.random.default_rng(0).random((VIEWS, HEIGHT // 2, SIZE // 2)))
    sizes = (f"{SIZE} x {HEIGHT}", f"{SIZE // 2} x {HEIGHT // 2}", "scan-align.geo")
    check_end(capfd, ["small.npy", "-angles", "scan-align.geo", "-q"], sizes, 2, "align")


def test_offsets_that_a_file_has_not(here, capfd):
    assert main("align", ["scan.nx", "-start", "file", "-maxiter", "0", "-pre", "s", *QUICK]) == 0
    assert "no offsets other than 0" in capfd.readouterr().err
    words = ["tilted-align-aligned.tif", "-angles", "tilted-align.geo", "-start", "file", "-maxiter", "0", "-pre", "u"]
    assert main("align", [*words, *QUICK]) == 0
    assert "no offsets" not in capfd.readouterr().err
    one, other = table("u-align.tsv"), table("tilted-align.tsv")
    assert np.allclose(one["j_offset"], other["j_offset"]) and one["j_offset"].any()


def test_the_volume_is_the_image_of_its_file(here):
    """For a registration of two of them, say; its planes are z."""
    info, result = describe("scan-align.hdf"), hpcdvc.read("scan-align.hdf")
    assert info.dataset.endswith("/reconstruction") and info.shape == (HEIGHT, SIZE, SIZE)
    assert main("convert", ["scan-align.hdf", "volume.tif", "-q"]) == 0 and Path("volume-reconstruction.tif").exists()
    pytest.importorskip("xarray", reason="xarray is not installed: pip install xarray")
    assert np.array_equal(result.to_xarray()["reconstruction"].sel(z=3), result["reconstruction"][3])
