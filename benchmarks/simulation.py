"""Discrete-event simulation of the scheduling of hpcdvc.ranks.exchange.Queue: who measures which chunk, and when."""

import heapq
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Rule:
    """How points become chunks and chunks get to nodes.

    Attributes
    ----------
    points_per_chunk : points that a rank pulls at once
    chunks_per_block : chunks in a row that go to the same node; 1 = dealt one by one
    by_size : nodes get blocks in proportion to their ranks, instead of equal shares
    tail : so many chunks per rank at the end of a node's share are cut into single points
    """

    points_per_chunk: int
    chunks_per_block: int = 1
    by_size: bool = False
    tail: int = 0


def node_of_blocks(blocks: int, sizes: np.ndarray, by_size: bool) -> np.ndarray:
    """Node of every block: in turn, or such that every node's share keeps in step with its number of ranks."""
    if not by_size:
        return np.arange(blocks) % len(sizes)
    # node i is due at (j + 1/2) / sizes[i] of a round, for each of its ranks j: every beginning of a round is fair too
    owner = np.repeat(np.arange(len(sizes)), sizes)
    due = np.concatenate([(np.arange(n) + 0.5) / n for n in sizes])
    return owner[np.argsort(due, kind="stable")][np.arange(blocks) % len(owner)]


def makespan(costs: np.ndarray, sizes: np.ndarray, rule: Rule, per_chunk: float, start: np.ndarray) -> float:
    """Seconds until the last rank has finished.

    Parameters
    ----------
    costs : seconds of every point, in the order of the points
    sizes : ranks of every node
    rule : Rule
    per_chunk : seconds that fetching, calling the kernel and keeping a chunk safe cost
    start : when each rank begins, seconds
    """
    block = rule.points_per_chunk * rule.chunks_per_block
    node = np.repeat(node_of_blocks(-(-len(costs) // block), sizes, rule.by_size), block)[: len(costs)]
    order = np.argsort(node, kind="stable")
    bounds = np.searchsorted(node[order], np.arange(len(sizes) + 1))
    begins = np.concatenate([[0], np.cumsum(sizes)])
    end = 0.0
    for i, ranks in enumerate(sizes):
        share = costs[order[bounds[i] : bounds[i + 1]]]
        if not len(share):
            continue
        whole = max(len(share) - rule.tail * ranks * rule.points_per_chunk, 0)
        first = np.concatenate([np.arange(0, whole, rule.points_per_chunk), np.arange(whole, len(share))])
        if not rule.tail:
            first = np.arange(0, len(share), rule.points_per_chunk)
        ready = list(start[begins[i] : begins[i + 1]])
        heapq.heapify(ready)
        for cost in np.add.reduceat(share, first) + per_chunk:  # the rank that is free first pulls the next chunk
            heapq.heapreplace(ready, ready[0] + cost)
        end = max(end, max(ready))
    return end


def node_sizes(ranks: int, ranks_per_node: int) -> np.ndarray:
    """Ranks of every node; the last may be smaller."""
    full, rest = divmod(ranks, ranks_per_node)
    return np.array([ranks_per_node] * full + [rest] * (rest > 0))


def bytes_touched(grid: int, spacing: int, half: int, rule: Rule, nodes: int, itemsize: int = 2) -> int:
    """Bytes of one cubic image that one node reads when it is mapped: the planes and rows its blocks' windows need.

    The grid has grid^3 points in C order; a block is a run of points, so it covers part of a row, rows of a plane, or
    planes. Windows are read with 8 voxels of room for the filters.
    """
    reach, size = 2 * half + 1 + 16, grid * spacing
    points = rule.points_per_chunk * rule.chunks_per_block
    mask = np.zeros((size, size), bool)  # (z, y): x rows are read by their pages
    blocks = -(-(grid**3) // points)
    for block in range(nodes // 2, blocks, nodes):
        first, last = block * points // grid, (min((block + 1) * points, grid**3) - 1) // grid  # lines of the grid
        for z in range(first // grid, last // grid + 1):
            y0 = first % grid if z == first // grid else 0
            y1 = last % grid if z == last // grid else grid - 1
            planes, rows = (
                slice(max(int((a + 0.5) * spacing) - reach // 2, 0), int((b + 0.5) * spacing) + reach // 2 + 1)
                for a, b in ((z, z), (y0, y1))
            )
            mask[planes, rows] = True
    return int(mask.sum()) * size * itemsize
