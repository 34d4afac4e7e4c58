"""Iterations from level to level: kept, shown, and not done again."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hpcdvc.fields.decomposition import decompose_phi
from hpcdvc.fields.status import reason_of

log = logging.getLogger("hpcdvc")


@dataclass(frozen=True)
class Journal:
    """What is done with the iterations.

    Attributes
    ----------
    keep : is called with each of them, one record
    earlier : (n,) records of an earlier run: what it has done is not done again; None: there was none
    quiet : show nothing
    """

    keep: Callable[[np.ndarray], None] = lambda row: None
    earlier: np.ndarray | None = None
    quiet: bool = False

    def done(self, factor: int, dtype: np.dtype) -> np.ndarray:
        """Earlier iterations of the level of a binning, (m,) records of this type."""
        return np.empty(0, dtype) if self.earlier is None else self.earlier[self.earlier["factor"] == factor]

    def add(self, row: np.ndarray, text: str) -> np.ndarray:
        """Keep one iteration, a record, and show it; the record."""
        self.say(text)
        self.keep(row)
        return row

    def say(self, text: str, level: int = logging.INFO) -> None:
        """Show a line."""
        if not self.quiet:
            log.log(level, text)

    def begin(self, factor: int, shape: tuple[int, int, int], margin: tuple[int, int, int]) -> None:
        """Show which level begins."""
        size = " x ".join(map(str, shape))
        self.say(f"binning {factor}: {size} voxels (ZYX), margin {' '.join(map(str, margin))}")

    def pass_over(self, factor: int, status: int) -> None:
        """Warn that what a level has found is no start for the next one."""
        self.say(f"binning {factor}: {reason_of(status)}; its result is not used", logging.WARNING)


def motion_text(phi: np.ndarray) -> str:
    """Displacement, rotation and stretch of Phi (3, 4), as text."""
    whole = np.eye(4)
    whole[:3] = phi
    parts = decompose_phi(whole)
    t, r, z = (" ".join(f"{v:8.3f}" for v in values) for values in (parts.t, parts.r, parts.z))
    return f"t [{t}]  r [{r}] deg  stretch [{z}]"
