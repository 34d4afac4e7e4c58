"""Run scripts in a real ParaView, where there is one."""

import os
import shutil
import signal
import subprocess

import pytest
from running import end_group


def run_pvbatch(folder, script, arguments):
    """Run a script in a real ParaView, without a screen."""
    pvbatch = shutil.which("pvbatch")
    if not pvbatch:
        pytest.skip("pvbatch is not on PATH: apt-get install paraview python3-paraview xvfb")
    display = [] if os.environ.get("DISPLAY") else [shutil.which("xvfb-run") or pytest.skip("no xvfb-run"), "-a"]
    (folder / "script.py").write_text(script)
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV", "PYTHONHOME")}
    process = subprocess.Popen(
        [*display, pvbatch, "script.py", *arguments],
        cwd=folder,
        env=clean,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # commands that ran in this process ignore it now, and xvfb-run waits for it
        preexec_fn=lambda: signal.signal(signal.SIGUSR1, signal.SIG_DFL),
    )
    try:
        output, _ = process.communicate(timeout=170)
    finally:
        end_group(process)
    assert process.returncode == 0, output
