"""Scans that cannot be used: each mistake is one sentence."""

import h5py
import numpy as np
import pytest
import scan_files as files

from hpcdvc.errors import UserError
from hpcdvc.tomography.opening import describe_scan

KEYS, TURNS, FRAMES = (
    f"entry/{n}" for n in ("instrument/detector/image_key", "sample/rotation_angle", "instrument/detector/data")
)


def put(name, values):
    """A change of a file that replaces a dataset; None removes it."""

    def change(file):
        if name in file:
            del file[name]
        if values is not None:
            file[name] = values

    return change


def set_pixel(name, place, value):
    def change(file):
        file[name][place] = value

    return change


def scaled(name, factor):
    def change(file):
        file[name][...] = file[name][()] * factor

    return change


def refusal(path, **options) -> str:
    """The sentence about a scan, found in its headers or in a view."""
    with pytest.raises(UserError) as caught:
        scan = describe_scan(str(path), **options)
        for view in range(scan.geometry.views):
            scan.read(view)
    text = str(caught.value)
    assert "\n" not in text and len(text) < 400
    return text


TILTED = np.eye(3)[::-1]
MUMOTT = {
    "no diode": (put("projections/3/diode", None), "view 3 has no diode"),
    "no angle": (put("projections/3/inner_angle", None), "view 3 has neither an angle nor a matrix"),
    "no rotation": (put("projections/2/rotation_matrix", 1.1 * np.eye(3)), "matrix of view 2 is no rotation"),
    "a mirror": (put("projections/2/rotation_matrix", TILTED), "matrix of view 2 is no rotation"),
    "a matrix of NaN": (put("projections/2/rotation_matrix", np.full((3, 3), np.nan)), "view 2 is no rotation"),
    "an angle that is NaN": (put("projections/1/inner_angle", np.nan), "inner_angle"),
    "an angle that is a word": (put("projections/1/inner_angle", "ten"), "holds no numbers"),
    "NaN": (set_pixel("projections/4/diode", (3, 5), np.nan), "diode of view 4 holds NaN or infinity"),
    "infinity": (set_pixel("projections/0/diode", (3, 5), np.inf), "diode of view 0 holds NaN or infinity"),
    "all 0": (scaled("projections/1/diode", 0), "diode of view 1 is 0 everywhere"),
    "all negative": (scaled("projections/1/diode", -1), "diode of view 1 shows no light"),
    "no projections": (put("projections", None), "holds no 2-D or 3-D dataset"),
    "a gap": (put("projections/2", None), "no projection 2"),
    "a name": (lambda file: file.move("projections/2", "projections/two"), "not 'two'"),
    "a diode of 1-D": (put("projections/2/diode", np.ones(7)), "which is no image"),
    "a diode of words": (put("projections/2/diode", [[b"a"]]), "no image of numbers"),
    "other weights": (put("projections/2/weights", np.ones((3, 4))), "its weights 3 x 4"),
    "offset": (put("projections/2/j_offset", np.inf), "j_offset"),
    "axis": (put("inner_axis", [0.0, 0, 0]), "no direction"),
    "directions": (put("p_direction_0", [1.0, 0, 0]), "right angles"),
    "volume": (put("volume_shape", [10, 0, 10]), "three numbers of voxels"),
    "never written": (
        lambda file: (
            put("projections/2/diode", None)(file),
            file.create_dataset("projections/2/diode", (24, 20), "f4"),
        )[0],
        "never written",
    ),
}


@pytest.mark.parametrize("case", MUMOTT)
def test_mumott(tmp_path, case):
    change, words = MUMOTT[case]
    assert words in refusal(files.write_mumott(tmp_path / "scan.h5", change=change))


def test_empty_projections(tmp_path):
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file.create_group("projections")
    assert "holds no projections" in refusal(tmp_path / "scan.h5")


def test_a_single_view(tmp_path):
    path = files.write_mumott(tmp_path / "scan.h5", views=files.light()[:1])
    assert "single view" in refusal(path)


NXTOMO = {
    "no flats": (put(KEYS, [2, 3] + [0] * 5 + [3]), "holds no flats"),
    "no projections": (put(KEYS, [1] * 8), "holds no projections"),
    "no frames": (put(FRAMES, None), "holds no projections"),
    "no keys": (put(KEYS, None), "without image_key"),
    "keys of another number": (put(KEYS, [0] * 7), "7 entries for 8 frames"),
    "no angles": (put(TURNS, None), "holds no angles"),
    "angles of another number": (put(TURNS, np.arange(7.0)), "7 angles for 8 frames"),
    "an angle that is NaN": (put(TURNS, np.r_[0, 0, 1, np.nan, 2:6]), "angle of view 1 is not finite"),
    "angles that are words": (put(TURNS, ["a"] * 8), "holds no numbers"),
    "all 0": (set_pixel(FRAMES, 4, 0), "view 2 (frame 4) is 0 everywhere"),
    "dark flats": (set_pixel(FRAMES, 1, 7), "nowhere brighter"),
}


@pytest.mark.parametrize("case", NXTOMO)
def test_nxtomo(tmp_path, case):
    change, words = NXTOMO[case]
    assert words in refusal(files.write_nxtomo(tmp_path / "scan.nx", change))


EXCHANGE = {
    "no flats": (put("exchange/data_white", None), "holds no flats"),
    "no angles": (put("exchange/theta", None), "holds no angles"),
    "angles of another number": (put("exchange/theta", np.arange(6.0)), "6 angles"),
    "flats of another shape": (put("exchange/data_white", np.ones((2, 20, 23), "f4")), "the flat frames of"),
    "darks of another shape": (put("exchange/data_dark", np.ones((21, 24), "f4")), "the dark frames of"),
    "NaN": (set_pixel("exchange/data", (3, 1, 1), np.nan), "view 3 (frame 3) holds NaN or infinity"),
}


@pytest.mark.parametrize("case", EXCHANGE)
def test_exchange(tmp_path, case):
    change, words = EXCHANGE[case]
    assert words in refusal(files.write_exchange(tmp_path / "scan.h5", change))


PLAIN = {"data": "raw/images", "angles": "where/degrees", "flat": "raw/white", "dark": "raw/black"}


@pytest.mark.parametrize(
    "options, words",
    [
        ({"angles": None}, "holds no angles: give them with -angles"),
        ({"angles": "where/radians"}, "there is no file where/radians of angles"),
        ({"angles": "raw/images"}, "has shape"),
        ({"data": "raw/nothing"}, "there is no dataset"),
        ({"flat": "raw/nothing"}, "there is no file raw/nothing"),
        ({"tilt": "where/degree"}, "there is no file"),
        ({"tilt": "nan"}, "not finite"),
        ({"absorbances": False}, "leave out -flat"),
    ],
)
def test_plain(tmp_path, options, words):
    assert words in refusal(files.write_plain(tmp_path / "scan.h5"), **(PLAIN | options))


@pytest.mark.parametrize(
    "text, words",
    [
        ("0\n10\n20\n30\n", "4 angles"),
        ("0\n10\n20\n30\n40\n50", "6 angles"),
        ("0\n10\nten\n30\n40\n", "line 3: 'ten' is no number"),
        ("0\n10\nnan\n30\n40\n", "angle of view 2 is not finite"),
        ("0 1 2\n" * 5, "line 1: an angle in each line"),
        ("0 1\n0\n" * 5, "line 2: an angle in each line"),
        ("# nothing\n", "holds no angles"),
        ("", "holds no angles"),
        ("\0\x01" * 20, "is no number"),
    ],
)
def test_texts_of_angles(tmp_path, text, words):
    scan, angles = files.write_stack(tmp_path, text=text)
    assert words in refusal(scan, angles=angles)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_pages_of_a_stack(tmp_path, value):
    values = files.absorbances()
    values[3, 2, 1] = value
    scan, angles = files.write_stack(tmp_path, values)
    assert "view 3 (frame 3) holds NaN or infinity" in refusal(scan, angles=angles)


def test_a_stack_without_angles_or_of_a_single_page(tmp_path):
    scan, angles = files.write_stack(tmp_path)
    assert "give them with -angles" in refusal(scan)
    assert "-data names a dataset" in refusal(scan, angles=angles, data="x")
    scan, angles = files.write_stack(tmp_path, files.absorbances()[:1], text="0")
    assert "single view" in refusal(scan, angles=angles)


def test_options_that_a_file_of_mumott_has_no_use_for(tmp_path):
    path = files.write_mumott(tmp_path / "scan.h5")
    for name in ("angles", "tilt", "flat", "dark"):
        assert f"leave out -{name}" in refusal(path, **{name: "x"})


def test_files_that_are_none(tmp_path):
    whole = open(files.write_mumott(tmp_path / "scan.h5"), "rb").read()
    (tmp_path / "short.h5").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.h5").write_text("no HDF5 at all")
    (tmp_path / "empty.h5").write_bytes(b"")
    assert "cannot be read" in refusal(tmp_path / "missing.h5")
    assert "truncated" in refusal(tmp_path / "short.h5")
    assert "no image that can be read" in refusal(tmp_path / "text.h5")
    assert "empty file" in refusal(tmp_path / "empty.h5")
    assert "no TIFF" in refusal(tmp_path) or "slices" in refusal(tmp_path)


def test_a_link_that_leads_nowhere(tmp_path):
    def change(file):
        del file["projections/2"]
        file["projections/2"] = h5py.ExternalLink("gone.h5", "/x")

    assert "projection 2 is no group, or a link" in refusal(files.write_mumott(tmp_path / "scan.h5", change=change))
