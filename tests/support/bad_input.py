"""What every command refuses in the same words: images, masks, tables and folders that cannot be used.

Names of files are relative: the tests run in a folder of their own (`reg_ends.own_folder`).
"""

import os
from collections.abc import Callable

import h5py
import numpy as np
import pytest
from ldic_cases import SHAPE, images
from reg_ends import check_end, files, save, write

Refused = Callable[..., None]


def _damage(path: str) -> None:
    with h5py.File(path, "w") as file:
        file["text"] = "no image"


def _save_array(path: str, array: np.ndarray) -> None:
    np.save("array.npy", array)
    os.replace("array.npy", path)


#: What makes a file unusable as an image, given its path -> words of the sentence that says so beside its name.
BAD_IMAGES = {
    "missing": (os.unlink, ""),
    "empty": (lambda path: write(path, b""), "is an empty file"),
    "text": (lambda path: write(path, "not an image at all\n" * 9), "is no image"),
    "truncated": (lambda path: os.truncate(path, os.path.getsize(path) // 2), ""),
    "corrupt": (lambda path: write(path, b"II*\0" + bytes(range(200)) * 9), ""),
    "only the magic": (lambda path: write(path, b"II*\0"), ""),
    "complex": (lambda path: _save_array(path, np.zeros(SHAPE, complex)), "complex"),
    "HDF5 without an image": (_damage, ""),
    "4-D": (lambda path: _save_array(path, np.zeros((2, 3, 4, 5), "u1")), "(2, 3, 4, 5)"),
    "folder": (lambda path: os.unlink(path) or os.mkdir(path), ""),
}
#: The same beside im1.tif of SHAPE.
BAD_PARTNERS = {
    **BAD_IMAGES,
    "2-D": (lambda path: save(path, images()[1][0]), "2-D, 40 x 49 pixels"),
    "another size": (lambda path: save(path, images()[1][1:]), "37 x 40 x 49 voxels"),
}
#: What is no table of a field -> words of the sentence that says so of start.tsv.
BAD_TABLES = {
    "garbage": ("what is this?\nno table\n", "start.tsv"),
    "bytes": (bytes(range(256)), "start.tsv"),
    "empty": ("", "start.tsv is empty"),
    "header only": ("NodeNumber\tZpos\tYpos\tXpos\tZdisp\tYdisp\tXdisp\n", "no rows"),
}


def refused_by(command: str, capfd: pytest.CaptureFixture) -> Refused:
    """refused(words, *expected, code=2): the command ends so, in this process, and leaves the folder as it was."""

    def check(words, *expected, code: int = 2) -> None:
        before = files()
        check_end(capfd, words, expected, code, command)
        assert files() == before

    return check


def check_partner(refused: Refused, what: str, *words: object) -> None:
    """A pair of which im2.tif is one of BAD_PARTNERS, in either order."""
    make, expected = BAD_PARTNERS[what]
    make("im2.tif")
    refused(("im1.tif", "im2.tif", *words), expected, "im2.tif")
    refused(("im2.tif", "im1.tif", *words), expected, "im2.tif")


def check_masks(refused: Refused, words: tuple) -> None:
    """Masks of other sizes than im1.tif, and one that is not there."""
    save("mask.tif", np.ones((38, 40, 48), "u1"))
    refused((*words, "-mf1", "mask.tif"), "mask.tif is 38 x 40 x 48", "im1.tif is 38 x 40 x 49")
    save("mask.tif", np.ones((40, 49), "u1"))
    refused((*words, "-mf1", "mask.tif"), "mask.tif is 2-D, 40 x 49", "im1.tif")
    refused((*words, "-mf1", "nowhere.tif"), "nowhere.tif")


def check_table(refused: Refused, what: str, words: tuple) -> None:
    """One of BAD_TABLES as a table and as a file of fields."""
    text, expected = BAD_TABLES[what]
    for name, said in (("start.tsv", expected), ("start.hdf", "start.hdf")):
        write(name, text)
        refused((*words, "-pf", name), said)
    refused((*words, "-pf", "nowhere.tsv"), "nowhere.tsv")


def check_output_folder(refused: Refused, words: tuple) -> None:
    """Where no folder can be made."""
    write("file", "")
    for folder in ("file", "file/deeper", "/proc/nowhere"):
        refused((*words, "-od", folder), f"output folder {folder} cannot be written")
    refused((*words, "-od", "file", "--dry-run"), "output folder file cannot be written")


def check_closed_folder(refused: Refused, words: tuple) -> None:
    """Where nothing may be written."""
    os.mkdir("closed", 0o500)
    for more in ((), ("--dry-run",)):
        refused((*words, "-od", "closed", *more), "output folder closed cannot be written", "ermission denied")
