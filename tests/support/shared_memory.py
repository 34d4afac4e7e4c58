"""What runs that fail leave in /dev/shm: MPICH unlinks its shared memory only at the end of a job that ends well.

What starts runs for the tests (`running.run`, `rank_scripts.finish`) looks after each failure.
"""

import contextlib
import time
from pathlib import Path


def remove_abandoned_memory(age: float = 2.0) -> None:
    """Remove the segments of MPICH that no process maps and that are older than `age` seconds.

    Twenty such jobs fill the 64 MB that a container has, and the next one then dies by SIGBUS.
    """
    segments = {path for path in Path("/dev/shm").glob("mpich_shm_*") if time.time() - _changed(path) > age}
    if not segments:
        return
    mapped = ""
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with contextlib.suppress(OSError):
            mapped += maps.read_text()
    for path in segments:
        if str(path) not in mapped:
            with contextlib.suppress(OSError):
                path.unlink()


def _changed(path: Path) -> float:
    try:
        return path.stat().st_ctime
    except OSError:
        return time.time()
