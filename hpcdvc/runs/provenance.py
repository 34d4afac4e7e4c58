"""What a result is made with and from: what its checkpoint depends on, and what its file remembers."""

import hashlib
import os

from hpcdvc.images import VolumeInfo, identity
from hpcdvc.options.declare import OptionSet, as_parameters
from hpcdvc.runs.checkpoint import key_of

#: Options that name a table or a mesh.
TABLES = ("phi_file", "mesh")


def parameters_of(
    options: OptionSet, paths: tuple[str, ...], images: dict[str, VolumeInfo | None], **others: object
) -> dict:
    """Everything that a result depends on (JSON-able).

    Parameters
    ----------
    options : of the command
    paths : options that name files: these may be called by another path the next time, and count by their contents
    images : by name; None where there is none
    others : what else the result is made from

    Raises
    ------
    UserError
        A file is gone.
    """
    made_from = {name: identity(info) for name, info in images.items() if info}
    made_from |= {name: identity_of(getattr(options, name)) for name in TABLES if getattr(options, name, None)}
    known = as_parameters(options, key_only=True)
    return {
        "options": {name: value for name, value in known.items() if name not in paths},
        "made_from": {**made_from, **others},
    }


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
        "provenance": {"program": f"hpcdvc-{command}", "units": "voxel", **parameters["made_from"]},
    }


def identity_of(path: str) -> dict:
    """What tells one start from another, for the key of a checkpoint (JSON-able)."""
    with open(path, "rb") as file:
        return {"name": os.path.basename(path), "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
