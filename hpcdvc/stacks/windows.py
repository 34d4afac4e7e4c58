"""Window functions: how much the pixels of a window count."""

import numpy as np

from hpcdvc.errors import UserError

#: Names as in scipy.signal.windows; "none" is a box, in which all pixels count alike.
WINDOWS = ("hamming", "hann", "bartlett", "blackman", "nuttall", "parzen", "triang", "none")
#: Amplitudes of the cosines that a window is the sum of. The others are scipy's, which takes half a second to load.
COSINES = {
    "hamming": (0.54, 1 - 0.54),
    "hann": (0.5, 0.5),
    "blackman": (0.42, 0.5, 0.08),
    "nuttall": (0.3635819, 0.4891775, 0.1365995, 0.0106411),
}


def window_taps(name: str | None, half_window: int) -> tuple[float, ...]:
    """A window function along one axis; the weights of a window are the products of those of its row and column.

    Hann, Bartlett and Blackman are zero at their ends: their outermost pixels do not count.

    Parameters
    ----------
    name : one of `WINDOWS`; None is the box
    half_window : pixels on each side of the middle

    Returns
    -------
    2 half_window + 1 numbers of sum 1; empty for the box

    Raises
    ------
    UserError
        There is no window of this name, or it leaves no pixel.
    """
    if name not in (None, *WINDOWS):
        raise UserError(f"{name!r} is no window function: {', '.join(WINDOWS)}")
    if half_window < 1:
        raise UserError(f"a half window of {half_window} is a window of a single pixel")
    if name in (None, "none"):
        return ()
    length = 2 * half_window + 1
    if name in COSINES:
        angle = np.linspace(-np.pi, np.pi, length)
        taps = sum(amplitude * np.cos(k * angle) for k, amplitude in enumerate(COSINES[name]))
    else:
        from scipy.signal import windows

        taps = np.asarray(getattr(windows, name)(length), np.float64)
    return tuple((taps / taps.sum()).tolist())
