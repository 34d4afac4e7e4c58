"""FITS files, written byte by byte."""

import numpy as np

#: Type of numbers -> BITPIX.
BITPIX = {"u1": 8, "i1": 8, "i2": 16, "i4": 32, "i8": 64, "f4": -32, "f8": -64}


def fits_header(cards: dict) -> bytes:
    """A header of whole blocks; values stand in it as they are given, bools as T and F."""
    words = {name: {True: "T", False: "F"}.get(value, value) if isinstance(value, bool) else value
             for name, value in cards.items()}  # fmt: skip
    text = "".join(f"{name:8}= {value!s:>20}".ljust(80) for name, value in words.items()) + "END".ljust(80)
    return text.encode("latin-1") + b" " * (-len(text) % 2880)


def hdu_bytes(array: np.ndarray | None, cards: dict, first: bool) -> bytes:
    """An HDU: header, and numbers as they are to be stored; None for an empty one."""
    shape = () if array is None else array.shape
    needed = {"SIMPLE": True} if first else {"XTENSION": "'IMAGE'"}
    needed |= {"BITPIX": 8 if array is None else BITPIX[array.dtype.str[1:]], "NAXIS": len(shape)}
    needed |= {f"NAXIS{k}": size for k, size in enumerate(shape[::-1], 1)}
    content = b"" if array is None else array.astype(array.dtype.newbyteorder(">")).tobytes()
    return fits_header(needed | cards) + content + bytes(-len(content) % 2880)


def save_fits(path, *hdus: tuple[np.ndarray | None, dict]) -> None:
    """Write HDUs, each as stored numbers and further cards, which replace those that are needed."""
    with open(path, "wb") as file:
        for number, (array, cards) in enumerate(hdus):
            file.write(hdu_bytes(array, cards, number == 0))
