"""Sphinx's settings: `make docs` builds, without the network, what needs no network to be read."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE / "_ext"), str(ROOT)]

import matplotlib as mpl  # noqa: E402

from diffusion.plot import STYLE  # noqa: E402

project = "diffusion-lab"
author = "The diffusion-lab authors"
project_copyright = author
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
    "local_math",
    "optional_pages",
    "docstrings",
    "repository_links",
    "tables",
    "notebooks",
]
templates_path = ["_templates"]
exclude_patterns = ["gallery/*", "_ext/*", "**/sg_execution_times.rst", "sg_execution_times.rst"]
suppress_warnings = ["config.cache"]  # the gallery's settings hold functions, which a cache cannot

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
myst_links_external_new_tab = False

mathjax3_config = {"chtml": {"scale": 0.88}}

html_theme = "furo"
html_title = "diffusion-lab"
html_css_files = ["docs.css"]
html_static_path = ["_static"]
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0072B2", "color-brand-content": "#0072B2"},
    "dark_css_variables": {"color-brand-primary": "#56B4E9", "color-brand-content": "#56B4E9"},
}

autosummary_generate = True
autosummary_imported_members = True
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False
default_role = "py:obj"  # `simulate` in a docstring is a link where there is something to link to

verify_results = os.environ.get("DIFFUSION_LAB_RESULTS", str(ROOT / "results" / "verify"))
notebooks = ["plot_theorem_2", "plot_sharpness", "plot_rare_escapes"]


def reset_style(gallery_conf: dict[str, object], name: str) -> None:
    """Each script of the gallery starts from the library's style."""
    mpl.rcdefaults()
    mpl.rcParams.update(STYLE | {"figure.figsize": (7.2, 4.6), "figure.constrained_layout.use": True})


sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_gallery",
    "filename_pattern": "/plot_",
    "within_subsection_order": "gallery_order.GalleryOrder",
    "reset_modules": (reset_style,),
    "capture_repr": (),
    "image_srcset": ["2x"],
    "remove_config_comments": True,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 1e9,
    "copyfile_regex": r".*\.md",
}
