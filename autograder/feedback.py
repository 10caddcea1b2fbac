"""Feedback pages in which nothing of a student's is live: no script, nothing loaded from elsewhere."""

from __future__ import annotations

import re
from typing import Any

import bleach
from bleach.css_sanitizer import CSSSanitizer
from bs4 import BeautifulSoup
from jinja2 import pass_context
from nbconvert.exporters import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

TAGS = {
    *bleach.ALLOWED_TAGS, "a", "br", "caption", "center", "dd", "del", "details", "div", "dl", "dt", "h1", "h2", "h3", "h4", "h5", "h6",
    "hr", "img", "input", "ins", "kbd", "p", "pre", "s", "small", "span", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead",
    "tr", "u",
}  # fmt: skip
ATTRIBUTES = ("alt", "align", "class", "colspan", "height", "href", "id", "name", "open", "rowspan", "src", "start", "style",
              "title", "width")  # fmt: skip
MATHJAX = "https://cdnjs.cloudflare.com/ajax/libs/mathjax/2.7.7/"
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    f"script-src {MATHJAX} 'unsafe-eval'; font-src {MATHJAX}; form-action 'none'; base-uri 'none'"
)
"""Formulas are set by MathJax, as in all of nbgrader's pages (it evaluates its own configuration); nothing else may load or run."""


class FeedbackExporter(HTMLExporter):
    """nbgrader's feedback page, its text cleaned, with a content-security policy."""

    mathjax_url = f"{MATHJAX}latest.js?config=TeX-AMS_CHTML-full,Safe"

    def default_filters(self) -> Any:
        """The stock filters, with ours for text."""
        yield from super().default_filters()
        yield "markdown2html", self.clean_markdown

    @pass_context
    def clean_markdown(self, context: Any, source: str) -> str:
        """Markdown to HTML, cleaned."""
        return clean(self.markdown2html(context, source))

    def from_notebook_node(self, nb: Any, resources: Any = None, **kw: Any) -> tuple[str, Any]:
        """The page."""
        page, resources = super().from_notebook_node(nb, resources, **kw)
        policy = f'<head>\n<meta http-equiv="Content-Security-Policy" content="{POLICY}"/>'
        return page.replace("<head>", policy, 1), resources


def clean(html: str) -> str:
    """HTML without anything but text, tables, links that wait for a click, and pictures that it brings itself."""
    return bleach.clean(html, tags=TAGS, attributes=_allowed, protocols=["http", "https", "mailto", "data"],
                        css_sanitizer=CSSSanitizer())  # fmt: skip


def _allowed(tag: str, name: str, value: str) -> bool:
    """Whether an element may have this attribute."""
    value = value.strip().lower()
    if name == "src":
        return tag == "img" and value.startswith(("data:image/png;", "data:image/jpeg;"))
    if name == "href":
        return tag == "a" and (value.startswith(("#", "http://", "https://", "mailto:")) or not re.match(r"[^/]*:", value))
    if tag == "input":  # the boxes of task lists
        return (name, value) == ("type", "checkbox") or name in ("disabled", "checked", "class")
    if name == "style":
        return re.fullmatch(r"[\w\s:;.,%#-]*", value) is not None
    return name in ATTRIBUTES


def harmless(source: str) -> str:
    """A student's text as it was written; as a block of code if it would bring anything live to a page that shows it."""
    try:
        html = MarkdownWithMath(renderer=IPythonRenderer(escape=False)).render(source)
        safe = (
            "<!" not in html and "<?" not in html and all(map(_harmless, BeautifulSoup(html, "html.parser").find_all(True)))
        )
    except Exception:  # the text is the student's: whatever it does to the parser, it is shown as it is
        safe = False
    if safe:
        return source
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", source)), default=0))
    return f"{fence}text\n{source}\n{fence}"


def _harmless(element: Any) -> bool:
    attributes = {name: " ".join(value) if isinstance(value, list) else value for name, value in element.attrs.items()}
    return element.name in TAGS and all(_allowed(element.name, name, value) for name, value in attributes.items())
