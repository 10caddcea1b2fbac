"""Grades in the form that Canvas and Moodle import: plugins of stock `nbgrader export`.

    nbgrader export --exporter=autograder.exports.CanvasExporter --to canvas.csv
    nbgrader export --exporter=autograder.exports.MoodleExporter --to moodle.csv

Students are known to the LMS by what nbgrader has of them (first_name, last_name, email, lms_user_id). What is missing there comes
from a roster, the one that `collect` reads: roster.csv in the course folder, or --GradesExporter.roster=FILE. See docs/export.md.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.plugins import ExportPlugin
from traitlets import Bool, Unicode

from autograder import course, lms

MORE_COLUMNS = {
    "sis_user_id": ("sis user id",),
    "login": ("sis login id", "login", "login id", "username"),
    "section": ("section",),
    "lms_user_id": ("lms user id", "id number", "idnumber"),
}
"""What the systems ask for beside names and addresses, and the headers under which a roster may have it."""


@dataclass(frozen=True)
class Points:
    """One student's points in one assignment; `score` is None where nothing was handed in."""

    score: float | None
    penalty: float = 0.0
    unmarked: int = 0

    @property
    def total(self) -> float:
        """What counts: the score less the penalty for lateness, never below 0."""
        return max(0.0, (self.score or 0.0) - self.penalty)


def read_roster(path: str) -> dict[str, dict[str, str]]:
    """A roster by nbgrader id: the one that `collect` reads, with the same columns.

    Raises:
        ValueError: in a sentence, if the file cannot be read or no column in it can be an id.
    """
    rows, columns = lms.read_table(Path(path))
    headers = [lms.header_words(header) for header in rows[0]]
    found = {}
    for row in rows[1:]:
        cells = [cell.strip() for cell in row] + [""] * (len(headers) - len(row))
        known = {what: cells[number] for what, number in columns.items()}
        person = {field: next((cells[headers.index(name)] for name in names if name in headers), "")
                  for field, names in MORE_COLUMNS.items()}  # fmt: skip
        person |= {
            "student": known.get("name", ""),
            "first_name": known.get("first", ""),
            "last_name": known.get("last", ""),
        }
        person |= {"email": known.get("email", ""), "lms_user_id": person["lms_user_id"] or known.get("lms", "")}
        if known["id"]:
            found[known["id"]] = person
    return found


def text(value: str) -> str:
    """A text that no spreadsheet takes for a formula: names come from students."""
    return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def plain(points: float) -> str:
    """Points with at most two decimals."""
    return f"{round(points, 2):g}"


class GradesExporter(ExportPlugin):
    """What both formats share: who is exported, what counts, and what is said of those who cannot be placed."""

    roster = Unicode(
        "", help="a CSV with the students' names and numbers in the LMS; default roster.csv if there is one"
    ).tag(config=True)
    missing_as_zero = Bool(False, help="0 for what was not handed in; else the cell is empty").tag(config=True)
    default = "grades.csv"

    def export(self, gradebook: Gradebook) -> None:
        """Write the file that --to names."""
        try:
            usual = course.ROOT / "roster.csv"
            place = self.roster or (str(usual) if usual.exists() else "")
            roster = read_roster(place) if place else {}
        except ValueError as error:
            self.log.error("%s Nothing was written.", error)
            raise SystemExit(1) from None
        wanted = [str(name) for name in self.assignment]
        assignments = [a for a in sorted(gradebook.assignments, key=lambda a: a.name) if not wanted or a.name in wanted]
        for name in sorted(set(wanted) - {a.name for a in assignments}):
            self.log.error("There is no assignment %s in the gradebook.", name)
        students = [s for s in gradebook.students if not self.student or s.id in map(str, self.student)]
        rows = []
        for student in sorted(students, key=lambda s: (s.last_name or "", s.first_name or "", s.id)):
            known = self._person(student, roster.get(student.id, {}))
            points = {a.name: self._points(gradebook, a.name, student.id) for a in assignments}
            rows.append((known, points))
        target = Path(self.to or self.default)
        with target.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows(self.table(assignments, rows))
        for name in sorted(set(roster) - {s.id for s in gradebook.students}):
            self.log.warning("%s of the roster is not in the gradebook.", name)
        self._say_unmarked(rows)
        self.log.info("Wrote %s: %d students, %d assignments.", target, len(rows), len(assignments))

    def table(self, assignments: list[Any], rows: list[tuple[dict[str, str], dict[str, Points]]]) -> list[list[str]]:
        """All rows of the file, the first with the names of the columns."""
        raise NotImplementedError

    def _person(self, student: Any, known: dict[str, str]) -> dict[str, str]:
        """What is known of a student: the gradebook's fields first, then the roster's."""
        fields = ("first_name", "last_name", "email", "lms_user_id")
        return {**known, **{field: getattr(student, field) or known.get(field, "") for field in fields}, "id": student.id}

    def _points(self, gradebook: Gradebook, assignment: str, student: str) -> Points:
        try:
            found = gradebook.find_submission(assignment, student)
        except MissingEntry:
            return Points(0.0 if self.missing_as_zero else None)
        unmarked = sum(grade.needs_manual_grade for notebook in found.notebooks for grade in notebook.grades)
        return Points(found.score, found.late_submission_penalty or 0.0, unmarked)

    def _say_unmarked(self, rows: list[tuple[dict[str, str], dict[str, Points]]]) -> None:
        for person, points in rows:
            waiting = [f"{name} ({p.unmarked})" for name, p in points.items() if p.unmarked]
            if waiting:
                self.log.warning("%s has answers that are not marked yet: %s.", person["id"], ", ".join(waiting))

    def _optional(self) -> set[str]:
        return set(course.settings().get("extra_credit", {}).get("assignments", []))

    def _number(self, points: Points) -> str:
        return "" if points.score is None else plain(points.total)


class CanvasExporter(GradesExporter):
    """A CSV for Canvas: Grades, Import. One column for each assignment; those of extra credit are worth 0 points possible."""

    default = "canvas.csv"

    def table(self, assignments: list[Any], rows: list[tuple[dict[str, str], dict[str, Points]]]) -> list[list[str]]:
        """Student, ID, SIS User ID, SIS Login ID, Section, assignments; then the points possible, then the students."""
        optional = self._optional()
        head = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *(a.name for a in assignments)]
        most = [
            "    Points Possible",
            "",
            "",
            "",
            "",
            *("0" if a.name in optional else plain(a.max_score) for a in assignments),
        ]
        body = []
        for person, points in rows:
            name = (
                person.get("student") or ", ".join(filter(None, [person["last_name"], person["first_name"]])) or person["id"]
            )
            login = person.get("login") or person["email"] or person["id"]
            number = person["lms_user_id"]
            if not number and not person.get("sis_user_id"):
                self.log.warning(
                    "Canvas has to find %s by the SIS Login ID %s: no lms_user_id is known.", person["id"], login
                )
            who = [name, number, person.get("sis_user_id", ""), login, person.get("section", "")]
            body.append([*map(text, who), *(self._number(points[a.name]) for a in assignments)])
        return [head, most, *body]


class MoodleExporter(GradesExporter):
    """A CSV for Moodle: Grades, Import, CSV file. For each assignment a column with points and one with feedback."""

    default = "moodle.csv"

    def table(self, assignments: list[Any], rows: list[tuple[dict[str, str], dict[str, Points]]]) -> list[list[str]]:
        """First name, Last name, ID number, Email address; then points and feedback of each assignment."""
        head = ["First name", "Last name", "ID number", "Email address"]
        for a in assignments:
            head += [f"{a.name} (Real)", f"{a.name} (Feedback)"]
        body = []
        for person, points in rows:
            if not person["lms_user_id"] and not person["email"]:
                self.log.warning("Moodle cannot find %s: neither an ID number nor an email address is known.", person["id"])
            row = [text(person[field]) for field in ("first_name", "last_name", "lms_user_id", "email")]
            for a in assignments:
                row += [self._number(points[a.name]), self._feedback(a, points[a.name])]
            body.append(row)
        return [head, *body]

    def _feedback(self, assignment: Any, points: Points) -> str:
        if points.score is None:
            return ""
        said = [f"{plain(points.total)} of {plain(assignment.max_score)} points."]
        if assignment.name in self._optional():
            said.append("Extra credit.")
        if points.penalty:
            said.append(f"{plain(points.penalty)} points were taken off for handing in late.")
        if points.unmarked:
            said.append("Some answers are not marked yet.")
        return " ".join(said)
