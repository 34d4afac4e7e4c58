"""What a dry run says of time: a range, with its assumption."""

import re
from pathlib import Path

import hpcdvc
from hpcdvc.runs.cost import START, core_time


def seconds(text: str) -> float:
    """`4.2 s`, `1:15` and `2:03:04` in seconds."""
    parts = [float(part) for part in text.removesuffix(" s").split(":")]
    return sum(part * 60**power for power, part in enumerate(reversed(parts)))


def test_range_and_assumption():
    said = core_time(100.0, 50.0, 2, per_node=1, slow=8, assumed="five iterations")
    form = r"core time: (.+) to (.+); (.+) to (.+) on 2 ranks, 1 per node\nassumed: five iterations"
    found = re.fullmatch(form, said)
    least, most, first, last = map(seconds, found.groups())
    assert abs(least - 100 - 2 * START[0]) < 1 and abs(most - 800 - 2 * START[1]) < 1
    assert abs(first - 50) < 1 and abs(last - 400 - START[1]) < 1.1


def test_small_runs_take_the_time_to_start():
    said = core_time(1e-3, 1e-3, 1)
    assert said.startswith("core time: 0.3 s to 1.5 s; 0.3 s to 1.5 s on 1 rank\nassumed: least: ")


def test_all_commands_say_it_in_this_form():
    """hpcdvc-submit reads the line."""
    package = Path(hpcdvc.__file__).parent
    assert [path for path in package.rglob("*.py") if 'f"core time: ' in path.read_text()] == [package / "runs/cost.py"]
