"""What this machine has, and what a container or a batch system lets a job have of it."""

import os
from pathlib import Path


def control_group(name: str) -> str:
    """Limit that a container or a batch system has set; empty when there is none."""
    try:
        own = Path("/proc/self/cgroup").read_text().rsplit("::", 1)[1].strip().lstrip("/")
        places = [Path("/sys/fs/cgroup", own, name), Path("/sys/fs/cgroup", name)]
        return next((place.read_text().strip() for place in places if place.exists()), "")
    except (OSError, IndexError):
        return ""


def node_memory() -> int:
    """Bytes of memory that this machine has for the job, used or not."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = control_group("memory.max")
    return min(total, int(limit)) if limit.isdigit() else total
