"""Written answers marked in a spreadsheet: `python -m autograder marks NN`, then `python -m autograder marks NN --import FILE`.

The file has the mark scheme, the bank of comments and then every answer, task by task; equal answers stand together, and blank ones
have their 0 already. What is imported goes into the gradebook as if it had been typed into formgrader, where it can be changed.
"""

from __future__ import annotations

import csv
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from autograder import course
from autograder.build import MARK_SCHEME
from autograder.exports import plain, text

COLUMNS = ("task", "student", "group", "mark", "of", "use", "comment", "state", "answer")
BLANK = "No answer was given here."
NOTES = "("
"""Rows whose student begins so are for the marker to read."""


@dataclass(frozen=True)
class Written:
    """One written answer. `mark` and `comment` are what a human gave, None and "" where nobody has."""

    task: str
    student: str
    answer: str
    blank: bool
    elsewhere: bool
    mark: float | None
    comment: str


def bank(name: str) -> dict[str, dict[str, dict[str, Any]]]:
    """The reusable comments of an assignment, by task and id: {"points": ..., "text": ...}. comments.toml of the course comes first.

    Raises:
        ValueError: in a sentence, if a file of comments cannot be read or an entry is not one.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for path in (Path(__file__).parent / "comments" / f"{name}.toml", course.ROOT / "comments.toml"):
        if not path.exists():
            continue
        try:
            entries = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path.name} cannot be read: {error}.") from None
        for task, comments in entries.items():
            for key, entry in comments.items() if isinstance(comments, dict) else [("", None)]:
                right = (
                    isinstance(entry, dict)
                    and isinstance(entry.get("points"), (int, float))
                    and isinstance(entry.get("text"), str)
                )
                if not right:
                    raise ValueError(
                        f"{path.name}: [{task}] {key} is no comment; it needs points = (a number) and text = (a string)."
                    )
                found.setdefault(task, {})[key] = entry
    return found


def questions(name: str) -> dict[str, tuple[float, str]]:
    """Points and mark scheme of every written question."""
    cells = [cell for cell in course.load(name).cells if cell.kind == "written"]
    schemes = {cell.task: "\n".join(MARK_SCHEME.findall(cell.source)) for cell in cells}
    return {
        cell.task: (cell.points, re.sub(r"=== (BEGIN|END) MARK SCHEME ===\n?", "", schemes[cell.task]).strip())
        for cell in cells
    }


# ------------------------------------------------------------------------------------------------------------ export


def collect(gradebook: Any, name: str) -> Iterator[Written]:
    """Every written answer of an assignment, from the graded notebooks, with what the gradebook has of marks."""
    for submission in sorted(gradebook.assignment_submissions(name), key=lambda s: s.student.id):
        student = submission.student.id
        path = course.ROOT / "autograded" / student / name / f"{name}.ipynb"
        try:
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        except (OSError, ValueError, KeyError):
            continue
        texts = {cell.get("id"): "".join(cell["source"]).strip() for cell in cells}
        elsewhere = any(str(key).startswith("added-") and key != "added-cells" and value for key, value in texts.items())
        for task in questions(name):
            identity = course.grade_id(task)
            answer = texts.get(f"{identity}-answer", "")
            blank = answer in ("", f"*Your answer to {task} here.*")
            grade = gradebook.find_grade(identity, name, name, student)
            comment = gradebook.find_comment(identity, name, name, student).manual_comment
            yield Written(task, student, "" if blank else answer, blank, elsewhere, grade.manual_score, comment or "")


def rows(name: str, answers: list[Written]) -> Iterator[list[str]]:
    """The rows of the file, the first with the names of the columns."""
    comments = bank(name)
    yield list(COLUMNS)
    for task, (points, scheme) in questions(name).items():
        yield [task, "(mark scheme)", "", "", plain(points), "", "", "", text(scheme)]
        for key, entry in comments.get(task, {}).items():
            yield [task, "(comment)", "", plain(entry["points"]), plain(points), key, text(entry["text"]), "", ""]
        mine = [one for one in answers if one.task == task]
        groups = {
            key: number
            for number, key in enumerate(sorted({_same(one) for one in mine if one.answer}, key=lambda key: (len(key), key)))
        }
        for one in sorted(mine, key=lambda one: (groups.get(_same(one), -1), one.student)):
            yield _row(one, "" if one.blank else str(groups[_same(one)] + 1), points)


def _same(one: Written) -> str:
    """What equal answers have in common: their letters, spaces and capitals aside."""
    return "".join(one.answer.split()).lower()


def _row(one: Written, group: str, points: float) -> list[str]:
    mark, comment, state = "", one.comment, "to mark"
    if one.mark is not None:
        mark, state = plain(one.mark), "marked"
    elif one.blank and one.elsewhere:
        state = "blank here, but the student added cells: look at the notebook"
    elif one.blank:
        mark, comment, state = "0", comment or BLANK, "blank"
    return [one.task, text(one.student), group, mark, plain(points), "", text(comment), state, text(one.answer)]


def write(name: str, path: Path) -> tuple[int, int]:
    """Write the file; returns the number of answers and how many of them wait for a mark."""
    with _gradebook() as gradebook:
        answers = list(collect(gradebook, name))
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_bytes() if path.exists() else None
    with path.open("w", newline="", encoding="utf-8-sig") as stream:  # the mark tells Excel that it is UTF-8
        csv.writer(stream).writerows(rows(name, answers))
    if before not in (None, path.read_bytes()):  # somebody may have written marks into it that are not imported yet
        path.with_name(f"{path.stem}-before-{datetime.now():%Y%m%d-%H%M%S}{path.suffix}").write_bytes(before)
    return len(answers), sum(one.mark is None and (not one.blank or one.elsewhere) for one in answers)


def _gradebook() -> Any:
    found = course.gradebook()
    if found is None:
        raise ValueError("There is no gradebook here yet: release, collect and autograde first (docs/grading.md).")
    return found


# ------------------------------------------------------------------------------------------------------------ import


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a filled-in file, whatever separator and encoding a spreadsheet saved it with.

    Raises:
        ValueError: in a sentence, if it is not such a file.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from None
    try:
        words = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not in UTF-8; save it as 'CSV UTF-8'.") from None
    head = words.partition("\n")[0]
    separator = max(",;\t", key=head.count)
    found = list(csv.DictReader(words.splitlines(keepends=True), delimiter=separator))
    missing = [name for name in ("task", "student", "mark", "comment") if not found or name not in found[0]]
    if missing:
        raise ValueError(f"{path} has no column {' and no column '.join(missing)}; see `python -m autograder marks --help`.")
    return found


def take(name: str, path: Path, overwrite: bool = False) -> tuple[int, list[str]]:
    """Put the marks and comments of a file into the gradebook; returns how many answers got one, and a sentence for each row that did not.

    A mark or a comment that somebody gave by hand stays, unless `overwrite`. A row without a mark takes that of its group.

    Raises:
        ValueError: if the file or the bank cannot be read; nothing is written then.
    """
    from nbgrader.api import MissingEntry

    comments, asked, said, done = bank(name), questions(name), [], 0
    lines = [(number, row) for number, row in enumerate(read(path), 2) if not (row["student"] or "").startswith(NOTES)]
    given = _of_groups([row for _, row in lines])
    with _gradebook() as gradebook:
        students = {
            text(submission.student.id): submission.student.id for submission in gradebook.assignment_submissions(name)
        }
        for number, row in lines:
            task, student = (row["task"] or "").strip(), students.get((row["student"] or "").strip())
            where = f"row {number} ({(row['student'] or '').strip()}, {task})"
            if not any((value or "").strip() for value in row.values() if isinstance(value, str)):
                continue
            if task not in asked:
                said.append(f"{where}: {name} has no written question of this name.")
                continue
            if student is None:
                said.append(f"{where}: nobody of this name has handed in {name}.")
                continue
            try:
                mark, comment = _meant(row, comments.get(task, {}), asked[task][0], given)
            except ValueError as error:
                said.append(f"{where}: {error}")
                continue
            try:
                grade = gradebook.find_grade(course.grade_id(task), name, name, student)
                remark = gradebook.find_comment(course.grade_id(task), name, name, student)
            except MissingEntry:
                said.append(f"{where}: the gradebook does not have this question; release the assignment again.")
                continue
            kept = _set(grade, remark, mark, comment, overwrite)
            said += [f"{where}: {sentence}" for sentence in kept]
            done += mark is not None and not kept
        gradebook.db.commit()
    return done, said


def _of_groups(lines: list[dict[str, str]]) -> dict[tuple[str, str], dict[str, str]]:
    """For each group of equal answers the first row in which something is filled in."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for row in lines:
        if row.get("group") and ((row["mark"] or "").strip() or (row.get("use") or "").strip()):
            found.setdefault((row["task"], row["group"]), row)
    return found


def _meant(
    row: dict[str, str], comments: dict[str, dict[str, Any]], most: float, given: dict[tuple[str, str], dict[str, str]]
) -> tuple[float | None, str]:
    """Mark (None: none yet) and comment of a row.

    Raises:
        ValueError: with the end of a sentence that says what is not understood.
    """
    filled = lambda row: any((row.get(column) or "").strip() for column in ("mark", "use"))  # noqa: E731
    source = row if filled(row) else given.get((row["task"], row.get("group") or ""), row)
    used = (source.get("use") or "").replace(",", " ").split()
    unknown = [key for key in used if key not in comments]
    if unknown:
        raise ValueError(
            f"there is no comment {' and no comment '.join(unknown)}; there are {', '.join(comments) or 'none'}."
        )
    words = (source["mark"] or "").strip().replace(",", ".")
    mark = _sum([comments[key]["points"] for key in used], most) if used and not words else None
    if words:
        try:
            mark = float(words)
        except ValueError:
            raise ValueError(f"the mark {words!r} is no number.") from None
    if mark is not None and not 0 <= mark <= most:
        raise ValueError(f"{plain(mark)} points are not between 0 and {plain(most)}.")
    own = (row["comment"] or "").strip() or (source["comment"] or "").strip()
    return mark, " ".join([*(comments[key]["text"] for key in used), *([own] if own else [])])


def _sum(points: list[float], most: float) -> float:
    """What comments are worth together: those below 0 are taken off the full mark."""
    if min(points) < 0 < max(points):
        raise ValueError(
            "comments that give points and comments that take some off do not go together; write the mark yourself."
        )
    return max(0.0, most + sum(points)) if min(points) < 0 else sum(points)


def _set(grade: Any, remark: Any, mark: float | None, comment: str, overwrite: bool) -> list[str]:
    """Write a mark and a comment where nobody has given one by hand; sentences about what was left as it is."""
    kept = []
    if mark is not None:
        if overwrite or grade.manual_score is None:
            grade.manual_score, grade.needs_manual_grade = mark, False
        elif grade.manual_score != mark:
            kept.append(
                f"the mark {plain(grade.manual_score)} that is in the gradebook stays ({plain(mark)} needs --overwrite)."
            )
    before = remark.manual_comment or ""
    if comment and comment != text(before):
        if overwrite or not before:
            remark.manual_comment = comment
        else:
            kept.append("the comment that is in the gradebook stays (another one needs --overwrite).")
    return kept
