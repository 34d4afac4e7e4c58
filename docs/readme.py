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


def whole_images() -> str:
    """CPU time, memory and errors of both programs for whole images."""
    paths = [path for name in ("reg", "deform") for path in sorted(RESULTS.glob(f"{name}-*.json"))[-1:]]
    if len(paths) < 2:
        return "*Whole images: not measured in this tree, `make bench` does it.*"
    reg, deform = (json.loads(path.read_text()) for path in paths)
    size = reg["options"]["size"]
    programs = [f"spam-reg, {size}^3", f"hpcdvc-reg -o 3 -np 1, {size}^3"]
    rows = [
        (what, *(factor * reg[part][program][key] for program in programs))
        for what, factor, part, key in (
            ("registration, CPU seconds", 1, "runs", "cpu"),
            ("registration, memory with the pages of mapped images (MB)", 1e-6, "memory", "resident_per_process"),
            ("registration, error at the worst corner (voxel)", 1, "runs", "corner"),
        )
    ]
    motions = {"field": f"a field of {deform['nodes']} nodes", "mesh": "the same, `-tet`", "Phi": "a registration"}
    for kind, what in motions.items():
        seconds = deform["per_voxel"][kind]
        rows.append((f"deformation by {what}, CPU ns per voxel", 1e9 * seconds["peer"], 1e9 * seconds["ours"]))
    lines = ["| whole images, 1 process | spam | hpcdvc | ratio |", "|---|---|---|---|"]
    lines += [f"| {what} | {_short(peer)} | {_short(ours)} | {_short(peer / ours)} |" for what, peer, ours in rows]
    intro = (
        f"Whole images of {size}³ voxels, 16 bits, hpcdvc-reg and hpcdvc-deformImage beside the spam commands of\n"
        "that name, defaults of all: `-o 3` for hpcdvc-reg, `-o 1` for the others. By a field, spam deformed a crop\n"
        f"of the image with as many nodes. From `benchmarks/results/{paths[0].stem}.md` and `{paths[1].stem}.md`.\n\n"
    )
    return intro + "\n".join(lines)


def _short(value: float) -> str:
    """Two digits, all of them before the point."""
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def with_figures(text: str) -> str:
    """The README with what stands between its marks made anew."""
    for name, figures in (("accuracy", accuracy()), ("speed", speed()), ("whole", whole_images())):
        before, rest = text.split(f"<!-- {name}: python docs/readme.py -->\n")
        end = f"<!-- end of {name} -->"
        text = f"{before}<!-- {name}: python docs/readme.py -->\n\n{figures}\n\n{end}{rest.partition(end)[2]}"
    return text


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(with_figures(readme.read_text()))
