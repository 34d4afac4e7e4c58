"""How long a run will take, as a range with what it assumes: the line of `--dry-run` that a job is planned by."""

from hpcdvc.ranks.progress import duration

#: Seconds of a rank until it begins and after it ends: files in memory, and read anew.
START = (0.3, 1.5)
#: Most over least: cores differ by a factor of two, and so does what has to be done.
SLOW = 4.0
ASSUMED = (
    f"least: as measured on one core of an AMD EPYC with AVX-512, nothing else running; most: {SLOW:g} times as long, "
    "for slower cores, noise and starts that are far"
)


def counted(ranks: int) -> str:
    """So many ranks, as text."""
    return f"{ranks} rank{'s' * (ranks > 1)}"


def core_time(
    seconds: float, wall: float, ranks: int, per_node: int | None = None, slow: float = SLOW, assumed: str = ASSUMED
) -> str:
    """What the run takes of time, as two lines of text.

    Parameters
    ----------
    seconds : least core time of the work
    wall : the same until all ranks are done
    ranks : how many
    per_node : of them on a machine, if that is to be said
    slow : most over least
    assumed : what the two ends stand for
    """
    least, most = seconds + START[0] * ranks, slow * seconds + START[1] * ranks
    nodes = f", {per_node} per node" if per_node else ""
    return (
        f"core time: {duration(least)} to {duration(most)}; "
        f"{duration(wall + START[0])} to {duration(slow * wall + START[1])} on {counted(ranks)}{nodes}\n"
        f"assumed: {assumed}"
    )


def time_of_labels(seconds: float, ranks: int, across: int) -> str:
    """The same of labels, which are counted only when they are read.

    Parameters
    ----------
    seconds : least core time of labels that fill the image
    ranks : how many
    across : voxels along an axis of the box of such a label
    """
    assumed = (
        f"least: labels in boxes of {across} voxels across that fill half of the image, as measured on one core of an "
        f"AMD EPYC with AVX-512, nothing else running; most: that fill it twice, as packed grains do, {SLOW:g} "
        "times as long, for slower cores, small labels and starts that are far"
    )
    return core_time(seconds / 2, seconds / 2 / ranks, ranks, slow=4 * SLOW, assumed=assumed)
