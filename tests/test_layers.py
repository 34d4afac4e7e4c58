"""The layers of hpcdvc: a module imports only what stands further down this list, or its own package."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "hpcdvc"
LAYERS = """
    __main__ cli workflows deformed find_start autostart motion provenance start slabs nodes output measuring checkpoint
    image_options image_registration multiscale gauss_newton whole_image levels parallel exchange sharedmem guard images
    deform residual registration mappings triangulation grid kernels
    registration_options common_options parser options progress launch field decomposition phi errors
""".split()
FILES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


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
    assert layer(module) in LAYERS, f"give {layer(module)} its place in LAYERS"
    above = LAYERS[: LAYERS.index(layer(module))]
    assert [name for name in ours(FILES[module]) if layer(name) in above] == []


def test_no_import_cycles():
    TopologicalSorter({name: ours(path) for name, path in FILES.items()}).prepare()


def test_only_one_module_knows_mpi():
    users = [name for name, path in FILES.items() if any(n.split(".")[0] == "mpi4py" for n in imports(path))]
    assert users == ["hpcdvc.parallel"]
