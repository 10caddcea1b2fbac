"""`python -m autograder grade NN`: the result of `nbgrader autograde NN`, judged by several processes.

First every submission is judged, in parallel, and each verdict is kept in a file of its own under .verdicts/. Then stock `nbgrader
autograde` runs once, the only writer to the gradebook, and finds the verdicts there. Both parts can be interrupted, or killed, and go
on where they stopped.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import nbformat

from autograder import course, grading, intake, opened, releases, salvage, sandbox


def submissions(assignment: str) -> Iterator[tuple[str, Path]]:
    """Every student who handed something in, with the notebook that nbgrader will grade (a file that may not be there)."""
    for folder in sorted((course.ROOT / "submitted").glob(f"*/{assignment}")):
        student = folder.parent.name
        found = [str(path) for path in sorted(folder.glob("*.ipynb"))]
        if found:
            intake.adopt_misnamed(assignment, student, found)
            yield student, folder / f"{assignment}.ipynb"


def judge_one(assignment: str, student: str, path: Path) -> dict[str, bool]:
    """Judge one submission and keep its verdicts; returns for each task whether it is right."""
    pristine = nbformat.read(course.ROOT / "notebooks" / assignment / f"{assignment}.ipynb", as_version=4)
    notebook = salvage.salvage(releases.update(intake.read_notebook(path), assignment, pristine), pristine)
    return {verdict.task: verdict.passed for verdict in grading.judge_notebook(notebook, assignment, student).values()}


def judge_all(assignment: str, jobs: int = 0) -> dict[str, dict[str, bool]]:
    """Judge all submissions in several processes, with a progress bar; for each student and task whether it is right.

    A submission for which something went wrong is left out, with a line that says so.
    """
    from tqdm import tqdm

    sandbox.require()
    opened.record()
    os.environ[grading.KEEP] = str(course.ROOT / ".verdicts")
    work, found = list(submissions(assignment)), {}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs or os.cpu_count() or 1, max(1, len(work))), context) as pool:
        futures = {pool.submit(judge_one, assignment, student, path): student for student, path in work}
        with tqdm(as_completed(futures), total=len(futures), desc=f"judging {assignment}", unit="notebook") as bar:
            for future in bar:
                try:
                    found[futures[future]] = future.result()
                except Exception as error:
                    tqdm.write(f"{futures[future]}: {type(error).__name__}: {error}")
                failing = sum(not all(tasks.values()) for tasks in found.values())
                bar.set_postfix_str(f"{failing} with something not right")
    return found


def grade(assignment: str, jobs: int = 0, arguments: tuple[str, ...] = ()) -> int:
    """Grade all submissions of one assignment; returns nbgrader's exit code.

    Args:
        assignment: such as "03_vpsde".
        jobs: processes that judge; by default one for each core.
        arguments: passed on to `nbgrader autograde`, such as "--force".
    """
    judge_all(assignment, jobs)  # what it could not judge, nbgrader's own run judges again, alone
    for student, _ in submissions(assignment):
        _forget_half_graded(student, assignment)
    command = [sys.executable, "-m", "nbgrader", "autograde", assignment, *arguments]
    return subprocess.call(command, cwd=course.ROOT)


def differences(assignment: str, jobs: int = 0) -> list[tuple[str, str, float]]:
    """Who would gain or lose what if everybody were graded again now: (student, task, points). The gradebook is not touched.

    What counts is in the gradebook: so a task that is new, or has other points, is a gain or a loss too. A mark by hand stands in
    any case.
    """
    changes, points, before = [], course.load(assignment).tasks, _recorded(assignment)
    for student, tasks in sorted(judge_all(assignment, jobs).items()):
        for task, right in tasks.items():
            gain = points[task] * right - before.get((student, task), points[task] * right)
            if gain:
                changes.append((student, task, gain))
    return changes


def _recorded(assignment: str) -> dict[tuple[str, str], float]:
    """The points that the judge gave, as they are in the gradebook, by student and task; nothing where a mark by hand stands."""
    from nbgrader.api import Gradebook

    names = {course.grade_id(task, "check"): task for task in course.load(assignment).tasks}
    path = course.ROOT / "gradebook.db"
    if not path.exists():
        return {}
    with Gradebook(f"sqlite:///{path}", course.settings()["course"]["id"]) as gradebook:
        if assignment not in {one.name for one in gradebook.assignments}:
            return {}
        return {(submission.student.id, names[grade.name]): grade.auto_score or 0.0
                for submission in gradebook.assignment_submissions(assignment)
                for notebook in submission.notebooks for grade in notebook.grades
                if grade.name in names and grade.manual_score is None}  # fmt: skip


def _graded(student: str, assignment: str) -> dict[str, Any]:
    """The verdicts in a graded notebook, by task; none if it is not there or only half done."""
    path = course.ROOT / "autograded" / student / assignment / f"{assignment}.ipynb"
    try:
        return json.loads(path.read_text(encoding="utf-8"))["metadata"]["diffusion_labs"]["verdicts"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _forget_half_graded(student: str, assignment: str) -> None:
    """Remove what an autograde that was killed left half done, which nbgrader would take for graded."""
    if not _graded(student, assignment):
        shutil.rmtree(course.ROOT / "autograded" / student / assignment, ignore_errors=True)
