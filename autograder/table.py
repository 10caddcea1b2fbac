"""A class as a table: points per notebook, and what the judge called the first mistake."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field

from autograder import course, opened


@dataclass
class Row:
    """One student: points and maximum per notebook (None where nothing was handed in), and remarks."""

    student: str
    points: dict[str, tuple[float, float] | None]
    remarks: list[str] = field(default_factory=list)


def rows() -> list[Row]:
    """The class in the course's gradebook, with what the autograded notebooks say of mistakes and salvage."""
    names = course.assignment_names()
    submitted = course.ROOT / "submitted"
    students = sorted(path.name for path in submitted.iterdir() if path.is_dir()) if submitted.exists() else []
    result = []
    with course.gradebook() or contextlib.nullcontext() as gradebook:
        for student in students:
            row = Row(student, {})
            for name in names:
                handed_in = (submitted / student / name).is_dir()
                found = gradebook.assignment_submissions(name) if gradebook else []
                graded = [s for s in found if s.student.id == student]
                row.points[name] = None
                if graded:
                    lost = min(graded[0].late_submission_penalty or 0.0, graded[0].score)
                    row.points[name] = graded[0].score - lost, graded[0].max_score
                    row.remarks += [f"{name}: late, {lost:g} points less"] if lost else []
                if handed_in and not graded:
                    row.remarks.append(f"{name}: nothing could be graded, there is no notebook in the submission")
                path = course.ROOT / "autograded" / student / name / f"{name}.ipynb"
                if path.exists():
                    row.remarks += _remarks(name, json.loads(path.read_text(encoding="utf-8"))["metadata"])
            result.append(row)
    return result


def _remarks(name: str, metadata: dict) -> list[str]:
    """The salvage notes of one autograded notebook, then its first mistake: a named one if there is any."""
    ours = metadata.get("diffusion_labs", {})
    failed = [(task, v) for task, v in ours.get("verdicts", {}).items() if not v["passed"] and v["sentence"] != opened.WORTH]
    tried = [(task, v) for task, v in failed if not v["sentence"].startswith("Nothing is filled in")]
    remarks = [f"{name}: {note}" for note in ours.get("notes", [])]
    if failed and not tried:
        remarks.append(f"{name}: tasks not answered: {len(failed)}")
    for task, verdict in sorted(tried, key=lambda pair: pair[1]["misconception"] is None)[:1]:
        remarks.append(f"{name}: {verdict['misconception'] or task}: {verdict['sentence']}")
    return remarks


def text(table: list[Row], width: int = 110) -> str:
    """The table as text; remarks stand under the student's line."""
    import textwrap

    names = course.assignment_names()
    optional = course.settings().get("extra_credit", {}).get("assignments", [])
    lines = ["".join([f"{'student':12}", *(f"{name:>14}" for name in names), f"{'total':>12}"])]
    lines.append("─" * len(lines[0]))
    for row in table:
        cells = [f"{p[0]:g} / {p[1]:g}" if (p := row.points[name]) else "—" for name in names]
        got = sum(p[0] for p in row.points.values() if p)
        most = sum(total_points(name) for name in names if name not in optional)
        lines.append("".join([f"{row.student:12}", *(f"{cell:>14}" for cell in cells), f"{f'{got:g} / {most:g}':>12}"]))
        for remark in row.remarks:
            lines += textwrap.wrap(remark, width, initial_indent="    ", subsequent_indent="      ")
    for name in names:
        written = sum(cell.points for cell in course.load(name).cells if cell.kind == "written")
        if written:
            lines.append(f"{written:g} points of {name} are for written answers, marked by hand in formgrader.")
    return "\n".join(lines)


def total_points(name: str) -> float:
    """The most points that an assignment gives, written questions included."""
    return sum(cell.points for cell in course.load(name).cells)
