"""hpcdvc-view: results on a page in the browser, to be looked at."""

from importlib import import_module

from hpcdvc.options.view import Options

#: Ends of the stems of results, and the command that says what to try where the result does not.
COMMANDS = {
    "-ldic": "ldic", "-ddic": "ddic", "-GDIC": "gdic", "-registration": "reg", "-pixelSearch": "pixelSearch",
    "-pixelSearchPropagate": "pixelSearchPropagate", "-localShifts": "localShifts", "-umpa": "umpa", "-shift": "shift",
}  # fmt: skip


def run(options: Options, team) -> list[str]:
    """Serve the page until it is left; nothing is written. Collective: rank 0 does it.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team
    """
    team.agree(lambda: look(options))
    return []


def look(options: Options) -> None:
    """Find out that there is something to look at, and show it, on one rank.

    Raises
    ------
    UserError
        A file is missing, or no result or image.
    """
    from hpcdvc.images import RawLayout
    from hpcdvc.pages.show import show
    from hpcdvc.pages.view import ViewPage
    from hpcdvc.pages.view_images import check_fit, given_images
    from hpcdvc.pages.view_running import check_running, is_running
    from hpcdvc.pages.view_source import check, paths_of

    paths, raw_layout = paths_of(options.results), RawLayout.told(options)

    def given_to(steps: int) -> list:
        return given_images(options.images, steps, options.labels, options.every_slice, raw_layout)

    given = given_to(max(len(paths), len(options.images) - 1))[0]
    for path in paths:
        if is_running(path):
            check_running(path)
        else:
            check(path)
            check_fit(given, path)
    page = ViewPage(paths, given_to, advice_of)
    show(page, options)


def advice_of(path: str, status: int) -> str:
    """What to try after a status, by the command that a name is of; "" where nobody says it."""
    stem = path.rpartition(".")[0]
    command = next((name for end, name in COMMANDS.items() if stem.endswith(end)), None)
    return import_module(f"hpcdvc.workflows.{command}").ADVICE.get(status, "") if command else ""
