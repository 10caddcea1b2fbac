"""The demo class through stock nbgrader: points, feedback, regrading, late submissions.

These tests share demo-course/, so they run in one process, in this order (see tests/conftest.py).
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta

import pytest

from autograder import course
from autograder import demo as demo_class
from autograder.sandbox import SWITCH, problem
from tests.autograder.test_nbgrader import NAMES, auto_points, auto_total, nbgrader, scores
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow  # the demo class hands in some 35 notebooks, and stock nbgrader grades them


def test_the_demo_class_gets_the_points_that_its_answers_deserve(demo):
    folder, printed = demo
    graded = scores(folder)
    for (student, name), cells in graded.items():
        full, got = auto_total(name), auto_points(cells)
        if student in ("ada", "bela", "chen", "hana", "ines", "jonas", "luca", "mina"):
            assert got == full, (student, name, cells)
        elif student in ("dana", "kira"):
            assert got == 0, (student, name)
        else:
            first = next(iter(course.load(name).tasks))
            lost = {"fatou": first, "goran": first, "emil": demo_class.CLASSIC.get(name, "").split(":")[0]}[student]
            assert got == full - course.load(name).tasks[lost], (student, name, cells)
    handed_in = {(path.parent.name, path.name) for path in (folder / "submitted").glob("*/*")}
    assert set(graded) == handed_in, "every submission has a row"
    assert len({student for student, _ in graded}) >= 12
    for name, mistake in demo_class.CLASSIC.items():
        assert mistake in printed, name
    for words in (
        "I was in the middle of something",
        "did not finish within",
        "could not be read",
        "no nbgrader metadata",
        "put back",
        "2 times",
    ):
        assert words in re.sub(r"\s+", " ", printed), words


def test_feedback_pages_name_the_mistake_and_hide_the_mark_scheme(demo):
    folder, _ = demo
    from html import escape

    from autograder import keys

    for name, mistake in demo_class.CLASSIC.items():
        says = next(one.says for one in keys.answers("misconceptions", name) if one.id == mistake)
        page = (folder / "feedback" / "emil" / name / f"{name}.html").read_text(encoding="utf-8")
        assert escape(says) in page
    for page in (folder / "feedback").rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert "MARK SCHEME" not in text and "HIDDEN TESTS" not in text


def test_the_autograded_folder_holds_notebooks_only(demo):
    folder, _ = demo
    assert not list((folder / "autograded").rglob("*.py"))
    assert not [path for path in (folder / "notebooks").rglob("*") if path.is_file() and path.suffix != ".ipynb"]


def test_regrading_repeats_and_keeps_manual_marks(demo):
    from nbgrader.api import Gradebook

    folder, _ = demo
    before = scores(folder)
    with Gradebook(f"sqlite:///{folder}/gradebook.db", "diffusion-labs") as gradebook:
        grade = gradebook.find_submission_notebook(NAMES[0], NAMES[0], "emil").grades[0]
        grade.manual_score, name = 0.5, grade.name
        gradebook.db.commit()
    code, log = nbgrader(folder, "autograde", NAMES[0], "--force", "--student", "emil")
    assert code == 0, log
    after = scores(folder)
    assert after["emil", NAMES[0]].pop(name)[1] == 0.5
    before["emil", NAMES[0]].pop(name)
    assert after == before


@pytest.fixture
def copied(demo, tmp_path):
    """Six of the demo class before grading, with the first notebook only."""
    from nbgrader.api import Gradebook

    folder, _ = demo
    shutil.copy(folder / "gradebook.db", tmp_path)
    with Gradebook(f"sqlite:///{tmp_path}/gradebook.db", "diffusion-labs") as gradebook:
        for name in NAMES:
            for student in [submission.student.id for submission in gradebook.assignment_submissions(name)]:
                gradebook.remove_submission(name, student)
    for part in ("solutions", "notebooks", "source"):
        shutil.copytree(folder / part, tmp_path / part)
    for part in ("course.toml", "course.secret", "nbgrader_config.py"):
        shutil.copy(folder / part, tmp_path)
    for student in ("ada", "bela", "dana", "emil", "fatou", "goran"):
        if (folder / "submitted" / student / NAMES[0]).exists():
            shutil.copytree(folder / "submitted" / student / NAMES[0], tmp_path / "submitted" / student / NAMES[0])
    return tmp_path


def automatic(folder):
    return {who: {cell: auto for cell, (auto, _, _) in cells.items()} for who, cells in scores(folder).items()}


def set_points(folder, student, task, points):
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{folder}/gradebook.db", "diffusion-labs") as gradebook:
        gradebook.find_grade(course.grade_id(task, "check"), NAMES[0], NAMES[0], student).auto_score = points
        gradebook.db.commit()


def grading(folder, *words):
    command = [sys.executable, "-m", "autograder", "grade", NAMES[0], "--jobs", "2", *words]
    environment = {
        **os.environ,
        "DIFFUSION_LABS_COURSE": str(folder),
        "PYTHONPATH": str(REPOSITORY),
        **({SWITCH: "off"} if problem() else {}),
    }
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )


def test_grading_in_parallel_gives_the_gradebook_of_stock_nbgrader(demo, copied):
    # and it does so after it was killed in the middle: nothing is lost, nothing that was judged is judged again
    folder, _ = demo
    kept = copied / ".verdicts"
    first = grading(copied)
    while first.poll() is None and len(list(kept.rglob("*.json"))) < 5:
        time.sleep(0.05)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    before = {path: path.stat().st_mtime_ns for path in kept.rglob("*.json")}
    assert len(before) >= 5 and not (copied / "autograded").exists()
    again = grading(copied)
    log = again.communicate(timeout=600)[0].decode()
    assert again.returncode == 0, log
    assert all(path.stat().st_mtime_ns == then for path, then in before.items())
    right = {who: points for who, points in automatic(folder).items() if who in automatic(copied)}
    assert automatic(copied) == right and len(right) >= 5
    half = copied / "autograded" / "emil" / NAMES[0] / f"{NAMES[0]}.ipynb"
    half.chmod(0o644)
    half.write_text("{")  # what a killed nbgrader may leave
    task, points = next(iter(course.load(NAMES[0]).tasks.items()))
    set_points(copied, "ada", task, 0.0)  # as if an earlier grader had erred
    log = grading(copied, "--diff").communicate(timeout=600)[0].decode()
    assert re.search(rf"ada +{task} +\+{points:g}\n1 answers would be graded otherwise", log), log
    assert automatic(copied)["ada", NAMES[0]][course.grade_id(task, "check")] == 0 and half.read_text() == "{"
    set_points(copied, "ada", task, points)
    once_more = grading(copied)
    log = once_more.communicate(timeout=600)[0].decode()
    assert once_more.returncode == 0 and "verdicts" in half.read_text(encoding="utf-8"), log
    assert automatic(copied) == right


def test_a_student_without_a_notebook_stops_nothing(demo):
    folder, _ = demo
    empty = folder / "submitted" / "zoe" / NAMES[0]
    empty.mkdir(parents=True, exist_ok=True)
    (empty / "notes.txt").write_text("I could not open it.")
    try:
        code, log = nbgrader(folder, "autograde", NAMES[0])
        assert code == 0, log
    finally:
        shutil.rmtree(folder / "submitted" / "zoe")


def test_a_late_submission_loses_points_in_the_gradebook(demo):
    from nbgrader.api import Gradebook

    folder, _ = demo
    name = NAMES[0]
    (folder / "submitted" / "ada" / name / "timestamp.txt").write_text("2030-02-03 12:00:00 UTC")
    with Gradebook(f"sqlite:///{folder}/gradebook.db", "diffusion-labs") as gradebook:
        gradebook.update_or_create_assignment(name, duedate=datetime(2030, 2, 3, 12) - timedelta(hours=30))
    try:
        code, log = nbgrader(folder, "autograde", name, "--force", "--student", "ada")
        assert code == 0, log
        with Gradebook(f"sqlite:///{folder}/gradebook.db", "diffusion-labs") as gradebook:
            submission = gradebook.find_submission(name, "ada")
            late = course.settings()["late"]["share_per_day"]
            assert submission.late_submission_penalty == pytest.approx(2 * late * submission.score)
    finally:
        (folder / "submitted" / "ada" / name / "timestamp.txt").unlink()
        with Gradebook(f"sqlite:///{folder}/gradebook.db", "diffusion-labs") as gradebook:
            gradebook.update_or_create_assignment(name, duedate=None)
