"""Lines through a mask."""

import numpy as np

from hpcdvc.fields.connection import connected_by, in_specimen


def test_lines_that_meet_a_gap():
    mask = np.ones((9, 9, 30), "u1")
    mask[:, :, 15] = 0
    start, ends = np.array([[4.0, 4.0, 5.0]]), np.array([[[4.0, 4.0, 14.0], [4.0, 4.0, 15.0], [8.0, 0.0, 16.0]]])
    assert connected_by(mask, start, ends).tolist() == [[True, False, False]]
    # through a hole of the gap, and from a voxel of it
    mask[4, 4, 15] = 1
    assert connected_by(mask, start, ends + (0, 0, 1)).tolist() == [[True, True, False]]
    assert not connected_by(mask, np.array([[3.0, 4.0, 15.0]]), ends).any()


def test_outside_there_is_no_specimen():
    mask = np.ones((4, 5, 6), "u1")
    points = np.array([[-0.5, 0, 0], [-0.6, 0, 0], [3.4, 4.4, 5.4], [3.5, 4, 5], [0, 0, 7]])
    assert in_specimen(mask, points).tolist() == [True, False, True, False, False]
