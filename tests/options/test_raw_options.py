"""--raw-shape and --raw-dtype: numbers that files may follow, in every command that reads volumes."""

import importlib
from pathlib import Path

import pytest
from test_declare import Local

from hpcdvc.errors import UserError
from hpcdvc.options.declare import declarations
from hpcdvc.options.parser import parse
from hpcdvc.options.raw import RAW_TYPES, raw_type

COMMANDS = sorted(path.name.removeprefix("hpcdvc-") for path in (Path(__file__).parents[2] / "bin").glob("hpcdvc-*"))
TYPE = ("-hws", "5", "-hws", "5", "--raw-dtype", "u16")


@pytest.mark.parametrize(
    "words",
    [
        ("--raw-shape", "3", "4", "5", "a", "b", *TYPE),
        ("a", "--raw-shape", "3", "4", "5", "b", *TYPE),
        ("a", "b", "--raw-shape", "3", "4", "5", *TYPE),
        (*TYPE, "--raw-shape", "3", "4", "5", "--", "a", "b"),
        ("--raw-shape=3", "4", "5", "a", *TYPE, "b"),
        ("--raw-shape", "3", "4", "5", *TYPE, "a", "b"),
    ],
)
def test_files_may_follow(words):
    options = parse(Local, words)
    assert (options.raw_shape, options.raw_dtype, options.images) == ((3, 4, 5), "u16", ("a", "b"))


def test_two_numbers():
    assert parse(Local, ["--raw-shape", "40", "50", "a", "b", *TYPE]).raw_shape == (40, 50)
    assert Local(images=("a", "b"), raw_shape=[4, 5], raw_dtype="u1", half_window_size=5).raw_shape == (4, 5)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("-hws", "5", "--raw-shape", "3", "4", "5"), "--raw-dtype is missing"),
        (TYPE, "--raw-shape is missing"),
        (("--raw-shape", *TYPE), "--raw-shape takes"),
        (("--raw-shape", "3", *TYPE), "--raw-shape takes 2 or 3 numbers, not 1"),
        (("--raw-shape", "3", "4", "5", "6", *TYPE), "takes 2 or 3 numbers, not 4"),
        (("--raw-shape", "3", "0", "5", *TYPE), "--raw-shape must be at least 1, not 0"),
        (("--raw-shape", "3", "-4", "5", *TYPE), "--raw-shape must be at least 1, not -4"),
        (("--raw-shape", "3", "4.5", "5", *TYPE), "--raw-shape takes a whole number, not '4.5'"),
        (("--raw-shape", "3", "4", "5", "-hws", "5", "--raw-dtype", "u12"), "--raw-dtype takes uint8, int8"),
        (("--raw-shape", "3", "4", "5", "-hws", "5", "--raw-dtype", ">u8"), "--raw-dtype takes uint8, int8"),
        (("--raw-shape", "3", "4", "5", "-hws", "5", "--raw-dtype", ""), "--raw-dtype takes uint8, int8"),
    ],
)
def test_refused(words, expected):
    with pytest.raises(UserError) as caught:
        parse(Local, ["a", "b", *words])
    assert expected in str(caught.value)


def test_types():
    for stored, names in RAW_TYPES.items():
        assert {raw_type(name) for name in names} == {f"<{stored}"}
        assert raw_type(f">{names[-1]}") == f">{stored}"
    assert raw_type(">u2") == raw_type(">u16") == ">u2" and raw_type("<f4") == "<f4"
    # eight bits without a byte order, bytes with one as numpy counts them: no volume has such numbers
    assert raw_type("u8") == "<u1" and raw_type(">u8") is raw_type("<i8") is None


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_that_read_volumes(command):
    options = importlib.import_module(f"hpcdvc.options.{command.replace('-', '_')}").Options
    declared = {one.name: one for one in declarations(options)}
    reads = any(one.reads in ("volume", "scan") for one in declared.values()) or command in ("view", "info")
    assert ("raw_shape" in declared and "raw_dtype" in declared) == reads
