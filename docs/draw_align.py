"""A picture of an alignment of views."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from align_cases import save_scan

from hpcdvc.options.align import Options
from hpcdvc.output.sinogram import alignment_figure
from hpcdvc.ranks.team import Team
from hpcdvc.tomography.align import align
from hpcdvc.workflows.align import scan_of, settings_of


def draw_align(path: Path) -> None:
    """Views of a phantom that were displaced at random, aligned here and now."""
    file = path.with_suffix(".h5")
    save_scan(file, views=31, size=32)
    options = Options(scan=str(file))
    scan = scan_of(options)
    found = align(scan, settings_of(options), Team())
    file.unlink()
    states = found.history
    figure = alignment_figure(
        found.reference.transpose(0, 2, 1),
        np.array([state.offsets for state in states]),
        np.array([state.change for state in states]),
        np.degrees(scan.geometry.inner),
    )
    figure.savefig(path)
    plt.close(figure)
