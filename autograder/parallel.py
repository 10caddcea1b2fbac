"""`python -m autograder grade NN`: the result of `nbgrader autograde NN`, judged by several processes, here or on a cluster.

First every submission is judged, in parallel, and each verdict is kept in a file of its own under .verdicts/. Then stock `nbgrader
autograde` runs once, the only writer to the gradebook, and finds the verdicts there. Both parts can be interrupted, or killed, and go
on where they stopped. Workers need no folder in common with this process: they get a notebook's bytes and send verdicts back.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import multiprocessing
import os
import platform
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nbformat

from autograder import cluster, course, grading, intake, opened, releases, salvage, sandbox


def submissions(assignment: str) -> Iterator[tuple[str, Path]]:
    """Every student who handed something in, with the notebook that nbgrader will grade (a file that may not be there)."""
    for folder in sorted((course.ROOT / "submitted").glob(f"*/{assignment}")):
        student = folder.parent.name
        found = [str(path) for path in sorted(folder.glob("*.ipynb"))]
        if found:
            intake.adopt_misnamed(assignment, student, found)
            yield student, folder / f"{assignment}.ipynb"


@dataclass(frozen=True)
class Judged:
    """What a worker sends back: which tasks are right, the verdicts to keep, and the seconds of computing of the answers."""

    passed: dict[str, bool]
    kept: dict[str, dict[str, Any]]
    complete: bool
    used: float


class Found(dict[str, dict[str, Any]]):
    """The verdicts on one submission. A worker of this machine finds those that others led to, and takes them over."""

    def get(self, name: str, default: Any = None) -> dict[str, Any] | None:
        """The verdict of this name, if there is one."""
        if name not in self and os.environ.get(grading.KEEP):
            there = grading.Kept(os.environ[grading.KEEP]).get(name)
            if there is not None:
                self[name] = there
        return super().get(name, default)


class OtherGrader(RuntimeError):
    """A worker would judge differently; the text says why."""


def judge_one(
    assignment: str, student: str, content: bytes, expected: dict[str, str], earlier: dict[str, dict[str, Any]] | None = None
) -> Judged:
    """Judge one submission, whose file holds `content`, in a worker that grades as `expected` (`cluster.standing`).

    `earlier` holds the verdicts of a first time, in which something was late: that gets its second chance.

    Raises:
        RuntimeError: whatever went wrong, as a sentence: not every error can be sent, and one that cannot would be waited for for ever.
    """
    try:
        return _judge_one(assignment, student, content, expected, earlier)
    except Exception as error:
        why = str(error) if isinstance(error, OtherGrader) else f"{type(error).__name__}: {error}"
    raise RuntimeError(why)


def _judge_one(
    assignment: str, student: str, content: bytes, expected: dict[str, str], earlier: dict[str, dict[str, Any]] | None
) -> Judged:
    here = cluster.standing(assignment)
    if here != expected:
        raise OtherGrader(f"the worker on {platform.node()} {cluster.difference(expected, here)}")
    runner, kept = grading.shared_runner(), Found(earlier or {})
    before = runner.used
    pristine = _pristine(assignment)
    submitted = intake.read_notebook(Path(f"{assignment}.ipynb"), content)
    notebook = salvage.salvage(releases.update(submitted, assignment, pristine), pristine)
    verdicts = grading.judge_notebook(notebook, assignment, student, runner, kept, earlier is not None).values()
    passed = {verdict.task: verdict.passed for verdict in verdicts}
    answered = sum(verdict.sentence not in (grading.BLANK, opened.WORTH) for verdict in verdicts)
    complete = len({one["task"] for one in kept.values()}) == answered
    return Judged(passed, dict(kept), complete, runner.used - before)


@functools.cache
def _pristine(assignment: str) -> nbformat.NotebookNode:
    return nbformat.read(course.ROOT / "notebooks" / assignment / f"{assignment}.ipynb", as_version=4)


def judge_all(assignment: str, jobs: int = 0, scheduler: str = "") -> dict[str, dict[str, bool]]:
    """Judge all submissions in several processes, with a progress bar; for each student and task whether it is right.

    A submission for which something went wrong is left out, with a line that says so. One that was judged before, by the same
    grader, is not judged again.

    Args:
        assignment: such as "03_vpsde".
        jobs: processes on this machine; by default one for each core.
        scheduler: the address of a Dask scheduler, whose workers judge instead.

    Raises:
        sandbox.NoSandbox: before anything is judged.
        cluster.Problem: if there is a scheduler, and it or a worker cannot be used.
    """
    from tqdm import tqdm

    sandbox.require()
    work, found = list(submissions(assignment)), {}
    gone = {student: opened.tasks(student) for student, _ in work}  # workers elsewhere do not know of them
    os.environ[grading.KEEP] = str(course.ROOT / ".verdicts")
    start, used = time.perf_counter(), 0.0
    with tqdm(total=len(work), desc=f"judging {assignment}", unit="notebook") as bar:
        for student, result in _results(assignment, work, jobs, scheduler):
            if isinstance(result, Judged):
                found[student] = {task: right and task not in gone[student] for task, right in result.passed.items()}
                used += result.used
            else:
                why = " ".join(str(result).split()) or type(result).__name__
                tqdm.write(f"{student} is left to nbgrader's own run: {why}")
            bar.update()
            failing = sum(not all(tasks.values()) for tasks in found.values())
            bar.set_postfix_str(f"{failing} with something not right", refresh=False)
    seconds = time.perf_counter() - start
    print(
        f"{len(found)} of {len(work)} judged in {seconds:.1f} s; the answers themselves computed for {used:.1f} s.",
        flush=True,
    )
    return found


def _results(
    assignment: str, work: list[tuple[str, Path]], jobs: int, scheduler: str
) -> Iterator[tuple[str, Judged | Exception]]:
    """Each student with what became of the submission, as it comes; only a few notebooks are in memory at a time.

    A submission in which something was late is judged again after all others, as far as it was late.
    """
    kept, expected = grading.Kept(os.environ[grading.KEEP]), cluster.standing(assignment)
    jobs = min(jobs or os.cpu_count() or 1, max(1, len(work)))
    room = cluster.ROOM if scheduler else 2 * jobs
    queue: deque[tuple[str, Path, Judged | None]] = deque((student, path, None) for student, path in work)
    pending: dict[Future[Judged], tuple[str, Path, Judged | None, str]] = {}
    with contextlib.ExitStack() as stack:
        pool = None
        while queue or pending:
            while queue and len(pending) < room:
                student, path, earlier = queue.popleft()
                content = _content(path)
                given = assignment, student, hashlib.sha256(content).hexdigest(), expected, opened.tasks(student)
                name = grading.digest("submission", *given)
                before = kept.get(name)
                if before is not None:
                    yield student, Judged(before["passed"], {}, True, 0.0)
                    continue
                if pool is None:
                    pool = stack.enter_context(_workers(jobs, scheduler, assignment))
                    stack.callback(lambda: [future.cancel() for future in pending])
                given = assignment, student, content, expected, earlier and earlier.kept
                try:
                    pending[pool.submit(judge_one, *given)] = student, path, earlier, name
                except BrokenExecutor as error:
                    yield student, error
            for future in wait(pending, return_when=FIRST_COMPLETED).done if pending else ():
                student, path, earlier, name = pending.pop(future)
                try:
                    result = future.result()
                    _keep(kept, name, result)
                except CancelledError:
                    raise
                except Exception as error:
                    yield student, error
                    continue
                if earlier is not None:
                    yield student, replace(result, used=result.used + earlier.used)
                elif result.complete:
                    yield student, result
                else:
                    queue.append((student, path, result))


def _keep(kept: grading.Kept, name: str, result: Judged) -> None:
    """Keep the verdicts that a worker sent, and at last, if none is missing, that this submission is judged."""
    for key, verdict in result.kept.items():
        if kept.get(key) is None:
            kept[key] = verdict
    if result.complete:
        kept[name] = {"passed": result.passed}


def _workers(jobs: int, scheduler: str, assignment: str) -> AbstractContextManager[Executor]:
    """Processes on this machine, or the workers of a scheduler."""
    if scheduler:
        return cluster.workers(scheduler, assignment)
    return ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _end_with, (os.getpid(),))


def _end_with(parent: int) -> None:
    """End this worker, and with it its sandbox, when the process that started it is gone, however it ended."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _content(path: Path) -> bytes:
    """The bytes of a submission; none of one that may not be read, which is judged as an empty notebook."""
    try:
        return intake.read_file(path, intake.MAX_NOTEBOOK)
    except (OSError, intake.Refused):
        return b""


NBGRADER = "import sys; sys.modules['rfc3987_syntax'] = None; from nbgrader.apps.nbgraderapp import main; main()"
"""`python -m nbgrader`, without what `__main__` leaves out too."""


def grade(assignment: str, jobs: int = 0, arguments: tuple[str, ...] = (), scheduler: str = "") -> int:
    """Grade all submissions of one assignment; returns nbgrader's exit code.

    Args:
        assignment: such as "03_vpsde".
        jobs: processes that judge; by default one for each core.
        arguments: passed on to `nbgrader autograde`, such as "--force".
        scheduler: the address of a Dask scheduler, whose workers judge instead.
    """
    with _alone() as lock:
        judge_all(assignment, jobs, scheduler)  # what it could not judge, nbgrader's own run judges again, alone
        command = [sys.executable, "-c", NBGRADER, "autograde", assignment, *arguments]
        return subprocess.call(command, cwd=course.ROOT, pass_fds=lock)


@contextlib.contextmanager
def _alone() -> Iterator[tuple[int, ...]]:
    """Wait until no other grading of this course runs. Yields the descriptor that holds the lock, which nbgrader's run inherits: it is
    held until that ends, too, if this process is killed. (No lock on systems without fcntl.)"""
    try:
        import fcntl
    except ImportError:
        yield ()
        return
    path = course.ROOT / ".verdicts" / "lock"
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another grading of this course is running; waiting for its end.", file=sys.stderr, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:  # a file system without locks
            pass
        yield (file.fileno(),)


def differences(assignment: str, jobs: int = 0, scheduler: str = "") -> list[tuple[str, str, float]]:
    """Who would gain or lose what if everybody were graded again now: (student, task, points). The gradebook is not touched.

    What counts is in the gradebook: so a task that is new, or has other points, is a gain or a loss too. A mark by hand stands in
    any case.
    """
    changes, points, before = [], course.load(assignment).tasks, _recorded(assignment)
    for student, tasks in sorted(judge_all(assignment, jobs, scheduler).items()):
        for task, right in tasks.items():
            gain = points[task] * right - before.get((student, task), points[task] * right)
            if gain:
                changes.append((student, task, gain))
    return changes


def _recorded(assignment: str) -> dict[tuple[str, str], float]:
    """The points that the judge gave, as they are in the gradebook, by student and task; nothing where a mark by hand stands."""
    names = {course.grade_id(task, "check"): task for task in course.load(assignment).tasks}
    found = course.gradebook()
    if found is None:
        return {}
    with found as gradebook:
        if assignment not in {one.name for one in gradebook.assignments}:
            return {}
        return {(submission.student.id, names[grade.name]): grade.auto_score or 0.0
                for submission in gradebook.assignment_submissions(assignment)
                for notebook in submission.notebooks for grade in notebook.grades
                if grade.name in names and grade.manual_score is None}  # fmt: skip
