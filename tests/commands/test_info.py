"""hpcdvc-info, serially, under mpiexec, and where things are missing."""

import os
import platform
import subprocess
import sys

import pytest

import hpcdvc
from hpcdvc.errors import UserError
from hpcdvc.ranks import launch
from hpcdvc.workflows import info


def facts(text: str) -> dict[str, str]:
    """The report as a dictionary."""
    return {line.split("  ")[0]: line.split("  ", 1)[1].strip() for line in text.splitlines()}


def test_report(run_command):
    done = run_command("info")
    assert (done.returncode, done.stderr) == (0, "")
    report = facts(done.stdout)
    assert report["hpcdvc"].startswith(hpcdvc.__version__)
    assert report["Python"].startswith(platform.python_version())
    assert report["ranks"] == "1"
    assert report["numpy"][0].isdigit()
    assert "parallel" in report["HDF5"]
    assert report["instruction set"] and "unknown" not in report["instruction set"]
    assert f"of {os.cpu_count()} usable" in report["cores"]
    assert "free" in report["/dev/shm"] and "available" in report["memory"]


def test_one_report_under_mpiexec(run_command):
    done = run_command("info", ranks=2)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("hpcdvc  ") == 1
    report = facts(done.stdout)
    assert report["ranks"] == f"2 on 1 node: {platform.node()} x 2"
    assert "not loaded" not in report["MPI library"]


def test_relaunch(run_command):
    done = run_command("info", "-np", 2)
    assert done.returncode == 0, done.stderr
    assert facts(done.stdout)["ranks"].startswith("2 on 1 node")


def test_no_mpi_is_loaded_outside_a_launcher():
    code = "import sys; from hpcdvc.cli import main; main('info', []); print('mpi4py' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "False", done.stderr


def test_without_launcher(monkeypatch):
    def missing():
        raise UserError("no mpiexec")

    monkeypatch.setattr(launch, "find_launcher", missing)
    report = info.mpi(["a"], nodes=1, connected=False)
    assert report["MPI launcher"] == "none found"
    assert report["ranks"] == "1"


@pytest.mark.parametrize("content", ["#!/bin/sh\nexit 3\n", "not a program"])
def test_launcher_that_does_not_work(monkeypatch, tmp_path, content):
    launcher = tmp_path / "mpiexec"
    launcher.write_text(content)
    launcher.chmod(0o755)
    monkeypatch.setattr(launch, "find_launcher", lambda: str(launcher))
    assert str(launcher) in info.mpi(["a"], nodes=1, connected=False)["MPI launcher"]


def test_a_broken_part_is_told_and_the_rest_stays(monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    monkeypatch.setattr(info, "PACKAGES", ("numpy", "no-such-package"))
    report = info.software()
    assert report["HDF5"].startswith("unknown (ModuleNotFoundError")
    assert report["no-such-package"] == "not installed"
    assert report["hpcdvc"].startswith(hpcdvc.__version__)


def test_many_hosts():
    hosts = [f"node{rank // 2}" for rank in range(40)]
    ranks = info.mpi(hosts[:6], nodes=3, connected=False)
    assert ranks["ranks"] == "1"
    text = info._per_host(hosts)
    assert text.startswith("node0 x 2, node1 x 2") and text.endswith("and 12 more hosts")


def test_settings(monkeypatch):
    monkeypatch.setenv("HPCDVC_HDF5", "gather")
    monkeypatch.setenv("SECRET_TOKEN", "x")
    assert info.settings()["HPCDVC_HDF5"] == "gather"
    assert "SECRET_TOKEN" not in info.settings()


@pytest.mark.parametrize(("count", "text"), [(0, "0 bytes"), (999, "999 bytes"), (25.3e9, "25.3 GB"), (2e12, "2 TB")])
def test_size(count, text):
    assert info._size(count) == text
