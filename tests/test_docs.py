"""The documentation against the code: pages, tables, links and the commands it tells people to type. Builds nothing."""

import importlib
import re
import shlex
import sys
from pathlib import Path

import pytest
from pages import DOCS, PAGES, ROOT, TEXTS, expanded, label, typed

from hpcdvc.errors import UserError
from hpcdvc.fields.status import STATUSES, reason_of
from hpcdvc.options import parser
from hpcdvc.options.declare import declarations
from hpcdvc.workflows.ldic import ADVICE

COMMANDS = sorted(path.name.removeprefix("hpcdvc-") for path in (ROOT / "bin").glob("hpcdvc-*"))

sys.path.append(str(DOCS))
generate = importlib.import_module("generate")


@pytest.fixture(scope="module")
def fragments() -> dict[str, str]:
    """What is made for the pages, by name."""
    return generate.fragments()


def options_of(command: str) -> type:
    return importlib.import_module(f"hpcdvc.options.{command.replace('-', '_')}").Options


def anchors(path: Path) -> set[str]:
    """Names that a link may end in: those of the headings, as GitHub and MyST make them, and explicit ones."""
    headings = re.findall(r"^#+ +(.*)$", path.read_text(), re.M)
    slugs = {re.sub(r"[^\w\- ]", "", h).strip().lower().replace(" ", "-") for h in headings}
    return slugs | set(re.findall(r"^\(([\w-]+)\)=$", path.read_text(), re.M))


@pytest.mark.parametrize("command", COMMANDS)
def test_command_has_a_page_with_its_options(command):
    page = (DOCS / "guide" / f"{command}.md").read_text()
    assert f"generated/options-{command}.md" in page
    assert page.startswith(f"# hpcdvc-{command}\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_command_is_in_the_tables_that_newcomers_read(command):
    assert f"\n| `hpcdvc-{command}` | " in (ROOT / "README.md").read_text()
    assert f"\n| [`hpcdvc-{command}`](guide/{command}.md) | " in (DOCS / "index.md").read_text()


@pytest.mark.parametrize("command", COMMANDS)
def test_page_says_how_to_tell_whether_a_result_is_right(command):
    """A few lines of its own, before the options; not a heading alone."""
    page = (DOCS / "guide" / f"{command}.md").read_text()
    found = re.findall(r"^## Is it right\?\n(.*?)^## ", page, re.M | re.S)
    assert len(found) == 1
    assert len([line for line in found[0].splitlines() if line.strip()]) >= 3


@pytest.mark.parametrize("command", COMMANDS)
def test_table_lists_every_option(command, fragments):
    table = fragments[f"options-{command}.md"]
    for declared in declarations(options_of(command)):
        spelled = ", ".join(declared.flags) or declared.metavar.replace("|", r"\|")
        line = next((line for line in table.splitlines() if line.startswith(f"| `{spelled}` |")), None)
        assert line, f"{declared.label} is not in the table"
        assert declared.help.replace("|", r"\|") in line


def test_table_lists_every_status():
    table = generate.all_statuses()
    for status, meaning in STATUSES.items():
        assert f"| {int(status)} | {meaning.reason}" in table
    for status, advice in ADVICE.items():
        assert f"| {int(status)} | {reason_of(status)} | {advice} |" in generate.statuses()


def test_every_module_stands_in_the_architecture():
    table = generate.modules()
    for path in (ROOT / "hpcdvc").rglob("[!_]*.py"):
        name = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
        assert re.search(rf"^\| `{re.escape(name)}` \| \S", table, re.M), name


def test_names_of_our_functions_exist():
    for _, ours in generate.NAMES:
        module, _, name = ours.rpartition(".")
        assert callable(getattr(importlib.import_module(module), name))


def test_every_page_is_in_a_toctree():
    listed = {DOCS / "index.md"}
    for page in PAGES:
        for tree in re.findall(r"^```\{toctree\}\n(.*?)^```", page.read_text(), re.M | re.S):
            for entry in tree.split():
                if not entry.startswith(":"):
                    listed |= set(page.parent.glob(f"{entry}.md"))
    assert set(PAGES) - listed == set()


@pytest.mark.parametrize("path", TEXTS, ids=label)
def test_links_lead_somewhere(path):
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("http"):
            continue
        file, _, anchor = target.partition("#")
        page = (path.parent / file).resolve() if file else path
        assert page.exists(), target
        if anchor:
            assert anchor in (anchors(page) if file else set().union(*map(anchors, TEXTS))), target


@pytest.mark.parametrize("path", TEXTS, ids=label)
def test_no_mark_of_a_merge_and_no_placeholder_is_left(path):
    text = path.read_text()
    assert not re.search(r"^(<{7}|>{7}) ", text, re.M)
    assert not re.search(r"<(this|your) \w+>", text)


@pytest.mark.parametrize("path", PAGES, ids=label)
def test_what_pages_include_is_made(path, fragments):
    pictures = (DOCS / "pictures.py").read_text()
    for kind, target in re.findall(r"```\{(include|image)\} (\S+)", path.read_text()):
        name = Path(target).name
        if "generated/" in target:
            assert name in fragments or (DOCS / "notebooks" / name).with_suffix(".ipynb").exists()
        elif "pictures/" in target:
            assert f'"{Path(name).with_suffix(Path(name).suffix.replace(".txt", ".png"))}": draw_' in pictures
        else:
            assert (path.parent / target).exists(), f"{kind} {target}"


def test_commands_of_spam_with_the_same_name_are_listed():
    """Each of ours whose page speaks of the one of spam; the others have no counterpart there."""
    listed = set(re.findall(r"^\| spam-([\w-]+) \| \[hpcdvc-\1\]", (DOCS / "spam.md").read_text(), re.M))
    of_spam = [name for name in COMMANDS if f"spam-{name}" in "".join(page.read_text() for page in PAGES)]
    assert {"ereg", "mmr-graphical"} < set(of_spam) <= listed


def test_pictures_of_data_have_axes():
    """Flow charts have none, nor has the place that hpcdvc-umpa leaves empty."""
    bare = {path.name for path in DOCS.glob("draw_*.py") if re.search(r"set_axis_off|axis\([\"']off", path.read_text())}
    assert bare == {"draw_architecture.py", "draw_next.py", "draw_umpa.py"}


@pytest.mark.parametrize("path", PAGES, ids=label)
def test_code_that_is_shown_is_there(path):
    for target, options in re.findall(r"```\{literalinclude\} (\S+)\n(.*?)```", path.read_text(), re.S):
        code = (path.parent / target).read_text()
        for option, word in re.findall(r"^:(pyobject|start-at): (.+)$", options, re.M):
            assert (f"def {word}(" if option == "pyobject" else word) in code, word


@pytest.mark.parametrize("path", TEXTS, ids=label)
def test_commands_can_be_typed(path):
    """Targets of make exist, job files exist, and our commands take the options that are shown."""
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M)
    for words in typed(path):
        for name in words[1:] if words[0] == "make" else ():
            assert name in targets, f"make {name}"
        for word in words:
            assert not word.startswith(("slurm/", "benchmarks/", "tests/")) or (ROOT / word).exists(), word
        place = next((i for i, word in enumerate(words) if word.startswith("hpcdvc-")), None)
        if place is None:
            continue
        command = words[place].removeprefix("hpcdvc-")
        assert command in COMMANDS, words
        arguments = [name for word in words[place + 1 :] for name in expanded(word) if word[0] != "["]
        if "..." in arguments or "SPACING" in arguments or "--help" in arguments:
            continue
        try:
            parser.parse(options_of(command), arguments)
        except UserError as error:
            pytest.fail(f"{shlex.join(words)}: {error}")


def test_commands_in_sentences_can_be_typed():
    """Those with a file, `hpcdvc-noise cement.tif`; the others are parts of a line."""
    text = "\n".join(path.read_text() for path in TEXTS)
    lines = [line.split() for line in re.findall(r"`(hpcdvc-[\w-]+ [^`\n]+)`", text) if "..." not in line]
    whole = [words for words in lines if any(re.search(r"\w\.(hdf|tif|tsv)$", word) for word in words[1:])]
    assert len(whole) > 3
    for words in whole:
        parser.parse(options_of(words[0].removeprefix("hpcdvc-")), words[1:])


@pytest.mark.parametrize("path", TEXTS, ids=label)
def test_options_that_are_named_exist(path):
    """`-hws`, `--resume` and so on, where they stand alone or first in monospaced text."""
    known = {flag for c in COMMANDS for declared in declarations(options_of(c)) for flag in declared.flags}
    others = {
        "-n",
        "-march=native",
        "-ffast-math",
        "--mpi=pmix",
        "--no-build-isolation",
        "--build-arg",
        "--requeue",
        "--signal",
        "--help",
        "--version",
        "--with-mpi",
    }
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.S)
    for word in re.findall(r"`(--?[A-Za-z][\w=-]*)", text):
        assert word in known | others or word.partition("=")[0] in known, word


@pytest.mark.parametrize("path", TEXTS, ids=label)
def test_python_examples_import_what_exists(path):
    for module, names in re.findall(r"^ *from (hpcdvc[\w.]*) import (.+)$", path.read_text(), re.M):
        for name in names.split(", "):
            assert hasattr(importlib.import_module(module), name), f"{module}.{name}"


@pytest.mark.parametrize("path", TEXTS, ids=label)
def test_files_and_modules_that_are_named_exist(path):
    """`hpcdvc/runs/job.py`, or `runs/job.py` for short, `hpcdvc.runs.job`, and names in modules; not what is built."""
    words = re.findall(r"`([\w./*]+)`", path.read_text())
    made = ("docs/_build", "docs/generated", "docs/pictures/")
    folders = r"(hpcdvc|cython|tests|docs|benchmarks|packaging|slurm|bin|\.ci)/"
    for word in words:
        if re.match(folders, word) and not word.startswith(made):
            assert list(ROOT.glob(word)), word
        elif re.search(r"\w/\w+\.py$", word):
            assert (ROOT / "hpcdvc" / word).exists(), word
        elif word.startswith("hpcdvc."):
            assert exists(word), word


def exists(name: str) -> bool:
    """Whether a dotted name is that of a module, or of something in one."""
    module, _, rest = name.rpartition(".")
    try:
        return bool(importlib.import_module(name))
    except ModuleNotFoundError:
        return bool(module) and hasattr(importlib.import_module(module), rest)


@pytest.mark.skipif(not (ROOT / "benchmarks" / "results").is_dir(), reason="no results of benchmarks in this tree")
def test_figures_of_the_readme_are_those_of_the_benchmarks():
    readme = importlib.import_module("readme")
    text = (ROOT / "README.md").read_text()
    assert text == readme.with_figures(text), "run: python docs/readme.py"


def test_no_page_speaks_of_what_its_makers_had_wished_for(fragments):
    """Results of benchmarks have columns of goals; readers want what was measured."""
    for name, text in fragments.items():
        assert not re.search(r"\b(goals?|aim reached|missed)\b", text, re.I), name
    assert "| what | measured |" in fragments["speed-reg.md"] and "35.1 x" in fragments["speed-reg.md"]
