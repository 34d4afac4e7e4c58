"""The command line of hpcdvc-ldic: what it says, how it ends, and how many ranks it runs on."""

import json
from pathlib import Path

import pytest
import tifffile
from ldic_cases import SHAPE, digest, images, save_pair
from reg_ends import is_one_sentence

from hpcdvc import __version__

WORDS = ("im1.tif", "im2.tif", "-ns", 10, "-hws", 5)
RESULT = {"im1-im2-ldic.hdf", "im1-im2-ldic.tsv", "im1-im2-ldic.run.json"}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_pair()


def files() -> set[str]:
    return {path.name for path in Path().iterdir()} - {"im1.tif", "im2.tif"}


def record() -> dict:
    return json.loads(Path("im1-im2-ldic.run.json").read_text())


def test_what_it_says(run_command):
    result = run_command("ldic", *WORDS)
    assert result.returncode == 0 and files() == RESULT
    lines = result.stdout.splitlines()
    assert "im1.tif -> im2.tif: 36 nodes" in lines
    wrote = ["wrote im1-im2-ldic.hdf", "wrote im1-im2-ldic.tsv"]
    assert lines[-3:] == [*wrote, "look at it: hpcdvc-report im1-im2-ldic.hdf"]
    table = lines[lines.index("im1.tif -> im2.tif: 36 nodes") + 1 :]
    assert table.pop(0).startswith("0.00 % of the converged nodes (0 of ")
    assert table[0].split()[:4] == ["status", "points", "%", "reason"]
    assert table[1].split() == ["2", "36", "100.00", "converged"]
    assert result.stderr.startswith("36 points in ") and len(result.stderr.splitlines()) == 1


def test_quiet_and_verbose(run_command):
    for ranks in (None, 2):
        result = run_command("ldic", *WORDS, "-q", "--force", ranks=ranks)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert files() == RESULT
    plain, verbose = (run_command("ldic", *WORDS, "--force", *more).stdout for more in ((), ("-v",)))
    assert "wrote im1-im2-ldic.hdf" in plain and set(plain.splitlines()) <= set(verbose.splitlines())


def test_version_and_help(run_command):
    assert run_command("ldic", "--version").stdout == f"hpcdvc-ldic {__version__}\n"
    text = run_command("ldic", "--help")
    assert (text.returncode, text.stderr) == (0, "") and "-hws" in text.stdout
    assert files() == set()


@pytest.mark.parametrize("ranks", [None, 2])
def test_dry_run_writes_nothing(ranks, run_command):
    tifffile.imwrite("packed.tif", images()[1], compression="zlib")
    words = ("im1.tif", "packed.tif", *WORDS[2:], "-od", "new/folder", "--dry-run")
    result = run_command("ldic", *words, ranks=ranks)
    assert (result.returncode, result.stderr) == (0, "")
    megabytes = SHAPE[0] * SHAPE[1] * SHAPE[2] * 2 / 1e6
    assert f"1 pair of 36 nodes {(3, 3, 4)}" in result.stdout
    assert f"images {megabytes:.1f} MB mapped from their files, {megabytes:.1f} MB decoded" in result.stdout
    for word in ("per rank", "core time", f"on {ranks} ranks" if ranks else "on 1 rank,", "disk"):
        assert word in result.stdout
    assert files() == {"packed.tif"}


def test_force(run_command):
    assert run_command("ldic", *WORDS).returncode == 0
    first = digest("im1-im2-ldic.hdf")
    refused = run_command("ldic", *WORDS, "-o", 1)
    assert refused.returncode == 2 and "--force" in refused.stderr and digest("im1-im2-ldic.hdf") == first
    assert run_command("ldic", *WORDS, "-o", 1, "--force").returncode == 0
    assert digest("im1-im2-ldic.hdf") != first and files() == RESULT


def test_starts_itself_on_several_ranks(run_command):
    assert run_command("ldic", *WORDS).returncode == 0
    alone = digest("im1-im2-ldic.hdf")
    result = run_command("ldic", *WORDS, "-np", 2, "--force")
    assert result.returncode == 0 and "wrote im1-im2-ldic.hdf" in result.stdout
    assert record()["ranks"] == 2 and record()["mpi"]
    assert digest("im1-im2-ldic.hdf") == alone
    # a mistake is still one sentence with the same exit code
    result = run_command("ldic", *WORDS, "-np", 2)
    assert result.returncode == 2 and is_one_sentence(result.stderr, "exists")


def test_processes_are_those_of_the_launcher(run_command):
    result = run_command("ldic", *WORDS, "-np", 7, ranks=2)
    assert result.returncode == 0 and record()["ranks"] == 2
    assert "hpcdvc-ldic: -np 7 is ignored: the launcher has started 2 processes" in result.stderr.splitlines()


def test_names_with_any_characters(run_command):
    folder = Path("a folder [1] é")
    folder.mkdir()
    for name in ("im1.tif", "im2.tif"):
        Path(name).rename(folder / f"im {name[2]} (x).tif")
    words = (*(folder / f"im {k} (x).tif" for k in (1, 2)), *WORDS[2:])
    for more in (("-np", 2), ("--force",)):
        result = run_command("ldic", *words, *more, "-q", env={"LC_ALL": "C"})
        assert (result.returncode, result.stderr) == (0, "")
    assert {path.name for path in folder.iterdir() if "ldic" in path.name} == {
        f"im 1 (x)-im 2 (x)-ldic.{kind}" for kind in ("hdf", "tsv", "run.json")
    }
    result = run_command("ldic", *words, env={"LC_ALL": "C"})
    assert result.returncode == 2 and is_one_sentence(result.stderr, "exists")


def test_more_ranks_than_points(run_command):
    for ranks in (1, 3):
        result = run_command("ldic", *WORDS[:2], "-ns3", 19, 20, 25, "-hws", 5, "-pre", f"n{ranks}", "-q", ranks=ranks)
        assert (result.returncode, result.stderr) == (0, "")
    assert digest("n1-ldic.hdf") == digest("n3-ldic.hdf")


def test_record_of_the_run(run_command):
    assert run_command("ldic", *WORDS, "-crit", "ssd").returncode == 0
    known = record()
    assert known["argv"][1:] == [str(word) for word in (*WORDS, "-crit", "ssd")]
    assert known["ranks"] == 1 and known["mpi"] is None and known["seconds"] > 0


def test_no_parallel_file_without_parallel_hdf5(run_command):
    import h5py

    if h5py.get_config().mpi:
        pytest.skip("this h5py has MPI")
    result = run_command("ldic", *WORDS, env={"HPCDVC_HDF5": "parallel"})
    assert result.returncode == 2 and "h5py" in result.stderr and files() == set()
