"""Grades for Canvas and Moodle: the columns that they import, late penalties, extra credit, and students whom nobody knows."""

from __future__ import annotations

import csv
import logging
import os
import shutil
import subprocess
import sys

import pytest
from nbgrader.api import Gradebook
from traitlets.config import Config

from autograder import course, exports
from tests.conftest import REPOSITORY

NAMES = ["03_vpsde", "06_ddim"]  # the second is extra credit in course.toml


@pytest.fixture
def folder(tmp_path, empty_gradebook):
    """A gradebook with three students: one complete, one late and without names, one with nothing."""
    (tmp_path / "gradebook.db").write_bytes(empty_gradebook)
    with Gradebook(f"sqlite:///{tmp_path}/gradebook.db", "diffusion-labs") as book:
        for name in NAMES:
            book.add_assignment(name)
            book.add_notebook(name, name)
            book.add_grade_cell("check", name, name, max_score=8.0, cell_type="code")
            book.add_task_cell("question", name, name, max_score=2.5, cell_type="markdown")
        book.add_student("ada", first_name="Ada", last_name="Lovelace", email="ada@example.org", lms_user_id="1001")
        book.add_student("bo", last_name="=cmd()")
        book.add_student("cy")
        for student, name, auto, manual, penalty in (("ada", NAMES[0], 8, 1.25, None), ("ada", NAMES[1], 4, 0, None),
                                                     ("bo", NAMES[0], 8, None, 0.8)):  # fmt: skip
            submission = book.add_submission(name, student)
            submission.notebooks[0].late_submission_penalty = penalty
            for grade in submission.notebooks[0].grades:
                if grade.name == "check":
                    grade.auto_score, grade.needs_manual_grade = auto, False
                elif manual is not None:
                    grade.manual_score, grade.needs_manual_grade = manual, False
        book.db.commit()
    (tmp_path / "roster.csv").write_text(
        "Student,ID,SIS User ID,SIS Login ID,Section,nbgrader_id\n    Points Possible,,,,,\n"
        '"Bo, Derek",1002,S2,bo.d,Lab 1,bo\n"Byron, Ada",7,S1,ada.b,Lab 2,ada\n"Nobody",9,S9,no,Lab 2,nobody\n',
        encoding="utf-8",
    )
    return tmp_path


def export(cls, folder, **traits):
    """Rows of the file, and what was said."""
    said = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    exporter = cls(config=Config({"GradesExporter": traits}), to=str(folder / "out.csv"))
    exporter.log.addHandler(handler)
    try:
        with Gradebook(f"sqlite:///{folder}/gradebook.db", "diffusion-labs") as book:
            exporter.export(book)
    finally:
        exporter.log.removeHandler(handler)
    with (folder / "out.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.reader(stream)), said


def test_canvas_gets_its_columns_points_possible_and_the_students(folder):
    rows, said = export(exports.CanvasExporter, folder, roster=str(folder / "roster.csv"))
    assert rows[0] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *NAMES]
    assert rows[1] == ["    Points Possible", "", "", "", "", "10.5", "0"]  # extra credit: nothing in the denominator
    students = {row[0]: row[1:] for row in rows[2:]}
    assert students["Byron, Ada"] == ["1001", "S1", "ada.b", "Lab 2", "9.25", "4"]  # the gradebook's own number comes first
    assert students["Bo, Derek"] == ["1002", "S2", "bo.d", "Lab 1", "7.2", ""]
    assert students["cy"] == ["", "", "cy", "", "", ""]
    assert any(line.startswith("Canvas has to find cy by the SIS Login ID cy") for line in said)
    assert "nobody of the roster is not in the gradebook." in said
    assert "bo has answers that are not marked yet: 03_vpsde (1)." in said


def test_moodle_gets_points_and_feedback(folder):
    rows, said = export(exports.MoodleExporter, folder, missing_as_zero=True)
    assert rows[0][:4] == ["First name", "Last name", "ID number", "Email address"]
    assert rows[0][4:] == [f"{name} ({kind})" for name in NAMES for kind in ("Real", "Feedback")]
    students = {row[0] or row[1]: row for row in rows[1:]}
    assert students["Ada"][:4] == ["Ada", "Lovelace", "1001", "ada@example.org"]
    assert students["Ada"][4:] == ["9.25", "9.25 of 10.5 points.", "4", "4 of 10.5 points. Extra credit."]
    late = students["'=cmd()"]  # no spreadsheet runs a student's name
    assert late[4] == "7.2" and "0.8 points were taken off for handing in late. Some answers are not marked yet." in late[5]
    assert late[6] == "0"
    assert sum(line.startswith("Moodle cannot find") for line in said) == 2


def test_a_roster_that_collect_takes_does_here_too(folder):
    path = folder / "canvas.csv"
    path.write_text('Student,ID,SIS Login ID\n"Bo, Derek",1002,bo\n', encoding="utf-8")  # Canvas's own, nothing added
    rows, _ = export(exports.CanvasExporter, folder, roster=str(path))
    assert ["Bo, Derek", "1002"] in [row[:2] for row in rows]


@pytest.mark.parametrize("content", [None, "name,number\nx,1\n"])
def test_a_roster_that_does_not_do_stops_before_anything_is_written(folder, content):
    roster = folder / "other.csv"
    if content:
        roster.write_text(content)
    with pytest.raises(SystemExit):
        export(exports.CanvasExporter, folder, roster=str(roster))
    assert not (folder / "out.csv").exists()
    with pytest.raises(ValueError, match=r"other.csv.*(cannot be read|no column)"):
        exports.read_roster(str(roster))


@pytest.mark.slow
def test_stock_nbgrader_runs_the_exporters(folder):
    shutil.copy(REPOSITORY / "nbgrader_config.py", folder)
    shutil.copy(REPOSITORY / "course.toml", folder)
    command = [sys.executable, "-m", "nbgrader", "export", "--exporter=autograder.exports.CanvasExporter", "--to", "canvas.csv",
               "--assignment", f"['{NAMES[0]}']"]  # fmt: skip
    environment = {**os.environ, "DIFFUSION_LABS_COURSE": str(folder), "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = list(csv.reader((folder / "canvas.csv").read_text(encoding="utf-8").splitlines()))
    assert rows[0][5:] == NAMES[:1] and {row[0] for row in rows} >= {"Byron, Ada", "Bo, Derek"}, rows
    assert "3 students, 1 assignments" in done.stderr
    assert course.settings()["extra_credit"]["assignments"] == ["06_ddim", "07_cifar"]
