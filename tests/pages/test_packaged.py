"""Files of the pages are in what is installed and in what is given away."""

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from hpcdvc.pages.page import STATIC

pytest.importorskip("setuptools")
pytest.importorskip("Cython")

ROOT = Path(__file__).resolve().parents[2]


def made_by(*words: str) -> str:
    """What setup.py says."""
    done = subprocess.run([sys.executable, "-B", "setup.py", *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_files_of_pages_are_packaged(tmp_path):
    wanted = {path.name for path in STATIC.iterdir()}
    assert {"base.js", "base.css", "icon.svg", "ereg.html"} <= wanted
    said = made_by("build_py", "--build-lib", str(tmp_path))
    assert {path.name for path in (tmp_path / "hpcdvc/pages/static").iterdir()} == wanted
    assert "importable package" not in said
    made_by("-q", "egg_info", "--egg-base", str(tmp_path), "sdist", "-d", str(tmp_path))
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        found = {Path(name).name for name in packed.getnames() if "/hpcdvc/pages/static/" in name}
    assert found == wanted
