"""Compiled loops over arrays: they know nothing else.

May import nothing of hpcdvc. Begin reading with the headers in `cython/`.
"""


def supported() -> tuple[str, ...]:
    from hpcdvc.kernels import registration

    return (registration.instruction_set(),)


def select(name: str) -> None:
    pass


def selected() -> str:
    return supported()[0]
