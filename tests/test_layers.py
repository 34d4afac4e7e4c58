"""The layers of hpcdvc: a package imports only those that stand further down this list."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "hpcdvc"
#: From the top down, as in "May import" of each package; packages of one line do not import each other.
LAYERS = [
    line.split()
    for line in """
    __main__
    cli commands
    workflows
    pages cluster
    steps
    runs
    stacks fem multimodal
    search
    labels
    deformation
    registration
    output
    images ranks
    options fields
    kernels
    errors
    """.strip().splitlines()
]
FILES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


FLOOR = {name: number for number, line in enumerate(LAYERS) for name in line}


def layer(module: str) -> str:
    """hpcdvc.output.hdf5 -> output."""
    return module.split(".")[1]


def imports(path: Path) -> set[str]:
    """Full names of all that a file imports, at its top or in its functions; not what only type checkers see."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            node.body = []
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write imports in full"
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in FILES or "kernels" in name else node.module for name in full}
    return names


def ours(path: Path) -> set[str]:
    """Modules of hpcdvc that a file imports."""
    return {name for name in imports(path) if name.startswith("hpcdvc.")}


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
