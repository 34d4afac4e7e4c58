"""Standard deviations of windows in a texture that is finer along one axis than along another, and noisy."""

import numpy as np
import pytest
from gauge_cases import Again


@pytest.mark.parametrize("longer", [(3, 1, 1), (1, 3, 3)], ids=["fibres", "layers"])
def test_stated_deviation_is_the_scatter_along_each_axis(longer):
    """Along fibres and layers noise is much of the gradient, and a change is as uncertain as it is long."""
    fields = Again((36, 36, 36), longer=longer).fields(30)
    found = np.array([field.displacement for field in fields]).var(axis=0, ddof=1)
    stated = np.mean([field.errors.variance for field in fields], axis=0)
    ratio = np.sqrt(stated.mean(axis=0) / found.mean(axis=0))
    assert ((ratio > 0.87) & (ratio < 1.15)).all(), ratio
