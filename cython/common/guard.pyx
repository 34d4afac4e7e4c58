# cython: language_level=3
"""Faults while files are read: one sentence that names the file, and the process ends with 1, as all ranks then do.

For what no exception reports: a library that crashes over a damaged file (SIGSEGV, SIGBUS), or never comes back from
it (a limit of CPU time, of which a slow file system takes none), and a mapped file whose pages are gone because
somebody has truncated it (SIGBUS). Handlers are set when the first file is guarded. Faults elsewhere go where they went
before.
"""

import os
import sys

cdef extern from "guard.h" nogil:
    ctypedef struct guard_entry:
        pass
    guard_entry *guard_map(size_t start, size_t size, const char *fault, size_t length)
    void guard_unmap(guard_entry *entry)
    guard_entry *guard_begin(
        const char *fault, size_t fault_length, const char *late, size_t late_length, double seconds)
    void guard_finish(guard_entry *entry)
    void guard_ranks(double seconds, size_t abort_address, size_t communicator)

#: Seconds of CPU time that reading a header may take.
CPU_SECONDS = 10.0


def _sentence(name, end):
    text = "".join(c if c.isprintable() else "?" for c in f"{os.path.basename(sys.argv[0])}: {name} {end}")
    return (text + "\n").encode(errors="replace")


cdef class reading:
    """Context in which this thread reads a file by a library that may crash over it, or never come back.

    Parameters
    ----------
    name : the file, as the user knows it
    cpu_seconds : most CPU time of this thread that it may take; 0: any

    Raises
    ------
    MemoryError
        At its begin.
    """

    cdef guard_entry *_entry
    cdef bytes _fault, _late
    cdef double _seconds

    def __init__(self, name, double cpu_seconds=CPU_SECONDS):
        self._fault = _sentence(name, "is damaged and cannot be read: the library that reads it has crashed")
        self._late = _sentence(name, f"cannot be read: {cpu_seconds:g} s of CPU time were not enough, it is damaged")
        self._seconds = cpu_seconds

    def __enter__(self):
        self._entry = guard_begin(self._fault, len(self._fault), self._late, len(self._late), self._seconds)
        if self._entry == NULL:
            raise MemoryError("no memory to guard the reading of a file")
        return self

    def __exit__(self, *error):
        guard_finish(self._entry)
        return False


cdef class mapped:
    """A mapped file; a fault within the mapping says that the file is shorter now, until `forget`.

    Parameters
    ----------
    address, size : of the mapping, bytes
    name : the file, as the user knows it

    Raises
    ------
    MemoryError
    """

    cdef guard_entry *_entry

    def __init__(self, size_t address, size_t size, name):
        fault = _sentence(name, "cannot be read any more: it was truncated during the run, or its disk has failed")
        self._entry = guard_map(address, size, fault, len(fault))
        if self._entry == NULL:
            raise MemoryError("no memory to guard a mapped file")

    def forget(self):
        """The mapping is gone."""
        guard_unmap(self._entry)


def among_ranks(double seconds, size_t abort_address=0, size_t communicator=0):
    """How this process ends when it is one of several.

    Parameters
    ----------
    seconds : it waits that long before it writes: of several ranks with the same fault the first is heard
    abort_address, communicator : C function MPI_Abort, and its first argument as a number; 0: there is none
    """
    guard_ranks(seconds, abort_address, communicator)
