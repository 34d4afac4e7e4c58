"""hpcdvc-mmr refuses what it cannot use: one sentence that names it, exit code 2, no file."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from mmr_cases import PAIR, SHAPE, images, save_case
from reg_ends import check_end, files, play_command


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """The folder of what is refused: nothing is ever written there."""
    folder = tmp_path_factory.mktemp("refused")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        save_case()
        im1 = images()[0]
        for name, image in {
            "constant": np.full(SHAPE, 7, "u1"),
            "empty": np.zeros(SHAPE, "f4"),
            "nan": np.full(SHAPE, np.nan, "f4"),
            "flat": im1[0],
            "small": im1[:-1],
            "nothing": np.zeros(SHAPE, "u1"),
        }.items():
            tifffile.imwrite(f"{name}.tif", image, photometric="minisblack")
        Path("text.json").write_text("no phases at all")
        Path("list.json").write_text("[1, 2, 3]")
        Path("other.json").write_text('{"version": 1000000}')
        gradient = [f"F{a}{b}" for a in "zyx" for b in "zyx"]
        rows = [("NodeNumber", *(f"{axis}{end}" for end in ("pos", "disp") for axis in "ZYX"), *gradient)]
        rows += [(1, 20, 20, 20, 0, 0, 0, 1e200, 0, 0, 0, 1e200, 0, 0, 0, 1e200)]
        Path("huge.tsv").write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
        rows = [("NodeNumber", *(f"{axis}{end}" for end in ("pos", "disp") for axis in "ZYX"))]
        rows += [(k, 5, 5, 4 * k, 0, 0, 0) for k in (1, 2)]
        Path("field.tsv").write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    return folder


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("im1.tif", "constant.tif"), ("constant.tif", "7")),
        (("constant.tif", "im2.tif"), ("constant.tif", "7")),
        (("im1.tif", "empty.tif"), ("empty.tif",)),
        (("nan.tif", "im2.tif"), ("nan.tif",)),
        (("im1.tif", "nan.tif"), ("nan.tif",)),
        (("im1.tif", "flat.tif"), ("im1.tif", "flat.tif")),
        (("im1.tif", "small.tif"), ("im1.tif", "small.tif")),
        (("im1.tif", "missing.tif"), ("missing.tif",)),
        ((*PAIR, "-mf1", "flat.tif"), ("mask", "flat.tif")),
        ((*PAIR, "-mf1", "nothing.tif"), ("nothing.tif", "0 everywhere")),
        ((*PAIR, "-bin", 2, "-ph", 2, 2, 2), ("-ph", "3", "2")),
        ((*PAIR, "-bin", 3, "-ph", 2, 2), ("-ph", "2", "3")),
        ((*PAIR, "-ph", 0), ("-ph 0",)),
        ((*PAIR, "-ph", -1), ("-ph -1",)),
        ((*PAIR, "-ph", 17), ("-ph 17", "16")),
        ((*PAIR, "-ph", "two"), ("-ph", "two", "auto")),
        ((*PAIR, "-ph", 1.5), ("-ph", "1.5")),
        ((*PAIR, "-bin", 2, "-ph", 2, "auto"), ("auto alone", "'2 auto'")),
        ((*PAIR, "-bin", 4), ("-bin 4", "im1.tif", "at most 3")),
        ((*PAIR, "-bin", 0), ("-bin", "at least 1")),
        ((*PAIR, "-jhb", 4), ("-jhb", "8")),
        ((*PAIR, "-mar", 0.5), ("-mar",)),
        ((*PAIR, "-cro", -0.1), ("-cro",)),
        ((*PAIR, "-voc", 0), ("-voc", "greater than 0")),
        ((*PAIR, "-dp", 0), ("-dp", "greater than 0")),
        ((*PAIR, "-im1th", 128), ("-im1th 128", "-jhb 128", "127")),
        ((*PAIR, "-jhb", 64, "-im2th", 100), ("-im2th 100", "-jhb 64")),
        ((*PAIR, "-im1min", 5, "-im1max", 5), ("-im1min 5", "-im1max 5")),
        ((*PAIR, "-im2min", "nan"), ("-im2min",)),
        ((*PAIR, "--phases", "missing.json"), ("missing.json",)),
        ((*PAIR, "--phases", "text.json"), ("text.json",)),
        ((*PAIR, "--phases", "list.json"), ("list.json",)),
        ((*PAIR, "--phases", "other.json"), ("other.json",)),
        ((*PAIR, "--auto", "-pf", "field.tsv"), ("-pf", "--auto")),
        ((*PAIR, "--auto", "--phases", "text.json"), ("--auto", "--phases")),
        ((*PAIR, "-pf", "field.tsv"), ("field.tsv", "2 rows")),
        ((*PAIR, "-pf", "huge.tsv"), ("huge.tsv", "huge")),
        ((*PAIR, "-im1th", 127), ("thresholds",)),
        ((*PAIR, "-jhb", 8, "-im2th", 8), ("-im2th 8", "-jhb 8")),
        ((*PAIR, "-pre", "a/b"), ("-pre",)),
    ],
)
def test_refused(case, monkeypatch, capfd, words, expected):
    monkeypatch.chdir(case)
    play_command(monkeypatch, "mmr")
    before = files()
    check_end(capfd, (*words, "-q"), expected, 2, "mmr")
    assert files() == before
