"""How the site is built: `make site`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent))

from autograder import __version__  # noqa: E402
from scripts.site_pages import digest, write_course  # noqa: E402

project = "backprop-ninja"
author = "the backprop-ninja contributors"
version = release = __version__
language = "en"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx.ext.mathjax",
]
exclude_patterns = ["_build", "**/.ipynb_checkpoints"]
write_course(DOCS / "course")

# Pages are run when they are built. What a page gave is kept for as long as neither it nor what it runs has changed.
nb_execution_mode = "cache"
nb_execution_cache_path = str(DOCS / "_build" / "executed" / digest())
nb_execution_excludepatterns = os.environ.get("SITE_UNRUN", "").split()  # such as course/*/*, which takes minutes
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
myst_links_external_new_tab = False

html_theme = "pydata_sphinx_theme"
html_title = "backprop-ninja"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = []
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "navbar_align": "left",
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
    "secondary_sidebar_items": ["page-toc"],
}
copyright = "the backprop-ninja contributors, MIT licence"

copybutton_prompt_text = r"\$ "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
