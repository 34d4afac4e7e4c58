"""What a search is told."""

from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.kernels.arrays import record

#: What is compared: the deviations of grey values from their means, or the grey values as they are.
CRITERIA = ("zncc", "ncc")


@dataclass(frozen=True)
class SearchSettings:
    """How windows are looked for.

    Attributes
    ----------
    criterion : "zncc" is blind to gain and offset of the grey values; "ncc" is the correlation of the grey values
    subvoxel : add the maximum of the parabola through the scores about the best one
    min_valid : least part of a window that counts in both images
    grey_low, grey_high : windows whose mean grey value is not between them are skipped
    dilate : how far particles are dilated, voxels; negative erodes
    min_volume : particles of no more voxels are skipped

    Raises
    ------
    UserError
        The criterion is not known, or min_valid not between 0 and 1.
    """

    criterion: str = "zncc"
    subvoxel: bool = False
    min_valid: float = 0.5
    grey_low: float = -np.inf
    grey_high: float = np.inf
    dilate: int = 1
    min_volume: int = 0

    def __post_init__(self) -> None:
        if self.criterion not in CRITERIA:
            raise UserError(f"the criterion {self.criterion!r} is not known: {' or '.join(CRITERIA)}")
        if not 0 <= self.min_valid <= 1:
            raise UserError(f"the least valid part of a window must be between 0 and 1, not {self.min_valid}")

    def record(self) -> np.ndarray:
        """What the kernels read."""
        names = ("subvoxel", "min_valid", "grey_low", "grey_high", "dilate", "min_volume")
        return record("search_settings", plain=self.criterion == "ncc", **{name: getattr(self, name) for name in names})
