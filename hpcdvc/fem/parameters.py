"""Parameters of the mechanical regularisation, from a dictionary or a YAML file: every mistake in them is named."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from hpcdvc.errors import UserError, quoted
from hpcdvc.fem.surfaces import SURFACES
from hpcdvc.output.files import read_small

#: Bytes of a file of parameters at most.
LARGEST = 100_000
#: Values in it at most: aliases make many of few.
MOST = 10_000
#: Mistakes that are told one by one.
TOLD = 10
#: Levels of a file that are looked at: parameters, surfaces, their keys, degrees of freedom.
LEVELS = 4

Place = tuple[Any, ...]


@dataclass(frozen=True)
class RegularisationParameters:
    """What the functions of the regularisation take.

    Attributes
    ----------
    young, poisson : of the material
    surfaces : names of the Dirichlet surfaces, for `surface_labels`
    dirichlet : label, degrees of freedom (0, 1, 2 for z, y, x) and length (voxels, or None) of each of them, for
        `regularisation_matrix`
    xi_bulk : regularisation length of the bulk and free surfaces, voxels; None: the mean length of edges; 0: they are
        free
    periods : of the test field
    voxel_size : edge of a voxel in the unit of length of the Young modulus
    """

    young: float
    poisson: float
    surfaces: list[str] = field(default_factory=list)
    dirichlet: list[tuple[int, list[int], float | None]] = field(default_factory=list)
    xi_bulk: float | None = None
    periods: float = 3.0
    voxel_size: float = 1.0


def regularisation_parameters(user_parameters: str | Path | dict) -> RegularisationParameters:
    """Parameters of the mechanical regularisation as users give them.

    Parameters
    ----------
    user_parameters : a dictionary, or the path of a YAML file that holds it, with the keys `young`, `poisson` and, if
        wanted, `xiBulk`, `periods`, `voxelSize` and `dirichlet`. The last has a dictionary for each surface on which
        forces act, under its name (`surface_labels`), with the keys `dof`, a list of 0, 1, 2 for z, y, x, and `xi`,
        which may be left out

    Returns
    -------
    RegularisationParameters

    Raises
    ------
    UserError
        No such file, no YAML, or mistakes in the parameters: all of them, in their order, with their lines in the file.
    """
    if isinstance(user_parameters, dict):
        return _Checked("regularisation parameters", user_parameters, {}, []).parameters()
    path = Path(user_parameters)
    values, lines, mistakes = _read(path)
    return _Checked(str(path), values, lines, mistakes).parameters()


def _read(path: Path) -> tuple[dict, dict[Place, int], list[tuple[int, str]]]:
    """What a YAML file holds, the line of each place in it, and keys that are given twice."""
    import yaml

    text = read_small(path, LARGEST, "parameters")
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
    except (yaml.YAMLError, RecursionError) as error:
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
        raise UserError(f"{path} is no YAML: {_where(error, text)}{problem}") from error
    if not isinstance(root, yaml.MappingNode):
        raise UserError(f"{path} holds no parameters of a regularisation: lines such as young: 10 are needed")
    lines, mistakes = {}, []

    def values(node: yaml.Node, place: Place) -> Any:
        lines[place] = node.start_mark.line + 1
        if len(lines) > MOST:
            raise UserError(f"{path} has more than {MOST} values: it holds more than parameters")
        if isinstance(node, yaml.ScalarNode):
            return _scalar(loader, node)
        if len(place) == LEVELS:
            return "..."
        if isinstance(node, yaml.SequenceNode):
            return [values(item, (*place, number)) for number, item in enumerate(node.value)]
        found = {}
        for key_node, item in node.value:
            key = _scalar(loader, key_node) if isinstance(key_node, yaml.ScalarNode) else "..."
            line = key_node.start_mark.line + 1
            if key in found:
                mistakes.append((line, f"{quoted(key)} is given twice"))
            found[key] = values(item, (*place, key))
            lines[(*place, key)] = line
        return found

    return values(root, ()), lines, mistakes


def _where(error: Exception, text: bytes) -> str:
    """Line of a mistake in what is no YAML, in words; the first one without a colon, for YAML goes on to the next."""
    mark, position = getattr(error, "problem_mark", None), getattr(error, "position", None)
    if mark is None:
        return "" if position is None else f"line {text[:position].count(10) + 1}: "
    for number, line in enumerate(text.decode(errors="replace").splitlines()[: mark.line], 1):
        words = line.split("#")[0].strip()
        if words and not set(words) & set(":[]{},-"):
            return f"line {number}: a colon is missing after {quoted(words.split()[0])}; line {mark.line + 1}: "
    return f"line {mark.line + 1}: "


def _scalar(loader: Any, node: Any) -> Any:
    """A number, a truth value, None or a text; 1e-2, which YAML 1.1 takes for a text, is a number."""
    import yaml

    try:
        value = loader.construct_object(node)
    except (ValueError, yaml.YAMLError):  # such as a day that no month has, or an unknown tag
        return node.value
    if isinstance(value, str) and node.style is None:
        try:
            return float(value)
        except ValueError:
            return value
    return value


class _Checked:
    """Values from a user, and what is wrong with them."""

    def __init__(self, name: str, values: dict, lines: dict[Place, int], mistakes: list[tuple[int, str]]):
        self.name, self.values, self.lines, self.mistakes = name, values, lines, mistakes

    def parameters(self) -> RegularisationParameters:
        """The parameters, if there is no mistake in them."""
        values = self.values
        self.keys((), values, ("young", "poisson", "xiBulk", "periods", "voxelSize", "dirichlet"), ("young", "poisson"))
        young, periods, voxel_size = (
            self.positive((key,), values.get(key), default)
            for key, default in (("young", 1.0), ("periods", 3.0), ("voxelSize", 1.0))
        )
        xi_bulk = self.number(("xiBulk",), values.get("xiBulk"), None, lambda x: x >= 0, "a number from 0 on")
        poisson = self.number(
            ("poisson",), values.get("poisson"), 0.25, lambda x: -1 < x < 0.5, "a number between -1 and 0.5"
        )
        surfaces = self.surfaces(values.get("dirichlet"))
        if self.mistakes:
            told = [
                f"line {line}: {text}" if line else text for line, text in sorted(self.mistakes, key=lambda m: m[0])
            ]
            more = f"; and {len(told) - TOLD} more" if len(told) > TOLD else ""
            raise UserError(f"{self.name}: {'; '.join(told[:TOLD])}{more}")
        dirichlet = [(label, dof, xi) for label, (dof, xi) in enumerate(surfaces.values(), 1)]
        return RegularisationParameters(young, poisson, list(surfaces), dirichlet, xi_bulk, periods, voxel_size)

    def surfaces(self, given: Any) -> dict[str, tuple[list[int], float | None]]:
        """Degrees of freedom and length of each Dirichlet surface."""
        found = {}
        if given is None:
            return found
        if not isinstance(given, dict):
            self.wrong(("dirichlet",), f"dirichlet must hold surfaces by their names, not be {quoted(given)}")
            return found
        for name, keys in given.items():
            place = ("dirichlet", name)
            if name not in SURFACES:
                self.wrong(place, f"{quoted(name)} is no surface{_meant(name, SURFACES)}")
            if not isinstance(keys, dict):
                self.wrong(place, f"{quoted(name)} must hold dof and, if wanted, xi, not be {quoted(keys)}")
                continue
            self.keys(place, keys, ("dof", "xi"), ("dof",))
            found[name] = self.dof(place, keys.get("dof")), self.positive((*place, "xi"), keys.get("xi"), None)
        return found

    def keys(self, place: Place, values: dict, known: tuple[str, ...], needed: tuple[str, ...]) -> None:
        """Keys that are not known, and missing ones."""
        of = "".join(f" of {name}" for name in place[1:])
        for key in values:
            if key not in known:
                self.wrong((*place, key), f"{quoted(key)} is no key{of}{_meant(key, known)}")
        for key in needed:
            if values.get(key) is None:
                self.wrong((*place, key) if key in values else place, f"{key}{of} is missing")

    def dof(self, place: Place, given: Any) -> list[int]:
        """Degrees of freedom of a surface."""
        fine = isinstance(given, list | tuple) and len(given) > 0
        if fine:
            dof = [value for value in given if isinstance(value, Integral) and value is not True and value is not False]
            if len(dof) == len(given) == len(set(dof)) and all(0 <= value <= 2 for value in dof):
                return [int(value) for value in dof]
        if given is not None:
            words = "must be a list of some of 0, 1, 2 (z, y, x), each once"
            self.wrong((*place, "dof"), f"dof of {place[-1]} {words}, not {quoted(given)}")
        return []

    def positive(self, place: Place, given: Any, default: float | None) -> float | None:
        """A positive number."""
        return self.number(place, given, default, lambda x: x > 0, "a positive number")

    def number(
        self, place: Place, given: Any, default: float | None, fine: Callable[[float], bool], words: str
    ) -> float | None:
        """A finite number with a property, or the default where none is given."""
        if given is None:
            return default
        try:
            value = float(given) if isinstance(given, Real) and not isinstance(given, bool) else math.nan
        except OverflowError:
            value = math.inf
        if math.isfinite(value) and fine(value):
            return value
        of = "".join(f" of {name}" for name in place[1:-1])
        self.wrong(place, f"{place[-1]}{of} must be {words}, not {quoted(given)}")
        return default

    def wrong(self, place: Place, text: str) -> None:
        """A mistake, at the line of its place."""
        self.mistakes.append((self.lines.get(place, 0), text))


def _meant(word: object, known: tuple[str, ...]) -> str:
    close = get_close_matches(str(word), known, n=1)
    return f" (is {close[0]} meant?)" if close else f": there are {', '.join(known)}"
