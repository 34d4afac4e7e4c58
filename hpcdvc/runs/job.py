"""One result from plan to file, and the skeleton of every command that computes: `carry_out`.

A command says what is made of its input (`plan`, on rank 0, from headers alone) and how (`work`, on all ranks). What
all of them share is here: which results are there already, whether they may be replaced, shards, room on the disk, the
record of a run, views.
"""

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from hpcdvc import kernels
from hpcdvc.errors import UserError
from hpcdvc.fields.field import ROW
from hpcdvc.options.common import RunControl
from hpcdvc.options.declare import as_parameters
from hpcdvc.output.files import temporary_name
from hpcdvc.output.image import ImageFile
from hpcdvc.output.places import check_folder, check_inputs_stay, check_names, is_finished
from hpcdvc.output.result import FieldFile, read_record, record_path, write_record
from hpcdvc.ranks.background import Background
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.instruction_set import agree_on_instruction_set
from hpcdvc.runs.shards import Shards, differences, key_of

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
    """

    stem: str
    parameters: dict
    files: tuple[FieldFile | ImageFile, ...]
    task: Any
    dtype: np.dtype = field(default_factory=lambda: ROW)
    unit: str = "points"
    done: bool = False

    @property
    def key(self) -> str:
        """What tells it from a result of other parameters."""
        return key_of(self.parameters)

    @property
    def shards(self) -> Shards:
        """Where its rows are kept until the result is there."""
        return Shards(self.stem, self.parameters, self.dtype, self.unit)

    @property
    def paths(self) -> list[str]:
        """All files that it writes."""
        return [path for file in self.files for path in (file.path, *file.view_paths())]

    def check(self, options: RunControl) -> None:
        """Find out what is there already, on one rank.

        Raises
        ------
        UserError
            There is a result, or a part of one, that is not to be replaced or completed.
        """
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

    def _changes(self, file: FieldFile | ImageFile) -> str:
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
        return ", ".join(differences(earlier, self.parameters))

    def room(self, options: RunControl) -> int:
        """Bytes that it will write."""
        return 0 if self.done else sum(f.file_bytes for f in self.files if not (options.resume and f.begun()))

    def run(self, team, options: RunControl, work: "Work") -> None:
        """Do the work. Collective."""
        began = time.time()
        if options.force and not options.resume:
            team.agree(self.shards.clear)
        instruction_set = agree_on_instruction_set(team, self.shards)
        record = work(self, Checkpoint(self.shards, team, options.checkpoint_interval, instruction_set))
        if record is not None:
            facts = {"key": self.key, "seconds": round(time.time() - began, 3), **record}
            team.agree(lambda: write_record(self.stem, facts, team))

    def finish(self, team, views: Background) -> list[str]:
        """After the work: views beside the files, no trace of an unfinished run. Collective; returns the paths."""
        for file in self.files:
            views.add(file.write_views)
        team.agree(self._tidy)
        return self.paths

    def _tidy(self) -> None:
        for file in self.files:
            file.discard()
            summary = file.summary()
            if summary:
                log.info(summary)
        temporary_name(record_path(self.stem)).unlink(missing_ok=True)  # of a run that was killed while it wrote it
        self.shards.clear()


Plan = Callable[[Inputs], list[Job]]
Work = Callable[[Job, Checkpoint], dict | None]


def carry_out(options: RunControl, team, plan: Plan, work: Work, estimate: Callable[[list[Job]], str]) -> list[str]:
    """Do the jobs of a command; returns the paths written. Collective.

    Parameters
    ----------
    options : of the command
    team : hpcdvc.ranks.team.Team
    plan : from the input to the jobs, on rank 0; checks all that can be checked without reading a volume
    work : does one job on all ranks, and returns what the record of the run keeps; None: no record is written
    estimate : what the jobs will take, as text

    Raises
    ------
    UserError
        On every rank: a mistake, found before anything is computed.
    """
    team.agree_all(kernels.supported)  # first: a wrong HPCDVC_ISA shall change nothing on the disk
    jobs = team.agree(lambda: _planned(options, plan))
    if options.dry_run:
        log.info(estimate(jobs))
        return []
    paths = []
    with Background(team, len(jobs) > 1) as views:
        for job in jobs:
            if not job.done:
                job.run(team, options, work)
            paths += job.finish(team, views)
    return paths


def _planned(options: RunControl, plan: Plan) -> list[Job]:
    """The jobs, checked, on one rank."""
    inputs = Inputs.of(options)
    jobs = plan(inputs)
    stems = [job.stem for job in jobs]
    for job in jobs:
        if stems.count(job.stem) > 1:
            raise UserError(f"two results would be written to {job.files[0].path}: the images need different names")
        check_names([*job.paths, record_path(job.stem)])
        check_inputs_stay(job.paths, inputs.paths)
        job.check(options)
    for folder in dict.fromkeys(map(os.path.dirname, stems)):
        need = sum(job.room(options) for job in jobs if os.path.dirname(job.stem) == folder)
        check_folder(folder, need, make=not options.dry_run)
    return jobs
