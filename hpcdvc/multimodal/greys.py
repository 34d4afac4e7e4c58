"""STANDIN."""

from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import UserError


@dataclass(frozen=True)
class GreyRange:
    low: float
    high: float


def grey_range(image, crop, team, low=None, high=None, name="the image"):
    inner = tuple(slice(int(crop * n), n - int(crop * n)) if n > 1 else slice(None) for n in image.shape)
    v = np.asarray(image[inner], float)
    v = v[np.isfinite(v)]
    if not v.size or (low is None and high is None and not v.max() > v.min()):
        team.fail(UserError(f"{name} has no contrast: there is nothing to register"))
    return GreyRange(float(v.min()) if low is None else low, float(v.max()) if high is None else high)
