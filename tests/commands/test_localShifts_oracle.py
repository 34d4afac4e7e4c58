"""hpcdvc-localShifts against algotom and the truth, on any number of ranks."""

import numpy as np
import pytest

import hpcdvc
from hpcdvc.options.localShifts import Options
from hpcdvc.options.parser import parse
from hpcdvc.ranks.team import Team
from hpcdvc.workflows.localShifts import run

#: Case, line, what algotom has found with it, and root mean square error against the truth at most, pixels.
CASES = [
    ("alg_local_2d", "-hws 7 -sr 5", "out_nonorm", 0.1),
    ("alg_local_2d", "-hws 7 -sr 5 -norm rowcol", "out_diff", 0.13),
    ("alg_local_2d", "-hws 7 -sr 5 -norm rowcol -pm poly -psize 5", "out_poly5", 0.16),
    ("alg_local_2d", "-hws 7 -sr 5 -pm gnaffine", None, 0.06),
    ("alg_local_3d", "-hws 3 -sr 4", "out_dim2", 0.04),
    ("alg_local_3d", "-hws 3 -sr 4 -pm poly", "out_dim2_poly", 0.05),
    ("alg_local_3d", "-hws 3 -sr 4 -dim 1", "out_dim1_nonorm", 0.6),
    ("alg_local_3d", "-hws 3 -sr 4 -dim 1 -norm global", "out_dim1_normglobal", 0.6),
]


@pytest.mark.mpi
@pytest.mark.parametrize(("case", "words", "theirs", "most"), CASES)
def test_against_algotom(case, words, theirs, most, shared, team, shared_tmp_path):
    """Its windows are of the second image, its displacement is (x, y) from the second to the first."""
    folder = shared / "oracle" / "seeds234" / case
    line = [
        str(folder / "in_ref.npy"),
        str(folder / "in_mat.npy"),
        "-template",
        "im2",
        *words.split(),
        "-pre",
        "P",
        "-q",
    ]
    run(parse(Options, [*line, "-od", str(shared_tmp_path / "all")]), team)
    if team.rank:
        return
    run(parse(Options, [*line, "-od", str(shared_tmp_path / "alone")]), Team())
    together, alone = (shared_tmp_path / who / "P-localShifts.hdf" for who in ("all", "alone"))
    assert together.read_bytes() == alone.read_bytes()
    result = hpcdvc.read(together)
    rim = 11 if case == "alg_local_3d" else 17
    inside = np.zeros(result.return_status.shape, bool)
    inside[rim:-rim, rim:-rim] = True
    both = inside & result.measured
    assert both.sum() > (0.4 if "-dim 1" in words else 0.97) * inside.sum()
    found = result.displacement[both][:, 1:]
    if theirs:
        x, y = np.load(folder / f"{theirs}.npy")
        np.testing.assert_allclose(found, -np.stack([y, x], axis=-1)[both], atol=1e-4)
    truth = np.stack([np.load(folder / f"truth_u{axis}.npy") for axis in "yx"], axis=-1)
    assert np.sqrt(((found - truth[both]) ** 2).mean(axis=0)).max() < most
