"""What pages do aside: one thing after the other, and nothing that a process which ends would have to wait for."""

import threading
import time

from hpcdvc.pages.aside import Aside


def test_one_after_the_other():
    aside, done = Aside(), []
    futures = [aside.submit(lambda k=k: done.append(k) or k) for k in range(5)]
    assert [future.result(10) for future in futures] == done == list(range(5))
    assert isinstance(aside.submit(lambda: 1 / 0).exception(10), ZeroDivisionError)


def test_the_end_waits_for_what_is_being_done():
    """A lock, as h5py has one, that a thread takes with it would hold up the end of the process for ever."""
    aside, lock, begun = Aside(), threading.Lock(), threading.Event()

    def work() -> None:
        with lock:
            begun.set()
            time.sleep(0.3)

    aside.submit(work)
    never = aside.submit(lambda: None)
    assert begun.wait(10)
    aside.end(10)
    assert not lock.locked() and never.cancelled()
    Aside().end(10)
