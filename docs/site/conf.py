"""Sphinx's settings for the site that `make site` builds; autograder/site.py puts the pages together."""

import re
import sys
from itertools import groupby
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent))

project = "diffusion-labs"
html_title = "diffusion-labs"
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx-mathjax-offline"]
nb_execution_mode = "off"  # the notebooks are shown as students get them
nb_code_prompt_show, nb_code_prompt_hide = "Setup", "Setup"
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "attrs_block", "attrs_inline"]
myst_heading_anchors = 3
default_role = "literal"

napoleon_use_ivar = True  # "Attributes:" of a docstring and documented properties of the same name are no two objects
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
ALIASES = ["Array", "ArrayLike", "Affine", "Characteristic", "Estimate", "Network", "NDArray", "Score"]
autodoc_type_aliases = {name: name for name in ALIASES}
python_use_unqualified_type_names = True
maximum_signature_line_length = 88

html_theme = "furo"
html_show_search_summary = False  # summaries are fetched, which browsers refuse for pages opened from the disk
html_static_path = [str(HERE / "static")]
html_css_files = ["site.css"]
html_copy_source = html_show_sourcelink = html_show_sphinx = html_show_copyright = False
html_use_index = html_domain_indices = False
pygments_style, pygments_dark_style = "default", "github-dark"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0072b2", "color-brand-content": "#0072b2"},
    "dark_css_variables": {"color-brand-primary": "#56b4e9", "color-brand-content": "#56b4e9"},
}


def _plain(app, what, name, obj, options, lines):
    """Make markup of docstrings that are written to be read as they are.

    Formulas such as x_t and a * b stay as typed, outside of `code`; lines with hanging lines below them become a list.
    """
    for _, numbers in groupby(range(len(lines)), key=lambda i: not lines[i].strip()):
        block = list(numbers)
        if lines[block[0]].lstrip().startswith(">>> "):
            continue
        hanging = not re.match(r" |\* |[A-Z]\w+:$", lines[block[0]]) and any(lines[i].startswith(" ") for i in block)
        for i in block:
            indent, bullet, rest = re.match(r"( *)(\* )?(.*)", lines[i]).groups(default="")
            parts = rest.split("`")
            if what in ("property", "attribute", "data"):
                parts[::2] = [
                    part.replace(": ", " – ") for part in parts[::2]
                ]  # napoleon takes what is before a colon for a type
            parts[::2] = [re.sub(r"\\|\*|\||_(?!\w)", r"\\\g<0>", part) for part in parts[::2]]
            start = indent + bullet if not hanging else "  " if indent else "* "
            lines[i] = start + "`".join(parts)


def _short(app, what, name, obj, options, signature, returns):
    """A dataclass's default that is made anew each time, as three dots: Sphinx cannot read `<factory>`."""
    return (signature or "").replace("<factory>", "...") or None, returns


def setup(app):
    """Escape docstrings before napoleon reads their sections."""
    app.connect("autodoc-process-signature", _short)
    app.connect("autodoc-process-docstring", _plain, priority=100)
