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
    """CPU time, error and memory of the programs that measure volumes."""
    path = sorted(RESULTS.glob("ldic-*.json"))[-1]
    found = json.loads(path.read_text())
    size, machine, runs = found["options"]["size"], found["machine"], list(found["runs"].values())
    ours = {(run["order"], run["ranks"]): run for run in runs if run["program"] == "ours" and run["nodes"] > 1}
    lines = [
        "| hpcdvc-ldic against | processes | its CPU seconds | hpcdvc-ldic | ratio | its rms error | hpcdvc-ldic |",
        "|---|---|---|---|---|---|---|",
    ]
    for run in runs:
        if run["program"] != "ours" and run["nodes"] > 1:
            lines.append(_against(run, ours[run["order"], run["ranks"]]))
    lines += _memory(found)
    nodes = max(run["nodes"] for run in runs)
    intro = (
        f"A speckle pair of {size}³ voxels, 16 bits, {nodes} nodes, `-hws 10`, on {machine['cores']} cores of an\n"
        f"{machine['processor']}; medians of {found['options']['rounds']} rounds, the programs in turn. CPU is user\n"
        "and system time of all processes; spam's cubic runs had fewer nodes and are scaled. Errors are in voxels,\n"
        "against exact truth. hpcdvc maps images instead of loading them. From\n"
        f"`benchmarks/results/{path.stem}.md`, made by `make bench`.\n\n"
    )
    return intro + "\n".join(lines)


def _against(other: dict, ours: dict) -> str:
    """A line of the table: another program beside hpcdvc-ldic of the same order on as many processes."""
    cpu, scaled = other.get("scaled_cpu", other["cpu"]), " (scaled)" * ("scaled_cpu" in other)
    name = {
        "peer": f"spam-ldic `-o {other['order']}`",
        "al-dvc": f"al-dvc, local, B-spline, with `-o {other['order']}`",
    }[other["program"]]
    times = f"{cpu:.0f}{scaled} | {ours['cpu']:.1f} | {cpu / ours['cpu']:.0f}"
    return f"| {name} | {other['ranks']} | {times} | {other['rms']:.4f} | {ours['rms']:.4f} |"


def _memory(found: dict) -> list[str]:
    """Lines of the table: memory on two processes. Results of the time before al-dvc was compared have none of it."""
    ours = found["memory"]["mapped"]["anonymous"]
    others = {"spam-ldic": found["peer_memory"], "al-dvc": found.get("al_dvc_memory")}
    return [
        f"| {name}, memory without page cache (MB) | 2 | {peak['anonymous'] / 1e6:.0f} | {ours / 1e6:.0f} "
        f"| {peak['anonymous'] / ours:.0f} | | |"
        for name, peak in others.items()
        if peak
    ]


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


def star() -> str:
    """CPU time and quality of hpcdvc-ldic and pyvale on images."""
    paths = sorted(RESULTS.glob("star-*.json"))
    if not paths:
        return "*Images: not measured in this tree, `make bench` does it.*"
    found = json.loads(paths[-1].read_text())
    start = found["runs"]["pyvale, import alone"]["cpu"]
    lines = [
        "| pyvale / hpcdvc-ldic | CPU seconds | ratio | noise, 1/1000 pixel | 10 % lost at, pixels | product | ratio |",
        "|---|---|---|---|---|---|---|",
    ]
    shapes = {"affine": "affine / `-so 1`", "curved": "quadratic / `-so auto`"}
    for r in found["ratios"]:
        pair = (r["pyvale"], r["ours"])
        cpu, noise, product = (
            " / ".join(f"{factor * run[key]:{form}}" for run in pair)
            for key, factor, form in (("cpu", 1, ".1f"), ("noise", 1000, ".1f"), ("product", 1, ".2f"))
        )
        wavelength = " / ".join(_wavelength(run) for run in pair)
        name = f"{r['window']}² pixels, {shapes[r['shape']]}"
        lines.append(
            f"| {name} | {cpu} | {r['cpu_ratio']:.0f} | {noise} | {wavelength} | {product} | {r['product_ratio']:.2f} |"
        )
    intro = (
        "![Vertical displacement of the star as pyvale and hpcdvc-ldic measure it, and what both keep of the wave in\n"
        "the middle row](docs/star.png)\n\n"
        "In images: hpcdvc-ldic beside [pyvale](https://pypi.org/project/pyvale/), a DIC program in C++, on the star\n"
        "of the DIC Challenge 2.0 (Reu et al. 2022,\n"
        "[doi 10.1007/s11340-021-00806-6](https://doi.org/10.1007/s11340-021-00806-6)), `-ns 5`, one process; medians\n"
        f"of {found['options']['rounds']} rounds. CPU of pyvale is with its import ({start:.1f} s); the ratio is per\n"
        "node. Noise: standard deviation of the horizontal displacement, which is zero in truth. From the wavelength\n"
        "given on, the middle row keeps 90 % of the wave (in brackets 89 and 91 %, where that makes much of a\n"
        "difference). Windows trade one for the other; the product of both judges the method: the smaller, the\n"
        "better. The filter that pyvale puts before is off, which serves it better. From\n"
        f"`benchmarks/results/{paths[-1].stem}.md`, made by `make bench`.\n\n"
    )
    return intro + "\n".join(lines)


def _wavelength(run: dict) -> str:
    """Of 10 % loss; with those of 11 % and 9 % where the curve is so flat that they are far apart."""
    low, high = run["at_11_percent"], run["at_9_percent"]
    return f"{run['wavelength']:.0f}" + (f" ({low:.0f} to {high:.0f})" if high > 1.5 * low else "")


def _short(value: float) -> str:
    """Two digits, all of them before the point."""
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def with_figures(text: str) -> str:
    """The README with what stands between its marks made anew."""
    for name, figures in (("accuracy", accuracy()), ("speed", speed()), ("whole", whole_images()), ("star", star())):
        before, rest = text.split(f"<!-- {name}: python docs/readme.py -->\n")
        end = f"<!-- end of {name} -->"
        text = f"{before}<!-- {name}: python docs/readme.py -->\n\n{figures}\n\n{end}{rest.partition(end)[2]}"
    return text


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(with_figures(readme.read_text()))
