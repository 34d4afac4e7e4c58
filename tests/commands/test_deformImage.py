"""hpcdvc-deformImage on images whose deformation is known: values, residuals, names of files, any number of ranks."""

import json
import os
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from deform_cases import contents, deformed, nodes, rms, run_here, save_all, save_deformations, save_flat
from ldic_cases import FIELD, FLAT_FIELD, SHAPE, images, save_pair
from plain_mesh import write_plain
from scipy import ndimage
from synthetic import Sine, rotation

from hpcdvc.fields.phi import rotation_of
from hpcdvc.fields.triangulation import triangulate


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def volume():
    save_all()
    return tifffile.imread("im1.tif"), tifffile.imread("im2.tif")


def pulled_back(image: np.ndarray, matrix: np.ndarray, shift: np.ndarray, centre: np.ndarray) -> tuple:
    """image(c + F^-1 (p - c - t)), trilinear, and where that lies inside; by scipy."""
    inverse = np.linalg.inv(matrix)
    offset = centre - inverse @ (centre + shift)
    points = np.moveaxis(np.indices(image.shape), 0, -1) @ inverse.T + offset
    inside = ((points >= 0) & (points <= np.array(image.shape) - 1)).all(axis=-1)
    values = ndimage.map_coordinates(image.astype(float), np.moveaxis(points, -1, 0), order=1)
    return np.where(inside, values, 0), inside


#: What the record says of a residual.
NUMBERS = ("voxels", "gain", "offset", "rms_before", "rms_after")


def middle(image: np.ndarray, border: int = 6) -> np.ndarray:
    return image[tuple(slice(border, n - border) for n in image.shape)]


def test_registration(volume):
    expected, inside = pulled_back(volume[0], FIELD.F, FIELD.shift, FIELD.centre)
    (path,) = run_here("im1.tif", "-pf", "reg.tsv")
    assert path == "im1-reg-def.tif"
    result = tifffile.imread(path)
    assert result.dtype == np.uint16 and result.shape == SHAPE
    assert np.abs(result[inside] - expected[inside]).max() <= 0.51
    assert not result[~inside].any()


def test_rigid_part():
    """Of a registration that also stretches."""
    field = rotation(4, (18.5, 19.5, 24.0), shift=(0.5, -1, 0.3))
    stretched = type(FIELD)(field.F @ np.diag([1.1, 1.0, 0.9]), field.shift, field.centre)
    save_pair()
    save_deformations(stretched, SHAPE)
    expected, inside = pulled_back(tifffile.imread("im1.tif"), rotation_of(stretched.F), field.shift, field.centre)
    result = deformed("-pf", "reg.tsv", "-rr")
    assert np.abs(result[inside] - expected[inside]).max() <= 0.51
    assert rms(result - deformed("-pf", "reg.tsv").astype(float)) > 100


@pytest.mark.parametrize("words", [(), ("-disp",), ("-tet",), ("-tet", "-a", -1), ("-nn", 20), ("-rad", 30)])
def test_field(volume, words):
    """Every way of interpolation of an affine field comes near to what the registration gives, and to im2."""
    im1, im2 = volume
    result = deformed("-pf", "field.tsv", "-o", 3, *words)
    assert result.dtype == np.uint16
    left, were = (rms(middle(image - im2.astype(float))) for image in (result, im1))
    print(words, left, were)
    assert left < were * (0.25 if "-disp" in words else 0.1)


def test_names(volume):
    names = {
        ("-pf", "reg.tsv"): "im1-reg-def.tif",
        ("-pf", "reg.tsv", "-rr", "-pre", "a"): "a-reg-def.tif",
        ("-pf", "field.tsv"): "im1-def.tif",
        ("-pf", "field.tsv", "-disp"): "im1-disp-def.tif",
        ("-pf", "field.tsv", "-tet", "-od", "new/deep"): "new/deep/im1-tetMesh-def.tif",
        ("-pf", "field.tsv", "--format", "hdf"): "im1-def.hdf",
    }
    for words, name in names.items():
        assert run_here("im1.tif", *words, "--force") == [name]
        assert Path(name).exists() and not list(Path().glob(f"{name}.*"))
    assert run_here("im1.tif", "-pf", "reg.tsv", "--residual", "im2.tif", "--force") == [
        "im1-reg-def.tif",
        "im1-reg-def-residual.tif",
    ]
    assert not list(Path().glob("*.parts"))


def test_residual(volume):
    im1, im2 = (image.astype(float) for image in volume)
    result = deformed("-pf", "field.tsv", "-nn", 4, "--residual", "im2.tif", "-crit", "ssd", "--coverage")
    residual = tifffile.imread("im1-def-residual.tif")
    record = json.loads(Path("im1-def.run.json").read_text())
    inside = tifffile.imread("im1-def-coverage.tif")
    assert inside.dtype == np.uint8 and set(np.unique(inside)) == {0, 1}
    inside = inside == 1
    assert not result[~inside].any() and np.isnan(residual[~inside]).all()
    assert residual.dtype == np.float32
    np.testing.assert_array_equal(residual[inside], (result - im2)[inside].astype("f4"))
    assert record["voxels"] == inside.sum() and (record["gain"], record["offset"]) == (1, 0)
    assert record["rms_before"] == pytest.approx(rms((im1 - im2)[inside]), rel=1e-3)
    assert record["rms_after"] == pytest.approx(rms((result - im2)[inside]), rel=1e-3)


def test_other_grey_values_leave_nothing(volume):
    """Gain and offset are fitted, so that what is left is what the same grey values leave; not so with ssd."""
    tifffile.imwrite("im2.tif", (0.5 * volume[1].astype("f4") + 3000))
    left = {}
    for words in ((), ("-crit", "ssd")):
        deformed("-pf", "field.tsv", "-o", 3, "--residual", "im2.tif", *words)
        left[words] = middle(tifffile.imread("im1-def-residual.tif"))
    record = json.loads(Path("im1-def.run.json").read_text())
    assert (record["gain"], record["offset"]) == (1, 0)
    plain = middle(deformed("-pf", "field.tsv", "-o", 3, "-pre", "plain").astype(float) - volume[1])
    assert rms(left[()]) < 0.7 * rms(plain) < 0.01 * rms(left["-crit", "ssd"])


def test_norms_are_said(volume, run_command):
    done = run_command("deformImage", "im1.tif", "-pf", "reg.tsv", "--residual", "im2.tif", "-v")
    assert done.returncode == 0, done.stderr
    record = json.loads(Path("im1-reg-def.run.json").read_text())
    before, after = record["rms_before"], record["rms_after"]
    assert f"im1 - im2 {before:.5g}, im1(Phi) - im2 {after:.5g}, ratio {after / before:.4f}" in done.stdout
    assert f"{100 * record['voxels'] / np.prod(SHAPE):.1f} % of the voxels have a value" in done.stdout
    assert record["parameters"]["phi_file"] == "reg.tsv" and record["provenance"]["im1"]["name"] == "im1.tif"


def test_mask_in_the_deformed_state(volume):
    mask = np.ones(SHAPE, "f4")
    mask[:, :20], mask[3, 25, 5] = 0, np.nan
    tifffile.imwrite("mask.tif", mask)
    result = deformed("-pf", "field.tsv", "-mf2", "mask.tif", "--residual", "im2.tif")
    whole = deformed("-pf", "field.tsv", "-pre", "whole")
    kept = np.nan_to_num(mask) > 0
    np.testing.assert_array_equal(result, np.where(kept, whole, 0))
    assert np.isnan(tifffile.imread("im1-def-residual.tif")[~kept]).all()
    assert json.loads(Path("im1-def.run.json").read_text())["voxels"] <= kept.sum()


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"])
def test_voxel_types(dtype):
    """The type of the input, rounded and clipped: never wrapped around."""
    save_all()
    wave = images()[0].astype(float)
    wave = (wave - wave.min()) / np.ptp(wave)
    kind = np.dtype(dtype)
    low, high = (np.iinfo(kind).min, np.iinfo(kind).max) if kind.kind in "iu" else (-1e4, 1e4)
    values = np.where(wave > 0.7, high, np.where(wave < 0.3, low, low + (high - low) * wave)).astype(kind)
    tifffile.imwrite("im1.tif", values)
    expected, inside = pulled_back(values, FIELD.F, FIELD.shift, FIELD.centre)
    inside[0] = inside[-1] = False
    result = deformed("-pf", "reg.tsv")
    assert result.dtype == kind
    difference = np.abs(result.astype(float) - expected)[inside]
    assert difference.max() <= 0.51 + (high - low) * 1e-6
    spline = deformed("-pf", "reg.tsv", "-o", 3)  # overshoots where grey values jump
    assert np.abs(spline.astype(float) - expected)[inside].max() < 0.75 * (high - low)


def test_labels_are_copied(volume):
    labels = (np.indices(SHAPE).sum(axis=0) // 9 * 7919).astype("u4")
    tifffile.imwrite("labels.tif", labels)
    result = deformed("-pf", "field.tsv", "-o", 0, im1="labels.tif")
    assert result.dtype == np.uint32 and set(np.unique(result)) <= set(np.unique(labels)) | {0}


def test_orders(volume):
    """The higher the order, the nearer to im2."""
    left = [rms(middle(deformed("-pf", "reg.tsv", "-o", order) - volume[1].astype(float))) for order in (0, 1, 3, 5)]
    print(left)
    assert left[0] > 2 * left[1] > 4 * left[3]
    assert left[2] < left[1] / 2


@pytest.mark.parametrize("words", [("-pf", "reg.tsv"), ("-pf", "field.tsv"), ("-pf", "field.tsv", "-tet")])
def test_two_dimensions(words):
    save_flat()
    im1, im2 = tifffile.imread("im1.tif"), tifffile.imread("im2.tif").astype(float)
    result = deformed(*words, "--residual", "im2.tif")
    assert result.shape == im1.shape and result.dtype == im1.dtype
    assert rms(middle(result - im2)) < 0.1 * rms(middle(im1 - im2))
    expected, inside = pulled_back(im1, FLAT_FIELD.F, FLAT_FIELD.shift, FLAT_FIELD.centre)
    assert rms((result - expected)[inside]) < 0.02 * np.std(im1)


def test_hdf5(volume):
    expected = deformed("-pf", "field.tsv")
    paths = run_here("im1.tif", "-pf", "field.tsv", "--format", "hdf", "--residual", "im2.tif")
    assert paths == ["im1-def.hdf", "im1-def-residual.hdf"]
    with h5py.File(paths[0]) as file:
        np.testing.assert_array_equal(file["VTKHDF/PointData/grey"], expected)
        assert json.loads(file["hpcdvc"].attrs["parameters"])["phi_file"] == "field.tsv"
    # the result is an image like any other
    assert run_here("im1-def.hdf", "-pf", "reg.tsv") == ["im1-def-reg-def.tif"]


def test_faces_all_but_along_an_axis(volume):
    """Each component of the displacement depends on its own coordinate: faces stay parallel to x to the last digits."""
    field = Sine(np.array([1.0, 0, 0]), np.array([0.02, 0, 0]))
    field += Sine(np.array([0, 1.0, 0]), np.array([0, 0.02, 0])) + Sine(np.array([0, 0, 1.0]), np.array([0, 0, 0.02]))
    save_deformations(field, SHAPE)
    result = deformed("-pf", "field.tsv", "-tet", "-o", 0, im1="im1.tif")
    assert (middle(result) > 0).all()


def test_mesh(volume):
    """A mesh says the same as the triangulation of its nodes."""
    positions = nodes()
    displacements = FIELD.displacement(positions)
    cells = triangulate(positions + displacements)
    parts = {"mesh_points": positions, "mesh_connectivity": cells, "mesh_displacements": displacements}
    write_plain("mesh.h5", **parts)
    result = deformed("--mesh", "mesh.h5")
    assert Path("im1-mesh-def.tif").exists()
    tetrahedra = deformed("-pf", "field.tsv", "-tet").astype(float)
    assert np.abs(middle(result - tetrahedra)).max() <= 1
    stretched = deformed("--mesh", "mesh.h5", "-cgs").astype(float)
    assert np.median(middle(stretched) / middle(result)) == pytest.approx(1 / np.linalg.det(FIELD.F), rel=1e-3)


def test_grey_for_strain(volume):
    plain, corrected = (deformed("-pf", "field.tsv", "-tet", *more).astype(float) for more in ((), ("-cgs",)))
    ratio = middle(corrected) / middle(plain)
    assert np.percentile(ratio, [1, 99]) == pytest.approx(1 / np.linalg.det(FIELD.F), rel=1e-3)


@pytest.mark.parametrize(
    "words", [("-pf", "reg.tsv", "-o", 3), ("-pf", "field.tsv", "--format", "hdf"), ("-pf", "field.tsv", "-tet")]
)
def test_any_number_of_ranks(words, run_command):
    """The same bytes, the residual and its norms included."""
    save_all((70, 33, 41))
    found, norms = [], []
    for ranks in (None, 1, 2, 3):
        more = ("--residual", "im2.tif", "--coverage", "-od", f"out{ranks}", "-q")
        done = run_command("deformImage", "im1.tif", *words, *more, ranks=ranks)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        found.append(contents(f"out{ranks}"))
        (record,) = Path(f"out{ranks}").glob("*.run.json")
        norms.append([json.loads(record.read_text())[name] for name in NUMBERS])
    assert len(found[0]) == 3 and all(images == found[0] for images in found)
    assert all(numbers == norms[0] for numbers in norms)


def test_memory_is_that_of_slabs():
    """What Python allocates does not grow with the volume (which is mapped, not read)."""
    peaks = []
    for depth in (48, 480):
        shape = (depth, 60, 60)
        for name in ("im1.npy", "im2.npy"):
            np.lib.format.open_memmap(name, "w+", "f4", shape)[:] = 7
        save_deformations(FIELD, SHAPE)
        tracemalloc.start()
        run_here("im1.npy", "-pf", "field.tsv", "--residual", "im2.npy", "--force", "-q")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    print(peaks)
    slab = 16 * 60 * 60 * 4
    assert peaks[1] < peaks[0] + slab and 480 * 60 * 60 * 4 > 10 * slab


def test_dry_run(volume, run_command):
    before = set(os.listdir())
    done = run_command("deformImage", "im1.tif", "-pf", "field.tsv", "--residual", "im2.tif", "--dry-run", "-od", "new")
    assert done.returncode == 0 and set(os.listdir()) == before
    for words in ("slabs of", "per rank", "core time", "0.6 MB for new/im1-def.tif and new/im1-def-residual.tif"):
        assert words in done.stdout, words


def test_empty_result_is_said(volume, run_command):
    """A registration that moves everything out of the image."""
    save_deformations(type(FIELD)(np.eye(3), np.array([100.0, 0, 0]), FIELD.centre), SHAPE)
    done = run_command("deformImage", "im1.tif", "-pf", "reg.tsv", "--residual", "im2.tif")
    assert done.returncode == 0 and not tifffile.imread("im1-reg-def.tif").any()
    assert "no voxel of the deformed image comes from inside im1.tif" in done.stderr
