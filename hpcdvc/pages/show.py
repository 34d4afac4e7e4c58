"""A page is shown where the packages for it are installed."""

from hpcdvc.errors import UserError
from hpcdvc.options.pages import Served
from hpcdvc.pages.page import Page


def show(page: Page, options: Served) -> None:
    """Show a page until the command is told to end or nobody looks any more; all is saved then. What commands call.

    Raises
    ------
    UserError : the packages of `hpcdvc[gui]` are missing, or there is no place to listen
    RunError : the last state cannot be saved
    """
    try:
        import PIL  # noqa: F401

        from hpcdvc.pages.server import serve
    except ImportError as error:
        raise UserError(f"pages need more packages: pip install 'hpcdvc[gui]' ({error})") from error
    serve(page, options)
