"""Grade one notebook: every task on its own, with reference answers around it, judged outside the student's process."""

from __future__ import annotations

import atexit
import functools
from dataclasses import replace
from typing import Any

from autograder import course, keys, salvage
from autograder.runner import Runner
from helpers.checks import public_items
from helpers.judge import NO_EVIDENCE, Verdict, judge


@functools.cache
def shared_runner() -> Runner:
    """One warm worker for all submissions that this process grades."""
    runner = Runner()
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
    for task in source.tasks:
        answer = answers.get(course.grade_id(task), "")
        verdicts[course.grade_id(task, "check")] = judge_answer(task, answer, index, runner or shared_runner(), carried)
    return verdicts


def judge_answer(task: str, answer: str, index: int, runner: Runner, carried: list[str] | None = None) -> Verdict:
    """The verdict on one answer cell with secret item `index`."""
    if not answer.strip():
        return Verdict(task, False, (), "Nothing is filled in here yet.")
    item, public = keys.secret_item(task, index), public_items()[task]
    observations = runner.observe(task, item, answer, carried)
    verdict = judge(task, item, observations)
    if verdict.passed or any(seen.get("failed") in NO_EVIDENCE for seen in observations.values()):
        return verdict
    return named(verdict, public, runner.observe(task, public, answer, carried))


def named(verdict: Verdict, public: dict[str, Any], observations: dict[str, Any]) -> Verdict:
    """A failed verdict with the name and the sentence of the known mistake that gives the same numbers on the public item.

    Whether an answer is right is decided on a secret item; what a wrong one is called, on the public one, whose numbers of all
    known mistakes are there already.
    """
    found = judge(verdict.task, public, observations)
    if found.misconception is None:
        return verdict
    return replace(verdict, sentence=found.sentence, misconception=found.misconception)


@functools.cache
def _names_of_the_course(assignment: str) -> set[str]:
    """What the pristine notebook defines itself, which no student definition may replace."""
    return {name for cell in course.load(assignment).cells if cell.type == "code" and cell.kind in ("given", "answer")
            for name in salvage.definitions(cell.source)}  # fmt: skip
