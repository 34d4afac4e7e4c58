"""A page of hpcdvc-mmr-graphical without a server: the small pair of mmr_cases, in a box."""

from pathlib import Path

import numpy as np
import tifffile
from mmr_cases import FIELD, MIDDLE, PAIR, SHAPE, images
from one_thread import OneThread

from hpcdvc.images import describe
from hpcdvc.pages.ereg_images import PairOfImages
from hpcdvc.pages.mmr import MmrPage
from hpcdvc.pages.mmr_files import MmrKept
from hpcdvc.pages.mmr_joint import Search
from hpcdvc.pages.mmr_state import MmrState, Picked

BOX = ((4, 36), (5, 41), (3, 39))
TRUTH = np.eye(4)
TRUTH[:3] = FIELD.phi(MIDDLE[None])[0]


def new_state() -> MmrState:
    """Without motion, 64 bins."""
    return MmrState(SHAPE, picked=Picked(BOX, bins=64))


def page_in(folder: Path) -> MmrPage:
    """A page whose images are there, and the joint histogram with its phases."""
    for name, image in zip(PAIR, images(), strict=True):
        tifffile.imwrite(folder / name, image, photometric="minisblack")
    pair = PairOfImages(*(describe(str(folder / name)) for name in PAIR), alike=False)
    made = MmrPage(pair, new_state(), MmrKept(str(folder / "P-phases"), {"im1": "one"}), ["line"], Search())
    made.begin(OneThread(made))
    return made


def act(page: MmrPage, *actions: dict, n: int):
    """Send actions, the last of which has this number."""
    return page.answer({"type": "act", "browser": "b", "n": n, "actions": list(actions)})


def joint(page: MmrPage) -> dict:
    """What is told of the joint histogram."""
    return page.answer({"type": "joint"}).content
