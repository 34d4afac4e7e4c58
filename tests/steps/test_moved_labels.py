"""Motions of labels by several steps as one."""

import numpy as np

from hpcdvc.fields.field import Field
from hpcdvc.fields.phi import rotation_matrix
from hpcdvc.fields.status import Status
from hpcdvc.steps.moved_labels import in_sequence


def field(labels, positions, turns, moves, status) -> Field:
    phi = np.tile(np.eye(4), (len(labels), 1, 1))
    phi[:, :3, :3], phi[:, :3, 3] = rotation_matrix(np.array(turns, float)), moves
    none = np.zeros(len(labels))
    extra = {"label": np.array(labels, "u4"), "zncc": none}
    return Field(np.array(positions, float), phi, np.array(status, "i4"), none, none.astype("i4"), none, extra=extra)


def test_steps_about_other_points():
    rng = np.random.default_rng(1)
    place, turns, moves = rng.uniform(0, 50, (2, 3, 3)), rng.uniform(-20, 20, (2, 3, 3)), rng.uniform(-9, 9, (2, 3, 3))
    first = field([2, 5, 2**32 - 1], place[0], turns[0], moves[0], [2, 2, 2])
    second = field([2**32 - 1, 2, 5], place[1], turns[1], moves[1], [2, 2, 2])
    whole, points = in_sequence([first, second]), rng.uniform(0, 50, (3, 3))
    assert whole.measured.all() and list(whole.extra) == ["label"]

    def moved(by: Field, row: int, point: np.ndarray) -> np.ndarray:
        return by.positions[row] + by.displacement[row] + by.phi[row, :3, :3] @ (point - by.positions[row])

    for row, in_second in enumerate((1, 2, 0)):
        expected = moved(second, in_second, moved(first, row, points[row]))
        assert np.allclose(moved(whole, row, points[row]), expected)


def test_only_what_every_step_has_measured():
    def step(labels: list[int], status: list[int]) -> Field:
        zeros = np.zeros((len(labels), 3))
        return field(labels, zeros, zeros, zeros + (0, 0, 1), status)

    whole = in_sequence([step([1, 2, 3, 4], [2, 2, -9, 2]), step([1, 2, 4], [2, -3, 2]), step([1], [2])])
    assert whole.return_status.tolist() == [2, -3, -9, Status.LEFT_IMAGE]
    assert np.array_equal(whole.displacement[0], (0, 0, 3))


def test_one_step_is_itself():
    one = field([7], [(1, 2, 3)], [(0, 0, 5)], [(4, 5, 6)], [2])
    assert np.array_equal(in_sequence([one]).phi, one.phi)
