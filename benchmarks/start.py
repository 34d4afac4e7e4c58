"""What a command line costs before any work begins, beside `python -c pass`.

    python benchmarks/start.py              every command, some 30 s
    python benchmarks/start.py --rounds 3   a first look

Prints wall times and CPU in ms, medians, and what they take beyond Python's own start: at most GOAL. The programs take
turns in every round, so that what disturbs one disturbs the others too. Wall times need an idle machine.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
GOAL = 60  # ms
COMMANDS = sorted(path.name for path in (ROOT / "bin").iterdir())


def lines() -> dict[str, list[str]]:
    """Name of each case -> words that follow the interpreter."""
    cases = {"python -c pass": ["-c", "pass"]}
    for command in COMMANDS:
        for option in ("--help", "--version", "--no-such-option", "-np"):  # the last without its value: a mistake
            cases[f"{command} {option}"] = [str(ROOT / "bin" / command), option]
    cases["hpcdvc-info -np 2"] = [str(ROOT / "bin" / "hpcdvc-info"), "-np", "2"]  # to the start of the launcher
    return cases


def environment() -> dict[str, str]:
    """Variables of the runs. Compiled modules are kept, as for users."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": str(ROOT)}


def make_python(folder: Path) -> str:
    """This Python in an environment of its own: no packages, which are not needed, and a launcher that ends at once."""
    real = Path(os.path.realpath(sys.executable))
    (folder / "pyvenv.cfg").write_text(f"home = {real.parent}\n")
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to(real)
    launcher = folder / "bin" / "mpiexec"
    launcher.write_text("#!/bin/sh\nexit 0\n")
    launcher.chmod(0o755)
    return str(folder / "bin" / "python")


def timed(words: list[str], env: dict[str, str]) -> tuple[float, float]:
    """Wall time and CPU of one run, ms."""
    began = time.perf_counter()
    process = subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    usage = os.wait4(process.pid, 0)[2]
    wall = time.perf_counter() - began
    process.returncode = 0  # it was waited for
    return 1e3 * wall, 1e3 * (usage.ru_utime + usage.ru_stime)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=21)
    rounds = parser.parse_args().rounds
    runs: dict[str, list[tuple[float, float]]] = {case: [] for case in lines()}
    with tempfile.TemporaryDirectory() as name:
        python, env = make_python(Path(name)), environment()
        for number in range(rounds + 1):
            for case, words in lines().items():
                found = timed([python, *words], env)
                if number:  # the first round compiles
                    runs[case].append(found)
    base = None
    print(f"{'':34}  wall  beyond   CPU  beyond, ms")
    for case, found in runs.items():
        wall, cpu = (median(values) for values in zip(*found, strict=True))
        base = base or (wall, cpu)
        late = "" if wall - base[0] <= GOAL else f"  more than {GOAL}"
        print(f"{case:34} {wall:5.0f} {wall - base[0]:7.0f} {cpu:5.0f} {cpu - base[1]:7.0f}{late}")


if __name__ == "__main__":
    main()
