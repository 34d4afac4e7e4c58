import gc
import glob
import mmap
import os
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np
import pytest
from rank_scripts import clean_environment, run
from running import find_mpiexec

from hpcdvc.errors import RunError
from hpcdvc.ranks import sharedmem

mpi = pytest.mark.mpi


@pytest.fixture(params=["memory", "file"])
def place(request, monkeypatch, shared_tmp_path):
    """Shared memory in /dev/shm, or in a file of $TMPDIR; where it must be found."""
    monkeypatch.setattr(tempfile, "tempdir", str(shared_tmp_path))
    monkeypatch.setenv("HPCDVC_SHM", "file" if request.param == "file" else "")
    return "/dev/shm" if request.param == "memory" else str(shared_tmp_path)


def mapped_from(array):
    """Folder of the file that an array is mapped from (Linux)."""
    address = array.__array_interface__["data"][0]
    with open("/proc/self/maps") as maps:
        for line in maps:
            fields = line.split()
            start, stop = (int(x, 16) for x in fields[0].split("-"))
            if start <= address < stop:
                return os.path.dirname(fields[5]) if len(fields) > 5 else None
    return None


@mpi
@pytest.mark.parametrize("shape", [1, (3, 4), (1, 1_000_003), (0, 5), ()])
@pytest.mark.parametrize("dtype", [np.uint8, np.float64, np.dtype([("a", "u1"), ("b", "<f8")])])
def test_zeros_in_one_place(team, place, shape, dtype):
    array = sharedmem.shared_array(team.node, shape, dtype)
    assert array.shape == np.empty(shape).shape
    assert array.dtype == dtype
    assert array.flags.writeable
    assert array.flags.c_contiguous
    assert array.tobytes().strip(b"\0") == b""
    if team.node is not None:
        assert array.__array_interface__["data"][0] % mmap.PAGESIZE == 0
        if sys.platform == "linux":
            assert mapped_from(array) == place
    team.barrier()


@mpi
def test_every_rank_sees_what_the_others_write(team, place):
    array = sharedmem.shared_array(team.node, (team.node_size, 1000), np.int32)
    array[team.node_rank] = team.node_rank + 1
    team.node_barrier()
    assert (array == np.arange(1, team.node_size + 1)[:, None]).all()
    team.node_barrier()


@mpi
def test_no_name_is_left(team, place):
    before = set(glob.glob(f"{place}/hpcdvc-*"))
    team.barrier()
    array = sharedmem.shared_array(team.node, 10, np.uint8)
    counter = sharedmem.shared_counter(team.node)
    team.barrier()
    assert set(glob.glob(f"{place}/hpcdvc-*")) - before == set()
    assert counter() < team.node_size
    assert array[0] == 0
    team.barrier()


def open_files():
    return len(os.listdir("/proc/self/fd"))


@mpi
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_memory_goes_with_the_last_reference(team, place):
    def share():
        array = sharedmem.shared_array(team.node, 2**20, np.uint8)
        counter = sharedmem.shared_counter(team.node)
        return array[5:] if counter() >= 0 else None

    def held():
        with open("/proc/self/maps") as maps:
            return open_files(), sum("/#" in line or "hpcdvc-" in line for line in maps)

    share()
    gc.collect()  # what earlier tests have left
    before = held()
    for _ in range(5):
        view = share()
    assert view[0] == 0
    del view
    assert held() == before
    team.barrier()


@mpi
def test_counter_gives_each_number_once(team, place):
    counter = sharedmem.shared_counter(team.node)
    mine = [counter() for _ in range(3000)]
    assert mine == sorted(mine)
    together = sorted(sum(team.node.allgather(mine), []) if team.node else mine)
    assert together == list(range(3000 * team.node_size))


@mpi
def test_ranks_that_do_not_see_each_other_use_a_name(team, place, monkeypatch):
    """As in containers: there is no such process, or it is another one with another file."""
    if team.node is None:
        pytest.skip("a serial run shares nothing")
    real = os.open

    def elsewhere(path, *arguments, **more):
        return real("/dev/null" if str(path).startswith("/proc/") else path, *arguments, **more)

    if team.node_rank == team.node_size - 1:
        monkeypatch.setattr(os, "open", elsewhere)
    array = sharedmem.shared_array(team.node, team.node_size, np.uint8)
    monkeypatch.undo()
    array[team.node_rank] = 1
    team.node_barrier()
    assert array.all()
    assert not glob.glob(f"{place}/hpcdvc-*-{os.getpid()}-*")
    team.barrier()


KILLED = """
import os, signal, sys
from hpcdvc.ranks import sharedmem, team as parallel
team = parallel.connect()
if sys.argv[1] == "name":
    del os.O_TMPFILE
if sys.argv[2] == "kill":
    sharedmem._open = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
sharedmem.OLD = 0
array = team.shared_array(2**20, "u1")
array[team.spans(2**20)[0]] = 1
team.barrier()
print("sum", array.sum(), flush=True)
"""


def wait_for_the_dead(folder) -> None:
    """A killed process may be dying yet when its launcher has ended."""
    owners = [path.name.split("-")[2] for path in folder.glob(f"hpcdvc-{os.uname().nodename}-*")]
    for _ in range(200):
        if not any(os.path.exists(f"/proc/{owner}") for owner in owners):
            return
        time.sleep(0.05)


@pytest.mark.parametrize(("how", "left"), [("nameless", 0), ("name", 1)])
def test_a_kill_leaves_nothing(tmp_path, how, left):
    """Between creation and the end of its name; what a file with a name leaves the next run removes."""
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    folder = tmp_path / "memory"
    folder.mkdir()
    (folder / "hpcdvc-elsewhere-1-0").touch()  # of another machine: not ours to judge
    more = {"TMPDIR": str(folder), "HPCDVC_SHM": "file"}
    for ends, expected in (("kill", left), ("well", 0)):
        code, stdout, stderr = run(script, how, ends, ranks=2, **more)
        wait_for_the_dead(folder)
        assert (code == 0) == (ends == "well") == ("sum 2" in stdout), stderr
        names = [path.name for path in folder.glob("hpcdvc-*")]
        assert len(names) == 1 + expected and "hpcdvc-elsewhere-1-0" in names


@mpi
def test_too_large_names_both_places(team, monkeypatch, shared_tmp_path):
    if team.node is None:
        pytest.skip("a serial run shares nothing")
    monkeypatch.setattr(tempfile, "tempdir", str(shared_tmp_path))
    with pytest.raises(RunError, match=f"/dev/shm: .*; {shared_tmp_path}: .*TMPDIR"):
        sharedmem.shared_array(team.node, 2**50, np.uint8)
    team.barrier()
    assert os.listdir(shared_tmp_path) == []
    assert team.sum(1) == team.size


@mpi
def test_small_dev_shm_falls_back_to_a_file(team, monkeypatch, shared_tmp_path):
    """A container's 64 MB: what MPI itself still needs of it is left alone."""
    if team.node is None or sys.platform != "linux":
        pytest.skip("needs ranks and /dev/shm")
    monkeypatch.setattr(tempfile, "tempdir", str(shared_tmp_path))
    real = os.statvfs

    def small(path):
        space = real(path)
        if path != "/dev/shm":
            return space
        return os.statvfs_result((4096, 4096, 2**14, 2**14, 2**14, *space[5:]))

    monkeypatch.setattr(os, "statvfs", small)
    assert mapped_from(sharedmem.shared_array(team.node, 2**20, np.uint8)) == "/dev/shm"
    assert mapped_from(sharedmem.shared_array(team.node, 2**26, np.uint8)) == str(shared_tmp_path)


@mpi
def test_a_rank_that_cannot_reserve_fails_all(team, monkeypatch, shared_tmp_path):
    """The room may go between the look and the reservation, and on one rank only."""
    if team.node is None:
        pytest.skip("a serial run shares nothing")
    monkeypatch.setattr(tempfile, "tempdir", str(shared_tmp_path))

    def full(*_):
        raise OSError(28, "No space left on device")

    if team.node_rank == team.node_size - 1:
        monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(RunError, match=r"/dev/shm: No space left on device; .*: No space left on device"):
        sharedmem.shared_array(team.node, 100, np.uint8)
    team.barrier()
    assert os.listdir(shared_tmp_path) == []
    team.barrier()


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare")
def test_the_64_megabytes_of_a_container(tmp_path):
    """The real thing: a /dev/shm in which an MPI library would let the ranks die by SIGBUS."""
    script = tmp_path / "share.py"
    script.write_text(
        "from hpcdvc.ranks import team as parallel\n"
        "team = parallel.connect()\n"
        "arrays = [team.shared_array(size, 'u1', fill=3) for size in (1000, 70_000_000)]\n"
        "print(all((array == 3).all() for array in arrays), flush=True)\n"
    )
    mounted = "mount -t tmpfs -o size=64m tmpfs /dev/shm"
    if subprocess.run(["unshare", "-m", "sh", "-c", mounted], capture_output=True).returncode:
        pytest.skip("needs the right to mount a small /dev/shm")
    command = f"{mounted} && exec {find_mpiexec()} -n 2 {sys.executable} {script}"
    environment = clean_environment(TMPDIR=str(tmp_path))
    done = subprocess.run(["unshare", "-m", "sh", "-c", command], env=environment, capture_output=True, timeout=60)
    assert done.stdout.count(b"True") == 2, done.stderr  # launchers may join the lines of two ranks
    assert done.returncode == 0


@mpi
def test_nothing_waits_under_a_name(team, monkeypatch, shared_tmp_path):
    """Killed while a rank is late, or while much is reserved, a run would leave a file with a name."""
    if team.node is None or team.node_size == 1:
        pytest.skip("nobody waits")
    monkeypatch.setattr(tempfile, "tempdir", str(shared_tmp_path))
    monkeypatch.setenv("HPCDVC_SHM", "file")
    seen = []
    real = getattr(os, "posix_fallocate", None)

    def reserve(*words):
        seen.extend(os.listdir(shared_tmp_path))
        real(*words)

    if real and team.node_rank == 0:  # the rank that takes the name away; the others may be before it
        monkeypatch.setattr(os, "posix_fallocate", reserve)
    team.barrier()
    if team.rank == team.size - 1:
        time.sleep(0.5)
        seen.extend(os.listdir(shared_tmp_path))
    sharedmem.shared_array(team.node, 1000, np.uint8)
    assert not any(team.all_gather(seen))
    team.barrier()
