"""The device that computes: the processor with numpy, or a graphics card with cupy."""

import importlib
from types import ModuleType

import numpy as np

from hpcdvc.errors import UserError

DEVICES = ("cpu", "cuda")


def array_module(device: str, rank: int = 0) -> ModuleType:
    """The module whose arrays live on a device: numpy or cupy, which have the same functions.

    Parameters
    ----------
    device : "cpu" or "cuda"
    rank : with several cards, rank r computes on card r mod cards

    Returns
    -------
    module

    Raises
    ------
    UserError
        There is no such device here.
    """
    if device not in DEVICES:
        raise UserError(f"{device!r} is no device: {' or '.join(DEVICES)}")
    if device == "cpu":
        return np
    try:
        cupy = importlib.import_module("cupy")
        cards = cupy.cuda.runtime.getDeviceCount()
    except ImportError:
        raise UserError("device cuda needs cupy, which is not installed: pip install 'hpcdvc[gpu]'") from None
    except Exception as error:  # cupy has errors of its own for a missing driver
        raise UserError(f"device cuda: cupy finds no graphics card ({type(error).__name__})") from None
    if cards < 1:
        raise UserError("device cuda: cupy finds no graphics card")
    cupy.cuda.Device(rank % cards).use()
    return cupy


def to_numpy(array) -> np.ndarray:
    """An array of either module on the processor."""
    return array.get() if hasattr(array, "get") else np.asarray(array)
