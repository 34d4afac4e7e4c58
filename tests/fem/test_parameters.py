"""Parameters of the regularisation: what users write, and every mistake that they can make, with its line."""

import os

import numpy as np
import pytest

from hpcdvc import regularisation_parameters
from hpcdvc.errors import UserError
from hpcdvc.fem.parameters import LARGEST, MOST

GOOD = {"young": 10, "poisson": 0.25}


def refused(given, **more) -> str:
    """What is said of parameters."""
    with pytest.raises(UserError) as error:
        regularisation_parameters(given, **more)
    assert "\n" not in str(error.value)
    return str(error.value)


def of_file(tmp_path, text) -> str:
    path = tmp_path / "reg.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    said = refused(path)
    assert said.startswith(f"{path}")
    return said.removeprefix(f"{path}")


def test_dictionary():
    """All keys, and those that may be left out."""
    found = regularisation_parameters(
        {
            "young": 10,
            "poisson": 0.25,
            "xiBulk": 30,
            "periods": 2.5,
            "voxelSize": 0.01,
            "dirichlet": {"z_start": {"xi": 5, "dof": [0, 1, 2]}, "x_lateral": {"dof": (np.int64(0),)}},
        }
    )
    assert (found.young, found.poisson, found.xi_bulk) == (10, 0.25, 30)
    assert (found.periods, found.voxel_size) == (2.5, 0.01)
    assert found.surfaces == ["z_start", "x_lateral"]
    assert found.dirichlet == [(1, [0, 1, 2], 5), (2, [0], None)]
    least = regularisation_parameters(GOOD | {"dirichlet": None, "xiBulk": None})
    assert (least.surfaces, least.dirichlet, least.xi_bulk, least.periods, least.voxel_size) == ([], [], None, 3, 1)


def test_file(tmp_path):
    path = tmp_path / "reg.yaml"
    path.write_text(
        "# bulk\nyoung: 1e9  # Pa\npoisson: .25\nxiBulk: 30\nvoxelSize: 1e-2\n"
        "dirichlet:\n  z_end: &end\n    xi: 20\n    dof: [0]\n  z_start: *end\n"
    )
    found = regularisation_parameters(str(path))
    assert (found.young, found.poisson, found.xi_bulk, found.voxel_size) == (1e9, 0.25, 30, 0.01)
    assert (found.surfaces, found.dirichlet) == (["z_end", "z_start"], [(1, [0], 20), (2, [0], 20)])


def test_file_of_the_peer(shared):
    found = regularisation_parameters(shared / "oracle/spam/_inputs/reg.yaml")
    assert (found.surfaces, found.dirichlet) == (["z_start", "z_end"], [(1, [0, 1, 2], 20), (2, [0], None)])
    assert (found.young, found.poisson, found.xi_bulk, found.periods, found.voxel_size) == (10, 0.25, 30, 3, 1)


def test_every_mistake_and_its_line(tmp_path):
    said = of_file(
        tmp_path,
        """\
young: 0
poisson: 0.5
xibulk: 30
periods: three
voxelSize: -1
dirichlet:
  z_start: {xi: 0, dof: [0, 1, 3]}
  z_mid: {dof: 0}
  y_end:
    ksi: 3
""",
    )
    assert said.split("; ") == [
        ": line 1: young must be a positive number, not 0",
        "line 2: poisson must be a number between -1 and 0.5, not 0.5",
        "line 3: 'xibulk' is no key (is xiBulk meant?)",
        "line 4: periods must be a positive number, not 'three'",
        "line 5: voxelSize must be a positive number, not -1",
        "line 7: dof of z_start must be a list of some of 0, 1, 2 (z, y, x), each once, not [0, 1, 3]",
        "line 7: xi of z_start must be a positive number, not 0",
        "line 8: 'z_mid' is no surface (is z_end meant?)",
        "line 8: dof of z_mid must be a list of some of 0, 1, 2 (z, y, x), each once, not 0",
        "line 9: dof of y_end is missing",
        "and 1 more",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("poisson: 0.2", "line 1: young is missing"),
        ("# nothing but young\n\nyoung: 3", "line 3: poisson is missing"),
        ("young: 1\npoisson: 0.2\nyoung: 2", "line 3: 'young' is given twice"),
        ("young: '1'\npoisson: 0.2", "line 1: young must be a positive number, not '1'"),
        ("young: yes\npoisson: 0.2", "line 1: young must be a positive number, not True"),
        ("young: .nan\npoisson: 0.2", "line 1: young must be a positive number, not nan"),
        ("young: .inf\npoisson: 0.2", "line 1: young must be a positive number, not inf"),
        (f"young: 1{'0' * 400}\npoisson: 0.2", "line 1: young must be a positive number, not 1000"),
        (f"young: 1{'0' * 9000}\npoisson: 0.2", "line 1: young must be a positive number, not '1000"),
        ("young: 2001-02-30\npoisson: 0.2", "line 1: young must be a positive number, not '2001-02-30'"),
        ("young: !!python/name:os.system\npoisson: 0.2", "line 1: young must be a positive number, not"),
        ("young: [1]\npoisson: 0.2", r"line 1: young must be a positive number, not [1]"),
        ("young:\npoisson: 0.2", "line 1: young is missing"),
        ("young: 1\npoisson: -1", "line 2: poisson must be a number between -1 and 0.5, not -1"),
        ("young: 1\npoisson: 0.2\n? [a]\n: 3", "line 3: '...' is no key"),
        ("young: 1\npoisson: 0.2\n3: 4", "line 3: 3 is no key"),
        ("young: 1\npoisson: 0.2\ndirichlet: z_end", "line 3: dirichlet must hold surfaces by their names"),
        ("young: 1\npoisson: 0.2\ndirichlet:\n  z_end: [0]", "line 4: 'z_end' must hold dof"),
        ("young: 1\npoisson: 0.2\ndirichlet:\n  z_end:\n    dof: []", "line 5: dof of z_end must be a list"),
        ("young: 1\npoisson: 0.2\ndirichlet:\n  z_end:\n    dof: [0, 0]", "line 5: dof of z_end must be a list"),
        ("young: 1\npoisson: 0.2\ndirichlet:\n  z_end:\n    dof: [yes]", "line 5: dof of z_end must be a list"),
        ("young: 1\npoisson: 0.2\ndirichlet:\n  z_end:\n    dof: [1.0]", "line 5: dof of z_end must be a list"),
        ("young: 1\npoisson: 0.2\ndirichlet: {x_end: {dof: [0], xi: -.5}}", "line 3: xi of x_end must be a positive"),
        ("&a {young: *a, poisson: [*a]}", "line 1: young must be a positive number"),
        ("", " holds no parameters"),
        ("- young: 1", " holds no parameters"),
        ("young: 1: 2", " is no YAML: line 1: mapping values are not allowed here"),
        ("young: 1\n---\nyoung: 2", " is no YAML: line 2"),
        ("young: [1", " is no YAML: line 1"),
        ("[" * 1100, " is no YAML"),
        ("young 1\npoisson: 0.2", " is no YAML: line 1: a colon is missing after 'young'; line 2: mapping values"),
        ("young: 1\npoisson 0.2  # Ko: hard\n\nxiBulk: 3", " is no YAML: line 2: a colon is missing after 'poisson'"),
        (b"young: 1\npoisson: \xff0.2", " is no YAML: line 2: "),
        ("young: 1\npoisson: 0.2\nxiBulk: -1", "line 3: xiBulk must be a number from 0 on, not -1"),
        (b"\xff\xfe\x00", " is no YAML"),
        (b"young: \x00", " is no YAML"),
        (b"#" * (LARGEST + 1), f" is larger than {LARGEST} bytes"),
        ("a: &a [1,1,1,1,1,1,1,1,1,1]\nb: [" + "*a," * 2000 + "]", f" has more than {MOST} values"),
    ],
)
def test_mistakes_in_files(tmp_path, text, message):
    assert message in of_file(tmp_path, text)


def test_mistakes_in_dictionaries():
    """Without lines."""
    said = refused({"young": "1", "poisson": True, 3: 4, "dirichlet": {"z_end": {"dof": [0], "xi": 0}}})
    assert said == (
        "regularisation parameters: 3 is no key: there are young, poisson, xiBulk, periods, voxelSize, dirichlet; "
        "young must be a positive number, not '1'; poisson must be a number between -1 and 0.5, not True; "
        "xi of z_end must be a positive number, not 0"
    )
    assert "young is missing; poisson is missing" in refused({})


def test_files_that_cannot_be_read(tmp_path):
    assert "No such file" in refused(tmp_path / "none.yaml")
    assert "directory" in refused(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert "is no file" in refused(tmp_path / "pipe")
