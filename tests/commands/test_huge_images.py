"""Images that no machine holds: every number that is said of them is right, or there is one sentence."""

import logging
import math
import re

import numpy as np
import pytest
from deform_cases import save_deformations
from ldic_cases import FIELD, SHAPE

from hpcdvc.errors import UserError
from hpcdvc.fields.grid import make_grid
from hpcdvc.images.volume import VolumeInfo
from hpcdvc.options.parser import parse
from hpcdvc.ranks.team import Team
from hpcdvc.workflows import deformImage, ldic, reg

HUGE = (2**22, 2**21, 2**21)


@pytest.fixture
def huge(tmp_path, monkeypatch):
    """All images are huge, as far as their headers tell."""
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        open(name, "w").close()

    def describe(spec: str, every_slice: bool, scan: bool, raw_layout: object) -> VolumeInfo:
        return VolumeInfo(spec, spec, None, HUGE, np.dtype("u1"), False, 0, "npy", (spec,))

    monkeypatch.setattr("hpcdvc.runs.inputs.describe", describe)


def test_nodes_beyond_63_bits():
    assert make_grid(HUGE, (1, 1, 1)).size == math.prod(n - 1 for n in HUGE) > 2**63


@pytest.mark.parametrize("spacing", [1, 100])
def test_ldic(huge, spacing):
    options = parse(ldic.Options, ["a", "b", "-ns", str(spacing), "-hws", "4", "--dry-run"])
    with pytest.raises(UserError, match="no space for the results in .*: [0-9.]+ GB are needed"):
        ldic.run(options, Team())


@pytest.mark.parametrize("spacing", [1, 100])
def test_estimate_of_ldic(huge, spacing, monkeypatch, caplog):
    monkeypatch.setattr("hpcdvc.runs.job.check_room", lambda *words, **more: None)
    with caplog.at_level(logging.INFO, "hpcdvc"):
        ldic.run(parse(ldic.Options, ["a", "b", "-ns", str(spacing), "-hws", "4", "--dry-run"]), Team())
    nodes = math.prod((n - 1) // spacing for n in HUGE)
    assert f"of {nodes} nodes" in caplog.text
    assert not re.search(r"\s-\d", caplog.text)


def test_estimate_of_reg(huge, caplog):
    with caplog.at_level(logging.INFO, "hpcdvc"):
        reg.run(parse(reg.Options, ["a", "b", "--dry-run"]), Team())
    hours = int(re.search(r"core time: (\d+):", caplog.text)[1])
    assert hours == pytest.approx(15e-9 * math.prod(HUGE) / 3600, rel=0.01)


def test_deform_image(huge):
    save_deformations(FIELD, SHAPE)
    with pytest.raises(UserError, match=r"no space for the results in .*: [0-9.]+ GB are needed"):
        deformImage.run(parse(deformImage.Options, ["a", "-pf", "reg.tsv", "--dry-run"]), Team())
