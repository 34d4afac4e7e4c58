"""What a run has measured so far, on the disk: safe from a kill of any rank at any time.

``<stem>.parts/`` holds ``key.json``, the parameters of the run, and one new append-only file ``<run>.<rank>.rec``
per run and rank. A shard is a sequence of frames: a header (magic, number of rows, CRC-32 of the rows) and the rows.
What follows the last whole frame is a torn tail and is not read.

Nothing here is collective; `hpcdvc.runs.checkpoint` is what the ranks do with it.
"""

import glob
import hashlib
import json
import logging
import os
import shutil
import stat
import struct
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from types import MappingProxyType

import numpy as np

from hpcdvc.errors import RunError, UserError, shortened
from hpcdvc.fields.field import ROW
from hpcdvc.output import files

log = logging.getLogger("hpcdvc")

#: Entries of the identity of a file that are a hash.
CONTENTS = ("sample", "sha256")
#: Differences that a message names.
MOST_LISTED = 12

_HEADER = struct.Struct("<8sII")
_MAGIC = b"hpcdvc1\n"


def key_of(parameters: dict) -> str:
    """SHA-256 (hexadecimal) of parameters that JSON can hold; the order of their names does not matter."""
    return hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()


class Shards:
    """The shards of one result.

    Parameters
    ----------
    stem : path of the result without its extension; the shards go to ``<stem>.parts/``
    parameters : everything that the rows depend on; what JSON can hold
    dtype : of the rows; with a field ``index``
    unit : what a row is about, for messages
    times : of the input by name, when it was last written, ns
    """

    def __init__(
        self,
        stem: str,
        parameters: dict,
        dtype: np.dtype = ROW,
        unit: str = "points",
        times: Mapping[str, int] = MappingProxyType({}),
    ):
        self.folder = f"{stem}.parts"
        self.parameters = json.loads(json.dumps(parameters))
        self.dtype, self.unit, self._times = dtype, unit, dict(times)
        # start of every CRC: rows of another layout (another version) do not pass for ours
        self._layout = zlib.crc32(repr(dtype.descr).encode())

    def existing(self) -> bool:
        """Whether an earlier run has left shards."""
        return bool(self._paths())

    def check_folder(self, user: int | None = None) -> None:
        """Make sure that the folder, where there is one, was made by this user.

        Parameters
        ----------
        user : owner of what this process writes beside it, by default its user

        Raises
        ------
        UserError
            It is a link, no folder, or of another user, who may have put there what he likes.
        """
        try:
            status = os.lstat(self.folder)
        except (FileNotFoundError, NotADirectoryError):
            return
        if not stat.S_ISDIR(status.st_mode):
            raise UserError(f"{self.folder} is no folder: remove it, or give another -pre or -od")
        if status.st_uid != (os.geteuid() if user is None else user):
            raise UserError(f"{self.folder} belongs to another user: remove it, or give another -pre or -od")

    def check(self, resume: bool) -> None:
        """Make sure that shards of an earlier run are wanted, and belong to the same parameters.

        Raises
        ------
        UserError
            There are shards and `resume` is False, or the parameters differ.
        """
        if not self.existing():
            return
        if not resume:
            rows = sum(len(frame) for frame in self._frames())
            raise UserError(
                f"{self.folder} holds {rows} {self.unit} of an unfinished run: type --resume to go on with it, "
                "or --force to start anew"
            )
        try:
            earlier = self._key()["parameters"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise UserError(
                f"{self._key_path} cannot be read: -pre or -od give another name, --force starts anew"
            ) from error
        if key_of(earlier) != key_of(self.parameters):
            changes = listed_differences(earlier, self.parameters)
            raise UserError(
                f"{self.folder} was measured with other parameters ({changes}): --resume needs the same ones, "
                "-pre or -od give another name, --force starts anew"
            )
        for name, written in self._earlier_times().items():
            if self._times.get(name, 0) > written:
                log.warning(
                    f"{name} was written after {self.folder} was begun: if its contents are others, "
                    "which samples of it do not show, --force starts anew"
                )

    def load(self) -> np.ndarray:
        """Rows of earlier runs, ordered by index, each index once."""
        frames = [np.empty(0, self.dtype), *self._frames()]
        rows = np.concatenate(frames)
        del frames
        # in the order of the names of the shards: the first measurement of a point counts
        return rows[np.unique(rows["index"], return_index=True)[1]]

    def instruction_set(self) -> str | None:
        """That of the run which began the shards; None if there are none."""
        try:
            return self._key().get("instruction_set") if self.existing() else None
        except (OSError, ValueError, AttributeError, RecursionError):
            return None

    def begin(self, instruction_set: str | None = None) -> str:
        """Write the key, on one rank; returns the name of a new run.

        Raises
        ------
        RunError
            The folder cannot be written.
        """
        known = {"key": key_of(self.parameters), "instruction_set": instruction_set, "parameters": self.parameters}
        known["times"] = self._times | self._earlier_times()
        with files.write_errors(self.folder), suppress(FileExistsError):
            os.mkdir(self.folder, files.FOLDER_MODE)
        with files.whole_file(self._key_path) as temporary, files.fill(temporary, encoding="utf-8") as file:
            file.write(json.dumps(known, indent=1))
        return f"{time.time_ns():020d}-{os.urandom(8).hex()}"

    def clear(self) -> None:
        """Delete the shards: the result is on the disk, or the earlier run is not wanted; RunError if that fails."""
        if not os.path.isdir(self.folder):
            return
        try:
            for path in self._paths():  # first: nothing goes on with shards without a key
                os.unlink(path)
            shutil.rmtree(self.folder)
        except OSError as error:
            raise RunError(f"{self.folder} cannot be removed: {error.strerror}") from error

    @property
    def _key_path(self) -> str:
        return os.path.join(self.folder, "key.json")

    def _key(self) -> dict:
        with open(files.open_regular(self._key_path), encoding="utf-8") as file:
            return json.load(file)

    def _earlier_times(self) -> dict[str, int]:
        """Times of the input when the shards were begun."""
        try:
            times = self._key()["times"] if self.existing() else {}
            return {str(name): int(value) for name, value in times.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def _paths(self) -> list[str]:
        return sorted(glob.glob(os.path.join(glob.escape(self.folder), "*.rec")))

    def frame(self, rows: np.ndarray) -> bytes:
        """Rows as they are appended to a shard."""
        data = np.ascontiguousarray(rows, self.dtype).tobytes()
        return _HEADER.pack(_MAGIC, len(rows), zlib.crc32(data, self._layout)) + data

    def _frames(self) -> Iterator[np.ndarray]:
        """Rows of all whole frames of all shards."""
        for path in self._paths():
            with open(files.open_regular(path), "rb") as file:
                data = file.read()
            start = 0
            while start + _HEADER.size <= len(data):
                magic, count, crc = _HEADER.unpack_from(data, start)
                start += _HEADER.size
                rows = memoryview(data)[start : start + count * self.dtype.itemsize]
                whole = len(rows) == count * self.dtype.itemsize
                if magic != _MAGIC or not whole or zlib.crc32(rows, self._layout) != crc:
                    break
                yield np.frombuffer(rows, self.dtype)
                start += len(rows)


def listed_differences(earlier: object, now: object) -> str:
    """The first `MOST_LISTED` differences, for a message: a file may hold any number of them."""
    found = list(islice(differences(earlier, now), MOST_LISTED + 1))
    return ", ".join(found[:MOST_LISTED]) + " and more" * (len(found) > MOST_LISTED)


def differences(earlier: object, now: object, name: str = "") -> Iterator[str]:
    """Words such as ``half_window_size was 8, is 10``, for every entry that differs.

    Parameters
    ----------
    earlier, now : parameters, as JSON can hold them
    name : of the entry
    """
    if isinstance(earlier, dict) and isinstance(now, dict):
        for key in sorted(earlier.keys() | now.keys()):
            yield from differences(earlier.get(key), now.get(key), f"{name}.{key}" if name else key)
    elif json.dumps(earlier) != json.dumps(now):
        file, _, entry = name.rpartition(".")
        if entry in CONTENTS:
            yield f"{shortened(file)} has other contents"
        else:
            yield f"{shortened(name)} was {_shown(earlier)}, is {_shown(now)}"


def _shown(value: object) -> str:
    """A parameter as text; a file by its name."""
    return shortened(json.dumps(value.get("name", value) if isinstance(value, dict) else value))
