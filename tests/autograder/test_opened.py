"""Opened tasks: a key is written and recorded, grading gives no points for it, and the instructor hears of opened answers elsewhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import nbformat
import pytest

from autograder import build, course, grading, opened, report, table
from autograder.__main__ import main
from autograder.demo import fill, reference
from helpers import unlocking
from tests.autograder.test_nbgrader import nbgrader, scores
from tests.conftest import REPOSITORY

NAME, TASK = "01_sampling", "sampling.gaussian"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A course folder of its own; the assignments are those of the repository."""
    course.tasks()
    for task in course.tasks():
        course.load(course.tasks()[task])
    course.secret()
    (tmp_path / "course.toml").write_bytes((REPOSITORY / "course.toml").read_bytes())
    monkeypatch.setattr(course, "ROOT", tmp_path)
    return tmp_path


def solved():
    return fill(build.source_notebook(course.load(NAME)), reference(NAME))


def test_the_command_writes_a_key_and_records_for_whom(folder, capsys):
    assert main(["open", TASK, "--student", "bob"]) == main(["open", TASK, "--student", "ada"]) == 0
    out = capsys.readouterr().out
    key = (folder / "opened" / f"{TASK}.open").read_text()
    assert unlocking.decode(key) == (TASK, course.load(NAME).answer(TASK))
    assert f'unlock("{TASK}", "{key.strip()}")' in out and "open for ada" in out
    assert "Nothing of ada is in submitted/ so far" in out
    assert json.loads((folder / "opened.json").read_text()) == {TASK: ["ada", "bob"]}
    assert opened.is_open(TASK, "ada") and not opened.is_open(TASK, "cem") and not opened.is_open("sampling.mixture", "ada")
    assert main(["open", TASK]) == 2 and not opened.is_open(TASK, "cem")  # for whom has to be said
    assert main(["open", TASK, "--everybody"]) == 0 and opened.is_open(TASK, "cem")
    assert "everybody, also for those who have solved it" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("vpsde.los", "do you mean vpsde.loss"),
        ("vpsde.ode_or_sde", "There is no task 'vpsde.ode_or_sde' that a check grades"),
    ],
)
def test_a_task_that_cannot_be_opened_is_one_sentence(folder, capsys, task, words):
    assert main(["open", task, "--everybody"]) == 2
    assert words in capsys.readouterr().err and not (folder / "opened.json").exists()


@pytest.mark.parametrize("text", ["{", "[]", '{"a": "ada"}', '{"a": [1]}'])
def test_a_broken_record_stops_grading_and_opening_with_one_sentence_and_is_kept(folder, capsys, text):
    (folder / "opened.json").write_text(text)
    with pytest.raises(ValueError, match=r"Nothing is graded, because .*opened\.json"):
        opened.record()
    assert main(["open", TASK, "--student", "ada"]) == 2
    assert "Nothing is graded" in capsys.readouterr().err and (folder / "opened.json").read_text() == text


@pytest.mark.slow  # six answers are judged
def test_an_opened_task_gives_no_points_and_all_others_do(folder, runner):
    opened.open_task(TASK, ["ada"])
    checks = {course.grade_id(task, "check"): task for task in course.load(NAME).tasks}
    blank = solved()
    next(
        cell for cell in blank.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == course.grade_id(TASK)
    ).source = ""
    verdicts = grading.judge_notebook(blank, NAME, "ada", runner)
    assert [checks[identity] for identity, verdict in verdicts.items() if not verdict.passed] == [TASK]
    assert verdicts[course.grade_id(TASK, "check")].sentence == "This task was opened for you: it is worth no points."


def test_the_instructor_hears_of_opened_tasks_and_of_opened_answers_elsewhere(folder):
    answers = {course.grade_id(task): f"# mine\n{source}" for task, source in reference(NAME).items()}
    assert opened.notes(answers, NAME, "ada") == []
    opened.open_task(TASK, ["ada"])
    opened.open_task("vpsde.loss", ["ada"])
    assert opened.notes(answers, NAME, "ada") == [f"{TASK} was opened for this student: no points."]
    (note,) = opened.notes(answers, NAME, "bob")
    assert f"{TASK}: the answer is the reference's word for word, which was opened for ada and not for this student" in note
    assert opened.notes({course.grade_id(TASK): "def sample_gaussian(: "}, NAME, "bob") == []


@pytest.mark.slow  # nbgrader itself, once
def test_stock_nbgrader_with_an_opened_task(folder, tmp_path):
    shutil.copytree(REPOSITORY / "solutions" / NAME, folder / "solutions" / NAME)
    shutil.copy(REPOSITORY / "nbgrader_config.py", folder)
    shutil.copy(REPOSITORY / "course.secret", folder)
    subprocess.run([sys.executable, "-m", "autograder", "release"], cwd=folder, check=True, capture_output=True,
                   env={**os.environ, "DIFFUSION_LABS_COURSE": str(folder), "PYTHONPATH": str(REPOSITORY)})  # fmt: skip
    blank = nbformat.read(folder / "notebooks" / NAME / f"{NAME}.ipynb", as_version=4)
    for student in ("ada", "bob"):
        path = folder / "submitted" / student / NAME / f"{NAME}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(fill(blank, reference(NAME)), path)
    (folder / "opened.json").write_text("{")
    code, log = nbgrader(folder, "autograde", NAME)
    assert code != 0 and "Nothing is graded, because" in log and not (folder / "autograded").exists()
    (folder / "opened.json").unlink()
    opened.open_task(TASK, ["ada"])
    code, log = nbgrader(folder, "autograde", NAME)
    assert code == 0, log
    found = {student: {cell: auto for cell, (auto, _, _) in cells.items()} for (student, _), cells in scores(folder).items()}
    check = course.grade_id(TASK, "check")
    assert found["ada"][check] == 0 and found["bob"][check] == course.load(NAME).tasks[TASK]
    assert {cell: points for cell, points in found["ada"].items() if cell != check} == {
        cell: points for cell, points in found["bob"].items() if cell != check
    }
    page, rows = report.write([NAME], NAME)
    assert f"ada,{NAME},{TASK},0,opened" in rows.read_text()
    assert (
        "was opened for this student" in page.read_text() and "opened for ada and not for this student" in page.read_text()
    )
    text = table.text(table.rows())
    assert "was opened for this student: no points." in text.replace("\n      ", " ")
