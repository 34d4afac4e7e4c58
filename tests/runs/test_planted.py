"""In a folder that others write into: links and folders that somebody has put there are not followed nor believed."""

import json
import os
import stat
from functools import partial
from pathlib import Path

import pytest
from deform_cases import run_here as deform_here
from ldic_cases import run_here
from search_cases import points_here

from hpcdvc.errors import RunError, UserError
from hpcdvc.output import files
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.shards import Shards

WORDS = ("im1.tif", "im2.tif", "-hws", 5, "-ns", 9, "-od", "o")
PARTS = Path("o/im1-im2-ldic.parts")


@pytest.fixture(autouse=True)
def here(measured_folder):
    os.mkdir("o")


def begun(monkeypatch, run_it=run_here, words=WORDS) -> None:
    """A run that has kept some rows."""
    append = Checkpoint.append

    def leave(*rows):
        append(*rows)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Checkpoint, "append", leave)
        with pytest.raises(KeyboardInterrupt):
            run_it(*words)


@pytest.mark.parametrize("more", [(), ("--resume",), ("--force",), ("--dry-run",)])
def test_folder_of_shards_that_is_a_link(more):
    os.mkdir("elsewhere")
    os.symlink("../elsewhere", PARTS)
    with pytest.raises(UserError, match=rf"^{PARTS} is no folder: remove it"):
        run_here(*WORDS, *more)
    assert os.listdir("elsewhere") == [] and os.listdir("o") == [PARTS.name]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")
@pytest.mark.parametrize("more", [(), ("--resume",), ("--force",), ("--dry-run",)])
def test_folder_of_shards_of_another_user(more, monkeypatch):
    begun(monkeypatch)
    os.chown(PARTS, 12345, 12345)
    with pytest.raises(UserError, match=rf"^{PARTS} belongs to another user"):
        run_here(*WORDS, *more)
    assert PARTS.exists()


def test_folder_where_users_have_other_numbers():
    """As in file systems that map them: what this process writes is of that user, and so are its shards."""
    PARTS.mkdir()
    shards = Shards(str(PARTS)[: -len(".parts")], {})
    shards.check_folder()
    with pytest.raises(UserError, match="another user"):
        shards.check_folder(os.geteuid() + 1)


@pytest.mark.parametrize("name", ["key.json", "z.rec"])
@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_shards_that_are_no_files(monkeypatch, name, kind):
    begun(monkeypatch)
    path = PARTS / name
    if path.exists():
        path.rename("there")
    if kind == "link":
        path.symlink_to(Path("there").absolute())
    else:
        os.mkfifo(path)
    with pytest.raises(UserError, match=f"{path} is no regular file|{path} cannot be read"):
        run_here(*WORDS, "--resume")


def test_half_image_that_is_a_link(monkeypatch):
    """A resumed run writes into the file that is there: only into one that has no other name."""
    words = ("im1.tif", "-pf", "reg.tsv", "-od", "o")
    deform_here(*words)
    expected = Path("o/im1-reg-def.tif").read_bytes()
    os.unlink("o/im1-reg-def.tif")
    begun(monkeypatch, deform_here, words)
    (half,) = files.temporary_files(["o/im1-reg-def.tif"])
    for link in (os.symlink, os.link):
        os.replace(half, "victim")
        with open("victim", "r+b") as victim:
            victim.seek(5000)
            victim.write(b"mine")
        before = Path("victim").read_bytes()
        link(os.path.abspath("victim"), half)
        deform_here(*words, "--resume")
        assert Path("victim").read_bytes() == before and Path("o/im1-reg-def.tif").read_bytes() == expected
        assert sorted(os.listdir("o")) == ["im1-reg-def.run.json", "im1-reg-def.tif"]
        os.unlink("o/im1-reg-def.tif")
        begun(monkeypatch, deform_here, words)
        (half,) = files.temporary_files(["o/im1-reg-def.tif"])


@pytest.mark.parametrize("kind", ["pipe", "device", "deep", "long"])
def test_record_that_is_no_record(kind):
    """It counts for nothing, and takes no time and memory; a resume writes it anew."""
    run_here(*WORDS)
    record = Path("o/im1-im2-ldic.run.json")
    record.unlink()
    if kind == "pipe":
        os.mkfifo(record)
    elif kind == "device":
        record.symlink_to("/dev/zero")
    else:
        record.write_text("[" * 100_000)
        os.truncate(record, 2**40 if kind == "long" else 100_000)
    with pytest.raises(UserError, match="was made with other parameters"):
        run_here(*WORDS, "-it", 7, "--resume")
    run_here(*WORDS, "--resume")
    assert not record.is_symlink() and json.loads(record.read_text())["key"]


@pytest.mark.parametrize("kind", ["pipe", "device", "circle"])
@pytest.mark.parametrize("format", ["tif", "hdf"])
def test_image_that_is_none(kind, format):
    path = Path(f"o/im1-reg-def.{format}")
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.symlink_to(path.name)
    words = ("im1.tif", "-pf", "reg.tsv", "-od", "o", "--format", format)
    if kind != "circle":
        with pytest.raises(UserError, match=f"{path} is no image that hpcdvc has written"):
            deform_here(*words, "--resume")
    deform_here(*words, "--force")
    assert path.is_file() and not path.is_symlink()


def test_names_cannot_be_foreseen(monkeypatch):
    """Each file is made where there is nothing, under another name each time."""
    made = []

    def create(path, *flags):
        made.append(os.fspath(path))
        assert not os.path.lexists(path)
        return new(path, *flags)

    new = files.create
    for module in (files, __import__("hpcdvc.runs.checkpoint", fromlist=["create"])):
        monkeypatch.setattr(module, "create", create)
    for _ in range(2):
        run_here(*WORDS, "--force", "-vtk", "-tif")
    assert len(made) == len(set(made)) + 1, "only the lock has the same name twice"
    ends = {name.rpartition("/")[2].split(".", 1)[1].split(".")[0] for name in made}
    assert ends >= {"hdf", "tsv", "vtk", "tif", "run", "lock"}
    assert any("key.json" in name for name in made) and any(name.endswith(".rec") for name in made)


def test_a_pipe_in_place_of_a_list_of_points_is_not_waited_for():
    os.mkfifo("o/im1-guidingPoints.txt")
    with pytest.raises(UserError, match=r"^o/im1-guidingPoints\.txt is no regular file$"):
        points_here("im1.tif", "-hws", 4, "-od", "o", "--resume")


def test_a_file_that_is_there_is_not_written():
    Path("mine").write_text("mine")
    os.symlink("nowhere", "link")
    for name in ("mine", "link"):
        with pytest.raises(FileExistsError):
            files.create(name)
    assert Path("mine").read_text() == "mine" and not os.path.exists("nowhere")


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_temporary_file_that_is_exchanged_is_not_written(monkeypatch, link):
    """Somebody who writes into the folder puts a link to a file in its place, as soon as he sees it."""

    def create(path, *flags):
        made = new(path, *flags)
        if str(path).endswith(".tmp") and end in str(path):
            os.unlink(path)
            link(os.path.abspath("victim"), path)
            exchanged.append(path)
        return made

    new, before = files.create, b"mine"
    monkeypatch.setattr(files, "create", create)
    Path("victim").write_bytes(before)
    runs = {"ldic": lambda: run_here(*WORDS, "-vtk", "-tif", "--force")}
    for format in ("tif", "hdf"):
        words = ("im1.tif", "-pf", "reg.tsv", "-od", "o", "--force", "--format", format)
        runs[format] = partial(deform_here, *words)
    runs["guidingPoints"] = lambda: points_here("im1.tif", "-hws", 4, "-od", "o", "--force")
    ends = {"ldic": ("ldic.hdf", "ldic.tsv", "ldic.vtk", "Zdisp.tif", "run.json", "key.json")}
    ends["guidingPoints"] = ("Points.txt", "Points.png")
    for run, end in ((run, end) for name, run in runs.items() for end in ends.get(name, (f"def.{name}",))):
        exchanged = []
        with pytest.raises((UserError, RunError)):
            run()
        assert exchanged and Path("victim").read_bytes() == before, end


@pytest.mark.parametrize("mask", [0, 0o027])
def test_nothing_is_writable_by_all(monkeypatch, mask):
    before = os.umask(mask)
    try:
        run_here(*WORDS, "-vtk", "-tif")
        deform_here("im1.tif", "-pf", "reg.tsv", "-od", "o")
        begun(monkeypatch, words=(*WORDS, "-pre", "other"))
        run_here(*WORDS[:-1], "o/new/deep")
    finally:
        os.umask(before)
    found = {path: stat.S_IMODE(path.stat().st_mode) for path in Path("o").rglob("*")}
    assert len(found) > 20 and any(path.suffix == ".rec" for path in found)
    for path, mode in found.items():
        assert mode == (0o775 if path.is_dir() else 0o664) & ~mask, (path, oct(mode))


def test_what_killed_runs_have_left_is_swept_away(monkeypatch):
    """Only that: not what looks like it, nor what belongs to another result."""
    names = [files.temporary_name(f"o/im1-im2-ldic.{end}") for end in ("hdf", "tsv", "run.json")]
    kept = [
        files.temporary_name("o/im1-im3-ldic.hdf"),
        Path("o/im1-im2-ldic.hdf.tmp"),
        Path("o/x.0123456789abcdef.tmp"),
    ]
    for path in (*names, *kept):
        path.write_text("half")
    run_here(*WORDS)
    assert not any(path.exists() for path in names) and all(path.exists() for path in kept)
