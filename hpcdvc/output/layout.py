"""From the columns of a table to what a field is made of, by the names in its header."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import MappingProxyType

import numpy as np

from hpcdvc.errors import UserError, quoted
from hpcdvc.fields.field import ROW
from hpcdvc.fields.status import LOWEST_MEASURED, Family, Status
from hpcdvc.output import columns as declared
from hpcdvc.output import schema, views
from hpcdvc.output.columns import Column
from hpcdvc.output.numbers import Head

DISPLACEMENT = ("Zdisp", "Ydisp", "Xdisp")
GRADIENT = tuple(f"F{i}{j}" for i in "zyx" for j in "zyx")
PHI = next(column.tsv for column in declared.COLUMNS if column.name == "Phi")
#: names in files of older versions, and T3's own name for the correlation coefficient
OTHER_NAMES = MappingProxyType(
    {f"F{k // 4 + 1}{k % 4 + 1}": name for k, name in enumerate(PHI)}
    | {
        "SubPixReturnStat": "returnStatus",
        "SubPixDeltaPhiNorm": "deltaPhiNorm",
        "SubPixIterations": "iterations",
        "PSCC": "pixelSearchCC",
    }
)
#: the first column of tables of strain
STRAIN_NUMBER = "StrainPointNumber"
#: the end of T2, the only column set with the status before the error
END_OF_T2 = ("returnStatus", "error", "deltaPhiNorm", "iterations")


@dataclass(frozen=True)
class Part:
    """What a field is made of, and where it stands in a table.

    Attributes
    ----------
    name : member of ``ROW`` or key of `Field.extra`; "positions"
    dtype : of its numbers
    shape : of the numbers of one point
    make : makes (rows, *shape) from the name of the file, (rows, columns) and the number of the first row
    """

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
    make: Callable[[Path, np.ndarray, int], np.ndarray]

    def values(self, path: Path, table: np.ndarray, first: int) -> np.ndarray:
        """(rows, *shape) of the rows `first`, `first` + 1, ...; UserError if they are no such numbers."""
        return self.make(path, table, first)


@dataclass(frozen=True)
class Layout:
    """What is in a table.

    Attributes
    ----------
    parts : what a field is made of
    family : that of the column set
    numbered : the points have numbers of nodes
    of_particles_of_spam : the columns are those of T3
    """

    parts: tuple[Part, ...]
    family: Family
    numbered: bool
    of_particles_of_spam: bool

    @classmethod
    def of(cls, head: Head, strain: bool = False) -> "Layout":
        """From the names of the columns; with `strain` also those of tables of strain, which have no displacements.

        Raises
        ------
        UserError : one is there twice, or one that a table of displacements needs is missing
        """
        path, names = head.path, [OTHER_NAMES.get(name, name) for name in head.names]
        if len(set(names)) < len(names):
            raise UserError(f"{path} names the column {quoted(max(names, key=names.count))} twice")
        of_strain = strain and STRAIN_NUMBER in names and not set(DISPLACEMENT) & set(names)
        needed = views.POSITIONS if of_strain else (*views.POSITIONS, *DISPLACEMENT)
        missing = [name for name in needed if name not in names]
        gradient = [name for name in GRADIENT if name not in names]
        missing += gradient if len(gradient) < len(GRADIENT) else []
        if missing:
            raise UserError(f"{path} is not a table of displacements: no column {', '.join(missing)}")
        parts = _parts(names, of_strain)
        members = [part.name for part in parts]
        double = next((name for name in members if members.count(name) > 1), None)
        if double:  # a column that nobody has declared, with the name of an array in memory
            raise UserError(f"{path} has a column {double}: no table has one of this name")
        numbered = not {"NodeNumber", STRAIN_NUMBER}.isdisjoint(names)
        labels_of_spam = "Label" in names and "LabelDilate" in names
        family = Family.PASSED if of_strain else _family_of(head.names)
        return cls(tuple(parts), family, numbered, labels_of_spam)


def _family_of(names: list[str]) -> Family:
    """That of the column set, in the names of today; tables of older versions are registrations."""
    if any(tuple(names[k : k + len(END_OF_T2)]) == END_OF_T2 for k in range(len(names))):
        return Family.SEARCH
    return Family.REGISTRATION


def _parts(names: list[str], of_strain: bool) -> list[Part]:
    """Members of a field, from the names of the columns of today."""
    place = {name: k for k, name in enumerate(names)}
    positions = [place.pop(name) for name in views.POSITIONS]
    for number in ("NodeNumber", STRAIN_NUMBER):
        place.pop(number, None)
    strains = list(place.values())
    phi = [(k, place.pop(name)) for k, name in enumerate(PHI) if name in place]
    parts = [
        Part("positions", np.dtype(float), (3,), lambda path, table, first: table[:, positions]),
        Part("Phi", np.dtype(float), (4, 4), lambda path, table, first: np.nan if of_strain else _phi(table, phi)),
    ]
    for column in declared.COLUMNS:
        if column.tsv and all(name in place for name in column.tsv):
            where = [(name, place.pop(name)) for name in column.tsv]
            parts += _declared(column, where)
    if "return_status" not in (part.name for part in parts):
        parts.append(
            Part("return_status", np.dtype(ROW["return_status"]), (), _strained(strains) if of_strain else _converged)
        )
    return parts + [Part(name, np.dtype(float), (), _column(k)) for name, k in place.items()]


def _converged(path: Path, table: np.ndarray, first: int) -> np.ndarray:
    return np.full(len(table), Status.CONVERGED)


def _strained(places: list[int]) -> Callable[[Path, np.ndarray, int], np.ndarray]:
    """Points that have a strain, in any of these columns, are measured."""

    def status(path: Path, table: np.ndarray, first: int) -> np.ndarray:
        any_strain = np.isfinite(table[:, places]).any(axis=1)
        return np.where(any_strain, LOWEST_MEASURED[Family.PASSED], Status.NOT_REACHED)

    return status


def _column(k: int) -> Callable[[Path, np.ndarray, int], np.ndarray]:
    return lambda path, table, first: table[:, k]


def _phi(table: np.ndarray, places: list[tuple[int, int]]) -> np.ndarray:
    """Deformation functions (rows, 4, 4) of the columns (number in Phi, number in the table)."""
    phi = np.zeros((len(table), 16))
    phi[:, ::5] = 1
    for k, column in places:
        phi[:, k] = table[:, column]
    return phi.reshape(-1, 4, 4)


def _declared(column: Column, where: list[tuple[str, int]]) -> list[Part]:
    """A declared column, which stands in the table at (name, number) of its components; nothing for a derived one."""
    shape, dtype = column.components.shape, np.dtype(column.dtype)

    def typed(path: Path, table: np.ndarray, first: int) -> np.ndarray:
        array = np.empty((len(table), prod(shape)), dtype)
        for k, (name, place) in enumerate(where):
            array[:, k] = _of_type(path, name, table[:, place], dtype, first)
        return array.reshape(-1, *shape)

    if not column.derived:
        return [Part(column.made_from, dtype, shape, typed)]
    if column.unmake is None:
        return []
    unmake = column.unmake
    of_none = unmake(np.zeros((0, *shape), dtype))
    return [Part(column.made_from, of_none.dtype, of_none.shape[1:], lambda *rows: unmake(typed(*rows)))]


def _of_type(path: Path, name: str, values: np.ndarray, dtype: np.dtype, first: int) -> np.ndarray:
    """The numbers of a column in its own type."""
    unfit = schema.unfit(values, dtype)
    if unfit:
        raise UserError(f"{path}, row {first + unfit[0] + 1}: {name} {unfit[1]}")
    return values
