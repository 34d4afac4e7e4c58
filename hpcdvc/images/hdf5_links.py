"""Where links in HDF5 files lead to. They are followed step by step: HDF5 would open whatever they name, pipes too."""

import os
from functools import partial

from hpcdvc.errors import UserError, shortened
from hpcdvc.images.files import is_regular

#: So many links lead from one to the next, as HDF5 has it.
MOST_LINKS = 16


def follow(group, name: str, spec: str, links: int = 0):
    """What a name or path in a group leads to; None if nowhere.

    Parameters
    ----------
    group : h5py.Group
    name : path from the group, or from the root if it begins with a slash
    spec : the volume, for messages
    links : how many links have led here

    Raises
    ------
    UserError
        A link leads to something that is no regular file.
    """
    import h5py
    from h5py import h5l

    node = group.file["/"] if name.startswith("/") else group
    for part in filter(lambda part: part not in ("", "."), name.split("/")):
        word = os.fsencode(part)
        if not isinstance(node, h5py.Group) or not node.id.links.exists(word):
            return None
        kind = node.id.links.get_info(word).type
        if kind != h5l.TYPE_HARD and links >= MOST_LINKS:
            return None
        try:
            if kind == h5l.TYPE_HARD:
                node = node[part]
            elif kind == h5l.TYPE_SOFT:
                node = follow(node, os.fsdecode(node.id.links.get_val(word)), spec, links + 1)
            else:
                node = _in_other_file(node, word, spec, links + 1)
        except (KeyError, OSError):
            return None
    return node


def _in_other_file(group, word: bytes, spec: str, links: int):
    """What an external link leads to; None if nowhere."""
    import h5py

    file_name, name = map(os.fsdecode, group.id.links.get_val(word))
    path = find_file(group.file.filename, file_name, "HDF5_EXT_PREFIX", spec)
    return None if path is None else follow(h5py.File(path, "r")["/"], name, spec, links)


def find_file(own: str, name: str, prefixes: str, spec: str) -> str | None:
    """The HDF5 file that is named in the file `own`; None if it is nowhere.

    Parameters
    ----------
    own, name : the file, and what it names
    prefixes : the variable of the environment that lists folders
    spec : the volume, for messages

    Raises
    ------
    UserError
        Something that is no regular file stands where HDF5 looks for it.
    """
    import h5py

    there = filter(partial(is_regular, spec=spec), _places(own, name, prefixes))
    return next((path for path in there if h5py.is_hdf5(path)), None)


def _places(own: str, name: str, variable: str) -> list[str]:
    """Where HDF5 looks for another file that the file `own` names, in this order."""
    if name == ".":
        return [own]
    last = os.path.basename(name) if os.path.isabs(name) else name
    prefixes = os.environ.get(variable, "").replace("${ORIGIN}", os.path.dirname(os.path.abspath(own)))
    folders = [*filter(None, prefixes.split(":")), os.path.dirname(own), "", os.path.dirname(os.path.realpath(own))]
    return [name] * os.path.isabs(name) + [os.path.join(folder, last) for folder in folders]


def broken(group, name: str, spec: str) -> UserError:
    """The sentence about a link of a group that leads nowhere."""
    from h5py import h5l

    links, word = group.id.links, os.fsencode(name)
    target = links.get_val(word) if links.get_info(word).type != h5l.TYPE_HARD else "something"
    if isinstance(target, tuple):
        target = b":".join(target)
    target = target if isinstance(target, str) else target.decode(errors="replace")
    place = f"{group.file.filename}:{group.name.rstrip('/')}/{name}"
    return UserError(f"{spec}: {place} is a link to {shortened(target)}, which is not there or cannot be read")
