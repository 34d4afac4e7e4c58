"""Numbers of a gauge as comma-separated values, which say in their first lines what they are of, and as a picture."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcdvc.fields.status import Family, Status, reason_of
from hpcdvc.fields.strain import PAIRS
from hpcdvc.output import files

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Bytes that a picture takes at most.
PICTURE = 2**21
#: What the column `status` says of a row.
MEASURED, NOT_MEASURED = int(Status.CONVERGED), int(Status.NOT_REACHED)
MEANING = f"status {MEASURED}: measured; {NOT_MEASURED}: {reason_of(NOT_MEASURED, Family.PASSED)}"
#: Columns that count.
WHOLE = ("step", "status", "points", "strain_places", "A_columns", "B_columns", "strain_columns")
COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown")
#: Steps of which profiles are drawn, each in its colour.
MOST_PROFILES = 3


@dataclass(frozen=True, eq=False)
class GaugeTable:
    """What a gauge says of a series.

    Attributes
    ----------
    head : lines in front of the table: command, version, files, what was removed
    columns : (rows,) by name; `step` first
    gauge : which it is, in words
    kind : line, planes, box, mask, label or profile
    """

    head: Sequence[str]
    columns: Mapping[str, np.ndarray]
    gauge: str
    kind: str

    @classmethod
    def of(cls, head: Sequence[str], readings: Sequence[Mapping[str, Any]], gauge: str, kind: str) -> "GaugeTable":
        """The table of what was read at each step; a step without numbers has a row of NaN.

        Parameters
        ----------
        head, gauge, kind : of the table
        readings : numbers, or (m,) columns, by name, of each step; empty where nothing is measured
        """
        names = next(list(values) for values in readings if values)
        measures = next(name for name in names if name in ("Zdisp", "A_Zdisp", "strain"))
        parts = []
        for step, values in enumerate(readings, 1):
            part = {name: np.atleast_1d(np.asarray(values.get(name, np.nan), float)) for name in names}
            there = np.isfinite(part[measures])
            status = np.where(there, MEASURED, NOT_MEASURED)
            parts.append({"step": np.full(len(status), step), "status": status, **part})
        columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        for name in WHOLE:
            if name in columns:  # nothing is measured: none are there
                columns[name] = np.nan_to_num(columns[name]).astype(int)
        return cls(head, columns, gauge, kind)

    def write(self, path: str) -> None:
        """Write it (one rank)."""
        names = list(self.columns)
        formats = ["%d" if name in WHOLE else "%.15g" for name in names]
        rows = len(self.columns["step"])
        size = 24 * rows * len(names) + sum(map(len, self.head)) + 4096
        with files.whole_file(path, size) as temporary, files.fill(temporary, encoding="utf-8") as file:
            file.writelines(f"# {line}\n" for line in self.head)
            file.write(",".join(names) + "\n")
            files.write_table(file, list(self.columns.values()), formats, ",")

    def draw(self, path: str) -> None:
        """Draw it as a PNG (one rank): curves with a band of one standard deviation to both sides."""
        from matplotlib.figure import Figure

        panels = [panel for panel in self._panels() if any(np.isfinite(self.columns[name]).any() for name in panel[1])]
        figure = Figure((max(5.5 * len(panels), 5.5), 4.4), layout="constrained")
        for axis, (title, names) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            if self.kind == "profile":
                self._draw_profiles(axis, names)
            else:
                for name, colour in zip(names, COLOURS, strict=False):
                    self._draw_curve(axis, name, colour)
            axis.set_ylabel(title)
            axis.grid(alpha=0.3)
            axis.ticklabel_format(axis="y", scilimits=(-3, 4), useOffset=False)
            if len(names) > 1 or self.kind == "profile":
                axis.legend(fontsize=8)
        figure.suptitle(self.gauge.replace("$", r"\$"), fontsize=10)
        content = io.BytesIO()
        figure.savefig(content, dpi=110, format="png", metadata={"Software": None})
        with files.whole_file(path, PICTURE) as temporary, files.fill(temporary, "wb") as file:
            file.write(content.getvalue())

    def _panels(self) -> list[tuple[str, tuple[str, ...]]]:
        """Label of the vertical axis and columns of each panel."""
        if self.kind == "line":
            return [("strain", ("strain",))]
        disp, strain = "displacement, voxel", "strain"
        if self.kind == "planes":
            axes = ("Z", "Y", "X")
            return [(disp, tuple(f"{plane}_{a}disp" for a in axes for plane in "AB")), (strain, ("strain",))]
        return [(disp, ("Zdisp", "Ydisp", "Xdisp")), (strain, tuple(f"e{pair}" for pair in PAIRS))]

    def _draw_curve(self, axis: "Axes", name: str, colour: str) -> None:
        """One number over the steps."""
        step, values = self.columns["step"], self.columns[name]
        std = np.nan_to_num(self.columns[f"{name}_std"])
        label = name.replace("_", " ")
        if len(step) == 1:
            axis.errorbar(step, values, std, fmt="o", color=colour, capsize=4, label=label)
        else:
            axis.plot(step, values, "o-", color=colour, markersize=3, label=label)
            axis.fill_between(step, values - std, values + std, color=colour, alpha=0.25, linewidth=0)
        if len(step) == 1:
            axis.set(xlim=(step[0] - 0.5, step[0] + 0.5), xticks=step)
        else:
            axis.locator_params(axis="x", integer=True)
        axis.set_xlabel("step")
        if np.any(std > 0):
            axis.set_title(f"{'band' if len(step) > 1 else 'bar'}: one standard deviation", fontsize=8)

    def _draw_profiles(self, axis: "Axes", names: tuple[str, ...]) -> None:
        """Numbers along a line; the last steps where there are many."""
        steps = np.unique(self.columns["step"])
        chosen = steps[np.unique(np.linspace(0, len(steps) - 1, MOST_PROFILES).astype(int))]
        for place, step in enumerate(chosen):
            rows = self.columns["step"] == step
            distance = self.columns["distance"][rows]
            for name, colour in zip(names, COLOURS, strict=False):
                values = self.columns[name][rows]
                strength = (place + 1) / len(chosen)
                label = f"{name}" + f", step {step}" * (len(steps) > 1) if step == chosen[-1] else None
                axis.plot(distance, values, color=colour, alpha=strength, label=label)
                if f"{name}_std" in self.columns:
                    std = np.nan_to_num(self.columns[f"{name}_std"][rows])
                    axis.fill_between(distance, values - std, values + std, color=colour, alpha=0.25, linewidth=0)
        axis.set_xlabel("distance along the line, voxel")
        if len(steps) > 1:
            axis.set_title(f"{len(chosen)} of {len(steps)} steps, the later the stronger", fontsize=8)
