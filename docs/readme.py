"""The figures of README.md, from benchmarks/results/: `python docs/readme.py` after a benchmark writes them anew."""

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PROGRAMS = ("spam-ldic -o 1", "spam-ldic -o 3", "hpcdvc-ldic -o 1", "hpcdvc-ldic -o 3")


def accuracy() -> str:
    """Error over the bound, one line per case."""
    cells: dict[str, dict[str, str]] = {}
    for line in (RESULTS / "accuracy.md").read_text().splitlines():
        words = [word.strip() for word in line.strip("|").split("|")]
        if line.startswith("|") and words[1] in PROGRAMS and words[-1]:
            cells.setdefault(words[0], {})[words[1]] = words[-1]
    lines = [
        "| error / bound | spam-ldic `-o 1` (its default) | spam-ldic `-o 3` | hpcdvc-ldic `-o 1` | hpcdvc-ldic `-o 3` "
        "(default) |",
        "|---|---|---|---|---|",
        *(f"| {case} | {' | '.join(found[program] for program in PROGRAMS)} |" for case, found in cells.items()),
    ]
    return "\n".join(lines)


def speed() -> str:
    """CPU time and memory of both programs."""
    path = sorted(RESULTS.glob("ldic-*.json"))[-1]
    found = json.loads(path.read_text())
    size, machine = found["options"]["size"], found["machine"]
    lines = ["| CPU seconds | spam-ldic | hpcdvc-ldic | ratio |", "|---|---|---|---|"]
    for ratio in found["ratios"]:
        ours = ratio["peer_cpu"] / ratio["cpu_ratio"]
        name = f"`-o {ratio['order']}`, {ratio['ranks']} process{'es' * (ratio['ranks'] > 1)}"
        scaled = " (scaled)" * ratio["scaled"]
        lines.append(f"| {name} | {ratio['peer_cpu']:.0f}{scaled} | {ours:.1f} | {ratio['cpu_ratio']:.0f} |")
    peer, ours = (m["anonymous"] / 1e6 for m in (found["peer_memory"], found["memory"]["mapped"]))
    lines.append(f"| memory without page cache, 2 processes (MB) | {peer:.0f} | {ours:.0f} | {peer / ours:.0f} |")
    nodes = next(run["nodes"] for run in found["runs"].values() if run["program"] == "ours")
    intro = (
        f"A speckle pair of {size}³ voxels, 16 bits, {nodes} nodes, `-hws 10`, on {machine['cores']} cores of an\n"
        f"{machine['processor']}; medians of {found['options']['rounds']} rounds, the two programs in turn. CPU is\n"
        "user and system time of all processes; spam's cubic runs had fewer nodes and are scaled. hpcdvc maps\n"
        f"images instead of loading them. From `benchmarks/results/{path.stem}.md`, made by `make bench`.\n\n"
    )
    return intro + "\n".join(lines)


def with_figures(text: str) -> str:
    """The README with what stands between its marks made anew."""
    for name, figures in (("accuracy", accuracy()), ("speed", speed())):
        before, rest = text.split(f"<!-- {name}: python docs/readme.py -->\n")
        end = f"<!-- end of {name} -->"
        text = f"{before}<!-- {name}: python docs/readme.py -->\n\n{figures}\n\n{end}{rest.partition(end)[2]}"
    return text


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(with_figures(readme.read_text()))
