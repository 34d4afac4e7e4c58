"""One self-contained HTML file on a result, and its numbers as JSON beside it.

No script, and nothing from elsewhere: pictures stand in the file. The bytes depend on the result, its record and its
images alone, so that a report that is made again is the same.
"""

import base64
import json
from collections.abc import Callable
from html import escape
from pathlib import Path

from hpcdvc.errors import UserError
from hpcdvc.output.files import fill, whole_file
from hpcdvc.pages.facts import facts_of
from hpcdvc.pages.messages import finite
from hpcdvc.pages.residual import PairOfPlanes, pair_of_planes
from hpcdvc.pages.result_file import open_result

#: Its own pictures and styles may load, and nothing else.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1a1a1a; background: #fff; margin: 1.2em auto; max-width: 1100px;
       padding: 0 1em; }
h1 { font-size: 1.5em; } h2 { font-size: 1.2em; border-bottom: 1px solid #bbb; margin-top: 1.6em; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { text-align: left; padding: .2em .8em .2em 0; vertical-align: top; border-bottom: 1px solid #e4e4e4; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
pre { background: #f4f4f4; padding: .7em; white-space: pre-wrap; overflow-wrap: anywhere; }
figure { margin: 1em 0; } figcaption { color: #333; } img { max-width: 100%; height: auto; }
""".strip()


def report_path(result: str) -> str:
    """Where the report of a result goes if nobody says otherwise."""
    return f"{result.removesuffix('.hdf')}-report.html"


def paths_of(page: str) -> list[str]:
    """The page, and its numbers beside it."""
    return [page, str(Path(page).with_suffix(".json"))]


def write_report(result: str, page: str, prepare: Callable[[], None] = lambda: None) -> list[str]:
    """Write the report of a result (one rank); returns its paths.

    Parameters
    ----------
    result : .hdf file of a measuring command
    page : of the report, .html; the numbers go to the same name with .json
    prepare : called when all that the report needs is there, before anything is written

    Raises
    ------
    UserError : no such file, no result of ours, a damaged one, or no matplotlib
    RunError : the disk is full
    """
    try:
        from hpcdvc.pages.figures import pictures_of
    except ImportError as error:
        raise UserError(f"reports need matplotlib, which cannot be imported: {error}") from error
    with open_result(result) as opened:
        facts, planes = facts_of(opened), pair_of_planes(opened)
        pictures = list(pictures_of(opened, planes))
    facts["residual"] = _residual(planes)
    text = _page(facts, pictures)
    numbers = json.dumps(finite(facts), indent=1, sort_keys=True, default=str, allow_nan=False)
    prepare()
    paths = paths_of(page)
    for target, content in zip(paths, (text, f"{numbers}\n"), strict=True):
        data = content.encode("utf-8", "backslashreplace")  # names of files may be any bytes
        with whole_file(target, len(data)) as temporary, fill(temporary, "wb") as file:
            file.write(data)
    return paths


def _residual(planes: PairOfPlanes | str) -> dict | str:
    if isinstance(planes, str):
        return planes
    before, after = planes.rms
    return {
        "plane": planes.z,
        "every": planes.step,
        "rms_before": float(f"{before:.6g}"),
        "rms_after": float(f"{after:.6g}"),
    }


def _page(facts: dict, pictures: list) -> str:
    parts = [
        f"<h1>{escape(facts['result'])}</h1>",
        f"<pre>{escape(facts['command'])}</pre>",
        _table(("", ""), _about(facts)),
        "<h2>How the points ended</h2>",
        _statuses(facts["statuses"]),
        f"<p>{escape(facts['agreement'])}.</p>" if facts["agreement"] else "",
        "<h2>Numbers of measured points</h2>",
        _numbers(facts["numbers"]),
        "<h2>Pictures</h2>",
        *map(_figure, pictures),
        "" if isinstance(facts["residual"], dict) else f"<p>No residual: {escape(facts['residual'])}.</p>",
        *_part("Images and files it was made from", ("what", "name", "shape", "type", "bytes"),
               [_file(*entry) for entry in facts["made_from"].items() if "name" in entry[1]]),
        *_part("The run", ("", ""), [(name, _text(value)) for name, value in facts["run"].items()]),
        *_part("Parameters", ("", ""), [(name, _text(value)) for name, value in facts["parameters"].items()]),
    ]  # fmt: skip
    head = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(facts['result'])}</title>\n<style>\n{STYLE}\n</style>\n</head>\n<body>\n"
    )
    return head + "\n".join(filter(None, parts)) + "\n</body>\n</html>\n"


def _part(title: str, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> tuple[str, ...]:
    """A table under its title, where there are rows."""
    return (f"<h2>{title}</h2>", _table(head, rows)) if rows else ()


def _about(facts: dict) -> list[tuple[str, str]]:
    shape = " x ".join(map(str, facts["shape"]))
    what = {"grid": f"grid of {shape} nodes", "image": f"{shape} pixels", "registration": "one registration"}
    return [
        ("program", f"{facts['program']}, hpcdvc {facts['version']}"),
        ("result", what.get(facts["kind"], f"{shape} {facts['kind'].replace('mesh', 'nodes of a mesh')}")),
        *([("voxel", facts["voxel_size"])] if facts["voxel_size"] else []),
        ("report", f"by hpcdvc {facts['reported_by']}"),
    ]


def _statuses(statuses: dict) -> str:
    if not statuses:
        return "<p>The result does not say it.</p>"
    rows = []
    for code, entry in statuses.items():
        percent = entry.get("percent")
        share = "-" if percent is None else f"{percent:.2f}"
        rows.append((code, str(entry["count"]), share, entry["reason"], entry["advice"]))
    return _table(("status", "points", "%", "reason", "what to try"), rows, numbers=3)


def _numbers(numbers: list[dict]) -> str:
    keys = ("points", "least", "median", "mean", "greatest")
    rows = [
        (one["column"], one["unit"] if one["unit"] != "1" else "", *(f"{one[key]:.6g}" for key in keys))
        for one in numbers
    ]
    return _table(("column", "unit", *keys), rows) if rows else "<p>Nothing was measured.</p>"


def _file(name: str, told: dict) -> tuple[str, ...]:
    shape = " x ".join(map(str, told["shape"])) if isinstance(told.get("shape"), list) else ""
    return name, _text(told.get("name", "")), shape, _text(told.get("dtype", "")), _text(told.get("bytes", ""))


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]], numbers: int = 0) -> str:
    """A table; its first columns hold `numbers`."""
    if not rows:
        return ""
    top = "".join(f"<th>{escape(word)}</th>" for word in head)
    lines = [f"<tr>{top}</tr>"] if any(head) else []
    for row in rows:
        cells = (f"<td{' class=n' * (k < numbers)}>{escape(word)}</td>" for k, word in enumerate(row))
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return "<table>\n" + "\n".join(lines) + "\n</table>"


def _figure(picture) -> str:
    data = base64.b64encode(picture.png).decode()
    image = f'<img alt="{escape(picture.caption, quote=True)}" src="data:image/png;base64,{data}">'
    return f"<figure>\n{image}\n<figcaption>{escape(picture.caption)}</figcaption>\n</figure>"
