"""Grade one notebook: every task on its own, with reference answers around it, judged outside the student's process."""

from __future__ import annotations

import ast
import atexit
import contextlib
import functools
import hashlib
import json
import os
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import nbformat
import numpy as np

from autograder import course, keys, opened, salvage
from autograder.runner import SECONDS, Runner, WorkerDied
from helpers.checks import public_items
from helpers.judge import Verdict, judge, summary

LATE = ("lost", "skipped", "TimeLimit")
"""Failures that may be the machine's fault, and whose texts are ours."""

WHOLE = 0.9
"""So much of its time limit an answer's process has computed for if it was stopped by that limit: the system's clocks are not one."""

UNHINDERED = 1.25
"""Up to so many seconds on the clock for each of computing, a process had the processor for itself."""

BLANK = "Nothing is filled in here yet."
"""What is said of an answer cell that is empty or as it was handed out; no process is spent on it."""

NOTEBOOK_SECONDS = 900.0
"""Time limit of one notebook: some twenty-five answers, each killed at its own limit."""


_mine = threading.local()


def shared_runner() -> Runner:
    """One warm worker for all submissions that this thread grades. (A runner asks one question at a time.)"""
    if not hasattr(_mine, "runner"):
        _mine.runner = Runner(_seconds())
        atexit.register(_mine.runner.close)
    return _mine.runner


def _seconds() -> float:
    """The time limit of an answer."""
    return float(course.settings().get("grading", {}).get("seconds", SECONDS))


def judge_notebook(
    notebook: Any,
    assignment: str,
    student: str,
    runner: Runner | None = None,
    kept: Kept | dict[str, Any] | None = None,
    again: bool = False,
) -> dict[str, Verdict]:
    """The verdicts on a salvaged notebook, by grade id of the check cell.

    Args:
        notebook: the pristine notebook with a student's answers in it (see `autograder.salvage`).
        assignment: name of the assignment, such as "03_vpsde".
        student: the student's id; with the course's secret it decides which key item is used.
        runner: where to run the answers; by default one shared by the whole thread.
        kept: where verdicts are found and put, as in `judge_answer`.
        again: that what was late before gets its second chance, as in `judge_answer`.
    """
    source = course.load(assignment)
    index = keys.index_for(assignment, student)
    answers = {cell.metadata.nbgrader.grade_id: cell.source for cell in notebook.cells if "nbgrader" in cell.metadata}
    carried = salvage.carried_definitions(notebook, _names_of_the_course(assignment))
    verdicts = {}
    deadline = time.monotonic() + NOTEBOOK_SECONDS
    for task in source.tasks:
        answer = answers.get(course.grade_id(task), "")
        if opened.is_open(task, student):
            verdict = Verdict(task, False, (), opened.WORTH)
        elif answer.strip() == _stubs(assignment).get(course.grade_id(task)):
            verdict = Verdict(task, False, (), BLANK)
        elif time.monotonic() < deadline:
            verdict = judge_answer(task, answer, index, runner or shared_runner(), carried, kept, again)
        else:
            verdict = Verdict(
                task, False, (), f"Not run: the answers before it took over {NOTEBOOK_SECONDS / 60:g} minutes."
            )
        verdicts[course.grade_id(task, "check")] = verdict
    return verdicts


KEEP = "DIFFUSION_LABS_VERDICTS"
"""The environment variable that names the folder in which `judge_answer` keeps verdicts, and finds them again."""


class Kept:
    """A folder of verdicts, each in a file of its own under a name that says all that it depends on."""

    def __init__(self, folder: Path | str) -> None:
        self._folder = Path(folder)

    def get(self, name: str) -> dict[str, Any] | None:
        """What is kept under this name, if anything is and can be read."""
        with contextlib.suppress(OSError, ValueError):
            return json.loads(self._path(name).read_text(encoding="utf-8"))
        return None

    def __setitem__(self, name: str, value: dict[str, Any]) -> None:
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(value), encoding="utf-8")
        part.replace(path)

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / f"{name}.json"


def judge_answer(
    task: str,
    answer: str,
    index: int,
    runner: Runner,
    carried: list[str] | None = None,
    kept: Kept | dict[str, Any] | None = None,
    again: bool = False,
) -> Verdict:
    """The verdict on one answer cell with secret item `index`.

    It is taken from `kept` if it is there, and put there if it would be the same another time; by default that is the folder
    that the variable `KEEP` names, if it names one. Answers that differ in comments and layout only are the same code: if one is
    right, so are the others. (What is said of a wrong one names lines.) An answer that was late may have met a busy machine. If it
    has computed for its whole limit, and the machine was not busy or it is late `again`, that is its own doing.
    """
    if not answer.strip():
        return Verdict(task, False, (), BLANK)
    if kept is None and os.environ.get(KEEP):
        kept = Kept(os.environ[KEEP])
    if kept is None:
        return _judge_answer(task, answer, index, runner, carried, again)[0]
    if_right, otherwise = (_name(task, text, index, runner.seconds, carried) for text in (_code(answer), ["text", answer]))
    for name in (if_right, otherwise):
        with contextlib.suppress(KeyError, TypeError):
            return Verdict.load(kept.get(name))
    verdict, sure = _judge_answer(task, answer, index, runner, carried, again)
    if sure:
        kept[if_right if verdict.passed else otherwise] = asdict(verdict)
    return verdict


def _code(answer: str) -> list[str]:
    """What is the same for answers that differ in comments and layout only; the text of one that is not plain Python."""
    try:
        return ["code", ast.dump(ast.parse(answer))]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ["text", answer]


def _name(task: str, answer: list[str], index: int, seconds: float, carried: list[str] | None) -> str:
    """What a verdict is kept under: it follows from the answer, the cells around it, the inputs, the limit and the grader.

    It is the same on every machine with the same course: the item's seed stands for its numbers, whose last digits may not be.
    """
    return digest(task, answer, _cells_around(task), carried or [], keys.seed(task, index), seconds, _sources())


@functools.cache
def _cells_around(task: str) -> str:
    """A digest of the cells that run before and after an answer."""
    assignment = course.load(course.tasks()[task])
    return digest(assignment.cells_before_check(task, ""), assignment.check_cell(task).source)


def digest(*what: Any) -> str:
    """A digest of anything that JSON can hold."""
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()


@functools.cache
def identity(assignment: str) -> dict[str, str]:
    """Digests of all that verdicts on an assignment depend on besides the answers, by what it is.

    Two machines for which they agree come to the same verdicts, and keep them under the same names.
    """
    files = {name: course.ROOT / name / assignment / assignment for name in ("solutions", "notebooks")}
    return {
        "the grader's own files": _sources(),
        f"solutions/{assignment}": digest(files["solutions"].with_suffix(".py").read_text(encoding="utf-8")),
        f"notebooks/{assignment}": digest(files["notebooks"].with_suffix(".ipynb").read_text(encoding="utf-8")),
        "course.secret": str(course.draw("identity")),
        "the time limit in course.toml": str(_seconds()),
    }


def _judge_answer(
    task: str, answer: str, index: int, runner: Runner, carried: list[str] | None, again: bool
) -> tuple[Verdict, bool]:
    """The verdict, and whether it would be the same another time."""
    item, public = _secret_item(task, index), public_items()[task]
    before, start = runner.used, time.perf_counter()
    observations = runner.observe(task, item, answer, carried)
    clock = time.perf_counter() - start
    late = any(seen.get("failed") in LATE for seen in observations.values())
    used = runner.used - before if late else 0.0
    sure = not late or (used >= WHOLE * runner.seconds and (again or clock <= UNHINDERED * used))
    try:
        verdict = judge(task, item, observations)
    except Exception as error:  # the numbers are the student's: whatever they do to the judge, the class is graded
        text = f"The judge could not compare these numbers ({type(error).__name__}); ask your instructor."
        return Verdict(task, False, (), text), sure
    if verdict.passed:
        return verdict, sure
    if late:
        return _late(verdict, observations), sure
    try:
        seen = runner.observe(task, public, answer, carried)
        return named(verdict, judge(task, public, seen, reveal=True), public, seen), True
    except WorkerDied:
        raise
    except Exception as error:  # it is wrong in any case
        text = f"Your numbers are wrong, and could not be looked at more closely ({type(error).__name__})."
        return Verdict(task, False, (), text), True


@functools.lru_cache(maxsize=1024)
def _secret_item(task: str, index: int) -> dict[str, Any]:
    """A secret item; kept among the verdicts where there is a folder for them, since drawing it takes longer than reading it."""
    if not os.environ.get(KEEP):
        return keys.secret_item(task, index)
    kept, name = Kept(os.environ[KEEP]), digest("item", task, keys.seed(task, index), _sources())
    item = kept.get(name)
    if item is None:
        item = keys.secret_item(task, index)
        with contextlib.suppress(OSError):
            kept[name] = item
    return item


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
    """A digest of the code and the public items that come to verdicts, and of the sentences."""
    here = Path(__file__).parent
    helpers = here.parent / "helpers"
    files = [*sorted(here.rglob("*.py")), *sorted(helpers.rglob("*.py")), *sorted((helpers / "keys").glob("*.json"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


@functools.cache
def _stubs(assignment: str) -> dict[str, str]:
    """The answer cells as they were handed out, by grade id; none where the notebook was not released."""
    path = course.ROOT / "notebooks" / assignment / f"{assignment}.ipynb"
    cells = nbformat.read(path, as_version=4).cells if path.exists() else []
    graders = ((cell, cell.metadata.get("nbgrader", {})) for cell in cells)
    return {grader["grade_id"]: cell.source.strip() for cell, grader in graders if grader.get("solution")}


@functools.cache
def _names_of_the_course(assignment: str) -> set[str]:
    """What the pristine notebook defines itself, which no student definition may replace."""
    return {name for cell in course.load(assignment).cells if cell.type == "code" and cell.kind in ("given", "answer")
            for name in salvage.definitions(cell.source, imports=True)}  # fmt: skip
