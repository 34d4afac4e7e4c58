"""What every benchmark does around its measurements: the command line, and the files of results."""

import argparse
import json
import time
from collections.abc import Callable
from types import ModuleType

import machine
import peer
from processes import ROOT
from speckle import speckle_pair

RESULTS = ROOT / "benchmarks" / "results"
SIZE = 500


def common_parser(doc: str) -> argparse.ArgumentParser:
    """The options that all benchmarks have; `doc` is the text of the module."""
    result = argparse.ArgumentParser(
        description=doc.split("\n\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    result.add_argument("--rounds", type=int, default=3, help="how often each run is repeated, one after the other")
    result.add_argument("--no-peer", action="store_true", help="do not install and run other programs")
    return result


def parser(doc: str) -> argparse.ArgumentParser:
    """The options of the benchmarks on the speckle pair."""
    result = common_parser(doc)
    result.add_argument("--size", type=int, default=SIZE, help="voxels along an edge of the images, 200 or more")
    return result


def parse(words: argparse.ArgumentParser) -> argparse.Namespace:
    """The command line, checked."""
    found = words.parse_args()
    if vars(found).get("size", SIZE) < 200 or found.rounds < 1:
        words.error("--size must be 200 or more and --rounds 1 or more")
    return found


def document(title: str, intro: str, results: dict, sections: dict[str, str]) -> str:
    """Markdown: where it was measured, and the sections by their headings."""
    facts = [f"* {name}: {value}" for name, value in results["machine"].items()]
    facts.append(f"* load average at the end: {results['load average at the end']}")
    parts = [f"# {title}, {results['machine']['date']}", intro, "\n".join(facts)]
    for heading, text in sections.items():
        parts += [f"## {heading}", text]
    return "\n\n".join(parts) + "\n"


def memory_table(memory: dict[str, dict], columns: dict[str, str]) -> str:
    """Markdown: peaks in MB, one line per run; the columns by their headings."""
    lines = [f"| | {' | '.join(columns)} |", "|--" * (len(columns) + 1) + "|"]
    for name, found in memory.items():
        cells = (f"{found[key] / 1e6:.0f}" if key in found else "" for key in columns.values())
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def begin(options: argparse.Namespace) -> dict:
    """Results that know how and where they were measured."""
    return {"options": vars(options), "machine": machine.facts()}


def run(
    name: str, options: argparse.Namespace, measure: Callable, report: Callable, peers: tuple[ModuleType, ...] = (peer,)
) -> None:
    """Get what is needed, measure, print and keep: `measure` makes results of the options, `report` a text of these."""
    speckle_pair(options.size)
    if not options.no_peer:
        for other in peers:
            other.install()
    results = measure(options)
    write(name, results, report(results), options.size == SIZE and not options.no_peer)


def write(name: str, results: dict, text: str, whole: bool) -> None:
    """Print the text; keep it, and all figures, if it is the `whole` that the documentation tells of."""
    print(text)
    if not whole:
        print("not kept in benchmarks/results: that is for all of it in full size, beside the other programs")
        return
    stem = f"{name}-{time.strftime('%Y-%m-%d')}-{results['machine']['machine']}"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{stem}.md").write_text(text)
    (RESULTS / f"{stem}.json").write_text(json.dumps(results, indent=1) + "\n")
    print(f"written to benchmarks/results/{stem}.md and .json")
