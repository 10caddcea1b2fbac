"""Tasks that were opened: a student who is stuck gets the reference's answer as a key, and goes on; the task is then worth no points.

`python -m autograder open vpsde.loss --student ada` writes the key into opened/ and who may use it into opened.json. Grading reads
opened.json. No file that all students get holds a key.
"""

from __future__ import annotations

import ast
import difflib
import json
import os
from pathlib import Path
from typing import Any

from autograder import course
from helpers.unlocking import WORTH, encode

EVERYBODY = "*"


def record() -> dict[str, list[str]]:
    """The students for whom each task was opened, as opened.json in the course folder says; "*" stands for everybody.

    Raises:
        ValueError: with a sentence, if the file cannot be read: who gets points for what is then not known.
    """
    path = course.ROOT / "opened.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ValueError(
            f"Nothing is graded, because {path} cannot be read ({error}); it says which tasks were opened."
        ) from None
    if not isinstance(found, dict) or not all(
        isinstance(who, list) and all(isinstance(one, str) for one in who) for who in found.values()
    ):
        raise ValueError(
            f'Nothing is graded, because {path} is not like {{"vpsde.loss": ["ada"]}}; it says which tasks were opened.'
        )
    return found


def is_open(task: str, student: str) -> bool:
    """Whether a task was opened for this student."""
    return task in tasks(student)


def tasks(student: str) -> list[str]:
    """All tasks that were opened for this student."""
    return sorted(task for task, who in record().items() if {student, EVERYBODY} & set(who))


def open_task(task: str, students: list[str]) -> tuple[Path, str]:
    """Record that a task is open for these students (for everybody if there are none), and write its key; its path, and the key.

    Raises:
        ValueError: with a sentence, for a task that does not exist or an opened.json that cannot be read.
    """
    if task not in course.tasks():
        near = difflib.get_close_matches(task, course.tasks(), n=3, cutoff=0.5)
        raise ValueError(
            f"There is no task {task!r} that a check grades{'; do you mean ' + ' or '.join(near) + '?' if near else '.'}"
        )
    known = record()
    known[task] = sorted({*known.get(task, []), *(students or [EVERYBODY])})
    key = encode(task, course.load(course.tasks()[task]).answer(task))
    path = course.ROOT / "opened" / f"{task}.open"
    path.parent.mkdir(exist_ok=True)
    path.write_text(key + "\n", encoding="utf-8")
    part = course.ROOT / f"opened.json.{os.getpid()}"
    part.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(course.ROOT / "opened.json")
    return path, key


def notes(answers: dict[str, Any], assignment: str, student: str) -> list[str]:
    """Sentences for the instructor: tasks that were opened for this student, and opened answers of somebody for whom they were not.

    Args:
        answers: the source of each answer cell, by grade id.
    """
    found = []
    for task, who in record().items():
        if course.tasks().get(task) != assignment:
            continue
        if is_open(task, student):
            found.append(f"{task} was opened for this student: no points.")
        elif _plain(answers.get(course.grade_id(task), "")) == _plain(course.load(assignment).answer(task)):
            found.append(f"{task}: the answer is the reference's word for word, which was opened for {', '.join(who)} and not for this student "
                         "(a short answer may be the same by chance).")  # fmt: skip
    return found


def _plain(source: str) -> str:
    """Code without comments and layout; as it is where it cannot be parsed."""
    try:
        return ast.unparse(ast.parse(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return source.strip()


__all__ = ["WORTH", "is_open", "notes", "open_task", "record", "tasks"]
