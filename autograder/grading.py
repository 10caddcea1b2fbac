"""Grade one notebook: every task on its own, with reference answers around it, judged outside the student's process."""

from __future__ import annotations

import atexit
import contextlib
import functools
import hashlib
import json
import os
import time
from dataclasses import asdict, replace
from pathlib import Path
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


KEEP = "DIFFUSION_LABS_VERDICTS"
"""The environment variable that names the folder in which `judge_answer` keeps verdicts, and finds them again."""


def judge_answer(task: str, answer: str, index: int, runner: Runner, carried: list[str] | None = None) -> Verdict:
    """The verdict on one answer cell with secret item `index`; from the folder of verdicts if there is one and it is there."""
    if not answer.strip():
        return Verdict(task, False, (), "Nothing is filled in here yet.")
    if not os.environ.get(KEEP):
        return _judge_answer(task, answer, index, runner, carried)[0]
    given = [keys.digest(task, keys.secret_item(task, index), answer), keys.digest(task, public_items()[task], answer)]
    name = hashlib.sha256(json.dumps([given, carried, runner.seconds, _sources()]).encode()).hexdigest()
    path = Path(os.environ[KEEP]) / name[:2] / f"{name}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return Verdict.load(json.loads(path.read_text(encoding="utf-8")))
    verdict, sure = _judge_answer(task, answer, index, runner, carried)
    if sure:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(asdict(verdict)), encoding="utf-8")
        part.replace(path)
    return verdict


def _judge_answer(task: str, answer: str, index: int, runner: Runner, carried: list[str] | None) -> tuple[Verdict, bool]:
    """The verdict, and whether it would be the same another time: nothing was late or lost."""
    item, public = keys.secret_item(task, index), public_items()[task]
    observations = runner.observe(task, item, answer, carried)
    sure = not any(seen.get("failed") in ("lost", "skipped", "TimeLimit") for seen in observations.values())
    try:
        verdict = judge(task, item, observations)
    except Exception as error:  # the numbers are the student's: whatever they do to the judge, the class is graded
        text = f"The judge could not compare these numbers ({type(error).__name__}); ask your instructor."
        return Verdict(task, False, (), text), sure
    if verdict.passed or any(seen.get("failed") in NO_EVIDENCE for seen in observations.values()):
        return verdict, sure
    seen = runner.observe(task, public, answer, carried)
    with contextlib.suppress(Exception):  # it is wrong in any case
        verdict = named(verdict, public, seen)
    return verdict, sure


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
def _sources() -> str:
    """A digest of the code that comes to verdicts, and of the sentences."""
    here = Path(__file__).parent
    files = [
        *sorted(here.glob("*.py")),
        here.parent / "helpers" / "judge.py",
        *sorted((here / "misconceptions").glob("*.py")),
    ]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


@functools.cache
def _names_of_the_course(assignment: str) -> set[str]:
    """What the pristine notebook defines itself, which no student definition may replace."""
    return {name for cell in course.load(assignment).cells if cell.type == "code" and cell.kind in ("given", "answer")
            for name in salvage.definitions(cell.source)}  # fmt: skip
