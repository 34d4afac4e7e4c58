"""The files that a command reads: their headers and what tells them from others, before anything is computed."""

import hashlib
import logging
import os
from dataclasses import dataclass
from functools import partial

from hpcdvc.errors import UserError, file_error
from hpcdvc.images import VolumeInfo, describe, identity
from hpcdvc.options.declare import OptionSet, declarations

log = logging.getLogger("hpcdvc")


@dataclass(frozen=True)
class Inputs:
    """Files named by options that are declared with ``reads``.

    Attributes
    ----------
    volumes : headers of volumes and masks by option; a tuple for an option that names several; none where none is given
    tables : paths of tables and meshes by option
    """

    volumes: dict[str, VolumeInfo | tuple[VolumeInfo, ...]]
    tables: dict[str, str]

    @classmethod
    def of(cls, options: OptionSet) -> "Inputs":
        """Look at the files that options name, and say how their voxels are taken; only headers are read.

        Raises
        ------
        UserError
            A file is not there, or not what it should be.
        """
        volumes, tables = {}, {}
        look = partial(describe, every_slice=getattr(options, "every_slice", False))
        for declared in declarations(type(options)):
            value = getattr(options, declared.name)
            if value is None or declared.reads is None:
                continue
            if declared.reads == "volume":
                volumes[declared.name] = tuple(map(look, value)) if declared.is_list else look(value)
            elif os.path.isfile(value):
                tables[declared.name] = value
            else:
                raise UserError(f"{value} is no regular file" if os.path.exists(value) else f"{value}: no such file")
        inputs = cls(volumes, tables)
        for sentence in dict.fromkeys(f"{info.spec}: {note}" for info in inputs._infos() for note in info.notes):
            log.warning("%s", sentence)
        return inputs

    def volume(self, option: str) -> VolumeInfo | None:
        """Header of the volume that an option names; None where it names none."""
        return self.volumes.get(option)

    @property
    def paths(self) -> list[str]:
        """All files."""
        return [path for info in self._infos() for path in (info.path, *info.files)] + list(self.tables.values())

    def _infos(self) -> list[VolumeInfo]:
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
        known = {name: identity(info) for name, info in {**volumes, **single}.items()}
        return known | {name: _identity_of_table(path) for name, path in self.tables.items()}


def _identity_of_table(path: str) -> dict:
    try:
        with open(path, "rb") as file:
            return {"name": os.path.basename(path), "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
    except OSError as error:
        raise (file_error(path, error) or error) from error
