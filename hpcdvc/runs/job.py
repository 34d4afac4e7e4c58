"""One result from plan to file, and the skeleton of every command that computes: `carry_out`.

A command says what is made of its input (`plan`, on rank 0, from headers alone) and how (`work`, on all ranks). What
all of them share is here: which results are there already, whether they may be replaced, shards, room on the disk, the
record of a run, views.
"""

import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from hpcdvc import kernels
from hpcdvc.errors import UserError
from hpcdvc.fields.field import ROW
from hpcdvc.options.common import RunControl
from hpcdvc.options.declare import as_parameters
from hpcdvc.output.files import sweep
from hpcdvc.output.places import check_folder, check_inputs_stay, check_names, check_room, is_finished
from hpcdvc.output.result import FieldFile, read_record, record_path, write_record
from hpcdvc.output.slab_file import SlabFile
from hpcdvc.output.tsv import read_ahead
from hpcdvc.ranks.background import Background
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.earlier_views import name_earlier_views
from hpcdvc.runs.inputs import Inputs, Seen, tables_of
from hpcdvc.runs.instruction_set import agree_on_instruction_set
from hpcdvc.runs.lengths import keep_voxel_size
from hpcdvc.runs.lock import Locks
from hpcdvc.runs.shards import Shards, key_of, listed_differences

log = logging.getLogger("hpcdvc")

#: What the provenance of a result says beside the files and all else that it was made from.
ABOUT = ("program", "units")


def parameters_of(options: RunControl, made_from: dict) -> dict:
    """Everything that a result depends on (JSON-able).

    Parameters
    ----------
    options : of the command; files that they name count by what is in them
    made_from : identities of the files, and what else the result is made from, by name
    """
    return {"options": as_parameters(options, key_only=True), "made_from": made_from}


def metadata_of(command: str, parameters: dict, paths: dict) -> dict:
    """What the file of a result says about itself.

    Parameters
    ----------
    command : its name without prefix
    parameters : from `parameters_of`
    paths : files by option, as they were given
    """
    return {
        "key": key_of(parameters),
        "parameters": {**parameters["options"], **paths},
        "provenance": {**dict(zip(ABOUT, (f"hpcdvc-{command}", "voxel"), strict=True)), **parameters["made_from"]},
    }


@dataclass(kw_only=True)
class Job:
    """One result.

    Attributes
    ----------
    stem : path of the result without extension
    parameters : everything that the result depends on
    files : what is written
    task : what the command has made of its options and input
    dtype, unit : of the rows that are kept while the job runs, and what they are about
    done : the files are there, whole, and made from these parameters
    seen : volumes and tables that it is made from, by name, as they were when the run began
    recorded : a record of the run is kept beside the result
    lists : results that ParaView plays as one, by the path of their list, which is written when all jobs are done
    """

    stem: str
    parameters: dict
    files: tuple[FieldFile | SlabFile, ...]
    task: Any
    dtype: np.dtype = field(default_factory=lambda: ROW)
    unit: str = "points"
    done: bool = False
    seen: dict[str, Seen] = field(default_factory=dict)
    recorded: bool = True
    lists: dict[str, list[str]] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What tells it from a result of other parameters."""
        return key_of(self.parameters)

    @property
    def shards(self) -> Shards:
        """Where its rows are kept until the result is there."""
        # not those of tables, whose contents are compared whole
        sampled = {name: seen for name, seen in self.seen.items() if "sample" in seen.identity}
        times = {f"{name} ({seen.identity['name']})": seen.written for name, seen in sampled.items()}
        return Shards(self.stem, self.parameters, self.dtype, self.unit, times)

    @property
    def paths(self) -> list[str]:
        """All files that it writes."""
        return [path for file in self.files for path in (file.path, *file.view_paths())]

    def check(self, options: RunControl, user: int | None = None) -> None:
        """Find out what is there already, on one rank.

        Parameters
        ----------
        options : of the command
        user : owner of what this process writes, by default its user

        Raises
        ------
        UserError
            There is a result, or a part of one, that is not to be replaced or completed.
        """
        self.shards.check_folder(user)
        done = [
            is_finished(file.path, file.is_ours, options.force, options.resume, partial(self._changes, file))
            for file in self.files
        ]
        # shards without a record: the run was killed between its last file and its end, and is brought there
        self.done = all(done) and (read_record(self.stem).get("key") == self.key or not self.shards.existing())
        if self.done:
            return
        keep = options.force or all(done)
        for path in () if keep else [path for file in self.files for path in file.view_paths()]:
            if os.path.exists(path):
                raise UserError(f"{path} exists: -pre or -od give another name, --force overwrites it")
        if options.resume or not options.force:
            self.shards.check(options.resume)

    def _changes(self, file: FieldFile | SlabFile) -> str:
        """Parameters by which the file that is there differs from this job, as text; "" where it does not say."""
        stored, record = file.stored(), read_record(self.stem)
        if "parameters" not in stored and record.get("key") == stored.get("key"):
            stored = record
        if "parameters" not in stored or "options" not in self.parameters:
            return ""
        options, made_from = self.parameters["options"], stored.get("provenance", {})
        earlier = {
            "options": {name: value for name, value in stored["parameters"].items() if name in options},
            "made_from": {name: value for name, value in made_from.items() if name not in ABOUT},
        }
        return listed_differences(earlier, self.parameters)

    def room(self, options: RunControl) -> int:
        """Bytes that it will write."""
        return 0 if self.done else sum(f.file_bytes for f in self.files if not (options.resume and f.begun()))

    def run(self, team, options: RunControl, work: "Work", locks: Locks) -> None:
        """Do the work. Collective."""
        began = time.time()
        team.agree(lambda: self._begin(options.force and not options.resume))
        instruction_set = agree_on_instruction_set(team, self.shards)
        interval = options.checkpoint_interval
        checkpoint = Checkpoint(self.shards, team, interval, instruction_set, lambda: self._confirm(locks))
        record = work(self, checkpoint, options, team)
        if record is not None:
            facts = {"key": self.key, "seconds": round(time.time() - began, 3), **record}
            team.agree(lambda: write_record(self.stem, facts, team))

    def _begin(self, anew: bool) -> None:
        """Nothing of an earlier run is left but what this one goes on with, and the input is as it was planned with."""
        for seen in self.seen.values():
            seen.check(contents=False)
        if anew:
            self.shards.clear()

    def _confirm(self, locks: Locks) -> None:
        """The result may have its name: it is of the input that it names, and its place is still that of this run."""
        for seen in self.seen.values():
            seen.check()
        locks.confirm(self.stem)
        with suppress(FileNotFoundError):  # that of a result which is now replaced
            os.unlink(record_path(self.stem))

    def finish(self, team, views: Background) -> list[str]:
        """After the work: views beside the files, no trace of an unfinished run. Collective; returns the paths."""
        for file in self.files:
            views.add(file.write_views)
        team.agree(lambda: self._tidy(team))
        return self.paths

    def _tidy(self, team) -> None:
        if self.recorded and self.done and read_record(self.stem).get("key") != self.key:
            # a record that was lost: what the result knows itself
            write_record(self.stem, {"key": self.key, **self.files[0].remembered()}, team)
        for file in self.files:
            summary = file.summary()
            if summary:
                log.info(summary)
        self.shards.clear()


Plan = Callable[[Any, Inputs, Any], list[Job]]
Work = Callable[[Job, Checkpoint, Any, Any], dict | None]


def carry_out(options: RunControl, team, plan: Plan, work: Work, estimate: Callable[[list[Job]], str]) -> list[str]:
    """Do the jobs of a command; returns the paths written. Collective.

    Parameters
    ----------
    options : of the command
    team : hpcdvc.ranks.team.Team
    plan : from options, input and team to the jobs, on rank 0; checks all that can be checked without reading a volume
    work : does one job on all ranks, given its shards, options and team, and returns what the record of the run keeps;
        None: no record is written
    estimate : what the jobs will take, as text

    Raises
    ------
    UserError
        On every rank: a mistake, found before anything is computed.
    """
    team.agree_all(kernels.supported)  # first: a wrong HPCDVC_ISA shall change nothing on the disk
    paths = []
    with Locks(team) as locks:
        with read_ahead(tables_of(options), team):
            jobs, locks.held = team.agree(lambda: (_planned(options, team, plan, locks), locks.held))
        if options.dry_run:
            log.info(estimate(jobs))
            team.agree(lambda: _check_room(jobs, options))  # what it takes has been said
            return []
        with Background(team, len(jobs) > 1) as views:
            for job in jobs:
                if not job.done:
                    job.run(team, options, work, locks)
                paths += job.finish(team, views)
        team.agree(lambda: name_earlier_views(jobs, getattr(options, "with_report", False)))
        return paths + team.agree(lambda: _write_lists(jobs, locks))


def _write_lists(jobs: list[Job], locks: Locks) -> list[str]:
    """Write the lists of results, on one rank; returns their paths."""
    from hpcdvc.output.hdf5 import write_series

    lists = {path: results for job in jobs for path, results in job.lists.items()}
    for path, results in lists.items():
        locks.confirm(path)
        names = [os.path.relpath(result, os.path.dirname(path) or ".") for result in results]
        write_series(path, names, list(range(1, len(results) + 1)))
    return list(lists)


def _planned(options: RunControl, team, plan: Plan, locks: Locks) -> list[Job]:
    """The jobs, checked, on one rank; their output is that of this run from now on, unless this is a dry one."""
    inputs = Inputs.of(options)
    jobs = plan(options, inputs, team)
    keep_voxel_size(options, inputs, (file for job in jobs for file in job.files))
    stems = [job.stem for job in jobs]
    for job in jobs:
        if stems.count(job.stem) > 1:
            raise UserError(f"two results would be written to {job.files[0].path}: the images need different names")
        check_names([*job.paths, record_path(job.stem), *job.lists])
        check_inputs_stay(job.paths, inputs.paths)
        job.seen = inputs.behind(job.parameters)
    folders = dict.fromkeys(map(os.path.dirname, stems))
    if not options.dry_run:
        for folder in folders:
            check_folder(folder)
        for owned in [owned for job in jobs for owned in (job.stem, *job.lists)]:
            locks.take(owned, options.force)
    for job in jobs:
        job.check(options, locks.user)
    if not options.dry_run:
        _check_room(jobs, options)
        _sweep(jobs, options)
    return jobs


def _check_room(jobs: list[Job], options: RunControl) -> None:
    """Refuse results that their folders have no room for."""
    for folder in dict.fromkeys(os.path.dirname(job.stem) for job in jobs):
        check_room(folder, sum(job.room(options) for job in jobs if os.path.dirname(job.stem) == folder))


def _sweep(jobs: list[Job], options: RunControl) -> None:
    """Remove the half-written files of runs that were killed, but for images that this one goes on with."""
    paths = []
    for job in jobs:
        goes_on = options.resume and not job.done
        paths += [record_path(job.stem), *job.lists, *(path for file in job.files for path in file.view_paths())]
        paths += [file.path for file in job.files if not (goes_on and isinstance(file, SlabFile))]
    sweep(paths)
