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
from autograder.runner import SECONDS, Runner, WorkerDied
from helpers.checks import public_items
from helpers.judge import Verdict, judge, summary

LATE = ("lost", "skipped", "TimeLimit")
"""Failures that may be the machine's fault, and whose texts are ours."""

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
    sure = not any(seen.get("failed") in LATE for seen in observations.values())
    try:
        verdict = judge(task, item, observations)
    except Exception as error:  # the numbers are the student's: whatever they do to the judge, the class is graded
        text = f"The judge could not compare these numbers ({type(error).__name__}); ask your instructor."
        return Verdict(task, False, (), text), sure
    if verdict.passed:
        return verdict, sure
    if not sure:
        return _late(verdict, observations), False
    try:
        seen = runner.observe(task, public, answer, carried)
        return named(verdict, judge(task, public, seen, reveal=True), public, seen), True
    except WorkerDied:
        raise
    except Exception as error:  # it is wrong in any case
        text = f"Your numbers are wrong, and could not be looked at more closely ({type(error).__name__})."
        return Verdict(task, False, (), text), True


def _late(verdict: Verdict, observations: dict[str, Any]) -> Verdict:
    """A verdict on an answer that was late or lost, with that and nothing else of what was observed."""
    text = next(seen["text"] for seen in observations.values() if seen.get("failed") in LATE)
    lines = tuple(replace(line, observed="" if line.ok else text) for line in verdict.lines)
    return replace(verdict, lines=lines, sentence=f"Your code {text}.", misconception=None)


def named(verdict: Verdict, found: Verdict, public: dict[str, Any], observations: dict[str, Any]) -> Verdict:
    """What a student may read of a failed verdict: how the answer does on the public item, and the mistake's name if it has one.

    Whether an answer is right is decided on a secret item; what is said of a wrong one comes from the public item, whose inputs and
    right numbers students have anyway and which has the numbers of all known mistakes. So neither a message of the student's code
    nor an observed error can carry anything of a secret item. A wrong answer without a name keeps its fingerprint, for the class
    report.

    Args:
        verdict: that on the secret item.
        found: that on the public item.
        public: the public item.
        observations: of the answer on the public item.
    """
    if found.passed:
        only = "right with the inputs of your own check, not with others"
        lines = tuple(replace(line, observed="" if line.ok else only) for line in verdict.lines)
        first = next(line.title for line in lines if not line.ok)
        return replace(verdict, lines=lines, sentence=f"{first}: {only}. Does your code do something that fits those only?")
    return found if found.misconception else replace(found, prints=fingerprint(public, observations))


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
            for name in salvage.definitions(cell.source, imports=True)}  # fmt: skip
