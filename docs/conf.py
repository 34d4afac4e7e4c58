"""Sphinx configuration. Tables and pictures are made from the code before the pages are read."""

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS), str(DOCS.parent)]

import generate  # noqa: E402
import notebook  # noqa: E402
import pictures  # noqa: E402

import hpcdvc  # noqa: E402
from hpcdvc.registration import control  # noqa: E402
from hpcdvc.registration.kernel_settings import CURVATURE_THRESHOLD  # noqa: E402

project = "hpcdvc"
author = copyright = "the hpcdvc developers"
version = release = hpcdvc.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",
]
myst_enable_extensions = ["dollarmath", "amsmath", "substitution"]
myst_substitutions = {"curvature_threshold": f"{CURVATURE_THRESHOLD:g}"}
myst_substitutions |= {name: str(value).strip("()") for name, value in vars(control).items() if name.isupper()}
myst_heading_anchors = 3
exclude_patterns = ["_build", "generated"]
default_role = "py:obj"

html_theme = "furo"
html_title = f"hpcdvc {release}"
html_static_path = ["static"]
html_css_files = ["wide.css"]
html_show_sourcelink = False

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False


def setup(app):
    """Make what the pages include."""
    app.connect("builder-inited", lambda app: generate.write_all(DOCS / "generated"))
    app.connect("builder-inited", lambda app: notebook.write_pages(DOCS / "generated"))
    app.connect("builder-inited", lambda app: pictures.draw_all(DOCS / "pictures"))
    app.connect("autodoc-process-docstring", generate.describe_parameters, priority=400)
