"""The layers of hpcdvc: a package imports only those that stand further down the list in tests/support/layers.py."""

import ast
import re
from graphlib import TopologicalSorter

import pytest
from layers import FILES, FLOOR, PACKAGE, ROOT, imported_packages, imports, layer, ours

PACKAGES = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
FORM = re.compile(r"[A-Z].*\.( .*\.)?\n\nMay import (?P<may>.+?)\. Begin reading with (?P<begin>.+)\Z", re.S)


def text_of(package: str) -> str:
    """What a package says about itself."""
    return ast.get_docstring(ast.parse((PACKAGE / package / "__init__.py").read_text())) or ""


def may_import(package: str) -> set[str]:
    """Packages that it says it may import."""
    text = " ".join(FORM.match(text_of(package))["may"].split())
    named = set(re.findall(r"`(\w+)`", text))
    if text.startswith("everything but "):
        return set(FLOOR) - named
    if text.endswith(" and what that may import"):
        return named.union(*map(may_import, named))
    return named


@pytest.mark.parametrize("module", [name for name in FILES if "." in name])
def test_imports_only_lower_layers(module):
    own = layer(module)
    assert own in FLOOR, f"give {own} its place in LAYERS"
    allowed = {own} | {name for name, floor in FLOOR.items() if floor > FLOOR[own]}
    assert [name for name in ours(FILES[module]) if layer(name) not in allowed] == []


def test_no_import_cycles():
    TopologicalSorter({name: ours(path) for name, path in FILES.items()}).prepare()


def test_only_one_module_knows_mpi():
    users = [name for name, path in FILES.items() if any(n.split(".")[0] == "mpi4py" for n in imports(path))]
    assert users == ["hpcdvc.ranks.team"]


@pytest.mark.parametrize("package", PACKAGES)
def test_package_says_what_it_is(package):
    """One sentence on what lives there, what it may import, where to begin reading; and that is so."""
    found = FORM.match(text_of(package))
    assert found, "not in the form: <what lives there>. May import <packages>. Begin reading with <modules>."
    for name in re.findall(r"`([\w/]+)`", found["begin"]):
        places = (PACKAGE / package / f"{name}.py", PACKAGE / package / name, ROOT / name)
        assert any(place.exists() for place in places), f"there is no {name} to be read"


@pytest.mark.parametrize("package", PACKAGES)
def test_package_imports_what_it_says(package):
    stated = may_import(package) - {package}
    if not FORM.match(text_of(package))["may"].startswith("everything"):
        assert {name for name in stated if FLOOR[name] <= FLOOR[package]} == set(), "LAYERS does not allow that"
    assert imported_packages()[package] - stated == set()
