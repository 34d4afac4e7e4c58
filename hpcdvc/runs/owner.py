"""Who a run is, as its lock says it, and whether it lives."""

import json
import os
import time
from dataclasses import asdict, dataclass
from functools import cache


@dataclass(frozen=True)
class Owner:
    """The first process of a run.

    Attributes
    ----------
    host : name of its machine, for people
    machine : what tells its machine, since that was started, and its view of processes from others; "" where unknown
    process : number
    user : of the process, number
    started : when the process was started, in ticks of that machine; "" where unknown
    since : when the run took the lock, for people
    nonce : tells two locks of one process from each other
    """

    host: str = "an unknown machine"
    machine: str = ""
    process: int = 0
    user: int = -1
    started: str = ""
    since: str = "an unknown time"
    nonce: str = ""

    def written(self) -> bytes:
        """As it stands in a lock."""
        return json.dumps(asdict(self)).encode()

    def __str__(self) -> str:
        words = f"process {self.process} on {self.host}, since {self.since}"
        return "".join(c if c.isprintable() else "?" for c in words)[:160]


def this_process() -> Owner:
    """Owner of a new lock."""
    since, process = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()), os.getpid()
    started, nonce = _state_and_start(process)[1], os.urandom(8).hex()
    return Owner(os.uname().nodename, _machine(), process, os.geteuid(), started, since, nonce)


def read_owner(text: bytes) -> Owner:
    """Owner that a lock names; an unknown one where it was written by somebody else."""
    try:
        owner = Owner(**json.loads(text))
    except (ValueError, TypeError, RecursionError):
        return Owner()
    sound = all(type(value) is type(getattr(Owner, name)) for name, value in asdict(owner).items())
    return owner if sound and 0 < owner.process < 2**31 else Owner()


def lives(owner: Owner) -> bool | None:
    """Whether its process is there; None where that cannot be seen from here."""
    if not owner.machine or owner.machine != _machine():
        return None
    try:
        os.kill(owner.process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is of another user, and may be hidden but for that
        if owner.user == os.geteuid():
            return False
    state, started = _state_and_start(owner.process)
    return state not in ("Z", "X") and started in ("", owner.started)


@cache
def _machine() -> str:
    """Start of this machine, and the processes that are seen: in a container, others have the same numbers."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return f"{file.read().strip()} {os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return os.uname().nodename if not os.path.exists("/proc/self") else ""


def _state_and_start(process: int) -> tuple[str, str]:
    """Letter of the state of a process, and when it was started (Linux); "" where this is not told."""
    try:
        with open(f"/proc/{process}/stat", encoding="ascii", errors="replace") as file:
            words = file.read().rpartition(")")[2].split()
        return words[0], words[19]
    except (OSError, IndexError):
        return "", ""
