"""Compiled loops over arrays: they know nothing else. One instruction set is chosen here for all of them.

May import `errors`. Begin reading with `records`, what Python and C share, then the headers in `cython/`.
"""

import os

from hpcdvc.errors import UserError

#: Name -> what it is, from the least on; "v1" is what any processor of the kind can do.
INSTRUCTION_SETS = {"v1": "baseline", "v3": "AVX2 (x86-64-v3)", "v4": "AVX-512 (x86-64-v4)"}

_selected: str | None = None


def supported() -> tuple[str, ...]:
    """Instruction sets that this processor and this build have, the least first; HPCDVC_ISA is the highest one.

    Raises
    ------
    UserError
        HPCDVC_ISA names none of them.
    """
    from hpcdvc.kernels.processor import level

    able = tuple(name for name in INSTRUCTION_SETS if int(name[1:]) <= level())
    highest = os.environ.get("HPCDVC_ISA") or able[-1]
    if highest not in able:
        raise UserError(f"HPCDVC_ISA={highest} is no instruction set of this processor and build: {', '.join(able)}")
    return able[: able.index(highest) + 1]


def select(name: str) -> None:
    """Let all kernels use an instruction set from now on.

    Raises
    ------
    UserError
        It is not supported here.
    """
    global _selected
    able = supported()
    if name not in able:
        raise UserError(f'the instruction set "{name}" is not supported here: {", ".join(able)}')
    _selected = name


def selected() -> str:
    """Name of the instruction set in use: the best one where none was selected."""
    if _selected is None:
        select(supported()[-1])
    return _selected
