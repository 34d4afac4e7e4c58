"""Where the ranks of a command spend their time, and where they wait for each other.

    python benchmarks/timeline.py 2 reg im1.tif im2.tif -od out --force -q

For every rank the places where it met the others, in order: when it came there (ms since the launcher was started),
how often, CPU since the place before, and how long it waited there. Polling counts as waiting, not as CPU. Wall times
need an idle machine.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

#: Methods of a team in which ranks wait.
MEETINGS = ("broadcast", "all_gather", "gather", "barrier", "sum", "max", "node_barrier")
#: Functions that only lead there.
BETWEEN = ("agree", "_share_outcome", "on_root", "agree_all", "any", "fill_planes", "shared_array", "met")


def show(ranks: int, words: list[str]) -> int:
    """Start the ranks, and print what they wrote."""
    from processes import environment, mpiexec

    with tempfile.TemporaryDirectory() as folder:
        told = {"TIMELINE_FOLDER": folder, "TIMELINE_START": str(time.time())}
        command = [mpiexec(), "-n", str(ranks), sys.executable, __file__, "--rank", *words]
        code = subprocess.run(command, env=environment(told)).returncode
        print(f"{1e3 * (time.time() - float(told['TIMELINE_START'])):7.0f} ms in all")
        for path in sorted(Path(folder).iterdir()):
            print(f"rank {path.stem}\n     at  times    CPU  waited, ms")
            for place, at, times, cpu, waited in json.loads(path.read_text()):
                print(f"{at:7.0f} {times:6} {cpu:6.0f} {waited:7.0f}  {place}")
    return code


def follow(name: str, words: list[str]) -> int:
    """Run the command as one rank, noting where it meets others."""
    begin, rows, polled = float(os.environ["TIMELINE_START"]), [], [0.0, 0.0]

    def note(place: str, waited: float = 0.0) -> None:
        if not rows or rows[-1][0] != place:
            cpu = 1e3 * time.process_time() - polled[0]
            rows.append([place, 1e3 * (time.time() - begin), 0, cpu - polled[1], 0.0])
            polled[1] = cpu
        rows[-1][2] += 1
        rows[-1][4] += waited

    note("Python is up")
    from hpcdvc import cli

    note("hpcdvc.cli is loaded")
    from hpcdvc.ranks import launch, team

    note("hpcdvc.ranks.team is loaded")
    connect = team.connect

    def connected():
        result = connect()
        note("ranks are connected")
        return result

    def meeting(function):
        def met(self, *arguments, **options):
            caller = sys._getframe(1)
            while caller.f_code.co_name in BETWEEN:
                caller = caller.f_back
            wall, cpu = time.perf_counter(), time.process_time()
            try:
                return function(self, *arguments, **options)
            finally:
                polled[0] += 1e3 * (time.process_time() - cpu)
                place = f"{Path(caller.f_code.co_filename).name}:{caller.f_lineno} {caller.f_code.co_name}"
                note(place, 1e3 * (time.perf_counter() - wall))

        return met

    team.connect = connected
    for method in MEETINGS:
        setattr(team.Team, method, meeting(getattr(team.Team, method)))
    sys.argv = [f"hpcdvc-{name}", *words]
    code = cli.main(name, words)
    note("the command has ended")
    Path(os.environ["TIMELINE_FOLDER"], f"{launch.launched_rank()}.json").write_text(json.dumps(rows))
    return code


if __name__ == "__main__":
    if sys.argv[1:2] == ["--rank"]:
        raise SystemExit(follow(sys.argv[2], sys.argv[3:]))
    if len(sys.argv) < 3 or not sys.argv[1].isdigit():
        raise SystemExit(__doc__)
    raise SystemExit(show(int(sys.argv[1]), sys.argv[2:]))
