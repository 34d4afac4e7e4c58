"""What packagers are given says what pyproject.toml says: conda, Spack, Apptainer, citation. Nothing is built."""

import re
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import pytest
import yaml

import hpcdvc

ROOT = Path(__file__).resolve().parents[1]
PACKAGING = ROOT / "packaging"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
#: Names that differ from those of the Python Package Index.
CONDA = {"matplotlib": "matplotlib-base", "PyYAML": "pyyaml"}


def lowest(requirements: list[str]) -> dict[str, str]:
    """Lowest version, "" for any, by name: `numpy>=1.24` -> {"numpy": "1.24"}."""
    return dict(re.fullmatch(r"([\w-]+)\s*(?:>=)?(.*)", one).groups() for one in requirements)


NEEDED = lowest(PROJECT["dependencies"])


def test_citation():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (cited["version"], cited["license"]) == (hpcdvc.__version__, PROJECT["license"])
    assert cited["authors"] == PROJECT["authors"] and cited["keywords"] == PROJECT["keywords"]
    readme = (ROOT / "README.md").read_text()
    assert all(f"https://doi.org/{reference['doi']}" in readme for reference in cited["references"])


def test_conda_recipe():
    recipe = yaml.safe_load((PACKAGING / "conda" / "recipe.yaml").read_text())
    assert recipe["context"]["version"] == hpcdvc.__version__
    wanted = lowest(recipe["requirements"]["run"])
    assert wanted == {"python": "", **{CONDA.get(name, name): version for name, version in NEEDED.items()}}
    builds = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    built = lowest(recipe["requirements"]["host"])
    assert {name.lower(): version for name, version in lowest(builds).items()}.items() <= built.items()
    assert recipe["about"]["license"] == PROJECT["license"]


class Spack(types.ModuleType):
    """Stands for `spack.package`: notes the directives that a package gives."""

    def __init__(self) -> None:
        super().__init__("spack.package")
        self.given: dict[str, list[tuple[tuple, dict]]] = {}
        self.PythonPackage = type("PythonPackage", (), {})
        for name in ("version", "variant", "depends_on", "license", "maintainers", "conflicts"):
            setattr(self, name, lambda *words, name=name, **more: self.given.setdefault(name, []).append((words, more)))
        for name in ("run_after", "on_package_attributes"):
            setattr(self, name, lambda *words, **more: lambda method: method)
        self.Executable, self.join_path = object, "/".join


def test_spack_package(monkeypatch):
    stub = Spack()
    monkeypatch.setitem(sys.modules, "spack", types.ModuleType("spack"))
    monkeypatch.setitem(sys.modules, "spack.package", stub)
    spaces: dict = {}
    exec(compile((PACKAGING / "spack" / "package.py").read_text(), "package.py", "exec"), spaces)
    assert issubclass(spaces["PyHpcdvc"], stub.PythonPackage)
    assert (("0.1.0",), {}) in stub.given["version"] and stub.given["license"][0][0] == (PROJECT["license"],)
    always = [words[0] for words, more in stub.given["depends_on"] if "when" not in more and "run" in more["type"]]
    wanted = {f"py-{name.lower()}" + (f"@{version}:" if version else "") for name, version in NEEDED.items()}
    assert set(always) == wanted | {"python@3.11:", "mpi"}
    variants = {words[0] for words, _ in stub.given["variant"]}
    assert {more["when"].lstrip("+") for _, more in stub.given["depends_on"] if "when" in more} == variants


def test_apptainer_recipe():
    text = (PACKAGING / "apptainer" / "hpcdvc.def").read_text()
    sections = dict(re.findall(r"^%(\w+)\n(.*?)(?=^%|\Z)", text, re.M | re.S))
    assert {"arguments", "files", "post", "environment", "runscript", "test", "help"} == set(sections)
    for name in ("post", "environment", "runscript", "test"):
        script = sections[name].replace("{{ mpi }}", "openmpi")
        done = subprocess.run(["sh", "-n"], input=script, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), name


@pytest.mark.parametrize("name", ["apptainer", "spack", "conda"])
def test_recipes_are_given_away(name):
    assert "graft packaging\n" in (ROOT / "MANIFEST.in").read_text() and any((PACKAGING / name).iterdir())
