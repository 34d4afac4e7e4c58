"""Column names of the text and image views, as users of spam know them, and where a `Field` keeps each."""

from types import MappingProxyType

import numpy as np

from hpcdvc.fields.field import Field

#: entry (row, column) of Phi, ZYX
PHI_ENTRIES = MappingProxyType(
    {f"F{i}{j}": (r, c) for r, i in enumerate("zyx") for c, j in enumerate("zyx")}
    | {f"{i}disp": (r, 3) for r, i in enumerate("ZYX")}
)
POSITIONS = ("Zpos", "Ypos", "Xpos")
#: name -> attribute of `Field`
ATTRIBUTES = MappingProxyType(
    {
        "error": "error",
        "iterations": "iterations",
        "returnStatus": "return_status",
        "deltaPhiNorm": "delta_phi_norm",
    }
)
#: name -> key of `Field.extra`
EXTRAS = MappingProxyType(
    {
        "Label": "label",
        "pixelSearchCC": "CC",
        "PSCC": "CC",
        "LabelDilate": "label_dilate",
        "zncc": "zncc",
        "validFraction": "valid_fraction",
    }
)
#: name -> entry of the twelve variances of Phi
DEVIATIONS = MappingProxyType({"Zdisp_std": 3, "Ydisp_std": 7, "Xdisp_std": 11})


def has_column(field: Field, name: str) -> bool:
    """Whether the field knows this column, beyond a default."""
    if name in DEVIATIONS:
        return "variance" in (field.extra or {})
    return name not in EXTRAS or EXTRAS[name] in (field.extra or {})


def column(field: Field, name: str) -> np.ndarray:
    """One column of a field by its name in the views, (n,); zeros where the field lacks an extra column."""
    if name == "NodeNumber":
        return np.arange(len(field)) + (len(field) == 1)  # a registration is node 1
    if name in POSITIONS:
        return field.positions[:, POSITIONS.index(name)]
    if name in PHI_ENTRIES:
        return field.phi[:, *PHI_ENTRIES[name]]
    if name in ATTRIBUTES:
        return getattr(field, ATTRIBUTES[name])
    if not has_column(field, name):
        return np.zeros(len(field))
    if name in DEVIATIONS:
        return np.sqrt(field.extra["variance"][:, DEVIATIONS[name]])
    return field.extra[EXTRAS[name]]
