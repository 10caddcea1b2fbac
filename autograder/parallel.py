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

import nbformat

from autograder import course, grading, intake, salvage, sandbox


def submissions(assignment: str) -> Iterator[tuple[str, Path]]:
    """Every student who handed something in, with the notebook that nbgrader will grade (a file that may not be there)."""
    for folder in sorted((course.ROOT / "submitted").glob(f"*/{assignment}")):
        student = folder.parent.name
        found = [str(path) for path in sorted(folder.glob("*.ipynb"))]
        if found:
            intake.adopt_misnamed(assignment, student, found)
            yield student, folder / f"{assignment}.ipynb"


def judge_one(assignment: str, student: str, path: Path) -> int:
    """Judge one submission and keep its verdicts; returns how many tasks are not right."""
    pristine = nbformat.read(course.ROOT / "notebooks" / assignment / f"{assignment}.ipynb", as_version=4)
    notebook = salvage.salvage(intake.read_notebook(path), pristine)
    return sum(not verdict.passed for verdict in grading.judge_notebook(notebook, assignment, student).values())


def grade(assignment: str, jobs: int = 0, arguments: tuple[str, ...] = ()) -> int:
    """Grade all submissions of one assignment; returns nbgrader's exit code.

    Args:
        assignment: such as "03_vpsde".
        jobs: processes that judge; by default one for each core.
        arguments: passed on to `nbgrader autograde`, such as "--force".
    """
    from tqdm import tqdm

    sandbox.require()
    os.environ[grading.KEEP] = str(course.ROOT / ".verdicts")
    work, failing = list(submissions(assignment)), 0
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs or os.cpu_count() or 1, max(1, len(work))), context) as pool:
        futures = {pool.submit(judge_one, assignment, student, path): student for student, path in work}
        with tqdm(as_completed(futures), total=len(futures), desc=f"judging {assignment}", unit="notebook") as bar:
            for future in bar:
                try:
                    failing += future.result() > 0
                except Exception as error:  # nbgrader's own run judges this one again, alone
                    tqdm.write(f"{futures[future]}: {type(error).__name__}: {error}")
                bar.set_postfix_str(f"{failing} with something not right")
    for student, _ in work:
        _forget_half_graded(student, assignment)
    command = [sys.executable, "-m", "nbgrader", "autograde", assignment, *arguments]
    return subprocess.call(command, cwd=course.ROOT)


def _forget_half_graded(student: str, assignment: str) -> None:
    """Remove what an autograde that was killed left half done, which nbgrader would take for graded."""
    folder = course.ROOT / "autograded" / student / assignment
    try:
        done = (
            "verdicts"
            in json.loads((folder / f"{assignment}.ipynb").read_text(encoding="utf-8"))["metadata"]["diffusion_labs"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        done = False
    if not done:
        shutil.rmtree(folder, ignore_errors=True)
