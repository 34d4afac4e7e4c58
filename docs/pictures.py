"""Pictures of the documentation, drawn from measurements made here and now and from the imports of the package.

The build of the pages draws those that are older than the code; `python docs/pictures.py` also docs/measurement.png,
the picture of the README, which is kept in the repository.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests" / "support"))

from draw_align import draw_align  # noqa: E402
from draw_architecture import draw_rooms  # noqa: E402
from draw_ddic import draw_ddic  # noqa: E402
from draw_fields import draw_filtered, draw_merged, draw_passed  # noqa: E402
from draw_fourier import draw_fourier  # noqa: E402
from draw_gallery import (  # noqa: E402
    draw_gallery_bone,
    draw_gallery_cement,
    draw_gallery_grains,
    draw_gallery_speckle,
    draw_gallery_tensile,
)
from draw_gauges import draw_gauges  # noqa: E402
from draw_gdic import draw_gdic  # noqa: E402
from draw_guide import draw_measurement, draw_tensile, draw_tensile_iterations  # noqa: E402
from draw_images import draw_alpha, draw_registration, draw_residuals  # noqa: E402
from draw_labels import draw_claims, draw_label_field, draw_moved  # noqa: E402
from draw_masks import draw_label, draw_label_depths, draw_mask  # noqa: E402
from draw_mesh import draw_meshes  # noqa: E402
from draw_mmr import draw_checkerboard, draw_modal_histogram, draw_modal_phases  # noqa: E402
from draw_multimodal import draw_multimodal  # noqa: E402
from draw_next import draw_next  # noqa: E402
from draw_refine import draw_refined  # noqa: E402
from draw_region import draw_region  # noqa: E402
from draw_regularisation import draw_regularisation  # noqa: E402
from draw_report import draw_report  # noqa: E402
from draw_search import draw_guiding, draw_jump, draw_spread  # noqa: E402
from draw_shift import draw_shift  # noqa: E402
from draw_shifts import draw_local_shifts  # noqa: E402
from draw_speckle_phase import draw_speckle_doubt, draw_speckle_phase  # noqa: E402
from draw_strain import draw_gauge, draw_particles, draw_strain_gap, draw_strain_map, draw_strain_modes  # noqa: E402
from draw_theory import draw_bias, draw_curvature, draw_noise, draw_window  # noqa: E402
from draw_umpa import draw_umpa  # noqa: E402
from draw_which_window import draw_which_window  # noqa: E402

plt.rcParams.update(
    {
        "font.size": 9,
        "axes.titlesize": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "savefig.dpi": 130,
        "savefig.bbox": "tight",
        "figure.constrained_layout.use": True,
    }
)

PICTURES: dict[str, Callable[[Path], None]] = {
    "next.png": draw_next,
    "measurement.png": draw_measurement,
    "tensile.png": draw_tensile,
    "tensile-iterations.png": draw_tensile_iterations,
    "registration.png": draw_registration,
    "residuals.png": draw_residuals,
    "alpha.png": draw_alpha,
    "report.png": draw_report,
    "region.png": draw_region,
    "jump.png": draw_jump,
    "spread.png": draw_spread,
    "guiding.png": draw_guiding,
    "shift.png": draw_shift,
    "local-shifts.png": draw_local_shifts,
    "strain.png": draw_strain_modes,
    "strain_map.png": draw_strain_map,
    "strain-gap.png": draw_strain_gap,
    "particles.png": draw_particles,
    "gauge.png": draw_gauge,
    "gauges.png": draw_gauges,
    "meshes.png": draw_meshes,
    "mask.png": draw_mask,
    "label.png": draw_label,
    "label-depths.png": draw_label_depths,
    "moved.png": draw_moved,
    "label-field.png": draw_label_field,
    "claims.png": draw_claims,
    "ddic.png": draw_ddic,
    "gdic.png": draw_gdic,
    "mmr-histogram.png": draw_modal_histogram,
    "mmr-phases.png": draw_modal_phases,
    "mmr-checkerboard.png": draw_checkerboard,
    "fourier.png": draw_fourier,
    "passed.png": draw_passed,
    "filtered.png": draw_filtered,
    "merged.png": draw_merged,
    "umpa.png": draw_umpa,
    "align.png": draw_align,
    "speckle-phase.png": draw_speckle_phase,
    "speckle-doubt.png": draw_speckle_doubt,
    "window.png": draw_window,
    "bias.png": draw_bias,
    "noise.png": draw_noise,
    "curvature.png": draw_curvature,
    "regularisation.png": draw_regularisation,
    "multimodal.png": draw_multimodal,
    "refined.png": draw_refined,
    "which-window.png": draw_which_window,
    "gallery-cement.png": draw_gallery_cement,
    "gallery-bone.png": draw_gallery_bone,
    "gallery-tensile.png": draw_gallery_tensile,
    "gallery-grains.png": draw_gallery_grains,
    "gallery-speckle.png": draw_gallery_speckle,
    "rooms.svg": draw_rooms,
}


def draw_all(folder: Path) -> None:
    """Draw the pictures that are older than the code."""
    folder.mkdir(exist_ok=True)
    sources = [*(ROOT / "hpcdvc").rglob("*.py"), *(ROOT / "cython").rglob("*.*"), *(ROOT / "docs").glob("*.py")]
    newest = max(path.stat().st_mtime for path in sources)
    for name, draw in PICTURES.items():
        path = folder / name
        if not path.exists() or path.stat().st_mtime < newest:
            draw(path)
            plt.close("all")


if __name__ == "__main__":
    draw_all(ROOT / "docs" / "pictures")
    draw_measurement(ROOT / "docs" / "measurement.png")
