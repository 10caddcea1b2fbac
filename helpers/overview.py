"""`progress()`: what is done over all notebooks, by your own checks, and what to do next."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from helpers import handin, panel, records
from helpers.notebook import grading

TITLE = "Your progress, by your own checks; grading uses other numbers"
STATES = ("passed", "failed", "opened", "not tried")


def progress() -> None:
    """Show for every notebook how many tasks have passed, failed or were not tried, the points, and which written answers are blank.

    It knows what `check` has found so far (in all sessions, on this computer or Drive), and the notebooks that it finds beside this one.
    """
    if grading():
        return
    known, notes = records.read()
    rows = [_row(name, known) for name in records.outline()]
    sentences = [_total(rows), *_next(rows, known), *notes]
    panel.framed(TITLE, [*_text(rows), *sentences], [_html(rows), *(_line(sentence) for sentence in sentences)]).show()


def _row(name: str, known: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What is known of one notebook."""
    one = records.outline()[name]
    states = {task: _state(known.get(task)) for task in one["tasks"]}
    return {
        "name": name, "title": one["title"], "extra": one["extra_credit"], "states": states,
        "counts": {state: list(states.values()).count(state) for state in STATES},
        "points": sum(points for task, points in one["tasks"].items() if states[task] == "passed"),
        "most": sum(one["tasks"].values()),
        "questions": len(one["written"]), "written": sum(one["written"].values()), "blank": _blank(name) if one["written"] else [],
    }  # fmt: skip


def _state(entry: dict[str, Any] | None) -> str:
    if entry is None:
        return "not tried"
    return "opened" if entry["opened"] else {True: "passed", False: "failed"}.get(entry["passed"], "not tried")


def _blank(name: str) -> list[str] | str:
    """The written questions of a notebook that are still blank, or why that is not known."""
    here = Path.cwd()
    course = [folder / "notebooks" / name for folder in (here, *here.parents) if (folder / "helpers" / "checks.py").exists()]
    for folder in (here, here.parent / name, *course):
        path = folder / f"{name}.ipynb"
        if path.is_file():
            try:
                found = handin.load(path)
            except handin.NotHere:
                return "file cannot be read"
            return "file cannot be read" if found.problem or found.assignment != name else handin.blank_questions(found)
    return "file not here"


def _written(row: dict[str, Any]) -> str:
    if not row["questions"]:
        return "none"
    blank = row["blank"]
    blank = f"{row['questions']}, {blank}" if isinstance(blank, str) else f"{len(blank)} of {row['questions']} blank"
    return f"{blank} ({row['written']:g} points)"


def _counts(row: dict[str, Any]) -> str:
    return ", ".join(f"{count} {state}" for state, count in row["counts"].items() if count)


def _total(rows: list[dict[str, Any]]) -> str:
    """All notebooks together; extra credit is never in the sum that counts as everything."""
    parts = []
    for extra in (False, True):
        of_it = [row for row in rows if row["extra"] == extra]
        got, most, written = (sum(row[key] for row in of_it) for key in ("points", "most", "written"))
        if of_it:
            by_hand = f", and {written:g} for written answers, which a person marks" if written else ""
            parts.append(f"{'Extra credit' if extra else 'Together'}: {got:g} of {most:g} points{by_hand}.")
    return " ".join(parts)


def _next(rows: list[dict[str, Any]], known: dict[str, dict[str, Any]]) -> list[str]:
    """Where to go on: the first open task of the notebook that was checked last, else of the first one that has any."""
    latest = max(known, key=lambda task: known[task]["time"], default="")
    order = sorted(rows, key=lambda row: (latest not in row["states"], row["extra"]))
    for row in order:
        task = next((task for task, state in row["states"].items() if state in ("failed", "not tried")), None)
        if task:
            why = "its last check failed" if row["states"][task] == "failed" else "it has not been checked yet"
            return [f"Next: {task} in {row['name']} ({why})."]
    blank = [question for row in rows if isinstance(row["blank"], list) for question in row["blank"]]
    return [
        f"Next: the written answers to {', '.join(blank)}."
        if blank
        else "All checks have passed. Next: submit() in each notebook."
    ]


def _text(rows: list[dict[str, Any]]) -> list[str]:
    """The table for a terminal."""
    lines = []
    for row in rows:
        bar = "".join(mark * row["counts"][state] for state, mark in zip(STATES, "█▒o·", strict=True))
        credit = " (extra credit)" if row["extra"] else ""
        lines += [
            f"{row['title']}{credit}",
            f"  {bar}  {_counts(row)}; {row['points']:g} of {row['most']:g} points; written: {_written(row)}",
        ]
    return lines


def _html(rows: list[dict[str, Any]]) -> str:
    """The table for a notebook: inline styles only, no script; the bars repeat what the words beside them say."""
    cell = "text-align:left;vertical-align:top;padding:3px 12px 3px 0;background:none;border:0"
    heads = "".join(
        f'<th scope="col" style="{cell};font-weight:600">{word}</th>'
        for word in ("notebook", "tasks", "points", "written answers")
    )
    body = ""
    for row in rows:
        credit = '<br><span style="opacity:.75">extra credit</span>' if row["extra"] else ""
        body += (f'<tr style="background:none"><th scope="row" style="{cell};font-weight:400">{escape(row["title"])}{credit}</th>'
                 f'<td style="{cell}">{panel.stripes(row["counts"])}{_counts(row)}</td><td style="{cell};white-space:nowrap">{row["points"]:g} of {row["most"]:g}</td>'
                 f'<td style="{cell}">{_written(row)}</td></tr>')  # fmt: skip
    return (f'<div style="overflow-x:auto"><table aria-label="{TITLE}" style="border-collapse:collapse;border:0;font-size:13px;margin:4px 0;color:inherit">'
            f'<thead><tr style="background:none">{heads}</tr></thead><tbody>{body}</tbody></table></div>')  # fmt: skip


def _line(sentence: str) -> str:
    return f'<div style="margin-top:4px">{escape(sentence)}</div>'
