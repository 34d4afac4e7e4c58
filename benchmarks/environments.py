"""Other programs: each installed from PyPI, by its name, into an environment of its own."""

import subprocess
import sys
from pathlib import Path

from processes import ROOT


def install(name: str, version: str, instead: tuple[str, ...] = ()) -> Path:
    """Folder of the commands of a program; installed on the first call.

    Parameters
    ----------
    name, version : what to ask PyPI for
    instead : packages to install with it, instead of all that it asks for

    Raises
    ------
    SystemExit : pip failed, and has said why
    """
    environment = ROOT / "benchmarks" / f".venv-{name}"
    folder, whole = environment / "bin", environment / f"has-{version}"
    if not whole.exists():
        print(f"installing {name} {version} into {environment.relative_to(ROOT)}, once", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(environment)], check=True)
        pip = [str(folder / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        wanted = f"{name}=={version}"
        steps = ([*instead], ["--no-deps", wanted]) if instead else ([wanted],)
        for packages in steps:
            if subprocess.run([*pip, *packages]).returncode:
                raise SystemExit(f"{name} {version} cannot be installed here: pip says why; --no-peer runs without it")
        whole.touch()
    return folder
