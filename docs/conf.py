"""How the site is built: `make site`."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.fileutil import copy_asset
from sphinx.util.logging import getLogger

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent))

from autograder import __version__  # noqa: E402
from scripts.site_figures import write_figures  # noqa: E402
from scripts.site_maps import write_maps  # noqa: E402
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
write_figures(DOCS / "figures")
write_maps(DOCS / "figures")

# Pages are run when they are built. What a page gave is kept for as long as neither it nor what it runs has changed.
nb_execution_mode = "cache"
nb_execution_cache_path = str(DOCS / "_build" / "executed" / digest())
nb_execution_excludepatterns = os.environ.get("SITE_UNRUN", "").split()  # such as course/*/*, which takes minutes
nb_execution_raise_on_error = True
nb_execution_timeout = 600  # of a cell: some train a network
# Kernels have a profile of their own: nothing of who builds runs there, and nobody is told that messages are not encrypted.
kernel_profile = DOCS / "_build" / "ipython" / "profile_default"
kernel_profile.mkdir(parents=True, exist_ok=True)
(kernel_profile / "ipython_kernel_config.py").write_text('c.IPKernelApp.log_level = "ERROR"\n', encoding="utf-8")
os.environ["IPYTHONDIR"] = str(kernel_profile.parent)
nb_merge_streams = True
suppress_warnings = ["mystnb.unknown_mime_type"]  # a verdict as data, which a check leaves beside the one to read

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
myst_links_external_new_tab = False

html_theme = "pydata_sphinx_theme"
html_title = "backprop-ninja"
html_static_path = ["_static"]
mathjax_path = "mathjax/tex-chtml.js"
mathjax3_config = {"options": {"menuOptions": {"settings": {"inTabOrder": False}}}}  # or each formula is one more Tab
html_css_files = ["site.css", "figures.css"]
html_js_files = [("site.js", {"defer": "defer"}), ("figures.js", {"defer": "defer"})]
html_copy_source = False
html_domain_indices = False
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

default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"


def copy_mathjax(app: Sphinx, error: Exception | None) -> None:
    """Puts MathJax 3 beside the pages: what typesets LaTeX, its fonts, and MathML for screen readers."""
    package = find_spec("sphinx-mathjax-offline")
    if package is None or package.origin is None:
        raise ExtensionError("the package sphinx-mathjax-offline is missing, which brings MathJax: run `make install`.")
    if error is None:
        mathjax = Path(package.origin).parent / "static" / "mathjax"
        place = app.outdir / "_static" / "mathjax"
        copy_asset(mathjax / "tex-chtml.js", place)
        for folder in ("input/tex/extensions", "output/chtml/fonts/woff-v2"):
            copy_asset(mathjax / folder, place / folder)


def ask_for_words(_: Sphinx, doctree: nodes.document, page: str) -> None:
    """Warns of pictures that have no sentence."""
    for picture in doctree.findall(nodes.image):
        if not picture.get("alt"):
            getLogger(__name__).warning("%s: a picture has no sentence: docs/pictures.toml has those of notebooks.", page)


def setup(app: Sphinx) -> None:
    app.connect("build-finished", copy_mathjax)
    app.connect("doctree-resolved", ask_for_words)
