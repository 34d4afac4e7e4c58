"""Volumes opened by a real team of ranks, and real volumes."""

import os

import numpy as np
import pytest
from test_images_refused import VOLUME, damage_last_slice, refused

from hpcdvc.errors import UserError
from hpcdvc.images import check_mask, check_pair, describe, open_volume

tifffile = pytest.importorskip("tifffile")


@pytest.mark.mpi
@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"byteorder": ">"}])
def test_team_opens_one_volume(team, shared_tmp_path, options):
    path = str(shared_tmp_path / "v.tif")
    info = team.agree(lambda: tifffile.imwrite(path, VOLUME, **options) or describe(path))
    volume = open_volume(info, team)
    assert isinstance(volume.base, np.memmap) == (not options)
    assert volume.dtype == np.dtype("u2") and not volume.flags.writeable
    np.testing.assert_array_equal(volume, VOLUME)
    team.barrier()


@pytest.mark.mpi
def test_team_fails_together(team, shared_tmp_path):
    """Only the rank that reads the last slice meets the damage; all tell it, and go on."""
    path = str(shared_tmp_path / "v.tif")
    info = team.agree(lambda: damage_last_slice(path) or describe(path))
    with pytest.raises(UserError, match=r"v\.tif is damaged") as caught:
        open_volume(info, team)
    assert len(set(team.all_gather(str(caught.value)))) == 1
    mapped = team.agree(lambda: tifffile.imwrite(path, VOLUME) or describe(path))
    team.agree(lambda: os.unlink(path))
    with pytest.raises(UserError, match="No such file"):
        open_volume(mapped, team)


REFUSED = ("b_corrupt.tif", "b_empty.tif", "b_text.tif", "b_trunc.tif")


def test_bad_inputs(shared, caplog):
    folder = shared / "oracle" / "bad-input"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    for path in sorted(folder.iterdir()):
        if path.name in REFUSED or path.suffix == ".tsv":
            refused(path)
        elif path.name == "rgb.tif":
            luminance = tifffile.imread(path) @ [0.299, 0.587, 0.114]
            np.testing.assert_allclose(open_volume(describe(str(path)))[0], luminance, rtol=1e-6)
        else:
            volume = open_volume(describe(str(path)))
            assert isinstance(volume.base, np.memmap)
            np.testing.assert_array_equal(volume, tifffile.imread(path).reshape(volume.shape))
    info = {name: describe(str(folder / f"{name}.tif")) for name in ("a", "b", "b_small", "im2d", "mask_small")}
    check_pair(info["a"], info["b"])
    for other in "b_small", "im2d":
        with pytest.raises(UserError, match=other):
            check_pair(info["a"], info[other])
    with pytest.raises(UserError, match="mask_small"):
        check_mask(info["a"], info["mask_small"])
    assert not caplog.records


def test_real_volumes(shared):
    paths = sorted(shared.glob("data/*/*.tif")) + sorted(shared.glob("oracle/spam/_inputs/*.tif"))
    if not paths:
        pytest.skip(f"no volumes in {shared}")
    for path in paths:
        volume = open_volume(describe(str(path)))
        np.testing.assert_array_equal(volume, tifffile.imread(path).reshape(volume.shape))


def test_real_slices(shared):
    folder = shared / "oracle" / "spam" / "_inputs" / "snow-slices"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    volume = open_volume(describe(str(folder)))
    np.testing.assert_array_equal(volume, tifffile.imread(sorted(map(str, folder.glob("*.tif")))))
