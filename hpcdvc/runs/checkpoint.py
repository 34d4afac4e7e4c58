"""Shards: what a run has measured so far, safe from a kill of any rank at any time.

``<stem>.parts/`` holds ``key.json``, the parameters of the run, and one new append-only file ``<run>.<rank>.rec``
per run and rank. A shard is a sequence of frames: a header (magic, number of rows, CRC-32 of the rows) and the rows.
What follows the last whole frame is a torn tail and is not read.
"""

import glob
import hashlib
import json
import os
import shutil
import struct
import time
import zlib
from collections.abc import Iterator

import numpy as np

from hpcdvc.errors import RunError, UserError
from hpcdvc.fields.field import ROW

_HEADER = struct.Struct("<8sII")
_MAGIC = b"hpcdvc1\n"


def key_of(parameters: dict) -> str:
    """SHA-256 (hexadecimal) of parameters that JSON can hold; the order of their names does not matter."""
    return hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()


class Checkpoint:
    """The shards of one result.

    Parameters
    ----------
    stem_path : str
        Path of the result without its extension; the shards go to ``<stem_path>.parts/``.
    parameters : dict
        Everything that the measured rows depend on; what JSON can hold.
    team : hpcdvc.ranks.team.Team
    interval : float
        Seconds between two writes through to the disk: what a crash of the machine may cost. A killed process
        costs nothing that was appended.
    dtype : numpy dtype
        Of the rows; with a field ``index``.
    unit : str
        What a row is about, for messages.
    """

    def __init__(
        self,
        stem_path: str,
        parameters: dict,
        team,
        interval: float = 10.0,
        dtype: np.dtype = ROW,
        unit: str = "points",
    ):
        self.folder = f"{stem_path}.parts"
        self._parameters = json.loads(json.dumps(parameters))
        self._team = team
        self._interval = interval
        self.dtype, self.unit = dtype, unit
        # start of every CRC: rows of another layout (another version) do not pass for ours
        self._layout = zlib.crc32(repr(dtype.descr).encode())
        self._run: str | None = None
        self._descriptor = None
        self._synced = 0.0

    @property
    def stop_requested(self) -> bool:
        """Whether this rank was asked to leave (SIGUSR1)."""
        return self._team.stop_requested

    @property
    def opened(self) -> bool:
        """Whether rows can be added."""
        return self._run is not None

    # before the run

    def existing(self) -> bool:
        """Whether an earlier run has left shards (a look at the disk: ask on one rank)."""
        return bool(self._shards())

    def check(self, resume: bool) -> None:
        """Make sure that shards of an earlier run are wanted, and belong to the same parameters. Collective.

        Raises
        ------
        UserError
            On every rank: there are shards and `resume` is False, or the parameters differ.
        """
        self._team.agree(lambda: self._check(resume))

    def _check(self, resume: bool) -> None:
        if not self.existing():
            return
        if not resume:
            rows = sum(len(frame) for frame in self._frames())
            raise UserError(
                f"{self.folder} holds {rows} {self.unit} of an unfinished run: type --resume to go on with it, "
                "or --force to start anew"
            )
        try:
            with open(self._key_path(), encoding="utf-8") as file:
                earlier = json.load(file)["parameters"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{self._key_path()} cannot be read: --force starts anew") from error
        if key_of(earlier) != key_of(self._parameters):
            changes = ", ".join(_differences(earlier, self._parameters))
            raise UserError(
                f"{self.folder} was measured with other parameters ({changes}): "
                "--resume needs the same ones, --force starts anew"
            )

    def load(self) -> np.ndarray:
        """Rows of earlier runs, ordered by index, each index once; empty on ranks above 0. Collective."""
        loaded = self._team.on_root(self._load)
        return np.empty(0, self.dtype) if loaded is None else loaded

    def _load(self) -> np.ndarray:
        frames = [np.empty(0, self.dtype), *self._frames()]
        rows = np.concatenate(frames)
        del frames
        # in the order of the names of the shards: the first measurement of a point counts
        return rows[np.unique(rows["index"], return_index=True)[1]]

    # during the run

    def open(self, alone: bool = False) -> None:
        """Start a new shard on every rank; SIGUSR1 is listened to from now on. Collective.

        Parameters
        ----------
        alone : rank 0 keeps all rows, the others start none

        Raises
        ------
        UserError
            On every rank, when the folder cannot be written.
        """
        self._team.listen()
        self._run = self._team.agree(self._start_run)
        path = os.path.join(self.folder, f"{self._run}.{self._team.rank:05d}.rec")
        self._descriptor = self._team.agree_all(lambda: None if alone and self._team.rank > 0 else _create(path))
        self._synced = time.monotonic()

    def _start_run(self) -> str:
        try:
            os.makedirs(self.folder, exist_ok=True)
            temporary = f"{self._key_path()}.tmp"
            with open(temporary, "w", encoding="utf-8") as file:
                json.dump({"key": key_of(self._parameters), "parameters": self._parameters}, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self._key_path())
        except OSError as error:
            raise UserError(f"cannot write into {self.folder}: {error.strerror}") from error
        return f"{time.time_ns():020d}"

    def append(self, rows: np.ndarray) -> None:
        """Add measured rows to the shard of this rank.

        Raises
        ------
        RunError
            When the disk does not take them; what was appended before is safe.
        """
        data = np.ascontiguousarray(rows, self.dtype).tobytes()
        frame = memoryview(_HEADER.pack(_MAGIC, len(rows), zlib.crc32(data, self._layout)) + data)
        try:
            while frame:  # a full disk takes a part, and says what is wrong at the next try
                frame = frame[os.write(self._descriptor, frame) :]
            if time.monotonic() - self._synced > self._interval:
                self._sync()
        except OSError as error:
            raise RunError(
                f"cannot write into {self.folder}: {error.strerror}; what was measured so far is safe there: "
                "make room and run again with --resume"
            ) from error

    def _sync(self) -> None:
        os.fsync(self._descriptor)
        self._synced = time.monotonic()

    def close(self) -> None:
        """Write the shard of this rank through to the disk and close it."""
        self._run = None
        if self._descriptor is None:
            return
        try:
            self._sync()
        except OSError as error:
            raise RunError(f"cannot write into {self.folder}: {error.strerror}") from error
        finally:
            os.close(self._descriptor)
            self._descriptor = None

    def remove(self) -> None:
        """Delete the shards: the result is on disk, or the earlier run is not wanted. Collective."""
        self.close()
        self._team.barrier()
        self._team.agree(self.clear)

    def clear(self) -> None:
        """Delete the shards, on one rank."""
        if os.path.isdir(self.folder):
            shutil.rmtree(self.folder)

    # files

    def _key_path(self) -> str:
        return os.path.join(self.folder, "key.json")

    def _shards(self) -> list[str]:
        return sorted(glob.glob(os.path.join(glob.escape(self.folder), "*.rec")))

    def _frames(self) -> Iterator[np.ndarray]:
        """Rows of all whole frames of all shards."""
        for path in self._shards():
            with open(path, "rb") as file:
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


def _create(path: str) -> int:
    try:
        return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o666)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error


def _differences(earlier: object, now: object, name: str = "") -> Iterator[str]:
    """Sentences such as ``half_window_size was 8, is 10``, for every entry that differs."""
    if isinstance(earlier, dict) and isinstance(now, dict):
        for key in sorted(earlier.keys() | now.keys()):
            yield from _differences(earlier.get(key), now.get(key), f"{name}.{key}" if name else key)
    elif earlier != now:
        yield f"{name} was {json.dumps(earlier)}, is {json.dumps(now)}"
