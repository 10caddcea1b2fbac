"""What an instructor tries out: a file of answers (`python -m autograder try`), and a known mistake (`explain`)."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from autograder import course, keys
from autograder.grading import judge_answer, shared_runner
from helpers import panel
from helpers.checks import public_items
from helpers.judge import judge


def read(assignment: str, path: Path) -> dict[str, str]:
    """The answers in a file, by task.

    The file is in percent format. A cell is an answer if its header names a task of the assignment, as in `# %% vpsde.loss` or
    `# %% answer="vpsde.loss"`; other cells are left aside.

    Raises:
        OSError: if the file cannot be read.
        ValueError: in one sentence, if it holds no answer, or two to one task.
    """
    import jupytext

    tasks, answers = course.load(assignment).tasks, {}
    for cell in jupytext.read(path, fmt="py:percent").cells:
        words = (cell.metadata.get("answer"), cell.metadata.get("title"))
        for task in (word for word in words if word in tasks):
            if task in answers:
                raise ValueError(f"{path} answers {task} twice.")
            answers[task] = cell.source
    if not answers:
        raise ValueError(
            f"{path} answers no task of {assignment}. A cell begins with a line such as '# %% {next(iter(tasks))}'."
        )
    return answers


def grade(assignment: str, path: Path) -> dict[str, dict[str, Any]]:
    """Grade a file of answers as a submission with the reference's answers to all other tasks.

    Returns:
        For every task of the assignment: points, max, passed, misconception (an id or None), sentence, and answered (whether
        the file has it).
    """
    answers, rows = read(assignment, path), {}
    source, index = course.load(assignment), keys.index_for(assignment, "try")
    for task, points in source.tasks.items():
        verdict = judge_answer(task, answers.get(task, source.answer(task)), index, shared_runner())
        rows[task] = {
            "points": points if verdict.passed else 0.0,
            "max": points,
            "passed": verdict.passed,
            "misconception": verdict.misconception,
            "sentence": verdict.sentence,
            "answered": task in answers,
        }
    return rows


def text(rows: dict[str, dict[str, Any]]) -> str:
    """The verdicts as a table."""
    lines = []
    for task, row in rows.items():
        whose = "" if row["answered"] else "   (the reference's)"
        lines.append(f"{task:28}{row['points']:5g} / {row['max']:g}{whose}")
        if not row["passed"]:
            lines.append(f"    {row['misconception'] or 'not a known mistake'}: {row['sentence']}")
    return "\n".join(lines)


def explain(id: str) -> str:
    """A known mistake as an instructor wants to see it: where it comes from, its code, and the student's panel.

    Raises:
        KeyError: with a sentence, if there is no such mistake.
    """
    task = id.partition(":")[0]
    if task not in course.tasks():
        raise KeyError(f"There is no task {task!r}; docs/tasks.md lists them.")
    mistakes = {mistake.id: mistake for mistake in keys.misconceptions(task)}
    if id not in mistakes:
        raise KeyError(f"There is no known mistake {id!r}; those of {task} are {', '.join(mistakes)}.")
    mistake, item = mistakes[id], public_items()[task]
    reference = course.load(course.tasks()[task]).answer(task).splitlines()
    change = list(
        difflib.unified_diff(reference, mistake.cell.splitlines(), "the reference", "the mistake", lineterm="", n=2)
    )
    verdict = judge(task, item, shared_runner().observe(task, item, mistake.cell), reveal=True)
    return "\n".join([f"{id}   (source: {mistake.source})", "", *change, "", panel.text(verdict)])
