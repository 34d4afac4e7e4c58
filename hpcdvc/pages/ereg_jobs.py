"""Registrations that the page of hpcdvc-ereg starts: they tell how far they are, and end at once when asked."""

from collections.abc import Callable
from typing import Any

import numpy as np

from hpcdvc.errors import RunError
from hpcdvc.fields.phi import at_points
from hpcdvc.fields.status import Status, reason_of
from hpcdvc.pages.ereg_images import PairOfImages
from hpcdvc.pages.ereg_state import Outcome
from hpcdvc.ranks.team import Team
from hpcdvc.registration.candidates import rotations_about
from hpcdvc.registration.find_start import find_start
from hpcdvc.registration.multiscale import Journal, grey_of, register_levels
from hpcdvc.registration.settings import Iterations, Settings
from hpcdvc.registration.task import Task, check_margin, coarsest

#: Binning that a refinement begins with; planes of a coarse copy that are made in one go.
BEGIN, PLANES = 4, 16


class TeamOfOne(Team):
    """A serial team that leaves where it is asked to: everything long agrees on something, or shares it, now and then.

    Parameters
    ----------
    check : raises an error to leave
    """

    def __init__(self, check: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.check = check

    def agree(self, function: Callable[[], Any]) -> Any:
        """See `Team.agree`."""
        self.check()
        return super().agree(function)

    def shared_planes(self, shape: tuple[int, ...], dtype: np.dtype, fill: Callable) -> np.ndarray:
        """See `Team.shared_planes`."""

        def fill_parts(first: int, last: int, planes: np.ndarray) -> None:
            for start in range(first, last, PLANES):
                self.check()
                stop = min(start + PLANES, last)
                fill(start, stop, planes[start - first : stop - first])

        return super().shared_planes(shape, dtype, fill_parts)


def task_for(shape: tuple[int, int, int], rigid: bool, last: int = 1) -> Task:
    """Settings of a registration of the page: those of hpcdvc-reg.

    Raises
    ------
    UserError
        The images are too small.
    """
    check_margin(shape, None, "the images")
    iterations = Iterations(min_delta_phi=1e-4, rigid=rigid)
    settings = Settings(dimensions=2 if shape[0] == 1 else 3, iterations=iterations)
    return Task(settings, max(last, min(BEGIN, coarsest(shape))), last)


def refine(
    images: PairOfImages, phi: np.ndarray, task: Task, team: TeamOfOne, tell: Callable[[str], None]
) -> tuple[np.ndarray, Outcome]:
    """Register, starting from Phi about the centre of im1.

    Parameters
    ----------
    images : both
    phi : (4, 4) array to start from
    task : from `task_for`
    team : of one
    tell : is given a line on each iteration

    Returns
    -------
    phi : (4, 4) array
    outcome

    Raises
    ------
    RunError, UserError
        It has failed.
    """
    about = images.turned_about
    levels = images.levels(task.first, task.last, team)

    def keep(row: np.ndarray) -> None:
        one = row[0]
        tell(f"binning {one['factor']}, iteration {one['number']}, zncc {one['zncc']:.4f}")

    start = at_points(phi, images.middle, about[None])[0]
    result = register_levels(levels, task, start, about, team, Journal(keep, quiet=True))
    if result.return_status != Status.CONVERGED:
        raise RunError(f"not refined: {reason_of(result.return_status)} (zncc {result.zncc:.3f}); nothing has changed")
    return at_points(result.phi, about, images.middle[None])[0], Outcome.of(result)


def automatic_start(images: PairOfImages, rigid: bool, team: Team, turning: str = "any") -> np.ndarray:
    """Phi (4, 4) about the centre of im1 that brings images together which lie far apart.

    Parameters
    ----------
    images : both
    rigid : see `task_for`
    team : of one
    turning : one of `hpcdvc.pages.ereg_state.TURNINGS`: about any axis, about one of them all the way round, or not

    Raises
    ------
    RunError
        Nowhere do the images match.
    """
    task = task_for(images.im1.shape, rigid)
    levels = images.levels(task.first, task.last, team)
    grey_of(levels, task.names, team)
    phi, about, _ = find_start(levels, task, team, _turns(turning, task.settings.dimensions))
    phi = at_points(phi, about, images.middle[None])[0]
    if turning == "none":
        phi[:3, :3] = np.eye(3)
    return phi


def _turns(turning: str, dimensions: int) -> np.ndarray | None:
    """(n, 3, 3) rotations to be tried; None: those of hpcdvc-reg."""
    if turning == "none":
        return np.eye(3)[None]
    if turning == "any":
        return None
    return rotations_about("zyx".index(turning) if dimensions == 3 else 0, dimensions)
