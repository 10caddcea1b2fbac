"""`check("vpsde.loss", VPSDE)`: run a task's probe on the student's own code and show the verdict in a small panel."""

from __future__ import annotations

import difflib
import functools
import inspect
import json
import os
import sys
from dataclasses import replace
from importlib import resources
from typing import Any

from helpers import panel, records, stale, unlocking
from helpers.judge import BLANK, Verdict, judge
from helpers.notebook import grading

_passed: set[str] = set()


class CheckFailed(Exception):
    """A failed check where a notebook is graded or validated by nbgrader; its text is the verdict's sentence."""

    def _render_traceback_(self) -> list[str]:
        return [f"CheckFailed: {self}"]


def check(task: str, *objects: Any, seconds: float = 20.0) -> None:
    """Check one task and show what was observed.

    Args:
        task: the task's name, such as "vpsde.loss".
        objects: the functions or classes to check, as written in the notebook's check cells.
        seconds: time limit; the check says so when your code did not finish.

    Raises:
        ValueError: for a task that does not exist.
        TypeError: if it is not given as many objects as the task has.
        CheckFailed: only while nbgrader grades or validates (it counts an exception as "no points").
    """
    verdict = run_check(task, *objects, seconds=seconds)
    if not grading():
        verdict = replace(verdict, notes=(*verdict.notes, *_notes(verdict, objects, sys._getframe(1).f_globals)))
    panel.show(verdict)
    if not verdict.passed and os.environ.get("NBGRADER_EXECUTION"):
        raise CheckFailed(verdict.sentence)


def _notes(verdict: Verdict, objects: tuple[Any, ...], space: dict[str, Any]) -> list[str]:
    """Keep what a student's own check found; sentences about that, and about objects that are older than their class."""
    if records.shell() is not None:
        stale.watch(records.shell())
    passed = None if verdict.sentence.startswith(BLANK) else verdict.passed
    opened = [unlocking.WORTH] if verdict.task in unlocking.opened else []
    return [*stale.notes(objects, space), *opened, *filter(None, [records.keep(verdict.task, passed=passed)])]


def run_check(task: str, *objects: Any, seconds: float = 20.0) -> Verdict:
    """The verdict of `check` without the panel."""
    from helpers.probes import load, observe

    items = public_items()
    if task not in items:
        near = difflib.get_close_matches(str(task), items, n=1, cutoff=0.8)
        raise ValueError(
            f"there is no task {task!r}; {f'do you mean {near[0]!r}?' if near else 'the tasks are ' + ', '.join(sorted(items))}"
        )
    _, *wanted = inspect.signature(load()[task]).parameters
    if len(objects) != len(wanted):
        raise TypeError(
            f"check({task!r}, ...) takes the task's name and {len(wanted)} of your functions or classes, by name and without quotes, as in "
            f"its check cell; here it was given {len(objects) or 'none'}"
        )
    item = items[task]
    verdict = judge(task, item, observe(task, item, objects, seconds), reveal=True)
    if verdict.passed:
        _passed.add(task)
        return verdict
    _passed.discard(task)
    missing = [name for name in item["needs"] if name not in _passed]
    if missing:
        note = f"This check uses your {', '.join(missing)}, whose own check has not passed in this session. Begin there."
        return Verdict(task, False, verdict.lines, verdict.sentence, verdict.misconception, (note,))
    return verdict


@functools.cache
def public_items() -> dict[str, dict[str, Any]]:
    """The public key item of every task, by task."""
    items: dict[str, dict[str, Any]] = {}
    for entry in resources.files("helpers").joinpath("keys").iterdir():
        if entry.name.endswith(".json"):
            items.update(json.loads(entry.read_text(encoding="utf-8")))
    return items
