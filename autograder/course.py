"""The course as data: the assignments in solutions/, their cells, and what an instructor sets in course.toml."""

from __future__ import annotations

import contextlib
import difflib
import functools
import hashlib
import hmac
import os
import re
import secrets
import tomllib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(os.environ.get("DIFFUSION_LABS_COURSE") or Path(__file__).resolve().parent.parent)
"""The course folder: where solutions/, notebooks/ and course.toml are (the repository, unless the variable says otherwise)."""

MARKERS = ("### BEGIN SOLUTION", "### END SOLUTION")
SOLUTION = re.compile(r"^[ \t]*### BEGIN SOLUTION[^\n]*\n(.*?)^[ \t]*### END SOLUTION[^\n]*$", re.M | re.S)


def gradebook() -> Any:
    """The course's gradebook, wherever nbgrader's db_url says it is; None where that is a file that is not there."""
    from nbgrader.api import Gradebook

    address = gradebook_address()
    kind, _, path = address.partition(":///")
    there = kind != "sqlite" or Path(path).exists()
    return Gradebook(address, settings()["course"]["id"]) if there else None


def gradebook_address() -> str:
    """The db_url in nbgrader_config.py; that of gradebook.db in the course folder where no such file is."""
    from traitlets.config import PyFileConfigLoader

    usual = f"sqlite:///{ROOT / 'gradebook.db'}"
    if not (ROOT / "nbgrader_config.py").is_file():
        return usual
    return PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config().CourseDirectory.get("db_url", usual)


@dataclass(frozen=True)
class Cell:
    """One cell of a source notebook.

    `kind` is "answer" (the student writes it), "check" (graded by the judge), "written" (graded by hand), "given" (code
    that the answers build on, locked, run while judging) or "show" (text, figures, training; not run while judging).
    """

    kind: str
    source: str
    type: str = "code"
    task: str = ""
    points: float = 0.0
    minutes: str = ""


@dataclass(frozen=True)
class Assignment:
    """One notebook of the course."""

    name: str
    cells: tuple[Cell, ...]

    @property
    def tasks(self) -> dict[str, float]:
        """Points of each auto-graded task, in the order of the notebook."""
        return {cell.task: cell.points for cell in self.cells if cell.kind == "check"}

    def answer(self, task: str) -> str:
        """The reference's answer to a task, as a student would have it: without the solution markers."""
        cell = next(cell for cell in self.cells if cell.kind == "answer" and cell.task == task)
        return "\n".join(line for line in cell.source.splitlines() if not line.strip().startswith(MARKERS))

    def check_cell(self, task: str) -> Cell:
        """The check cell of a task."""
        return next(cell for cell in self.cells if cell.kind == "check" and cell.task == task)

    def cells_before_check(self, task: str, answer: str | None = None) -> list[tuple[str, str]]:
        """(origin, source) of the code cells that a task's check needs, with `answer` in place of the reference's."""
        result = []
        for cell in self.cells:
            if cell.kind == "check" and cell.task == task:
                return result
            if cell.kind == "answer" and cell.task == task:
                result.append(("answer", cell.source if answer is None else answer))
            elif cell.kind in ("answer", "given") and cell.type == "code":
                result.append(("given", cell.source))
        raise KeyError(task)


class BadSettings(ValueError):
    """course.toml cannot be meant as it is; the text says where."""


def settings() -> dict[str, Any]:
    """What course.toml says.

    Raises:
        BadSettings: with one sentence.
    """
    try:
        found = tomllib.loads((ROOT / "course.toml").read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise BadSettings(f"course.toml cannot be read: {error}.") from None
    wrong = _wrong(found)
    if wrong:
        raise BadSettings(f"course.toml: {wrong}.")
    return found


def _wrong(found: dict[str, Any]) -> str:
    """What is wrong with the values in course.toml, or nothing."""
    late, there = found.get("late", {}), (ROOT / "solutions").is_dir()
    names = assignment_names() if there else []
    for name, due in found.get("due", {}).items():
        if there and name not in names:
            return f"[due] names {name!r}, but the assignments are {', '.join(names)}"
        if not isinstance(due, datetime):
            return f"[due] {name!r} needs a date and a time, such as 2027-02-01T23:59:00Z, not {str(due)!r}"
    for name in found.get("extra_credit", {}).get("assignments", []):
        meant = difflib.get_close_matches(str(name), names, 1, 0.8)
        if name not in names and meant:
            return f"[extra_credit] names {name!r}; is {meant[0]!r} meant?"
    for section, key in (("late", "share_per_day"), ("late", "days"), ("grading", "seconds")):
        value = found.get(section, {}).get(key, 0)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
            return f"[{section}] {key} needs a number, not {value!r}"
    if late.get("share_per_day", 0) > 1:
        return f"[late] share_per_day is a share of 1, such as 0.1 for ten per cent, not {late['share_per_day']!r}"
    return ""


def hints_enabled() -> bool:
    """Whether students get hints: course.toml may switch them off."""
    return bool(settings().get("hints", {}).get("enabled", True))


def assignment_names() -> list[str]:
    """The names of all assignments, in order."""
    return sorted(path.name for path in (ROOT / "solutions").iterdir() if (path / f"{path.name}.py").is_file())


@functools.cache
def load(name: str) -> Assignment:
    """Read solutions/<name>/<name>.py.

    Raises:
        ValueError: with the cell's header when a cell does not say what it is.
    """
    import jupytext

    path = ROOT / "solutions" / name / f"{name}.py"
    notebook = jupytext.read(path, fmt="py:percent")
    points = settings().get("points", {})
    return Assignment(name, tuple(_cell(cell, points) for cell in notebook.cells))


def _cell(cell: nbformat.NotebookNode, points: dict[str, float]) -> Cell:
    meta = cell.metadata
    kinds = [kind for kind in ("answer", "check", "written", "given") if kind in meta]
    if len(kinds) > 1:
        raise ValueError(f"a cell cannot be both {' and '.join(kinds)}: {cell.source[:60]!r}")
    kind = kinds[0] if kinds else "show"
    task = meta[kind] if kind in ("answer", "check", "written") else ""
    if kind == "answer" and cell.cell_type == "code" and not SOLUTION.search(cell.source):
        raise ValueError(f"the answer cell of {task} has no ### BEGIN SOLUTION ... ### END SOLUTION")
    return Cell(kind, cell.source, cell.cell_type, task, float(points.get(task, meta.get("points", 0))))


@functools.cache
def tasks() -> dict[str, str]:
    """The assignment of every auto-graded task."""
    return {task: name for name in assignment_names() for task in load(name).tasks}


def grade_id(task: str, kind: str = "answer") -> str:
    """The nbgrader id of a task's cell: nbgrader allows letters, digits, - and _ only."""
    return task.replace(".", "-") + ("-check" if kind == "check" else "")


@functools.cache
def secret() -> bytes:
    """The course's own secret, made on first use and kept in course.secret (git-ignored)."""
    path = ROOT / "course.secret"
    if not path.exists():
        new = path.with_name(f"course.secret.{os.getpid()}")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT, 0o600), "w") as stream:
            stream.write(secrets.token_hex(32) + "\n")
        with contextlib.suppress(FileExistsError):  # another process may have been faster: there is one secret only
            os.link(new, path)
        new.unlink()
    return bytes.fromhex(path.read_text().strip())


def draw(*what: str) -> int:
    """A number that only the course's secret and these words determine."""
    return int.from_bytes(hmac.new(secret(), "\0".join(what).encode(), hashlib.sha256).digest()[:8], "little")
