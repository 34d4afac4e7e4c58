"""A hub of pages without a server and without a second thread."""

from hpcdvc.pages.hub import Stopped
from hpcdvc.pages.page import Page


class OneThread:
    """A hub without a server: what works in the background works at once, or is stopped after some checks."""

    def __init__(self, page: Page, checks: int | None = None):
        self.page, self.told, self.checks, self.saved, self.over = page, [], checks, 0, False

    def background(self, work) -> None:
        def check():
            if self.checks is not None:
                self.checks -= 1
                if self.checks < 0:
                    raise Stopped

        try:
            work(check)
        except Stopped:
            pass

    def in_turn(self, call) -> None:
        call()

    def aside(self, call):
        return call()

    def tell(self, message) -> None:
        self.told.append(message)

    def changed(self, by_page: bool = True) -> None:
        self.page.save()
        self.saved += 1

    def cancel(self) -> None:
        self.checks = 0

    def finish(self) -> None:
        self.over = True
