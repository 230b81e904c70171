"""Configuration of the documentation site.

The source folder is the root of the repository, so that documents link to each other and to galleries and boards the
same way on the site as in the repository::

    pip install -e '.[docs]'
    sphinx-build -W -c docs . build/docs
"""

import os
import sys
from functools import partialmethod
from pathlib import Path

from nbclient import NotebookClient

from mss_bench import __version__

# Notebooks call mss-bench, which lies beside this interpreter; what it prints is to fit the page.
os.environ["COLUMNS"] = "80"
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "mss_bench"
author = "The mss_bench authors"
copyright = "2026, the mss_bench authors, MIT licence"
version = release = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "declared",
]
root_doc = "docs/index"
include_patterns = [
    "docs/**.md",
    "docs/**.ipynb",
    "reports/**.md",
    "leaderboards/**.md",
    "tests/benchmarks/*.md",
    "tests/release/*.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
]
exclude_patterns = ["reports/**/notes.md", "build", ".venv*"]  # notes are parts of the pages beside them
suppress_warnings = [
    "misc.highlighting_failure",  # tables are not highlighted: there is no lexer of CSV
    "myst.header",  # committed reports begin with the heading that their place in a page of the site asks for
]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4  # the anchors that links of the repository use
myst_links_external_new_tab = False
nb_execution_mode = "cache"
nb_execution_cache_path = str(Path(__file__).parents[1] / "build" / "notebooks")
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_execution_timeout = 900  # of a cell, also on a machine that is busy
# Output comes in pieces that may end within a line; merging by myst_nb would break the line there.
NotebookClient.__init__ = partialmethod(NotebookClient.__init__, coalesce_streams=True)

default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # numpydoc's sections say types in words
autosummary_generate = False
napoleon_google_docstring = False
napoleon_use_rtype = False

html_theme = "pydata_sphinx_theme"
html_title = "mss_bench"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "navbar_align": "left",
    "footer_start": ["copyright"],
    "footer_end": [],
    "header_links_before_dropdown": 6,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
