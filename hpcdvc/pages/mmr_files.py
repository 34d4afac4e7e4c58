"""The one file of hpcdvc-mmr-graphical: what `hpcdvc-mmr --phases` replays, with what the page goes on from."""

import json
import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.phi import at_points
from hpcdvc.multimodal.phases_file import PhasesFile, phases_text, read_phases
from hpcdvc.output import files
from hpcdvc.pages.ereg_files import alike
from hpcdvc.pages.mmr_state import Box, MmrState, Picked, count_of, ranges_of


@dataclass
class MmrKept:
    """The file.

    Attributes
    ----------
    stem : path without extension
    made_from : identities of the images
    start : (4, 4) list, the Phi that the session began with; None where nothing said it
    written : what was written last
    """

    stem: str
    made_from: dict
    start: list | None = None
    written: str = ""

    @property
    def table(self) -> str:
        """Its path."""
        return f"{self.stem}.json"

    def write(self, state: MmrState, phases: PhasesFile) -> None:
        """Write it, whole at every moment; not where it is the same, for a batch run may just read it."""
        text = phases_text(replace(phases, page=self.page_of(state)))
        if text == self.written and os.path.exists(self.table):
            return
        with files.whole_file(self.table, len(text)) as temporary, files.fill(temporary, encoding="utf-8") as stream:
            stream.write(text)
        self.written = text

    def page_of(self, state: MmrState) -> dict[str, Any]:
        """What only the page needs."""
        picked = state.picked
        return {
            "made_from": self.made_from,
            "start": self.start,
            "peaks": picked.peaks,
            "n_phases": picked.n_phases,
            "ranges": picked.ranges,
            "point": state.point,
            "found": state.found,
        }

    def earlier(self) -> PhasesFile | None:
        """What a session of these images has left; None where there is none.

        Raises
        ------
        UserError
            There is a file that is none, or that is of others.
        """
        if not os.path.exists(self.table):
            return None
        phases = read_phases(self.table, least=0)
        page = phases.page or {}
        same = page.get("made_from") == json.loads(json.dumps(self.made_from))
        if not same or (self.start is not None and not alike(page.get("start"), self.start)):
            raise UserError(
                f"{self.table} exists, of other images or another start: -pre or -od give another name, --force "
                "overwrites it"
            )
        return phases


def state_of(phases: PhasesFile, path: str, state: MmrState) -> MmrState:
    """The state that a file of phases leads to.

    Parameters
    ----------
    phases : of the file
    path : of the file
    state : of a new session with the same images

    Raises
    ------
    UserError
        The file does not fit the images, or what the page has kept in it is damaged.
    """
    page = phases.page or {}
    try:
        picked = picked_of(phases, page, state.picked.box)
        phi = at_points(phases.phi, state.centre if phases.centre is None else phases.centre, state.centre[None])[0]
        phases.margin(state.shape)  # the box lies in im1
        found = MmrState(state.shape, picked=picked, rigid=phases.rigid)
        found.set_phi(phi)
        found.past, found.start, found.found = [], found.phi, checked_found(page.get("found"))
        found.point = [float(value) for value in page.get("point", found.point)]
        if len(found.point) != 3 or not np.isfinite(found.point).all():
            raise ValueError("a point has three coordinates")
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: what the page has kept there is damaged ({error}); --force begins anew") from None
    return found


def picked_of(phases: PhasesFile, page: dict[str, Any], box: Box) -> Picked:
    """What was picked, of a file; without a box it is this one.

    Raises
    ------
    UserError, KeyError, TypeError, ValueError
        It is none.
    """
    n = phases.mixture.n_phases
    peaks = page.get("peaks", [(*mean, phases.bins / 2) for mean in phases.mixture.means[:n].tolist()])
    if peaks is not None:
        array = np.array(peaks, float)
        if array.shape != (len(peaks), 3) or not (np.isfinite(array).all() and (array >= 0).all()):
            raise ValueError("peaks have two bins and a reach each")
        peaks = tuple(map(tuple, array.tolist()))
    ranges = page.get("ranges", phases.ranges and [[grey.low, grey.high] for grey in phases.ranges])
    return Picked(
        box=phases.box or box,
        bins=phases.bins,
        ranges=ranges_of(ranges) if ranges else Picked.ranges,
        thresholds=phases.thresholds,
        n_phases=count_of(page.get("n_phases", Picked.n_phases)),
        peaks=peaks,
        coverage=phases.coverage,
    )


def checked_found(found: object) -> dict | None:
    """What a registration has found, of a file; KeyError, TypeError or ValueError where it is none."""
    if found is None:
        return None
    phi = np.array(found["Phi"], float)
    if phi.shape != (4, 4) or not (np.isfinite(phi).all() and np.linalg.det(phi[:3, :3]) > 0):
        raise ValueError("Phi that was found")
    for name in ("return_status", "iterations", "explained", "explained_before", "log_likelihood"):
        float(found[name])
    str(found["reason"]), str(found["of"])
    json.dumps(found, allow_nan=False)  # what cannot be saved again is none
    return found
