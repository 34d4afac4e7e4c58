"""How the rows of a result ended, as a page tells it: counts, colours, plain words, what to try."""

from collections.abc import Callable, Mapping

import numpy as np

from hpcdvc.fields.status import Family, explain_counts, is_measured
from hpcdvc.output.colours import COLOURS
from hpcdvc.pages.result_file import ResultFile
from hpcdvc.pages.view_running import NOT_YET

#: Rows that are counted at once.
BLOCK = 2**20


def counts_of(result: ResultFile, check: Callable[[], None]) -> dict[int, int]:
    """How many rows ended how, as the file has them; where it has no column, as it tells it; calls `check` often."""
    if "returnStatus" not in result.columns:
        told = result.metadata.get("statuses") or {}
        return {int(code): entry["count"] for code, entry in told.items()}
    per = max(1, int(np.prod(result.shape[1:], dtype=np.int64)))
    step, counts = max(1, BLOCK // per), {}
    for first in range(0, result.shape[0], step):
        check()
        codes, many = np.unique(result.statuses(slice(first, first + step)), return_counts=True)
        for code, count in zip(codes.tolist(), many.tolist(), strict=True):
            counts[code] = counts.get(code, 0) + count
    return counts


def legend_of(counts: Mapping[int, int], metadata: dict, family: Family, advice: Callable[[int], str]) -> list[dict]:
    """The legend, in the order of falling status; points of a run that are not known yet last.

    Parameters
    ----------
    counts : from `counts_of`
    metadata, family : of the result; what it says itself on what to try comes first
    advice : what to try after a status
    """
    told = metadata.get("statuses") or {}
    known = {code: count for code, count in counts.items() if code != NOT_YET}
    said = {code: (told.get(str(code)) or {}).get("advice") or advice(code) for code in known}
    legend = []
    for text, entry in explain_counts(known, said, family).items():
        code = int(text)
        colour = COLOURS.get(code, "#000000")
        legend.append({"code": code, "colour": colour, "measured": is_measured(code, family), **entry})
    if NOT_YET in counts:
        more = {"percent": None, "reason": "not measured yet", "advice": "", "measured": False}
        legend.append({"code": NOT_YET, "colour": "#303030", "count": counts[NOT_YET], **more})
    return legend
