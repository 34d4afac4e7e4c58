"""The files that a command reads: their headers and what tells them from others, before anything is computed."""

import hashlib
import logging
import os
from dataclasses import dataclass, field
from functools import partial

from hpcdvc.errors import RunError, UserError, file_error
from hpcdvc.images import RawLayout, VolumeInfo, describe, identity
from hpcdvc.options.declare import OptionSet, declarations
from hpcdvc.output.files import check_regular
from hpcdvc.output.kinds import ending_of

log = logging.getLogger("hpcdvc")


@dataclass(frozen=True)
class Seen:
    """A volume or table as it was when the run looked at it first: what is measured shall be of that one.

    Attributes
    ----------
    source : header of the volume, or path of the table
    identity : what tells it from others, as the provenance of a result has it
    state : of its files, which changes when one of them is written: sizes and times
    written : when the last of them was written, ns
    """

    source: VolumeInfo | str
    identity: dict
    state: str
    written: int

    @classmethod
    def now(cls, source: VolumeInfo | str) -> "Seen":
        """Look at its files; UserError when one is gone."""
        try:
            state, written = _state(source)  # first: what is written after this is found out
        except OSError as error:
            raise (file_error(_name(source), error) or error) from error
        return cls(source, _identity(source), state, written)

    @property
    def name(self) -> str:
        """As the user knows it."""
        return _name(self.source)

    def check(self, contents: bool = True) -> None:
        """Make sure that it is still the same.

        Parameters
        ----------
        contents : compare samples of what is in the files as well, all of a table, and not only sizes and times

        Raises
        ------
        RunError
            It is not.
        """
        try:
            same = _state(self.source)[0] == self.state and (not contents or _identity(self.source) == self.identity)
        except (OSError, UserError):
            raise RunError(f"{self.name} has gone or cannot be read any more: it changed during the run") from None
        if not same:
            what = "images" if isinstance(self.source, VolumeInfo) else "tables"
            raise RunError(
                f"{self.name} changed during the run: what was measured may be of two {what}, and no result is "
                "written; --force starts anew"
            )


def _name(source: VolumeInfo | str) -> str:
    return source.spec if isinstance(source, VolumeInfo) else source


def _identity(source: VolumeInfo | str) -> dict:
    return identity(source) if isinstance(source, VolumeInfo) else _identity_of_table(source)


def _state(source: VolumeInfo | str) -> tuple[str, int]:
    """Hash of size and time of all files of a volume or table, and the latest time, ns."""
    paths = (source.path, *source.files) if isinstance(source, VolumeInfo) else (source,)
    found = [os.stat(path) for path in dict.fromkeys(paths)]
    known = [(status.st_size, status.st_mtime_ns) for status in found]
    return hashlib.sha256(repr(known).encode()).hexdigest(), max(written for _, written in known)


@dataclass(frozen=True)
class Inputs:
    """Files named by options that are declared with ``reads``.

    Attributes
    ----------
    volumes : headers of volumes and masks by option; a tuple for an option that names several; none where none is given
    tables : paths of tables and meshes by option; `option_1`, `option_2` ... of one that names several
    seen : volumes whose identity was asked for, and all tables
    """

    volumes: dict[str, VolumeInfo | tuple[VolumeInfo, ...]]
    tables: dict[str, str]
    seen: dict[VolumeInfo | str, Seen] = field(default_factory=dict)

    @classmethod
    def of(cls, options: OptionSet) -> "Inputs":
        """Look at the files that options name, and say how their voxels are taken; only headers are read.

        Raises
        ------
        UserError
            A file is not there, or not what it should be.
        """
        volumes, tables = {}, {}
        every_slice = getattr(options, "every_slice", False)
        look = partial(describe, every_slice=every_slice, raw_layout=RawLayout.told(options))
        for declared in declarations(type(options)):
            value = getattr(options, declared.name)
            if value is None or not declared.names_file(value) or declared.reads == "projections":
                continue
            if declared.reads in ("volume", "scan"):
                see = partial(look, scan=declared.reads == "scan")
                volumes[declared.name] = tuple(map(see, value)) if declared.is_list else see(value)
            else:
                several = {f"{declared.name}_{k}": path for k, path in enumerate(value, 1)} if declared.is_list else {}
                tables |= several or {declared.name: value}
        for path in tables.values():
            check_regular(path)
        inputs = cls(volumes, tables)
        for path in tables.values():  # they are read next
            inputs._see(path)
        for sentence in dict.fromkeys(f"{info.spec}: {note}" for info in inputs.infos for note in info.notes):
            log.warning("%s", sentence)
        return inputs

    def volume(self, option: str) -> VolumeInfo | None:
        """Header of the volume that an option names; None where it names none."""
        return self.volumes.get(option)

    def add(self, option: str, info: VolumeInfo) -> None:
        """Take the files of a tomographic scan, which its own readers have found, for those of an option."""
        self.volumes[option] = info

    @property
    def paths(self) -> list[str]:
        """All files."""
        return [path for info in self.infos for path in (info.path, *info.files)] + list(self.tables.values())

    @property
    def infos(self) -> list[VolumeInfo]:
        """Headers of all volumes."""
        listed = [info if isinstance(info, tuple) else (info,) for info in self.volumes.values()]
        return [info for infos in listed for info in infos]

    def identities(self, **volumes: VolumeInfo) -> dict[str, dict]:
        """What tells the files from others, by option (JSON-able); it does not depend on how a path is written.

        Parameters
        ----------
        **volumes : by name, those of the files of an option with several that count

        Raises
        ------
        UserError
            A file is gone.
        """
        single = {name: info for name, info in self.volumes.items() if not isinstance(info, tuple)}
        return {name: self._see(source).identity for name, source in {**volumes, **single, **self.tables}.items()}

    def _see(self, source: VolumeInfo | str) -> Seen:
        if source not in self.seen:
            self.seen[source] = Seen.now(source)
        return self.seen[source]

    def behind(self, parameters: dict) -> dict[str, Seen]:
        """Files by what a result calls them that is made from them; all, where its parameters do not name them.

        Parameters
        ----------
        parameters : everything that the result depends on, with identities from `identities`
        """
        if "made_from" not in parameters:
            return {seen.name: seen for seen in self.seen.values()}
        named = parameters["made_from"].items()
        return {name: seen for seen in self.seen.values() for name, identity in named if identity is seen.identity}


def tables_of(options: OptionSet) -> list[str]:
    """Tables that options name; not .hdf files of ours, which are read fast, nor .vtk."""
    given = [getattr(options, declared.name) for declared in declarations(type(options)) if declared.reads == "table"]
    named = [path for value in given for path in (value if isinstance(value, tuple) else (value,))]
    return [path for path in named if path is not None and ending_of(path) not in (".hdf", ".vtk")]


def _identity_of_table(path: str) -> dict:
    try:
        with open(path, "rb") as file:
            return {"name": os.path.basename(path), "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
    except OSError as error:
        raise (file_error(path, error) or error) from error
