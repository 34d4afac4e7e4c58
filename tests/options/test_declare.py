"""Options, their parser and the options that commands share."""

import json
import shlex
from collections import defaultdict
from dataclasses import dataclass
from importlib import import_module
from inspect import get_annotations
from pathlib import Path
from pkgutil import iter_modules

import numpy as np
import pytest

import hpcdvc.options
from hpcdvc.errors import UserError
from hpcdvc.options.common import ImagePair, ImageSeries, Mask, Output, RunControl, StartField
from hpcdvc.options.declare import (
    REQUIRED,
    OptionSet,
    as_parameters,
    declarations,
    notes,
    option,
    option_group,
    options_table,
)
from hpcdvc.options.needless import Needless
from hpcdvc.options.parser import parse
from hpcdvc.options.registration import InterpolationOptions, IterationOptions, NodeSpacing, WindowSelection, WindowSize


@dataclass(kw_only=True)
class Local(
    ImageSeries,
    StartField,
    NodeSpacing,
    WindowSize,
    WindowSelection,
    IterationOptions,
    InterpolationOptions,
    Needless,
    Output,
    RunControl,
):
    """All options that local correlation shares with others, and -skp."""

    skip: bool = option(False, "-skp", "--skip", help="measure again what failed", group="start")


@dataclass(kw_only=True)
class Search(ImagePair, StartField, NodeSpacing, WindowSize, WindowSelection, Output):
    """A pixel search: six values with signs."""

    search_range: tuple[int, int, int, int, int, int] = option(
        (-3, 3, -3, 3, -3, 3), "-sr", "--search-range", unit="voxel", help="range"
    )


@dataclass(kw_only=True)
class Whole(ImagePair, IterationOptions, Output):
    """A registration: another default, a float margin."""

    min_delta_phi: float = option(1e-4, "-dp", "--min-delta-phi", above=0, help="converged below this")
    margin: float | None = option(None, "-m", "-mar", "--margin", help="margin")
    binning_begin: int = option(4, "-bb", "--binning-begin", at_least=1, help="first binning")


@dataclass(kw_only=True)
class Fields(OptionSet):
    """A tool for fields: a required flag, a list with a default, an optional and a repeated positional."""

    phi_file: str = option(REQUIRED, "-pf", "-phiFile", metavar="FILE", help="field")
    components: tuple[str, ...] = option(
        ("vol", "dev"), "-comp", "--strain-components", choices=("vol", "dev", "r"), help="which"
    )
    name: str | None = option(None, nargs="?", help="name")
    others: tuple[str, ...] = option((), nargs="*", help="others")


@dataclass(kw_only=True)
class Numbers(OptionSet):
    """A tool with lists of numbers, which would swallow the image behind them."""

    im: str = option(metavar="im", help="image")
    limits: tuple[float, ...] = option((0.0,), "-thr", metavar="LOW [HIGH]", help="grey values")
    circle: tuple[float, ...] | None = option(None, "-cyl", metavar="Y X R|auto", or_word="auto", help="a circle")


IMAGES = ["a.tif", "b.tif", "-hws", "5"]

# every flag of the program whose command lines must run unchanged, with values and what becomes of them
PEER_FLAGS = [
    (["-np", "--number-of-processes"], "4", "processes", 4),
    (["-mf1", "--maskFile1"], "m.tif", "mask1", "m.tif"),
    (["-pf", "-phiFile"], "p.tsv", "phi_file", "p.tsv"),
    (["-pfb", "--phiFile-bin-ratio"], "2", "phi_file_bin_ratio", 2.0),
    (["-F", "--apply-F"], "rigid", "apply_f", "rigid"),
    (["-rig", "--rigid"], "", "rigid", True),
    (["-glt", "--grey-low-threshold"], "-10", "grey_low_threshold", -10.0),
    (["-ght", "--grey-high-threshold"], "1e4", "grey_high_threshold", 1e4),
    (["-ns", "--node-spacing"], "10", "node_spacing", 10),
    (["-ns3", "--node-spacing-3"], "10 20 30", "node_spacing3", (10, 20, 30)),
    (["-m", "-mar", "-margin"], "4", "margin", 4),
    (["-m3", "-mar3", "-margin3"], "4 5 6", "margin3", (4, 5, 6)),
    (["-it", "--max-iterations"], "80", "max_iterations", 80),
    (["-dp", "--min-delta-phi"], "1e-4", "min_delta_phi", 1e-4),
    (["-o", "--interpolation-order"], "1", "interpolation_order", 1),
    (["-mc", "--mask-coverage"], "0.7", "mask_coverage", 0.7),
    (["-ug", "--update-gradient"], "", "update_gradient", True),
    (["-sei", "--series-incremental"], "", "series_incremental", True),
    (["-skp", "--skip"], "", "skip", True),
    (["-od", "--out-dir"], "out", "out_dir", "out"),
    (["-pre", "--prefix"], "foo", "prefix", "foo"),
    (["-vtk", "--VTKout"], "", "vtk", True),
    (["-notsv", "--noTSV", "--noTSVout"], "", "tsv", False),
    (["-tif", "-tiff", "--TIFFout", "--TIFout"], "", "tif", True),
    (["-lazy", "--lazy-load"], "", "lazy_load", True),
    (["-shift", "--shift"], "", "shift", True),
]


@pytest.mark.parametrize(
    ("flag", "row"), [(flag, row) for row in PEER_FLAGS for flag in row[0]], ids=lambda x: str(x)[:12]
)
def test_every_spelling_of_the_peer(flag, row):
    _, values, name, expected = row
    assert getattr(parse(Local, [*IMAGES, flag, *values.split()]), name) == expected
    assert getattr(parse(Local, [flag, *values.split(), "-hws", "5", "--", "a.tif", "b.tif"]), name) == expected


def test_half_window_spellings():
    for words in ("-hws 5", "--half-window-size 5", "-hws=5", "-hws3 5 5 5", "--half-window-size-3 5 5 5"):
        assert parse(Local, ["a", "b", *words.split()]).half_window == (5, 5, 5)


@pytest.mark.parametrize(
    "line",
    [
        "tex2d1.tif tex2d2-field.tif -ns 15 -hws 10 -m 4 -od . -tif -vtk -np 1",
        "tex1.tif tex2-large.tif -pf tex1-tex2-large-pixelSearch.tsv -hws 7 -od . -np 1",
        "tex1-cyl.tif tex2-field.tif -mf1 mask1-cyl.tif -mc 0.7 -glt 12000 -ns 12 -hws 6 -m 4 -od . -np 1",
        "tex1.tif tex2-affine.tif tex2-rigid.tif -sei -ns 24 -hws 10 -m 5 -pre foo -od . -np 1",
        "snow.tif snow-def.tif -pf snow-snow-def-ldic.tsv -skp -hws 10 -it 80 -od . -np 1",
        "tex1.tif tex2-field.tif -ns 16 -hws 8 -m 4 -shift -od . -np 1",
        "tex1.tif tex2-field.tif -ns 16 -hws 8 -m 4 -ug -o 3 -od . -np 1",
        "im1.tif im2.tif -pf initialPhi.tsv -ns 10 -hws 10 -glt 5 -dp 0.001 -it 50 -tif -vtk",
    ],
)
def test_whole_command_lines(line):
    options = parse(Local, shlex.split(line))
    assert options.images == tuple(word for word in line.split() if word.endswith(".tif") and "mask" not in word)


def test_command_lines_of_other_commands():
    search = parse(Search, shlex.split("a b -ns3 16 12 14 -hws3 6 5 4 -sr -3 3 -3 3 -2 3 -glt 12000 -od ."))
    assert search.search_range == (-3, 3, -3, 3, -2, 3)
    whole = parse(Whole, shlex.split("a b -od . -rig -bb 2 -m 12.5 -pre rigid"))
    assert (whole.min_delta_phi, whole.margin, whole.binning_begin) == (1e-4, 12.5, 2)
    fields = parse(Fields, shlex.split("-pf x.tsv -comp vol r"))
    assert (fields.phi_file, fields.components, fields.name, fields.others) == ("x.tsv", ("vol", "r"), None, ())
    assert parse(Fields, ["n", "-pf", "x", "o", "p"]).others == ("o", "p")
    with pytest.raises(UserError, match="missing: -pf"):
        parse(Fields, [])


def test_redeclared_option_keeps_its_place():
    names = [declared.name for declared in declarations(Whole)]
    assert names.index("min_delta_phi") == names.index("max_iterations") + 1


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("", "missing: im1 im2 [im3 ...]"),
        ("a -hws 5", "at least two images are needed, only 'a' is given"),
        ("a b", "-hws or -hws3 is missing"),
        ("a b -hws", "-hws takes one value"),
        ("a b -hws abc", "-hws takes a whole number, not 'abc'"),
        ("a b -hws 5.5", "-hws takes a whole number, not '5.5'"),
        ("a b -hws 5 -dp small", "-dp takes a number, not 'small'"),
        ("a b -hws 5 -ns3 1 2", "-ns3 takes 3 values"),
        ("a b -hws 5 -ns 0", "-ns must be at least 1, not 0"),
        ("a b -hws 5 -ns -3", "-ns must be at least 1, not -3"),
        ("a b -hws 5 -ns3 5 0 5", "-ns3 must be at least 1, not 0"),
        ("a b -hws 5 -np 0", "-np must be at least 1, not 0"),
        ("a b -hws 5 -mc 50", "-mc must be at most 1, not 50.0"),
        ("a b -hws 5 -mc nan", "-mc must be at least 0, not nan"),
        ("a b -hws 5 -pfb 0", "-pfb must be greater than 0, not 0.0"),
        ("a b -hws 5 -o 4", "-o must be 1, 3 or 5, not 4"),
        ("a b -hws 5 -crit ncc", "-crit must be znssd or ssd, not ncc"),
        ("a b -hws 5 -glt 10 -ght 5", "-glt 10 must be less than -ght 5"),
        ("a b -hws 5 -pre out/x", "folders go into -od"),
        ("a b -hws 5 -q -v", "give only one of -q and -v"),
        ("a b -hws3 0 0 0", "a window of a single voxel"),
        ("a b -hsw 5", "unknown option -hsw (did you mean -hws?)"),
        ("a b -hws 5 --zzz", "unknown option --zzz"),
        ("a b -hws 5 --f", "unknown option --f (did you mean --force?)"),
        ("a b -hws 5 -n 3", "unknown option -n (did you mean -"),
        ("a b -hws 5 -it 2147483648", "-it must be at most 1000000, not 2147483648"),
        (f"a b -hws 5 -ns {'7' * 31}", f"-ns must be at most 2147483647, not {'7' * 31}"),
        (f"a b -hws 5 -ns {'7' * 5000}", "-ns takes a whole number, not '777"),
        ("a b -hws 1_0", "-hws takes a whole number, not '1_0'"),
        ("a b -hws \u0665", "-hws takes a whole number, not '\u0665'"),
        ("a b -hws 5 -dp 1_0", "-dp takes a number, not '1_0'"),
        ("a b -hws 5 -dp \uff11", "-dp takes a number, not '\uff11'"),
        ("a b -hws 5 -dp inf", "-dp must be at most 1, not inf"),
        ("a b -hws 5 -dp 1e9", "-dp must be at most 1, not 1000000000.0"),
        ("a b -hws 5 -glt nan", "-glt must be at least -inf, not nan"),
        ("a b -hws 5 --checkpoint-interval inf", "--checkpoint-interval must be at most 86400, not inf"),
        ("a b -hws 5 --resume=3", "--resume takes no value"),
    ],
)
def test_mistakes_are_one_sentence(line, sentence):
    with pytest.raises(UserError) as caught:
        parse(Local, line.split())
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_numbers_that_look_like_options():
    options = parse(Local, [*IMAGES, "-glt", "-1e-3", "-ght", "-.5e-3"])
    assert (options.grey_low_threshold, options.grey_high_threshold) == (-1e-3, -0.5e-3)
    assert parse(Local, [*IMAGES, "-glt", "-inf"]).grey_low_threshold == -float("inf")


def test_images_before_between_and_after_the_options():
    assert parse(Local, ["-ns", "9", "a", "-hws", "5", "b", "-vtk", "c"]).images == ("a", "b", "c")
    assert parse(Local, ["-o1", "a", "b", "-hws", "5"]).interpolation_order == 1


def test_the_last_of_two_values_wins():
    assert parse(Local, [*IMAGES, "-hws", "7"]).half_window == (7, 7, 7)


def test_series():
    options = Local(images=["a", "b", "c"], half_window_size=5)
    assert options.pairs(options.images) == [("a", "b"), ("a", "c")]
    options = Local(images=["a", "b", "c"], half_window_size=5, series_incremental=True)
    assert options.pairs(options.images) == [("a", "b"), ("b", "c")]


def test_an_inherited_option_stands_under_the_heading_of_the_group():
    heading = {declared.name: declared.group for declared in declarations(Local)}
    assert heading["mask1"] == heading["mask_coverage"] == "selection of windows"
    assert heading["phi_file"] == heading["apply_f"] == "start"


def groups_of_options():
    """All classes of `hpcdvc.options`, once each."""
    modules = [import_module(f"hpcdvc.options.{module.name}") for module in iter_modules(hpcdvc.options.__path__)]
    classes = [value for module in modules for value in vars(module).values() if isinstance(value, type)]
    return dict.fromkeys(cls for cls in classes if issubclass(cls, OptionSet))


def test_files_are_declared_once():
    """What an option reads is one thing in all commands."""
    places = defaultdict(set)
    for group in groups_of_options():
        for name in set(get_annotations(group)) & set(group.__dataclass_fields__):
            declared = group.__dataclass_fields__[name].metadata.get("option")
            if declared and declared.reads and declared.flags:
                places[declared.flags[0]].add(group)
    assert {"-mf1", "-pf"} < set(places)
    assert {flag: groups for flag, groups in places.items() if len(groups) > 1} == {}


def test_what_a_group_says_differently():
    """Of an option that it inherits: its words, its spellings, that it must be given; all else stays."""

    @option_group
    class Mine(Mask):
        differently = {"mask1": {"default": REQUIRED, "flags": ("-mf1", "--mine"), "help": "mine"}}

    @dataclass(kw_only=True)
    class Command(Mine):
        pass

    (old,), (new,) = declarations(Mask), declarations(Command)
    assert (new.flags, new.help, new.default) == (("-mf1", "--mine"), "mine", REQUIRED)
    assert new._replace(flags=old.flags, help=old.help, default=old.default) == old
    assert parse(Command, ["--mine", "m.tif"]) == Command(mask1="m.tif")
    with pytest.raises(UserError, match="missing: -mf1"):
        parse(Command, [])
    with pytest.raises(UserError, match="-mf1 is missing"):
        Command()


def test_all_that_is_said_differently_is_of_inherited_options():
    found = 0
    for group in groups_of_options():
        for name in vars(group).get("differently", {}):
            assert name in group.__dataclass_fields__ and name not in get_annotations(group), (group, name)
            found += 1
    assert found > 9


def test_python_users_get_the_same_checks():
    options = Local(images=[Path("a.tif"), "b.tif"], half_window_size3=np.array([0, 5, 6]), node_spacing=np.int64(8))
    assert options == parse(Local, "a.tif b.tif -hws3 0 5 6 -ns 8".split())
    for wrong, sentence in (
        ({"node_spacing": 0}, "-ns must be at least 1, not 0"),
        ({"node_spacing": "8"}, "-ns takes a whole number, not '8'"),
        ({"node_spacing": 8.5}, "-ns takes a whole number, not 8.5"),
        ({"node_spacing": True}, "-ns takes a whole number, not True"),
        ({"min_delta_phi": 1j}, "-dp takes a number, not 1j"),
        ({"node_spacing3": (1, 2)}, r"-ns3 takes 3 values, not \(1, 2\)"),
        ({"max_iterations": None}, "-it is missing"),
        ({"images": "a.tif"}, "takes a list of values, not 'a.tif'"),
    ):
        with pytest.raises(ValueError, match=sentence):
            Local(**{"images": ["a", "b"], "half_window_size": 5, **wrong})


def test_parameters_are_strict_json():
    options = parse(Local, [*IMAGES, "-ns3", "1", "2", "3", "-np", "2", "--force", "-vtk"])
    parameters = as_parameters(options)
    assert json.loads(json.dumps(parameters, allow_nan=False)) == parameters
    assert parameters["node_spacing3"] == [1, 2, 3]
    assert parameters["grey_low_threshold"] == "-inf"
    assert as_parameters(Local(images=["a", "b"], half_window_size=np.int32(5)))["half_window_size"] == 5


def test_key_holds_what_changes_the_result():
    base = as_parameters(parse(Local, IMAGES), key_only=True)
    same = "-np 2 --resume --force --dry-run -q -vtk -tif -notsv -od x -pre y -lazy -shift -m 9 --checkpoint-interval 1"
    same += " -pf p -mf1 m"  # files count by what is in them
    assert as_parameters(parse(Local, [*IMAGES, *same.split()]), key_only=True) == base
    others = "-o 1", "-crit ssd", "-gm gaussian", "-gs 2", "-it 9", "-dp .1", "-ug", "-rig", "-F no", "-ns 9"
    for change in (*others, "-pfb 2", "-mc .1", "-glt 1", "-ght 1", "-skp", "-hws 6"):
        assert as_parameters(parse(Local, [*IMAGES, *change.split()]), key_only=True) != base, change


def test_notes():
    assert notes(parse(Local, [*IMAGES, "-lazy"])) == []
    (note,) = notes(parse(Local, [*IMAGES, "-shift"]))
    assert note.startswith("-shift is ignored")


def test_an_order_of_another_program_is_taken_for_ours_and_that_is_said():
    options = parse(Local, [*IMAGES, "-o", "2"])
    assert options.interpolation_order == 3 and notes(options) == ["-o 2 is taken as -o 3"]
    assert notes(parse(Local, [*IMAGES, "-o", "3"])) == notes(parse(Local, IMAGES)) == []


def test_the_last_of_two_spellings_counts():
    assert parse(Local, [*IMAGES, "-ns", "9", "-ns3", "1", "2", "3"]).spacing == (1, 2, 3)
    assert parse(Local, [*IMAGES, "-ns3", "1", "2", "3", "-ns", "9"]).spacing == (9, 9, 9)
    assert parse(Local, ["a", "b", "-hws3", "1", "2", "3", "-hws", "9"]).half_window == (9, 9, 9)
    with pytest.raises(UserError, match="give only one of -ns and -ns3"):  # which one, without an order?
        Local(images=("a", "b"), half_window_size=5, node_spacing=9, node_spacing3=(1, 2, 3))


def test_defaults_of_the_documentation():
    options = parse(Local, IMAGES)
    assert (options.criterion, options.interpolation_order, options.gradient_method) == ("znssd", 3, None)
    assert (options.max_iterations, options.min_delta_phi, options.mask_coverage) == (50, 1e-3, 0.5)
    assert (options.checkpoint_interval, options.phi_file_bin_ratio, options.apply_f) == (10.0, 1.0, "all")


@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_help_shows_every_flag_once(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    with pytest.raises(SystemExit) as leave:
        parse(Local, ["--help"], "hpcdvc-local", "What it does.")
    assert leave.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith("usage: hpcdvc-local im1 im2 [im3 ...] [options]\n")
    assert "What it does." in text
    for row in options_table(Local):
        assert text.count(f"  {row['flags'] or row['metavar']}") == 1
    headings = [line for line in text.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert len(headings) == len(set(headings))
    if columns != "40":
        assert "(voxel)" in text and "(default 0.5)" in text and "(s; default 10)" in text


def test_options_table():
    rows = {row["flags"]: row for row in options_table(Local)}
    assert rows["-gs, --gaussian-sigma"] == {
        "group": "registration",
        "name": "gaussian_sigma",
        "flags": "-gs, --gaussian-sigma",
        "metavar": "X",
        "help": "width of the Gaussian derivative of -gm gaussian",
        "unit": "voxel",
        "default": "1",
    }
    assert rows["-vtk, --VTKout"]["metavar"] == ""
    assert all(row["help"] for row in rows.values())


def test_version(capsys):
    with pytest.raises(SystemExit) as leave:
        parse(Local, ["--version"], "hpcdvc-local")
    assert leave.value.code == 0
    assert capsys.readouterr().out.startswith("hpcdvc-local ")


@pytest.mark.parametrize(
    "words", ["a.tif -thr 1 -2", "-thr 1 -2 a.tif", "-thr 1 -2 -- a.tif", "-thr 1 -2 -cyl auto a.tif"]
)
def test_lists_of_numbers_end_at_a_word(words):
    given = parse(Numbers, words.split())
    assert (given.im, given.limits) == ("a.tif", (1.0, -2.0))
    assert given.circle == (("auto",) if "auto" in words else None)


def test_a_word_in_place_of_numbers():
    assert Numbers(im="a", circle="auto").circle == Numbers(im="a", circle=["auto"]).circle == ("auto",)
    wrong = ("a.tif -cyl 1 b.tif", "b.tif"), ("a.tif -thr auto", "auto"), ("-thr a.tif", "-thr takes a number")
    for words, said in wrong:
        with pytest.raises(UserError, match=said):
            parse(Numbers, words.split())
