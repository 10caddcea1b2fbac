"""What a student brings to a page: text and pictures stay, what is live does not."""

from __future__ import annotations

import nbformat
import pytest
from bs4 import BeautifulSoup

from autograder import course, feedback
from autograder.attack import live


@pytest.mark.parametrize(
    "source",
    ["plain $a<b$ and $$x>y$$", "# A head\n\n* a list\n\n| a | b |\n|---|---|\n| 1 | 2 |", "<b>bold</b><br/> and <sub>1</sub>",
     "[a link](https://example.org) and `<script>` as code", "```\n<script>alert(1)</script>\n```", "", "a & b < c", "- [x] done"],
)  # fmt: skip
def test_honest_text_stays_as_it_is(source):
    assert feedback.harmless(source) == source


@pytest.mark.parametrize(
    "source",
    ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "![x](http://far.invalid/x.png)", "<iframe src='//x'></iframe>",
     "<a href='javascript:alert(1)'>x</a>", "<style>@import url(//x)</style>", "<svg onload=alert(1)>", "<!-- x --><!doctype html>",
     "<p style='background:url(//x)'>x</p>", "<form action='//x'><input></form>", "<meta http-equiv=refresh content='0;url=//x'>"],
)  # fmt: skip
def test_live_text_becomes_a_block_of_code(source):
    shown = feedback.harmless(source)
    assert shown.startswith("```text\n") and source in shown
    assert feedback.harmless(shown) == shown
    assert list(live(feedback.clean(source))) == list(live(feedback.clean(shown))) == ["no content-security policy"]


@pytest.mark.parametrize("name", course.assignment_names())
def test_our_own_texts_pass_through_the_cleaning_whole(name):
    exporter = feedback.FeedbackExporter(template_name="classic")
    notebook = nbformat.read(course.ROOT / "notebooks" / name / f"{name}.ipynb", as_version=4)
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    for cell in notebook.cells:
        html = exporter.markdown2html({"cell": cell}, cell.source)
        before, after = (BeautifulSoup(text, "html.parser") for text in (html, feedback.clean(html)))
        assert [element.name for element in before.find_all(True)] == [element.name for element in after.find_all(True)]
        assert before.get_text() == after.get_text()
