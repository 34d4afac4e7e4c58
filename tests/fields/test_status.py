"""The table of statuses against its specification, and what a field makes of it."""

import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from hpcdvc.fields.field import Field, status_counts
from hpcdvc.fields.status import (
    STATUSES,
    Family,
    Status,
    explain_counts,
    is_measured,
    point_counts,
    reason_of,
    status_table,
)
from hpcdvc.steps import total
from hpcdvc.workflows import ldic, reg

#: What sets a status beside those that the specification names: its family "passed" holds the total of a series, and
#: people who look.
SET_BESIDE = {
    Status.NOT_REACHED: ", ldic --total",
    Status.FILTERED: ", ereg-discrete",
    Status.JUDGED_WRONG: ", ereg-discrete",
}


def field(*status):
    count = len(status)
    zeros = np.zeros(count)
    return Field(np.ones((count, 3)), np.tile(np.eye(4), (count, 1, 1)), np.array(status), zeros, zeros, zeros)


def test_every_number_has_one_meaning():
    assert list(STATUSES) == list(Status) and sorted(Status, reverse=True) == list(range(3, -16, -1))
    reasons = [meaning.reason for meaning in STATUSES.values()]
    assert all(reasons) and len(set(reasons)) == len(reasons)


def test_table_is_that_of_the_specification(shared):
    lines = (shared / "spec" / "statuses.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if re.match(r"\| -?\d+ \|", line)]
    assert [int(row[0]) for row in rows] == list(Status)
    for number, _, set_by, again, corrected, for_peer in rows:
        meaning = STATUSES[Status(int(number))]
        expected = [
            cell.replace("`", "").replace("propagate,", "pixelSearchPropagate,") for cell in (set_by, corrected)
        ]
        expected[0] += SET_BESIDE.get(Status(int(number)), "")
        assert [meaning.set_by, meaning.corrected] == expected
        assert meaning.measured_again == ("" if "there" in again else again)
        assert meaning.for_peer == int(for_peer)


def test_numbers_for_the_peer_can_be_corrected_there():
    """Spam's tools leave out what is below -4: only points without a specimen or a start stay there."""
    below = {status for status, meaning in STATUSES.items() if meaning.for_peer < -4}
    assert below == {Status.NO_SPECIMEN, Status.BAD_START}


@pytest.mark.parametrize(
    ("family", "expected"),
    [(Family.REGISTRATION, [3, 2]), (Family.SEARCH, [3, 2, 1]), (Family.PASSED, [3, 2, 1])],
)
def test_measured(family, expected):
    found = replace(field(*Status), family=family)
    assert found.measured.dtype == bool
    assert found.return_status[found.measured].tolist() == expected
    assert [status for status in Status if is_measured(status, family)] == expected


def test_a_field_is_of_a_registration_unless_told():
    assert field(1, 2).measured.tolist() == [False, True]


def test_reasons_depend_on_the_family():
    assert reason_of(2) == "converged" and reason_of(1, Family.SEARCH) == "matched to the whole voxel"
    assert reason_of(1, Family.PASSED) == "interpolated" and reason_of(-8, Family.SEARCH) == reason_of(-8)
    assert reason_of(17) == "unknown status"


def test_counts_are_explained_in_falling_order():
    codes = np.array([2, 2, -5, 1, 2, -77], "i4")
    explained = explain_counts(status_counts(codes), {1: "more of it"})
    assert list(explained) == ["2", "1", "-5", "-77"]
    assert explained["2"] == {"count": 3, "percent": 60.0, "reason": "converged", "advice": ""}
    assert explained["1"] == {"count": 1, "percent": 20.0, "reason": reason_of(1), "advice": "more of it"}
    assert explained["-5"]["percent"] is None
    assert explained["-77"]["reason"] == "unknown status"
    assert explain_counts({1: 4}, {}, Family.SEARCH)["1"]["reason"] == "matched to the whole voxel"


def test_table_for_people():
    explained = explain_counts({-5: 9000, 2: 7980, 1: 3, -6: 0, -77: 17}, ldic.ADVICE)
    lines = status_table(explained).splitlines()
    assert lines[0].split() == ["status", "points", "%", "reason", "what", "to", "try"]
    assert [line.split()[0] for line in lines[1:]] == ["2", "-77", "1", "-5"]
    assert lines[1].split() == ["2", "7980", "99.75", "converged"]
    assert "unknown status" in lines[2]
    assert lines[3].endswith(ldic.ADVICE[1])
    assert lines[3].split()[:3] == ["1", "3", "0.04"]
    assert lines[4].split()[:3] == ["-5", "9000", "-"]
    assert "no specimen" in lines[4] and "mean grey value outside -glt and -ght" in lines[4]
    assert len(lines[0]) < 80, "the long reason of the last line widens the others"
    assert point_counts(explained, Family.REGISTRATION) == {"all": 17000, "without_specimen": 9000, "measured": 7980}


def test_points_without_a_specimen_alone():
    explained = explain_counts({-5: 7}, {})
    assert status_table(explained).splitlines()[1].split()[:3] == ["-5", "7", "-"]
    assert point_counts(explained, Family.REGISTRATION) == {"all": 7, "without_specimen": 7, "measured": 0}


def test_table_of_nothing():
    assert status_table({}).split() == ["status", "points", "%", "reason", "what", "to", "try"]


def test_commands_give_advice_on_what_they_set():
    for module, families in ((ldic, "registration"), (reg, "registration"), (total, "passed")):
        command = module.__name__.rsplit(".", 1)[1]
        for status in module.ADVICE:
            set_by = STATUSES[status].set_by
            assert any(word in set_by for word in (command, families, "all measuring")), (command, status)


def test_statuses_need_no_numerics():
    code = "import sys, hpcdvc.fields.status, hpcdvc.ranks.progress; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_reasons_are_plain_words():
    """How the program tells stands apart, for the documentation."""
    for status in (Status.ERROR_GROWTH, Status.VOLUME_CHANGE, Status.SINGULAR_PHI):
        assert reason_of(status).startswith("diverged") and STATUSES[status].criterion not in reason_of(status)
    assert STATUSES[Status.VOLUME_CHANGE].criterion == "volume ratio outside 0.2 to 3"
    assert not any(
        word in meaning.reason for meaning in STATUSES.values() for word in ("singular", "volume ratio", "residual")
    )
