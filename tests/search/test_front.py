"""The front of a propagation against a twin that compares all points with all: rounds, expected motion, gaps."""

import numpy as np
import pytest

from hpcdvc.search.front import LEAPS, NEIGHBOURS, Front

RNG = np.random.default_rng(2)


class Twin:
    """The same by distances between all points."""

    def __init__(self, positions, start, displacement, radius, width):
        self.p, self.width = np.vstack([positions, start]), width
        self.u = np.zeros((len(self.p), 3))
        self.u[-1] = displacement
        self.good = np.arange(len(self.p)) == len(positions)
        self.treated = self.good.copy()
        self.d = np.linalg.norm(self.p[:, None] - self.p[None], axis=2)
        np.fill_diagonal(self.d, np.inf)
        wanted = max(np.median(self.d.min(axis=1)), self.d[-1].min())
        self.radius = radius
        while self.radius < wanted:
            self.radius *= 2

    def next(self):
        for factor in (1.0, *LEAPS):
            self.reach = factor * self.radius
            near = (self.d[:, self.good] <= self.reach).any(axis=1) & ~self.treated
            if near.any():
                return np.flatnonzero(near)
        return np.empty(0, int)

    def guess(self, point):
        others = np.flatnonzero(self.good & (self.d[point] <= self.reach))
        if self.reach == self.radius:  # the nearest count, good or not
            nearest = np.argsort(self.d[point], kind="stable")[:NEIGHBOURS]
            others = np.intersect1d(others, nearest)
        others = others[np.argsort(self.d[point][others], kind="stable")][:NEIGHBOURS]
        weights = np.exp(-((self.d[point][others] / self.width) ** 2))
        return (weights[:, None] * self.u[others]).sum(axis=0) / weights.sum()

    def take(self, numbers, u, good):
        self.treated[numbers], self.good[numbers] = True, good
        self.u[numbers[good]] = u[good]


def cloud(count, size=60.0):
    return RNG.uniform(0, size, (count, 3))


@pytest.mark.parametrize(
    ("count", "radius", "fails"), [(1, 3, 0), (40, 2, 0), (300, 9, 0.2), (400, 14, 0.6), (300, 4, 0.5)]
)
def test_against_the_twin(count, radius, fails):
    positions, start = cloud(count), np.array([10.0, 20, 30])
    front, twin = (kind(positions, start, np.array([1.0, 2, 3]), radius, 7.0) for kind in (Front, Twin))
    assert front.radius == twin.radius
    rounds = 0
    while len(numbers := twin.next()):
        assert (front.next() == numbers).all()
        guesses = front.guesses(numbers)
        for number, guess in zip(numbers, guesses, strict=True):
            assert guess[:, 3] == pytest.approx(twin.guess(number), abs=1e-12) and (guess[:, :3] == np.eye(3)).all()
        guesses[:, :, 3] += RNG.normal(size=(len(numbers), 3))
        good = RNG.random(len(numbers)) >= fails
        front.take(numbers, guesses, good), twin.take(numbers, guesses[:, :, 3], good)
        rounds += 1
    assert len(front.next()) == 0 and (front.left == np.flatnonzero(~twin.treated)).all()
    assert rounds > 0 and (fails > 0 or len(front.left) == 0)


def test_rounds_are_shells_and_no_more_than_these():
    """A grid of 20^3 nodes from a corner: as many rounds as steps to the far corner."""
    positions = 10.0 * np.stack(np.meshgrid(*[np.arange(20)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    front = Front(positions, positions[0], np.zeros(3), 18.0, 20.0)
    sizes = []
    while len(numbers := front.next()):
        front.take(numbers, front.guesses(numbers), np.ones(len(numbers), bool))
        sizes.append(len(numbers))
    assert sizes == [8, *((k + 1) ** 3 - k**3 for k in range(2, 20))]


def test_nobody_is_good():
    front = Front(cloud(50), np.full(3, 30.0), np.zeros(3), 20, 10)
    first = front.next()
    front.take(first, front.guesses(first), np.zeros(len(first), bool))
    while len(numbers := front.next()):  # what is near the starting point alone
        front.take(numbers, front.guesses(numbers), np.zeros(len(numbers), bool))
    assert len(first) > 0


def test_far_neighbours_weigh_alike_where_weights_vanish():
    positions = np.array([[0.0, 0, 0], [0, 0, 50]])
    front = Front(positions, np.array([0.0, 0, -50]), np.array([1.0, 0, 0]), 60, 0.5)
    numbers = front.next()
    assert numbers.tolist() == [0] and front.guesses(numbers)[:, :, 3].tolist() == [[1, 0, 0]]


def test_expected_gradient():
    """Whole displacements of a twist that grows along x: F and displacement lie near the truth all the way."""
    grid = 8.0 * np.stack(np.meshgrid(np.arange(7), np.arange(7), np.arange(30), indexing="ij"), axis=-1).reshape(-1, 3)
    middle, rate = np.array([24.0, 24, 0]), np.radians(0.15)

    def truth(positions):
        z, y, x = (positions - middle).T
        cos, sin = np.cos(rate * x), np.sin(rate * x)
        phi = np.tile(np.eye(4)[:3], (len(positions), 1, 1))
        phi[:, 0, 0], phi[:, 0, 1], phi[:, 1, 0], phi[:, 1, 1] = cos, -sin, sin, cos
        phi[:, 0, 2], phi[:, 1, 2] = rate * (-sin * z - cos * y), rate * (cos * z - sin * y)
        phi[:, 0, 3], phi[:, 1, 3] = cos * z - sin * y - z, sin * z + cos * y - y
        return phi

    front, worst = Front(grid, middle, np.zeros(3), 12.0, 25.0, fitted=True), np.zeros(2)
    while len(numbers := front.next()):
        guesses, right = front.guesses(numbers), truth(grid[numbers])
        off = np.abs(guesses - right)
        worst = np.maximum(worst, (off[:, :, :3].max(), off[:, :, 3].max()))
        guesses[:, :, 3] = np.rint(right[:, :, 3])
        front.take(numbers, guesses, np.ones(len(numbers), bool))
    assert np.abs(right[:, 0, 1]).max() > 0.5  # sine of the twist at the end
    assert worst[0] < 0.1 and worst[1] < 1, worst
