"""Through the front door: stock nbgrader commands on whole submissions."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime

import nbformat
import pytest

from autograder import build, course, parallel, table
from autograder import demo as demo_class
from autograder.nbgrader_parts import LatePolicy
from tests.conftest import REPOSITORY

NAMES = course.assignment_names()
pytestmark = pytest.mark.slow  # nbgrader's own start-up is 3 s a command
SOME = [pytest.param(name, marks=() if name[:2] in ("01", "06") else pytest.mark.full) for name in NAMES]
"""All notebooks; what is not in make test is the same code with other cells, up to a minute each."""


def nbgrader(folder, *words, plain=False):
    environment = {**os.environ, "PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"}
    if not plain:
        environment["DIFFUSION_LABS_COURSE"] = str(folder)
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=900
    )
    return done.returncode, done.stdout + done.stderr


def scores(folder, course_id="diffusion-labs"):
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{folder}/gradebook.db", course_id) as gradebook:
        return {
            (submission.student.id, name): {
                g.name: (g.auto_score, g.manual_score, g.max_score) for n in submission.notebooks for g in n.grades
            }
            for name in NAMES
            if name in {a.name for a in gradebook.assignments}
            for submission in gradebook.assignment_submissions(name)
        }


def auto_points(cells):
    return sum(auto or 0 for auto, _, _ in cells.values())


def auto_total(name):
    return sum(course.load(name).tasks.values())


@pytest.fixture()
def plain(tmp_path, name):
    """A course of an instructor who has nothing but stock nbgrader and our source notebook."""
    (tmp_path / "nbgrader_config.py").write_text("c = get_config()\nc.CourseDirectory.course_id = 'plain'\n")
    source = tmp_path / "source" / name / f"{name}.ipynb"
    source.parent.mkdir(parents=True)
    source.write_text(nbformat.writes(build.source_notebook(course.load(name))), encoding="utf-8")
    code, log = nbgrader(tmp_path, "generate_assignment", name, plain=True)
    assert code == 0, log
    for student in ("right", "blank"):
        path = tmp_path / "submitted" / student / name / f"{name}.ipynb"
        path.parent.mkdir(parents=True)
        notebook = nbformat.read(tmp_path / "release" / name / f"{name}.ipynb", as_version=4)
        if student == "right":
            notebook = demo_class.fill(notebook, demo_class.reference(name))
        nbformat.write(notebook, path)
    return tmp_path


@pytest.mark.parametrize("name", SOME)
def test_plain_nbgrader_grades_the_reference_full_and_the_blank_zero(plain, name):
    code, log = nbgrader(plain, "autograde", name, plain=True)
    assert code == 0, log
    graded = scores(plain, "plain")
    assert auto_points(graded["right", name]) == auto_total(name), graded["right", name]
    assert auto_points(graded["blank", name]) == 0


@pytest.mark.parametrize("name", SOME)
def test_nbgrader_validate_works_on_student_notebooks(tmp_path, name):
    blank = REPOSITORY / "notebooks" / name / f"{name}.ipynb"
    path = tmp_path / f"{name}.ipynb"
    nbformat.write(demo_class.fill(nbformat.read(blank, as_version=4), demo_class.reference(name)), path)
    code, log = nbgrader(tmp_path, "validate", str(path), plain=True)
    assert code == 0 and "Success" in log, log
    nbformat.write(nbformat.read(blank, as_version=4), path)
    code, log = nbgrader(tmp_path, "validate", str(path), plain=True)
    assert "Success!" not in log and "Nothing is filled in here yet" in log, log


def test_what_grades_a_class_imports_neither_grammars_nor_torch():
    look = "import sys; from autograder import __main__, parallel, keys; keys.item('vpsde.loss', 1); print(sys.modules.keys() & {'lark', 'torch'})"
    nbgrader = parallel.NBGRADER.replace("main()", "print(sys.modules.keys() & {'lark', 'torch'})")
    for code in (look, nbgrader):
        assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n", code


def test_late_policy(monkeypatch):
    monkeypatch.setattr(course, "settings", lambda: {"late": {"share_per_day": 0.1, "days": 3}})
    hours = lambda h: LatePolicy().late_submission_penalty("x", 20.0, h * 3600.0)  # noqa: E731
    assert [hours(h) for h in (0, 1, 24, 25, 72, 73)] == [0, 2, 2, 4, pytest.approx(6), 20]


def test_due_dates_reach_the_gradebook(tmp_path, monkeypatch):
    from nbgrader.api import Gradebook

    shutil.copytree(REPOSITORY / "solutions" / NAMES[0], tmp_path / "solutions" / NAMES[0])
    shutil.copy(REPOSITORY / "nbgrader_config.py", tmp_path)
    text = (REPOSITORY / "course.toml").read_text(encoding="utf-8")
    due = datetime(2030, 2, 1, 23, 59, tzinfo=UTC)
    (tmp_path / "course.toml").write_text(
        text.replace("[due]", f'[due]\n"{NAMES[0]}" = {due.isoformat()}'), encoding="utf-8"
    )
    environment = {**os.environ, "DIFFUSION_LABS_COURSE": str(tmp_path), "PYTHONPATH": str(REPOSITORY)}
    subprocess.run(
        [sys.executable, "-m", "autograder", "release"], cwd=tmp_path, env=environment, check=True, capture_output=True
    )
    with Gradebook(f"sqlite:///{tmp_path}/gradebook.db", "diffusion-labs") as gradebook:
        assert gradebook.find_assignment(NAMES[0]).duedate == due.replace(tzinfo=None)


def test_the_table_keeps_extra_credit_out_of_the_denominator(monkeypatch):
    rows = [table.Row("x", dict.fromkeys(NAMES, (1.0, 10.0)))]
    everything = sum(table.total_points(name) for name in NAMES)
    for extra in (["06_ddim", "07_cifar"], [], NAMES[:1]):
        if extra != ["06_ddim", "07_cifar"]:  # as course.toml has it
            changed = {**course.settings(), "extra_credit": {"assignments": extra}}
            monkeypatch.setattr(course, "settings", lambda changed=changed: changed)
        assert f"{len(NAMES)} / {everything - sum(map(table.total_points, extra)):g}" in table.text(rows)


def test_instructor_solutions_as_notebooks(tmp_path):
    path = build.write_solution(NAMES[0])
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert any("BEGIN SOLUTION" in "".join(cell["source"]) for cell in notebook["cells"])
