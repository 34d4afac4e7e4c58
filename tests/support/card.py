"""A stand-in for cupy, whose arrays are those of numpy in a wrapper.

What cupy refuses is refused here, too: a function of numpy on an array of the card, such an array made one of numpy
without `get`, an array of numpy in a function of the card.
"""

import sys
import types

import numpy as np


def _inner(value: object) -> object:
    """Arrays of the card as numpy has them."""
    if isinstance(value, CardArray):
        return value.array
    if isinstance(value, tuple | list):
        return type(value)(map(_inner, value))
    return value


def _outer(value: object) -> object:
    """What numpy returns as arrays of the card; there are no numbers beside them."""
    if isinstance(value, np.ndarray | np.generic):
        return CardArray(np.asarray(value))
    if isinstance(value, tuple):
        return tuple(map(_outer, value))
    return value


def _on_card(function):
    def call(*arguments, **options):
        for value in (*arguments, *options.values()):
            if isinstance(value, np.ndarray) and value.ndim and function not in MOVES:
                raise TypeError(f"{function.__name__}: an array that is not on the card")
        return _outer(function(*map(_inner, arguments), **{key: _inner(value) for key, value in options.items()}))

    return call


class CardArray:
    """An array of the card."""

    __array_ufunc__ = None

    def __init__(self, array: np.ndarray):
        self.array = array

    def __array__(self, *_, **__):
        raise TypeError("Implicit conversion to a NumPy array is not allowed")

    def get(self) -> np.ndarray:
        return self.array

    def __getattr__(self, name: str):
        if name.startswith("__"):  # by which numpy would take the array
            raise AttributeError(name)
        value = getattr(self.array, name)
        return _on_card(value) if callable(value) else _outer(value)

    def __getitem__(self, key):
        return _outer(self.array[_inner(key)])

    def __setitem__(self, key, value):
        if isinstance(value, np.ndarray) and value.ndim:
            raise TypeError("an array that is not on the card")
        self.array[_inner(key)] = _inner(value)

    def __len__(self) -> int:
        return len(self.array)

    def __float__(self) -> float:
        return float(self.array)

    def __bool__(self) -> bool:
        return bool(self.array)


def _operator(name: str):
    def call(self, *others):
        if any(isinstance(other, np.ndarray) and other.ndim for other in others):
            raise TypeError(f"{name}: an array that is not on the card")
        return _outer(getattr(self.array, name)(*map(_inner, others)))

    return call


for _name in "add sub mul truediv floordiv mod pow and or xor matmul".split():
    for _side in ("", "r", "i"):
        setattr(CardArray, f"__{_side}{_name}__", _operator(f"__{_side}{_name}__"))
for _name in "lt le gt ge eq ne neg abs invert".split():
    setattr(CardArray, f"__{_name}__", _operator(f"__{_name}__"))

#: Functions that take arrays of numpy onto the card.
MOVES = (np.asarray, np.array)


class _Module(types.ModuleType):
    """numpy, or a part of it, with arrays of the card."""

    def __init__(self, name: str, of: object):
        super().__init__(name)
        self._of = of

    def __getattr__(self, name: str):
        value = getattr(self._of, name)
        if isinstance(value, types.ModuleType):
            return _Module(f"{self.__name__}.{name}", value)
        return _on_card(value) if callable(value) and not isinstance(value, type) else value


def install(monkeypatch, cards: int = 2) -> list[int]:
    """Put the stand-in into the place of cupy, until the test ends.

    Returns
    -------
    list to which the number of each card is added that is chosen
    """
    chosen = []

    class Device:
        def __init__(self, number: int):
            self.number = number

        def use(self) -> None:
            chosen.append(self.number)

    module = _Module("cupy", np)
    module.cuda = types.SimpleNamespace(
        Device=Device, runtime=types.SimpleNamespace(getDeviceCount=lambda: cards)
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "cupy", module)
    return chosen
