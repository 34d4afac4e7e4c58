"""hpcdvc-convert: a result in another format."""

import logging
import os
from pathlib import Path

import numpy as np

from hpcdvc.errors import UserError, shortened
from hpcdvc.options.convert import IMAGES, INPUTS, Options
from hpcdvc.options.declare import named_files
from hpcdvc.options.voxel_size import VoxelSize
from hpcdvc.output import hdf5, places, tiff, tsv, views, vtk
from hpcdvc.output.columns import Column, columns_of
from hpcdvc.output.dense import picture_names, write_pictures
from hpcdvc.output.dense_result import DenseResult
from hpcdvc.output.files import sweep
from hpcdvc.output.kinds import ending_of
from hpcdvc.output.notebook import Result
from hpcdvc.output.peer import for_spam
from hpcdvc.output.read import read_result
from hpcdvc.output.voxel_size import FACT
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.job import metadata_of, parameters_of
from hpcdvc.runs.lengths import voxel_size_of
from hpcdvc.runs.lock import Locks

log = logging.getLogger("hpcdvc")


def run(options: Options, team) -> list[str]:
    """Read a result and write it; returns the paths written. Collective.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team
    """
    with Locks(team) as locks:
        inputs, locks.held = team.agree(lambda: (_prepared(options, locks), locks.held))
        viewed = _ending(options.output) in (".hdf", ".vtk")
        size = team.agree(lambda: voxel_size_of(options, inputs) if viewed else None)
        result = read_result(options.input, team, options.spacing)
        team.agree(lambda: _check_unchanged(inputs, locks, options))
        if isinstance(result, DenseResult):
            return team.agree(lambda: _write_pictures(options, result, inputs))
        _leave_out_unknown(result)
        if _ending(options.output) == ".hdf":
            metadata = team.agree(lambda: _metadata(options, inputs)) | ({FACT: size.text} if size else {})
            transport = team.agree(lambda: hdf5.choose_transport(team)) if result.grid else "gather"
            hdf5.save_field(options.output, result, metadata, team, transport)
            paths = [options.output]
        else:
            paths = team.agree(lambda: _write_view(options, result, inputs, size))
        team.agree(lambda: _tell(options, result))
        return paths


def _ending(path: str) -> str:
    return Path(path).suffix.lower()


def _stem(options: Options) -> str:
    return str(Path(options.output).with_suffix(""))


def _prepared(options: Options, locks: Locks) -> Inputs:
    """The input, after a look at it and at the place of the output, on one rank.

    Raises
    ------
    UserError
        With one sentence, when something is missing, or the output may not be written.
    """
    _check_kinds(options)
    inputs = Inputs.of(options)
    images = _ending(options.output) in IMAGES
    places.check_names([options.output])
    if not images:  # those have names of their own, which are known when the field is
        _check_free([options.output], options, inputs)
    places.check_folder(os.path.dirname(options.output) or ".")
    locks.take(_stem(options), options.force)
    sweep([options.output])
    return inputs


def _check_kinds(options: Options) -> None:
    """Make sure that the input can become the output.

    Raises
    ------
    UserError
        It is none of what is read, the same format, or an image without the distance between its nodes.
    """
    source, target = ending_of(options.input), _ending(options.output)
    if source not in INPUTS:
        raise UserError(f"{options.input}: what is read ends in {', '.join(INPUTS)}")
    if source == target == ".hdf" or source in IMAGES and target in IMAGES:
        raise UserError(f"{options.input} and {options.output} are of one format: copy the file")
    if source in IMAGES and options.spacing is None:
        raise UserError(f"{options.input}: images do not say how far apart their nodes are; -ns does")
    if options.spacing and source not in IMAGES:
        raise UserError(f"-ns is for images, {options.input} says where its nodes are")


def _check_free(paths: list[str], options: Options, inputs: Inputs) -> None:
    """Make sure that files may be written.

    Raises
    ------
    UserError
        One is the input, or is there already.
    """
    for path in filter(os.path.exists, paths):
        if any(os.path.samefile(path, given) for given in inputs.paths):
            raise UserError(f"the result would replace {options.input}, from which it is made: give it another name")
        if not options.force:
            raise UserError(f"{path} exists: --force overwrites it")


def _check_unchanged(inputs: Inputs, locks: Locks, options: Options) -> None:
    for seen in inputs.seen.values():
        seen.check()
    locks.confirm(_stem(options))


def _leave_out_unknown(result: Result) -> None:
    """Columns that nothing declares go."""
    known = {column.made_from for column in columns_of(views.kind_of_field(result))}
    extra = result.extra or {}
    lost = [name for name in extra if name not in known]
    if lost:
        log.warning("columns that no file of hpcdvc has are left out: %s", shortened(", ".join(lost), 200))
        result.extra = {name: array for name, array in extra.items() if name in known}


def _metadata(options: Options, inputs: Inputs) -> dict:
    return metadata_of("convert", parameters_of(options, inputs.identities()), named_files(options))


def _write_view(options: Options, result: Result, inputs: Inputs, size: VoxelSize | None) -> list[str]:
    """Write text or images, on one rank; returns the paths."""
    if _ending(options.output) == ".tsv":
        tsv.write_tsv(options.output, for_spam(result) if options.program else result)
    elif _ending(options.output) == ".vtk":
        vtk.write_vtk(options.output, result, size=size)
    else:
        names = [name for name, _ in views.images(result)] if result.grid else []
        _check_free([f"{_stem(options)}-{name}.tif" for name in names], options, inputs)
        return [str(path) for path in tiff.write_tiffs(_stem(options), result)]
    return [options.output]


def _write_pictures(options: Options, result: DenseResult, inputs: Inputs) -> list[str]:
    """Write a dense result as images, on one rank; returns the paths.

    Raises
    ------
    UserError
        Something else is wanted.
    """
    if _ending(options.output) not in IMAGES:
        raise UserError(
            f"{result.path} has a value for each pixel: it becomes images, {_stem(options)}.tif, and no table"
        )
    _check_free([f"{_stem(options)}-{name}.tif" for name in picture_names(result.names)], options, inputs)
    return [str(path) for path in write_pictures(_stem(options), result.path, result.names)]


def _tell(options: Options, result: Result) -> None:
    """Say what the output does not hold of the input."""
    ending = _ending(options.output)
    if ending == ".hdf":
        return
    lost = [name for name in ("parameters", "provenance") if result.metadata.get(name)]
    if ending != ".vtk" and result.metadata.get(FACT):
        lost.append(f"the size of a voxel, {result.metadata[FACT]}")
    if any(entry["advice"] for entry in result.metadata.get("statuses", {}).values()):
        lost.append("what to try after failed points")
    if result.metadata.get("kind") == "mesh":
        lost.append("the tetrahedra and what is in them")
    lost += [column.name for column in result.declared() if not _kept(column, ending) and _says(column, result)]
    if lost:
        log.info("%s does not hold: %s", options.output, ", ".join(lost))


def _says(column: Column, result: Result) -> bool:
    """Whether a column has any number in it."""
    values = result.phi[:, :3] if column.made_from == "Phi" else result[column.name]
    return values.dtype.kind != "f" or bool(np.isfinite(values).any())


def _kept(column: Column, ending: str) -> bool:
    """Whether a format shows a column, or another one that it is made of."""
    if ending == ".tsv" and column.made_from == "Phi":
        return True
    return bool(getattr(column, {".tsv": "tsv", ".vtk": "vtk"}.get(ending, "tif")))
