"""Dense results back in: a value for each pixel."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hpcdvc.fields.status import Family, is_measured
from hpcdvc.output.columns import columns_of
from hpcdvc.output.dense import CELLS, stored_columns
from hpcdvc.output.stored import opened


@dataclass(eq=False, repr=False)
class DenseResult:
    """A dense result that was read from a file: `result["zncc"]` is a column by its name, `columns` has all of them.

    Arrays have the shape of the image, (H, W), or (P, H, W) of P projections; vectors a further axis, ZYX.

    Attributes
    ----------
    path : the file
    metadata : what it says about itself: parameters, provenance, statuses, ...
    columns : arrays by name; floating point NaN where a pixel is not measured
    """

    path: str
    metadata: dict
    columns: dict[str, np.ndarray] = field(default_factory=dict)

    def __getitem__(self, name: str) -> np.ndarray:
        """A column; KeyError where there is none of this name."""
        return self.columns[name]

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.return_status.shape))
        measured = 100 * np.count_nonzero(self.measured) / max(self.return_status.size, 1)
        return f"<{self.path}: {shape} pixels, {measured:.1f} % measured; {', '.join(self.columns)}>"

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return list(self.columns)

    @property
    def family(self) -> Family:
        """What it was made by."""
        return Family(self.metadata.get("family") or Family.REGISTRATION)

    @property
    def displacement(self) -> np.ndarray:
        """(..., 3) displacements, ZYX, pixels; NaN where not measured."""
        return self["displacement"]

    @property
    def return_status(self) -> np.ndarray:
        """How each pixel ended."""
        return self["returnStatus"]

    @property
    def measured(self) -> np.ndarray:
        """Which pixels are a result, bool."""
        return is_measured(self.return_status, self.family)


def read_dense(path: str | Path) -> dict[str, np.ndarray]:
    """Arrays of a dense result by column; see `DenseResult`.

    Raises
    ------
    UserError : no such file, or a damaged one
    """
    components = {column.name: column.components for column in columns_of("image")}
    found, lead = {}, None
    with opened(path) as stored:
        for name in stored_columns(stored):
            of_pixel = components[name].shape
            dataset = stored.dataset(f"{CELLS}/{name}", (*(lead or (None,) * 3), *of_pixel))
            lead = dataset.shape[:3]
            values = dataset[...][..., ::-1] if of_pixel else dataset[...]
            found[name] = values[0] if lead[0] == 1 else values
        if "returnStatus" not in found:
            raise stored.damaged("it has no returnStatus")
    return found
