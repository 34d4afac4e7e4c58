"""Parts of a mask that are connected by faces of voxels: the largest, and holes, which no face leads out of.

The image is cut into blocks of planes. Each is labelled by itself, twice: first to find out which parts of neighbouring
blocks belong together, then to paint. Memory goes by the size of a block.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hpcdvc.segmentation.planes import block_depth, made_by_planes


@dataclass(frozen=True)
class Block:
    """Parts of a block, 1 to n.

    Attributes
    ----------
    sizes : (n,) voxels
    outer : (n,) bool, they touch the border of the image
    links : (m, 2) parts of this block and of the next that touch
    """

    sizes: np.ndarray
    outer: np.ndarray
    links: np.ndarray


def largest(mask: np.ndarray, team) -> np.ndarray:
    """The largest part of a mask, of equally large ones that which comes first. Collective.

    Parameters
    ----------
    mask : (nz, ny, nx) uint8 array of 0 and 1, not all 0, once a node
    team : hpcdvc.ranks.team.Team

    Returns
    -------
    (nz, ny, nx) uint8 array, once a node
    """

    def choose(sizes: np.ndarray, _: np.ndarray) -> np.ndarray:
        chosen = np.zeros(len(sizes), bool)
        chosen[np.argmax(sizes)] = True
        return chosen

    return _painted(mask, 1, choose, team)


def filled(mask: np.ndarray, team, most: float = np.inf) -> np.ndarray:
    """A mask and its holes, of up to `most` voxels: background that does not reach the border. Collective."""
    return _painted(mask, 0, lambda sizes, outer: ~outer & (sizes <= most), team)


def _painted(mask: np.ndarray, value: int, choose: Callable, team) -> np.ndarray:
    """1 in the chosen parts of what has a value, of holes also where the mask is."""
    depth = block_depth(mask.shape)
    keep, first_of = _chosen(mask, value, choose, depth, team)

    def make(first: int, last: int) -> np.ndarray:
        number = first // depth
        labels = _labels(mask, value, number, depth)[0][first - number * depth : last - number * depth]
        table = np.concatenate([[False], keep[first_of[number] : first_of[number + 1]]])
        found = table[labels]
        return found if value else found | (mask[first:last] != 0)

    return made_by_planes(team, mask.shape, np.uint8, make, depth)


def _chosen(mask: np.ndarray, value: int, choose: Callable, depth: int, team) -> tuple[np.ndarray, np.ndarray]:
    """Whether each part of each block is chosen, and where those of a block begin. Collective."""
    count = -(-len(mask) // depth)
    mine = team.agree_all(lambda: _own_blocks(mask, value, depth, *team.spans(count)))
    gathered = team.gather(mine)
    return team.agree(lambda: _joined([block for blocks in gathered for block in blocks], choose))


def _own_blocks(mask: np.ndarray, value: int, depth: int, start: int, stop: int) -> list[Block]:
    """What is known of blocks start to stop - 1."""
    blocks, following = [], None
    for number in range(start, stop):
        labels, n = following or _labels(mask, value, number, depth)
        following = _labels(mask, value, number + 1, depth) if (number + 1) * depth < len(mask) else None
        links = np.zeros((0, 2), np.int64)
        if following is not None:
            pairs = np.stack([labels[-1].ravel(), following[0][0].ravel()], axis=1).astype(np.int64)
            links = np.unique(pairs[(pairs > 0).all(axis=1)], axis=0)
        outer = np.zeros(n + 1, bool)
        for face in _faces(labels, number == 0, following is None, mask.shape):
            outer[face.ravel()] = True
        blocks.append(Block(np.bincount(labels.ravel(), minlength=n + 1)[1:], outer[1:], links))
    return blocks


def _faces(labels: np.ndarray, is_first: bool, is_last: bool, shape: tuple[int, int, int]) -> list[np.ndarray]:
    """Those of its voxels that lie at the border of the image; an axis of one voxel has no border."""
    faces = [face for axis in (1, 2) if shape[axis] > 1 for face in (labels.take(0, axis), labels.take(-1, axis))]
    if shape[0] > 1:
        faces += [labels[0]] * is_first + [labels[-1]] * is_last
    return faces


def _labels(mask: np.ndarray, value: int, number: int, depth: int) -> tuple[np.ndarray, int]:
    """Parts of a block, from 1 on, and how many."""
    planes = mask[number * depth : (number + 1) * depth] == value
    labels = np.empty(planes.shape, np.int32)
    return labels, ndimage.label(planes, output=labels)


def _joined(blocks: list[Block], choose: Callable) -> tuple[np.ndarray, np.ndarray]:
    """Choose among the parts of all blocks, on one rank."""
    first_of = np.cumsum([0, *(len(block.sizes) for block in blocks)])
    links = [block.links + first_of[[k, k + 1]] - 1 for k, block in enumerate(blocks) if len(block.links)]
    one, other = np.concatenate(links).T if links else np.zeros((2, 0), np.int64)
    total = int(first_of[-1])
    graph = coo_array((np.ones(len(one), bool), (one, other)), (total, total))
    parts, part = connected_components(graph, directed=False)
    sizes, outer = np.zeros(parts, np.int64), np.zeros(parts, bool)
    np.add.at(sizes, part, np.concatenate([block.sizes for block in blocks]))
    np.logical_or.at(outer, part, np.concatenate([block.outer for block in blocks]))
    # numbered by where they come first, whatever the order of the library
    order = np.unique(part, return_index=True)[1].argsort()
    rank = np.empty(parts, np.int64)
    rank[order] = np.arange(parts)
    return choose(sizes[order], outer[order])[rank[part]] if parts else np.zeros(0, bool), first_of
