"""The rooms of the package: a picture of which package imports which, made from the files."""

from pathlib import Path

import matplotlib.pyplot as plt
from layers import FILES, FLOOR, ROOT, imported_packages, layer
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

#: Size of a box and steps of the stairs, in units of the axes.
WIDTH, HEIGHT, RIGHT, DOWN = 1.7, 0.66, 1.12, 1.0
INK, LINE, FLOORS, ROOM = "#1f2a36", "#9aa7b4", ("#f4f6f8", "#e6ebf0"), "#ffffff"


def lines_of_code() -> dict[str, int]:
    """Lines by package; those of the kernels are in cython/, too."""
    lines = dict.fromkeys(FLOOR, 0)
    for module, path in FILES.items():
        if "." in module:
            lines[layer(module)] += len(path.read_text().splitlines())
    compiled = [path for path in (ROOT / "cython").rglob("*") if path.suffix in (".pyx", ".pxi", ".pxd", ".c", ".h")]
    lines["kernels"] += sum(len(path.read_text().splitlines()) for path in compiled)
    return lines


def draw_rooms(path: Path) -> None:
    """One box a package, from the top floor down as stairs; a line leads from each to all that it imports."""
    imported = imported_packages()
    names, lines = list(imported), lines_of_code()
    figure, axes = plt.subplots(figsize=(0.68 * len(names), 0.53 * len(names)))
    axes.set_xlim(-0.3, RIGHT * (len(names) - 1) + WIDTH + 0.2)
    axes.set_ylim(-DOWN * (len(names) - 1) - HEIGHT, HEIGHT)
    axes.set_axis_off()
    draw_floors(axes, names)
    for step, name in enumerate(names):
        draw_imports(axes, step, [names.index(other) for other in imported[name]])
    for step, name in enumerate(names):
        x, y = place(step)
        box = FancyBboxPatch(
            (x, y - HEIGHT / 2), WIDTH, HEIGHT, boxstyle="round,pad=0,rounding_size=0.1",
            facecolor=ROOM, edgecolor=INK, linewidth=1.2, zorder=3,
        )  # fmt: skip
        axes.add_patch(box)
        axes.text(
            x + WIDTH / 2, y + 0.12, name, ha="center", va="center", fontsize=8, color=INK, weight="bold", zorder=4
        )
        axes.text(x + WIDTH / 2, y - 0.17, f"{lines[name]} lines", ha="center", va="center", fontsize=7, zorder=4)
    axes.plot(0.2, y, "o", color=INK, markersize=4)
    axes.text(0.45, y, "the package to the left imports the one below", va="center", fontsize=8, color=INK)
    figure.savefig(path)


def place(step: int) -> tuple[float, float]:
    """Left end and middle of a box."""
    return RIGHT * step, -DOWN * step


def draw_floors(axes: Axes, names: list[str]) -> None:
    """A band behind the boxes of each floor."""
    floors = sorted({FLOOR[name] for name in names})
    for number, floor in enumerate(floors):
        steps = [step for step, name in enumerate(names) if FLOOR[name] == floor]
        top, bottom = -DOWN * (steps[0] - 0.5), -DOWN * (steps[-1] + 0.5)
        axes.axhspan(bottom, top, color=FLOORS[number % 2], linewidth=0, zorder=0)


def draw_imports(axes: Axes, step: int, targets: list[int]) -> None:
    """From a box to the right, and down into each box that it imports; a dot where lines meet."""
    if not targets:
        return
    x, y = place(step)
    middles = {target: place(target)[0] + WIDTH * 0.72 for target in targets}
    axes.plot([x + WIDTH, max(middles.values())], [y, y], color=LINE, linewidth=1.1, zorder=1)
    for target, middle in middles.items():
        arrow = {"arrowstyle": "-|>,head_width=0.25,head_length=0.5", "color": LINE, "linewidth": 1.1}
        top = place(target)[1] + HEIGHT / 2
        axes.annotate("", (middle, top), (middle, y), arrowprops={**arrow, "shrinkA": 0, "shrinkB": 0}, zorder=2)
        axes.plot(middle, y, "o", color=INK, markersize=4, zorder=3)
