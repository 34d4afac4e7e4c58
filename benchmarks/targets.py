"""The measured figures beside what they should be."""

from collections.abc import Callable


def _kernel(results: list[dict], order: int) -> float | None:
    """Nanoseconds at hws 10 with AVX2, median."""
    found = [r["ns_median"] for r in results if (r["half_window"], r["order"], r["isa"]) == (10, order, "v3")]
    return found[0] if found else None


#: (what, measured or None, goal, aim or None, unit, more is better)
Figure = tuple[str, float | None, float, float | None, str, bool]


def ldic(results: dict) -> list[Figure]:
    """Figures of hpcdvc-ldic."""
    found = []
    for ratio in results.get("ratios", []):
        if ratio["program"] != "peer":
            continue  # no goal has been set
        goal, aim = (15, 30) if ratio["order"] == 1 else (60, None)
        what = f"CPU of the peer / ours, -o {ratio['order']}, -np {ratio['ranks']}"
        what += ", peer scaled per node" if ratio["scaled"] else ""
        found.append((what, ratio["cpu_ratio"], goal, aim, "x", True))
    kernel = results.get("kernel", [])
    found.append(("kernel all-in, trilinear, AVX2, hws 10", _kernel(kernel, 1), 4, 2.2, "ns/voxel/iteration", False))
    found.append(("kernel all-in, cubic, AVX2, hws 10", _kernel(kernel, 3), 12, 6.5, "ns/voxel/iteration", False))
    if "memory" in results:
        mapped, decoded = results["memory"]["mapped"], results["memory"]["decoded"]
        found.append(("anonymous memory per rank", mapped["anonymous_per_process"] / 1e6, 100, 50, "MB", False))
        copies = mapped["mapped"] / mapped["image_bytes"]
        found.append(("copies of the images per node, mapped (pages touched)", copies, 1.0, None, "", False))
        # the shared memory of MPI itself is there with mapped images as well
        copies = (decoded["shared"] - mapped["shared"]) / decoded["image_bytes"]
        found.append(("copies of the images per node, decoded", copies, 1.1, None, "", False))
    if "start_up" in results:
        wall = results["start_up"]["np2"]
        found.append(("start-up on 2 ranks, best", wall["wall_min"], 0.6, None, "s", False))
        found.append(("start-up on 2 ranks, median", wall["wall_median"], 0.6, None, "s", False))
    if "efficiency" in results:
        e = results["efficiency"]
        found.append(("parallel efficiency on 2 ranks, best walls", e["best"], 0.85, None, "", True))
        found.append(("CPU on 1 rank / CPU on 2 ranks (no waiting counted)", e["cpu"], 0.85, None, "", True))
    for name, value in (results.get("precision") or {}).items():
        found.append((f"float32 - float64 displacement, {name}", value, 1e-5, None, "voxel", False))
    for rows in results.get("rows", []):
        seconds = rows["gather"] + rows["write"]
        what = f"{rows['points']} rows gathered and written, {rows['ranks']} rank(s)"
        found.append((what, seconds, 10, None, "s", False))
    return found


def reg(results: dict) -> list[Figure]:
    """Figures of hpcdvc-reg."""
    found = []
    if "ratios" in results:
        r = results["ratios"]
        found += [
            (f"CPU of the peer / ours, -o {order}, 1 process", x, 20, 40, "x", True) for order, x in r["cpu"].items()
        ]
        found.append(
            ("peak RSS of the peer / ours, pages of mapped files counted", r["resident_per_process"], 5, 8, "x", True)
        )
        found.append(("peak RSS of the peer / ours, without them", r["anonymous"], 5, 8, "x", True))
        found.append(("error at the centre, ours / that of the peer", r["centre"], 1, None, "", False))
        found.append(("worst error at a corner, ours / that of the peer", r["corner"], 1, None, "", False))
    for order, e in results["efficiency"].items():
        found.append((f"efficiency on 2 ranks, -o {order}, best walls", e["best"], 0.8, None, "", True))
        found.append((f"CPU on 1 rank / CPU on 2 ranks, -o {order} (waiting counted)", e["cpu"], 0.8, None, "", True))
    for entry in results["memory"].values():
        if "own" in entry:
            what = f"own memory of a rank, {entry['ranks']} rank(s)"
            found.append((what, entry["own"] / 1e6, 100, None, "MB", False))
    return found


def ddic(results: dict) -> list[Figure]:
    """Figures of hpcdvc-ddic."""
    runs, found = results["runs"], []
    if "spam -o 1" in runs:
        for name in ("hpcdvc -o 1", "hpcdvc -o 3"):
            ratio = runs["spam -o 1"]["cpu"] / runs[name]["cpu"]
            found.append((f"CPU of spam-ddic -o 1 / {name}, -np 2", ratio, 15, 30, "x", True))
    ours = runs["hpcdvc -o 3"]
    found.append(("median error of the displacement", ours["median"], 0.006, None, "voxel", False))
    found.append(("median error of the rotation", ours["angle"], 0.03, None, "degrees", False))
    found.append(("worst error of a converged label", ours["worst"], 0.3, None, "voxel", False))
    anonymous = results["memory"]["hpcdvc -o 3"]["anonymous_per_process"] / 1e6
    found.append(("anonymous memory per rank", anonymous, 100, None, "MB", False))
    for name, entry in results["balance"].items():
        found.append((f"makespan / ideal, {name}", entry["makespan"], 1.15, None, "", False))
    return found


def gdic(results: dict) -> list[Figure]:
    """Figures of hpcdvc-gdic."""
    runs, memory, found = results["runs"], results["memory"], []
    for name in (name for name in runs if name.startswith("spam")):
        ours, nodes = f"{name.replace('spam', 'hpcdvc')}, 1 rank(s)", name.partition(", ")[2]
        found.append((f"CPU of spam-gdic / ours, {nodes}", runs[name]["cpu"] / runs[ours]["cpu"], 1, None, "x", True))
        least = runs[name]["median"] / runs[ours]["median"]
        found.append((f"median error of spam-gdic / ours, {nodes}", least, 1, None, "x", True))
        if "anonymous" in memory.get(name, {}):
            ratio = memory[name]["anonymous"] / memory[ours.replace("1 rank", "2 rank")]["anonymous"]
            found.append((f"memory of spam-gdic / ours on 2 ranks, {nodes}", ratio, 1, None, "x", True))
    wall = runs["hpcdvc, regularised, 2 ranks"]["wall"]
    found.append(("regularised run on 2 ranks", wall, 600, None, "s", False))
    return found


def pages(results: dict) -> list[Figure]:
    """Figures of the pages."""
    found = [(f"listening, {name}", min(times), 1, None, "s", False) for name, times in results["listening"].items()]
    for name, r in results["first picture"].items():
        found.append((f"first picture, {name}", r["first"], 15, None, "s", False))
        beyond = (r["anonymous"] - r["levels"]) / 1e6
        found.append((f"anonymous memory beyond both levels, {name}", beyond, 200, None, "MB", False))
    for name, r in results["nudge"].items():
        seconds, size = (0.15, 700) if "1000^2" in name else (0.04, 150)
        found.append((f"CPU of a nudge, {name}", r["cpu"] * 1e3, seconds * 1e3, None, "ms", False))
        found.append((f"bytes of a nudge, {name}", r["bytes"] / 1e3, size, None, "kB", False))
    for name, r in results["latency"].items():
        goal = 300 if "slow" in name else 50 if name == "100^3" else 150
        found.append((f"key to pixels, {name}, median", r["median"], goal, None, "ms", False))
        found.append((f"settled after many keys, {name}", r["settled"], 0.5, None, "s", False))
    return found


def shifts(results: dict, memory_of_all: Callable[[dict], float]) -> list[Figure]:
    """Figures of shifts at every pixel of a stack."""
    found = [
        (f"parallel efficiency of {name} on 2 ranks, best walls", e["best"], 0.85, None, "", True)
        for name, e in results["efficiency"].items()
    ]
    for name, peak in results["memory"].items():
        found.append((f"memory of {name}, beyond the mapped files", memory_of_all(peak) / 1e6, 1000, None, "MB", False))
    return found


def align(results: dict) -> list[Figure]:
    """Figures of hpcdvc-align."""
    found = []
    for name, times in results["projector"].items():
        if not name.endswith("mumott"):
            for way, goal in (("forward", 1.2), ("adjoint", 1.0)):
                found.append((f"CPU of {way}, {name}", min(times[way]), goal, None, "s", False))
    limits = {"single axis": ((0.03, 0.01), (0.005, 0.004)), "dual tilt": ((0.015, None), (0.005, None))}
    for name, pair in limits.items():
        for way, rms, (goal, aim) in zip("jk", results["runs"][name]["rms"], pair, strict=True):
            found.append((f"rms of offsets along {way}, {name}", rms, goal, aim, "pixel", False))
    for name, r in results.get("recorded", {}).items():
        if "rms" in r:
            for way, rms, goal in zip("jk", r["rms"], (0.3, 0.15), strict=False):  # of two rows only j
                found.append((f"rms of what is recovered along {way}, {name}", rms, goal, None, "pixel", False))
        else:
            before, after = r["residual"]
            found.append((f"residual after / before, {name}", after / before, 1, None, "", False))
    if "mumott" in results["iteration"]:
        ratio = results["iteration"]["mumott"] / results["iteration"]["ours"]
        found.append(("CPU of mumott / ours, one iteration", ratio, 20, None, "x", True))
    for mode, e in results["efficiency"].items():
        found.append((f"parallel efficiency on 2 ranks, {mode}, best walls", e["best"], 0.85, None, "", True))
        found.append((f"CPU on 1 rank / CPU on 2 ranks, {mode}", e["cpu"], 0.85, None, "", True))
    return found


def mmr(results: dict) -> list[Figure]:
    """Figures of hpcdvc-mmr."""
    runs, samples, n, found = results["runs"], results["samples"], results["voxels"], []
    if "spam" in runs:
        each = {name: min(run["cpus"]) / run["iterations"] for name, run in runs.items()}
        what = "CPU per voxel and iteration of spam's library / ours"
        found.append((f"{what}, all in", each["spam"] / each["hpcdvc"], 20, None, "x", True))
        one_more = runs["spam"]["iteration"] / n * 1e9
        ratio = one_more / min(results["passes"]["2 degrees"])
        found.append((f"{what}, one more iteration / a pass over all voxels", ratio, 20, None, "x", True))
    if samples:
        simulated = samples["simulated"]
        found.append(("error of the displacement, three phases", simulated["t"], 0.008, 0.005, "voxel", False))
        found.append(("error of F, three phases", simulated["F"], 5e-4, 2e-4, "", False))
        for name in ("concrete, rigid", "concrete, affine"):
            ratio, status = samples[name]["explained"], samples[name]["status"]
            found.append((f"correlation ratio, {name}", ratio, 0.78, None, "", True))
            found.append((f"status, {name}", status, 2, None, "", True))
    return found


def deform(results: dict) -> list[Figure]:
    """Figures of hpcdvc-deformImage."""
    found = []
    if "per_voxel" in results:
        seconds = results["per_voxel"]["field"]
        what = f"CPU per voxel of the peer / ours, field of {results['nodes']} nodes, 1 process"
        found.append((what, seconds["peer"] / seconds["ours"], 100, None, "x", True))
    return found


def search(results: dict) -> list[Figure]:
    """Figures of hpcdvc-pixelSearch."""
    found = []
    for reach, goal, aim in (("5", 12, 30), ("10", 30, 80), ("20", 70, 180)):
        other = results.get("peer kernel", {}).get(reach)
        ratio = other and other / results["kernel"]["whole"][reach]
        found.append((f"kernel, CPU of the peer / ours, 21^3 voxels, +-{reach}", ratio, goal, aim, "x", True))
    runs = results["runs"]
    for name, goal, aim in (("nodes", 15, 30), ("particles", 10, None)):
        ratio = runs[f"peer {name}"]["cpu"] / runs[name]["cpu"] if f"peer {name}" in runs else None
        found.append((f"whole run, CPU of the peer / ours, {name}, 2 processes", ratio, goal, aim, "x", True))
    for points, r in results["propagation"].items():
        if int(points) > 50_000:
            found.append((f"propagation of {points} points, 2 ranks, wall", r["wall"] / 60, 3, None, "min", False))
    return found


def fields(results: dict) -> list[Figure]:
    """Figures of the commands that make fields of fields."""
    found, side = [], results["options"]["side"]
    for name in ("passPhiField", "LQC"):
        entry = results["whole"][name]
        found.append((f"{name}, {side}^3 nodes, 2 ranks, CPU", entry["cpu"], 60, None, "s", False))
        memory = entry.get("resident_per_process")
        found.append((f"{name}, memory of a rank", memory and memory / 1e9, 2, None, "GB", False))
    for name, entry in results["beside"].items():
        if f"spam: {name}" in results["beside"]:
            ratio = results["beside"][f"spam: {name}"]["cpu"] / entry["cpu"]
            found.append((f"{name}, CPU of the peer / ours, 2 processes", ratio, 1, None, "x", True))
    found.append(("outliers that -smed finds", results["outliers"]["found"], 95, None, "%", True))
    found.append(("others that it takes for outliers", results["outliers"]["false"], 0.5, None, "%", False))
    return found


def strain(results: dict) -> list[Figure]:
    """Figures of the strain of fields."""
    found, side, entry = [], results["options"]["side"], results["whole"]["Geers"]
    found.append((f"Geers, {side}^3 nodes, 2 ranks, CPU", entry["cpu"], 60, None, "s", False))
    memory = entry.get("resident_per_process")
    found.append(("Geers, memory of a rank", memory and memory / 1e9, 2, None, "GB", False))
    for name, run in results["beside"].items():
        if f"spam: {name}" in results["beside"]:
            ratio = results["beside"][f"spam: {name}"]["cpu"] / run["cpu"]
            found.append((f"{name}, CPU of the peer / ours, 2 processes", ratio, 1, None, "x", True))
    # principal values of no strain repel each other
    ratios = [r for entry in results["scatter"] for name, r in entry["ratios"].items() if name != "Up"]
    found.append(("reported std / scatter, least", min(low for low, _ in ratios), 0.85, None, "x", True))
    found.append(("reported std / scatter, largest", max(high for _, high in ratios), 1.15, None, "x", False))
    return found


def table(figures: list[Figure]) -> str:
    """Markdown: measured, goal, aim, and whether it was reached."""
    lines = ["| what | measured | goal | aim | |", "|--|--|--|--|--|"]
    for what, value, goal, aim, unit, more in figures:
        if value is None:
            verdict, shown = "not measured", "-"
        else:
            reached = [g is not None and (value >= g if more else value <= g) for g in (goal, aim)]
            verdict = "aim reached" if reached[1] else "reached" if reached[0] else "**missed**"
            shown = f"{value:.1e}" if abs(value) < 1e-3 else f"{value:.3g}" if value < 1000 else f"{value:.0f}"
        sign = ">=" if more else "<="
        lines.append(f"| {what} | {shown} {unit} | {sign} {goal:g} | {'' if aim is None else aim} | {verdict} |")
    return "\n".join(lines)
