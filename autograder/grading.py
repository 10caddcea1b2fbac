"""Grade one notebook: every task on its own, with reference answers around it, judged outside the student's process."""

from __future__ import annotations

import atexit
import functools
import time
from dataclasses import replace
from typing import Any

import numpy as np

from autograder import course, keys, salvage
from autograder.runner import SECONDS, Runner
from helpers.checks import public_items
from helpers.judge import NO_EVIDENCE, Verdict, judge, summary

NOTEBOOK_SECONDS = 900.0
"""Time limit of one notebook: some twenty-five answers, each killed at its own limit."""


@functools.cache
def shared_runner() -> Runner:
    """One warm worker for all submissions that this process grades."""
    runner = Runner(float(course.settings().get("grading", {}).get("seconds", SECONDS)))
    atexit.register(runner.close)
    return runner


def judge_notebook(notebook: Any, assignment: str, student: str, runner: Runner | None = None) -> dict[str, Verdict]:
    """The verdicts on a salvaged notebook, by grade id of the check cell.

    Args:
        notebook: the pristine notebook with a student's answers in it (see `autograder.salvage`).
        assignment: name of the assignment, such as "03_vpsde".
        student: the student's id; with the course's secret it decides which key item is used.
        runner: where to run the answers; by default one shared by the whole process.
    """
    source = course.load(assignment)
    index = keys.index_for(assignment, student)
    answers = {cell.metadata.nbgrader.grade_id: cell.source for cell in notebook.cells if "nbgrader" in cell.metadata}
    carried = salvage.carried_definitions(notebook, _names_of_the_course(assignment))
    verdicts = {}
    deadline = time.monotonic() + NOTEBOOK_SECONDS
    for task in source.tasks:
        answer = answers.get(course.grade_id(task), "")
        if time.monotonic() < deadline:
            verdict = judge_answer(task, answer, index, runner or shared_runner(), carried)
        else:
            verdict = Verdict(
                task, False, (), f"Not run: the answers before it took over {NOTEBOOK_SECONDS / 60:g} minutes."
            )
        verdicts[course.grade_id(task, "check")] = verdict
    return verdicts


def judge_answer(task: str, answer: str, index: int, runner: Runner, carried: list[str] | None = None) -> Verdict:
    """The verdict on one answer cell with secret item `index`."""
    if not answer.strip():
        return Verdict(task, False, (), "Nothing is filled in here yet.")
    item, public = keys.secret_item(task, index), public_items()[task]
    observations = runner.observe(task, item, answer, carried)
    try:
        verdict = judge(task, item, observations)
    except Exception as error:  # the numbers are the student's: whatever they do to the judge, the class is graded
        return Verdict(
            task, False, (), f"The judge could not compare these numbers ({type(error).__name__}); ask your instructor."
        )
    if verdict.passed or any(seen.get("failed") in NO_EVIDENCE for seen in observations.values()):
        return verdict
    seen = runner.observe(task, public, answer, carried)
    try:
        return named(verdict, public, seen)
    except Exception:  # it is wrong in any case
        return verdict


def named(verdict: Verdict, public: dict[str, Any], observations: dict[str, Any]) -> Verdict:
    """A failed verdict with the name and the sentence of the known mistake that gives the same numbers on the public item.

    Whether an answer is right is decided on a secret item; what a wrong one is called, on the public one, whose numbers of all
    known mistakes are there already. A wrong answer without a name keeps its fingerprint, for the class report.
    """
    found = judge(verdict.task, public, observations)
    if found.misconception is None:
        return replace(verdict, prints=fingerprint(public, observations))
    return replace(verdict, sentence=found.sentence, misconception=found.misconception)


def fingerprint(item: dict[str, Any], observations: dict[str, Any]) -> dict[str, Any]:
    """What tells one wrong answer from another, by property: the first 16 numbers of each summary, ready for JSON."""
    return {
        prop["name"]: {
            key: keys.plain(np.ravel(value)[:16] if isinstance(value, np.ndarray) else value, 6)
            for key, value in summary(prop["expect"], observations[prop["name"]]).items()
        }
        for prop in item["properties"]
        if prop["name"] in observations
    }


@functools.cache
def _names_of_the_course(assignment: str) -> set[str]:
    """What the pristine notebook defines itself, which no student definition may replace."""
    return {name for cell in course.load(assignment).cells if cell.type == "code" and cell.kind in ("given", "answer")
            for name in salvage.definitions(cell.source)}  # fmt: skip
