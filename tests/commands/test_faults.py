"""Calls to the file system fail, each once, of every command: one sentence, and a resume leads to the same bits."""

import errno
import os
import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest
import tifffile
from faults import CALLS, Server, build
from ldic_cases import FIELD, images
from plain_mesh import POINTS, write_plain

SHAPE = (14, 22, 24)
#: Most calls of a kind that fail, spread over all, the first and the last among them: reading takes hundreds.
MOST = int(os.environ.get("HPCDVC_FAULTS", "8"))
#: Commands that write one and several results, all kinds of files, from all kinds of input.
COMMANDS = {
    "ldic": "ldic im1.tif im2.tif -ns 8 -hws 3 -tif -vtk -od out",
    "ldic -pf": "ldic im1.h5:/d slices -pf start.tsv -mf1 mask.npy -ns 8 -hws 3 -od out",
    "ldic series": "ldic im1.tif im2.tif im3.npy -ns 10 -hws 3 -sei --total -od out",
    "pixelSearch": "pixelSearch im1.tif im2.tif -ns 8 -hws 3 -sr -1 1 -1 1 -1 1 -od out",
    "propagate": "pixelSearchPropagate im1.tif im2.tif -sp 7 11 12 0 0 0 -ns 8 -hws 3 -cct 0 -od out",
    "guidingPoints": "guidingPoints im1.tif -hws 3 -od out",
    "reg": "reg im1.npy im2.tif -def -j -od out",
    "deformImage": "deformImage im1.tif -pf field.hdf --residual im2.tif --coverage -od out",
    "deformImage hdf": "deformImage im1.npy --mesh mesh.h5 --format hdf -mf2 mask.npy -od out",
}
FEWER = {"guidingPoints": 3}  # its picture takes time


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    try:
        return build(tmp_path_factory.mktemp("library"))
    except FileNotFoundError:
        pytest.skip("no C compiler")


@pytest.fixture(scope="module")
def server(library):
    server = Server(library)
    yield server
    server.close()


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, server):
    """A folder of small images, and of what the commands start from."""
    folder = tmp_path_factory.mktemp("inputs")
    im1, im2 = images(replace(FIELD), SHAPE)
    tifffile.imwrite(folder / "im1.tif", im1)
    tifffile.imwrite(folder / "im2.tif", im2, compression="zlib")
    for name, image in (("im1", im1), ("im2", im2), ("im3", im2), ("mask", np.ones(SHAPE, "u1"))):
        np.save(folder / f"{name}.npy", image)
    with h5py.File(folder / "im1.h5", "w") as file:
        file.create_dataset("d", data=im1, chunks=(4, 22, 24), compression="gzip")
    (folder / "slices").mkdir()
    for z, plane in enumerate(im2):
        tifffile.imwrite(folder / "slices" / f"{z:02d}.tif", plane)
    write_plain(folder / "mesh.h5", mesh_points=POINTS / 30 * (np.array(SHAPE) - 1))
    assert server(folder, "ldic", "im1.tif", "im2.tif", "-ns", 8, "-hws", 3, "-q", "-pre", "field")["code"] == 0
    os.rename(folder / "field-ldic.hdf", folder / "field.hdf")
    os.rename(folder / "field-ldic.tsv", folder / "start.tsv")
    os.unlink(folder / "field-ldic.run.json")
    return folder


def contents(folder) -> dict[str, bytes]:
    """What is in the output folder, the records of the runs by name only."""
    out = folder / "out"
    found = {path.name: b"" if path.suffix == ".json" else path for path in out.iterdir()} if out.exists() else {}
    return {name: path and (b"folder" if path.is_dir() else path.read_bytes()) for name, path in found.items()}


def fresh(inputs, folder):
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(inputs, folder)
    return folder


def problem(ended: dict, found: dict, expected: dict) -> str:
    """What is wrong with an end: what has its final name is whole; all of it is there after success, and one sentence
    says what has failed."""
    for name in found.keys() & expected.keys():
        if found[name] != expected[name]:
            return f"{name} is another one"
    if ended["code"] == 0:
        return "something is missing" * (not found.keys() >= expected.keys())
    lines = ended["said"].splitlines()
    raw = any(word in ended["said"] for word in ("Traceback", "errno", "Errno", "Unable to", "damaged", "truncated"))
    one = len(lines) == 1 and lines[0].startswith("hpcdvc-")
    return "" if ended["code"] == 1 and one and not raw else "not one sentence on a failure of the machine"


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("command", COMMANDS)
def test_every_call_fails_once(server, inputs, tmp_path, command, call):
    words, problems = [*COMMANDS[command].split(), "-q"], []
    folder = fresh(inputs, tmp_path / "run")
    whole = server(folder, *words, call=call)
    assert whole["code"] == 0, whole
    expected, count = contents(folder), whole["count"]
    assert not [name for name in expected if ".tmp" in name or name.endswith(".parts")]
    for error in CALLS[call]:
        for number in np.unique(np.linspace(1, count, FEWER.get(command, MOST)).astype(int)).tolist() if count else ():
            fresh(inputs, folder)
            ended = server(folder, *words, call=call, number=number, error=getattr(errno, error) if error else 0)
            found = problem(ended, contents(folder), expected)
            if not error and ended["code"]:
                found = found or "a part of the work is no failure"
            again = server(folder, *words, "--resume")
            if again["code"] or contents(folder) != expected:
                found = found or f"the resume differs: {again['code']} {again['said']}"
            if found:
                what = f"{call} {number} of {count}, {error or 'a part'}: {found}"
                problems.append(f"{what}; exit code {ended['code']}\n{ended['said']}")
    assert not problems, f"{len(problems)} times:\n" + "\n".join(problems[:20])


@pytest.mark.slow
@pytest.mark.parametrize("call", ["open", "read", "write", "sync", "rename", "map"])
def test_two_ranks(run_command, library, inputs, tmp_path, call):
    """Either rank meets its n-th call."""
    words, folder = COMMANDS["ldic"].split()[1:], fresh(inputs, tmp_path / "run")
    assert run_command("ldic", *words, cwd=folder, ranks=2).returncode == 0
    expected = contents(folder)
    for number in (1, 4, 9, 20, 45)[:: 1 if MOST > 8 else 2]:
        fresh(inputs, folder)
        settings = {"CALL": call, "PATH": str(folder), "NUMBER": str(number), "ERRNO": str(errno.EIO)}
        env = {f"FAULT_{name}": value for name, value in settings.items()}
        ended = run_command("ldic", *words, cwd=folder, ranks=2, env={**env, "LD_PRELOAD": str(library)})
        said = [line for line in ended.stderr.splitlines() if line.startswith("hpcdvc-ldic: ")]
        assert "Traceback" not in ended.stderr and len(said) == bool(ended.returncode), f"{number}: {ended.stderr}"
        again = run_command("ldic", *words, "--resume", cwd=folder, ranks=2)
        assert again.returncode == 0 and contents(folder) == expected, f"{number}: {ended.stderr}\n{again.stderr}"
