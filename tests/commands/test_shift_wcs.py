"""hpcdvc-shift and its Python function on FITS images whose pixels lie differently on the sky."""

import os
from pathlib import Path

import numpy as np
import pytest
from fits_files import save_fits
from reg_ends import check_end, own_folder

import hpcdvc
from hpcdvc.cli import main
from hpcdvc.errors import UserError
from hpcdvc.fields.status import Status
from hpcdvc.output.hdf5 import read_field
from hpcdvc.stacks.wcs import Sky, common_part, cross_correlation_shifts_fits, packages

pytest.importorskip("astropy")
pytest.importorskip("reproject")

#: Size (ny, nx) of im1, degrees per pixel, and how far its rows are turned on the sky.
SHAPE, SCALE, TURN = (60, 72), 3e-4, np.deg2rad(30)
CD = SCALE * np.array([[-np.cos(TURN), np.sin(TURN)], [np.sin(TURN), np.cos(TURN)]])
#: By how much the sky has moved in im2, x y of im1.
MOVE = np.array([1.8, -1.3])


def sky(x, y):
    """Smooth grey values at places of im1."""
    random, grey = np.random.default_rng(3), np.full(np.shape(x), 500.0)
    for _ in range(60):
        a, b, phase = *random.normal(0, 0.22, 2), random.uniform(0, 6.28)
        grey = grey + random.uniform(1, 8) * np.cos(a * x + b * y + phase)
    return grey


def cards(cd, reference, **more):
    """World coordinates, of which pixel `reference` (from 0) is that at 30, -5 degrees."""
    names = {f"CD{i}_{j}": repr(float(cd[i - 1][j - 1])) for i in (1, 2) for j in (1, 2)}
    pixel = {f"CRPIX{k}": repr(float(place) + 1) for k, place in enumerate(reference, 1)}
    return {"CTYPE1": "'RA---TAN'", "CTYPE2": "'DEC--TAN'", "CRVAL1": 30.0, "CRVAL2": -5.0, **pixel, **names, **more}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """im1 and, turned by five degrees against it, larger and in an extension, im2; with noise."""
    folder, random = tmp_path_factory.mktemp("sky"), np.random.default_rng(1)
    centre = np.array([35.0, 30.0])
    y, x = np.indices(SHAPE)
    save_fits(folder / "im1.fits", ((sky(x, y) + random.normal(0, 1, SHAPE)).astype("f4"), cards(CD, centre)))
    angle, shape, other = np.deg2rad(5), (64, 80), np.array([41.0, 28.5])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    y, x = np.indices(shape)
    place = np.stack([x - other[0], y - other[1]], axis=-1) @ turn.T + centre  # in the pixels of im1
    image = sky(*np.moveaxis(place - MOVE, -1, 0)) + random.normal(0, 1, shape)
    save_fits(folder / "im2.fits", (None, {}), (image.astype("f4"), cards(CD @ turn, other)))
    return folder


@pytest.fixture(autouse=True)
def here(images, tmp_path, monkeypatch):
    for _ in own_folder(tmp_path, monkeypatch):
        for path in images.iterdir():
            os.symlink(path, path.name)
        yield tmp_path


def shift(*words, code=0):
    """The shift of im2.fits against im1.fits; overwrites."""
    line = ["im1.fits", "im2.fits", "-wcs", "-pre", "P", "--force", *map(str, words)]
    assert main("shift", line) == code
    return read_field("P-shift.hdf")


def test_displacement_in_pixels_and_degrees():
    field = shift()
    assert np.abs(field.displacement[0, :0:-1] - MOVE).max() < 0.03 and field.return_status == Status.CONVERGED
    world = [float(field.extra[f"world{k}disp"][0]) for k in (1, 2)]
    assert np.allclose(world, CD @ field.displacement[0, :0:-1], rtol=1e-9)
    head, row = (line.split("\t") for line in Path("P-shift.tsv").read_text().splitlines())
    assert head[-2:] == ["world1disp", "world2disp"] and np.allclose([float(row[-2]), float(row[-1])], world, rtol=1e-8)
    shift("-convention", "algotom")
    assert float(Path("P-shift.tsv").read_text().split()[-1]) == pytest.approx(-world[1], rel=1e-8)


def test_the_turned_matrix_by_other_cards(images):
    """CDELT and CROTA2 say the same, and so does CDELT with PC."""
    image = np.zeros(SHAPE, "f4")
    common = {name: value for name, value in cards(CD, (35, 30)).items() if not name.startswith("CD")}
    delta = {"CDELT1": -SCALE, "CDELT2": SCALE}
    pc = CD / np.array([[-SCALE], [SCALE]])
    ways = [
        delta | {"CROTA2": np.rad2deg(-TURN)},
        delta | {f"PC{i}_{j}": repr(float(pc[i - 1][j - 1])) for i in (1, 2) for j in (1, 2)},
    ]
    for way in ways:
        save_fits("b.fits", (image, common | way))
        from hpcdvc.images import describe

        found = Sky.of(describe("b.fits")).matrix
        assert np.allclose(np.abs(found), np.abs(CD), rtol=1e-9)


def test_masks_noise_and_what_is_shifted_back():
    mask = np.ones((64, 80), "u1")
    mask[:, 60:] = 0
    np.save("mask.npy", mask)
    save_fits("noise.fits", (np.ones((64, 80), "f4"), {}))
    field = shift("-mf2", "mask.npy", "-err", "noise.fits", "-reg", "-tif")
    assert np.abs(field.displacement[0, :0:-1] - MOVE).max() < 0.03
    import tifffile

    back = tifffile.imread("P-shift-reg.tif")
    y, x = np.indices(SHAPE)
    left = (back - sky(x, y))[8:-8, 8:-8]
    assert back.shape == SHAPE and np.nanstd(left) < 2 and np.isfinite(left).mean() > 0.8


def refused(words, told, capfd):
    check_end(capfd, words, [told], 2, "shift")


def test_what_is_refused(capfd, monkeypatch):
    save_fits("plain.fits", (np.zeros(SHAPE, "f4"), {}))
    refused(("im1.fits", "plain.fits", "-wcs"), "plain.fits has no celestial coordinates", capfd)
    save_fits("wrong.fits", (np.zeros(SHAPE, "f4"), cards(0 * CD + SCALE, (1, 1))))
    refused(("im1.fits", "wrong.fits", "-wcs"), "wrong.fits has world coordinates that do not tell", capfd)
    save_fits("cube.fits", (np.zeros((4, *SHAPE), "f4"), cards(CD, (1, 1))))
    refused(("im1.fits", "cube.fits", "-wcs"), "cube.fits", capfd)
    monkeypatch.setitem(__import__("sys").modules, "reproject", None)
    refused(("im1.fits", "im2.fits", "-wcs"), 'pip install "hpcdvc[fits]"', capfd)
    with pytest.raises(UserError, match="astropy and reproject"):
        packages()


def test_images_that_do_not_meet(capfd):
    save_fits("im3.fits", (np.random.default_rng(1).normal(size=SHAPE).astype("f4"), cards(CD, (900, 30))))
    assert main("shift", ["im1.fits", "im3.fits", "-wcs", "-pre", "P"]) == 1
    assert read_field("P-shift.hdf").return_status == Status.FEW_VALID_VOXELS
    with pytest.raises(UserError, match="have no pixel in common"):
        cross_correlation_shifts_fits("im1.fits", "im3.fits", register_method=lambda a, b: (0, 0))


def test_common_part():
    image = np.arange(30.0).reshape(5, 6)
    holes = image.copy()
    holes[:, :2], holes[4], holes[2, 3] = np.nan, np.nan, np.nan
    one, two = common_part(image, holes)
    assert np.array_equal(one, image[:4, 2:]) and np.array_equal(two, holes[:4, 2:], equal_nan=True)
    assert common_part(image, image * np.nan)[0].size == 0


def test_function_with_a_method_of_ones_own(capsys):
    seen = []

    def method(image1, image2, scale=1):
        seen.append((image1, image2))
        return scale * 2.0, scale * 3.0, 0.1, 0.1

    found = cross_correlation_shifts_fits("im1.fits", Path("im2.fits"), True, 20, True, method, scale=2)
    (one, two), (x, y, *world) = seen[0], found[:4]
    assert (x, y) == (4, 6) and np.allclose(world, CD @ (4, 6)) and "4, 6 pixels" in capsys.readouterr().out
    assert np.array_equal(found[4], one) and np.array_equal(found[5], two) and one.shape == two.shape
    assert one[one > 0].min() > 400 and 0.1 < (one == 0).mean() < 0.9 and np.isfinite(two).all() and one.shape < SHAPE


def test_function(shared):
    """The example of another program, whose result is half a pixel off: what the second image lacks counts as 0."""
    x, y, *world = hpcdvc.cross_correlation_shifts_fits("im1.fits", "im2.fits")
    assert np.abs(np.array([x, y]) - MOVE).max() < 0.05 and np.allclose(world, CD @ (x, y))
    folder = shared / "oracle/seeds234/ir_fits"
    truth, peer = np.load(folder / "truth_displacement_xy.npy"), np.load(folder / "out_cc_cd_plain.npy")
    for name in ("cd", "cdelt"):
        found = hpcdvc.cross_correlation_shifts_fits(*(folder / f"in_{name}{k}.fits" for k in (1, 2)))
        assert np.abs(np.subtract(found[:2], truth)).max() < 0.03 < np.abs(peer[:2] - truth).max()
        assert np.allclose(found[2:], np.multiply(found[:2], [-1 / 3600, 1 / 3600]))


@pytest.mark.parametrize("words", [(), ("-err", "in_err2.fits"), ("-met", "cc"), ("-met", "map", "-sr", "5")])
@pytest.mark.parametrize("name", ["cd", "cdelt"])
def test_example_of_another_program(name, words, shared):
    folder = shared / "oracle/seeds234/ir_fits"
    line = [*(f"{folder}/in_{name}{k}.fits" for k in (1, 2)), "-wcs", "-od", ".", "-pre", "P"]
    assert main("shift", [*line, *(f"{folder}/{word}" if word.endswith("fits") else word for word in words)]) == 0
    field, truth = read_field("P-shift.hdf"), np.load(folder / "truth_displacement_xy.npy")
    assert np.abs(field.displacement[0, :0:-1] - truth).max() < 0.03
    world = [field.extra[f"world{k}disp"][0] for k in (1, 2)]
    assert np.allclose(world, truth * [-1 / 3600, 1 / 3600], atol=1e-5)
