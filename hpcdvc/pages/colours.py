"""Colours of what reports and pages show, the same in both."""

#: Columns that are drawn, in this order, with the name of their colour map; vectors by component.
DRAWN = {
    "displacement": "viridis", "e": "RdBu_r", "vol": "RdBu_r", "dev": "magma", "rotation": "viridis",
    "displacement_std": "magma", "transmission": "viridis", "visibility": "viridis", "phase": "viridis",
    "zncc": "viridis", "CC": "viridis", "error": "magma", "cost": "magma", "residual": "magma", "grey": "gray",
    "reconstruction": "gray", "phase_map": "viridis",
}  # fmt: skip
#: Strain below which there is none.
ROUNDING = 1e-12
