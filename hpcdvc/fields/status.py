"""How a point ended: one number, one meaning, in every command and every file.

What to try next is said by the commands, for it names their options.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from types import MappingProxyType


class Family(StrEnum):
    """What a field was made by; it decides which rows are measured."""

    REGISTRATION = "registration"  # reg, ldic, ddic, gdic, mmr, shift, localShifts, umpa, align
    SEARCH = "search"  # pixelSearch, pixelSearchPropagate
    PASSED = "passed"  # made of other fields: passPhiField, mergePhis, the total of a series


class Status(IntEnum):
    """Return status of a point. `is_measured` tells the results from the others."""

    FILTERED = 3
    CONVERGED = 2
    MAX_ITERATIONS = 1
    NOT_EVALUATED = 0
    ERROR_GROWTH = -1
    SINGULAR = -2
    VOLUME_CHANGE = -3
    SINGULAR_PHI = -4
    NO_SPECIMEN = -5
    FEW_VALID_VOXELS = -6
    BAD_START = -7
    LEFT_IMAGE = -8
    DECORRELATED = -9
    AMBIGUOUS = -10
    BORDER_OF_RANGE = -11
    NOT_REACHED = -12
    TWO_MOTIONS = -13
    JUDGED_WRONG = -14
    SATURATED = -15


#: family -> the lowest status of its measured rows
LOWEST_MEASURED = MappingProxyType({Family.REGISTRATION: 2, Family.SEARCH: 1, Family.PASSED: 1})


@dataclass(frozen=True)
class Meaning:
    """What a status says.

    Attributes
    ----------
    reason : why the point ended so, in plain words
    set_by : families and commands that set it
    measured_again : whether ``-skp`` measures such a point again, in words
    corrected : whether a filter may correct it, in words
    for_peer : its number in a table for spam
    reason_in : the reason in the families where it is another
    criterion : by what the program tells, where the reason does not say it
    """

    reason: str
    set_by: str
    measured_again: str
    corrected: str
    for_peer: int
    reason_in: Mapping[Family, str] = field(default_factory=dict)
    criterion: str = ""


_ITERATING = "reg, ldic, ddic, gdic, mmr"
_WINDOWS = "ldic, ddic, search, localShifts, umpa"
_PEAKS = "search, shift, localShifts, umpa"

#: the table of all statuses
STATUSES: Mapping[Status, Meaning] = MappingProxyType(
    {
        Status.FILTERED: Meaning(
            "replaced by a filter, or placed by eye", "filterPhiField, ereg-discrete",
            "yes, from the value of the filter", "yes", 1,
        ),
        Status.CONVERGED: Meaning(
            "converged", "registration, search", "no", "only what -scc, -slqc or -smed judge wrong", 2,
            {Family.SEARCH: "measured with its sub-voxel part"},
        ),
        Status.MAX_ITERATIONS: Meaning(
            "maximum number of iterations reached", "registration, search, passed", "registration: yes", "yes", 1,
            {Family.SEARCH: "matched to the whole voxel", Family.PASSED: "interpolated"},
        ),
        Status.NOT_EVALUATED: Meaning("nothing evaluated", "all measuring commands", "yes", "yes", 0),
        Status.ERROR_GROWTH: Meaning(
            "diverged: the match got worse", _ITERATING, "yes", "yes", -1, criterion="the residual grew"
        ),
        Status.SINGULAR: Meaning(
            "no texture to be followed", "registration, search", "yes", "yes", -2,
            criterion="the equations are singular, or the gain is above 1e5",
        ),
        Status.VOLUME_CHANGE: Meaning(
            "diverged: the window blew up or shrank", _ITERATING, "yes", "yes", -3,
            criterion="volume ratio outside 0.2 to 3",
        ),
        Status.SINGULAR_PHI: Meaning(
            "diverged: the window collapsed", "reg, ldic, ddic, mmr", "yes", "yes", -4,
            criterion="the deformation function became singular",
        ),
        Status.NO_SPECIMEN: Meaning(
            "no specimen: more of the window masked than -mc allows, mean grey value outside -glt and -ght, or a label "
            "of no more voxels than -vt",
            _WINDOWS, "no", "only with -nomask", -5,
            {Family.SEARCH: "no specimen: more of the window masked than -mc allows, mean grey value outside -glt and "
             "-ght, or a particle of no more voxels than -lvt"},
        ),
        Status.FEW_VALID_VOXELS: Meaning(
            "too few valid voxels in the window: border of the image, or NaN", _WINDOWS, "yes", "yes", -4
        ),
        Status.BAD_START: Meaning(
            "the start from -pf is not finite", "ldic, ddic, search", "start: yes; missing label: no", "yes", -7
        ),
        Status.LEFT_IMAGE: Meaning(
            "left im2, or hit its masked voxels", "reg, ldic, ddic, gdic, mmr, search", "yes", "yes", -3
        ),
        Status.DECORRELATED: Meaning(
            "converged on grey values that do not match", "registration, search", "yes", "yes", -1,
            {Family.SEARCH: "the grey values match nowhere better than chance would have it"},
        ),
        Status.AMBIGUOUS: Meaning(
            "the best peak is not unique", f"{_PEAKS}; ldic and ddic where they search their start", "yes", "yes", 0
        ),
        Status.BORDER_OF_RANGE: Meaning(
            "the best score lies on the border of the given range", _PEAKS, "yes", "yes", 0
        ),
        Status.NOT_REACHED: Meaning(
            "not reached: the propagation stopped before it, or no neighbours to interpolate from",
            "pixelSearchPropagate, passPhiField, filterPhiField, mergePhis, ldic --total", "yes", "yes", 0,
            {Family.PASSED: "nothing near enough to make it of"},
        ),
        Status.TWO_MOTIONS: Meaning(
            "two motions in one window, or something that stays in the picture", "ldic, ddic", "yes", "yes", -1
        ),
        Status.JUDGED_WRONG: Meaning(
            "judged wrong by its neighbours, or by eye, and not replaced", "filterPhiField, ereg-discrete",
            "yes", "yes", 0,
        ),
        Status.SATURATED: Meaning(
            "saturated or clipped grey values in too much of the window", "shift, localShifts, umpa", "", "yes", 0
        ),
    }
)  # fmt: skip


def is_measured(return_status, family: Family):
    """Whether rows of a field are measured: the only place that decides.

    Parameters
    ----------
    return_status : a number, or an array of them
    family : of the field

    Returns
    -------
    bool, or a bool array of the same shape
    """
    return return_status >= LOWEST_MEASURED[family]


def reason_of(status: int, family: Family = Family.REGISTRATION) -> str:
    """Why a point ended with this status."""
    if status not in STATUSES:
        return "unknown status"
    meaning = STATUSES[Status(status)]
    return meaning.reason_in.get(family, meaning.reason)


def in_short(status: int, family: Family = Family.REGISTRATION) -> str:
    """The beginning of the reason, for a legend or a line of many."""
    return re.split("[:,;]", reason_of(status, family))[0]


def explain_counts(
    counts: Mapping[int, int], advice: Mapping[int, str], family: Family = Family.REGISTRATION
) -> dict[str, dict]:
    """How many points ended how, as it is stored in a file, in the order of falling status.

    Percentages are of the points that have a specimen; there is none (None) for those that have not.

    Parameters
    ----------
    counts : number of points by status
    advice : what to try, by status, as the command says it
    family : of the field
    """
    specimen = sum(count for code, count in counts.items() if code != Status.NO_SPECIMEN)
    return {
        str(code): {
            "count": counts[code],
            "percent": None if code == Status.NO_SPECIMEN else 100 * counts[code] / max(specimen, 1),
            "reason": reason_of(code, family),
            "advice": advice.get(code, ""),
        }
        for code in sorted(counts, reverse=True)
    }


def point_counts(explained: Mapping[str, Mapping], family: Family) -> dict[str, int]:
    """How many points there are, by what they are worth.

    Parameters
    ----------
    explained : from `explain_counts`, or from a file
    family : of the field

    Returns
    -------
    dict of ``all``, ``without_specimen`` (status -5) and ``measured``
    """
    counts = {int(code): entry["count"] for code, entry in explained.items()}
    return {
        "all": sum(counts.values()),
        "without_specimen": counts.get(Status.NO_SPECIMEN, 0),
        "measured": sum(count for code, count in counts.items() if is_measured(code, family)),
    }


def status_table(explained: Mapping[str, Mapping]) -> str:
    """Table of how the points ended, for people.

    Parameters
    ----------
    explained : from `explain_counts`, or from a file

    Returns
    -------
    str : lines of status, points, percentage, reason and what to try; the converged first, then the most frequent, and
        last, apart and without a percentage, the points that have no specimen
    """
    specimen = sum(entry["count"] for code, entry in explained.items() if int(code) != Status.NO_SPECIMEN)
    rows = [("status", "points", "%", "reason", "what to try")]
    found = [(int(code), entry) for code, entry in explained.items() if entry["count"]]

    def place(status: int, entry: Mapping) -> tuple:
        return status == Status.NO_SPECIMEN, status != Status.CONVERGED, -entry["count"], status

    for status, entry in sorted(found, key=lambda one: place(*one)):
        share = "-" if status == Status.NO_SPECIMEN else f"{100 * entry['count'] / specimen:.2f}"
        rows.append((str(status), str(entry["count"]), share, entry["reason"], entry["advice"]))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    widths[3] = max(len(row[3]) for row in rows if row[0] != str(int(Status.NO_SPECIMEN)))  # its long one stands last
    numbers = [[word.rjust(width) for word, width in zip(row[:3], widths, strict=False)] for row in rows]
    texts = [[word.ljust(width) for word, width in zip(row[3:], widths[3:], strict=True)] for row in rows]
    return "\n".join("  ".join(n + t).rstrip() for n, t in zip(numbers, texts, strict=True))
