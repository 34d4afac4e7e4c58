"""hpcdvc-ereg as a command: what it writes without a page, what it starts from, what it refuses."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from ldic_cases import save_field, save_registration
from rank_scripts import clean_environment
from reg_cases import CENTRE, FIELD, FLAT_FIELD, LARGE, SHAPE, save_motion
from reg_ends import is_one_sentence, own_folder
from running import BIN
from served import Served, Talk
from synthetic import Affine

from hpcdvc.cli import main
from hpcdvc.output.tsv import read_tsv

TABLE = "out/P-PhiEye.tsv"
BATCH = ["im1.tif", "im2.tif", "-od", "out", "-pre", "P", "--batch", "-q"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    yield from own_folder(tmp_path, monkeypatch)


def ereg(*words: str) -> int:
    """Run it in this process."""
    return main("ereg", [*BATCH, *words])


def test_nothing_touched_is_no_motion(here):
    save_motion("small")
    assert ereg() == 0
    assert sorted(os.listdir("out")) == ["P-PhiEye.json", "P-PhiEye.tsv"]
    head, row = open(TABLE).read().splitlines()
    assert (
        head.split()
        == (
            "NodeNumber Zpos Ypos Xpos Fzz Fzy Fzx Zdisp Fyz Fyy Fyx Ydisp Fxz Fxy Fxx Xdisp "
            "error iterations returnStatus deltaPhiNorm"
        ).split()
    )
    assert [float(word) for word in row.split()] == [1, *CENTRE, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("words", [["-pf", "start.tsv"], ["start.tsv"]])
def test_the_start_is_seen_from_the_centre(here, words):
    save_motion("small")
    point = np.array([3.0, 9.0, 20.0])
    start = Affine(FIELD.F, np.array([1.5, 2.5, -3.5]), point)
    save_registration("start.tsv", start)
    assert ereg(*words) == 0
    found = read_tsv(TABLE)
    np.testing.assert_allclose(found.phi[0, :3], start.phi(CENTRE[None])[0], atol=1e-7)
    assert found.positions.tolist() == [CENTRE.tolist()]


def test_what_nobody_touches_is_the_start_digit_by_digit(here):
    """Also what its row says of how it was found."""
    save_motion("small")
    columns = {"error": np.array([0.1]), "iterations": np.array([7], "i4"), "delta_phi_norm": np.array([1 / 3])}
    save_field("a.tsv", Affine(FIELD.F + np.pi / 1e7, FIELD.shift / 3, CENTRE), CENTRE[None], **columns)
    assert ereg("-pf", "a.tsv") == 0
    assert open(TABLE).read() == open("a.tsv").read()


def test_what_a_failed_start_does_not_know_is_zero(here):
    save_motion("small")
    columns = {"error": np.array([np.nan]), "return_status": np.array([-1], "i4")}
    save_field("a.tsv", Affine(FIELD.F, FIELD.shift, CENTRE), CENTRE[None], **columns)
    assert ereg("-pf", "a.tsv") == 0
    found = read_tsv(TABLE)
    assert (found.return_status[0], found.error[0]) == (-1, 0)


def test_a_phi_that_was_set_by_hand_is_none_to_warn_of(here, capsys):
    save_motion("small")
    assert ereg("-def") == 0
    assert os.path.exists("out/P-PhiEye-reg-def.tif") and capsys.readouterr().err == ""
    save_field("a.tsv", FIELD, CENTRE[None], return_status=np.array([-1], "i4"))
    assert ereg("-pf", "a.tsv", "-def", "--force") == 0
    assert "return status -1" in capsys.readouterr().err


def test_automatic_start_serves_a_registration(here):
    save_motion("large")
    assert ereg("--auto", "-def") == 0
    found = read_tsv(TABLE).phi[0]
    assert np.abs(found[:3, 3] - LARGE.shift).max() < 1
    assert tifffile.imread("out/P-PhiEye-reg-def.tif").shape == SHAPE
    assert main("reg", ["im1.tif", "im2.tif", "-pf", TABLE, "-od", "out", "-q"]) == 0
    again = read_tsv("out/im1-im2-registration.tsv").phi[0]
    assert np.abs(again[:3, 3] - LARGE.shift).max() < 0.02


def test_images_in_two_dimensions(here):
    save_motion("flat")
    assert ereg("--auto") == 0
    found = read_tsv(TABLE)
    assert found.positions.tolist() == [[0, 39.5, 45]]
    np.testing.assert_allclose(found.phi[0, 1:3, 3], FLAT_FIELD.shift, atol=0.5)


def test_goes_on_where_it_was(here):
    save_motion("small")
    save_registration("a.tsv", FIELD)
    save_registration("b.tsv", LARGE)
    assert ereg("-pf", "a.tsv") == 0
    first = open(TABLE).read()
    assert ereg() == 0 and open(TABLE).read() == first
    assert ereg("-pf", "a.tsv") == 0 and open(TABLE).read() == first
    assert ereg("-pf", TABLE) == 0 and open(TABLE).read() == first
    assert ereg("-pf", "b.tsv") == 2 and open(TABLE).read() == first
    assert ereg("-pf", "b.tsv", "--force") == 0 and read_tsv(TABLE).phi[0, 0, 3] == 4
    os.remove("out/P-PhiEye.json")
    assert ereg() == 2 and ereg("-pf", TABLE) == 0
    tifffile.imwrite("im1.tif", tifffile.imread("im1.tif") + 1, photometric="minisblack")
    assert ereg() == 2


@pytest.mark.parametrize(
    "words",
    [
        ["-pf", "no.tsv"], ["im1.tif"], ["-mf1", "no.tif"], ["-mf1", "flat.tif"], ["-pf", "field.tsv"],
        ["-pf", "mirror.tsv"], ["--auto", "-pf", "a.tsv"], ["--auto", "-mf1", "empty.tif"], ["a.tsv", "-pf", "a.tsv"],
        ["--bin", "0"], ["--bin", "two"], ["-pre", "a/b"],
    ],
)  # fmt: skip
def test_mistakes_take_one_sentence_and_leave_nothing(here, words, capsys):
    save_motion("small")
    save_registration("a.tsv", FIELD)
    save_registration("mirror.tsv", Affine(np.diag([-1.0, 1, 1]), FIELD.shift, CENTRE))
    rows = open("a.tsv").read().splitlines()
    (other := rows[1].split("\t"))[1] = "3"
    open("field.tsv", "w").write("\n".join([*rows, "\t".join(other)]) + "\n")
    tifffile.imwrite("flat.tif", np.ones((5, 5), "u1"))
    tifffile.imwrite("empty.tif", np.zeros(SHAPE, "u1"), photometric="minisblack")
    assert ereg(*words) == 2
    assert is_one_sentence(capsys.readouterr().err)
    assert not os.path.exists("out") or os.listdir("out") == []


def test_images_of_two_sizes(here, capsys):
    save_motion("small")
    tifffile.imwrite("im2.tif", np.zeros((9, 9, 9), "u1"))
    assert ereg() == 2 and "differ in size" in capsys.readouterr().err


def test_no_page_no_server(here):
    save_motion("small")
    code = (
        "import sys; from hpcdvc.cli import main; code = main('ereg', sys.argv[1:]);"
        "print(code, sorted({'tornado', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *BATCH], env=clean_environment(), capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines()[-1:] == ["0 []"], done.stderr


def page(*words: str) -> Served:
    """The command with its page, in the folder of the test."""
    line = [sys.executable, str(BIN / "hpcdvc-ereg"), "im1.tif", "im2.tif", "-od", "out", "-pre", "P", "--no-browser"]
    return Served([*line, *words], env={"XDG_CACHE_HOME": os.path.abspath("cache")})


def test_two_sessions_do_not_write_one_table(here):
    save_motion("small")
    with page() as served:
        again = subprocess.run(
            [sys.executable, str(BIN / "hpcdvc-ereg"), *BATCH, "--force"],
            env=clean_environment(), capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert again.returncode == 2 and is_one_sentence(again.stderr)
        assert "is being written by another run" in again.stderr
        assert served.end()[0] == 0
    assert ereg() == 0
    assert sorted(os.listdir("out")) == ["P-PhiEye.json", "P-PhiEye.tsv"]


def press(talk: Talk, *keys: str, n: int) -> dict:
    """Press keys; the answer."""
    actions = [{"key": key} for key in keys]
    return talk.ask({"type": "act", "browser": "test", "n": n, "actions": actions})


def told(served: Served) -> Talk:
    """A page that the server knows."""
    talk = Talk(served.port, served.token)
    assert talk.hear("hello")["state"]["shape"] == list(SHAPE)
    return talk


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_written_at_the_end_though_nobody_came(here, number):
    save_motion("small")
    save_registration("a.tsv", FIELD)
    with page("a.tsv") as served:
        code, said = served.end(number)
    assert code == 0 and "Traceback" not in said
    np.testing.assert_allclose(read_tsv(TABLE).phi[0, :3], FIELD.phi(CENTRE[None])[0], rtol=1e-8)


def kept_phi() -> list:
    """Phi of the file that keeps the page."""
    return json.loads(Path("out/P-PhiEye.json").read_text())["state"]["phi"]


def test_each_change_is_on_the_disk_within_half_a_second_and_outlives_a_kill(here):
    save_motion("small")
    pressed, behind = 0, []
    with page() as served, told(served) as talk:
        while not behind or behind[-1] > 0.5:  # the machine may be late, but not each time
            assert len(behind) < 5, behind
            for _ in range(8):  # no pause that a late save could wait for
                pressed += 1
                assert press(talk, "ArrowRight", n=pressed)["state"]["phi"][2][3] == pressed
                time.sleep(0.1)
            begun = time.monotonic()
            while (
                not os.path.exists("out/P-PhiEye.json")
                or read_tsv(TABLE).phi[0, 2, 3] < pressed
                or kept_phi()[2][3] < pressed
            ):
                assert time.monotonic() < begun + 30
                time.sleep(0.02)
            behind.append(time.monotonic() - begun)
        served.process.send_signal(signal.SIGKILL)
        served.process.wait(10)
    with page() as served, told(served) as talk:
        assert press(talk, "ArrowDown", n=1)["state"]["undo"] == pressed + 1
        served.end()
    assert read_tsv(TABLE).phi[0, :3, 3].tolist() == [0, 1, pressed]
    assert sorted(os.listdir("out")) == ["P-PhiEye.json", "P-PhiEye.tsv"]


def test_refined_from_a_page(here):
    save_motion("small")
    with page() as served, told(served) as talk:
        while talk.ask({"type": "look"})["state"]["loading"]:
            time.sleep(0.05)
        press(talk, "Enter", n=1)
        while talk.ask({"type": "look"})["state"]["job"]["running"]:
            time.sleep(0.05)
        served.end()
    assert np.abs(read_tsv(TABLE).phi[0, :3] - FIELD.phi(CENTRE[None])[0]).max() < 1e-3


def seconds_of_children() -> float:
    """CPU time of all processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def seconds_of(process: int) -> float:
    """CPU time of a process that is running."""
    used = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, used)) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
@pytest.mark.parametrize("key", ["a", "Enter"])
def test_ends_at_once_whatever_it_works_on(here, key):
    """Also in the middle of transforms, whose library does not like to lose its thread: all of them take longer."""
    save_motion("large")
    with page() as served, told(served) as talk:
        while talk.ask({"type": "look"})["state"]["loading"]:
            time.sleep(0.05)
        press(talk, key, n=1)
        time.sleep(0.3)
        before = seconds_of_children() + seconds_of(served.process.pid)
        assert served.end() == (0, "")
        assert seconds_of_children() - before < 1
    assert sorted(os.listdir("out")) == ["P-PhiEye.json", "P-PhiEye.tsv"]
