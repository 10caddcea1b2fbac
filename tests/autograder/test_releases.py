"""A corrected release in mid-course: old submissions are graded, what was given by hand stays, and nothing is lost unasked."""

from __future__ import annotations

import copy
import csv
import os
import re
import shutil
import subprocess
import sys

import nbformat
import pytest
from nbgrader.api import Gradebook, GradeCell, SolutionCell, SourceCell, TaskCell

from autograder import course, releases, salvage
from autograder.demo import fill, reference
from autograder.sandbox import SWITCH, problem
from tests.conftest import REPOSITORY

NAME = "03_vpsde"
PNG = "iVBORw0KGgo="
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
TRAINING = "fit("


def command(folder, *words, good=True):
    environment = {**os.environ, "DIFFUSION_LABS_COURSE": str(folder), "PYTHONPATH": str(REPOSITORY),
                   **({SWITCH: "off"} if problem() else {})}  # fmt: skip
    done = subprocess.run([sys.executable, "-m", *words], cwd=folder, env=environment, capture_output=True, text=True)
    assert not good or done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def gradebook(folder):
    return Gradebook(f"sqlite:///{folder}/gradebook.db", "diffusion-labs")


def older(text):
    """Notebook 03 as it may have been some weeks ago: a task less, other points, another name, another text."""
    cells = ["# %%" + part for part in text.split("# %%")[1:]]
    dropped = ('# %% answer="vpsde.traj"', '# %% check="vpsde.traj"')
    text = "".join(cell for cell in cells if not cell.startswith(dropped))
    for new, old in {
        '# %% check="vpsde.alpha" points=2': '# %% check="vpsde.alpha" points=1',
        'written="vpsde.ode_or_sde" points=3': 'written="vpsde.which" points=4',
        "The coefficient of x_0 in x_t, at times t": "The coefficient of x_0, at times t",
        "A diffusion model has two halves.": "A diffusion modell has too halves.",
        "# ### Question: ODE or SDE?": "# ### Question: SDE or ODE?",
    }.items():
        assert text.count(new) == 1, new
        text = text.replace(new, old)
    return text


def hand_in(folder, student, answered):
    notebook = nbformat.read(folder / "notebooks" / NAME / f"{NAME}.ipynb", as_version=4)
    if answered:
        answers = reference(NAME)
        notebook = fill(notebook, answers)
        place = next(cell for cell in notebook.cells if cell.id == "vpsde-which-answer")
        place.source = "It is the SDE, with its signs turned."
        training = next(cell for cell in notebook.cells if cell.cell_type == "code" and not cell.metadata.get("nbgrader")
                        and TRAINING in cell.source)  # fmt: skip
        training.source += "\nraise SystemExit('run again')"
        training.outputs = [
            nbformat.v4.new_output("display_data", data={"image/png": PICTURE, "text/html": "<script>alert(1)</script>"}),
            nbformat.v4.new_output("stream", name="stderr", text="\rtraining: 50%\rtraining: 100%\n"),
        ]
    path = folder / "submitted" / student / NAME / f"{NAME}.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(notebook, path)


def points(folder, student):
    with gradebook(folder) as book:
        found = {g.name: (g.auto_score, g.manual_score, g.max_score)
                 for g in book.find_submission_notebook(NAME, NAME, student).grades}  # fmt: skip
        return found, book.find_submission(NAME, student).score


@pytest.fixture(scope="module")
def revised(tmp_path_factory):
    """A course in which two handed in from the old release, were graded and marked; then the notebook is corrected."""
    folder = tmp_path_factory.mktemp("course")
    shutil.copytree(REPOSITORY / "solutions" / NAME, folder / "solutions" / NAME)
    for name in ("course.toml", "nbgrader_config.py", "course.secret"):
        if (REPOSITORY / name).exists():
            shutil.copy(REPOSITORY / name, folder / name)
    source = folder / "solutions" / NAME / f"{NAME}.py"
    new = source.read_text(encoding="utf-8")
    source.write_text(older(new), encoding="utf-8")
    command(folder, "autograder", "release")
    hand_in(folder, "ada", True)
    hand_in(folder, "dana", False)
    command(folder, "nbgrader", "autograde", NAME)
    sheet = folder / "marks" / f"{NAME}.csv"
    assert "2 written answers, of which 1 wait for a mark" in command(folder, "autograder", "marks", NAME)
    with sheet.open(newline="", encoding="utf-8-sig") as stream:
        rows = list(csv.DictReader(stream))
    assert next(row["mark"] for row in rows if row["student"] == "dana") == "0"
    next(row for row in rows if row["student"] == "ada").update(mark="3.5", comment="Well seen.")
    with sheet.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    assert "2 answers have the marks" in command(folder, "autograder", "marks", NAME, "--import", str(sheet))
    with gradebook(folder) as book:
        book.find_comment("vpsde-alpha", NAME, NAME, "ada").manual_comment = "Neat."
        book.db.commit()
    before = points(folder, "ada")
    source.write_text(new, encoding="utf-8")
    return folder, before


@pytest.mark.full
def test_a_corrected_release_keeps_submissions_marks_and_comments(revised):
    folder, before = revised
    notebook = folder / "notebooks" / NAME / f"{NAME}.ipynb"
    handed_out = notebook.read_text(encoding="utf-8")
    refused = command(folder, "autograder", "release", good=False)
    assert re.search(r"03_vpsde was not released: vpsde\.which is gone from it, and 4 marks", refused), refused
    assert "Traceback" not in refused.partition("03_vpsde was not released")[2]
    assert points(folder, "ada") == before and notebook.read_text(encoding="utf-8") == handed_out
    with (folder / "course.toml").open("a") as stream:
        stream.write('"vpsde.which" = "vpsde.ode_or_sde"\n')
    said = command(folder, "autograder", "release")
    assert "vpsde-traj-check is new" in said and "vpsde-alpha-check has 2 points now, not 1" in said, said
    assert "marks by hand above 3 points stay as they are: ada" in said
    difference = command(folder, "autograder", "grade", NAME, "--diff", "--jobs", "1")
    lines = [line.split() for line in difference.splitlines() if line.startswith(("ada", "dana"))]
    assert lines == [["ada", "vpsde.alpha", "+1"]] and "1 answers would be graded otherwise" in difference, difference
    assert points(folder, "ada")[1] == before[1]  # nothing was written
    command(folder, "nbgrader", "autograde", NAME, "--force")
    (after, total), old = points(folder, "ada"), before[0]
    assert total == before[1] + 1 and after.pop("vpsde-ode_or_sde") == (None, 3.5, 3.0)
    assert after.pop("vpsde-alpha-check") == (2, None, 2) and after.pop("vpsde-traj-check")[0] == 0
    assert after.items() <= old.items() and set(old) - set(after) == {"vpsde-which", "vpsde-alpha-check"}
    with gradebook(folder) as book:
        for cell, comment in (("vpsde-ode_or_sde", "Well seen."), ("vpsde-alpha", "Neat.")):
            assert book.find_comment(cell, NAME, NAME, "ada").comment == comment
    assert points(folder, "dana")[1] == 0


@pytest.mark.full
def test_what_training_left_is_kept_for_the_marker_and_not_run_again(revised):
    folder, _ = revised
    graded = nbformat.read(folder / "autograded" / "ada" / NAME / f"{NAME}.ipynb", as_version=4)
    training = next(cell for cell in graded.cells if "run again" in cell.source)
    shown, progress = training.outputs
    assert shown.data == {"image/png": PICTURE} and progress.text == "training: 100%\n"
    command(folder, "nbgrader", "generate_feedback", NAME, "--student", "ada")
    page = (folder / "feedback" / "ada" / NAME / f"{NAME}.html").read_text(encoding="utf-8")
    assert PICTURE in page and "training: 100%" in page and "training: 50%" not in page and "alert(1)" not in page
    assert "Well seen." in page and "MARK SCHEME" not in page and "**Full (3).**" not in page


@pytest.mark.full
def test_the_graded_notebook_is_todays_with_the_answers_of_then(revised):
    folder, _ = revised
    graded = nbformat.read(folder / "autograded" / "ada" / NAME / f"{NAME}.ipynb", as_version=4)
    texts = "\n".join(cell.source for cell in graded.cells)
    assert "A diffusion model has two halves." in texts and "modell" not in texts
    assert texts.count("It is the SDE, with its signs turned.") == 1 and "Cells that the student added" not in texts
    question = next(cell for cell in graded.cells if cell.id == "vpsde-ode_or_sde")
    assert "BEGIN MARK SCHEME" in question.source  # formgrader shows the marker this cell
    assert graded.cells[graded.cells.index(question) + 1].source == "It is the SDE, with its signs turned."
    blank = nbformat.read(folder / "autograded" / "dana" / NAME / f"{NAME}.ipynb", as_version=4)
    said = blank.metadata.diffusion_labs.verdicts
    assert all(verdict["sentence"].startswith("Nothing is filled in") for verdict in said.values())


def test_the_gradebook_gets_the_new_cells_and_loses_nothing_by_hand(empty_gradebook, tmp_path, monkeypatch):
    names = {}
    monkeypatch.setattr(course, "settings", lambda: {"renamed": names})
    (tmp_path / "gradebook.db").write_bytes(empty_gradebook)
    task, check, source = ({"max_score": 3.0, "cell_type": "markdown"}, {"max_score": 2.0, "cell_type": "code"},
                           {"cell_type": "code", "locked": True, "source": "", "checksum": ""})  # fmt: skip
    first = {GradeCell: {"a-x-check": check, "a-y-check": check}, SolutionCell: {"a-x": {}}, TaskCell: {"a-old": task},
             SourceCell: {"given-01": source}}  # fmt: skip
    second = {GradeCell: {"a-x-check": {**check, "max_score": 4.0}, "a-z-check": check}, SolutionCell: {"a-x": {}, "a-z": {}},
              TaskCell: {"a-new": task}, SourceCell: {"given-01": source, "given-02": source}}  # fmt: skip
    with gradebook(tmp_path) as book:
        book.add_assignment("n")
        notebook = book.add_notebook("n", "n")
        for kind, cells in first.items():
            book.db.add_all([kind(name=name, notebook=notebook, **info) for name, info in cells.items()])
        book.db.commit()
        assert releases.revise(book, "n", "n", second) == []  # nobody has handed in: stock nbgrader starts afresh
        for student in ("ada", "bo"):
            book.add_student(student)
            book.add_submission("n", student)
        for name, auto, manual in (("a-x-check", 2, None), ("a-y-check", 2, None), ("a-old", None, 1.5)):
            grade = book.find_grade(name, "n", "n", "ada")
            grade.auto_score, grade.manual_score, grade.needs_manual_grade = auto, manual, False
        book.find_comment("a-old", "n", "n", "ada").manual_comment = "Good."
        book.db.commit()
        for names["a.gone"] in ("", "a.other"):  # neither says what became of a.old
            with pytest.raises(
                releases.WouldLose, match=r"n was not released: a\.old is gone from it, and 2 marks or comments"
            ):
                releases.revise(book, "n", "n", second)
        assert {grade.name for grade in book.find_submission_notebook("n", "n", "ada").grades} == {
            "a-x-check",
            "a-y-check",
            "a-old",
        }
        names["a.old"] = "a.new"
        said = releases.revise(book, "n", "n", second)
        assert sorted(said) == ["a-old is called a-new now.", "a-x-check has 4 points now, not 2.", "a-y-check is gone.",
                                "a-z-check is new; grade again, or it counts as 0."]  # fmt: skip
        assert releases.revise(book, "n", "n", {**second, GradeCell: {"a-x-check": check, "a-z-check": check}}) == []
    with gradebook(tmp_path) as book:
        for student, mark, comment, score in (("ada", 1.5, "Good.", 3.5), ("bo", None, None, 0)):
            grades = {grade.name: grade for grade in book.find_submission_notebook("n", "n", student).grades}
            assert set(grades) == {"a-x-check", "a-z-check", "a-new"}
            assert grades["a-new"].manual_score == mark and book.find_comment("a-new", "n", "n", student).comment == comment
            assert book.find_comment("a-z", "n", "n", student).comment is None
            assert book.find_submission("n", student).score == score  # the points of what is gone are gone
        names["a.new"] = ""  # taken out, and the marks may go
        book.update_or_create_grade_cell("a-x-check", "n", "n", max_score=4.0)
        assert releases.revise(book, "n", "n", {**second, TaskCell: {}}) == ["a-new is gone."]
        assert book.find_submission("n", "ada").score == 2


@pytest.fixture
def pristine():
    return nbformat.read(REPOSITORY / "notebooks" / NAME / f"{NAME}.ipynb", as_version=4)


@pytest.fixture
def earlier(pristine, tmp_path, monkeypatch):
    """A release with other texts, other ids of its plain cells, an older name of a task, and figures in it."""
    course.load(NAME)  # from its own place
    monkeypatch.setattr(course, "ROOT", tmp_path)
    settings = {"renamed": {"vpsde.noise_level": "vpsde.sigma", "vpsde.gone": ""}}
    monkeypatch.setattr(course, "settings", lambda: settings)
    old = copy.deepcopy(pristine)
    old.cells.insert(3, nbformat.v4.new_code_cell("nothing = 'is here any more'", id="03-extra"))
    for number, cell in enumerate(old.cells):
        if not cell.metadata.get("nbgrader") and not cell.id.endswith("-answer"):
            cell["id"] = f"03-{number:03d}"
            cell.source = cell.source.replace("the", "teh", 1)
        elif cell.id.startswith("vpsde-sigma"):
            cell["id"] = cell.id.replace("sigma", "noise_level")
            cell.metadata.nbgrader["grade_id"] = cell.id
            cell.source = cell.source.replace("vpsde.sigma", "vpsde.noise_level")
    releases.keep(pristine, NAME)
    releases.keep(old, NAME)
    return old


def test_a_submission_of_an_earlier_release_comes_out_as_todays(pristine, earlier):
    blank = salvage.salvage(releases.update(earlier, NAME, pristine), pristine)
    assert [cell.source for cell in blank.cells] == [cell.source for cell in pristine.cells]
    mine = fill(copy.deepcopy(earlier), reference(NAME))
    answer = next(cell for cell in mine.cells if cell.id == "vpsde-noise_level")
    answer.source = "# ==== TODO vpsde.noise_level: about 3 lines ====\n" + reference(NAME)["vpsde.sigma"]
    figure = next(cell for cell in mine.cells if cell.cell_type == "code" and "plt.subplots" in cell.source)
    figure.outputs = [nbformat.v4.new_output("display_data", data={"image/png": PNG})]
    changed = [cell for cell in mine.cells if cell.cell_type == "code" and "plt.subplots" in cell.source][1]
    changed.source += "\n# mine"
    mine.cells.append(nbformat.v4.new_code_cell("my_own = 1", id="own"))
    result = salvage.salvage(releases.update(mine, NAME, pristine), pristine)
    by_id = {cell.id: cell for cell in result.cells}
    assert by_id["vpsde-sigma"].source.endswith(reference(NAME)["vpsde.sigma"])
    assert by_id["vpsde-loss"].source == reference(NAME)["vpsde.loss"]
    assert [cell.outputs for cell in result.cells if cell.source == figure.source.replace("teh", "the", 1)] == [
        figure.outputs
    ]
    assert [cell.source for cell in result.cells[len(pristine.cells) :]] == [
        "---\n*Cells that the student added:*",
        "my_own = 1",
    ]
    assert sum("# mine" in cell.source for cell in result.cells) == 1
    assert not [note for note in result.metadata.diffusion_labs.notes if "missing" in note]


def test_a_submission_of_todays_release_is_left_alone(pristine, earlier):
    mine = fill(copy.deepcopy(pristine), reference(NAME))
    assert releases.update(mine, NAME, pristine) is mine
    nothing = nbformat.v4.new_notebook()
    assert releases.update(nothing, NAME, pristine) is nothing
