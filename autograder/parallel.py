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

from autograder import course, grading, intake, opened, salvage, sandbox


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
    notebook = salvage.salvage(intake.read_notebook(path), pristine)
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
    """Who would gain or lose what if everybody were graded again now: (student, task, points). The gradebook is not touched."""
    changes, points = [], course.load(assignment).tasks
    for student, tasks in sorted(judge_all(assignment, jobs).items()):
        before = _graded(student, assignment)
        for task, right in tasks.items():
            if task in before and right != before[task]["passed"]:
                changes.append((student, task, points[task] if right else -points[task]))
    return changes


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
