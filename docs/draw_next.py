"""Which command next: questions to the images and to the last result, the commands that answer them."""

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

INK, LINE, YES, NO = "#1f2a36", "#5b6b7a", "#2d7d32", "#b3261e"
FILLS = {"question": "#ffffff", "command": "#e3eefb", "result": "#f6f1df"}
#: Middle of the columns and half the width of their boxes.
COLUMNS = {"question": (1.5, 1.3), "command": (5.1, 1.45), "result": (8.8, 1.1)}
HALF_HEIGHT, DOWN = 0.36, 1.25

#: A row: question, commands, what is kept, when it is.
ROWS = (
    (
        "turned, far away, or\nanother modality?",
        "hpcdvc-ereg\nhpcdvc-reg --auto, hpcdvc-mmr",
        "Φ: a start",
        "looks right",
    ),
    ("one motion for\nthe whole image?", "hpcdvc-reg", "Φ", "converged"),
    (
        "jumps, or parts that moved\nby more than 5 voxels?",
        "hpcdvc-pixelSearch\nhpcdvc-pixelSearchPropagate",
        "field of Φ",
        "correlation high",
    ),
    (
        "a few voxels are left",
        "hpcdvc-ldic, hpcdvc-ddic\nhpcdvc-gdic",
        "field of Φ with\nstandard deviations",
        "status 2",
    ),
    ("points wrong or missing?", "hpcdvc-filterPhiField\nor a second pass: -pf, -skp", "field of Φ", "agrees around"),
)
LAST = "hpcdvc-regularStrain, hpcdvc-discreteStrain, hpcdvc-gauge\nstrain, numbers, curves"
FIRST = "what is left of the difference?\nhpcdvc-deformImage --residual"


def box(axes: Axes, kind: str, x: float, y: float, half: float, text: str) -> None:
    """A box with words in its middle; commands are round."""
    shape = "round,pad=0,rounding_size=0.2" if kind == "command" else "square,pad=0"
    axes.add_patch(
        FancyBboxPatch(
            (x - half, y - HALF_HEIGHT), 2 * half, 2 * HALF_HEIGHT, boxstyle=shape,
            facecolor=FILLS[kind], edgecolor=INK, linewidth=1.1, zorder=3,
        )
    )  # fmt: skip
    weight = "bold" if kind == "command" else "normal"
    axes.text(x, y, text, ha="center", va="center", color=INK, fontsize=8, weight=weight, zorder=4)


def arrow(axes: Axes, begin: tuple, end: tuple, text: str = "", colour: str = LINE, style: str = "-") -> None:
    """An arrow with a word above it, or to its left where it leads down."""
    shape = {"arrowstyle": "-|>", "color": colour, "linewidth": 1.2, "linestyle": style, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", end, begin, arrowprops=shape, zorder=2)
    x, y = (begin[0] + end[0]) / 2, (begin[1] + end[1]) / 2
    level = begin[1] == end[1]
    axes.text(
        x if level else x - 0.1, y + 0.07 if level else y, text, fontsize=7, color=colour,
        ha="center" if level else "right", va="bottom" if level else "center",
    )  # fmt: skip


def row(axes: Axes, y: float, words: tuple[str, str, str, str], last: bool) -> None:
    """A question, to its right the commands and what they leave."""
    for (kind, (x, half)), text in zip(COLUMNS.items(), words[:3], strict=True):
        box(axes, kind, x, y, half, text)
    (question, wide), (command, half), (result, narrow) = COLUMNS.values()
    always = "?" not in words[0]
    arrow(axes, (question + wide, y), (command - half, y), "" if always else "yes", LINE if always else YES)
    arrow(axes, (command + half, y), (result - narrow, y), words[3])
    below = y - DOWN + HALF_HEIGHT
    if not last:
        arrow(axes, (question, y - HALF_HEIGHT), (question, below), "" if always else "no", LINE if always else NO)
        arrow(axes, (result - narrow, y - 0.2), (command + 0.4, below), style="--")
    axes.plot([result + narrow, 10.4], [y, y], color=LINE, linewidth=1.2)


def draw_next(path: Path) -> None:
    """The flow from two images to a strain, with the residual as the judge of every step."""
    figure, axes = plt.subplots(figsize=(9, 7.6))
    bottom = -DOWN * (len(ROWS) + 1)
    axes.set(xlim=(0, 10.6), ylim=(bottom - HALF_HEIGHT - 0.75, HALF_HEIGHT + 0.1))
    axes.set_axis_off()
    box(axes, "command", 5.1, 0, 2.1, FIRST)
    for number, words in enumerate(ROWS, 1):
        row(axes, -DOWN * number, words, number == len(ROWS))
    box(axes, "command", 5.1, bottom, 2.6, LAST)
    question = COLUMNS["question"][0]
    corner = [question, question], [0, -DOWN + HALF_HEIGHT]
    axes.plot([3.0, question], [0, 0], color=LINE, linewidth=1.2)
    arrow(axes, (question, 0), (corner[0][1], corner[1][1]), "structure")
    axes.plot([10.4, 10.4], [-DOWN * len(ROWS), 0], color=LINE, linewidth=1.2)
    arrow(axes, (10.4, 0), (7.2, 0), "look at the residual of each result")
    axes.plot([question, question], [-DOWN * len(ROWS) - HALF_HEIGHT, bottom], color=LINE, linewidth=1.2)
    arrow(axes, (question, bottom), (2.5, bottom), "no", NO)
    arrow(axes, (COLUMNS["result"][0], -DOWN * len(ROWS) - HALF_HEIGHT), (7.0, bottom + HALF_HEIGHT))
    axes.plot([0.3, 0.9], [bottom - 0.75] * 2, color=LINE, linestyle="--", linewidth=1.2)
    note = "the next command starts there: -pf"
    axes.text(1.0, bottom - 0.75, note, fontsize=7.5, va="center", color=INK)
    figure.savefig(path)
    plt.close(figure)
