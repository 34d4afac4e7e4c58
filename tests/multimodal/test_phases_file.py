"""Files of phases: replayed bit for bit, and every mistake in them is named."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from joint_histograms import THREE, TWO, drawn

from hpcdvc.errors import UserError
from hpcdvc.multimodal.greys import GreyRange
from hpcdvc.multimodal.mixture import fit_mixture
from hpcdvc.multimodal.phases_file import PhasesFile, phases_text, read_phases
from hpcdvc.multimodal.settings import ModalSettings
from hpcdvc.multimodal.tables import Tables

PAGE = Path(__file__).resolve().parents[2] / "docs" / "theory" / "multimodal.md"


@pytest.fixture(scope="module")
def histogram() -> np.ndarray:
    return drawn(THREE, (0.3, 0.3, 0.2), 0.066)


@pytest.fixture(scope="module")
def phases(histogram) -> PhasesFile:
    phi = np.eye(4)
    phi[:3] += np.random.default_rng(0).normal(0, 0.1, (3, 4))
    ranges = GreyRange(0.1, 2 / 3), GreyRange(-5, 1e9)
    return PhasesFile(phi, np.array([1.5, 1 / 3, 7]), 128, 0.1, ranges, (3, 4), fit_mixture(histogram, 3))


@pytest.fixture
def values(phases) -> dict:
    return json.loads(phases_text(phases))


@pytest.fixture
def read(tmp_path):
    """Reads values, or text, as a file."""

    def function(content) -> PhasesFile:
        path = tmp_path / "p.json"
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return read_phases(path)

    return function


def test_bits_come_back(phases, read, histogram):
    again = read(phases_text(phases).encode())
    assert phases_text(again) == phases_text(phases)
    for name in ("phi", "centre"):
        np.testing.assert_array_equal(getattr(again, name), getattr(phases, name))
    assert (again.bins, again.crop, again.ranges, again.thresholds) == (128, 0.1, phases.ranges, (3, 4))
    mixture = again.mixture_of(histogram)
    for name in ("weights", "means", "covariances", "pairs", "background", "n_phases"):
        np.testing.assert_array_equal(getattr(mixture, name), getattr(phases.mixture, name))
    one, two = (Tables.of(of, 128) for of in (mixture, phases.mixture))
    np.testing.assert_array_equal(one.score, two.score)


def test_byte_order_mark_before_the_text(phases, read):
    """As editors of Windows write it."""
    assert phases_text(read(b"\xef\xbb\xbf" + phases_text(phases).encode())) == phases_text(phases)


def test_box_and_page_come_back(phases, read):
    box = ((0, 8), (2, 9), (3, 10))
    given = replace(phases, box=box, rigid=True, coverage=0.9, page={"peaks": [[1.5, 2, 3]]})
    again = read(phases_text(given).encode())
    assert (again.box, again.rigid, again.coverage, again.page) == (box, True, 0.9, given.page)
    assert phases_text(again) == phases_text(given)
    settings = ModalSettings(margin=(1, 1, 1)).replaying(again, (8, 9, 20))
    assert settings.margin_of((8, 9, 20), 1) == ((0, 0), (2, 0), (3, 10))
    assert (settings.rigid, settings.coverage, settings.bins) == (True, 0.9, 128)
    assert settings.ranges == tuple((grey.low, grey.high) for grey in phases.ranges)
    assert ModalSettings().replaying(phases, (8, 9, 20)).margin == 0.1
    with pytest.raises(UserError, match="box 0:8 2:9 3:10 of the phases does not lie in im1, 8 x 9 x 9 voxels"):
        ModalSettings().replaying(again, (8, 9, 9))


def test_what_may_be_left_out(phases, values, read, histogram):
    """Another program knows the phases, not the boundaries between them."""
    for key in ("centre", "ranges", "thresholds", "boundaries", "background"):
        del values[key]
    found = read(values)
    assert found.centre is None and found.ranges is None and found.thresholds == (0, 0) and not found.complete
    mixture = found.mixture_of(histogram)
    np.testing.assert_array_equal(mixture.means, phases.mixture.means)
    np.testing.assert_allclose(mixture.weights, phases.mixture.weights, atol=2e-3)
    assert "boundaries" not in phases_text(found)


def test_one_phase(read):
    mixture = fit_mixture(drawn(TWO[:1], [1.0]), 1)
    alone = PhasesFile(np.eye(4), None, 128, 0, None, (0, 0), mixture)
    again = read(phases_text(alone).encode())
    np.testing.assert_array_equal(again.mixture_of(None).weights, mixture.weights)


def changed(values: dict, *place, to) -> None:
    for key in place[:-1]:
        values = values[key]
    values[place[-1]] = to


MISTAKES = [
    (("version",), 2, "version 2 is not known: 1 is"),
    (("version",), True, "version True is not known: 1 is"),
    (("version",), None, "there is no version"),
    (("Phi",), None, "there is no Phi"),
    (("Phi",), np.eye(3).tolist(), "Phi must be 4 rows of 4 numbers"),
    (("Phi", 3), [0, 0, 1, 1], r"0 0 0 1, not \[0.0, 0.0, 1.0, 1.0\]"),
    (("Phi", 0), [-1, 0, 0, 0], "inside out"),
    (("Phi", 1, 1), "1", "Phi must be 4 rows of 4 numbers"),
    (("centre",), [1, 2], r"centre must be 3 numbers, ZYX, not \[1, 2\]"),
    (("bins",), 7, "bins must be a whole number from 8 to 1024, not 7"),
    (("bins",), 64.5, "bins must be a whole number from 8 to 1024, not 64.5"),
    (("bins",), True, "bins must be a whole number from 8 to 1024, not True"),
    (("crop",), 0.5, "crop must be a number from 0 to 0.45, not 0.5"),
    (("crop",), 1e999, "crop must be a number from 0 to 0.45, not inf"),
    (("crop",), float("nan"), "crop must be a number from 0 to 0.45, not nan"),
    (("ranges",), [[1, 1], [0, 2]], "ranges must be .low, high. of im1 and of im2"),
    (("thresholds",), [0, 128], "thresholds must be 2 numbers from 0 to less than 128, the bins, not"),
    (("phases",), [], "phases must be a list that is not empty"),
    (("phases",), {}, "phases must be a list that is not empty"),
    (("phases", 1), 4, r"phases\[2\] must have weight, mean, covariance, not be 4"),
    (("phases", 1, "weight"), 0, r"phases\[2\].weight must be above 0, at most 1, not 0"),
    (("phases", 1, "weight"), None, r"phases\[2\] has no weight"),
    (("phases", 1, "wieght"), 1, r"phases\[2\].'wieght' is not known \(is weight meant\?\)"),
    (("phases", 0, "mean"), [1, 128], r"phases\[1\].mean must be 2 numbers from 0 to 127"),
    (("phases", 0, "covariance"), [[1, 2], [2, 1]], r"phases\[1\].covariance must be a symmetric matrix"),
    (("phases", 0, "covariance"), [[1, 0.1], [0, 1]], r"phases\[1\].covariance must be a symmetric matrix"),
    (("phases", 0, "covariance"), [[0, 0], [0, 0]], "0.1 bins wide or more"),
    (("boundaries", 0, "phases"), [1, 1], r"boundaries\[1\].phases must be two different numbers from 1 to 3"),
    (("boundaries", 0, "phases"), [1, 4], r"boundaries\[1\].phases must be two different numbers from 1 to 3"),
    (("boundaries", 1, "phases"), [2, 1], "boundaries has two between the same phases"),
    (("boundaries", 0, "weights"), [0.1] * 6, r"boundaries\[1\].weights must be 7 numbers from 0 to 1"),
    (("boundaries", 0, "weights"), [-0.1] * 7, r"boundaries\[1\].weights must be 7 numbers from 0 to 1"),
    (("boundaries",), None, "background is there without boundaries"),
    (("background",), None, "boundaries is there without background"),
    (("background",), 0.5, "must be 1 in all, not 1.4"),
    (("binz",), 3, r"'binz' is not known \(is bins meant\?\)"),
    (("Phi", 0), [1e200, 0, 0, 0], "stretches space"),
    (("ranges",), [[-1e308, 1e308], [0, 2]], "grey values to 3e.38"),
    (("box",), [[0, 5], [0, 5]], r"box must be \[first, last \+ 1\] along Z, Y and X"),
    (("box",), [[0, 5], [3, 3], [0, 5]], r"box must be \[first, last \+ 1\] along Z, Y and X"),
    (("box",), [[0, 5], [0, 4.5], [-1, 5]], r"box must be \[first, last \+ 1\] along Z, Y and X"),
    (("rigid",), 1, "rigid must be true or false, not 1"),
    (("coverage",), 0, "coverage must be a number above 0, at most 1, not 0"),
    (("page",), [], r"page must be an object, not \[\]"),
]


@pytest.mark.parametrize(("place", "to", "words"), MISTAKES)
def test_mistakes_are_named(values, read, place, to, words):
    changed(values, *place, to=to)
    with pytest.raises(UserError, match=rf"p\.json: (.*)?{words}"):
        read(values)


def test_all_mistakes_at_once(values, read):
    for place, to, _ in (MISTAKES[3], MISTAKES[9], MISTAKES[12], MISTAKES[20]):
        changed(values, *place, to=to)
    with pytest.raises(UserError) as caught:
        read(values)
    assert str(caught.value).count(";") == 3


def test_many_mistakes_are_counted(values, read):
    values["phases"] = [3] * 14
    with pytest.raises(UserError, match=r"; and \d+ more$"):
        read(values)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "is no JSON: line 1, column 1"),
        (b"{", "is no JSON: line 1, column 2"),
        (b"\xff\xfe{", "is no JSON: it is no text in UTF-8"),
        (b"[1]", "holds no phases: a JSON object with version"),
        (b"3", "holds no phases"),
        (b"[" * 200_000, "too many brackets in each other"),
        (b" " * 1_000_001, "is larger than 1000000 bytes"),
        (b'{"bins": 1, "bins": 2}', "'bins' is given twice"),
        (b'{"version": 1, "bins": ' + b"9" * 10_000 + b"}", "bins must be a whole number from 8 to 1024, not inf"),
    ],
)
def test_files_that_hold_no_phases(read, text, words):
    with pytest.raises(UserError, match=words):
        read(text)


def test_no_file(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        read_phases(tmp_path / "none.json")
    with pytest.raises(UserError, match="Is a directory"):
        read_phases(tmp_path)


def test_example_of_the_docs(read):
    """It can be read, and is whole."""
    text = re.search(r"```json\n(.*?)```", PAGE.read_text(), re.S)[1]
    found = read(text.encode())
    assert found.complete and found.mixture.n_phases == 2 and found.bins == 128
