"""How a verdict or a hint looks: a small panel in a notebook or a feedback page, plain text in a terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from html import escape as _as_html

from helpers.judge import Line, Verdict

_GOOD, _BAD = "#0072B2", "#D55E00"  # blue and vermilion of Okabe and Ito: distinct with any colour vision
_NEUTRAL = "#009E73"  # their green, for what is no verdict


class Panel:
    """Something that Jupyter, Colab and nbgrader's feedback draw as HTML and a terminal prints as text."""

    def __init__(self, text: str, html: str) -> None:
        self.text, self.html = text, html

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self.html

    def show(self) -> None:
        """Display it where the session is a notebook, else print it."""
        try:
            from IPython import get_ipython
            from IPython.display import display
        except ImportError:
            print(self.text)
            return
        if get_ipython() is None:
            print(self.text)
        else:
            display(self)


def show(verdict: Verdict) -> None:
    """Display the panel of a verdict."""
    Panel(text(verdict), html(verdict)).show()


def note(title: str, *sentences: str) -> Panel:
    """A panel with a title and some sentences."""
    return framed(
        title, list(sentences), [f'<div style="margin-top:4px">{escape(sentence)}</div>' for sentence in sentences]
    )


def framed(title: str, lines: list[str], rows: list[str]) -> Panel:
    """A panel with a title, lines of text for a terminal, and the same as pieces of HTML, which must be escaped already."""
    return Panel("\n".join([title, *(f"  {line}" for line in lines)]), _frame(_NEUTRAL, title, rows))


def marked(ok: bool, sentence: str) -> str:
    """A line of HTML with a mark before it: a tick, or an exclamation mark."""
    colour, mark = (_GOOD, "✓") if ok else (_BAD, "!")
    return (f'<div style="padding:1px 0 1px 1.4em;text-indent:-1.4em;overflow-wrap:anywhere"><b style="{_ink(colour)};'
            f'display:inline-block;width:1.4em;text-indent:0">{mark}</b>{escape(sentence)}</div>')  # fmt: skip


def stripes(share: dict[str, int]) -> str:
    """A bar of HTML in parts for `passed`, `failed`, `opened` and what is left; told apart by texture too, not by colour alone.

    It is for the eye: whoever uses it says the same in words beside it.
    """
    looks = {
        "passed": f"background:{_GOOD}",
        "failed": f"background:repeating-linear-gradient(45deg,{_BAD} 0 4px,transparent 4px 7px)",
        "opened": "background:repeating-linear-gradient(90deg,#888 0 2px,transparent 2px 5px)",
    }
    parts = "".join(f'<span style="flex:{count};{looks.get(state, "")}"></span>' for state, count in share.items() if count)
    return (f'<div aria-hidden="true" style="display:flex;height:10px;max-width:14em;min-width:6em;border:1px solid currentColor;'
            f'margin-top:4px">{parts}</div>')  # fmt: skip


def text(verdict: Verdict) -> str:
    """The panel as plain text."""
    rows = [f"{'✓' if verdict.passed else '✗'} {verdict.task}: {'right' if verdict.passed else 'not yet'}"]
    for line in _once(verdict.lines):
        rows.append(f"  {'✓' if line.ok else '✗'} {line.title}" + (f": {line.observed}" if line.observed else ""))
    if not verdict.passed:
        rows.append(f"  → {verdict.sentence}")
    rows += [f"  · {note}" for note in verdict.notes]
    return "\n".join(rows)


def html(verdict: Verdict) -> str:
    """The panel as HTML: inline styles only, no script, legible on light and dark pages."""
    colour = _GOOD if verdict.passed else _BAD
    rows = []
    for line in _once(verdict.lines):
        mark = "✓" if line.ok else "✗"
        observed = f'<span style="opacity:.75">: {escape(line.observed)}</span>' if line.observed else ""
        rows.append(
            f'<div style="padding:1px 0 1px 1.4em;text-indent:-1.4em">'
            f'<b style="{_ink(_GOOD if line.ok else _BAD)};display:inline-block;width:1.4em;text-indent:0">{mark}</b>'
            f"{escape(line.title)}{observed}</div>"
        )
    if not verdict.passed:
        rows.append(f'<div style="margin-top:6px;padding-top:6px;border-top:1px solid {colour}55">'
                    f"{escape(verdict.sentence)}</div>")  # fmt: skip
    rows += [f'<div style="margin-top:4px;opacity:.8">{escape(note)}</div>' for note in verdict.notes]
    title = f"{verdict.task}: {'right' if verdict.passed else 'not yet'}"
    return _frame(colour, title, rows)


def escape(text: str) -> str:
    """Text as HTML, with what stands between backticks as code."""
    return re.sub(r"`([^`\n]+)`", r"<code>\1</code>", _as_html(text))


def _once(lines: Sequence[Line]) -> list[Line]:
    """The lines of a verdict; what was observed in one and again in a later one, such as an exception, is "the same" there."""
    first: dict[str, int] = {}
    for number, line in enumerate(lines):
        first.setdefault(line.observed, number)
    again = [bool(line.observed) and first[line.observed] < number for number, line in enumerate(lines)]
    return [replace(line, observed="the same") if same else line for line, same in zip(lines, again, strict=True)]


def _ink(colour: str) -> str:
    """A colour for small text: mixed with the page's own, so that it is darker on light pages and lighter on dark ones."""
    return f"color:{colour};color:color-mix(in srgb,{colour} 70%,currentColor)"


def _frame(colour: str, title: str, rows: list[str]) -> str:
    """A title and rows of HTML in the panel's frame."""
    return (
        f'<div role="status" style="border:1px solid {colour}77;border-left:5px solid {colour};border-radius:4px;'
        f'padding:8px 12px;margin:4px 0;max-width:52em;font-size:13px;line-height:1.45">'
        f'<div style="font-weight:600;{_ink(colour)};margin-bottom:3px">{escape(title)}</div>{"".join(rows)}</div>'
    )
