"""The floors of the house: packages of hpcdvc from the top down, and what each file imports. Read by tests and docs."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "hpcdvc"
#: From the top down, as in "May import" of each package; packages of one line do not import each other.
LAYERS = [
    line.split()
    for line in """
    __main__
    cli commands fourier
    calls
    workflows
    pages cluster
    steps
    runs
    tomography
    stacks fem multimodal
    search
    segmentation
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
FLOOR = {name: number for number, line in enumerate(LAYERS) for name in line}
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def layer(module: str) -> str:
    """hpcdvc.output.hdf5 -> output."""
    return module.split(".")[1]


@cache
def imports(path: Path) -> frozenset[str]:
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
    return frozenset(names)


def ours(path: Path) -> set[str]:
    """Modules of hpcdvc that a file imports."""
    return {name for name in imports(path) if name.startswith("hpcdvc.")}


@cache
def imported_packages() -> dict[str, set[str]]:
    """For each package, and each module beside them, the others that it imports; from the top down."""
    found: dict[str, set[str]] = {name: set() for line in LAYERS for name in line if f"hpcdvc.{name}" in FILES}
    for module, path in FILES.items():
        if "." in module:
            found[layer(module)] |= {layer(name) for name in ours(path)} - {layer(module)}
    return found
