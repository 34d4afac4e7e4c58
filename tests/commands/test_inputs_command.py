"""Commands on images of every format, and on results whatever they are called."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from ldic_cases import images, measure, run_here, same_rows, save_pair
from PIL import Image
from reg_ends import check_end, files, own_folder
from volume_files import save_meta, save_nifti

import hpcdvc
from hpcdvc.cli import main
from hpcdvc.images import RawLayout, describe, open_volume
from hpcdvc.output.hdf5 import read_field
from hpcdvc.output.kinds import ending_of
from hpcdvc.pages.residual import pair_of_planes
from hpcdvc.pages.result_file import open_result
from hpcdvc.pages.view_found import found_images
from hpcdvc.pages.view_images import Images, given_images

GRID = ("-ns", 10, "-hws", 5)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    yield from own_folder(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The field of the plain pair."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("plain"))
        save_pair()
        return measure(*GRID)


def saved(ending, save):
    """The pair under names with an end."""
    names = [f"im{k}{ending}" for k in (1, 2)]
    for name, volume in zip(names, images(), strict=True):
        save(Path(name), volume)
    return names


def field_of(*words):
    paths = run_here(*words, *GRID)
    return read_field(next(path for path in paths if str(path).endswith(".hdf")))


FORMATS = {
    ".nii": save_nifti,
    ".nii.gz": save_nifti,
    ".mha": lambda path, volume: save_meta(path, volume, ">", packed=True),
    ".npy": np.save,
}


@pytest.mark.parametrize("ending", FORMATS)
def test_formats(expected, ending):
    assert same_rows(field_of(*saved(ending, FORMATS[ending])), expected)


def test_raw_files_by_options(expected):
    first, second = saved(".raw", lambda path, volume: volume.astype(volume.dtype.newbyteorder(">")).tofile(path))
    shape, kind = images()[0].shape, images()[0].dtype
    words = ("--raw-shape", *shape, "im1.raw", "im2.raw", "--raw-dtype", f">{kind.str[1:]}")
    assert same_rows(field_of(*words), expected)
    # another byte order is another image: its rows are no rows of this run
    run_here(*(str(word) for word in words), *GRID, "--force")


def test_raw_files_by_name(expected):
    volume = images()[0]
    name = f"_{'x'.join(map(str, volume.shape))}_{volume.dtype.name}.raw"
    assert same_rows(field_of(*saved(name, lambda path, volume: volume.tofile(path))), expected)


def test_ranks_read_one_compressed_file(expected, run_command):
    first, second = saved(".nii.gz", save_nifti)
    done = run_command("ldic", first, second, *GRID, ranks=2, cwd=Path.cwd())
    assert done.returncode == 0, done.stderr
    assert same_rows(read_field("im1-im2-ldic.hdf"), expected)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--raw-shape", 3, 4, 5, "--raw-dtype", "u2"), ("im1.raw has 1000 bytes, and 3 x 4 x 5 uint16 take 120",)),
        ((), ("im1.raw is a raw file", "--raw-shape Z Y X --raw-dtype")),
        (("--raw-shape", 3, 4, 5), ("--raw-dtype is missing",)),
        (("--raw-shape", 3, 4, 5, "--raw-dtype", "float16"), ("--raw-dtype takes uint8", "not 'float16'")),
    ],
)
def test_refused(capfd, words, said):
    for name in "im1.raw", "im2.raw":
        Path(name).write_bytes(bytes(1000))
    before = files()
    check_end(capfd, (*words, "im1.raw", "im2.raw", "-hws", 5, "-ns", 10), said, 2, "ldic")
    assert files() == before


def test_cut_file_is_refused(capfd):
    first, second = saved(".nii.gz", save_nifti)
    content = gzip.decompress(Path(first).read_bytes())
    Path(first).write_bytes(gzip.compress(content[:-1000]))
    check_end(capfd, (first, second, *GRID), ("im1.nii.gz is truncated",), 2, "ldic")


def test_colour_is_said(capfd):
    colour = np.random.default_rng(1).integers(0, 256, (60, 60, 3)).astype("u1")
    Image.fromarray(colour).save("a.png")
    assert main("ldic", ["a.png", "a.png", "-hws", "8", "-ns", "20"]) == 0
    assert "a.png: it is in colour: its luminance" in capfd.readouterr().err
    assert np.abs(read_field("a-a-ldic.hdf").displacement).max() < 1e-5


def test_steps_of_a_file(expected):
    """im1 and im2 as two steps of one file."""
    save_nifti(Path("both.nii"), np.stack(images()))
    assert same_rows(field_of("both.nii[0]", "both.nii[1]"), expected)
    assert Path("both-0-both-1-ldic.hdf").exists()


def test_pages_look_at_raw_images_again():
    """What a result says of its raw images leads to the same voxels."""
    saved(".raw", lambda path, volume: volume.tofile(path))
    volume = images()[0]
    words = ("--raw-shape", *volume.shape, "--raw-dtype", volume.dtype.name)
    field_of("im1.raw", "im2.raw", *words)
    with open_result("im1-im2-ldic.hdf") as result:
        found = found_images(Images(), result)
        assert found.im1.shape == volume.shape and not found.why
        assert not isinstance(pair_of_planes(result), str)
    told = RawLayout(volume.shape, "<" + volume.dtype.str[1:])
    given = given_images(("im1.raw", "im2.raw"), 1, None, raw_layout=told)[0]
    np.testing.assert_array_equal(open_volume(given.im1), volume)


def test_results_are_known_by_their_content(expected, caplog):
    save_pair()
    paths = run_here("im1.tif", "im2.tif", *GRID, "-vtk")
    for path in paths:
        ending = Path(path).suffix
        Path(path).rename(f"field{ending}.txt")
    for ending in ".hdf", ".tsv", ".vtk":
        name = f"field{ending}.txt"
        assert ending_of(name) == ending
        found = hpcdvc.read(name)
        np.testing.assert_allclose(found.displacement, expected.displacement, atol=1e-5)
        run_here("im1.tif", "im2.tif", *GRID, "-pf", name, "-pre", ending[1:])
        again = read_field(f"{ending[1:]}-ldic.hdf")
        np.testing.assert_allclose(again.displacement, expected.displacement, atol=0.02)
        assert any("which holds no F" in said for said in caplog.messages) == (ending == ".vtk")
    assert main("convert", ["field.hdf.txt", "back.tsv"]) == 0 and ending_of("back.tsv") == ".tsv"
    with open_result("field.hdf.txt") as result:
        assert result.columns
    tifffile.imwrite("text.tsv", images()[0])
    assert ending_of("text.tsv") == ".tif" and ending_of("none.hdf") == ".hdf"
    Path("words.txt").write_text(json.dumps({}))
    assert ending_of("words.txt") == ".txt" and describe("text.tsv").kind == "tiff"
