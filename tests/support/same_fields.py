"""Whether two fields are the same, bit for bit."""

import numpy as np

from hpcdvc.fields.field import Field


def same(one: Field, other: Field) -> bool:
    """Whether places and all columns are the same, not a number where the other is."""
    arrays = [{"positions": f.positions, "phi": f.phi, "status": f.return_status, **f.extra} for f in (one, other)]
    equal = (np.array_equal(a, arrays[1].get(name), equal_nan=True) for name, a in arrays[0].items())
    return arrays[0].keys() == arrays[1].keys() and one.grid == other.grid and all(equal)
